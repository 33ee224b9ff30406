//! Every screen as a picture: sizes, depths of colour, states of a session; and sizes that nobody should have.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

#[path = "support/readings.rs"]
mod readings;
#[path = "support/sample.rs"]
mod sample;

use std::fmt::Write as _;
use std::sync::Arc;

use fastgen_tui::event::Level;
use fastgen_tui::metrics::fastgen::Validator;
use fastgen_tui::metrics::interventions::Cut;
use fastgen_tui::metrics::{ClientLimit, ClientLimits, ClientThreads, SpanView, Summary};
use fastgen_tui::ui::state::{Palette, Prompt, PromptKind, Screen, UiState, Window};
use fastgen_tui::ui::theme::{Depth, load};
use fastgen_tui::ui::view::{Hits, draw};
use fastgen_tui::ui::{Recording, draw_to_svg};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use sample::{Sampled, text};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn frame(s: &Sampled, ui: &UiState, size: (u16, u16), depth: Depth) -> (Buffer, Hits) {
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    let theme = load("dusk", None, depth).unwrap();
    let hits = draw(&mut buffer, &s.picture().beside(s.other.as_ref(), ui.beside), ui, &theme);
    (buffer, hits)
}

/// Runs of one style a row, e.g. `3: 0-11 #d7dbe8 on #1e212c BOLD`; rows of one run in the base style are left out.
fn styles(buffer: &Buffer) -> String {
    let mut out = String::new();
    let name = |s: Style| {
        let color =
            |c: Option<ratatui::style::Color>| c.map_or("-".to_owned(), |c| c.to_string().to_lowercase());
        let extra = s.add_modifier;
        let words = if extra.is_empty() { String::new() } else { format!(" {extra:?}") };
        format!("{} on {}{words}", color(s.fg), color(s.bg))
    };
    let mut names: Vec<String> = Vec::new();
    for y in 0..buffer.area.height {
        let mut row = String::new();
        let mut last = usize::MAX;
        for x in 0..buffer.area.width {
            let style = name(buffer[(x, y)].style());
            let at = names.iter().position(|n| *n == style).unwrap_or_else(|| {
                names.push(style);
                names.len() - 1
            });
            if at != last {
                let _ = write!(row, " {x}:{}", char::from(b'a' + (at as u8).min(25)));
                last = at;
            }
        }
        let _ = writeln!(out, "{y:>2}{row}");
    }
    for (i, name) in names.iter().enumerate() {
        let _ = writeln!(out, "{} = {name}", char::from(b'a' + (i as u8).min(25)));
    }
    out
}

/// A snapshot of text at all sizes without colour, and with colours at the smallest.
fn check(name: &str, s: &Sampled, ui: &UiState) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/ui");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for size in SIZES {
            let (plain, _) = frame(s, ui, size, Depth::None);
            let (colored, _) = frame(s, ui, size, Depth::True);
            assert_eq!(text(&plain), text(&colored), "colour must not change a glyph");
            let label = format!("{name}-{}x{}", size.0, size.1);
            insta::assert_snapshot!(label.clone(), text(&plain));
            insta::assert_snapshot!(format!("{label}-color"), styles(&colored));
            insta::assert_snapshot!(format!("{label}-mono"), styles(&plain));
        }
    });
}

fn on(screen: Screen) -> UiState {
    UiState { screen, ..UiState::default() }
}

#[test]
fn live() {
    check("live", &sample::running(8), &on(Screen::Live));
}

#[test]
fn live_of_a_replay_on_a_gpu() {
    check("live-replay", &sample::replay(), &UiState { window: Window::S10, ..on(Screen::Live) });
}

#[test]
fn two_recordings_at_once() {
    check("pair-live", &sample::pair(), &on(Screen::Live));
    check("pair-switched", &sample::pair(), &UiState { beside: true, ..on(Screen::Live) });
    let ui = UiState { beside: true, ..on(Screen::Clients) };
    check("pair-clients", &sample::pair(), &ui);
    let latency = on(Screen::Latency);
    let shown = text(&frame(&sample::pair(), &latency, (120, 40), Depth::None).0);
    assert!(shown.contains("× B's p50 and p99"), "{shown}");
    let crosses = shown.lines().take(33).map(|line| line.matches('×').count()).sum::<usize>();
    assert!(crosses >= 10, "{crosses} crosses\n{shown}");
}

#[test]
fn each_of_two_recordings_has_its_name_and_its_glyph() {
    let s = sample::pair();
    let shown = |beside, size| text(&frame(&s, &UiState { beside, ..on(Screen::Live) }, size, Depth::None).0);
    for size in SIZES {
        let (a, b) = (shown(false, size), shown(true, size));
        assert!(a.contains("replay A: demo-2026") && b.contains("replay B: slow.jsonl"), "{a}{b}");
        assert!(a.contains("× B") && b.contains("× A"), "{a}{b}");
        assert!(a.contains("B p50") && a.contains("+25 %") && b.contains("−20 %"), "{a}{b}");
        assert!(a.matches('×').count() > 10, "its line is drawn\n{a}");
    }
    let alone = text(&frame(&sample::replay(), &on(Screen::Live), (120, 40), Depth::None).0);
    assert!(!alone.contains("p50 to") && !alone.contains("b other"), "{alone}");
}

#[test]
fn a_range_is_seen_on_every_axis_of_time_and_its_figures_over_the_screen() {
    let ui = UiState { range: sample::range(), ..on(Screen::Live) };
    check("range", &sample::ranged(), &ui);
    let mut hidden = UiState { range: sample::range(), ..on(Screen::Live) };
    hidden.range.shown = false;
    for screen in [Screen::Live, Screen::Latency, Screen::Clients, Screen::System] {
        hidden.screen = screen;
        // All of the run is on the axis.
        hidden.zoom = 4;
        let shown = text(&frame(&sample::ranged(), &hidden, (120, 40), Depth::None).0);
        let bar = shown.lines().nth(38).unwrap();
        assert!(bar.contains("[═") && bar.contains(']'), "{bar}");
        let body: String = shown.lines().skip(3).take(35).collect();
        assert!(body.contains('[') && body.contains(']'), "{screen:?}\n{shown}");
        // What lies between the ends is on another ground, with and without colours.
        let ground = |style: Style, depth| match depth {
            Depth::None => style.add_modifier.contains(Modifier::REVERSED),
            _ => style.bg == Some(Color::Rgb(0x23, 0x29, 0x38)),
        };
        for (depth, least) in [(Depth::True, 300), (Depth::None, 12)] {
            let lit = |ui: &UiState| {
                let (buffer, _) = frame(&sample::ranged(), ui, (120, 40), depth);
                buffer.content().iter().filter(|cell| ground(cell.style(), depth)).count()
            };
            let bare = UiState { range: fastgen_tui::ui::RangeState::default(), ..hidden.clone() };
            let more = lit(&hidden) - lit(&bare);
            assert!(more >= least, "{screen:?} {depth:?}: {more} cells");
        }
    }
    let mut s = sample::ranged();
    s.measured = None;
    let shown = text(&frame(&s, &ui, (80, 24), Depth::None).0);
    assert!(shown.contains("computing…") && shown.contains("Range 0:20.000–0:35.500"), "{shown}");
    let why = "nothing was measured in run.jsonl.zst";
    let range = fastgen_tui::ui::Range { from_ns: 20_000_000_000, to_ns: 35_500_000_000 };
    s.measured = Some(fastgen_tui::ui::Measured { range, stages: Err(why.into()) });
    assert!(text(&frame(&s, &ui, (80, 24), Depth::None).0).contains(why));
}

#[test]
fn live_when_done_and_in_doubt() {
    check("live-done", &sample::done(), &on(Screen::Live));
}

#[test]
fn loading_and_failing_to() {
    check("loading", &sample::loading(), &on(Screen::Live));
    check("failed", &sample::failed(), &on(Screen::Live));
    check("empty", &sample::empty(), &on(Screen::Live));
}

#[test]
fn clients() {
    check("clients", &sample::running(8), &on(Screen::Clients));
    check("clients-many", &sample::running(128), &UiState { client: 60, ..on(Screen::Clients) });
    check("clients-replay", &sample::replay(), &on(Screen::Clients));
}

#[test]
fn requests() {
    check("requests", &sample::running(8), &on(Screen::Requests));
    let mut ui = on(Screen::Requests);
    let s = sample::running(8);
    ui.requests.open = Some(Arc::clone(&s.snap.recent[0]));
    check("inspector", &s, &ui);
    ui.requests.open = Some(Arc::clone(&s.snap.recent[3]));
    check("inspector-failed", &s, &ui);
    let mut ui = on(Screen::Requests);
    ui.requests.filter = "client=3".into();
    ui.requests.slowest = true;
    ui.prompt = Some(Prompt { kind: PromptKind::Filter, text: "client=3".into() });
    check("requests-filtered", &s, &ui);
}

#[test]
fn curve() {
    let s = sample::sweep();
    check("curve", &s, &on(Screen::Curve));
    let mut ui = on(Screen::Curve);
    ui.curve.rate = Some(s.snap.curve.sla.rates.len() - 1);
    ui.curve.validator = Validator::Ema16;
    check("curve-strict", &s, &ui);
    check("curve-empty", &sample::empty(), &on(Screen::Curve));
}

/// As [`check`], and in sixteen colours.
fn check_16(name: &str, s: &Sampled, ui: &UiState) {
    check(name, s, ui);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/ui");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for size in SIZES {
            let (buffer, _) = frame(s, ui, size, Depth::Ansi16);
            insta::assert_snapshot!(format!("{name}-{}x{}-16", size.0, size.1), styles(&buffer));
        }
    });
}

#[test]
fn system() {
    check_16("system-empty", &sample::empty(), &on(Screen::System));
    check_16("system", &readings::running(), &on(Screen::System));
    check_16("system-replay", &readings::replayed(false), &on(Screen::System));
    check_16("system-two-gpus", &readings::replayed(true), &UiState { system: 99, ..on(Screen::System) });
}

#[test]
fn the_system_screen_shows_what_there_is_and_nothing_else() {
    let shown = |s: &Sampled, size| text(&frame(s, &on(Screen::System), size, Depth::None).0);
    let all = shown(&readings::running(), (200, 80));
    for title in
        ["Output tokens/s", "Running in the engine", "KV cache", "Host CPU", "GPU 0 power", "GPU 1 power"]
    {
        assert!(all.contains(title), "{title}\n{all}");
    }
    assert!(all.contains("power cap, heat") && all.contains("J per token"), "{all}");
    let bare = shown(&readings::replayed(false), (200, 60));
    assert!(!bare.contains("GPU") && !bare.contains("KV cache") && bare.contains("Host CPU"), "{bare}");
    let energy = bare.lines().find_map(|line| line.split("energy per token").nth(1)).unwrap();
    assert_eq!(energy.trim_matches([' ', '│']), "–");
    let empty = shown(&sample::empty(), (80, 24));
    assert!(empty.contains("no readings of engine, host or GPUs yet"), "{empty}");
}

#[test]
fn figures_that_do_not_fit_are_scrolled_to() {
    let s = readings::running();
    let mut ui = on(Screen::System);
    let (first, hits) = frame(&s, &ui, (80, 24), Depth::None);
    assert!(text(&first).contains('↓') && !text(&first).contains("GPU 1 power"), "{}", text(&first));
    assert!(hits.page >= 3 && hits.offset == 0, "{hits:?}");
    ui.system = 99;
    let (last, hits) = frame(&s, &ui, (80, 24), Depth::None);
    let shown = text(&last);
    assert!(shown.contains("GPU 1 power") && shown.contains("Output tokens/s"), "{shown}");
    assert!(shown.contains('↑') && hits.offset < 99, "{shown}");
}

#[test]
fn recordings_from_before_have_a_system_screen_too() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/recordings/demo.jsonl.zst");
    let (snap, header, _) = fastgen_tui::replay::at(path.as_ref(), 30_000_000_000).unwrap();
    let s = Sampled { snap, title: fastgen_tui::replay::title(&header), ..sample::empty() };
    let shown = text(&frame(&s, &on(Screen::System), (120, 40), Depth::None).0);
    assert!(shown.contains("Host CPU") && shown.contains("Client's CPU"), "{shown}");
    assert!(!shown.contains("KV cache") && !shown.contains("GPU"), "{shown}");
}

#[test]
fn an_open_loop_tells_its_rate_where_others_tell_clients() {
    let s = sample::open();
    check("open-live", &s, &on(Screen::Live));
    check("open-clients", &s, &on(Screen::Clients));
    check("open-curve", &s, &on(Screen::Curve));
    for screen in [Screen::Live, Screen::Clients] {
        let (buffer, _) = frame(&s, &on(screen), (140, 40), Depth::None);
        let shown = text(&buffer);
        assert!(shown.lines().next().unwrap().contains("poisson 8.8 req/s"), "{shown}");
        assert!(shown.contains("held back") && shown.contains("+ - rate"), "{shown}");
    }
}

#[test]
fn an_open_loop_that_falls_behind_says_so() {
    let mut s = sample::open();
    (s.snap.at_limit, s.snap.controls) = (false, Arc::default());
    assert!(!text(&frame(&s, &UiState::default(), (120, 40), Depth::True).0).contains("can't keep up"));
    let mut series = (*s.snap.series).clone();
    for (i, point) in series.iter_mut().enumerate() {
        (point.in_flight, point.phase) = (4 * i as u32, Some(fastgen_tui::event::Phase::Measuring));
    }
    s.snap.series = Arc::new(series);
    let shown = text(&frame(&s, &UiState::default(), (120, 40), Depth::True).0);
    assert!(shown.contains("can't keep up") && shown.contains("over the last"), "{shown}");
    s.snap.at_limit = true;
    let shown = text(&frame(&s, &UiState::default(), (120, 40), Depth::True).0);
    assert!(!shown.contains("can't keep up") && shown.contains("held back"), "{shown}");
}

#[test]
fn the_table_of_a_span_says_which_and_others_how_to_get_there() {
    let mut s = sample::running(8);
    let cut =
        |at_s: u64, words: &str| Cut { at_ns: at_s * 1_000_000_000, words: words.into(), ..Cut::default() };
    let summary = Summary { count: 5, p50: Some(0.25), ..Summary::default() };
    let before = SpanView { cut: cut(3, "start"), end_ns: Some(20_000_000_000), ..SpanView::default() };
    let after =
        SpanView { cut: cut(20, "8 to 9 clients"), ttft: summary, completed: 41, ..SpanView::default() };
    s.snap.spans = vec![Arc::new(before), Arc::new(after)];
    let shown = |span| text(&frame(&s, &UiState { span, ..UiState::default() }, (80, 24), Depth::None).0);
    assert!(shown(None).contains("i: since 0:20 · "), "{}", shown(None));
    let present = shown(Some(0));
    assert!(
        present.contains("Latency since 0:20 (8 to 9 clients)") && present.contains("41 ok"),
        "{present}"
    );
    assert!(present.contains("250 ms") && !present.contains("corrected"), "{present}");
    assert!(shown(Some(1)).contains("Latency 0:03 to 0:20 (start)"), "{}", shown(Some(1)));
    assert!(shown(Some(2)).contains("completed requests"), "what is no longer kept is the stage");
}

#[test]
fn the_system_screen_tells_what_the_client_can_measure() {
    let mut s = readings::running();
    let ui = UiState { screen: Screen::System, ..UiState::default() };
    assert!(text(&frame(&s, &ui, (160, 60), Depth::True).0).contains("not calibrated"));
    let of_one = ClientLimit { seen_tokens_per_s: 25_000.0, token_cpu_us: 0.0, request_cpu_us: 0.0 };
    let threads = ClientThreads { usual: 2, by_backend: Vec::new() };
    s.title.client = Some(ClientLimits { of_one, threads });
    let shown = text(&frame(&s, &ui, (160, 60), Depth::True).0);
    assert!(shown.contains("50.0k tok/s, now "), "{shown}");
}

#[test]
fn log_and_help() {
    let mut ui = on(Screen::Log);
    check("log", &sample::running(8), &ui);
    ui.log.least = Level::Warn;
    ui.log.up = 3;
    check("log-warnings", &sample::running(8), &ui);
    check("help", &sample::running(8), &UiState { help: true, ..on(Screen::Live) });
}

#[test]
fn the_line_for_commands() {
    let typed = |text: &str, said: Option<&str>| Palette {
        text: text.into(),
        said: said.map(str::to_owned),
        ..Palette::default()
    };
    let mut ui = UiState { palette: Some(typed("", None)), ..on(Screen::Live) };
    check("palette", &sample::running(8), &ui);
    ui.palette = Some(typed("ma", None));
    check("palette-typed", &sample::replay(), &ui);
    ui.palette = Some(typed("seek 10", Some("`seek 10`: only in a replay")));
    let (buffer, _) = frame(&sample::running(8), &ui, (80, 24), Depth::None);
    let shown = text(&buffer);
    assert!(shown.lines().last().unwrap().contains(":seek 10▏  `seek 10`: only in a replay"), "{shown}");
    assert!(shown.contains("✗ only in a replay"), "{shown}");
}

#[test]
fn searched_tables() {
    let s = sample::running(8);
    let mut ui = UiState { search: "decode".into(), ..on(Screen::Clients) };
    check("clients-search", &s, &ui);
    ui = on(Screen::Log);
    ui.log.filter = "engine".into();
    ui.log.all = true;
    check("log-search", &s, &ui);
    ui = UiState { search: "cpu".into(), ..on(Screen::System) };
    let (buffer, _) = frame(&readings::running(), &ui, (120, 40), Depth::None);
    let turned = buffer.content().iter().filter(|c| c.modifier.contains(Modifier::UNDERLINED));
    let shown: String = turned.map(|c| c.symbol().to_lowercase()).collect();
    assert!(shown.contains("cpucpu") && text(&buffer).contains("/cpu "), "{shown}");
}

#[test]
fn lanes_back_in_time() {
    let s = sample::running(8);
    let mut ui = on(Screen::Clients);
    ui.lanes.to_ns = Some(s.snap.at_ns - 5_000_000_000);
    check("clients-back", &s, &ui);
    let shown = |ui: &UiState| text(&frame(&s, ui, (120, 40), Depth::None).0);
    assert!(shown(&ui).contains("◂ 5.00 s back"), "{}", shown(&ui));
    let axis = |shown: String| shown.lines().find(|l| l.contains('╵')).unwrap().to_owned();
    assert_ne!(axis(shown(&ui)), axis(shown(&on(Screen::Clients))));
}

#[test]
fn unknown_is_never_nought() {
    let (buffer, _) = frame(&sample::empty(), &on(Screen::Clients), (80, 24), Depth::None);
    assert!(!text(&buffer).contains("NaN"));
    let mut s = sample::running(8);
    s.snap.sample = None;
    s.snap.latency = fastgen_tui::metrics::Latencies::default();
    s.snap.output_rate = fastgen_tui::metrics::Rate::default();
    let (buffer, _) = frame(&s, &on(Screen::Live), (120, 40), Depth::None);
    let shown = text(&buffer);
    let ttft = shown.lines().find(|l| l.contains(" TTFT ")).unwrap();
    assert_eq!(ttft.matches('–').count(), 5, "{ttft}");
    assert!(shown.contains("CPU"), "{shown}");
    assert!(!shown.contains("0 %"), "{shown}");
}

#[test]
fn the_header_says_which_stage_of_how_many_and_what_failed() {
    let mut s = sample::running(8);
    let stage = fastgen_tui::event::StageStart {
        stage: 3,
        name: "clients=8".into(),
        ..(**s.snap.stage.as_ref().unwrap()).clone()
    };
    s.snap.stage = Some(Arc::new(stage));
    s.snap.stages.planned = Some(11);
    s.snap.stages.failed = 1;
    s.snap.stages.last_failure = Some(("clients=2".into(), "the engine died".into()));
    let (buffer, _) = frame(&s, &on(Screen::Live), (140, 40), Depth::None);
    let shown = text(&buffer);
    assert!(shown.lines().next().unwrap().contains("[4/11 clients=8]"), "{shown}");
    assert!(shown.contains("1 stage failed") && shown.contains("clients=2: the engine died"), "{shown}");
}

#[test]
fn nothing_that_an_engine_says_reaches_the_terminal_raw() {
    for screen in Screen::ALL {
        let mut ui = on(screen);
        let s = sample::running(8);
        for open in [None, Some(Arc::clone(&s.snap.recent[0])), Some(Arc::clone(&s.snap.recent[3]))] {
            ui.requests.open = open;
            let (buffer, _) = frame(&s, &ui, (200, 60), Depth::True);
            assert!(
                buffer
                    .content()
                    .iter()
                    .all(|c| !c.symbol().chars().any(|c| c.is_control() || c == '\u{202e}'))
            );
        }
    }
}

#[test]
fn clicks_find_tabs_rows_and_the_transport() {
    let s = sample::replay();
    let (buffer, hits) = frame(&s, &on(Screen::Requests), (120, 40), Depth::None);
    let shown = text(&buffer);
    let tabs = shown.lines().nth(1).unwrap();
    let column = tabs[..tabs.find("7 Log").unwrap()].chars().count() as u16;
    assert!(format!("{:?}", hits.at(column, 1)).contains("Show(Log)"));
    assert!(format!("{:?}", hits.at(20, 5)).contains("SelectRow(0)"), "{:?}", hits.at(20, 5));
    assert!(format!("{:?}", hits.at(17, 38)).contains("SeekTo(0.0)"), "{:?}", hits.at(17, 38));
    assert_eq!(hits.at(0, 39), None);
}

#[test]
fn a_picture_of_every_screen_is_well_formed() {
    let theme = load("dusk", None, Depth::True).unwrap();
    for screen in Screen::ALL {
        let s = sample::running(8);
        let svg = draw_to_svg(&s.picture(), &on(screen), &theme, (120, 40));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(!svg.chars().any(|c| c.is_control() && c != '\n'));
        if let Ok(folder) = std::env::var("FASTGEN_TUI_PICTURES") {
            std::fs::write(format!("{folder}/{}.svg", screen.name()), svg).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_size_is_too_odd(width in 1u16..500, height in 1u16..200, which in 0usize..7, screen in 0usize..Screen::ALL.len(), odd in any::<u8>()) {
        let s = match which {
            0 => sample::empty(),
            1 => sample::loading(),
            2 => sample::failed(),
            3 => sample::done(),
            4 => sample::replay(),
            5 => readings::running(),
            _ => sample::running(u32::from(odd) * 2),
        };
        let mut ui = on(Screen::ALL[screen]);
        ui.help = odd & 1 == 1;
        ui.zoom = usize::from(odd % 6);
        ui.client = usize::from(odd);
        ui.log.up = usize::from(odd);
        ui.system = usize::from(odd);
        ui.requests.open = (odd & 2 == 2).then(|| s.snap.recent.get(usize::from(odd)).cloned()).flatten();
        frame(&s, &ui, (width, height), Depth::True);
    }

    #[test]
    fn small_sizes_too(width in 1u16..90, height in 1u16..30, screen in 0usize..Screen::ALL.len()) {
        let all: [fn() -> Sampled; 6] =
            [|| sample::running(8), sample::replay, sample::done, sample::sweep, sample::pair, sample::ranged];
        for make in all {
            let mut s = make();
            if width % 2 == 0 {
                s.recording = Recording::Failed { path: "x".into(), reason: "the disk is full".into() };
            }
            let ui = UiState { range: sample::range(), beside: height % 2 == 0, ..on(Screen::ALL[screen]) };
            frame(&s, &ui, (width, height), Depth::Ansi16);
        }
    }
}
