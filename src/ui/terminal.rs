//! The terminal guard: raw mode, alternate screen, mouse; given back whatever happens.
//!
//! The guard writes to its own descriptor of the terminal, because during a live run descriptors 1 and 2 go to
//! the log. [`restore_all`] may be called from a panic hook on any thread; it and the guard's drop are the same
//! act, done once.
//!
//! Nothing here waits for a terminal that doesn't read: the descriptor is opened anew, so that it can be
//! non-blocking without the shell's becoming so, and what the terminal doesn't take yet stays in a queue.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::queue;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
};
use ratatui::backend::{Backend as _, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rustix::fs::{Mode, OFlags};
use rustix::termios::{
    OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetwinsize, tcsetattr, ttyname,
};
use signal_hook::SigId;
use signal_hook::consts::SIGCONT;

mod job;

use job::Job;

/// What it takes to give the terminal back.
struct Saved {
    tty: File,
    out: File,
    modes: Termios,
}

/// The terminal that is in use, if any; a process has one.
static SAVED: Mutex<Option<Saved>> = Mutex::new(None);
/// The terminal has taken a part of a frame only.
static CUT: AtomicBool = AtomicBool::new(false);
/// Ends a sequence that was cut off: the control character CAN.
const CANCEL: u8 = 0x18;
/// How often, and how long after each time, a terminal is asked to take what gives it back.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// Gives the terminal back: cooked mode, normal screen, visible cursor, no mouse. Callable from any thread, at
/// any time, any number of times; takes a fifth of a second at most.
pub fn restore_all() {
    let saved = match SAVED.lock() {
        Ok(mut guard) => guard.take(),
        Err(poisoned) => poisoned.into_inner().take(),
    };
    if let Some(mut saved) = saved {
        let mut last = vec![];
        if CUT.swap(false, Ordering::Relaxed) {
            // It reads too slowly, or not at all: the rest of the picture must not stand in the way of what follows.
            let _ = tcflush(&saved.tty, QueueSelector::OFlush);
            last.push(CANCEL);
        }
        // Nothing can be done about a terminal that is gone.
        let _ = queue!(
            last,
            EndSynchronizedUpdate,
            DisableBracketedPaste,
            DisableMouseCapture,
            LeaveAlternateScreen,
            Show
        );
        if !say(&mut saved.out, &last) {
            let _ = tcflush(&saved.tty, QueueSelector::OFlush);
            last.insert(0, CANCEL);
            say(&mut saved.out, &last);
        }
        // Not `OptionalActions::Flush`: that would wait until all is read.
        let _ = tcsetattr(&saved.tty, OptionalActions::Now, &saved.modes);
        let _ = tcflush(&saved.tty, QueueSelector::IFlush);
    }
}

/// Writes a few bytes, with some patience; `false` if not all of them could be.
fn say(out: &mut File, mut bytes: &[u8]) -> bool {
    for _ in 0..TRIES {
        match out.write(bytes) {
            Ok(n) if n == bytes.len() => return true,
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(BETWEEN_TRIES),
            Err(_) => return false,
        }
    }
    false
}

/// The terminal, taken over. Dropping it gives it back.
pub struct Terminal {
    tty: File,
    out: File,
    /// What the terminal has not taken yet.
    queue: Vec<u8>,
    /// It took something when it was last offered something.
    taking: bool,
    shown: Buffer,
    /// Nothing of what is on the screen counts.
    whole: bool,
    /// Set when the process goes on after it was stopped.
    continued: Arc<AtomicBool>,
    watch: SigId,
    job: Job,
}

impl Terminal {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// When `tty` is no terminal or refuses its modes.
    pub fn open(tty: File) -> io::Result<Self> {
        tcgetattr(&tty)?;
        let shown = Buffer::empty(size(&tty)?);
        let out = reopen(&tty)?;
        let continued = Arc::new(AtomicBool::new(false));
        let watch = signal_hook::flag::register(SIGCONT, continued.clone())?;
        let (queue, job) = (Vec::new(), Job::watch()?);
        let mut terminal = Self { tty, out, queue, taking: true, shown, whole: true, continued, watch, job };
        terminal.enter()?;
        Ok(terminal)
    }

    /// Raw mode, and whatever a dashboard needs. The modes of before are kept unless they are kept already.
    fn enter(&mut self) -> io::Result<()> {
        let modes = tcgetattr(&self.tty)?;
        let mut raw = modes.clone();
        raw.make_raw();
        {
            let mut saved =
                SAVED.lock().map_err(|_| io::Error::other("the terminal's guard was poisoned"))?;
            if saved.is_none() {
                *saved = Some(Saved { tty: self.tty.try_clone()?, out: self.out.try_clone()?, modes });
            }
        }
        tcsetattr(&self.tty, OptionalActions::Now, &raw)?;
        let _ = tcflush(&self.tty, QueueSelector::IFlush);
        queue!(self.queue, EnterAlternateScreen, EnableBracketedPaste, EnableMouseCapture, Hide)?;
        self.whole = true;
        Ok(())
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

    /// Sends a control sequence as it is, behind the frame that is being sent.
    ///
    /// # Errors
    /// As the terminal says.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.queue.extend_from_slice(bytes);
        self.ready().map(drop)
    }

    /// The next frame is drawn whole.
    pub fn redraw(&mut self) {
        self.whole = true;
    }

    /// Shows a frame: what changed of it, in one synchronised update. What the terminal doesn't take at once is
    /// kept for [`Self::ready`].
    ///
    /// # Errors
    /// As the terminal says.
    pub fn show(&mut self, frame: Buffer) -> io::Result<()> {
        if frame.area != self.shown.area || std::mem::take(&mut self.whole) {
            self.whole = false;
            compose(&mut self.queue, None, &frame)?;
        } else {
            compose(&mut self.queue, Some(&self.shown), &frame)?;
        }
        self.shown = frame;
        self.ready().map(drop)
    }

    /// Offers the terminal what it has not taken yet; `true` once there is nothing left.
    ///
    /// # Errors
    /// As the terminal says.
    pub fn ready(&mut self) -> io::Result<bool> {
        let mut taken = 0;
        while taken < self.queue.len() {
            match self.out.write(&self.queue[taken..]) {
                Ok(0) => break,
                Ok(n) => taken += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        self.taking = taken > 0;
        self.queue.drain(..taken);
        CUT.store(!self.queue.is_empty(), Ordering::Relaxed);
        Ok(self.queue.is_empty())
    }

    /// It is in the midst of a frame, and goes on reading it.
    pub fn is_taking(&self) -> bool {
        self.taking && !self.queue.is_empty()
    }

    /// Gives the terminal back, stops the job, or only this process of it, and takes the terminal again when it is let
    /// go on. Where no shell could do that, it isn't stopped.
    ///
    /// # Errors
    /// As the terminal says.
    pub fn suspend(&mut self, group: bool) -> io::Result<()> {
        restore_all();
        self.queue.clear();
        // The group, since a pipeline or a wrapper is stopped with us, as the terminal's own Ctrl-Z would.
        self.job.stop(group)?;
        self.continued.store(false, Ordering::Relaxed);
        self.enter()
    }

    /// Whether there is somebody who could let the process go on, so that [`Self::suspend`] stops it.
    pub fn can_be_stopped() -> bool {
        job::can_go_on()
    }

    /// Whether another process has sent SIGTSTP, which [`Self::suspend`] is the answer to.
    pub fn was_asked_to_stop(&self) -> bool {
        self.job.was_asked()
    }

    /// Whether the process goes on after it was stopped by somebody else; the terminal is then taken again, for a
    /// shell has used it meanwhile.
    pub fn was_continued(&mut self) -> bool {
        let continued = self.continued.swap(false, Ordering::Relaxed);
        // A terminal that refuses is found out by the next frame.
        continued && self.enter().is_ok()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.watch);
        restore_all();
    }
}

/// A description of the terminal of our own, that writes without waiting; one that waits where there is none to be had.
fn reopen(tty: &File) -> io::Result<File> {
    let name =
        ttyname(tty, Vec::new()).map(|n| PathBuf::from(String::from_utf8_lossy(n.as_bytes()).into_owned()));
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = name.and_then(|name| rustix::fs::open(name, flags, Mode::empty()));
    match opened.or_else(|_| rustix::fs::open("/dev/tty", flags, Mode::empty())) {
        Ok(out) => Ok(out.into()),
        Err(_) => tty.try_clone(),
    }
}

/// Bytes that turn the frame before into this one; without one before, the whole frame.
pub(super) fn compose(out: &mut Vec<u8>, before: Option<&Buffer>, frame: &Buffer) -> io::Result<()> {
    queue!(out, BeginSynchronizedUpdate)?;
    let mut backend = CrosstermBackend::new(&mut *out);
    if let Some(before) = before {
        backend.draw(before.diff(frame).into_iter())?;
    } else {
        backend.clear()?;
        backend.draw(Buffer::empty(frame.area).diff(frame).into_iter())?;
    }
    queue!(out, EndSynchronizedUpdate)
}

/// Largest size drawn, in cells either way: what a terminal claims beyond it is a mistake or an attack.
const MOST_CELLS: u16 = 1000;

fn size(tty: &File) -> io::Result<Rect> {
    let size = tcgetwinsize(tty)?;
    // Serial lines and some pseudo-terminals say 0×0.
    let or = |n: u16, default: u16| if n == 0 { default } else { n.min(MOST_CELLS) };
    Ok(Rect::new(0, 0, or(size.ws_col, 80), or(size.ws_row, 24)))
}
