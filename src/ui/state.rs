//! What the dashboard itself remembers: screen, selection, filters, prompts. Changed only in [`super::update`].

use std::sync::Arc;

use super::keymap::remap::Keys;
use super::range::RangeState;
use crate::event::{Level, LogLine, RequestId};
use crate::metrics::fastgen::Validator;
use crate::metrics::{Definitions, HeatFigure, RequestRecord};

mod typing;

pub use typing::{LanesState, Palette};

/// A screen; its number is its key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Screen {
    #[default]
    Live,
    Latency,
    Clients,
    Requests,
    Curve,
    System,
    Log,
}

impl Screen {
    /// All screens, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::Live, Self::Latency, Self::Clients, Self::Requests, Self::Curve, Self::System, Self::Log];

    /// The number that selects it.
    pub fn number(self) -> u8 {
        match self {
            Self::Live => 1,
            Self::Latency => 2,
            Self::Clients => 3,
            Self::Requests => 4,
            Self::Curve => 5,
            Self::System => 6,
            Self::Log => 7,
        }
    }

    /// Its name on the tab.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "Live",
            Self::Latency => "Latency",
            Self::Clients => "Clients",
            Self::Requests => "Requests",
            Self::Curve => "Curve",
            Self::System => "System",
            Self::Log => "Log",
        }
    }

    /// The screen `by` tabs further, around the end.
    #[must_use]
    pub fn cycle(self, by: isize) -> Self {
        let at = Self::ALL.iter().position(|s| *s == self).unwrap_or(0);
        let n = Self::ALL.len();
        Self::ALL[at.saturating_add_signed(by.rem_euclid(n.cast_signed())) % n]
    }
}

/// The sliding window that rates are shown over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Window {
    #[default]
    S1,
    S10,
    S60,
}

impl Window {
    /// Its length in seconds.
    pub fn seconds(self) -> usize {
        match self {
            Self::S1 => 1,
            Self::S10 => 10,
            Self::S60 => 60,
        }
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::S1 => Self::S10,
            Self::S10 => Self::S60,
            Self::S60 => Self::S1,
        }
    }
}

/// What is being typed in the footer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    pub kind: PromptKind,
    pub text: String,
}

/// What a prompt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
    Filter,
    Mark,
}

/// Columns of the requests table that it can be sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Column {
    /// The order it comes in: newest, or slowest, first.
    #[default]
    Natural,
    Id,
    Client,
    Prompt,
    Output,
    Ttft,
    Tpot,
    E2e,
    Lag,
}

impl Column {
    /// All columns, in the order `s` goes through them.
    pub const ALL: [Self; 9] = [
        Self::Natural,
        Self::Id,
        Self::Client,
        Self::Prompt,
        Self::Output,
        Self::Ttft,
        Self::Tpot,
        Self::E2e,
        Self::Lag,
    ];
}

/// The requests screen.
#[derive(Debug, Clone, Default)]
pub struct RequestsState {
    /// The slowest instead of the newest.
    pub slowest: bool,
    pub sort: Column,
    pub reversed: bool,
    pub filter: String,
    /// `None`: the first row, whichever it is.
    pub selected: Option<RequestId>,
    pub offset: usize,
    /// The request that is open.
    pub open: Option<Arc<RequestRecord>>,
    pub scroll: usize,
}

/// The log screen.
#[derive(Debug, Clone)]
pub struct LogState {
    pub least: Level,
    pub filter: String,
    /// Lines up from the newest; 0 follows.
    pub up: usize,
    /// All lines are shown, not only those that match.
    pub all: bool,
    /// The match that was gone to.
    pub found: Option<LogLine>,
}

/// The curve screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurveState {
    /// The SLA's rate: index into the rates of the snapshot's curve. `None`: the middle one.
    pub rate: Option<usize>,
    pub validator: Validator,
    /// Rows of the table up from the last one; 0 follows.
    pub up: usize,
}

impl CurveState {
    /// Index of the rate, of so many.
    pub fn rate_of(&self, rates: usize) -> usize {
        self.rate.unwrap_or(rates / 2).min(rates.saturating_sub(1))
    }
}

/// The latency screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LatencyState {
    pub figure: HeatFigure,
    /// The moment that is looked at, nanoseconds since the run's start; `None`: all that is shown.
    pub cursor_ns: Option<u64>,
    /// The time axis of the last frame.
    pub axis: TimeAxis,
}

/// A time axis in cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeAxis {
    /// Time at the left edge, nanoseconds since the run's start.
    pub from_ns: u64,
    /// Nanoseconds a cell, at least 1 where there is an axis.
    pub cell_ns: u64,
    pub cells: u16,
    /// The last cell with something to look at.
    pub last: u16,
}

impl TimeAxis {
    /// When a cell begins.
    pub fn start_ns(&self, cell: u16) -> u64 {
        self.from_ns.saturating_add(self.cell_ns.saturating_mul(u64::from(cell)))
    }

    /// When the axis ends.
    pub fn end_ns(&self) -> u64 {
        self.start_ns(self.cells)
    }

    /// The cell of a time on the axis.
    pub fn cell_of(&self, at_ns: u64) -> Option<u16> {
        let cell = at_ns.checked_sub(self.from_ns)? / self.cell_ns.max(1);
        u16::try_from(cell).ok().filter(|cell| *cell < self.cells)
    }

    /// First and last cell of a stretch of time, cut at the axis' ends; `None` if it lies beyond them.
    pub fn cells_of(&self, from_ns: u64, to_ns: u64) -> Option<(u16, u16)> {
        let (from, to) = (from_ns.max(self.from_ns), to_ns.min(self.end_ns().saturating_sub(1)));
        (from <= to).then(|| Some((self.cell_of(from)?, self.cell_of(to)?))).flatten()
    }

    /// A time within a cell that stays in it while the axis moves by whole cells.
    pub fn middle_ns(&self, cell: u16) -> u64 {
        self.start_ns(cell).saturating_add(self.cell_ns / 2)
    }
}

/// Spans of time that lanes and charts can show, in seconds; the first is chosen by itself.
pub const ZOOMS: [u32; 7] = [0, 5, 10, 30, 60, 120, 600];

/// Everything the dashboard remembers.
#[derive(Debug, Clone)]
pub struct UiState {
    pub screen: Screen,
    pub window: Window,
    /// Index into [`ZOOMS`].
    pub zoom: usize,
    /// The view is frozen; the load goes on.
    pub frozen: bool,
    pub prompt: Option<Prompt>,
    /// The line for commands.
    pub palette: Option<Palette>,
    /// Its lines so far, oldest first.
    pub history: Vec<String>,
    /// Names of all themes.
    pub themes: Vec<String>,
    /// The user's own keys.
    pub keys: Arc<Keys>,
    pub help: bool,
    /// Its first visible row, and the last that can be that, from the last frame.
    pub help_at: usize,
    pub help_most: usize,
    /// What is searched for on Clients, Curve and System.
    pub search: String,
    pub lanes: LanesState,
    /// Row and first visible row of the clients screen.
    pub client: usize,
    pub client_offset: usize,
    pub requests: RequestsState,
    pub curve: CurveState,
    pub latency: LatencyState,
    /// Whose definitions the table of latencies follows.
    pub definitions: Definitions,
    /// The span between interventions that this table shows, counted back from the present one; `None`: the stage.
    pub span: Option<usize>,
    /// First visible figure of the system screen below the load's.
    pub system: usize,
    pub log: LogState,
    /// How often the end was asked for.
    pub stops: u8,
    /// The end was asked for when nothing was left to be measured: leave as soon as all is written.
    pub leave: bool,
    /// A short word in the footer, until this time of the clock.
    pub flash: Option<(String, u64)>,
    /// Rows of the list on screen, from the last frame: what a page is.
    pub page: usize,
    /// The range of a replay.
    pub range: RangeState,
    /// The other of two recordings is shown.
    pub beside: bool,
}

impl Default for UiState {
    fn default() -> Self {
        Self {
            screen: Screen::default(),
            window: Window::default(),
            zoom: 0,
            frozen: false,
            prompt: None,
            palette: None,
            history: Vec::new(),
            themes: Vec::new(),
            keys: Arc::default(),
            help: false,
            help_at: 0,
            help_most: 0,
            search: String::new(),
            lanes: LanesState::default(),
            client: 0,
            client_offset: 0,
            requests: RequestsState::default(),
            curve: CurveState { rate: None, validator: Validator::Cumulative, up: 0 },
            latency: LatencyState::default(),
            definitions: Definitions::Own,
            span: None,
            system: 0,
            log: LogState { least: Level::Info, filter: String::new(), up: 0, all: false, found: None },
            stops: 0,
            leave: false,
            flash: None,
            page: 10,
            range: RangeState::default(),
            beside: false,
        }
    }
}

impl UiState {
    /// Seconds of time that lanes and charts show: as chosen, or else the least that holds `wanted_s`.
    pub fn span_s(&self, wanted_s: f64) -> u32 {
        let fitting = ZOOMS[1..].iter().find(|z| f64::from(**z) >= wanted_s).copied();
        match ZOOMS[self.zoom.min(ZOOMS.len() - 1)] {
            0 => fitting.unwrap_or(ZOOMS[ZOOMS.len() - 1]),
            chosen => chosen,
        }
    }
}

/// The first visible row, so that `selected` is visible and moves the picture as little as can be.
pub fn scroll(offset: usize, selected: usize, rows: usize, len: usize) -> usize {
    let rows = rows.max(1);
    let least = (selected + 1).saturating_sub(rows);
    offset.clamp(least, selected.max(least)).min(len.saturating_sub(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_go_around() {
        assert_eq!(Screen::Live.cycle(-1), Screen::Log);
        assert_eq!(Screen::Log.cycle(1), Screen::Live);
        assert_eq!(Screen::Clients.cycle(1), Screen::Requests);
    }

    #[test]
    fn the_selection_stays_visible() {
        assert_eq!(scroll(0, 9, 5, 20), 5);
        assert_eq!(scroll(7, 3, 5, 20), 3);
        assert_eq!(scroll(4, 6, 5, 20), 4);
        assert_eq!(scroll(18, 19, 5, 20), 15);
        assert_eq!(scroll(0, 0, 0, 0), 0);
    }
}
