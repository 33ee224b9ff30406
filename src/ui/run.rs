//! The frame loop: keys in, actions out, a frame when something changed.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use crossterm::event::{Event, MouseButton, MouseEventKind};
use ratatui::buffer::Buffer;

use super::state::UiState;
use super::terminal::Terminal;
use super::theme::{self, Depth, Theme, ThemeError};
use super::update::{Effect, Sight, palette_key, typed, update};
use super::view::{self, Hits, Picture};
use super::{Action, Recording, Session, Title, Transport, input, keymap};
use crate::clock::Clock;
use crate::metrics::Snapshot;

mod desk;

/// How the dashboard is to look.
#[derive(Debug, Clone)]
pub struct Options {
    /// The theme's name.
    pub theme: String,
    /// Where the user's own themes lie.
    pub user_themes: Option<PathBuf>,
    pub depth: Depth,
    /// Most frames a second.
    pub fps: u32,
    /// Set by SIGTERM or SIGINT: end at once.
    pub stop: Arc<AtomicBool>,
}

/// Why the dashboard ended before the user ended it.
#[derive(Debug, thiserror::Error)]
pub enum UiError {
    /// The terminal can't be used, or went away.
    #[error("the terminal is gone or can't be used: {0}")]
    Terminal(#[from] std::io::Error),
    #[error(transparent)]
    Theme(#[from] ThemeError),
}

/// Shows a session until the user leaves it. Returns with the terminal restored.
///
/// # Errors
/// [`UiError::Theme`] before anything is drawn; [`UiError::Terminal`] when the terminal is no terminal or goes
/// away, in which case the session was asked to stop.
pub fn run(session: &dyn Session, options: &Options, tty: File) -> Result<(), UiError> {
    let theme = theme::load(&options.theme, options.user_themes.as_deref(), options.depth)?;
    let terminal = Terminal::open(tty)?;
    let keys = input::listen(terminal.input()?)?;
    let mut dashboard = Dashboard::new(session, options, terminal, theme);
    let ended = dashboard.run(&keys);
    if ended.is_err() {
        session.act(Action::Stop);
    }
    ended
}

/// Frames at least this often, so that a still picture is known to be alive.
const SLOWEST_FRAME_NS: u64 = 1_000_000_000;
/// How long a word stays in the footer.
const FLASH_NS: u64 = 3_000_000_000;

/// Words of threads that may wait to be shown.
const WORDS: usize = 8;

struct Dashboard<'a> {
    session: &'a dyn Session,
    options: &'a Options,
    terminal: Terminal,
    theme: Theme,
    clock: Clock,
    ui: UiState,
    hits: Hits,
    title: Title,
    snap: Arc<Snapshot>,
    shown_rest: (Option<Transport>, Recording, bool),
    dirty: bool,
    drawn_ns: u64,
    quit: bool,
    /// What threads that write pictures have to say.
    said: (Sender<String>, Receiver<String>),
}

impl<'a> Dashboard<'a> {
    fn new(session: &'a dyn Session, options: &'a Options, terminal: Terminal, theme: Theme) -> Self {
        Self {
            title: session.title(),
            snap: session.snapshot(),
            shown_rest: (session.transport(), session.recording(), session.over()),
            session,
            options,
            terminal,
            theme,
            clock: Clock::start(),
            ui: UiState {
                themes: theme::list(options.user_themes.as_deref()).into_iter().map(|t| t.name).collect(),
                ..UiState::default()
            },
            hits: Hits::default(),
            dirty: true,
            drawn_ns: 0,
            quit: false,
            said: bounded(WORDS),
        }
    }

    fn run(&mut self, keys: &Receiver<Event>) -> Result<(), UiError> {
        let frame = Duration::from_nanos(1_000_000_000 / u64::from(self.options.fps.clamp(1, 120)));
        self.draw()?;
        loop {
            let spent = Duration::from_nanos(self.clock.now_ns().saturating_sub(self.drawn_ns));
            match keys.recv_timeout(frame.checked_sub(spent).unwrap_or(frame)) {
                Ok(event) => self.event(&event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(std::io::Error::other("it can no longer be read").into());
                }
            }
            while let Ok(event) = keys.try_recv() {
                self.event(&event);
            }
            if self.options.stop.load(Ordering::Relaxed) {
                self.session.act(Action::Abort);
                return Ok(());
            }
            self.look();
            if self.quit {
                return Ok(());
            }
            let since = self.clock.now_ns().saturating_sub(self.drawn_ns);
            if since >= SLOWEST_FRAME_NS || (self.dirty && Duration::from_nanos(since) >= frame) {
                self.draw()?;
            }
        }
    }

    /// Anything new to show?
    fn look(&mut self) {
        if !self.ui.frozen {
            let snap = self.session.snapshot();
            self.dirty |= !Arc::ptr_eq(&snap, &self.snap);
            self.snap = snap;
        }
        let rest = (self.session.transport(), self.session.recording(), self.session.over());
        self.dirty |= rest != self.shown_rest;
        self.shown_rest = rest;
        self.quit |= self.ui.leave && self.shown_rest.2;
        self.hear();
        let now = self.clock.now_ns();
        if self.ui.flash.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.ui.flash = None;
            self.dirty = true;
        }
        if self.terminal.size().is_ok_and(|area| area != self.terminal.area()) {
            self.dirty = true;
        }
    }

    fn draw(&mut self) -> Result<(), UiError> {
        let mut buffer = Buffer::empty(self.terminal.size()?);
        let picture = Picture {
            snap: &self.snap,
            title: &self.title,
            recording: &self.shown_rest.1,
            transport: self.shown_rest.0,
            over: self.shown_rest.2,
        };
        self.hits = view::draw(&mut buffer, &picture, &self.ui, &self.theme);
        self.ui.page = self.hits.page.max(1);
        match self.ui.screen {
            super::state::Screen::Clients => {
                self.ui.client_offset = self.hits.offset;
                self.ui.lanes.span_ns = self.hits.lanes_ns;
            }
            super::state::Screen::Requests if self.ui.requests.open.is_some() => {
                self.ui.requests.scroll = self.hits.offset;
            }
            super::state::Screen::Requests => self.ui.requests.offset = self.hits.offset,
            super::state::Screen::System => self.ui.system = self.hits.offset,
            super::state::Screen::Latency => self.ui.latency.axis = self.hits.axis,
            _ => {}
        }
        self.terminal.show(buffer)?;
        self.dirty = false;
        self.drawn_ns = self.clock.now_ns();
        Ok(())
    }

    fn event(&mut self, event: &Event) {
        self.dirty = true;
        let command = match event {
            Event::Key(key) if self.ui.prompt.is_some() => {
                let effects = typed(&mut self.ui, *key);
                return self.carry_out(effects);
            }
            Event::Key(key) if self.ui.palette.is_some() => {
                let sight = Sight { snap: &self.snap, transport: self.shown_rest.0, over: self.shown_rest.2 };
                let effects = palette_key(&mut self.ui, *key, sight);
                return self.carry_out(effects);
            }
            Event::Key(key) => keymap::command(*key),
            // What lies under the list of commands is not to be clicked through it.
            Event::Mouse(_) if self.ui.palette.is_some() => None,
            Event::Mouse(mouse) => match mouse.kind {
                MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => Some(keymap::wheel(
                    mouse.kind == MouseEventKind::ScrollUp,
                    mouse.modifiers,
                    self.ui.screen,
                )),
                MouseEventKind::Down(MouseButton::Left) | MouseEventKind::Drag(MouseButton::Left) => {
                    self.hits.at(mouse.column, mouse.row)
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(command) = command {
            let sight = Sight { snap: &self.snap, transport: self.shown_rest.0, over: self.shown_rest.2 };
            let effects = update(&mut self.ui, &command, sight);
            self.carry_out(effects);
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Act(action) => self.session.act(action),
                Effect::Freeze(frozen) => self.session.freeze(frozen),
                Effect::Quit => self.quit = true,
                Effect::Say(text) => self.say(text),
                Effect::NextTheme => self.next_theme(),
                Effect::UseTheme(name) => self.use_theme(&name),
                Effect::Copy => self.copy(),
                Effect::Picture => self.take_picture(),
            }
        }
    }

    fn say(&mut self, text: String) {
        self.ui.flash = Some((text, self.clock.now_ns() + FLASH_NS));
    }

    fn use_theme(&mut self, name: &str) {
        match theme::load(name, self.options.user_themes.as_deref(), self.options.depth) {
            Ok(theme) => {
                self.say(format!("theme {name}"));
                self.theme = theme;
            }
            Err(error) => self.say(error.to_string()),
        }
    }

    fn next_theme(&mut self) {
        let all = theme::list(self.options.user_themes.as_deref());
        let at = all.iter().position(|t| t.name == self.theme.name).unwrap_or(0);
        let name = &all[(at + 1) % all.len()].name;
        match theme::load(name, self.options.user_themes.as_deref(), self.options.depth) {
            Ok(theme) => {
                self.say(format!("theme {name}"));
                self.theme = theme;
            }
            Err(error) => {
                self.say(error.to_string());
                // The broken one keeps its place in the row, so that the next press goes on to the one after.
                self.theme.name.clone_from(name);
            }
        }
    }
}
