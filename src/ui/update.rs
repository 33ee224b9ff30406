//! Commands change the state, here and nowhere else, and ask for effects.

mod hand;

use super::keymap::{ARROW_SEEK_NS, Command, Scene};
use super::state::{Column, Screen, UiState, ZOOMS};
use super::{Action, Transport, range, rows, tracks};
use crate::event::{Level, Phase};
use crate::metrics::Snapshot;
use crate::metrics::fastgen::Validator;

mod find;
mod given;
mod help;
mod lanes;
mod palette;
mod prompt;
mod refused;

pub use palette::key as palette_key;
use prompt::set_filter;
pub use prompt::typed;

/// What a command may look at.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    pub snap: &'a Snapshot,
    pub transport: Option<Transport>,
    /// The run is over and everything is written.
    pub over: bool,
    /// Another recording plays beside it.
    pub pair: bool,
}

impl Sight<'_> {
    /// What keys depend on.
    fn scene(&self) -> Scene {
        Scene { pair: self.pair, ..Scene::of(self.snap, self.transport.is_some()) }
    }
}

/// What a command asks of the loop.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Act(Action),
    Freeze(bool),
    NextTheme,
    UseTheme(String),
    /// The screen's figures to the clipboard.
    Copy,
    /// The screen as a file.
    Picture,
    /// Back to the shell.
    Suspend,
    /// The next frame whole.
    Redraw,
    /// A word in the footer.
    Say(String),
    Quit,
}

/// Carries a command out.
pub fn update(ui: &mut UiState, command: &Command, sight: Sight<'_>) -> Vec<Effect> {
    if ui.help && help::took(ui, command) {
        return Vec::new();
    }
    if let Some(effects) = refused::refused(ui, command, sight) {
        return effects;
    }
    if let Some(effects) = given::carry_out(ui, command, sight) {
        return effects;
    }
    match command {
        Command::Quit => quit(ui, sight),
        Command::Interrupt if sight.over || sight.transport.is_some() => vec![Effect::Quit],
        Command::Interrupt => {
            let mut effects = vec![Effect::Act(Action::Interrupted)];
            effects.extend(quit(ui, sight));
            effects
        }
        Command::Spans => hand::spans(ui, sight.snap),
        Command::Freeze => {
            ui.frozen = !ui.frozen;
            vec![Effect::Freeze(ui.frozen)]
        }
        Command::Theme => vec![Effect::NextTheme],
        Command::Suspend => vec![Effect::Suspend],
        Command::Redraw => vec![Effect::Redraw],
        Command::Export | Command::Range(_) | Command::Beside => range::update(ui, command, sight),
        Command::Pause | Command::AddLoad(_) | Command::Mark | Command::Recall | Command::NextStage => {
            hand::intervene(ui, command, sight)
        }
        Command::Side(by) if ui.screen != Screen::Latency => {
            transport(&Command::Seek(i64::from(*by) * ARROW_SEEK_NS), sight)
        }
        command if command.is_of_replay() => transport(command, sight),
        _ => {
            look(ui, command, sight.snap);
            Vec::new()
        }
    }
}

/// The first asks for a graceful end, the second for an end at once, the third leaves.
fn quit(ui: &mut UiState, sight: Sight<'_>) -> Vec<Effect> {
    if sight.over || sight.transport.is_some() || ui.stops >= 2 {
        return vec![Effect::Quit];
    }
    ui.leave |= sight.snap.ended.is_some() || sight.snap.phase == Some(Phase::Done);
    ui.stops += 1;
    let action = if ui.stops == 1 { Action::Stop } else { Action::Abort };
    vec![Effect::Act(action)]
}

fn transport(command: &Command, sight: Sight<'_>) -> Vec<Effect> {
    let Some(transport) = sight.transport else { return Vec::new() };
    let action = match command {
        Command::Seek(by) => Action::SeekBy(*by),
        Command::SeekAt(at_ns) => Action::Seek(*at_ns),
        Command::Speed(speed) => Action::Speed(*speed),
        Command::SeekTo(part) => Action::Seek((part.clamp(0.0, 1.0) * transport.length_ns as f64) as u64),
        Command::Faster(factor) => match (transport.speed * factor).clamp(0.25, 64.0) {
            speed if (speed - transport.speed).abs() < 1e-9 => {
                let end = if *factor > 1.0 { "fastest" } else { "slowest" };
                return vec![Effect::Say(format!("{speed}× is the {end} that a replay plays"))];
            }
            speed => Action::Speed(speed),
        },
        Command::Step(forward) => Action::Step(*forward),
        Command::Jump(forward) => Action::Jump(*forward),
        Command::Outlier(forward) => Action::Outlier(*forward),
        Command::ToSlowest => Action::ToSlowest,
        _ => return Vec::new(),
    };
    vec![Effect::Act(action)]
}

/// Commands that change only what is seen.
fn look(ui: &mut UiState, command: &Command, snap: &Snapshot) {
    match command {
        Command::Show(screen) => ui.screen = *screen,
        Command::NextScreen => ui.screen = ui.screen.cycle(1),
        Command::PreviousScreen => ui.screen = ui.screen.cycle(-1),
        Command::Window => ui.window = ui.window.next(),
        Command::Zoom(by) => {
            ui.zoom = ui.zoom.saturating_add_signed(isize::from(*by)).min(ZOOMS.len() - 1);
        }
        Command::Help => (ui.help, ui.help_at) = (true, 0),
        Command::Definitions => {
            ui.definitions = ui.definitions.next();
            ui.span = None;
        }
        Command::Figure(figure) => ui.latency.figure = *figure,
        Command::Level if ui.screen == Screen::Latency => ui.latency.figure = ui.latency.figure.next(),
        Command::Slowest => ui.requests.slowest = !ui.requests.slowest,
        Command::Sla(_) | Command::Validator => judge(ui, command, snap),
        Command::Sort => {
            let at = Column::ALL.iter().position(|c| *c == ui.requests.sort).unwrap_or(0);
            ui.requests.sort = Column::ALL[(at + 1) % Column::ALL.len()];
        }
        Command::Reverse => ui.requests.reversed = !ui.requests.reversed,
        Command::Level => {
            ui.log.least = match ui.log.least {
                Level::Debug => Level::Info,
                Level::Info => Level::Warn,
                Level::Warn => Level::Error,
                Level::Error => Level::Debug,
            };
            ui.log.up = 0;
        }
        Command::Open => open(ui, snap),
        _ => shift(ui, command, snap),
    }
}

/// What the curve's requests are judged by.
fn judge(ui: &mut UiState, command: &Command, snap: &Snapshot) {
    let rates = snap.curve.sla.rates.len();
    match command {
        Command::Sla(by) => {
            let to = ui.curve.rate_of(rates).saturating_add_signed(isize::from(*by));
            ui.curve.rate = Some(to.min(rates.saturating_sub(1)));
        }
        _ => {
            ui.curve.validator = match ui.curve.validator {
                Validator::Cumulative => Validator::Ema16,
                Validator::Ema16 => Validator::Cumulative,
            }
        }
    }
}

fn open(ui: &mut UiState, snap: &Snapshot) {
    match ui.screen {
        Screen::Clients => {
            if let Some(lane) = snap.lanes.get(ui.client) {
                ui.requests.filter = format!("client={}", lane.client);
                ui.requests.open = None;
                // Among the slowest few of its requests would be missing.
                ui.requests.slowest = false;
                ui.screen = Screen::Requests;
            }
        }
        Screen::Requests if ui.requests.open.is_some() => ui.requests.open = None,
        Screen::Requests => {
            let rows = rows::requests(snap, &ui.requests);
            let at = rows::selected(&rows, &ui.requests);
            let record = rows.get(at).map(|r| (*r).clone());
            ui.requests.open = record;
            ui.requests.scroll = 0;
        }
        Screen::Live | Screen::Latency | Screen::Curve | Screen::System | Screen::Log => {}
    }
}

/// How a movement command changes a place in a list of `len`.
fn moved(at: usize, command: &Command, page: usize, len: usize) -> usize {
    let to = match command {
        Command::Up(n) => at.saturating_sub(*n),
        Command::Down(n) => at.saturating_add(*n),
        Command::PageUp => at.saturating_sub(page),
        Command::PageDown => at.saturating_add(page),
        Command::Top => 0,
        Command::Bottom => usize::MAX,
        Command::SelectRow(row) => *row,
        _ => at,
    };
    to.min(len.saturating_sub(1))
}

fn shift(ui: &mut UiState, command: &Command, snap: &Snapshot) {
    let page = ui.page.max(1);
    match ui.screen {
        Screen::Live => {}
        Screen::Latency => look_at(ui, command),
        Screen::Clients => ui.client = moved(ui.client, command, page, snap.lanes.len()),
        // The inspector's page clamps what is beyond its text.
        Screen::Requests if ui.requests.open.is_some() => {
            ui.requests.scroll = moved(ui.requests.scroll, command, page, 10_000);
        }
        Screen::Requests => {
            let rows = rows::requests(snap, &ui.requests);
            let at = moved(rows::selected(&rows, &ui.requests), command, page, rows.len());
            // The first row follows whatever is first.
            ui.requests.selected = rows.get(at).filter(|_| at > 0).map(|r| r.request);
        }
        Screen::Curve => {
            ui.curve.up = moved_from_end(ui.curve.up, command, page, snap.curve.points().count());
        }
        Screen::System => ui.system = moved(ui.system, command, page, tracks::below(snap)),
        Screen::Log => {
            let len = rows::log(snap, &ui.log).len();
            ui.log.up = moved_from_end(ui.log.up, command, page, len);
        }
    }
}

/// Moves the cursor on the time axis; without one it begins at the newest column.
fn look_at(ui: &mut UiState, command: &Command) {
    let axis = ui.latency.axis;
    if axis.cell_ns == 0 {
        return;
    }
    let at = ui
        .latency
        .cursor_ns
        .map(|at| axis.cell_of(at).unwrap_or(if at < axis.from_ns { 0 } else { axis.last }));
    let to = match (command, at) {
        (Command::Side(_), None) | (Command::Bottom, _) => axis.last,
        (Command::Side(by), Some(at)) => at.saturating_add_signed(i16::from(*by)).min(axis.last),
        (Command::Top, _) => 0,
        (Command::SelectCell(cell), _) => (*cell).min(axis.last),
        _ => return,
    };
    ui.latency.cursor_ns = Some(axis.middle_ns(to));
}

/// As [`moved`], for a list that is counted from its end up, since it grows there.
fn moved_from_end(up: usize, command: &Command, page: usize, len: usize) -> usize {
    let most = len.saturating_sub(page);
    let flipped = match command {
        Command::Up(n) => Command::Down(*n),
        Command::Down(n) => Command::Up(*n),
        Command::PageUp => Command::PageDown,
        Command::PageDown => Command::PageUp,
        Command::Top => Command::Bottom,
        Command::Bottom => Command::Top,
        _ => return up,
    };
    moved(up.min(most), &flipped, page, most + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::state::TimeAxis;

    fn sight(snap: &Snapshot, replay: bool, over: bool) -> Sight<'_> {
        let at = Transport { at_ns: 0, length_ns: 10_000, playing: true, speed: 1.0, indexed: None };
        let transport = replay.then_some(at);
        Sight { snap, transport, over, pair: false }
    }

    #[test]
    fn the_end_is_asked_for_gently_then_at_once_then_left() {
        let (mut ui, snap) = (UiState::default(), Snapshot::default());
        let see = sight(&snap, false, false);
        assert_eq!(update(&mut ui, &Command::Quit, see), [Effect::Act(Action::Stop)]);
        let interrupted = [Effect::Act(Action::Interrupted), Effect::Act(Action::Abort)];
        assert_eq!(update(&mut ui, &Command::Interrupt, see), interrupted);
        assert_eq!(update(&mut ui, &Command::Quit, see), [Effect::Quit]);
        let mut fresh = UiState::default();
        assert_eq!(update(&mut fresh, &Command::Quit, sight(&snap, true, false)), [Effect::Quit]);
        assert!(!ui.leave && !fresh.leave, "the last picture stays while something was left to be measured");
        let done = Snapshot { phase: Some(Phase::Done), ..Snapshot::default() };
        update(&mut fresh, &Command::Quit, sight(&done, false, false));
        assert!(fresh.leave);
    }

    #[test]
    fn a_replay_is_sought_and_not_loaded() {
        let (mut ui, snap) = (UiState::default(), Snapshot::default());
        let see = sight(&snap, true, false);
        assert_eq!(update(&mut ui, &Command::SeekTo(0.5), see), [Effect::Act(Action::Seek(5000))]);
        assert_eq!(update(&mut ui, &Command::Faster(128.0), see), [Effect::Act(Action::Speed(64.0))]);
        assert!(matches!(update(&mut ui, &Command::AddLoad(1), see)[..], [Effect::Say(_)]));
        let live = update(&mut ui, &Command::Seek(5), sight(&snap, false, false));
        assert!(matches!(live[..], [Effect::Say(_)]));
    }

    #[test]
    fn the_window_and_the_zoom_stay_in_their_ranges() {
        let (mut ui, snap) = (UiState::default(), Snapshot::default());
        for _ in 0..20 {
            update(&mut ui, &Command::Zoom(1), sight(&snap, false, false));
        }
        assert_eq!(ui.zoom, ZOOMS.len() - 1);
        update(&mut ui, &Command::Window, sight(&snap, false, false));
        assert_eq!(ui.window.seconds(), 10);
    }

    #[test]
    fn the_cursor_stays_on_the_axis_and_esc_leaves_it() {
        let snap = Snapshot::default();
        let mut ui = UiState { screen: Screen::Latency, ..UiState::default() };
        let see = sight(&snap, true, false);
        update(&mut ui, &Command::Side(-1), see);
        assert_eq!(ui.latency.cursor_ns, None, "there is no axis before the first frame");
        ui.latency.axis = TimeAxis { from_ns: 1000, cell_ns: 10, cells: 50, last: 20 };
        let mut at = |command: Command| {
            assert_eq!(update(&mut ui, &command, see), []);
            ui.latency.cursor_ns
        };
        assert_eq!(at(Command::Side(-1)), Some(1205));
        assert_eq!(at(Command::Side(-1)), Some(1195));
        assert_eq!(at(Command::Top), Some(1005));
        assert_eq!(at(Command::Side(-1)), Some(1005));
        assert_eq!(at(Command::SelectCell(49)), Some(1205));
        assert_eq!(at(Command::Side(1)), Some(1205));
        assert_eq!(at(Command::Close), None);
        ui.screen = Screen::Clients;
        let sought = update(&mut ui, &Command::Side(1), see);
        assert_eq!(sought, [Effect::Act(Action::SeekBy(ARROW_SEEK_NS))]);
    }
}
