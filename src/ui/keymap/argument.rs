//! What stands after a command's name: times, numbers, names of screens and figures.

use super::Command;
use super::names::{Name, NameError};
use crate::metrics::HeatFigure;
use crate::suggest::did_you_mean;
use crate::ui::range::RangeKey;
use crate::ui::state::Screen;

/// What a command takes after its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    /// A number of steps, 1 if there is none.
    Steps,
    Row,
    Clients,
    Rate,
    Speed,
    Time,
    /// Any text, or none.
    Note,
    Pattern,
    Screen,
    Figure,
    Theme,
}

impl Takes {
    /// How it is shown after the name.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Steps => "[N]",
            Self::Row | Self::Clients => "N",
            Self::Rate => "REQUESTS/S",
            Self::Speed => "FACTOR",
            Self::Time => "TIME",
            Self::Note | Self::Pattern => "[TEXT]",
            Self::Screen | Self::Figure | Self::Theme => "NAME",
        }
    }

    /// Whether nothing will do too.
    pub fn optional(self) -> bool {
        matches!(self, Self::Nothing | Self::Steps | Self::Note | Self::Pattern)
    }

    /// What it is, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Steps => "a number of steps",
            Self::Row => "a number from 1",
            Self::Clients => "a number from 1 to 100000",
            Self::Rate => "a number of requests a second above 0",
            Self::Speed => "a factor from 0.25 to 64",
            Self::Time => "a time such as 1:30 or 90, or +10, -10 (seconds), or 50%",
            Self::Note | Self::Pattern => "text",
            Self::Screen => "the name or number of a screen",
            Self::Figure => "ttft, itl, tpot or e2e",
            Self::Theme => "the name of a theme",
        }
    }

    /// One that is right.
    pub fn example(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Steps | Self::Row => "3",
            Self::Clients => "16",
            Self::Rate | Self::Speed => "4",
            Self::Time => "1:30",
            Self::Note | Self::Pattern => "text",
            Self::Screen => "latency",
            Self::Figure => "itl",
            Self::Theme => "dusk",
        }
    }

    /// All that can stand there, where that is a list.
    pub fn choices(self, themes: &[String]) -> Vec<String> {
        match self {
            Self::Screen => Screen::ALL.iter().map(|s| s.name().to_lowercase()).collect(),
            Self::Figure => HeatFigure::ALL.iter().map(|f| f.name().to_lowercase()).collect(),
            Self::Theme => themes.to_vec(),
            _ => Vec::new(),
        }
    }
}

/// The command of this name with this argument.
///
/// # Errors
/// [`NameError`] when the argument is missing, too much or wrong.
pub fn parse_argument(name: Name, rest: &str) -> Result<Command, NameError> {
    let entry = name.entry();
    let what = entry.takes.words();
    if entry.takes == Takes::Nothing && !rest.is_empty() {
        return Err(NameError::Extra { name: entry.name });
    }
    if rest.is_empty() && !entry.takes.optional() {
        return Err(NameError::Missing { name: entry.name, what });
    }
    plain(name).or_else(|| with(name, rest)).ok_or_else(|| {
        let choices = entry.takes.choices(&[]);
        let hint = did_you_mean(rest, choices.iter().map(String::as_str));
        NameError::Wrong { name: entry.name, what, given: rest.to_owned(), hint }
    })
}

/// Commands without an argument.
fn plain(name: Name) -> Option<Command> {
    Some(match name {
        Name::NextScreen => Command::NextScreen,
        Name::PreviousScreen => Command::PreviousScreen,
        Name::Pause => Command::Pause,
        Name::MoreLoad => Command::AddLoad(1),
        Name::LessLoad => Command::AddLoad(-1),
        Name::Freeze => Command::Freeze,
        Name::Export => Command::Export,
        Name::Copy => Command::Copy,
        Name::Picture => Command::Picture,
        Name::NextTheme => Command::Theme,
        Name::Faster => Command::Faster(2.0),
        Name::Slower => Command::Faster(0.5),
        Name::NextEnd => Command::Step(true),
        Name::PreviousEnd => Command::Step(false),
        Name::NextMark => Command::Jump(true),
        Name::PreviousMark => Command::Jump(false),
        Name::NextOutlier => Command::Outlier(true),
        Name::PreviousOutlier => Command::Outlier(false),
        Name::ToSlowest => Command::ToSlowest,
        Name::Help => Command::Help,
        Name::Palette => Command::Palette,
        Name::RangeBegin => Command::Range(RangeKey::Edge(false)),
        Name::RangeEnd => Command::Range(RangeKey::Edge(true)),
        Name::RangeClear => Command::Range(RangeKey::Clear),
        Name::RangeFigures => Command::Range(RangeKey::Figures),
        Name::Other => Command::Beside,
        Name::Cancel => Command::Recall,
        Name::NextStage => Command::NextStage,
        Name::Spans => Command::Spans,
        Name::Suspend => Command::Suspend,
        Name::Redraw => Command::Redraw,
        Name::Quit => Command::Quit,
        Name::Interrupt => Command::Interrupt,
        _ => return seen(name),
    })
}

/// Those that change only what is seen.
fn seen(name: Name) -> Option<Command> {
    Some(match name {
        Name::Level => Command::Level,
        Name::Window => Command::Window,
        Name::ZoomOut => Command::Zoom(1),
        Name::ZoomIn => Command::Zoom(-1),
        Name::Earlier => Command::Pan(-1),
        Name::Later => Command::Pan(1),
        Name::Follow => Command::Follow,
        Name::Definitions => Command::Definitions,
        Name::SlaHigher => Command::Sla(1),
        Name::SlaLower => Command::Sla(-1),
        Name::Validator => Command::Validator,
        Name::Open => Command::Open,
        Name::Close => Command::Close,
        Name::NextMatch => Command::Match(true),
        Name::PreviousMatch => Command::Match(false),
        Name::Slowest => Command::Slowest,
        Name::Sort => Command::Sort,
        Name::Reverse => Command::Reverse,
        Name::PageUp => Command::PageUp,
        Name::PageDown => Command::PageDown,
        Name::First => Command::Top,
        Name::Last => Command::Bottom,
        Name::Left => Command::Side(-1),
        Name::Right => Command::Side(1),
        _ => return None,
    })
}

/// Commands with an argument; `None` when it is wrong.
fn with(name: Name, rest: &str) -> Option<Command> {
    let steps = || if rest.is_empty() { Some(1) } else { rest.parse().ok() };
    let from_one = |n: &str| n.parse::<usize>().ok().filter(|n| *n >= 1);
    let number = || rest.parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0);
    match name {
        Name::Screen => screen(rest).map(Command::Show),
        Name::Figure => {
            HeatFigure::ALL.into_iter().find(|f| f.name().eq_ignore_ascii_case(rest)).map(Command::Figure)
        }
        Name::Clients => rest.parse().ok().filter(|n| (1..=100_000).contains(n)).map(Command::SetClients),
        Name::Rate => number().map(Command::SetRate),
        Name::Speed => number().filter(|n| (0.25..=64.0).contains(n)).map(Command::Speed),
        Name::Seek => seek(rest),
        Name::Theme => Some(Command::UseTheme(rest.to_owned())),
        Name::Mark if rest.is_empty() => Some(Command::Mark),
        Name::Mark => Some(Command::MarkWith(rest.to_owned())),
        Name::Filter if rest.is_empty() => Some(Command::Filter),
        Name::Filter => Some(Command::FilterBy(rest.to_owned())),
        Name::Row => from_one(rest).map(|n| Command::SelectRow(n - 1)),
        Name::Column => from_one(rest).and_then(|n| u16::try_from(n - 1).ok()).map(Command::SelectCell),
        Name::Up => steps().map(Command::Up),
        Name::Down => steps().map(Command::Down),
        _ => None,
    }
}

fn screen(name: &str) -> Option<Screen> {
    Screen::ALL.into_iter().find(|s| s.name().eq_ignore_ascii_case(name) || s.number().to_string() == name)
}

/// Nanoseconds of so many seconds, if that can be.
fn nanos(seconds: f64) -> Option<f64> {
    let ns = seconds * 1e9;
    (ns.is_finite() && (0.0..9e18).contains(&ns)).then_some(ns.round())
}

fn seek(text: &str) -> Option<Command> {
    let unsigned = |t: &str| t.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b':').then_some(());
    if let Some(part) = text.strip_suffix('%') {
        unsigned(part)?;
        return part.parse::<f64>().ok().map(|p| Command::SeekTo((p / 100.0).clamp(0.0, 1.0)));
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => (0, text),
    };
    unsigned(rest)?;
    let mut seconds = 0.0;
    for part in rest.split(':') {
        seconds = seconds * 60.0 + part.parse::<f64>().ok()?;
    }
    let ns = nanos(seconds)?;
    Some(if sign == 0 { Command::SeekAt(ns as u64) } else { Command::Seek(sign * ns as i64) })
}
