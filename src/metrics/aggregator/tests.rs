//! The figures of small runs, checked by hand.

use super::*;
use crate::event::CountedBy;
use crate::metrics::Snapshot;

const MS: u64 = 1_000_000;
const S: u64 = 1_000_000_000;

fn sent(request: RequestId, at_ns: u64) -> Sent {
    Sent {
        at_ns,
        scheduled_ns: at_ns,
        request,
        client: (request % 4) as u32,
        stage: 0,
        prompt_tokens: 100,
        max_tokens: 8,
        warmup: false,
    }
}

fn end(request: RequestId, at_ns: u64, output_tokens: u32, outcome: Outcome) -> Event {
    let counted_by = CountedBy::Engine;
    Event::Finished(Box::new(Finished {
        at_ns,
        request,
        outcome,
        output_tokens,
        counted_by,
        prompt_tokens: None,
        error: None,
        text: None,
        status: None,
        retries: 0,
    }))
}

fn stage(stage: StageId, at_ns: u64) -> Event {
    Event::Stage(Box::new(StageStart {
        at_ns,
        planned_requests: Some(10),
        ..StageStart::closed(stage, "main", 4)
    }))
}

fn measuring(at_ns: u64) -> Aggregator {
    let mut a = Aggregator::new();
    a.apply(&stage(0, 0));
    a.apply(&Event::Phase { at_ns, stage: 0, phase: Phase::Measuring });
    a
}

fn tokens(a: &mut Aggregator, request: RequestId, at: &[(u64, u32)]) {
    for (at_ns, tokens) in at {
        a.apply(&Event::Token { at_ns: *at_ns, request, tokens: *tokens });
    }
}

fn near(got: Option<f64>, want: f64) {
    assert!((got.unwrap() / want - 1.0).abs() < 1e-3, "{got:?} for {want}");
}

#[test]
fn latencies_follow_their_definitions() {
    let mut a = measuring(0);
    a.apply(&Event::Sent(Sent { scheduled_ns: 5 * MS, ..sent(0, 10 * MS) }));
    tokens(&mut a, 0, &[(110 * MS, 1), (130 * MS, 1), (190 * MS, 3)]);
    let record = a.apply(&end(0, 200 * MS, 5, Outcome::Completed)).unwrap();
    assert_eq!(record.chunk_tokens, [1, 1, 3]);
    let s = a.snapshot(S).latency;
    near(s.ttft.p50, 0.100);
    near(s.ttft_corrected.p50, 0.105);
    near(s.send_lag.p50, 0.005);
    near(s.e2e.mean, 0.180);
    near(s.e2e_corrected.mean, 0.185);
    near(s.tpot.mean, 0.080 / 4.0);
    assert_eq!(s.itl.count, 4, "a chunk of three tokens counts three times");
    near(s.itl.mean, 0.020);
}

#[test]
fn only_completed_measured_requests_enter_latencies_and_warmup_enters_nothing() {
    let mut a = measuring(0);
    a.apply(&Event::Sent(Sent { warmup: true, ..sent(0, 0) }));
    a.apply(&Event::Sent(sent(1, 0)));
    a.apply(&Event::Sent(sent(2, 0)));
    for request in 0..3 {
        tokens(&mut a, request, &[(10 * MS, 1), (20 * MS, 1)]);
    }
    a.apply(&end(0, 30 * MS, 2, Outcome::Completed));
    a.apply(&end(1, 30 * MS, 2, Outcome::FailedEngine));
    a.apply(&end(2, 30 * MS, 2, Outcome::TimedOutTotal));
    let s = a.snapshot(S);
    assert_eq!(s.latency.ttft.count, 0);
    let c = &s.counts;
    assert_eq!((c.warmup_done, c.sent, c.completed, c.failed, c.timed_out), (1, 2, 0, 1, 1));
    assert_eq!((c.output_tokens, c.input_tokens), (4, 200));
    assert_eq!(c.errors.len(), 2);
    assert_eq!(s.slowest.len(), 2);
    assert_eq!(s.recent.len(), 3);
}

#[test]
fn exact_counts_correct_what_chunks_said() {
    let mut a = measuring(0);
    a.apply(&Event::Sent(sent(0, 0)));
    tokens(&mut a, 0, &[(100 * MS, 1), (S + 100 * MS, 1)]);
    assert_eq!(a.snapshot(S + 200 * MS).counts.output_tokens, 2);
    a.apply(&end(0, S + 200 * MS, 6, Outcome::Completed));
    a.apply(&Event::Lost { at_ns: 3 * S, events: 2 });
    let s = a.snapshot(3 * S);
    assert_eq!(s.counts.output_tokens, 6);
    assert_eq!(s.series.iter().map(|p| p.output_tokens).collect::<Vec<_>>(), [1, 5, 0]);
    assert_eq!(s.lost_events, 2);
    assert_eq!(s.counts.longest_tokens, 106);
}

#[test]
fn strays_are_counted_and_change_nothing() {
    let mut a = measuring(0);
    tokens(&mut a, 7, &[(MS, 1)]);
    a.apply(&end(7, MS, 1, Outcome::Completed));
    a.apply(&Event::Sent(sent(0, 0)));
    a.apply(&end(0, 2 * MS, 0, Outcome::Completed));
    tokens(&mut a, 0, &[(3 * MS, 1)]);
    a.apply(&Event::Prefill { at_ns: 0, request: 0 });
    assert_eq!(a.stray_events(), 4);
    let s = a.snapshot(4 * MS);
    assert_eq!((s.counts.completed, s.counts.output_tokens, s.in_flight.total), (1, 0, 0));
    assert_eq!(s.latency.ttft.count, 0);
}

#[test]
fn in_flight_tells_prefill_only_where_news_come_live() {
    let mut live = measuring(0);
    live.apply(&Event::Sent(sent(0, MS)));
    live.apply(&Event::Sent(sent(1, MS)));
    live.apply(&Event::Prefill { at_ns: 10 * MS, request: 0 });
    assert_eq!(live.snapshot(11 * MS).in_flight.queued, None, "not known before the first token");
    tokens(&mut live, 0, &[(90 * MS, 1)]);
    live.apply(&Event::Prefill { at_ns: 91 * MS, request: 1 });
    let f = live.snapshot(92 * MS).in_flight;
    assert_eq!((f.total, f.before_first_token, f.decode), (2, 1, 1));
    assert_eq!((f.queued, f.prefill), (Some(0), Some(1)));

    let mut late = measuring(0);
    late.apply(&Event::Sent(sent(0, MS)));
    late.apply(&Event::Sent(sent(1, 80 * MS)));
    late.apply(&Event::Prefill { at_ns: 10 * MS, request: 0 });
    tokens(&mut late, 0, &[(81 * MS, 1)]);
    assert_eq!(late.snapshot(92 * MS).in_flight.queued, None);
}

#[test]
fn a_new_stage_starts_its_figures_afresh() {
    let mut a = measuring(0);
    a.expect_warmup(2);
    a.apply(&Event::Sent(sent(0, 0)));
    a.apply(&Event::Sent(sent(1, 0)));
    tokens(&mut a, 0, &[(S, 1), (2 * S, 1)]);
    a.apply(&end(0, 2 * S, 2, Outcome::Completed));
    a.apply(&Event::Phase { at_ns: 3 * S, stage: 0, phase: Phase::Done });
    let before = a.snapshot(9 * S);
    assert_eq!(before.measured_end_ns, Some(2 * S));
    near(before.output_rate.mean, 1.0);
    a.apply(&stage(1, 4 * S));
    tokens(&mut a, 1, &[(5 * S, 1)]);
    a.apply(&end(1, 5 * S, 1, Outcome::Completed));
    let s = a.snapshot(6 * S);
    assert_eq!(s.counts, Counts { warmup_planned: Some(8), ..Counts::default() });
    assert_eq!(s.latency, super::super::Latencies::default());
    assert_eq!((s.measuring_at_ns, s.output_rate.mean), (None, None));
    assert_eq!(s.lanes.len(), 4);
    assert!(s.lanes.iter().all(|l| l.spans.is_empty()));
}

#[test]
fn lanes_show_what_is_in_flight() {
    let mut a = measuring(0);
    a.apply(&Event::Sent(sent(2, MS)));
    tokens(&mut a, 2, &[(5 * MS, 1), (6 * MS, 1)]);
    let s = a.snapshot(7 * MS);
    let open = s.lanes[2].current.unwrap();
    assert_eq!((open.output_tokens, open.last_token_ns), (2, Some(6 * MS)));
    let again = a.snapshot(8 * MS);
    assert!(Arc::ptr_eq(&s.lanes[2], &again.lanes[2]), "what did not change is shared");
    a.apply(&end(2, 9 * MS, 2, Outcome::Completed));
    let s = a.snapshot(9 * MS);
    assert_eq!((s.lanes[2].current, s.lanes[2].spans.len(), s.lanes[2].completed), (None, 1, 1));
}

#[test]
fn a_client_that_sends_late_or_stalls_is_told() {
    let mut a = measuring(0);
    a.apply(&Event::Sent(Sent { scheduled_ns: 0, ..sent(0, 11 * MS) }));
    a.apply(&end(0, 12 * MS, 0, Outcome::Completed));
    assert_eq!(a.snapshot(S).degraded.len(), 1);
    a.apply(&Event::Sample(Box::new(Sample { at_ns: S, loop_lag_ns: Some(101 * MS), ..Sample::default() })));
    assert_eq!(a.snapshot(S).degraded.len(), 2);
}

#[test]
fn whole_records_give_the_same_figures_as_their_events() {
    let mut by_events = measuring(0);
    let mut by_records = measuring(0);
    let mut now = 0;
    for request in 0..50_u64 {
        let warmup = request < 3;
        let s = Event::Sent(Sent { warmup, ..sent(request, now) });
        by_events.apply(&s);
        by_records.apply(&s);
        for i in 0..(request % 7) {
            now += 40 * MS + request * 1000;
            tokens(&mut by_events, request, &[(now, 1 + (i % 2) as u32)]);
        }
        now += MS;
        let outcome = if request % 11 == 5 { Outcome::FailedHttp } else { Outcome::Completed };
        let record = by_events.apply(&end(request, now, 2 * (request % 7) as u32, outcome)).unwrap();
        by_records.apply_record(&record);
    }
    let (a, b): (Snapshot, Snapshot) = (by_events.snapshot(now), by_records.snapshot(now));
    assert_eq!(a.counts, b.counts);
    assert_eq!(a.latency, b.latency);
    assert_eq!(a.series, b.series);
    assert_eq!(a.output_rate, b.output_rate);
    assert_eq!(a.lanes, b.lanes);
    assert_eq!(a.slowest, b.slowest);
}

#[test]
fn another_engine_is_loaded_between_stages_without_losing_the_figures_before() {
    let mut a = measuring(0);
    a.expect_stages(3);
    a.apply(&Event::Sent(sent(0, 10 * MS)));
    tokens(&mut a, 0, &[(110 * MS, 1)]);
    a.apply(&end(0, 120 * MS, 1, Outcome::Completed));
    let load = |a: &mut Aggregator, at_ns| {
        a.apply(&Event::Loading { at_ns, step: "again".into(), fraction: None });
    };
    load(&mut a, 130 * MS);
    assert_eq!(a.snapshot(S).phase, Some(Phase::Measuring), "nothing is loaded while a stage runs");
    a.apply(&Event::Phase { at_ns: 140 * MS, stage: 0, phase: Phase::Done });
    load(&mut a, 150 * MS);
    load(&mut a, 160 * MS);
    let s = a.snapshot(S);
    assert_eq!((s.phase, s.phase_at_ns, s.counts.completed), (Some(Phase::Loading), 150 * MS, 1));
    assert!(s.loading.is_some());
    let info = Box::new(BackendInfo { kind: "second".into(), ..BackendInfo::default() });
    a.apply(&Event::Ready { at_ns: 170 * MS, info });
    a.apply(&stage(1, 180 * MS));
    a.apply(&Event::Phase { at_ns: 190 * MS, stage: 1, phase: Phase::Warmup });
    let s = a.snapshot(S);
    assert_eq!((s.phase, s.loading, s.counts.completed), (Some(Phase::Warmup), None, 0));
    assert_eq!(s.info.unwrap().kind, "second");
}

#[test]
fn ends_of_stages_are_counted_and_a_new_attempt_takes_one_back() {
    use crate::event::{StageEnd, StageOutcome};
    let end_of = |stage, how| {
        let name = format!("clients={stage}");
        Event::StageEnd(Box::new(StageEnd { at_ns: S, stage, name, sweep: Vec::new(), clients: None, how }))
    };
    let mut a = measuring(0);
    a.expect_stages(5);
    a.apply(&end_of(0, StageOutcome::Complete));
    a.apply(&end_of(1, StageOutcome::Failed { reason: "gone".into() }));
    a.apply(&end_of(2, StageOutcome::Skipped { reason: "flat".into() }));
    let s = a.snapshot(S);
    assert_eq!((s.stages.planned, s.stages.failed, s.stages.skipped), (Some(5), 1, 1));
    assert_eq!(s.stages.last_failure, Some(("clients=1".into(), "gone".into())));
    assert_eq!(s.stage.unwrap().stage, 0, "a stage that never ran is not shown");
    a.apply(&stage(1, 2 * S));
    assert_eq!((a.snapshot(S).stages.failed, a.snapshot(S).stages.last_failure), (0, None));
}

#[test]
fn what_went_wrong_in_earlier_stages_is_not_forgotten() {
    let mut a = measuring(0);
    for request in [0, 4] {
        a.apply(&Event::Sent(sent(request, 1)));
        a.apply(&end(request, S, 0, Outcome::FailedEngine));
    }
    assert_eq!(a.snapshot(S).stages.ended_before, 0, "the present stage counts for itself");
    a.apply(&stage(1, 2 * S));
    let s = a.snapshot(2 * S);
    assert_eq!((s.counts.failed, s.stages.ended_before), (0, 2));
    let requests: Vec<u64> = s.stages.errors_before.values().map(|of| of.requests).collect();
    assert_eq!(requests, [2]);
    a.apply(&stage(1, 3 * S));
    assert_eq!(a.snapshot(3 * S).stages.ended_before, 2, "another attempt at the same stage");
    a.apply(&stage(0, 4 * S));
    assert_eq!(a.snapshot(4 * S).stages.ended_before, 0, "what it measured before is void");
}

#[test]
fn latencies_beyond_all_reason_add_up_to_no_panic() {
    let mut a = measuring(0);
    for request in [0, 4] {
        a.apply(&Event::Sent(sent(request, 1)));
        tokens(&mut a, request, &[(u64::MAX, 3)]);
        a.apply(&end(request, u64::MAX, 3, Outcome::Completed));
    }
    assert_eq!(a.snapshot(u64::MAX).counts.completed, 2);
}

#[test]
fn of_a_stage_that_broke_off_nothing_is_left_in_the_heat_maps() {
    use crate::event::{Resumed, StageEnd, StageOutcome};
    use crate::metrics::{HeatColumn, HeatFigure};
    let end_of = |stage, at_ns, how| {
        Event::StageEnd(Box::new(StageEnd {
            at_ns,
            stage,
            name: "s".into(),
            sweep: vec![],
            clients: None,
            how,
        }))
    };
    let one = |a: &mut Aggregator, request, stage, at_ns| {
        a.apply(&Event::Sent(Sent { stage, prompt_tokens: 100 + request as u32, ..sent(request, at_ns) }));
        tokens(a, request, &[(at_ns + 5 * MS, 1), (at_ns + 9 * MS, 1)]);
        a.apply(&end(request, at_ns + 10 * MS, 2, Outcome::Completed));
    };
    let seen = |a: &Aggregator| {
        let all =
            HeatFigure::ALL.map(|figure| a.heat.of(figure).columns().map(HeatColumn::total).sum::<u64>());
        (all, a.heat.prompt_tokens)
    };
    let resumed = |at_ns| Event::Resumed(Box::new(Resumed { at_ns, ..Resumed::default() }));
    let mut a = measuring(0);
    one(&mut a, 0, 0, 10 * MS);
    a.apply(&Event::Phase { at_ns: 25 * MS, stage: 0, phase: Phase::Done });
    a.apply(&end_of(0, 26 * MS, StageOutcome::Complete));
    let first = ([1, 1, 1, 1], Some((100, 100)));
    a.apply(&resumed(28 * MS));
    assert_eq!(seen(&a), first, "a stage that was through stays");
    // Cut off, with values in the very column of the stage before; then, ended by hand.
    for (begun_ns, ended) in [(30 * MS, None), (2 * S, Some(StageOutcome::Interrupted))] {
        a.apply(&stage(1, begun_ns));
        one(&mut a, 1, 1, begun_ns + 10 * MS);
        assert_eq!(seen(&a), ([2, 2, 2, 2], Some((100, 101))));
        if let Some(how) = ended {
            a.apply(&Event::Phase { at_ns: begun_ns + S, stage: 1, phase: Phase::Done });
            a.apply(&end_of(1, begun_ns + S, how));
        }
        a = Aggregator::from_bytes(&a.to_bytes()).unwrap();
        a.apply(&resumed(begun_ns + S));
        assert_eq!(seen(&a), first);
    }
}

#[test]
fn requests_that_a_standstill_spoiled_are_counted_and_not_timed() {
    use crate::event::Control;
    let control = |a: &mut Aggregator, at_ns, control| _ = a.apply(&Event::Control { at_ns, control });
    let mut a = measuring(0);
    a.apply(&Event::Sent(sent(0, 10 * MS)));
    tokens(&mut a, 0, &[(20 * MS, 1)]);
    control(&mut a, 30 * MS, Control::Suspended);
    let mut a = Aggregator::from_bytes(&a.to_bytes()).unwrap();
    control(&mut a, 9 * S, Control::Continued);
    tokens(&mut a, 0, &[(9 * S + MS, 1)]);
    a.apply(&end(0, 9 * S + 2 * MS, 2, Outcome::Completed));
    a.apply(&Event::Sent(sent(1, 9 * S + 3 * MS)));
    tokens(&mut a, 1, &[(9 * S + 5 * MS, 1), (9 * S + 9 * MS, 1)]);
    a.apply(&end(1, 9 * S + 10 * MS, 2, Outcome::Completed));
    let s = a.snapshot(10 * S);
    assert_eq!((s.counts.completed, s.counts.output_tokens), (2, 4));
    near(s.latency.itl.max, 0.004);
    near(s.latency.e2e.max, 0.006);
    assert_eq!((s.latency.itl.count, s.slowest.len(), s.recent.len()), (1, 1, 2));
    let spans: Vec<_> = s.spans.iter().map(|span| (span.cut.began.name(), span.completed)).collect();
    assert_eq!(spans, [("start", 0), ("suspended", 0), ("continued", 2)]);
}
