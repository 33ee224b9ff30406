//! What a report says of an open loop: was the load offered that was asked for, and did the server keep up?

use super::figures::{Backlog, OpenLoopReport};
use super::run::Stage;
use super::window::{self, Span};
use crate::event::{OpenLoop, Outcome};
use crate::metrics::backlog_grows;

/// When a request was due and when it was through.
struct Stay {
    scheduled_ns: u64,
    sent_ns: u64,
    finished_ns: u64,
}

/// The figures of a stage's open loop; `None` for a closed one.
pub fn analyse(stage: &Stage, steady: Option<Span>) -> Option<OpenLoopReport> {
    let open = stage.start.open.as_ref()?;
    let stays: Vec<Stay> = stage
        .measured()
        .map(|r| Stay { scheduled_ns: r.scheduled_ns, sent_ns: r.sent_ns, finished_ns: r.finished_ns })
        .collect();
    // Without a steady window the rates are those of the whole time in which requests came.
    let span = steady.or_else(|| window::clipped(sending(&stays)?, stage.range));
    let rate = |count: usize| span.filter(|s| s.seconds() > 0.0).map(|s| count as f64 / s.seconds());
    // Behind its start: what comes at even distances then is counted exactly.
    let within = |at_ns: u64| span.is_some_and(|s| s.has(at_ns) && at_ns > s.start_ns);
    let achieved =
        stage.measured().filter(|r| r.outcome == Outcome::Completed && within(r.finished_ns)).count();
    let backlog = steady.map(|span| backlog(&stays, span));
    let (peak_in_flight, held_back, held_lag_ns) = places(stays, open.max_in_flight, stage.range);
    Some(OpenLoopReport {
        kind: open.kind.clone(),
        rate: open.rate,
        burstiness: open.burstiness,
        ramp_from: open.ramp_from,
        ramp_s: open.ramp_ns.map(|ns| ns as f64 / 1e9),
        max_in_flight: open.max_in_flight,
        offered_per_s: rate(stage.measured().filter(|r| within(r.scheduled_ns)).count()),
        achieved_per_s: rate(achieved),
        peak_in_flight,
        held_back,
        held_back_longest_s: (held_back > 0).then_some(held_lag_ns as f64 / 1e9),
        keeps_up: backlog.map(|b| b.keeps_up),
        backlog: backlog.map(|b| b.means),
    })
}

impl OpenLoopReport {
    /// Kind and rate in words.
    pub fn words(&self) -> String {
        let open = OpenLoop {
            kind: self.kind.clone(),
            rate: self.rate,
            burstiness: self.burstiness,
            ramp_from: self.ramp_from,
            ramp_ns: None,
            max_in_flight: self.max_in_flight,
            warmup_clients: 0,
        };
        open.words(None)
    }
}

/// From the first scheduled request to the last.
fn sending(stays: &[Stay]) -> Option<Span> {
    let start_ns = stays.iter().map(|s| s.scheduled_ns).min()?;
    Some(Span { start_ns, end_ns: stays.iter().map(|s| s.scheduled_ns).max()? })
}

/// Sorted times of what begins and ends.
fn steps(stays: &[Stay], begin: fn(&Stay) -> u64) -> Vec<(u64, i64)> {
    let mut steps: Vec<_> = stays.iter().flat_map(|s| [(begin(s), 1), (s.finished_ns, -1)]).collect();
    // At the same instant ends come first: a place is free before it is taken anew.
    steps.sort_unstable();
    steps
}

/// Most in flight at once; how many were due while all places were taken or waited for; the longest that one of these
/// waited, nanoseconds. Of a range: in it, and of those due in it.
fn places(mut stays: Vec<Stay>, most: u32, range: Option<Span>) -> (u64, u64, u64) {
    let inside = |at_ns: u64| range.is_none_or(|range| range.has(at_ns));
    let mut in_flight = 0;
    let mut peak = 0;
    for (at_ns, step) in steps(&stays, |s| s.sent_ns) {
        // What is in flight as a range begins is seen at its first step.
        if inside(at_ns) {
            peak = peak.max(in_flight).max(in_flight + step);
        }
        in_flight += step;
    }
    // Requests before it that are due or in flight as a request becomes due.
    stays.sort_by_key(|s| s.scheduled_ns);
    let mut ends: Vec<u64> = stays.iter().map(|s| s.finished_ns).collect();
    ends.sort_unstable();
    let (mut held, mut longest, mut ended) = (0, 0, 0);
    for (before, stay) in stays.iter().enumerate() {
        while ends.get(ended).is_some_and(|end| *end <= stay.scheduled_ns) {
            ended += 1;
        }
        let lag = stay.sent_ns.saturating_sub(stay.scheduled_ns);
        if before.saturating_sub(ended) >= most as usize && lag > 0 && inside(stay.scheduled_ns) {
            held += 1;
            longest = longest.max(lag);
        }
    }
    (peak.max(0).cast_unsigned(), held, longest)
}

#[derive(Clone, Copy)]
struct Growth {
    means: Backlog,
    keeps_up: bool,
}

/// Requests that are due and not through, on the average over each third of a span.
fn backlog(stays: &[Stay], span: Span) -> Growth {
    let third = (span.end_ns - span.start_ns) / 3;
    let edges = [span.start_ns, span.start_ns + third, span.start_ns + 2 * third, span.end_ns];
    let mean = |which: usize| {
        let (from, to) = (edges[which], edges[which + 1]);
        let inside =
            stays.iter().map(|s| u128::from(s.finished_ns.min(to).saturating_sub(s.scheduled_ns.max(from))));
        inside.sum::<u128>() as f64 / (to - from).max(1) as f64
    };
    let means = Backlog { first: mean(0), middle: mean(1), last: mean(2) };
    let came = stays.iter().filter(|s| s.scheduled_ns > edges[2] && s.scheduled_ns <= edges[3]).count();
    let grows = backlog_grows([means.first, means.middle, means.last], came as f64);
    Growth { means, keeps_up: !grows }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{self, MS};

    /// A request every 50 ms for `seconds`, each taking 100 ms on a server that needs `each_ms` of its one turn.
    fn stage(seconds: u64, each_ms: u64, max_in_flight: u32) -> Stage {
        let mut stage = fixture::open_stage("constant", 20.0, max_in_flight);
        let mut free = 0;
        let mut ends: Vec<u64> = Vec::new();
        for i in 0..seconds * 20 {
            let due = i * 50;
            // One more is sent once there is a place.
            let place = ends.len().checked_sub(max_in_flight as usize).map_or(0, |first| ends[first]);
            let sent = due.max(place);
            free = sent.max(free) + each_ms;
            ends.push(free + 100);
            let made = fixture::request(i, sent * MS).scheduled(due * MS);
            stage.requests.push(made.chunks(&[(free * MS, 1)]).ends((free + 100) * MS).into());
        }
        stage
    }

    fn report(stage: &Stage) -> OpenLoopReport {
        let measured = window::measured(stage).unwrap();
        analyse(stage, window::steady(stage, &[], measured)).unwrap()
    }

    #[test]
    fn a_server_that_keeps_up_does_what_is_offered() {
        let told = report(&stage(30, 40, 1000));
        let near =
            |got: Option<f64>, want: f64| assert!((got.unwrap() - want).abs() < 0.05, "{got:?}, {want}");
        near(told.offered_per_s, 20.0);
        near(told.achieved_per_s, 20.0);
        assert_eq!((told.keeps_up, told.held_back, told.held_back_longest_s), (Some(true), 0, None));
        assert_eq!(told.peak_in_flight, 3);
        // 140 ms each at 20 a second.
        near(told.backlog.map(|b| b.middle), 2.8);
        assert_eq!(told.words(), "constant 20 req/s");
    }

    #[test]
    fn one_that_does_not_keep_up_is_found_out() {
        // 62.5 ms each: 16 a second at most.
        let told = report(&stage(30, 62, 1000));
        assert_eq!((told.keeps_up, told.held_back), (Some(false), 0));
        assert!((told.achieved_per_s.unwrap() - 16.1).abs() < 0.2, "{told:?}");
        assert!((told.offered_per_s.unwrap() - 20.0).abs() < 0.05, "{told:?}");
        // At the limit requests wait unsent; they are backlog all the same.
        let held = report(&stage(30, 62, 8));
        assert_eq!((held.keeps_up, held.peak_in_flight), (Some(false), 8));
        assert!(held.held_back > 400 && held.held_back_longest_s.unwrap() > 5.0, "{held:?}");
        let growth = |told: &OpenLoopReport| told.backlog.map(|b| b.last - b.first).unwrap();
        assert!((growth(&told) - growth(&held)).abs() < 15.0, "{told:?} {held:?}");
    }

    #[test]
    fn a_closed_loop_has_no_such_figures_and_few_requests_few_of_them() {
        assert_eq!(analyse(&fixture::stage(2, 0), None), None);
        let mut one = stage(1, 10, 4);
        one.requests.truncate(1);
        let told = report(&one);
        assert_eq!((told.offered_per_s, told.achieved_per_s, told.keeps_up), (None, None, None));
        one.requests.clear();
        let told = analyse(&one, None).unwrap();
        assert_eq!((told.offered_per_s, told.peak_in_flight, told.backlog), (None, 0, None));
    }
}
