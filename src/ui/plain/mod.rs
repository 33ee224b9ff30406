//! A session as plain lines, for screen readers, dumb terminals and logs: nothing is ever overwritten, no cursor is
//! moved, no key is read before Enter.
//!
//! [`run`] shows the same [`Session`] as the dashboard does. What is worth saying is decided in `teller`, without a
//! terminal. A line that is typed is a key (`q`, `p`, an empty line is none) or a command by name (`mark lunch`,
//! `seek 1:30`), with the very effects that it has on the dashboard.

mod teller;

use std::fs::File;
use std::io::{BufRead as _, ErrorKind, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use self::teller::Teller;
use super::keymap::names::parse;
use super::keymap::{Command, remap::Keys};
use super::state::UiState;
use super::theme::{self, Depth, Theme};
use super::update::{Effect, Sight, update};
use super::view::Picture;
use super::{Session, UiError};
use crate::clock::Clock;

/// Time between looks at the session.
const LOOK: Duration = Duration::from_millis(100);

/// How lines are written.
#[derive(Debug, Clone)]
pub struct Options {
    /// Time between lines of figures.
    pub every: Duration,
    /// The user's own keys.
    pub keys: Arc<Keys>,
    /// Set by SIGINT and SIGTERM; taken back when it was heeded, unless that ended it all.
    pub stop: Arc<AtomicBool>,
}

/// Lines that are typed. A thread of its own reads them, and ends with the process: a read can't be called back.
///
/// # Errors
/// If the system gives no thread.
pub fn typed() -> std::io::Result<Receiver<String>> {
    let (tx, rx) = crossbeam_channel::bounded(16);
    std::thread::Builder::new().name("keys".into()).spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tx.send(line).is_err() {
                return;
            }
        }
    })?;
    Ok(rx)
}

/// Tells a session in lines until it is over or the user leaves it. When nobody takes the lines any more (a closed pipe), a
/// replay is over; a live run goes on unseen, since its recording is what was asked for.
///
/// # Errors
/// [`UiError::Terminal`] when nothing can be written for another reason.
pub fn run(
    session: &dyn Session,
    options: &Options,
    out: File,
    lines: &Receiver<String>,
) -> Result<(), UiError> {
    let ui = UiState { keys: options.keys.clone(), ..UiState::default() };
    let theme = theme::load("dusk", None, Depth::None)?;
    let mut plain = Plain { session, out, deaf: false, ui, theme, teller: Teller::new(options.every) };
    let clock = Clock::start();
    plain.say(&teller::begin(&session.title(), &session.recording()))?;
    let mut open = true;
    loop {
        let over = session.over();
        plain.tell(clock.now_ns(), over)?;
        if over || replayed(session) {
            return plain.last(over);
        }
        if plain.deaf && session.transport().is_some() {
            return Ok(());
        }
        // Without anybody who types it only takes its time.
        let line = if open { lines.recv_timeout(LOOK) } else { Err(RecvTimeoutError::Timeout) };
        let mut left = match line {
            Ok(line) => plain.given(&line)?,
            Err(RecvTimeoutError::Disconnected) => {
                open = false;
                false
            }
            Err(RecvTimeoutError::Timeout) => {
                if !open {
                    std::thread::sleep(LOOK);
                }
                false
            }
        };
        if options.stop.swap(false, Ordering::Relaxed) {
            left |= plain.carry_out(&Command::Interrupt)?;
            if left {
                // That it was left this way, and not by `q`, is told by the flag.
                options.stop.store(true, Ordering::Relaxed);
            }
        }
        if left {
            return Ok(());
        }
    }
}

/// A replay that played to its end.
fn replayed(session: &dyn Session) -> bool {
    session.transport().is_some_and(|t| t.length_ns > 0 && t.at_ns >= t.length_ns)
}

struct Plain<'a> {
    session: &'a dyn Session,
    out: File,
    /// The pipe that the lines go to is closed at its other end.
    deaf: bool,
    ui: UiState,
    theme: Theme,
    teller: Teller,
}

impl Plain<'_> {
    fn say(&mut self, line: &str) -> Result<(), UiError> {
        if self.deaf {
            return Ok(());
        }
        match writeln!(self.out, "{}", super::harmless(line)) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.deaf = true,
            written => written?,
        }
        Ok(())
    }

    /// What is new, and figures when they are due.
    fn tell(&mut self, now_ns: u64, over: bool) -> Result<(), UiError> {
        self.picture(over, |teller, picture, ui, theme| teller.tell(picture, ui, theme, now_ns))
    }

    /// The last figures.
    fn last(&mut self, over: bool) -> Result<(), UiError> {
        self.picture(over, |_, picture, ui, theme| vec![teller::last(picture, ui, theme)])
    }

    fn picture(
        &mut self,
        over: bool,
        lines: impl FnOnce(&mut Teller, &Picture<'_>, &UiState, &Theme) -> Vec<String>,
    ) -> Result<(), UiError> {
        let (snap, title, recording) =
            (self.session.snapshot(), self.session.title(), self.session.recording());
        let picture = Picture {
            snap: &snap,
            title: &title,
            recording: &recording,
            transport: self.session.transport(),
            over,
            measured: None,
            other: None,
        };
        while let Some(word) = self.session.told().or_else(|| self.session.news()) {
            self.say(&word)?;
        }
        for line in lines(&mut self.teller, &picture, &self.ui, &self.theme) {
            self.say(&line)?;
        }
        Ok(())
    }

    /// A typed line; `true`: leave.
    fn given(&mut self, line: &str) -> Result<bool, UiError> {
        let mut chars = line.chars();
        let key = match (chars.next(), chars.next()) {
            (None, _) => return Ok(false),
            (Some(c), None) => self.ui.keys.command(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)),
            _ => None,
        };
        match key.map_or_else(|| parse(line), Ok) {
            Ok(Command::Help | Command::Palette) => self.help(),
            Ok(Command::Mark) => self.carry_out(&Command::MarkWith(String::new())),
            Ok(command) => self.carry_out(&command),
            Err(error) => {
                self.say(&format!("{error}; ? lists what can be typed"))?;
                Ok(false)
            }
        }
    }

    /// Names that are of use without a screen.
    fn help(&mut self) -> Result<bool, UiError> {
        self.say("Type a key or a command, then Enter:")?;
        for line in teller::help(&self.ui.keys, self.session.transport().is_some()) {
            self.say(&line)?;
        }
        Ok(false)
    }

    fn carry_out(&mut self, command: &Command) -> Result<bool, UiError> {
        let snap = self.session.snapshot();
        let (transport, over) = (self.session.transport(), self.session.over());
        let sight = Sight { snap: &snap, transport, over, pair: false };
        for effect in update(&mut self.ui, command, sight) {
            match effect {
                Effect::Act(action) => self.session.act(action),
                Effect::Quit => return Ok(true),
                Effect::Say(text) => self.say(&text)?,
                // The rest changes only what a screen shows.
                _ => {}
            }
        }
        Ok(false)
    }
}
