//! Every command by its name: what the palette offers and what a configuration may bind keys to. A name is stable,
//! lower case with hyphens, and some take a word after it: `seek 1:30`.
//!
//! [`Command::name`] is an exhaustive match, and [`Name::ALL`] comes out of the one table below, so a command that is
//! added has to be named, and what is named can be typed.

use super::argument::{Takes, parse_argument};
use super::{Command, Scene};
use crate::suggest::did_you_mean;
use crate::ui::range::RangeKey;
use crate::ui::state::Screen;

/// Which runs a command is of use in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    Any,
    Live,
    /// A live run with clients.
    Closed,
    /// A live run with a rate.
    Open,
    Replay,
}

/// What is known about a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub name: &'static str,
    pub takes: Takes,
    pub run: Run,
    /// Screens that it works on; none: on all.
    pub screens: &'static [Screen],
    pub about: &'static str,
}

macro_rules! names {
    ($($variant:ident $name:literal $takes:ident $run:ident [$($screen:ident)*] $about:literal;)*) => {
        /// A command, whatever its argument.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Name { $($variant),* }

        impl Name {
            /// All of them, in the order of the palette.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// What is known about it.
            pub const fn entry(self) -> Entry {
                match self {
                    $(Self::$variant => Entry {
                        name: $name,
                        takes: Takes::$takes,
                        run: Run::$run,
                        screens: &[$(Screen::$screen),*],
                        about: $about,
                    }),*
                }
            }
        }
    };
}

names! {
    Screen "screen" Screen Any [] "go to a screen";
    NextScreen "next-screen" Nothing Any [] "go to the next screen";
    PreviousScreen "previous-screen" Nothing Any [] "go to the previous screen";
    Pause "pause" Nothing Any [] "pause and resume the load, or the play head of a replay";
    Clients "clients" Clients Closed [] "so many clients from now on (marked)";
    Rate "rate" Rate Open [] "so many requests/s from now on (marked)";
    MoreLoad "more-load" Nothing Live [] "one client more, or a tenth of the rate (marked)";
    LessLoad "less-load" Nothing Live [] "one client fewer, or a tenth of the rate (marked)";
    Cancel "cancel" Nothing Live [Clients Requests] "cancel the selected client's request in flight (marked)";
    NextStage "next-stage" Nothing Live [] "end this stage gracefully, go on with the next (marked)";
    Mark "mark" Note Live [] "set a mark with a note";
    Freeze "freeze" Nothing Any [] "freeze the view; the load goes on";
    Export "export" Nothing Any [] "write CSV files of the recording, or of the range, now";
    Copy "copy" Nothing Any [] "copy the screen's figures as tab-separated text";
    Picture "picture" Nothing Any [] "write the screen as an SVG file";
    Theme "theme" Theme Any [] "use a theme";
    NextTheme "next-theme" Nothing Any [] "the next theme";
    Seek "seek" Time Replay [] "go to a time, or on and back by seconds";
    Speed "speed" Speed Replay [] "play at so many times the real speed";
    RangeBegin "range-begin" Nothing Replay [] "a range of time begins at the head";
    RangeEnd "range-end" Nothing Replay [] "a range of time ends at the head";
    RangeClear "range-clear" Nothing Replay [] "no range any more";
    RangeFigures "range-figures" Nothing Replay [] "the range's exact figures";
    Other "other" Nothing Replay [] "the other recording, where two are played";
    Faster "faster" Nothing Replay [] "double speed";
    Slower "slower" Nothing Replay [] "half speed";
    NextEnd "next-end" Nothing Replay [] "to the next end of a request";
    PreviousEnd "previous-end" Nothing Replay [] "to the previous end of a request";
    NextMark "next-mark" Nothing Replay [] "to the next mark or phase";
    PreviousMark "previous-mark" Nothing Replay [] "to the previous mark or phase";
    NextOutlier "next-outlier" Nothing Replay [] "to the next request above p99 of its stage";
    PreviousOutlier "previous-outlier" Nothing Replay [] "to the previous request above p99 of its stage";
    ToSlowest "to-slowest" Nothing Replay [] "to the slowest request of all";
    Figure "figure" Figure Any [Latency] "the latency figure that is shown";
    Level "level" Nothing Any [Latency Log] "Log: the least level shown; Latency: the next figure";
    Window "window" Nothing Any [Live Latency] "rates and percentiles over 1, 10 or 60 s";
    ZoomOut "zoom-out" Nothing Any [Live Latency Clients System] "a longer stretch of time";
    ZoomIn "zoom-in" Nothing Any [Live Latency Clients System] "a shorter stretch of time";
    Earlier "earlier" Nothing Any [Clients] "move the lanes back in time";
    Later "later" Nothing Any [Clients] "move the lanes on in time";
    Follow "follow" Nothing Any [Clients Log Curve] "back to the newest";
    Spans "spans" Nothing Any [Live] "the table since the last intervention, before it, …, of the whole stage";
    Definitions "definitions" Nothing Any [Live] "the table as another tool defines its figures";
    SlaHigher "sla-higher" Nothing Any [Latency Curve] "the SLA's next higher rate of generation";
    SlaLower "sla-lower" Nothing Any [Latency Curve] "the SLA's next lower rate of generation";
    Validator "validator" Nothing Any [Curve] "judge by cumulative time or by moving average";
    Open "open" Nothing Any [Clients Requests] "open the selected row";
    Close "close" Nothing Any [] "close, clear or leave what is open";
    Filter "filter" Pattern Any [Clients Requests Curve System Log] "filter or search the table";
    NextMatch "next-match" Nothing Any [Clients Requests Curve System Log] "to the next match of the search";
    PreviousMatch "previous-match" Nothing Any [Clients Requests Curve System Log] "to the previous match of the search";
    Slowest "slowest" Nothing Any [Requests] "newest or slowest requests";
    Sort "sort" Nothing Any [Requests] "sort by the next column";
    Reverse "reverse" Nothing Any [Requests] "turn the order";
    Row "row" Row Any [Clients Requests] "select a row by its place in the list";
    Up "up" Steps Any [Clients Requests Curve System Log] "move up";
    Down "down" Steps Any [Clients Requests Curve System Log] "move down";
    PageUp "page-up" Nothing Any [Clients Requests Curve System Log] "move up by a page";
    PageDown "page-down" Nothing Any [Clients Requests Curve System Log] "move down by a page";
    First "first" Nothing Any [Latency Clients Requests Curve System Log] "to the first row or column";
    Last "last" Nothing Any [Latency Clients Requests Curve System Log] "to the last row or column";
    Left "left" Nothing Any [] "the cursor left on Latency; elsewhere back 5 s in a replay";
    Right "right" Nothing Any [] "the cursor right on Latency; elsewhere on 5 s in a replay";
    Column "column" Row Any [Latency] "put the cursor on a column";
    Help "help" Nothing Any [] "all keys";
    Palette "palette" Nothing Any [] "this list";
    Suspend "suspend" Nothing Any [] "back to the shell, load and all; `fg` goes on";
    Redraw "redraw" Nothing Any [] "draw the whole screen anew";
    Quit "quit" Nothing Any [] "end gracefully; again: at once";
    Interrupt "interrupt" Nothing Any [] "as quit, and the exit status tells";
}

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("there is no command `{name}`{hint}")]
    Unknown { name: String, hint: String },
    #[error("`{name}` takes nothing after it")]
    Extra { name: &'static str },
    #[error("`{name}` takes {what}")]
    Missing { name: &'static str, what: &'static str },
    #[error("`{name}` takes {what}, not `{given}`{hint}")]
    Wrong { name: &'static str, what: &'static str, given: String, hint: String },
}

impl Name {
    /// The command called so.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|n| n.entry().name == name)
    }

    /// Why it can't be used now; `None`: it can.
    pub fn unavailable(self, scene: Scene, screen: Screen, over: bool) -> Option<String> {
        let entry = self.entry();
        let nowhere = matches!(self, Self::Left | Self::Right) && !scene.replay && screen != Screen::Latency;
        let wrong_run = match entry.run {
            _ if nowhere => Some("only in a replay, or on Latency"),
            Run::Replay if !scene.replay => Some("only in a replay"),
            _ if self == Self::Other && !scene.pair => Some("no other recording: replay FILE --with OTHER"),
            Run::Live | Run::Closed | Run::Open if scene.replay => Some("only in a live run"),
            Run::Closed if scene.open => Some("this stage has a rate, no number of clients"),
            Run::Open if !scene.open => Some("this stage has clients, no rate"),
            Run::Live | Run::Closed | Run::Open if over && self != Self::Export => Some("the run is over"),
            _ => None,
        };
        let wrong_screen = !entry.screens.is_empty() && !entry.screens.contains(&screen);
        let elsewhere = || {
            let names: Vec<&str> = entry.screens.iter().map(|s| s.name()).collect();
            format!("only on {}", names.join(", "))
        };
        wrong_run.map(str::to_owned).or_else(|| wrong_screen.then(elsewhere))
    }
}

/// A typed line as a command, e.g. `seek +10`.
///
/// # Errors
/// [`NameError`] when there is no such command, or when its argument is missing, too much or wrong.
pub fn parse(line: &str) -> Result<Command, NameError> {
    let line = line.trim();
    let (head, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let Some(name) = Name::find(head) else {
        let names = Name::ALL.iter().map(|n| n.entry().name);
        return Err(NameError::Unknown { name: head.to_owned(), hint: did_you_mean(head, names) });
    };
    parse_argument(name, rest.trim())
}

impl Command {
    /// What it is called.
    #[allow(clippy::too_many_lines, reason = "a table, a command a line")]
    pub fn name(&self) -> Name {
        match self {
            Self::Show(_) => Name::Screen,
            Self::NextScreen => Name::NextScreen,
            Self::PreviousScreen => Name::PreviousScreen,
            Self::Up(_) => Name::Up,
            Self::Down(_) => Name::Down,
            Self::PageUp => Name::PageUp,
            Self::PageDown => Name::PageDown,
            Self::Top => Name::First,
            Self::Bottom => Name::Last,
            Self::Seek(_) | Self::SeekAt(_) | Self::SeekTo(_) => Name::Seek,
            Self::Side(by) => either(*by < 0, Name::Left, Name::Right),
            Self::SelectCell(_) => Name::Column,
            Self::SelectRow(_) => Name::Row,
            Self::Figure(_) => Name::Figure,
            Self::Definitions => Name::Definitions,
            Self::Open => Name::Open,
            Self::Close => Name::Close,
            Self::Filter | Self::FilterBy(_) => Name::Filter,
            Self::Match(forward) => either(*forward, Name::NextMatch, Name::PreviousMatch),
            Self::Suspend => Name::Suspend,
            Self::Redraw => Name::Redraw,
            Self::Range(RangeKey::Edge(end)) => either(*end, Name::RangeEnd, Name::RangeBegin),
            Self::Range(RangeKey::Clear) => Name::RangeClear,
            Self::Range(RangeKey::Figures) => Name::RangeFigures,
            Self::Beside => Name::Other,
            Self::Recall => Name::Cancel,
            Self::NextStage => Name::NextStage,
            Self::Spans => Name::Spans,
            Self::Sort => Name::Sort,
            Self::Reverse => Name::Reverse,
            Self::Freeze => Name::Freeze,
            Self::Pause => Name::Pause,
            Self::AddLoad(by) => either(*by < 0, Name::LessLoad, Name::MoreLoad),
            Self::SetClients(_) => Name::Clients,
            Self::SetRate(_) => Name::Rate,
            Self::Theme => Name::NextTheme,
            Self::UseTheme(_) => Name::Theme,
            Self::Mark | Self::MarkWith(_) => Name::Mark,
            Self::Export => Name::Export,
            Self::Copy => Name::Copy,
            Self::Picture => Name::Picture,
            Self::Window => Name::Window,
            Self::Zoom(by) => either(*by < 0, Name::ZoomIn, Name::ZoomOut),
            Self::Pan(by) => either(*by < 0, Name::Earlier, Name::Later),
            Self::Follow => Name::Follow,
            Self::Slowest => Name::Slowest,
            Self::Sla(by) => either(*by < 0, Name::SlaLower, Name::SlaHigher),
            Self::Validator => Name::Validator,
            Self::Level => Name::Level,
            Self::Help => Name::Help,
            Self::Palette => Name::Palette,
            Self::Quit => Name::Quit,
            Self::Interrupt => Name::Interrupt,
            Self::Faster(factor) => either(*factor < 1.0, Name::Slower, Name::Faster),
            Self::Speed(_) => Name::Speed,
            Self::Step(forward) => either(*forward, Name::NextEnd, Name::PreviousEnd),
            Self::Jump(forward) => either(*forward, Name::NextMark, Name::PreviousMark),
            Self::Outlier(forward) => either(*forward, Name::NextOutlier, Name::PreviousOutlier),
            Self::ToSlowest => Name::ToSlowest,
        }
    }
}

fn either(first: bool, one: Name, other: Name) -> Name {
    if first { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that runs a command, with an argument where one is wanted.
    fn line(name: Name) -> String {
        let entry = name.entry();
        format!("{} {}", entry.name, entry.takes.example())
    }

    #[test]
    fn every_name_can_be_typed_and_is_the_name_of_what_it_does() {
        for name in Name::ALL {
            let command = parse(&line(*name)).unwrap();
            assert_eq!(command.name(), *name, "{command:?}");
            let entry = name.entry();
            assert!(
                !entry.about.is_empty() && entry.name.chars().all(|c| c.is_ascii_lowercase() || c == '-')
            );
            assert_eq!(Name::find(entry.name), Some(*name), "two commands are called {}", entry.name);
        }
    }

    #[test]
    fn commands_that_share_a_name_are_told_apart_by_their_argument() {
        assert_eq!(parse("seek 1:30"), Ok(Command::SeekAt(90_000_000_000)));
        assert_eq!(parse("seek -10"), Ok(Command::Seek(-10_000_000_000)));
        assert_eq!(parse("seek 50%"), Ok(Command::SeekTo(0.5)));
        assert_eq!(parse("mark"), Ok(Command::Mark));
        assert_eq!(parse("mark  two words "), Ok(Command::MarkWith("two words".into())));
        assert_eq!(parse("filter"), Ok(Command::Filter));
        assert_eq!(parse("filter client=3"), Ok(Command::FilterBy("client=3".into())));
        assert_eq!(parse("up"), Ok(Command::Up(1)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = |line: &str| parse(line).unwrap_err().to_string();
        assert_eq!(said("frezze"), "there is no command `frezze`; did you mean `freeze`?");
        assert_eq!(said("freeze now"), "`freeze` takes nothing after it");
        assert_eq!(said("clients"), "`clients` takes a number from 1 to 100000");
        assert_eq!(
            said("screen latncy"),
            "`screen` takes the name or number of a screen, not `latncy`; did you mean `latency`?"
        );
        for wrong in
            ["seek x", "seek 1:x", "seek nan", "speed inf", "speed 0", "clients 0", "clients -1", "rate nan"]
        {
            assert!(said(wrong).contains("takes"), "{wrong}");
        }
    }

    #[test]
    fn what_is_of_no_use_says_why() {
        let live = Scene { replay: false, open: false, pair: false, sweep: false, over: false };
        let replay = Scene { replay: true, open: false, pair: false, sweep: false, over: false };
        let why = |name: Name, scene, screen| name.unavailable(scene, screen, false);
        assert_eq!(why(Name::Seek, live, Screen::Live).unwrap(), "only in a replay");
        assert_eq!(why(Name::Mark, replay, Screen::Live).unwrap(), "only in a live run");
        assert_eq!(why(Name::Rate, live, Screen::Live).unwrap(), "this stage has clients, no rate");
        assert_eq!(why(Name::Slowest, live, Screen::Log).unwrap(), "only on Requests");
        assert_eq!(why(Name::Slowest, live, Screen::Requests), None);
        assert_eq!(Name::Mark.unavailable(live, Screen::Live, true).unwrap(), "the run is over");
    }
}
