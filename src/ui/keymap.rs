//! Keys → commands. The one table is what the keys do, what the footer hints at and what help shows.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::range::RangeKey;
use super::state::Screen;
use crate::metrics::HeatFigure;

mod argument;
pub mod names;
pub mod remap;
mod scene;

pub use scene::Scene;

/// What a user can ask for, by key or mouse.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Show(Screen),
    NextScreen,
    PreviousScreen,
    Up(usize),
    Down(usize),
    PageUp,
    PageDown,
    Top,
    Bottom,
    /// Seeks in a replay, by nanoseconds.
    Seek(i64),
    /// Seeks in a replay, to this time in nanoseconds.
    SeekAt(u64),
    /// Left or right: the cursor on Latency; elsewhere seeks in a replay.
    Side(i8),
    /// Mouse: a cell of the time axis.
    SelectCell(u16),
    /// The latency figure to be shown.
    Figure(HeatFigure),
    /// The next tool's definitions.
    Definitions,
    Open,
    Close,
    /// Asks for a pattern to filter or search by.
    Filter,
    FilterBy(String),
    /// To the next (`true`) or previous row that the pattern is in.
    Match(bool),
    Sort,
    Reverse,
    Freeze,
    Pause,
    AddLoad(i32),
    SetClients(u32),
    /// Requests a second.
    SetRate(f64),
    /// Cancels the selected client's request in flight.
    Recall,
    NextStage,
    /// The table of latencies for another span between interventions.
    Spans,
    /// The next theme.
    Theme,
    UseTheme(String),
    /// Asks for a note and sets a mark.
    Mark,
    MarkWith(String),
    Export,
    /// The screen's figures to the clipboard.
    Copy,
    /// The screen as a file.
    Picture,
    Window,
    Zoom(i8),
    /// Earlier or later on the clients' lanes.
    Pan(i8),
    /// Back to the newest.
    Follow,
    Slowest,
    /// The next higher or lower rate of the SLA.
    Sla(i8),
    Validator,
    Level,
    Help,
    /// The line for commands.
    Palette,
    Quit,
    /// Ctrl-C: as `Quit`, and the exit status tells.
    Interrupt,
    /// Back to the shell, until it lets the job go on.
    Suspend,
    /// The whole screen anew, after something else wrote on it.
    Redraw,
    /// Replay: speed by this factor.
    Faster(f64),
    /// Replay: this speed.
    Speed(f64),
    Step(bool),
    Jump(bool),
    /// Replay: the range of time.
    Range(RangeKey),
    /// Of two recordings: the other one.
    Beside,
    Outlier(bool),
    ToSlowest,
    /// Mouse: a row of the list on screen, counted from the list's beginning.
    SelectRow(usize),
    /// Mouse: a place on the transport bar, 0..=1.
    SeekTo(f64),
}

impl Command {
    /// Moves or paces the play head of a replay.
    pub fn is_of_replay(&self) -> bool {
        use Command::{Faster, Jump, Outlier, Seek, SeekTo, Step, ToSlowest};
        matches!(self, Seek(_) | SeekTo(_) | Faster(_) | Step(_) | Jump(_) | Outlier(_) | ToSlowest)
    }
}

/// Where a key is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Everywhere,
    On(Screen),
    /// Where a list can be moved in: everywhere but on Live and Latency.
    Lists,
    LiveRun,
    /// A replay, or a run that is over: nothing is left to be ended.
    Still,
    /// A live run with clients.
    ClosedLoop,
    /// A live run with a rate.
    OpenLoop,
    /// A live run of several stages.
    Sweep,
    /// A screen of a live run.
    LiveOn(Screen),
    Replay,
    /// A replay of two recordings.
    Pair,
}

/// One line of the table.
pub struct Binding {
    /// The keys as shown.
    pub keys: &'static str,
    pub about: &'static str,
    /// A word for the footer; empty keeps it out.
    pub hint: &'static str,
    pub place: Place,
}

const fn bind(keys: &'static str, hint: &'static str, about: &'static str, place: Place) -> Binding {
    Binding { keys, about, hint, place }
}

/// Every key, in the order of the help.
pub const BINDINGS: [Binding; 59] = [
    bind("1–7 Tab S-Tab", "", "go to a screen", Place::Everywhere),
    bind("?", "help", "this help", Place::Everywhere),
    bind(":", "commands", "all commands by name, with completion", Place::Everywhere),
    bind("q ^C", "quit", "end gracefully; again: at once", Place::LiveRun),
    bind("q ^C", "quit", "leave", Place::Still),
    bind("space", "pause", "pause and resume the load (marked)", Place::LiveRun),
    bind("+ -", "clients", "one client more or fewer (marked)", Place::ClosedLoop),
    bind("+ -", "rate", "a tenth more or fewer requests/s (marked)", Place::OpenLoop),
    bind("X", "next stage", "end this stage gracefully, go on with the next (marked)", Place::Sweep),
    bind("^Z", "", "suspend, load and all; `fg` goes on", Place::Everywhere),
    bind("^L", "", "draw the whole screen anew", Place::Everywhere),
    bind("t", "theme", "next theme", Place::Everywhere),
    bind("p", "freeze", "freeze the view; the load goes on", Place::LiveRun),
    bind("p", "freeze", "freeze the view; the play head goes on", Place::Replay),
    bind("m", "mark", "set a mark with a note", Place::LiveRun),
    bind("e", "export", "write CSV files of the recording now", Place::Everywhere),
    bind("y", "copy", "copy the screen's figures, tab-separated", Place::Everywhere),
    bind("P", "picture", "write the screen as SVG", Place::Everywhere),
    bind("space", "play", "play and pause", Place::Replay),
    bind("< >", "speed", "half and double speed", Place::Replay),
    bind(", .", "step", "previous and next end of a request", Place::Replay),
    bind("← →", "seek", "5 s back and forth; on Latency with Shift", Place::Replay),
    bind("{ }", "jump", "previous and next mark, phase or intervention", Place::Replay),
    bind("b", "other", "the other recording, on all screens", Place::Pair),
    bind("( )", "range", "a range of time begins, ends at the head", Place::Replay),
    bind("r", "figures", "the range's exact figures", Place::Replay),
    bind("\\", "", "clear the range; e exports it while there is one", Place::Replay),
    bind("o O", "outlier", "next and previous request above p99 of its stage", Place::Replay),
    bind("!", "", "the slowest request of all", Place::Replay),
    bind("w", "window", "rates over 1, 10 or 60 s", Place::On(Screen::Live)),
    bind("d", "definitions", "the table as another tool defines its figures", Place::On(Screen::Live)),
    bind("i", "", "the table before and after an intervention", Place::On(Screen::Live)),
    bind("z Z", "zoom", "a longer and a shorter stretch of time", Place::On(Screen::Live)),
    bind("f", "figure", "TTFT, ITL, TPOT or E2E", Place::On(Screen::Latency)),
    bind("← →", "cursor", "look at one column; Esc: at all of them", Place::On(Screen::Latency)),
    bind("[ ]", "SLA", "the SLA's rate of generation, lower and higher", Place::On(Screen::Latency)),
    bind("w", "window", "percentile lines over 1, 10 or 60 s", Place::On(Screen::Latency)),
    bind("z Z", "zoom", "a longer and a shorter stretch of time", Place::On(Screen::Latency)),
    bind("Home End", "", "the first and the last column", Place::On(Screen::Latency)),
    bind("z Z", "zoom", "a longer and a shorter stretch of time", Place::On(Screen::Clients)),
    bind("h l", "time", "back and forth in time; Esc: to the newest", Place::On(Screen::Clients)),
    bind("Enter", "requests", "the selected client's requests", Place::On(Screen::Clients)),
    bind("/ n N", "search", "state, number, client=N or #id; next, previous", Place::On(Screen::Clients)),
    bind("x", "cancel", "cancel the request in flight (marked)", Place::LiveOn(Screen::Clients)),
    bind("Enter", "open", "open the selected request; Esc closes", Place::On(Screen::Requests)),
    bind("v", "slowest", "newest or slowest requests", Place::On(Screen::Requests)),
    bind("s S", "sort", "sort by the next column; reverse", Place::On(Screen::Requests)),
    bind("x", "", "cancel the request in flight of the filter's client", Place::LiveOn(Screen::Requests)),
    bind("/", "filter", "filter by outcome, client=N, #id or text; Esc clears", Place::On(Screen::Requests)),
    bind("[ ]", "SLA", "the SLA's rate of generation, lower and higher", Place::On(Screen::Curve)),
    bind("V", "validator", "judge by cumulative time or by moving average", Place::On(Screen::Curve)),
    bind("/ n N", "search", "stages by name; next, previous", Place::On(Screen::Curve)),
    bind("z Z", "zoom", "a longer and a shorter stretch of time", Place::On(Screen::System)),
    bind("/ n N", "search", "figures by name; next, previous", Place::On(Screen::System)),
    bind("f", "level", "least level shown", Place::On(Screen::Log)),
    bind("/", "filter", "filter lines by text; Esc clears", Place::On(Screen::Log)),
    bind("n N", "match", "next and previous match among all lines", Place::On(Screen::Log)),
    bind("↑ ↓ j k PgUp PgDn", "", "move by one, by a page", Place::Lists),
    bind("Home End", "", "first and last", Place::Lists),
];

/// Five seconds, what an arrow seeks by.
pub const ARROW_SEEK_NS: i64 = 5_000_000_000;

/// The command of a key while nothing is being typed.
pub fn command(key: KeyEvent) -> Option<Command> {
    let shift = key.modifiers.contains(KeyModifiers::SHIFT);
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Command::Interrupt),
            KeyCode::Char('z') => Some(Command::Suspend),
            KeyCode::Char('l') => Some(Command::Redraw),
            _ => None,
        };
    }
    Some(match key.code {
        KeyCode::Char(c) => return letter(c),
        KeyCode::Tab => Command::NextScreen,
        KeyCode::BackTab => Command::PreviousScreen,
        KeyCode::Up => Command::Up(1),
        KeyCode::Down => Command::Down(1),
        KeyCode::PageUp => Command::PageUp,
        KeyCode::PageDown => Command::PageDown,
        KeyCode::Home => Command::Top,
        KeyCode::End => Command::Bottom,
        KeyCode::Left if shift => Command::Seek(-ARROW_SEEK_NS),
        KeyCode::Right if shift => Command::Seek(ARROW_SEEK_NS),
        KeyCode::Left => Command::Side(-1),
        KeyCode::Right => Command::Side(1),
        KeyCode::Enter => Command::Open,
        KeyCode::Esc => Command::Close,
        _ => return None,
    })
}

fn letter(c: char) -> Option<Command> {
    Some(match c {
        '1' => Command::Show(Screen::Live),
        '2' => Command::Show(Screen::Latency),
        '3' => Command::Show(Screen::Clients),
        '4' => Command::Show(Screen::Requests),
        '5' => Command::Show(Screen::Curve),
        '6' => Command::Show(Screen::System),
        '7' => Command::Show(Screen::Log),
        '[' => Command::Sla(-1),
        ']' => Command::Sla(1),
        'V' => Command::Validator,
        'j' => Command::Down(1),
        'k' => Command::Up(1),
        '/' => Command::Filter,
        's' => Command::Sort,
        'S' => Command::Reverse,
        'p' => Command::Freeze,
        ' ' => Command::Pause,
        '+' | '=' => Command::AddLoad(1),
        '-' => Command::AddLoad(-1),
        't' => Command::Theme,
        'm' => Command::Mark,
        ':' => Command::Palette,
        'y' => Command::Copy,
        'P' => Command::Picture,
        'n' => Command::Match(true),
        'N' => Command::Match(false),
        'h' => Command::Pan(-1),
        'l' => Command::Pan(1),
        'e' => Command::Export,
        'd' => Command::Definitions,
        'i' => Command::Spans,
        'x' => Command::Recall,
        'X' => Command::NextStage,
        'w' => Command::Window,
        'z' => Command::Zoom(1),
        'Z' => Command::Zoom(-1),
        'v' => Command::Slowest,
        'f' => Command::Level,
        '?' => Command::Help,
        'q' => Command::Quit,
        '<' => Command::Faster(0.5),
        '>' => Command::Faster(2.0),
        ',' => Command::Step(false),
        '.' => Command::Step(true),
        '{' => Command::Jump(false),
        '}' => Command::Jump(true),
        '(' => Command::Range(RangeKey::Edge(false)),
        ')' => Command::Range(RangeKey::Edge(true)),
        '\\' => Command::Range(RangeKey::Clear),
        'r' => Command::Range(RangeKey::Figures),
        'b' => Command::Beside,
        'o' => Command::Outlier(true),
        'O' => Command::Outlier(false),
        '!' => Command::ToSlowest,
        _ => return None,
    })
}

/// The command of the mouse's wheel. On Clients it zooms with Ctrl and moves in time with Shift or Alt.
pub fn wheel(up: bool, modifiers: KeyModifiers, screen: Screen) -> Command {
    let lanes = screen == Screen::Clients;
    if lanes && modifiers.contains(KeyModifiers::CONTROL) {
        return Command::Zoom(if up { -1 } else { 1 });
    }
    if lanes && modifiers.intersects(KeyModifiers::SHIFT | KeyModifiers::ALT) {
        return Command::Pan(if up { -1 } else { 1 });
    }
    if up { Command::Up(3) } else { Command::Down(3) }
}

/// The bindings of use on a screen.
pub fn bindings(screen: Screen, scene: Scene) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |b| match b.place {
        Place::On(s) => s == screen,
        Place::LiveOn(s) => s == screen && scene.has(b.place),
        Place::Lists => !matches!(screen, Screen::Live | Screen::Latency),
        place => scene.has(place),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_in_the_help_does_something() {
        for binding in &BINDINGS {
            for name in binding.keys.split(' ') {
                let (code, modifiers) = match name {
                    "Tab" => (KeyCode::Tab, KeyModifiers::NONE),
                    "S-Tab" => (KeyCode::BackTab, KeyModifiers::NONE),
                    "space" => (KeyCode::Char(' '), KeyModifiers::NONE),
                    "^C" => (KeyCode::Char('c'), KeyModifiers::CONTROL),
                    "^Z" => (KeyCode::Char('z'), KeyModifiers::CONTROL),
                    "^L" => (KeyCode::Char('l'), KeyModifiers::CONTROL),
                    "←" => (KeyCode::Left, KeyModifiers::NONE),
                    "→" => (KeyCode::Right, KeyModifiers::NONE),
                    "↑" => (KeyCode::Up, KeyModifiers::NONE),
                    "↓" => (KeyCode::Down, KeyModifiers::NONE),
                    "Enter" => (KeyCode::Enter, KeyModifiers::NONE),
                    "PgUp" => (KeyCode::PageUp, KeyModifiers::NONE),
                    "PgDn" => (KeyCode::PageDown, KeyModifiers::NONE),
                    "Home" => (KeyCode::Home, KeyModifiers::NONE),
                    "End" => (KeyCode::End, KeyModifiers::NONE),
                    one => (KeyCode::Char(one.chars().next().unwrap()), KeyModifiers::NONE),
                };
                assert!(command(KeyEvent::new(code, modifiers)).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn screens_are_reached_by_their_numbers() {
        for screen in Screen::ALL {
            let digit = char::from_digit(screen.number().into(), 10).unwrap();
            let key = KeyEvent::new(KeyCode::Char(digit), KeyModifiers::NONE);
            assert_eq!(command(key), Some(Command::Show(screen)));
        }
    }
}
