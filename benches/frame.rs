//! What a frame costs: every screen at 200×60 with 512 clients, drawn and compared with the frame before; Latency with
//! ten million tokens behind it, System with the readings of an engine, a host and two GPUs.

#[allow(clippy::unwrap_used, reason = "a bench that can't go on fails")]
#[path = "../tests/support/readings.rs"]
mod readings;
#[path = "../tests/support/sample.rs"]
mod sample;

use criterion::{Criterion, criterion_group, criterion_main};
use fastgen_tui::clock::Clock;
use fastgen_tui::metrics::HeatFigure;
use fastgen_tui::ui::state::{Screen, UiState};
use fastgen_tui::ui::theme::{Depth, load};
use fastgen_tui::ui::view::draw;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Frames of each screen that the percentiles are of.
const FRAMES: usize = 2000;

fn frames(c: &mut Criterion) {
    let (usual, long, engine) = (sample::running(512), behind(), readings::running());
    let theme = load("dusk", None, Depth::True).expect("a bundled theme loads");
    let area = Rect::new(0, 0, 200, 60);
    for screen in Screen::ALL {
        let picture = match screen {
            Screen::Latency => long.picture(),
            Screen::System => engine.picture(),
            _ => usual.picture(),
        };
        let ui = UiState { screen, ..UiState::default() };
        let before = Buffer::empty(area);
        let frame = || {
            let mut buffer = Buffer::empty(area);
            draw(&mut buffer, &picture, &ui, &theme);
            before.diff(&buffer).len()
        };
        c.bench_function(&format!("frame 200x60, 512 clients, {}", screen.name()), |b| b.iter(frame));
        let clock = Clock::start();
        let mut spent: Vec<u64> = (0..FRAMES)
            .map(|_| {
                let began = clock.now_ns();
                std::hint::black_box(frame());
                clock.now_ns() - began
            })
            .collect();
        spent.sort_unstable();
        let at = |part: usize| spent[FRAMES * part / 100] as f64 / 1e6;
        println!(
            "frame 200x60, {}: p50 {:.2} ms, p99 {:.2} ms of {FRAMES} frames",
            screen.name(),
            at(50),
            at(99)
        );
    }
}

/// The screen Curve after a key that changes the SLA: 11 stages of 1000 requests.
fn curve(c: &mut Criterion) {
    let s = sample::curve(11, 1000);
    let theme = load("dusk", None, Depth::True).expect("a bundled theme loads");
    let picture = s.picture();
    let mut ui = UiState { screen: Screen::Curve, ..UiState::default() };
    let mut rate = 0;
    c.bench_function("curve after an SLA key, 11 stages of 1000 requests", |b| {
        b.iter(|| {
            rate = (rate + 1) % s.snap.curve.sla.rates.len();
            ui.curve.rate = Some(rate);
            let mut buffer = Buffer::empty(Rect::new(0, 0, 200, 60));
            draw(&mut buffer, &picture, &ui, &theme)
        });
    });
}

/// Ten million tokens over ten hours behind it.
fn behind() -> sample::Sampled {
    let hours = 36_000_000_000_000;
    let mut s = sample::running(512);
    s.snap.heat = sample::heat(hours, 250_000).heat;
    s.snap.at_ns = hours;
    s
}

/// The screen Latency with ten million tokens over ten hours behind it, on each figure.
fn latency(c: &mut Criterion) {
    let s = behind();
    let theme = load("dusk", None, Depth::True).expect("a bundled theme loads");
    let picture = s.picture();
    for figure in HeatFigure::ALL {
        let mut ui = UiState { screen: Screen::Latency, ..UiState::default() };
        ui.latency.figure = figure;
        c.bench_function(&format!("latency 200x60, 10 million tokens, {}", figure.name()), |b| {
            b.iter(|| {
                let mut buffer = Buffer::empty(Rect::new(0, 0, 200, 60));
                draw(&mut buffer, &picture, &ui, &theme)
            });
        });
    }
}

criterion_group!(benches, frames, curve, latency);
criterion_main!(benches);
