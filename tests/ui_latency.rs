//! The screen Latency as a picture: sizes, depths of colour, states of a session, keys and the mouse.
//!
//! Unlike other screens its map has other glyphs where there are colours (half blocks) than where there are few or
//! none (shades), so each depth has a picture of its own.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

#[path = "support/sample.rs"]
mod sample;

use std::fmt::Write as _;

use fastgen_tui::event::Control;
use fastgen_tui::metrics::{Definitions, HeatFigure, Limit};
use fastgen_tui::ui::draw_to_svg;
use fastgen_tui::ui::state::{Screen, UiState, Window};
use fastgen_tui::ui::theme::{Depth, load};
use fastgen_tui::ui::view::{Hits, draw};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use sample::{Sampled, text};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];
const DEPTHS: [(&str, Depth); 3] = [("true", Depth::True), ("16", Depth::Ansi16), ("none", Depth::None)];

#[test]
fn the_other_recordings_lines_are_crosses() {
    check("latency-pair", &sample::pair(), &UiState { screen: Screen::Latency, ..UiState::default() });
}

fn frame(s: &Sampled, ui: &UiState, size: (u16, u16), depth: Depth) -> (Buffer, Hits) {
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    let hits = draw(
        &mut buffer,
        &s.picture().beside(s.other.as_ref(), false),
        ui,
        &load("dusk", None, depth).unwrap(),
    );
    (buffer, hits)
}

/// The text, and for every row a sum over its colours (FNV-1a): a change of any cell's changes it.
fn shown(buffer: &Buffer) -> String {
    let mut out = text(buffer);
    for y in 0..buffer.area.height {
        let mut row = String::new();
        for x in 0..buffer.area.width {
            let style = buffer[(x, y)].style();
            let _ = write!(row, "{:?}{:?}{:?};", style.fg, style.bg, style.add_modifier);
        }
        let sum = row
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, b| (sum ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        let _ = writeln!(out, "{y:>2} {sum:016x}");
    }
    out
}

fn check(name: &str, s: &Sampled, ui: &UiState) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/ui");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (width, height) in SIZES {
            for (depth_name, depth) in DEPTHS {
                let (buffer, _) = frame(s, ui, (width, height), depth);
                insta::assert_snapshot!(format!("{name}-{width}x{height}-{depth_name}"), shown(&buffer));
            }
        }
    });
}

fn on(figure: HeatFigure) -> UiState {
    let mut ui = UiState { screen: Screen::Latency, ..UiState::default() };
    ui.latency.figure = figure;
    ui
}

/// With thresholds of all kinds.
fn limited(mut s: Sampled) -> Sampled {
    let limit = |key: &str, ms: u64| Limit { key: key.into(), limit_ns: ms * 1_000_000 };
    s.snap.curve.sla.limits =
        [limit("itl_p99", 60), limit("ttft", 300), limit("ttft_p99", 100_000), limit("e2e_mean", 1)].into();
    s
}

#[test]
fn nothing_yet() {
    check("latency-empty", &sample::empty(), &on(HeatFigure::Itl));
    check("latency-loading", &sample::loading(), &on(HeatFigure::Itl));
}

#[test]
fn while_it_runs() {
    check("latency", &sample::running(8), &on(HeatFigure::Itl));
    check(
        "latency-ttft",
        &limited(sample::running(8)),
        &UiState { window: Window::S10, ..on(HeatFigure::Ttft) },
    );
}

#[test]
fn when_it_is_over() {
    let mut ui = on(HeatFigure::E2e);
    check("latency-done", &limited(sample::done()), &ui);
    ui.latency.figure = HeatFigure::Tpot;
    ui.zoom = 2;
    check("latency-tpot", &sample::done(), &ui);
}

#[test]
fn in_a_replay_with_a_cursor() {
    let mut ui = on(HeatFigure::Itl);
    ui.latency.cursor_ns = Some(25_000_000_000);
    check("latency-replay", &limited(sample::replay()), &ui);
}

#[test]
fn the_definitions_are_named_where_they_hold() {
    let ui = UiState { definitions: Definitions::Guidellm, ..UiState::default() };
    check("live-as-guidellm", &sample::running(8), &ui);
    for definitions in Definitions::ALL {
        let ui = UiState { definitions, ..UiState::default() };
        let shown = text(&frame(&sample::running(8), &ui, (120, 40), Depth::None).0);
        let named = format!(" as {} ", definitions.name());
        let own = definitions == Definitions::Own;
        assert_eq!(shown.lines().nth(1).unwrap().contains(&named), !own, "{shown}");
        assert_eq!(shown.contains(&format!("Latency, as {}", definitions.name())), !own);
        assert_eq!(shown.contains("TTFT corrected"), own);
    }
}

#[test]
fn the_map_is_legible_without_colour() {
    for (name, depth) in DEPTHS {
        let shown = text(&frame(&sample::running(8), &on(HeatFigure::Itl), (120, 40), depth).0);
        let shades = shown.matches(['░', '▒', '▓']).count();
        let halves = shown.matches('▀').count();
        let few = depth == Depth::True;
        assert!(
            if few { shades == 0 && halves > 100 } else { shades > 100 && halves == 0 },
            "{name}:\n{shown}"
        );
        assert!(["p50", "p90", "p99", "tok/s", "20 ms", "CDF"].iter().all(|w| shown.contains(w)) || !few);
    }
}

#[test]
fn more_is_stronger() {
    let s = sample::running(8);
    let (buffer, _) = frame(&s, &on(HeatFigure::Itl), (120, 40), Depth::True);
    let ground = load("dusk", None, Depth::True).unwrap().color(fastgen_tui::ui::theme::Role::Background);
    let inks: std::collections::HashSet<Color> = buffer
        .content()
        .iter()
        .filter(|cell| cell.symbol() == "▀")
        .flat_map(|cell| [cell.fg, cell.bg])
        .filter(|color| Some(*color) != ground)
        .collect();
    assert!(inks.len() >= 8, "{} colours", inks.len());
}

#[test]
fn a_click_selects_a_column_and_a_tab_a_figure() {
    let s = sample::replay();
    let ui = on(HeatFigure::Itl);
    let (buffer, hits) = frame(&s, &ui, (120, 40), Depth::None);
    assert_eq!(format!("{:?}", hits.at(20, 10)), "Some(SelectCell(11))");
    let shown = text(&buffer);
    let line = shown.lines().nth(3).unwrap();
    let at = line[..line.find(" E2E ").unwrap()].chars().count() as u16;
    assert_eq!(format!("{:?}", hits.at(at + 2, 3)), "Some(Figure(E2e))");
    assert!(hits.axis.cell_ns > 0 && hits.axis.cells > 60);
    let mut ui = ui;
    ui.latency.cursor_ns = Some(hits.axis.middle_ns(11));
    let shown = text(&frame(&s, &ui, (120, 40), Depth::None).0);
    assert_eq!((hits.axis.middle_ns(11) / 1_000_000_000, shown.matches("▲0:11").count()), (11, 1), "{shown}");
    assert!(shown.contains("ITL, 0:11.") && !shown.contains("all shown"), "{shown}");
}

#[test]
fn marks_notes_and_clients_are_told_at_their_time() {
    let mut s = sample::running(8);
    let controls = vec![
        (30_000_000_000, Control::Mark { note: "\x1b[2Jhot".into() }),
        (40_500_000_000, Control::Clients { clients: 12 }),
    ];
    s.snap.controls = std::sync::Arc::new(controls);
    let (buffer, _) = frame(&s, &on(HeatFigure::Itl), (200, 60), Depth::True);
    let shown = text(&buffer);
    assert!(shown.contains("hot") && shown.contains("12 clients"), "{shown}");
    assert!(!shown.contains('\x1b'));
}

#[test]
fn one_value_and_a_run_of_a_day_are_drawn() {
    let mut s = sample::running(8);
    for (at_s, requests) in [(7, 1), (86_400, 2000)] {
        let at_ns = at_s * 1_000_000_000;
        s.snap.heat = sample::heat(at_ns, requests).heat;
        s.snap.at_ns = at_ns;
        for figure in HeatFigure::ALL {
            for zoom in 0..7 {
                let mut ui = UiState { zoom, ..on(figure) };
                ui.latency.cursor_ns = Some(at_ns / 2);
                for size in SIZES {
                    let shown = text(&frame(&s, &ui, size, Depth::Ansi256).0);
                    assert!(shown.contains(figure.name()) && !shown.contains("NaN"), "{shown}");
                }
            }
        }
    }
}

#[test]
fn equal_prompts_have_a_line_and_others_a_word() {
    let at = 41_000_000_000;
    let mut s = sample::running(8);
    let shown = text(&frame(&s, &on(HeatFigure::Ttft), (120, 40), Depth::None).0);
    assert!(shown.contains("prompts have 64–256 tokens"), "{shown}");
    s.snap.heat.prompt_tokens = Some((64, 64));
    s.snap.at_ns = at;
    let shown = text(&frame(&s, &on(HeatFigure::Ttft), (120, 40), Depth::None).0);
    // 64 / 512 s.
    assert!(shown.contains("prompt/512 125 ms"), "{shown}");
}

#[test]
fn answers_that_came_whole_have_an_end_to_look_at() {
    let mut s = sample::running(8);
    s.snap.heat = sample::whole_answers();
    let shown = text(&frame(&s, &on(HeatFigure::E2e), (120, 40), Depth::None).0);
    assert!(shown.contains("12 requests"), "{shown}");
    let shown = text(&frame(&s, &on(HeatFigure::Itl), (120, 40), Depth::None).0);
    assert!(shown.contains("no ITL in this stretch"), "{shown}");
}

#[test]
fn it_is_well_formed_as_a_picture() {
    let s = limited(sample::running(8));
    let svg =
        draw_to_svg(&s.picture(), &on(HeatFigure::Itl), &load("dusk", None, Depth::True).unwrap(), (140, 42));
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
}
