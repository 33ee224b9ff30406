//! How near the client was to its own limit: could it have been the bottleneck?

use serde::Serialize;

use super::figures::StageReport;
use super::run::Run;
use super::window;
use crate::recording::{CALIBRATED_SINCE, Calibration};

/// From this share of its limit on, the client may be what was measured.
pub const BOTTLENECK_SHARE: f64 = 0.5;

/// What a run asked of the client, in the stage that asked most.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClientReport {
    /// CPU of the clients', collector's and screen's threads while measuring, in % of one core.
    pub cpu_percent: Option<f64>,
    pub output_tokens_per_s: Option<f64>,
    /// What the client could measure there; `null` if nobody had found out.
    pub calibration: Option<Calibration>,
    /// Its limit at the stage's tokens a request, with all threads of clients.
    pub limit_tokens_per_s: Option<f64>,
    /// Of that limit, what the stage used.
    pub share: Option<f64>,
    /// All of it in a line; `null` where there is nothing to say.
    pub line: Option<String>,
}

/// What one stage asked of the client.
struct Stage {
    /// Threads of its clients.
    threads: u32,
    tokens_per_s: f64,
    tokens_per_request: f64,
    cpu_percent: Option<f64>,
}

/// Looks at a run's stages.
pub fn client(run: &Run, stages: &[StageReport]) -> ClientReport {
    let calibration = run.header.calibration.filter(Calibration::is_sane);
    let limit = |stage: &Stage| {
        let limits = calibration.map(|calibration| calibration.limit().of_threads(stage.threads));
        limits.map(|limit| limit.tokens_per_s(stage.tokens_per_request))
    };
    let share = |stage: &Stage| limit(stage).map(|limit| stage.tokens_per_s / limit);
    let asked = |stage: &Stage| share(stage).unwrap_or(stage.tokens_per_s);
    let all = stages.iter().zip(&run.stages).filter_map(|(report, stage)| of(run, report, stage));
    let most = all.max_by(|a, b| asked(a).total_cmp(&asked(b)));
    let mut made = ClientReport {
        cpu_percent: most.as_ref().and_then(|stage| stage.cpu_percent),
        output_tokens_per_s: most.as_ref().map(|stage| stage.tokens_per_s),
        calibration,
        limit_tokens_per_s: most.as_ref().and_then(limit),
        share: most.as_ref().and_then(share),
        line: None,
    };
    made.line = most.and_then(|stage| line(run, &made, &stage));
    made
}

fn of(run: &Run, report: &StageReport, stage: &super::Stage) -> Option<Stage> {
    let measured = report.windows.measured.as_ref()?;
    let span = window::measured(stage)?;
    let cpu = run.samples.iter().filter(|s| span.has(s.at_ns)).filter_map(|s| s.client_cpu_percent);
    let (sum, count) = cpu.fold((0.0, 0_u32), |(sum, count), cpu| (sum + f64::from(cpu), count + 1));
    Some(Stage {
        threads: run.header.client_threads().in_stage(&stage.start.sweep),
        tokens_per_s: measured.throughput.output_tokens_per_s?,
        tokens_per_request: measured.tokens.output as f64 / measured.requests.ended().max(1) as f64,
        cpu_percent: (count > 0).then(|| sum / f64::from(count)),
    })
}

fn line(run: &Run, made: &ClientReport, stage: &Stage) -> Option<String> {
    let used = made.cpu_percent.map(|cpu| format!("used {cpu:.0} % of a core; "));
    let rest = match (made.limit_tokens_per_s, made.share) {
        (Some(limit), Some(share)) => format!(
            "its limit here{} is {} tokens/s at {:.0} a request, this run had {} ({:.1} %)",
            match stage.threads {
                1 => String::new(),
                n => format!(", with {n} threads,"),
            },
            three_digits(limit),
            stage.tokens_per_request,
            three_digits(stage.tokens_per_s),
            share * 100.0
        ),
        // Of an imported run, and of one by an older version, nobody could know.
        _ if !could_be_calibrated(run) => return used.map(|used| used.trim_end_matches("; ").to_owned()),
        _ => "its limit is not known: not calibrated here; run `fastgen-tui calibrate`".to_owned(),
    };
    Some(used.unwrap_or_default() + &rest)
}

fn could_be_calibrated(run: &Run) -> bool {
    !run.is_imported() && run.header.fastgen_recording.minor >= CALIBRATED_SINCE
}

/// Three significant digits, thousands apart: `1,430`. For figures that are no more exact.
pub fn three_digits(value: f64) -> String {
    let mut scale = 1.0;
    while value / scale >= 1000.0 {
        scale *= 10.0;
    }
    let digits = (((value / scale).round() * scale).max(0.0) as u64).to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;
    use crate::event::Sample;
    use crate::report::{VerdictKind, fixture, report};

    /// 4 clients, each 100 tokens/s, requests of ten tokens.
    fn run(seen_tokens_per_s: f64) -> Run {
        let mut run = fixture::closed_loop(4, 20);
        let at = jiff::Timestamp::UNIX_EPOCH;
        run.header.calibration =
            Some(Calibration { at, seen_tokens_per_s, token_cpu_us: 0.0, request_cpu_us: 0.0 });
        run.samples.push(Sample { at_ns: 1_000_000_000, client_cpu_percent: Some(2.6), ..Sample::default() });
        run
    }

    #[test]
    fn the_share_of_the_limit_is_told() {
        let made = report(&run(40_000.0));
        let line = made.recording.client.line.clone().unwrap();
        assert!(
            line.starts_with("used 3 % of a core; its limit here is 40,000 tokens/s at 10 a request"),
            "{line}"
        );
        assert!(line.ends_with("this run had 399 (1.0 %)"), "{line}");
        assert!(!made.is(VerdictKind::ClientNearLimit));
    }

    #[test]
    fn past_half_of_it_the_client_may_be_the_bottleneck() {
        let made = report(&run(500.0));
        assert!(made.is(VerdictKind::ClientNearLimit));
        assert!(made.recording.client.share.unwrap() > BOTTLENECK_SHARE);
        assert!(!report(&run(f64::NAN)).is(VerdictKind::ClientNearLimit), "nonsense is no limit");
    }

    #[test]
    fn the_limit_is_that_of_all_threads_of_clients() {
        let mut run = run(500.0);
        run.header.profile["backend"] = serde_json::json!({ "client_threads": 4 });
        let made = report(&run);
        assert!(!made.is(VerdictKind::ClientNearLimit), "a fifth of it");
        let line = made.recording.client.line.unwrap();
        assert!(line.contains("its limit here, with 4 threads, is 2,000 tokens/s at 10 a request"), "{line}");
    }

    #[test]
    fn in_a_sweep_over_backends_each_stage_has_its_own_threads() {
        let mut run = run(500.0);
        let contender = |name: &str, threads: u32| serde_json::json!({ "name": name, "backend": { "kind": "openai", "client_threads": threads } });
        run.header.profile["backend"] = serde_json::json!({ "client_threads": 8 });
        run.header.profile["sweep"] =
            serde_json::json!({ "backend": [contender("one", 1), contender("four", 4), "sim"] });
        for (backend, near, said) in [
            ("one", true, "its limit here is 500 tokens/s"),
            ("four", false, "its limit here, with 4 threads, is 2,000 tokens/s"),
            ("sim", false, "its limit here, with 8 threads, is 4,000 tokens/s"),
        ] {
            run.stages[0].start.sweep = vec![("backend".to_owned(), backend.into())];
            let made = report(&run);
            assert_eq!(made.is(VerdictKind::ClientNearLimit), near, "{backend}");
            let line = made.recording.client.line.unwrap();
            assert!(line.contains(said), "{line}");
            let known = run.header.client_limits().unwrap().in_stage(&run.stages[0].start.sweep);
            assert_eq!(made.recording.client.limit_tokens_per_s, Some(known.tokens_per_s(10.0)));
        }
    }

    #[test]
    fn costly_requests_count_too() {
        let mut run = run(1e6);
        let calibration = run.header.calibration.as_mut().unwrap();
        (calibration.token_cpu_us, calibration.request_cpu_us) = (10.0, 20_000.0);
        assert!(report(&run).is(VerdictKind::ClientNearLimit), "40 requests/s of 20 ms");
    }

    #[test]
    fn without_a_calibration_that_is_said_where_it_could_be() {
        let mut run = run(1.0);
        run.header.calibration = None;
        let line = |run: &Run| report(run).recording.client.line;
        assert!(line(&run).unwrap().contains("run `fastgen-tui calibrate`"));
        run.header.fastgen_recording.minor = CALIBRATED_SINCE - 1;
        assert_eq!(line(&run).unwrap(), "used 3 % of a core");
        run.samples.clear();
        assert_eq!(line(&run), None);
        run.header.fastgen_recording.minor = CALIBRATED_SINCE;
        run.header.profile["backend"] = serde_json::json!({ "kind": "imported" });
        assert_eq!(line(&run), None);
        run.stages.clear();
        assert_eq!(report(&run).recording.client, ClientReport::default());
    }

    #[test]
    fn numbers_keep_three_digits() {
        for (value, said) in
            [(180_499.0, "180,000"), (999.6, "1,000"), (1_234_567.0, "1,230,000"), (0.0, "0"), (-3.0, "0")]
        {
            assert_eq!(three_digits(value), said);
        }
    }
}
