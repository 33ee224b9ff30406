//! A calibration for people: tables with units, and the verdict in a sentence.

use std::fmt::Write as _;

use super::plan::{Aim, Way};
use super::result::{Calibrated, Measured, fastest, of};
use crate::report::{Stats, three_digits};

/// What stands for a value that isn't known.
const UNKNOWN: &str = "-";

const COLUMNS: usize = 100;

/// The whole of it, at most 100 columns.
pub fn text(made: &Calibrated) -> String {
    let mut out = String::new();
    let key = &made.key;
    line(&mut out, &format!("fastgen-tui {} on {}, {}, {} cores", key.version, key.host, key.cpu, key.cores));
    if let Some(profile) = &made.profile {
        line(&mut out, &format!("for the traffic of the profile {profile}"));
    }
    if made.own_core {
        line(&mut out, "over HTTP the built-in server had one core for itself, the client the others");
    }
    out.push('\n');
    push_loads(&mut out, made);
    line(&mut out, "us: CPU of the clients' thread and of the collector for a token; %: of one core");
    push_limits(&mut out, made);
    push_errors(&mut out, made);
    out.push('\n');
    line(&mut out, &made.verdict);
    for note in &made.notes {
        line(&mut out, &format!("note: {note}"));
    }
    out
}

/// Words, broken at spaces where they are too many for a line.
fn line(out: &mut String, text: &str) {
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > COLUMNS {
            out.push_str("\n  ");
            used = 2;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out.push('\n');
}

fn push_loads(out: &mut String, made: &Calibrated) {
    let head =
        ["", "streams", "tokens", "tokens/s", "req/s", "client us", "coll. us", "client %", "server %"];
    let mut rows = vec![row(head)];
    for m in &made.loads {
        let percent = |share: Option<f64>| number(share.map(|s| s * 100.0), 0);
        rows.push(vec![
            kind(m),
            m.load.streams.to_string(),
            m.load.output_tokens.to_string(),
            number(Some(m.tokens_per_s), 0),
            number(Some(m.requests_per_s), 0),
            number(m.client_cpu_us_per_token, 2),
            number(m.collector_cpu_us_per_token, 2),
            percent(m.client_busy),
            percent(m.server_busy),
        ]);
    }
    push_table(out, &rows);
}

fn kind(m: &Measured) -> String {
    let way = if m.load.way == Way::Http { "HTTP" } else { "in process" };
    match m.load.aim {
        Aim::Tokens | Aim::Requests => format!("{way}, flat out"),
        Aim::Paced => format!("{way}, each {} ms", ms(m.load.itl_s)),
    }
}

/// What follows from the loads' CPU times: the limits that later runs are held against.
fn push_limits(out: &mut String, made: &Calibrated) {
    let head = ["limits of one thread", "tokens", "tokens/s one by one", "token us", "request us"];
    let mut rows = vec![row(head)];
    for (way, name) in [(Way::Http, "HTTP"), (Way::InProcess, "in process")] {
        let Some(limit) = made.limits.of(way) else { continue };
        let n = tokens_a_request(made, way);
        rows.push(vec![
            name.into(),
            n.to_string(),
            number(Some(limit.tokens_per_s(n)), 0),
            number(Some(limit.token_cpu_us), 2),
            number(Some(limit.request_cpu_us), 2),
        ]);
    }
    if rows.len() > 1 {
        out.push('\n');
        push_table(out, &rows);
    }
}

fn ms(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

fn push_errors(out: &mut String, made: &Calibrated) {
    let judged: Vec<_> = made.loads.iter().filter_map(|m| Some((m, m.error.as_ref()?))).collect();
    if judged.is_empty() {
        return;
    }
    out.push('\n');
    let mut rows = vec![row(["error to the server's truth, ms", "streams", "p50", "p99", "max", "count"])];
    for (m, errors) in judged {
        let pace = format!("first after {} ms, each {} ms", ms(m.load.ttft_s), ms(m.load.itl_s));
        for (name, stats) in [("TTFT", &errors.ttft_s), ("ITL", &errors.itl_s), ("stamp", &errors.stamp_s)] {
            let ms = |value: Option<f64>| number(value.map(|s| s * 1e3), 3);
            rows.push(vec![
                format!("{name}: {pace}"),
                m.load.streams.to_string(),
                ms(stats.p50),
                ms(stats.p99),
                ms(stats.max),
                stats.count.to_string(),
            ]);
        }
    }
    push_table(out, &rows);
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// Columns as wide as their widest cell; the first one is text.
fn push_table(out: &mut String, rows: &[Vec<String>]) {
    let width = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(String::len).max().unwrap_or(0);
    for cells in rows {
        let mut text = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let width = width(column);
            let written = match column {
                0 => write!(text, "{cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
            debug_assert!(written.is_ok(), "writing to a string can't fail");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| UNKNOWN.into(), |v| format!("{v:.decimals$}"))
}

/// What this client can measure, in a sentence. What it calls measured are the table's own figures; what is reckoned from
/// CPU times, which a machine that does something else hardly changes, is told as that. Errors are those at so many streams.
pub(super) fn verdict(made: &Calibrated, streams: u32) -> String {
    let mut said = Vec::new();
    if made.limits.http.is_some() {
        said.push(format!("over HTTP this client measured here up to {}", seen(made, Way::Http)));
        said.extend(reckoned(made, Way::Http));
        said.extend(errors(made, streams));
    }
    if made.limits.in_process.is_some() {
        said.push(format!("in process it measured up to {}", seen(made, Way::InProcess)));
        said.extend(reckoned(made, Way::InProcess));
    }
    if said.is_empty() {
        return "no load was measured whole, so there is no limit to tell".into();
    }
    said.join("; ")
}

/// The rates of the table that are the highest of their kind.
fn seen(made: &Calibrated, way: Way) -> String {
    let tokens = fastest(&made.loads, way).map(|m| three_digits(m.tokens_per_s));
    let requests = of(&made.loads, way, Aim::Requests).last().map(|m| three_digits(m.requests_per_s));
    let tokens = format!("{} tokens/s", tokens.unwrap_or_else(|| UNKNOWN.into()));
    requests
        .map_or_else(|| tokens.clone(), |requests| format!("{tokens} and {requests} requests/s of one token"))
}

/// The limit that runs' reports go by.
fn reckoned(made: &Calibrated, way: Way) -> Option<String> {
    let limit = made.limits.of(way)?;
    let n = tokens_a_request(made, way);
    let (token, request) = (limit.token_cpu_us, limit.request_cpu_us);
    let most = limit.tokens_per_s(n);
    // Where tokens one by one are no dearer than what was seen, that is the limit.
    if most > limit.seen_tokens_per_s * 0.99 {
        return Some(format!(
            "tokens one by one may be as many: one that comes alone costs it {token:.1} us of CPU, a request {request:.0} us"
        ));
    }
    Some(format!(
        "by its CPU time, {token:.1} us for a token that comes alone and {request:.0} us for a request, one thread can \
         take {} tokens/s one by one, at {n} tokens a request",
        three_digits(most)
    ))
}

/// Tokens of a request in the loads that are flat out.
fn tokens_a_request(made: &Calibrated, way: Way) -> f64 {
    let first = made.loads.iter().find(|m| m.load.way == way && m.load.aim == Aim::Tokens);
    first.map_or(1.0, |m| f64::from(m.load.output_tokens))
}

/// The errors at so many streams, and what they are of the SLA's limits.
fn errors(made: &Calibrated, streams: u32) -> Option<String> {
    let paced = made.loads.iter().find(|m| m.load.streams == streams && m.error.is_some())?;
    let errors = paced.error.as_ref()?;
    let told = |stats: &Stats, limit_s: Option<f64>| {
        let (p50, p99) = (stats.p50?, stats.p99?);
        let share = limit_s.filter(|limit| *limit > 0.0).map_or_else(String::new, |limit| {
            format!(" ({:.1} % of the SLA's {} ms)", p99 / limit * 100.0, ms(limit))
        });
        Some(format!("{:.2} ms (p50), {:.2} ms (p99){share}", p50 * 1e3, p99 * 1e3))
    };
    let ttft = told(&errors.ttft_s, made.sla_ttft_s)?;
    let itl = told(&errors.itl_s, made.sla_itl_s).map_or_else(String::new, |itl| format!(", ITL to {itl}"));
    Some(format!("at {streams} streams TTFT is right to {ttft}{itl}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;
    use crate::calibrate::plan::{Plan, Wanted};
    use crate::calibrate::result::Errors;
    use crate::calibrate::result::tests::loads;
    use crate::calibrate::store::Key;

    fn calibrated() -> Calibrated {
        let mut all = loads(Way::Http);
        let stats = |ms: f64| Stats {
            p50: Some(ms / 1e4),
            p99: Some(ms / 1e3),
            max: Some(ms),
            count: 9,
            ..Stats::default()
        };
        all[4].error = Some(Errors { ttft_s: stats(0.5), itl_s: stats(0.2), stamp_s: stats(0.1) });
        all.extend(loads(Way::InProcess));
        let mut plan = Plan::general(Wanted::default());
        plan.sla_ttft_s = Some(0.05);
        Calibrated::new(&plan, Key::default(), jiff::Timestamp::UNIX_EPOCH, true, all)
    }

    #[test]
    fn the_verdict_tells_limits_and_errors() {
        let said = calibrated().verdict;
        for part in [
            "over HTTP this client measured here up to 333,000 tokens/s and 20,000 requests/s of one token; by its CPU time",
            "5.0 us for a token that comes alone and 48 us for a request, one thread can take 167,000 tokens/s one by one",
            "at 64 streams TTFT is right to 0.05 ms (p50), 0.50 ms (p99) (1.0 % of the SLA's 50 ms)",
            "ITL to 0.02 ms (p50), 0.20 ms (p99)",
            "in process it measured up to 333,000 tokens/s and 20,000 requests/s of one token; by its CPU time",
        ] {
            assert!(said.contains(part), "`{part}` is missing in {said}");
        }
    }

    /// Waiting for something else costs a client rate, not CPU: the sentence must not give a rate that the table lacks.
    #[test]
    fn on_a_loaded_machine_the_verdict_tells_the_tables_rates() {
        let mut all = loads(Way::Http);
        for m in &mut all {
            (m.tokens_per_s, m.requests_per_s) = (m.tokens_per_s / 3.0, m.requests_per_s / 3.0);
            m.client_busy = m.client_busy.map(|busy| busy / 3.0);
        }
        let plan = Plan::general(Wanted::default());
        let made = Calibrated::new(&plan, Key::default(), jiff::Timestamp::UNIX_EPOCH, true, all);
        let measured =
            "up to 111,000 tokens/s and 6,670 requests/s of one token; tokens one by one may be as many";
        assert!(made.verdict.contains(measured), "{}", made.verdict);
        let text = text(&made);
        let cells: Vec<&str> = text.lines().flat_map(str::split_whitespace).collect();
        assert!(cells.contains(&"111000") && cells.contains(&"6667"), "{text}");
        let limit = format!("{:.0}", made.limits.http.unwrap().tokens_per_s(48.0));
        assert!(cells.contains(&limit.as_str()), "{text}");
    }

    #[test]
    fn tables_fit_a_terminal_and_unknown_is_no_number() {
        let mut made = calibrated();
        made.loads[0].client_busy = None;
        made.loads[0].client_cpu_us_per_token = None;
        let text = text(&made);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        let mut cells = text.lines().flat_map(str::split_whitespace);
        assert!(cells.any(|cell| cell == "-"), "{text}");
        assert!(text.contains("HTTP, flat out") && text.contains("stamp"), "{text}");
    }
}
