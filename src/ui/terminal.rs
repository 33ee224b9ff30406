//! The terminal guard: raw mode, alternate screen, mouse; given back whatever happens.
//!
//! The guard writes to its own descriptor of the terminal, because during a live run descriptors 1 and 2 go to
//! the log. [`restore_all`] may be called from a panic hook on any thread; it and the guard's drop are the same
//! act, done once.

use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::Mutex;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableMouseCapture};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{execute, queue};
use ratatui::backend::{Backend as _, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rustix::fs::OFlags;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// What it takes to give the terminal back.
struct Saved {
    tty: File,
    modes: Termios,
}

/// The terminal that is in use, if any; a process has one.
static SAVED: Mutex<Option<Saved>> = Mutex::new(None);

/// Gives the terminal back: cooked mode, normal screen, visible cursor, no mouse. Callable from any thread, at
/// any time, any number of times.
pub fn restore_all() {
    let saved = match SAVED.lock() {
        Ok(mut guard) => guard.take(),
        Err(poisoned) => poisoned.into_inner().take(),
    };
    if let Some(mut saved) = saved {
        // Nothing can be done about a terminal that is gone.
        let _ = execute!(saved.tty, EndSynchronizedUpdate, DisableMouseCapture, LeaveAlternateScreen, Show);
        let _ = tcsetattr(&saved.tty, OptionalActions::Flush, &saved.modes);
    }
}

/// The terminal, taken over. Dropping it gives it back.
pub struct Terminal {
    tty: File,
    backend: CrosstermBackend<BufWriter<File>>,
    shown: Buffer,
}

impl Terminal {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// When `tty` is no terminal or refuses its modes.
    pub fn open(tty: File) -> io::Result<Self> {
        let modes = tcgetattr(&tty)?;
        let area = size(&tty)?;
        let mut raw = modes.clone();
        raw.make_raw();
        *SAVED.lock().map_err(|_| io::Error::other("the terminal's guard was poisoned"))? =
            Some(Saved { tty: tty.try_clone()?, modes });
        let taken = tcsetattr(&tty, OptionalActions::Flush, &raw).map_err(io::Error::from).and_then(|()| {
            let mut out = tty.try_clone()?;
            execute!(out, EnterAlternateScreen, DisableBracketedPaste, EnableMouseCapture, Hide)
        });
        if let Err(error) = taken {
            restore_all();
            return Err(error);
        }
        let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, tty.try_clone()?));
        let mut terminal = Self { tty, backend, shown: Buffer::empty(area) };
        terminal.backend.clear()?;
        Ok(terminal)
    }

    /// Where keys and the mouse come from: the terminal that is drawn on, or the controlling one if the
    /// descriptor of the first is for writing only.
    ///
    /// # Errors
    /// When neither can be read.
    pub fn input(&self) -> io::Result<File> {
        match rustix::fs::fcntl_getfl(&self.tty)? & OFlags::ACCMODE {
            OFlags::WRONLY => File::open("/dev/tty"),
            _ => self.tty.try_clone(),
        }
    }

    /// The terminal's size; an error once it is gone.
    ///
    /// # Errors
    /// As the terminal says.
    pub fn size(&self) -> io::Result<Rect> {
        size(&self.tty)
    }

    /// The size of the last frame.
    pub fn area(&self) -> Rect {
        self.shown.area
    }

    /// Sends a control sequence as it is, between frames.
    ///
    /// # Errors
    /// As the terminal says.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(&mut self.backend, bytes)?;
        io::Write::flush(&mut self.backend)
    }

    /// Shows a frame: what changed of it, in one synchronised update.
    ///
    /// # Errors
    /// As the terminal says.
    pub fn show(&mut self, frame: Buffer) -> io::Result<()> {
        queue!(self.backend, BeginSynchronizedUpdate)?;
        if frame.area != self.shown.area {
            self.backend.clear()?;
            self.shown = Buffer::empty(frame.area);
        }
        self.backend.draw(self.shown.diff(&frame).into_iter())?;
        queue!(self.backend, EndSynchronizedUpdate)?;
        io::Write::flush(&mut self.backend)?;
        self.shown = frame;
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore_all();
    }
}

/// Largest size drawn, in cells either way: what a terminal claims beyond it is a mistake or an attack.
const MOST_CELLS: u16 = 1000;

fn size(tty: &File) -> io::Result<Rect> {
    let size = tcgetwinsize(tty)?;
    // Serial lines and some pseudo-terminals say 0×0.
    let or = |n: u16, default: u16| if n == 0 { default } else { n.min(MOST_CELLS) };
    Ok(Rect::new(0, 0, or(size.ws_col, 80), or(size.ws_row, 24)))
}
