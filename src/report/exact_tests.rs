//! Figures against the same figures worked out by hand.

use super::*;
use crate::report::fixture::{self, MS};

fn near(got: Option<f64>, want: f64) {
    let got = got.unwrap();
    assert!((got - want).abs() <= 1e-12 * want.abs().max(1.0), "{got} is not {want}");
}

#[test]
fn the_measured_window_by_hand() {
    let report = report(&fixture::run());
    let stage = &report.stages[0];
    assert_eq!(stage.warmup_requests, 1);
    let counts = Requests { scheduled: 5, completed: 3, failed: 1, timed_out: 0, cancelled: 1, retries: 0 };
    assert_eq!(stage.requests, counts);
    let w = stage.windows.measured.as_ref().unwrap();
    assert_eq!((w.start_s, w.end_s, w.seconds, w.requests), (1.0, 3.0, 2.0, counts));
    // Chunks of 1, 2, 1; then 1; then the cancelled request's 2. Prompts of 10 with a first token: three.
    assert_eq!(w.tokens, Tokens { input: 30, output: 7 });
    near(w.throughput.requests_per_s, 1.5);
    near(w.throughput.output_tokens_per_s, 3.5);
    near(w.throughput.input_tokens_per_s, 15.0);
    near(w.throughput.total_tokens_per_s, 18.5);
    // In flight: 500 + 990 + 299 + 1000 + 999 ms of 2000.
    near(w.concurrency_mean, 1.894);
    near(w.little_residual, 0.0);
    assert_eq!(w.errors.iter().collect::<Vec<_>>(), [(&Outcome::FailedEngine, &1)]);
}

#[test]
fn latencies_are_of_completed_requests_only() {
    let report = report(&fixture::run());
    let l = &report.stages[0].windows.measured.as_ref().unwrap().latency;
    // Request 3 has no token, so neither TTFT nor E2E; 2 has one, so no TPOT and no gap.
    assert_eq!((l.ttft_s.count, l.itl_s.count, l.tpot_s.count, l.e2e_s.count), (2, 3, 1, 2));
    assert_eq!((l.ttft_s.min, l.ttft_s.max, l.ttft_s.p50), (Some(0.1), Some(0.3), Some(0.2)));
    near(l.ttft_corrected_s.max, 0.306);
    // Gaps 60/2 twice and 40: mean 100/3.
    near(l.itl_s.mean, 0.1 / 3.0);
    assert_eq!((l.itl_s.p50, l.itl_s.max), (Some(0.03), Some(0.04)));
    // (1200 − 1100) / (4 − 1); E2E goes to the last token, not to the end.
    near(l.tpot_s.mean, 0.1 / 3.0);
    assert_eq!((l.e2e_s.min, l.e2e_s.max), (Some(0.2), Some(0.3)));
    near(l.e2e_corrected_s.max, 0.306);
    near(l.normalized_s.mean, 0.175);
    assert_eq!((l.send_lag_s.count, l.send_lag_s.max), (3, Some(0.006)));
}

#[test]
fn the_steady_window_takes_what_lies_wholly_in_it() {
    let report = report(&fixture::run());
    // Both clients have a request from 1.010 s (the second one is sent) to 2.8 s (nothing follows the failure).
    let w = report.stages[0].windows.steady.as_ref().unwrap();
    assert_eq!((w.start_s, w.end_s), (1.01, 2.8));
    // By the instant: scheduled in it 3, 4 and 5; ended in it 1, 2, 3 and 5.
    assert_eq!(
        w.requests,
        Requests { scheduled: 3, completed: 3, failed: 1, timed_out: 0, cancelled: 0, retries: 0 }
    );
    assert_eq!(w.tokens, Tokens { input: 30, output: 6 });
    // Request 1 was sent before: neither its TTFT nor its E2E, but its gaps.
    assert_eq!((w.latency.ttft_s.count, w.latency.e2e_s.count, w.latency.itl_s.count), (1, 1, 3));
    assert_eq!(w.latency.ttft_corrected_s.count, 0);
}

#[test]
fn the_books_of_a_closed_loop_balance() {
    let report = report(&fixture::closed_loop(8, 200));
    let windows = &report.stages[0].windows;
    let (measured, steady) = (windows.measured.as_ref().unwrap(), windows.steady.as_ref().unwrap());
    near(measured.little_residual, 0.0);
    assert!(steady.little_residual.unwrap().abs() < 0.01, "{:?}", steady.little_residual);
    near(steady.concurrency_mean, 8.0);
    assert_eq!((steady.start_s, steady.end_s), (0.007, 20.0));
    // 8 clients with a token every 10 ms each.
    assert!((steady.throughput.output_tokens_per_s.unwrap() - 800.0).abs() < 1.0);
}

#[test]
fn tokens_without_times_of_arrival_count_at_the_end() {
    let mut run = fixture::run();
    let silent = &mut run.stages[0].requests[3];
    silent.output_tokens = 9;
    let w = report(&run).stages[0].windows.measured.clone().unwrap();
    assert_eq!(w.tokens, Tokens { input: 40, output: 16 });
    assert_eq!(w.latency.ttft_s.count, 2);
}

#[test]
fn an_empty_recording_has_a_report() {
    let mut run = fixture::run();
    run.stages[0].requests.clear();
    run.ended = None;
    let empty = report(&run);
    assert_eq!(empty.stages[0].windows, Windows::default());
    assert_eq!(empty.recording.ended, EndedAs::Cut);
    assert!(!empty.all_failed());
    run.stages.clear();
    assert_eq!(report(&run).stages, []);
}

#[test]
fn entries_are_sorted_by_stage_and_the_order_of_requests() {
    use crate::event::{Event, Phase, Sample};
    use crate::recording::{Entry, Losses};
    use crate::report::Run;
    let whole = fixture::run();
    let stage = &whole.stages[0];
    let mut entries = vec![Entry::Event(Event::Stage(Box::new(stage.start.clone())))];
    for &(at_ns, phase) in &stage.phases {
        entries.push(Entry::Event(Event::Phase { at_ns, stage: 0, phase }));
    }
    assert_eq!(stage.phases.last(), Some(&(1000 * MS, Phase::Measuring)));
    entries.extend(stage.requests.iter().rev().cloned().map(Entry::Request));
    entries.push(Entry::Event(Event::Sample(Box::default())));
    entries.push(Entry::Event(Event::Lost { at_ns: 1, events: 2 }));
    entries.push(Entry::Event(Event::Lost { at_ns: 2, events: 3 }));
    entries.push(Entry::Event(Event::Ended { at_ns: 3000 * MS, how: Ended::Complete }));
    let losses = Losses { damaged_lines: 1, ..Losses::default() };
    let mut read = Run::from_entries(&whole.name, whole.header.clone(), entries, || losses);
    assert_eq!((read.lost_events, read.losses, read.last_ns), (5, losses, 3000 * MS));
    assert_eq!(read.samples, [Sample::default()]);
    (read.lost_events, read.losses) = (0, Losses::default());
    assert_eq!(report(&read), report(&whole));
}

#[test]
fn a_lost_stage_line_costs_only_its_name() {
    use crate::recording::{Entry, Losses};
    use crate::report::Run;
    let whole = fixture::run();
    let entries = whole.stages[0].requests.iter().cloned().map(Entry::Request);
    let read = Run::from_entries("r", whole.header.clone(), entries, Losses::default);
    let report = report(&read);
    assert_eq!(report.stages[0].name, "stage-0");
    assert_eq!(report.stages[0].requests.completed, 3);
    assert!(report.is(crate::report::VerdictKind::Cut));
}

#[test]
fn the_same_recording_gives_the_same_bytes() {
    let (one, other) = (report(&fixture::run()), report(&fixture::run()));
    assert_eq!(one.to_json().unwrap(), other.to_json().unwrap());
}

#[test]
fn what_was_under_way_while_the_process_stood_still_gives_no_latency() {
    use crate::event::Control;
    use crate::report::VerdictKind;
    let made = |still: bool| {
        // A request every 100 ms; the fifth one takes two seconds longer, in which everything stood still.
        let mut run = fixture::run();
        let mut stage = fixture::stage(1, 0);
        let of = |i: u64| {
            let (at, later) = (i * 100 + if i > 5 { 2000 } else { 0 }, if i == 5 { 2000 } else { 0 });
            let chunks = [((at + 20) * MS, 1), ((at + 40 + later) * MS, 1), ((at + 100 + later) * MS, 2)];
            fixture::request(i, at * MS).chunks(&chunks).into()
        };
        stage.requests = (0..12).map(of).collect();
        run.stages = vec![stage];
        run.header.profile["sla"] = serde_json::json!({ "e2e": "500ms" });
        if still {
            run.controls = vec![(530 * MS, Control::Suspended), (2530 * MS, Control::Continued)];
        }
        run.last_ns = 3300 * MS;
        run.note_standstills();
        report(&run)
    };
    let (plain, stood) = (made(false), made(true));
    let whole = |report: &Report| report.stages[0].windows.measured.clone().unwrap();
    let (plain_all, all) = (whole(&plain), whole(&stood));
    assert_eq!((all.requests.completed, all.tokens.output), (12, 48), "counts stay");
    assert_eq!((plain_all.latency.itl_s.max, all.latency.itl_s.max), (Some(2.02), Some(0.03)));
    assert_eq!((plain_all.latency.e2e_s.max, all.latency.e2e_s.max), (Some(2.1), Some(0.1)));
    assert_eq!((all.latency.ttft_s.count, all.latency.send_lag_s.count), (11, 11));
    assert_eq!(all.seconds.to_bits(), plain_all.seconds.to_bits(), "nor is the window another");
    let steady = |report: &Report| report.stages[0].windows.steady.clone().map(|w| (w.start_s, w.end_s));
    assert_eq!((steady(&plain), steady(&stood)), (Some((0.0, 3.2)), Some((2.6, 3.2))));
    assert!(plain.is(VerdictKind::SlaMissed) && stood.is(VerdictKind::SlaMet));
    let parts: Vec<_> = stood.stages[0].segments.iter().map(|s| (s.began, s.figures.seconds)).collect();
    assert_eq!(parts, [("start", 0.53), ("suspended", 2.0), ("continued", 0.67)]);
    let why = &stood.recording.verdicts[0];
    assert_eq!(why.verdict, VerdictKind::Intervened);
    assert!(
        why.why.contains("stopped with the whole process 1×, for 2.0 s (the 1 requests under way"),
        "{}",
        why.why
    );
}
