//! What a steady run sends to a terminal: bytes of the frames of Live, counted, not timed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::state::{Screen, UiState};
use super::terminal::compose;
use super::theme::{Depth, load};
use super::view::{Picture, draw};
use super::{Recording, Title};
use crate::event::{Event, Finished, OpenLoop, Outcome, Phase, Sample, Sent, StageStart};
use crate::metrics::Aggregator;

/// Frames a second at most, and snapshots between them: as live.
const FPS: u64 = 15;
const MS: u64 = 1_000_000;
/// Most bytes a second.
const MOST: usize = 60_000;

/// Sixteen clients at 25 tokens/s each, with requests of 2 s, one after the other.
fn steady(aggregator: &mut Aggregator, from_ms: u64, to_ms: u64) {
    for ms in from_ms..to_ms {
        let at_ns = ms * MS;
        for client in 0..16u64 {
            let local = ms + client * 131;
            let request = client + local / 2000 * 16;
            if local % 2000 == 0 {
                aggregator.apply(&Event::Sent(Sent {
                    at_ns,
                    scheduled_ns: at_ns,
                    request,
                    client: client as u32,
                    stage: 0,
                    prompt_tokens: 200 + client as u32,
                    max_tokens: 50,
                    warmup: false,
                }));
            } else if local % 2000 == 1999 {
                aggregator.apply(&Event::Finished(Box::new(finished(at_ns, request))));
            } else if local % 40 == client % 7 {
                aggregator.apply(&Event::Token { at_ns, request, tokens: 1 });
            }
        }
        if ms % 1000 == 0 {
            let busy = (ms / 1000 % 9) as f32;
            let sample = Sample {
                at_ns,
                cpu_percent: Some(80.0 + busy),
                rss_bytes: Some(1 << 27),
                ..Sample::default()
            };
            aggregator.apply(&Event::Sample(Box::new(sample)));
        }
    }
}

fn finished(at_ns: u64, request: u64) -> Finished {
    Finished {
        at_ns,
        request,
        outcome: Outcome::Completed,
        output_tokens: 49,
        counted_by: crate::event::CountedBy::Engine,
        prompt_tokens: None,
        error: None,
        text: None,
        status: None,
        retries: 0,
    }
}

fn begun() -> Aggregator {
    let mut aggregator = Aggregator::new();
    aggregator.apply(&Event::Stage(Box::new(StageStart {
        open: None::<OpenLoop>,
        planned_ns: Some(600_000 * MS),
        ..StageStart::closed(0, "main", 16)
    })));
    aggregator.apply(&Event::Phase { at_ns: 0, stage: 0, phase: Phase::Measuring });
    aggregator
}

/// Bytes a second over ten seconds in the midst of a run.
fn bytes_per_s(screen: Screen, size: (u16, u16)) -> usize {
    let mut aggregator = begun();
    steady(&mut aggregator, 1, 60_000);
    let theme = load("dusk", None, Depth::True).expect("a bundled theme");
    let ui = UiState { screen, ..UiState::default() };
    let title = Title { profile: "demo".into(), ..Title::default() };
    let mut before = None;
    let mut out = Vec::new();
    let mut begin = 0;
    let seconds = 10;
    for frame in 0..=seconds * FPS {
        let (from, to) = (60_000 + frame * 1000 / FPS, 60_000 + (frame + 1) * 1000 / FPS);
        steady(&mut aggregator, from, to);
        let snap = aggregator.snapshot(to * MS);
        let recording = Recording::Writing { path: "x".into(), bytes: 100_000 + frame * 900 };
        let picture = Picture {
            snap: &snap,
            title: &title,
            recording: &recording,
            transport: None,
            over: false,
            measured: None,
            other: None,
        };
        let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
        draw(&mut buffer, &picture, &ui, &theme);
        compose(&mut out, before.as_ref(), &buffer).expect("memory takes all");
        // The first frame is whole.
        if before.is_none() {
            begin = out.len();
        }
        before = Some(buffer);
    }
    (out.len() - begin) / seconds as usize
}

#[test]
fn a_steady_run_sends_little() {
    for screen in Screen::ALL {
        for size in [(80, 24), (120, 40), (200, 60)] {
            let bytes = bytes_per_s(screen, size);
            println!(
                "{} {}x{}: {:.1} kB/s at {FPS} frames/s",
                screen.name(),
                size.0,
                size.1,
                bytes as f64 / 1e3
            );
            assert!(bytes > 1000, "{}: the picture moves", screen.name());
            assert!(screen != Screen::Live || bytes <= MOST, "{bytes} bytes/s at {size:?}");
        }
    }
}
