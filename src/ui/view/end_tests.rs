//! What the screens say once a run is over: of requests that failed, of a sweep's last stage, of the last readings.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Picture, draw};
use crate::event::{Ended, Outcome, Phase, Sample, StageStart};
use crate::metrics::{Counts, ErrorCount, ErrorKind, SeriesPoint, Snapshot, Stages};
use crate::ui::state::{Screen, UiState};
use crate::ui::theme::{Depth, load};
use crate::ui::{Recording, Title};

const WHY: &str = "the simulated engine was told to fail";

/// The last of so many stages, at its end.
fn snap(planned: u32, ended: Option<Ended>) -> Snapshot {
    let start = StageStart { planned_requests: Some(40), ..StageStart::closed(planned - 1, "clients=2", 2) };
    let sample = Arc::new(Sample { at_ns: 9_000_000_000, cpu_percent: Some(40.0), ..Sample::default() });
    let point = SeriesPoint { second: 9, sample: Some(sample.clone()), ..SeriesPoint::default() };
    Snapshot {
        at_ns: 155_000_000_000,
        stage: Some(Arc::new(start)),
        stages: Stages { planned: Some(planned), ..Stages::default() },
        counts: Counts { sent: 40, completed: 40, ..Counts::default() },
        phase: Some(Phase::Done),
        series: Arc::new(vec![point]),
        sample: Some(sample),
        ended,
        ..Snapshot::default()
    }
}

/// The same with two kinds of failure.
fn failing(mut snap: Snapshot) -> Snapshot {
    let kind = |outcome| ErrorKind { outcome, status: None };
    snap.counts.completed = 37;
    snap.counts.failed = 3;
    let count = |requests, first: &str| ErrorCount { requests, first: Some(first.into()) };
    snap.counts.errors = [
        (kind(Outcome::FailedEngine), count(2, WHY)),
        (kind(Outcome::FailedConnect), count(1, "connection refused")),
    ]
    .into();
    snap
}

fn rows(snap: &Snapshot, screen: Screen, (width, height): (u16, u16)) -> Vec<String> {
    let (title, recording) = (Title { profile: "p".into(), ..Title::default() }, Recording::Off);
    let pic = Picture {
        snap,
        title: &title,
        recording: &recording,
        transport: None,
        over: snap.ended.is_some(),
        measured: None,
        other: None,
    };
    let theme = load("dusk", None, Depth::None).unwrap();
    let ui = UiState { screen, ..UiState::default() };
    let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
    draw(&mut buf, &pic, &ui, &theme);
    let row = |y: u16| (0..width).map(|x| buf[(x, y)].symbol()).collect::<String>();
    (0..height).map(row).collect()
}

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

#[test]
fn failed_requests_are_the_first_thing_said_of_a_run_that_is_over() {
    for size in SIZES {
        for screen in Screen::ALL {
            let rows = rows(&failing(snap(1, Some(Ended::Complete))), screen, size);
            assert!(rows[2].contains(" 3 of 40 failed "), "{size:?}: {}", rows[2]);
            assert!(rows[2].contains(WHY), "{size:?}: {}", rows[2]);
        }
    }
    assert!(!rows(&snap(1, Some(Ended::Complete)), Screen::Live, (80, 24))[2].contains("failed"));
}

#[test]
fn the_cause_of_failures_is_readable_during_the_run_and_moves_no_other_panel() {
    for size in SIZES {
        let running = Snapshot { phase: Some(Phase::Measuring), ..snap(1, None) };
        let before = rows(&running, Screen::Live, size);
        let after = rows(&failing(running), Screen::Live, size);
        let flat: String = after.join(" ").replace('│', " ");
        let words: Vec<&str> = flat.split_whitespace().collect();
        for word in ["failed_engine:", "simulated", "told"] {
            assert!(words.contains(&word), "{size:?}: {word}\n{}", after.join("\n"));
        }
        let at = |rows: &[String], title: &str| rows.iter().position(|row| row.contains(title));
        for title in ["Output tokens/s", "Requests/s", "Latency", "In flight"] {
            assert_eq!(at(&before, title), at(&after, title), "{size:?}: {title}");
        }
    }
}

#[test]
fn failures_of_a_sweeps_earlier_stages_are_told_too() {
    let mut over = snap(5, Some(Ended::Complete));
    let early = failing(snap(1, None));
    over.stages.ended_before = early.counts.ended();
    over.stages.errors_before = early.counts.errors;
    let row = &rows(&over, Screen::Live, (80, 24))[2];
    assert!(row.contains(" 3 of 80 failed ") && row.contains(WHY), "{row}");
    over.counts = failing(snap(1, None)).counts;
    let row = &rows(&over, Screen::Live, (80, 24))[2];
    assert!(row.contains(" 6 of 80 failed "), "{row}");
}

#[test]
fn a_verdict_that_comes_during_a_run_moves_nothing() {
    let running = Snapshot { phase: Some(Phase::Measuring), ..snap(1, None) };
    let doubtful = Snapshot { lost_events: 4, ..running.clone() };
    for size in SIZES {
        let (before, after) = (rows(&running, Screen::Live, size), rows(&doubtful, Screen::Live, size));
        assert!(after[2].contains("TAINTED"), "{}", after[2]);
        assert_eq!(before[3..], after[3..], "{size:?}");
    }
}

#[test]
fn the_last_stage_is_not_the_sweep() {
    let over = rows(&snap(5, Some(Ended::Complete)), Screen::Curve, (80, 24));
    assert!(over[1].contains("sweep done 2:35") && over[1].contains("stage 5/5: 40/40 req"), "{}", over[1]);
    let between = rows(&snap(5, None), Screen::Live, (80, 24));
    assert!(between[1].contains("stage done"), "{}", between[1]);
    let single = rows(&snap(1, Some(Ended::Complete)), Screen::Live, (80, 24));
    assert!(!single[1].contains("stage") && !single[1].contains("sweep"), "{}", single[1]);
}

#[test]
fn the_last_readings_are_not_called_present() {
    let over = rows(&snap(1, Some(Ended::Complete)), Screen::System, (120, 40)).join("\n");
    assert!(
        over.contains("40 % last") && over.contains("last readings") && !over.contains(" now "),
        "{over}"
    );
    let running = rows(&snap(1, None), Screen::System, (120, 40)).join("\n");
    assert!(running.contains("40 % now") && !running.contains("last"), "{running}");
}
