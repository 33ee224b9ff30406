//! Every screen in every state of a session, at every size, in every depth of colour: texts as snapshots, one file a
//! screen and state; colours as laws, since a picture of each depth would be looked at by nobody.
//!
//! After a change of the screens: `INSTA_UPDATE=always cargo test --test ui_states`, then look at the difference.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

#[path = "support/readings.rs"]
mod readings;
#[path = "support/sample.rs"]
mod sample;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use fastgen_tui::ui::state::{Screen, UiState};
use fastgen_tui::ui::theme::{Depth, Theme, load};
use fastgen_tui::ui::view::draw;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use sample::{Sampled, text};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];
const STATES: [&str; 6] = ["empty", "loading", "running", "done", "failed", "replay"];

fn session(state: &str, screen: Screen) -> Sampled {
    match (state, screen) {
        ("empty", _) => sample::empty(),
        ("loading", _) => sample::loading(),
        ("failed", _) => sample::failed(),
        ("running", Screen::System) => readings::running(),
        ("replay", Screen::System) => readings::replayed(true),
        ("running", Screen::Curve) => sample::sweep(),
        ("running", _) => sample::running(8),
        ("done", _) => sample::done(),
        _ => sample::replay(),
    }
}

fn theme(name: &str, depth: Depth) -> Theme {
    load(name, None, depth).unwrap()
}

fn frame(s: &Sampled, screen: Screen, size: (u16, u16), theme: &Theme) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    draw(&mut buffer, &s.picture(), &UiState { screen, ..UiState::default() }, theme);
    buffer
}

/// Every screen in every state at every size.
fn each(mut look: impl FnMut(&str, &Sampled, Screen, (u16, u16))) {
    for state in STATES {
        for screen in Screen::ALL {
            let s = session(state, screen);
            for size in SIZES {
                look(state, &s, screen, size);
            }
        }
    }
}

#[test]
fn every_screen_in_every_state() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/states");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let plain = theme("dusk", Depth::None);
    for state in STATES {
        for screen in Screen::ALL {
            let s = session(state, screen);
            let mut all = String::new();
            for size in SIZES {
                let _ = writeln!(all, "{}x{}\n{}", size.0, size.1, text(&frame(&s, screen, size, &plain)));
            }
            let name = format!("{}-{state}", screen.name().to_lowercase());
            settings.bind(|| insta::assert_snapshot!(name, all));
        }
    }
}

#[test]
fn depths_differ_in_colours_only() {
    let all = [Depth::True, Depth::Ansi256, Depth::Ansi16, Depth::None].map(|depth| theme("dusk", depth));
    each(|state, s, screen, size| {
        // The map of latencies has half blocks where there are colours enough, shades where not.
        if screen == Screen::Latency {
            return;
        }
        let plain = text(&frame(s, screen, size, &all[3]));
        for theme in &all[..3] {
            assert_eq!(text(&frame(s, screen, size, theme)), plain, "{state} {} {size:?}", screen.name());
        }
    });
}

fn colors(buffer: &Buffer) -> impl Iterator<Item = Color> {
    buffer.content().iter().flat_map(|cell| [cell.fg, cell.bg])
}

#[test]
fn each_depth_keeps_to_its_colours() {
    for name in ["dusk", "paper", "contrast", "okabe"] {
        let (sixteen, many, none) =
            (theme(name, Depth::Ansi16), theme(name, Depth::Ansi256), theme(name, Depth::None));
        each(|state, s, screen, size| {
            let what = format!("{name}, {state} {} {size:?}", screen.name());
            let named = |color: &Color| !matches!(color, Color::Rgb(..) | Color::Indexed(16..));
            let wrong: Vec<Color> = colors(&frame(s, screen, size, &sixteen)).filter(|c| !named(c)).collect();
            assert!(wrong.is_empty(), "{what}: {wrong:?} of sixteen colours");
            let wrong = colors(&frame(s, screen, size, &many)).find(|c| matches!(c, Color::Rgb(..)));
            assert_eq!(wrong, None, "{what}: in 256 colours");
            let wrong = colors(&frame(s, screen, size, &none)).find(|c| *c != Color::Reset);
            assert_eq!(wrong, None, "{what}: without colour");
        });
    }
}

/// The symbols on a screen, with those that are drawn bold or reversed.
fn symbols(s: &Sampled, screen: Screen) -> (String, BTreeSet<String>) {
    let buffer = frame(s, screen, (200, 60), &theme("dusk", Depth::None));
    let strong = Modifier::BOLD | Modifier::REVERSED;
    let marked = buffer.content().iter().filter(|c| c.modifier.intersects(strong));
    (text(&buffer), marked.map(|c| c.symbol().to_owned()).collect())
}

#[test]
fn nothing_is_told_by_colour_alone() {
    // Phases of a request: a glyph each, named in the legend.
    let (clients, _) = symbols(&sample::running(8), Screen::Clients);
    for named in ["▪ queued", "▒ prefill", "█ decode", "✗ failed"] {
        assert!(clients.contains(named), "{named}\n{clients}");
    }
    // How requests ended: a mark and a word.
    let (requests, _) = symbols(&sample::running(8), Screen::Requests);
    for named in ["✓ completed", "✗ failed_engine", "◷ timed_out_ttft"] {
        assert!(requests.contains(named), "{named}\n{requests}");
    }
    // Series of the curve: a glyph each, named in the legend.
    let sweep = sample::sweep();
    let (curve, _) = symbols(&sweep, Screen::Curve);
    let legend: BTreeSet<char> = curve
        .lines()
        .filter(|line| {
            ["demo", "as published"].iter().any(|name| line.contains(name)) && line.starts_with('│')
        })
        .filter_map(|line| line.chars().skip(7).find(|c| !c.is_ascii() && !"│┤─".contains(*c)))
        .collect();
    assert!(legend.len() >= 2, "{legend:?}\n{curve}");
    // What puts figures in doubt: a word, and reversed.
    let (done, marked) = symbols(&sample::done(), Screen::Live);
    assert!(done.contains("TAINTED") && done.contains("client degraded") && marked.contains("T"), "{done}");
    // Levels of the log: words. The recording: a mark and a word.
    let (log, _) = symbols(&sample::running(8), Screen::Log);
    assert!(["info", "warn", "error", "● rec"].iter().all(|w| log.contains(w)), "{log}");
    // The screen that is shown, and the row that is selected.
    for screen in Screen::ALL {
        let s = session("running", screen);
        let buffer = frame(&s, screen, (200, 60), &theme("dusk", Depth::None));
        let tabs = text(&buffer).lines().nth(1).unwrap().to_owned();
        let label = format!("{} {}", screen.number(), screen.name());
        let at = tabs[..tabs.find(&label).unwrap()].chars().count() as u16;
        assert!(buffer[(at, 1)].modifier.contains(Modifier::REVERSED), "{label}");
    }
}

#[test]
fn what_is_not_known_is_no_number() {
    let plain = theme("dusk", Depth::None);
    for state in ["empty", "loading", "failed"] {
        for screen in Screen::ALL {
            let s = session(state, screen);
            for size in SIZES {
                let shown = text(&frame(&s, screen, size, &plain));
                assert!(!shown.contains("NaN") && !shown.contains("inf "), "{shown}");
                let body = shown.lines().skip(3).collect::<Vec<_>>().join("\n");
                for made_up in ["0 tok/s", "0.00 ms", "0 ms", " 0 µs", "0.00 s", "0 W", "0.0 %"] {
                    assert!(!body.contains(made_up), "{state} {} {made_up}:\n{shown}", screen.name());
                }
                // A panel says something, or is not there.
                assert!(body.chars().filter(|c| c.is_alphabetic()).count() > 20, "{shown}");
            }
        }
    }
}

#[test]
fn a_small_terminal_gets_whole_words() {
    let s = sample::done();
    let plain = theme("dusk", Depth::None);
    for width in 1..60 {
        let shown = text(&frame(&s, Screen::Live, (width, 5), &plain));
        let line = shown.lines().next().unwrap();
        let words = ["done", "TAINTED", "tok/s", "req", "failed", "(enlarge", "to", "60×15)", "(60×15)"];
        let whole = |w: &str| words.contains(&w) || w.parse::<f64>().is_ok() || "done".starts_with(w);
        assert!(line.split_whitespace().all(whole), "{width}: {line}");
        assert!(shown.lines().skip(1).all(str::is_empty));
    }
}

/// A frame with a state of its own, as text.
fn shown(s: &Sampled, ui: &UiState, width: u16) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, 16));
    draw(&mut buffer, &s.picture(), ui, &theme("dusk", Depth::None));
    text(&buffer)
}

#[test]
fn the_narrowest_tables_leave_out_columns_and_cut_none() {
    let heads = ["stage", "clients", "requests", "queries/s", "latency", "good", "effective/s"];
    let (sweep, done) = (sample::sweep(), sample::done());
    let mut open = UiState { screen: Screen::Requests, ..UiState::default() };
    open.requests.open = Some(std::sync::Arc::clone(&done.snap.recent[0]));
    let vllm = UiState { definitions: fastgen_tui::metrics::Definitions::Vllm, ..UiState::default() };
    for width in 60..90 {
        let curve = shown(&sweep, &UiState { screen: Screen::Curve, ..UiState::default() }, width);
        let line = curve.lines().find(|line| line.contains("│ stage ")).unwrap();
        let words: Vec<&str> = line.trim_matches('│').split_whitespace().collect();
        assert!(words.iter().all(|word| heads.contains(word)), "{width}: {curve}");
        assert!(words.contains(&"effective/s") && words.contains(&"good"), "{width}: {curve}");
        let latency = shown(&done, &vllm, width);
        let line = latency.lines().find(|line| line.contains("│ TTFT")).unwrap();
        let words: Vec<&str> = line.trim_matches('│').split_whitespace().collect();
        for (at, _) in words.iter().enumerate().filter(|(_, word)| word.parse::<f64>().is_ok()) {
            let unit = words.get(at + 1).copied().unwrap_or_default();
            assert!(["µs", "ms", "s"].contains(&unit), "{width}: {latency}");
        }
        let inspector = shown(&done, &open, width);
        for (head, last) in [("│ scheduled", "prompt tokens"), ("│ finished", "counted by")] {
            let line = inspector.lines().find(|line| line.contains(head)).unwrap();
            let room = line.trim_matches('│').trim_end();
            assert!(
                line.contains(last) || [" ms", " µs", " s"].iter().any(|unit| room.ends_with(unit)),
                "{width}: {line}"
            );
        }
    }
}
