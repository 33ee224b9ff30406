//! Where messages go: everything that the program, the engine or a library says becomes a line of the log
//! file and of the Log screen, and never reaches the terminal itself.
//!
//! Two ways in: `tracing`, whose subscriber is installed before anybody else can install one, and the file
//! descriptors 1 and 2, which are pointed into a pipe while a dashboard or a recording is on, because C
//! libraries and panics print as they like. [`Diversion`] gives the real ones back when it is dropped.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use etcetera::BaseStrategy;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::clock::Clock;
use crate::collector::EventSink;
use crate::event::{Event, Level, LogLine};

/// A log file beyond this size is put aside (`.1`) at the next start.
const ROTATE_BYTES: u64 = 8 << 20;
/// Most bytes of a message that are kept.
const MESSAGE_LIMIT: usize = 4096;
/// What is logged where `FASTGEN_LOG` says nothing.
const DEFAULT_FILTER: &str = "info,mistralrs_quant=warn,hyper=warn,reqwest=warn,rustls=warn,h2=warn";

/// The way to the log file and to the run that is on, if one is.
#[derive(Clone, Default)]
pub struct LogHub(Arc<Mutex<Hub>>);

#[derive(Default)]
struct Hub {
    file: Option<File>,
    path: Option<PathBuf>,
    run: Option<(EventSink, Clock)>,
}

impl LogHub {
    /// Opens the log file and installs the `tracing` subscriber. Without a folder to write to there is no
    /// file, and messages still reach the Log screen.
    pub fn install() -> Self {
        let hub = Self::default();
        if let Some((file, path)) = open_log_file()
            && let Ok(mut inner) = hub.0.lock()
        {
            inner.file = Some(file);
            inner.path = Some(path);
        }
        let filter =
            EnvFilter::try_from_env("FASTGEN_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
        let layer = HubLayer(hub.clone()).with_filter(filter);
        // Fails only if there is a subscriber already, as in tests; the messages then go there.
        let _ = tracing_subscriber::registry().with(layer).try_init();
        hub
    }

    /// The log file, where there is one.
    pub fn path(&self) -> Option<PathBuf> {
        self.0.lock().ok().and_then(|hub| hub.path.clone())
    }

    /// From now on messages are also events of this run.
    pub fn attach(&self, sink: EventSink, clock: Clock) {
        if let Ok(mut hub) = self.0.lock() {
            hub.run = Some((sink, clock));
        }
    }

    /// The run is over: messages go to the file alone.
    pub fn detach(&self) {
        if let Ok(mut hub) = self.0.lock() {
            hub.run = None;
        }
    }

    fn say(&self, level: Level, source: &str, message: &str) {
        let Ok(mut hub) = self.0.lock() else { return };
        if let Some(file) = &mut hub.file {
            let _ = writeln!(file, "{} {level:?} {source}: {message}", jiff::Timestamp::now());
        }
        if let Some((sink, clock)) = &hub.run {
            sink.send(Event::Log(Box::new(LogLine {
                at_ns: clock.now_ns(),
                level,
                source: source.into(),
                message: clip(message).into(),
            })));
        }
    }
}

fn clip(message: &str) -> &str {
    let mut end = message.len().min(MESSAGE_LIMIT);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}

fn open_log_file() -> Option<(File, PathBuf)> {
    let dirs = etcetera::choose_base_strategy().ok()?;
    let folder = dirs.state_dir().unwrap_or_else(|| dirs.cache_dir()).join("fastgen-tui");
    std::fs::create_dir_all(&folder).ok()?;
    let path = folder.join("fastgen-tui.log");
    rotate(&path);
    let file = OpenOptions::new().create(true).append(true).open(&path).ok()?;
    Some((file, path))
}

fn rotate(path: &Path) {
    if path.metadata().is_ok_and(|m| m.len() > ROTATE_BYTES) {
        let _ = std::fs::rename(path, path.with_extension("log.1"));
    }
}

struct HubLayer(LogHub);

impl<S: tracing::Subscriber> Layer<S> for HubLayer {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let meta = event.metadata();
        let level = match *meta.level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            _ => Level::Debug,
        };
        let source = match meta.target().split("::").next() {
            Some(target) if target.starts_with("fastgen") => "fastgen",
            Some(target) if target.starts_with("mistralrs") => "engine",
            Some(target) => target,
            None => "?",
        };
        let mut line = MessageOf(String::new());
        event.record(&mut line);
        self.0.say(level, source, &line.0);
    }
}

/// Collects an event's message and its fields in one line.
struct MessageOf(String);

impl Visit for MessageOf {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write as _;
        let written = if field.name() == "message" {
            write!(self.0, "{value:?}")
        } else {
            write!(self.0, "{}{}={value:?}", if self.0.is_empty() { "" } else { " " }, field.name())
        };
        debug_assert!(written.is_ok(), "writing to a string can't fail");
    }
}

/// While it lives, whatever is written to the descriptors 1 and 2 goes to the log.
pub struct Diversion {
    stdout: OwnedFd,
    stderr: OwnedFd,
    readers: Vec<JoinHandle<()>>,
}

impl Diversion {
    /// Points the descriptors 1 and 2 into the log.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn begin(hub: &LogHub) -> std::io::Result<Self> {
        let stdout = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 3)?;
        let stderr = rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), 3)?;
        // Should the second fail, dropping this gives the first one back.
        let mut diversion = Self { stdout, stderr, readers: Vec::new() };
        for (source, level) in [("stdout", Level::Info), ("stderr", Level::Warn)] {
            let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            match source {
                "stdout" => rustix::stdio::dup2_stdout(&write)?,
                _ => rustix::stdio::dup2_stderr(&write)?,
            }
            let hub = hub.clone();
            let reader = std::thread::Builder::new().name(format!("log-{source}")).spawn(move || {
                each_line(File::from(read), |line| hub.say(level, source, line));
            })?;
            diversion.readers.push(reader);
        }
        Ok(diversion)
    }

    /// The real standard output, as a file of its own.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn stdout(&self) -> std::io::Result<File> {
        Ok(File::from(rustix::io::fcntl_dupfd_cloexec(self.stdout.as_fd(), 3)?))
    }

    /// The real standard error, as a file of its own.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn stderr(&self) -> std::io::Result<File> {
        Ok(File::from(rustix::io::fcntl_dupfd_cloexec(self.stderr.as_fd(), 3)?))
    }
}

/// Hands on each line that is not blank; one longer than a message may be, in pieces.
fn each_line(from: impl Read, mut say: impl FnMut(&str)) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut from).take(MESSAGE_LIMIT as u64).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        if !text.trim().is_empty() {
            say(text.trim_end());
        }
    }
}

impl Drop for Diversion {
    fn drop(&mut self) {
        // The pipes' last writing ends close here, so their readers see the end and stop.
        let _ = rustix::stdio::dup2_stdout(&self.stdout);
        let _ = rustix::stdio::dup2_stderr(&self.stderr);
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_an_end_comes_in_pieces() {
        let endless = "x".repeat(3 * MESSAGE_LIMIT);
        let text = format!("one\r\n \n\ntwo\n{endless}");
        let mut said = Vec::new();
        each_line(text.as_bytes(), |line| said.push(line.to_owned()));
        assert_eq!(said[..2], ["one", "two"]);
        assert_eq!(said[2..].iter().map(String::len).collect::<Vec<_>>(), [MESSAGE_LIMIT; 3]);
    }
}
