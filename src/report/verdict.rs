//! What can be said of a run as a whole: is it complete, can its figures be trusted, were the limits kept?

use super::client::{BOTTLENECK_SHARE, ClientReport};
use super::figures::{StageReport, Verdict, VerdictKind};
use super::run::{Run, Stage};
use super::table::number;
use super::window;
use crate::event::{Control, CountedBy, Ended, Outcome};
use crate::metrics::{DEGRADED_LOOP_LAG_NS, DEGRADED_SEND_LAG_NS, Standstills};

/// All verdicts on a run, gravest first; none is good news too.
pub fn verdicts(run: &Run, stages: &[StageReport], client: &ClientReport) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let mut say = |verdict, why: String| verdicts.push(Verdict { verdict, why });
    if run.lost_events > 0 {
        say(
            VerdictKind::Tainted,
            format!("{} events were lost before they could be counted", run.lost_events),
        );
    }
    for why in degraded(run, stages) {
        say(VerdictKind::ClientDegraded, why);
    }
    match &run.ended {
        None => say(VerdictKind::Cut, cut(run)),
        Some(_) if run.losses.cut_off => say(VerdictKind::Cut, cut(run)),
        Some(Ended::Failed { reason }) => say(VerdictKind::Failed, reason.clone()),
        Some(Ended::Interrupted) => {
            say(VerdictKind::Interrupted, "somebody ended the run before its stop condition was met".into());
        }
        Some(Ended::Complete) => {}
    }
    if let Some(why) = intervened(run) {
        say(VerdictKind::Intervened, why);
    }
    for (kind, why) in stages.iter().flat_map(open_loop) {
        say(kind, why);
    }
    if run.losses.damaged_pieces() > 0 {
        say(
            VerdictKind::Damaged,
            format!("{} pieces of the recording can't be read", run.losses.damaged_pieces()),
        );
    }
    if let Some(why) = chunks_counted(run) {
        say(VerdictKind::CountedByChunks, why);
    }
    if client.share.is_some_and(|share| share > BOTTLENECK_SHARE) {
        say(VerdictKind::ClientNearLimit, client.line.clone().unwrap_or_default());
    }
    for why in failed_stages(run, stages) {
        say(VerdictKind::Failed, why);
    }
    for stage in stages {
        if let Some((kind, why)) = sla(stage) {
            say(kind, why);
        }
    }
    verdicts.sort_by_key(|v| v.verdict);
    verdicts
}

/// Which stages failed, and why; but not what was said of the whole run already.
fn failed_stages(run: &Run, stages: &[StageReport]) -> Vec<String> {
    if stages.len() == 1 && !matches!(run.ended, Some(Ended::Complete)) {
        return Vec::new();
    }
    let failed = stages.iter().filter(|s| s.ended == Some("failed"));
    failed.map(|s| format!("{}: {}", s.name, s.ended_reason.as_deref().unwrap_or_default())).collect()
}

fn cut(run: &Run) -> String {
    match run.losses.unfinished_requests {
        0 => "the recording does not say how the run ended".into(),
        n => format!("the recording stops with {n} requests in flight"),
    }
}

/// What was done to the load by hand; marks and the end change no figure.
fn intervened(run: &Run) -> Option<String> {
    let inside = |at: u64| run.range.is_none_or(|range| range.has(at));
    let count = |is: fn(&Control) -> bool| run.controls.iter().filter(|(at, c)| inside(*at) && is(c)).count();
    let told = [
        ("paused", count(|c| matches!(c, Control::Paused))),
        ("given other clients", count(|c| matches!(c, Control::Clients { .. }))),
        ("given another rate", count(|c| matches!(c, Control::Rate { .. }))),
        ("relieved of a request", count(|c| matches!(c, Control::Cancel { .. }))),
    ];
    let mut told: Vec<_> =
        told.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{what} {n}×")).collect();
    told.extend(stood_still(run));
    told.extend(cut_short(run));
    (!told.is_empty()).then(|| {
        let told = told.join(", ");
        format!(
            "the load was {told}; a stage's figures are of all of it together, and those before and after each \
             intervention stand beside them"
        )
    })
}

/// How often and how long the whole process was stopped, and what became of the requests that were under way then.
fn stood_still(run: &Run) -> Option<String> {
    let whole = run.range.unwrap_or(window::Span { start_ns: 0, end_ns: run.last_ns });
    let stood = Standstills::of(&run.controls);
    let within = stood.all().filter(|(began, ended)| *began <= whole.end_ns && whole.start_ns <= *ended);
    let (times, ns) = within.fold((0, 0), |(times, ns), (began, ended)| {
        (times + 1, ns + ended.min(whole.end_ns).saturating_sub(began.max(whole.start_ns)))
    });
    let spoiled = run.stages.iter().flat_map(Stage::measured).filter(|r| stood.spoil(r)).count();
    (times > 0).then(|| {
        format!(
            "stopped with the whole process {times}×, for {:.1} s (the {spoiled} requests under way then give no \
             latency)",
            ns as f64 / 1e9
        )
    })
}

/// Stages that somebody ended for the next one before their stop condition was met.
fn cut_short(run: &Run) -> Option<String> {
    let left = |stage: &Stage| {
        let of = |c: &Control| matches!(c, Control::NextStage { stage: id } if *id == stage.start.stage);
        run.controls.iter().any(|(at, c)| of(c) && *at >= stage.start.at_ns)
    };
    let names: Vec<_> = run.stages.iter().filter(|s| left(s)).map(|s| s.start.name.as_str()).collect();
    (!names.is_empty()).then(|| format!("cut short in {}", names.join(" and ")))
}

/// What became of an open loop's load, where it was not as asked for, or too much.
fn open_loop(stage: &StageReport) -> Vec<(VerdictKind, String)> {
    let Some(open) = &stage.open_loop else { return Vec::new() };
    let mut said = Vec::new();
    if let Some(longest_s) = open.held_back_longest_s {
        let why = format!(
            "{}: {} of {} requests were sent late, by up to {longest_s:.3} s, since {} were in flight \
             (load.max_in_flight); corrected latencies hold the wait",
            stage.name, open.held_back, stage.requests.scheduled, open.max_in_flight
        );
        said.push((VerdictKind::HeldBack, why));
    }
    if let (Some(false), Some(backlog)) = (open.keeps_up, open.backlog) {
        let rate = |rate| number(rate, 2);
        let why = format!(
            "{}: of {} requests/s {} were answered; due or in flight were {:.1} on the average over the first third of \
             the steady window, {:.1} over the last",
            stage.name,
            rate(open.offered_per_s),
            rate(open.achieved_per_s),
            backlog.first,
            backlog.last
        );
        said.push((VerdictKind::Overloaded, why));
    }
    said
}

/// So many requests were held back that the send lag's p99 tells of that, and not of the client.
fn lag_is_the_limits(stage: &StageReport) -> bool {
    let held_back = stage.open_loop.as_ref().map_or(0, |open| open.held_back);
    held_back * 100 >= stage.requests.scheduled.max(1)
}

/// Requests to a server whose output nobody counted: a chunk was taken for a token. Imports tell their own.
fn chunks_counted(run: &Run) -> Option<String> {
    let measured = run.stages.iter().flat_map(Stage::measured);
    let completed = measured.filter(|r| r.outcome == Outcome::Completed);
    let (mut all, mut by_chunks) = (0u64, 0u64);
    for request in completed {
        all += 1;
        by_chunks += u64::from(request.counted_by == CountedBy::Chunks);
    }
    (by_chunks > 0 && run.header.engine.kind == "openai").then(|| {
        format!(
            "the server told no counts for {by_chunks} of {all} requests: each chunk is taken for one token, so there \
             may be more; backend.tokenizer would count them"
        )
    })
}

fn degraded(run: &Run, stages: &[StageReport]) -> Vec<String> {
    let mut reasons = Vec::new();
    for stage in stages.iter().filter(|stage| !lag_is_the_limits(stage)) {
        let lag = stage.windows.measured.as_ref().and_then(|w| w.latency.send_lag_s.p99);
        if let Some(lag) = lag.filter(|lag| *lag > DEGRADED_SEND_LAG_NS as f64 / 1e9) {
            let limit = DEGRADED_SEND_LAG_NS / 1_000_000;
            reasons.push(format!("{}: send lag p99 {:.1} ms is over {limit} ms", stage.name, lag * 1e3));
        }
    }
    for stage in &run.stages {
        let Some(span) = window::measured(stage) else { continue };
        let during = run.samples.iter().filter(|s| span.has(s.at_ns));
        if let Some(lag) =
            during.filter_map(|s| s.loop_lag_ns).max().filter(|lag| *lag > DEGRADED_LOOP_LAG_NS)
        {
            let (lag, limit) = (lag as f64 / 1e6, DEGRADED_LOOP_LAG_NS / 1_000_000);
            reasons.push(format!("{}: event loop late by {lag:.1} ms, over {limit} ms", stage.start.name));
        }
    }
    reasons
}

fn sla(stage: &StageReport) -> Option<(VerdictKind, String)> {
    let sla = stage.sla.as_ref()?;
    let say = |t: &super::figures::ThresholdReport| match (t.value_s, t.share) {
        (_, Some(share)) => format!("{} within {} s: {:.1} %", t.threshold, t.limit_s, share * 100.0),
        (Some(value), None) => format!("{} {value:.4} s of {} s", t.threshold, t.limit_s),
        (None, None) => format!("{} never of {} s", t.threshold, t.limit_s),
    };
    let which: Vec<_> = sla.thresholds.iter().filter(|t| t.met == sla.met).map(say).collect();
    let kind = if sla.met { VerdictKind::SlaMet } else { VerdictKind::SlaMissed };
    Some((kind, format!("{}: {}", stage.name, which.join(", "))))
}

#[cfg(test)]
mod tests {
    use VerdictKind::{ClientDegraded, Cut, Damaged, Interrupted, SlaMissed, Tainted};

    use super::*;
    use crate::event::Sample;
    use crate::report::fixture::{self, MS};
    use crate::report::report;

    fn kinds(run: &Run) -> Vec<VerdictKind> {
        report(run).recording.verdicts.iter().map(|v| v.verdict).collect()
    }

    #[test]
    fn a_good_run_needs_no_words() {
        assert_eq!(kinds(&fixture::run()), []);
    }

    #[test]
    fn each_fault_is_named_gravest_first() {
        let mut run = fixture::run();
        run.lost_events = 3;
        run.ended = Some(Ended::Interrupted);
        run.losses.damaged_lines = 1;
        run.header.profile["sla"] = serde_json::json!({ "e2e": "1ms" });
        let at_ns = run.stages[0].requests.last().unwrap().finished_ns;
        run.samples.push(Sample { at_ns, loop_lag_ns: Some(101 * MS), ..Sample::default() });
        assert_eq!(kinds(&run), [Tainted, ClientDegraded, Damaged, Interrupted, SlaMissed]);
        run.ended = None;
        assert_eq!(kinds(&run), [Tainted, ClientDegraded, Cut, Damaged, SlaMissed]);
    }

    #[test]
    fn what_was_done_by_hand_is_told_and_a_mark_is_nothing() {
        let mut run = fixture::run();
        run.controls.push((1, Control::Mark { note: "here".into() }));
        assert_eq!(kinds(&run), []);
        run.controls.extend([
            (2, Control::Paused),
            (3, Control::Resumed),
            (4, Control::Clients { clients: 3 }),
            (5, Control::Clients { clients: 4 }),
        ]);
        assert_eq!(kinds(&run), [VerdictKind::Intervened]);
        let why = report(&run).recording.verdicts[0].why.clone();
        assert!(why.contains("paused 1×, given other clients 2×"), "{why}");
    }

    #[test]
    fn an_open_loop_at_its_limit_is_held_back_and_its_client_is_not_to_blame() {
        let mut run = fixture::run();
        let mut stage = fixture::open_stage("poisson", 10.0, 1);
        // Each takes 150 ms, alone; one comes every 100 ms.
        let made =
            |i: u64| fixture::request(i, i * 150 * MS).scheduled(i * 100 * MS).ends((i + 1) * 150 * MS);
        stage.requests = (0..200).map(|i| made(i).into()).collect();
        run.stages = vec![stage];
        assert_eq!(kinds(&run), [VerdictKind::HeldBack, VerdictKind::Overloaded]);
        let verdicts = report(&run).recording.verdicts;
        assert!(
            verdicts[0].why.contains("199 of 200 requests were sent late, by up to 9.950 s, since 1 were")
        );
        assert!(verdicts[1].why.contains("of 10.03 requests/s 6.63 were answered"), "{}", verdicts[1].why);
        // The same lag without a reason for it is the client's.
        if let Some(open) = &mut run.stages[0].start.open {
            open.max_in_flight = 1000;
        }
        assert_eq!(kinds(&run), [VerdictKind::ClientDegraded, VerdictKind::Overloaded]);
        run.controls.push((1, Control::Rate { rate: 3.0 }));
        assert_eq!(kinds(&run)[1], VerdictKind::Intervened);
    }

    #[test]
    fn chunks_in_place_of_counts_are_told() {
        let mut run = fixture::run();
        for r in &mut run.stages[0].requests {
            r.counted_by = CountedBy::Chunks;
        }
        assert_eq!(kinds(&run), [], "only a server could have told");
        run.header.engine.kind = "openai".into();
        assert_eq!(kinds(&run), [VerdictKind::CountedByChunks]);
        for r in &mut run.stages[0].requests {
            r.counted_by = CountedBy::Tokenizer;
        }
        assert_eq!(kinds(&run), []);
    }

    #[test]
    fn late_sends_degrade_the_client() {
        let mut run = fixture::run();
        for r in &mut run.stages[0].requests {
            r.scheduled_ns = r.sent_ns.saturating_sub(11 * MS);
        }
        assert_eq!(kinds(&run), [VerdictKind::ClientDegraded]);
    }
}
