//! What is said, and when.

use std::sync::Arc;

use super::*;
use crate::event::{CountedBy, Event, Finished, Outcome, Sent, StageStart};
use crate::metrics::{Aggregator, CurveSla, Rate};
use crate::ui::theme::{Depth, load};

const SECOND: u64 = 1_000_000_000;

fn tell(teller: &mut Teller, snap: &Snapshot, now_ns: u64) -> Vec<String> {
    let (title, recording) = (Title::default(), Recording::Off);
    let pic = Picture {
        snap,
        title: &title,
        recording: &recording,
        transport: None,
        over: false,
        measured: None,
        other: None,
    };
    teller.tell(&pic, &UiState::default(), &load("dusk", None, Depth::None).unwrap(), now_ns)
}

#[test]
fn events_have_lines_of_their_own_and_figures_their_interval() {
    let mut teller = Teller::new(Duration::from_secs(5));
    let mut snap = Snapshot { phase: Some(Phase::Warmup), ..Snapshot::default() };
    assert_eq!(tell(&mut teller, &snap, 0), ["0:00 warming up"]);
    assert!(tell(&mut teller, &snap, SECOND).is_empty());
    snap.phase = Some(Phase::Measuring);
    snap.at_ns = 2 * SECOND;
    assert_eq!(tell(&mut teller, &snap, 2 * SECOND), ["0:02 measuring begins"]);
    snap.controls = Arc::new(vec![(3 * SECOND, Control::Mark { note: "here".into() })]);
    snap.counts.failed = 2;
    snap.log = Arc::new(vec![LogLine {
        at_ns: 3 * SECOND,
        level: Level::Warn,
        source: "fastgen".into(),
        message: "slow".into(),
    }]);
    let lines = tell(&mut teller, &snap, 3 * SECOND);
    assert_eq!(lines, ["0:03 mark: here", "0:02 2 more requests failed, 2 in all", "0:03 warning: slow"]);
    assert!(tell(&mut teller, &snap, 4 * SECOND).is_empty(), "each is said once");
    snap.lost_events = 4;
    let lines = tell(&mut teller, &snap, 7 * SECOND);
    assert_eq!(lines[0], "0:02 attention, TAINTED: 4 events lost: the figures are incomplete");
    assert!(lines[1].starts_with("0:02 measuring, 0 requests done, 2 failed, 0 in flight"), "{}", lines[1]);
    assert!(lines[1].ends_with("TTFT p50 – p99 –, ITL p50 – p99 –, TAINTED"), "{}", lines[1]);
    snap.ended = Some(Ended::Failed { reason: "no engine".into() });
    let line = LogLine {
        at_ns: 4 * SECOND,
        message: "the run failed: no engine".into(),
        level: Level::Error,
        source: "fastgen".into(),
    };
    snap.log = Arc::new(vec![line]);
    let lines = tell(&mut teller, &snap, 8 * SECOND);
    assert_eq!(lines.iter().filter(|line| line.contains("no engine")).count(), 1, "{lines:?}");
    assert!(lines.contains(&"0:02 the run failed: no engine".to_owned()));
}

#[test]
fn the_engine_is_named_once_it_is_known_and_what_is_unknown_is_left_out() {
    let title = Title {
        profile: "demo".into(),
        backend: "openai".into(),
        server: Some("gpu:80".into()),
        ..Title::default()
    };
    let first = begin(&title, &Recording::Off);
    assert!(first.starts_with("profile demo, engine openai at gpu:80. Type ?"), "{first}");
    let mut teller = Teller::new(Duration::from_secs(5));
    let info = crate::event::BackendInfo {
        kind: "openai".into(),
        version: "vLLM 0.9".into(),
        device: "server".into(),
        model: "mock".into(),
        quantization: "unknown".into(),
        ..crate::event::BackendInfo::default()
    };
    let mut snap =
        Snapshot { phase: Some(Phase::Warmup), info: Some(Arc::new(info.clone())), ..Snapshot::default() };
    let lines = tell(&mut teller, &snap, 0);
    assert_eq!(lines, ["0:00 the engine is openai vLLM 0.9 on server, model mock", "0:00 warming up"]);
    assert!(tell(&mut teller, &snap, 1).is_empty(), "once");
    let other = crate::event::BackendInfo {
        kind: "sim".into(),
        version: "1".into(),
        device: "none".into(),
        model: "simulated".into(),
        quantization: "none".into(),
        ..info
    };
    snap.info = Some(Arc::new(other));
    assert_eq!(tell(&mut teller, &snap, 2), ["0:00 the engine is sim 1, model simulated"]);
}

#[test]
fn help_names_what_works_without_a_screen() {
    let live = help(&Keys::default(), false).join("\n");
    assert!(live.contains("  pause (space): pause") && live.contains("mark [TEXT] (m):"), "{live}");
    assert!(!live.contains("seek") && !live.contains("theme"), "{live}");
    assert!(help(&Keys::default(), true).join("\n").contains("seek TIME:"));
}

fn pictured(snap: &Snapshot, tell: fn(&Picture<'_>, &UiState, &Theme) -> String) -> String {
    let (title, recording) = (Title::default(), Recording::Off);
    let pic = Picture {
        snap,
        title: &title,
        recording: &recording,
        transport: None,
        over: false,
        measured: None,
        other: None,
    };
    tell(&pic, &UiState::default(), &load("dusk", None, Depth::None).unwrap())
}

#[test]
fn rates_name_their_window_and_the_last_is_the_reports() {
    let mut snap = Snapshot { phase: Some(Phase::Measuring), ..Snapshot::default() };
    snap.output_rate = Rate { s1: Some(7.0), mean: Some(280.4), ..Rate::default() };
    assert!(
        pictured(&snap, figures).contains(", 7 tokens/s over 1 s, mean 280, "),
        "{}",
        pictured(&snap, figures)
    );
    snap.output_rate.s10 = Some(312.0);
    assert!(pictured(&snap, figures).contains(", 312 tokens/s over 10 s, mean 280, "));
    assert!(pictured(&snap, last).contains(", 280 tokens/s on the average, "));
}

/// A stage of one request of ten tokens, 10 a second, that is over.
fn one_stage(sla: CurveSla) -> Snapshot {
    let mut aggregator = Aggregator::new();
    aggregator.expect_sla(sla);
    let (stage, request, client) = (0, 1, 0);
    aggregator.apply(&Event::Stage(Box::new(StageStart::closed(stage, "main", 1))));
    aggregator.apply(&Event::Phase { at_ns: 0, stage, phase: Phase::Measuring });
    aggregator.apply(&Event::Sent(Sent {
        at_ns: 0,
        scheduled_ns: 0,
        request,
        client,
        stage,
        prompt_tokens: 256,
        max_tokens: 10,
        warmup: false,
    }));
    for token in 1..=10 {
        aggregator.apply(&Event::Token { at_ns: token * SECOND / 10, request, tokens: 1 });
    }
    aggregator.apply(&Event::Finished(Box::new(Finished {
        at_ns: SECOND,
        request,
        outcome: Outcome::Completed,
        output_tokens: 10,
        counted_by: CountedBy::Engine,
        prompt_tokens: None,
        error: None,
        text: None,
        status: None,
        retries: 0,
    })));
    aggregator.apply(&Event::Phase { at_ns: SECOND, stage, phase: Phase::Done });
    aggregator.apply(&Event::Ended { at_ns: SECOND, how: Ended::Complete });
    aggregator.snapshot(SECOND)
}

#[test]
fn a_stage_s_end_tells_the_sla_at_every_rate_of_the_profile() {
    let snap = one_stage(CurveSla { rates: [2.5, 50.0].into(), ..CurveSla::default() });
    let told = tell(&mut Teller::new(Duration::from_secs(5)), &snap, 0).join("\n");
    assert!(told.contains("stage main is over: 1 requests, measured 1.000 requests/s, within"), "{told}");
    assert!(told.contains("by tokens/s: 100 % at 2.5, 0 % at 50"), "{told}");
    assert!(!told.contains("SLA missed"), "{told}");
}
