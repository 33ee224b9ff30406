//! What a calibration found out: the loads' figures, the limits that follow from them, and the line that sums it up.

use serde::{Deserialize, Serialize};

use super::plan::{Aim, Load, Plan, Way};
use super::store::Key;
use crate::metrics::ClientLimit;
use crate::recording::Calibration;
use crate::report::Stats;

/// Version of the JSON and of the saved file.
pub const VERSION: u32 = 1;

/// A thread that uses this share of a core has nothing left.
const BUSY: f64 = 0.8;

/// How far the client's figures are from the server's, seconds. All are absolute values.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Errors {
    /// The client's TTFT − (first token written − request received).
    pub ttft_s: Stats,
    /// The client's gap − the gap between the two writes.
    pub itl_s: Stats,
    /// The client's stamp − the write of the same token.
    pub stamp_s: Stats,
}

/// What came of one load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    pub load: Load,
    /// The measured window's length, seconds.
    pub seconds: f64,
    /// Tokens that arrived, and requests that completed in the window.
    pub tokens: u64,
    pub requests: u64,
    pub tokens_per_s: f64,
    pub requests_per_s: f64,
    /// CPU time in the window as a share of a core; `null` where the system can't tell.
    pub client_busy: Option<f64>,
    pub collector_busy: Option<f64>,
    pub server_busy: Option<f64>,
    /// CPU of the clients' thread, microseconds a token; requests' part in it.
    pub client_cpu_us_per_token: Option<f64>,
    pub collector_cpu_us_per_token: Option<f64>,
    /// Events that had no room in the pipe: the load was more than can be recorded.
    pub lost_events: u64,
    /// Requests of the whole load whose tokens both sides have, each exactly once; and others. `null` in process.
    pub requests_alike: Option<u64>,
    pub requests_unlike: Option<u64>,
    /// Of paced loads over HTTP.
    pub error: Option<Errors>,
}

impl Measured {
    /// What a token cost, microseconds: the clients' thread's CPU, or where that is not known all the time.
    fn us_per_token(&self) -> Option<f64> {
        self.client_cpu_us_per_token
            .or_else(|| (self.tokens > 0).then(|| self.seconds * 1e6 / self.tokens as f64))
    }
}

/// The limits for each way to an engine; `None` where it was not measured, or nothing whole came of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    pub http: Option<Calibration>,
    pub in_process: Option<Calibration>,
}

impl Limits {
    /// Those of a way.
    pub(super) fn of(&self, way: Way) -> Option<ClientLimit> {
        let made = if way == Way::Http { self.http } else { self.in_process };
        made.map(|made| made.limit())
    }
}

/// A calibration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibrated {
    pub calibration_version: u32,
    pub at: jiff::Timestamp,
    /// What it holds for.
    pub key: Key,
    /// The profile whose traffic it is.
    pub profile: Option<String>,
    pub sla_ttft_s: Option<f64>,
    pub sla_itl_s: Option<f64>,
    /// The server had a core for itself.
    pub own_core: bool,
    pub loads: Vec<Measured>,
    pub limits: Limits,
    /// In a sentence.
    pub verdict: String,
    /// What a reader must know beside.
    pub notes: Vec<String>,
}

impl Calibrated {
    /// Draws the conclusions from a plan's loads.
    pub fn new(plan: &Plan, key: Key, at: jiff::Timestamp, own_core: bool, loads: Vec<Measured>) -> Self {
        let limits =
            Limits { http: limit(&loads, Way::Http, at), in_process: limit(&loads, Way::InProcess, at) };
        let notes = notes(&loads, own_core);
        let mut made = Self {
            calibration_version: VERSION,
            at,
            key,
            profile: plan.profile.clone(),
            sla_ttft_s: plan.sla_ttft_s,
            sla_itl_s: plan.sla_itl_s,
            own_core,
            loads,
            limits,
            verdict: String::new(),
            notes,
        };
        made.verdict = super::text::verdict(&made, plan.streams);
        made
    }
}

/// The loads that a limit rests on: those without losses, or if there are none, what was recorded of the others, which
/// is less than what can be measured.
pub(super) fn of(loads: &[Measured], way: Way, aim: Aim) -> Vec<&Measured> {
    let all = loads.iter().filter(|m| m.load.way == way && m.load.aim == aim && m.tokens > 0);
    let (whole, lossy): (Vec<_>, Vec<_>) = all.partition(|m| m.lost_events == 0);
    if whole.is_empty() { lossy } else { whole }
}

/// The load with the most tokens/s.
pub(super) fn fastest(loads: &[Measured], way: Way) -> Option<&Measured> {
    of(loads, way, Aim::Tokens).into_iter().max_by(|a, b| a.tokens_per_s.total_cmp(&b.tokens_per_s))
}

/// With *b* the cost of a token in a bunch and *r* that of a request: a request of *n* tokens flat out costs *r* + *n*·*b*,
/// one of a single token *r* + *b*. A token that comes alone costs what a paced load with the most streams shows,
/// less its share of *r*.
fn limit(loads: &[Measured], way: Way, at: jiff::Timestamp) -> Option<Calibration> {
    let fastest = fastest(loads, way)?;
    let bunched_us = fastest.us_per_token()?;
    let n = f64::from(fastest.load.output_tokens);
    let single = of(loads, way, Aim::Requests).last().copied().and_then(Measured::us_per_token);
    let request_us = match single {
        Some(single_us) if n > 1.0 => ((single_us - bunched_us) * n / (n - 1.0)).max(0.0),
        _ => 0.0,
    };
    let bunched_us = (bunched_us - request_us / n).max(0.0);
    let paced = of(loads, way, Aim::Paced).into_iter().max_by_key(|m| m.load.streams);
    let alone_us =
        paced.and_then(|m| Some(m.client_cpu_us_per_token? - request_us / f64::from(m.load.output_tokens)));
    let made = Calibration {
        at,
        seen_tokens_per_s: fastest.tokens_per_s,
        token_cpu_us: alone_us.unwrap_or(bunched_us).max(bunched_us),
        request_cpu_us: request_us,
    };
    made.is_sane().then_some(made)
}

/// Whether something else than the client was what held the fastest load up.
fn idle(loads: &[Measured], way: Way) -> Option<String> {
    let fastest = fastest(loads, way)?;
    // On two cores both share the one that the server leaves.
    let client = fastest.client_busy? + fastest.collector_busy.unwrap_or(0.0);
    if client >= BUSY {
        return None;
    }
    let percent = client * 100.0;
    Some(match (way, fastest.server_busy) {
        (Way::Http, Some(server)) if server < BUSY => format!(
            "over HTTP neither the client ({percent:.0} % of a core) nor the server ({:.0} %) was busy at the fastest \
             load: the machine did something else, so the figures are too low and the errors too large; try again",
            server * 100.0
        ),
        (Way::Http, _) => format!(
            "over HTTP the server was busier than the client ({percent:.0} % of a core): more tokens/s can be measured \
             than were seen"
        ),
        (Way::InProcess, _) => format!(
            "in process the simulated engine held the client up ({percent:.0} % of a core): more tokens/s can be \
             measured than were seen"
        ),
    })
}

fn notes(loads: &[Measured], own_core: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if loads.iter().any(|m| m.load.way == Way::Http) && !own_core {
        notes.push(
            "the server shares the client's cores: what is seen is less than the client could do".to_owned(),
        );
    }
    let ways = [Way::Http, Way::InProcess].into_iter().filter(|way| own_core || *way == Way::InProcess);
    notes.extend(ways.filter_map(|way| idle(loads, way)));
    let lossy = loads.iter().filter(|m| m.lost_events > 0).count();
    if lossy > 0 {
        let all = loads.len();
        notes.push(format!(
            "{lossy} of {all} loads were more than can be recorded on this machine (events were lost): their figures \
             are of what was recorded"
        ));
    }
    let unlike: u64 = loads.iter().filter_map(|m| m.requests_unlike.filter(|_| m.lost_events == 0)).sum();
    if unlike > 0 {
        notes.push(format!(
            "{unlike} requests have other tokens at the client than at the server: this is a fault"
        ));
    }
    if loads.iter().any(|m| m.client_busy.is_none()) {
        notes.push("this system does not tell threads' CPU time: costs are taken from rates".to_owned());
    }
    if cfg!(debug_assertions) {
        notes.push("this is a debug build: a release build measures many times more".to_owned());
    }
    notes
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
pub(super) mod tests {
    use super::*;
    use crate::calibrate::plan::Wanted;

    /// Loads of a client that needs 2 µs for a bunched token, 5 for one alone, 48 for a request.
    pub fn loads(way: Way) -> Vec<Measured> {
        let load = |aim, streams, output_tokens| Load {
            way,
            aim,
            streams,
            prompt_tokens: 1,
            output_tokens,
            ttft_s: 0.0,
            itl_s: 0.0,
            seconds: 1.0,
        };
        let made = |load: Load, tokens: u64, us: f64| Measured {
            load,
            seconds: 1.0,
            tokens,
            requests: tokens / u64::from(load.output_tokens),
            tokens_per_s: tokens as f64,
            requests_per_s: tokens as f64 / f64::from(load.output_tokens),
            client_busy: Some(tokens as f64 * us / 1e6),
            collector_busy: Some(0.1),
            server_busy: Some(0.5),
            client_cpu_us_per_token: Some(us),
            collector_cpu_us_per_token: Some(0.1),
            lost_events: 0,
            requests_alike: Some(1),
            requests_unlike: Some(0),
            error: None,
        };
        vec![
            made(load(Aim::Tokens, 16, 48), 300_000, 3.0),
            made(load(Aim::Tokens, 64, 48), 333_000, 3.0),
            made(load(Aim::Requests, 64, 1), 20_000, 50.0),
            made(load(Aim::Paced, 16, 24), 1_000, 9.0),
            made(load(Aim::Paced, 64, 24), 4_000, 7.0),
        ]
    }

    #[test]
    fn costs_are_told_apart() {
        let found = limit(&loads(Way::Http), Way::Http, jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert!((found.request_cpu_us - 48.0).abs() < 0.01, "{found:?}");
        assert!((found.token_cpu_us - 5.0).abs() < 0.01, "{found:?}");
        assert!((found.seen_tokens_per_s - 333_000.0).abs() < 1e-6);
        assert_eq!(limit(&loads(Way::Http), Way::InProcess, jiff::Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn a_limit_rests_on_loads_without_losses_where_there_are_some() {
        let mut all = loads(Way::Http);
        all[1].lost_events = 5;
        let found = limit(&all, Way::Http, jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert!((found.seen_tokens_per_s - 300_000.0).abs() < 1e-6);
        assert!(notes(&all, true).iter().any(|note| note.contains("1 of 5 loads")));
        all[0].requests_unlike = Some(2);
        assert!(notes(&all, false).iter().any(|note| note.contains("this is a fault")));
        all[0].lost_events = 1;
        let found = limit(&all, Way::Http, jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert!((found.seen_tokens_per_s - 333_000.0).abs() < 1e-6, "of what was recorded");
        all[0].tokens = 0;
        all[1].tokens = 0;
        assert_eq!(limit(&all, Way::Http, jiff::Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn what_held_the_client_up_is_told() {
        let mut all = loads(Way::Http);
        assert_eq!(idle(&all, Way::Http), None, "the client itself");
        all[1].client_busy = Some(0.3);
        assert!(idle(&all, Way::Http).unwrap().contains("the machine did something else"));
        all[1].server_busy = Some(0.95);
        assert!(idle(&all, Way::Http).unwrap().contains("the server was busier"));
        all[1].client_busy = None;
        assert_eq!(idle(&all, Way::Http), None, "not known");
    }

    #[test]
    fn without_cpu_times_the_rates_tell() {
        let mut all = loads(Way::InProcess);
        for m in &mut all {
            (m.client_busy, m.client_cpu_us_per_token) = (None, None);
        }
        let found = limit(&all, Way::InProcess, jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert!(found.token_cpu_us > 1.9 && found.token_cpu_us < 2.1, "{found:?}");
        let plan = Plan::general(Wanted::default());
        let key = Key::default();
        let made = Calibrated::new(&plan, key, jiff::Timestamp::UNIX_EPOCH, true, all);
        assert!(made.notes.iter().any(|note| note.contains("does not tell")));
    }
}
