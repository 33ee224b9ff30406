//! The frame loop: keys in, actions out, a frame when something changed.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use crossterm::event::Event;
use ratatui::buffer::Buffer;

use super::keymap::remap::Keys;
use super::state::UiState;
use super::terminal::Terminal;
use super::theme::{self, Depth, Theme, ThemeError, Watch};
use super::update::{Effect, Sight};
use super::view::{self, Hits, Picture};
use super::{Action, Measured, Other, Recording, Session, Title, Transport, events, input};
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
    /// The user's own keys.
    pub keys: Arc<Keys>,
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
/// How soon the rest of a frame is offered to a terminal that took a part of it.
const REST_OF_FRAME: Duration = Duration::from_millis(3);
/// How long a word stays in the footer.
const FLASH_NS: u64 = 3_000_000_000;

/// Words of threads that may wait to be shown.
const WORDS: usize = 8;

struct Dashboard<'a> {
    session: &'a dyn Session,
    options: &'a Options,
    terminal: Terminal,
    theme: Theme,
    watch: Watch,
    clock: Clock,
    ui: UiState,
    hits: Hits,
    title: Title,
    snap: Arc<Snapshot>,
    other: Option<Other>,
    measured: Option<Arc<Measured>>,
    shown_rest: (Option<Transport>, Recording, bool),
    dirty: bool,
    drawn_ns: u64,
    quit: bool,
    /// What threads that write pictures have to say.
    said: (Sender<String>, Receiver<String>),
    /// The process is to stop: Ctrl-Z was pressed (`true`: its whole group), or somebody has sent SIGTSTP.
    suspend: Option<bool>,
}

impl<'a> Dashboard<'a> {
    fn new(session: &'a dyn Session, options: &'a Options, terminal: Terminal, theme: Theme) -> Self {
        Self {
            title: session.title(),
            snap: session.snapshot(),
            other: session.other(),
            measured: session.measured(),
            shown_rest: (session.transport(), session.recording(), session.over()),
            session,
            options,
            terminal,
            watch: Watch::new(&theme.name, options.user_themes.as_deref()),
            theme,
            clock: Clock::start(),
            ui: UiState {
                themes: theme::list(options.user_themes.as_deref()).into_iter().map(|t| t.name).collect(),
                keys: options.keys.clone(),
                ..UiState::default()
            },
            hits: Hits::default(),
            dirty: true,
            drawn_ns: 0,
            quit: false,
            said: bounded(WORDS),
            suspend: None,
        }
    }

    fn run(&mut self, keys: &Receiver<Event>) -> Result<(), UiError> {
        let frame = Duration::from_nanos(1_000_000_000 / u64::from(self.options.fps.clamp(1, 120)));
        self.draw()?;
        loop {
            let spent = Duration::from_nanos(self.clock.now_ns().saturating_sub(self.drawn_ns));
            let wait = frame.checked_sub(spent).unwrap_or(frame);
            match keys.recv_timeout(if self.terminal.is_taking() { wait.min(REST_OF_FRAME) } else { wait }) {
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
            if let Some(group) = self.suspend.take() {
                self.suspend(group)?;
            }
            let since = self.clock.now_ns().saturating_sub(self.drawn_ns);
            let due = since >= SLOWEST_FRAME_NS || (self.dirty && Duration::from_nanos(since) >= frame);
            // A terminal that hasn't taken the last frame gets no other: it shows the newest one once it reads again.
            if self.terminal.ready()? && due {
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
            let other = self.session.other();
            let shown = |other: &Option<Other>| other.as_ref().map(|other| Arc::as_ptr(&other.snap));
            self.dirty |= shown(&other) != shown(&self.other);
            self.other = other;
        }
        let measured = self.session.measured();
        self.dirty |= measured != self.measured;
        self.measured = measured;
        if let Some(word) = self.session.news() {
            self.say(view::of_first(word, self.other.is_some()));
            self.dirty = true;
        }
        let rest = (self.session.transport(), self.session.recording(), self.session.over());
        self.dirty |= rest != self.shown_rest;
        self.shown_rest = rest;
        self.quit |= self.ui.leave && self.shown_rest.2;
        self.hear();
        if let Some(word) = self.session.told() {
            self.say(view::of_first(word, self.other.is_some()));
            self.dirty = true;
        }
        let now = self.clock.now_ns();
        if self.ui.flash.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.ui.flash = None;
            self.dirty = true;
        }
        self.dirty |= self.terminal.was_continued();
        if self.terminal.was_asked_to_stop() {
            self.suspend.get_or_insert(false);
        }
        if let Some(changed) = self.watch.changed(now, self.options.depth) {
            self.reloaded(changed);
        }
        if self.terminal.size().is_ok_and(|area| area != self.terminal.area()) {
            self.dirty = true;
        }
    }

    /// What there is to be shown.
    fn picture(&self) -> Picture<'_> {
        let first = Picture {
            snap: &self.snap,
            title: &self.title,
            recording: &self.shown_rest.1,
            transport: self.shown_rest.0,
            over: self.shown_rest.2,
            measured: self.measured.as_deref(),
            other: None,
        };
        first.beside(self.other.as_ref(), self.ui.beside)
    }

    fn draw(&mut self) -> Result<(), UiError> {
        let mut buffer = Buffer::empty(self.terminal.size()?);
        let picture = self.picture();
        self.hits = view::draw(&mut buffer, &picture, &self.ui, &self.theme);
        events::remember(&mut self.ui, &self.hits);
        self.terminal.show(buffer)?;
        self.dirty = false;
        self.drawn_ns = self.clock.now_ns();
        Ok(())
    }

    fn event(&mut self, event: &Event) {
        self.dirty = true;
        let other = self.other.as_ref();
        let snap = other.filter(|_| self.ui.beside).map_or(&self.snap, |other| &other.snap);
        let (transport, _, over) = &self.shown_rest;
        let sight = Sight { snap, transport: *transport, over: *over, pair: other.is_some() };
        let effects = events::heard(&mut self.ui, &self.hits, event, sight);
        self.carry_out(effects);
    }

    /// Gives the terminal back and stops until the shell lets the job go on; then takes it again.
    fn suspend(&mut self, group: bool) -> Result<(), UiError> {
        let transport = self.session.transport();
        let played = transport.is_some_and(|t| t.playing);
        if played {
            // Or it would jump by the time that it stood still.
            self.session.act(Action::TogglePause);
            let halted = || self.session.transport().is_none_or(|t| !t.playing);
            (0..20).take_while(|_| !halted()).for_each(|_| std::thread::sleep(Duration::from_millis(10)));
        }
        // The load stands still with the rest of the process, which it must not take for its own doing.
        let stops = transport.is_none() && !self.session.over() && Terminal::can_be_stopped();
        if stops {
            self.session.act(Action::Suspend(true));
        }
        let suspended = self.terminal.suspend(group);
        if stops {
            self.session.act(Action::Suspend(false));
        }
        suspended?;
        if played {
            self.session.act(Action::TogglePause);
        }
        self.dirty = true;
        Ok(())
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
                Effect::Suspend => self.suspend = Some(true),
                Effect::Redraw => self.terminal.redraw(),
                Effect::Copy => self.copy(),
                Effect::Picture => self.take_picture(),
            }
        }
    }

    fn say(&mut self, text: String) {
        self.ui.flash = Some((text, self.clock.now_ns() + FLASH_NS));
    }

    /// The user's own theme was edited; while it is wrong the last good one stays.
    fn reloaded(&mut self, changed: Result<Theme, ThemeError>) {
        self.dirty = true;
        match changed {
            Ok(theme) => {
                self.say(format!("theme {}, read again", theme.name));
                self.theme = theme;
            }
            Err(error) => self.say(error.to_string()),
        }
    }

    fn use_theme(&mut self, name: &str) {
        match theme::load(name, self.options.user_themes.as_deref(), self.options.depth) {
            Ok(theme) => {
                self.say(format!("theme {name}"));
                self.theme = theme;
                self.watch = Watch::new(name, self.options.user_themes.as_deref());
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
        self.watch = Watch::new(name, self.options.user_themes.as_deref());
    }
}
