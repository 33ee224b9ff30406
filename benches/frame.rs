//! What a frame costs: every screen at 200×60 with 512 clients, drawn and compared with the frame before.

#[path = "../tests/support/sample.rs"]
mod sample;

use criterion::{Criterion, criterion_group, criterion_main};
use fastgen_tui::ui::state::{Screen, UiState};
use fastgen_tui::ui::theme::{Depth, load};
use fastgen_tui::ui::view::{Picture, draw};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

fn frames(c: &mut Criterion) {
    let s = sample::running(512);
    let theme = load("dusk", None, Depth::True).expect("a bundled theme loads");
    let picture = Picture {
        snap: &s.snap,
        title: &s.title,
        recording: &s.recording,
        transport: s.transport,
        over: s.over,
    };
    let area = Rect::new(0, 0, 200, 60);
    for screen in Screen::ALL {
        let ui = UiState { screen, ..UiState::default() };
        let before = Buffer::empty(area);
        c.bench_function(&format!("frame 200x60, 512 clients, {}", screen.name()), |b| {
            b.iter(|| {
                let mut buffer = Buffer::empty(area);
                draw(&mut buffer, &picture, &ui, &theme);
                before.diff(&buffer).len()
            });
        });
    }
}

criterion_group!(benches, frames);
criterion_main!(benches);
