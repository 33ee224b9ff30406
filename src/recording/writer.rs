//! Writes a recording: lines are gathered for at most a second, made one zstd frame and appended.
//!
//! A crash loses what was gathered and not yet appended: at most the last second. A disk that fails ends the
//! writing, not the run: the reason is kept, and everything that could not be written is counted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::RecordingError;
use super::line::{Line, event_line, request_line};
use super::scrub::scrub;
use super::{Header, MAJOR, MINOR};
use crate::event::Event;
use crate::metrics::RequestRecord;

/// A frame is closed at this age, nanoseconds of event time: with a tick every 50 ms, within a second.
const FRAME_NS: u64 = 900_000_000;
/// A frame is closed at this size of its lines, so that damage to one costs little.
const FRAME_BYTES: usize = 256 * 1024;
/// zstd's level: on lines of digits higher ones save a few percent and cost several times the CPU.
const LEVEL: i32 = 3;
/// Small frames come of slow runs, where a millisecond a second is no CPU and every byte of a frame's own
/// counts: they are compressed harder.
const SMALL_FRAME_BYTES: usize = 16 * 1024;
const SMALL_FRAME_LEVEL: i32 = 19;

/// What was written, at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// `None` if it went to a stream.
    pub path: Option<PathBuf>,
    pub bytes: u64,
    /// Lines after the header.
    pub lines: u64,
}

enum Sink {
    File(File),
    Stream(Box<dyn Write + Send>),
}

impl Sink {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all(bytes),
            Self::Stream(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    fn close(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync_all(),
            Self::Stream(stream) => stream.flush(),
        }
    }
}

/// Writes one recording.
pub struct Writer {
    sink: Sink,
    path: Option<PathBuf>,
    compressor: zstd::bulk::Compressor<'static>,
    tick_ns: u64,
    keep_text: bool,
    /// Lines of the frame under way.
    lines: Vec<u8>,
    lines_in_frame: u64,
    frame_at_ns: Option<u64>,
    bytes: u64,
    lines_written: u64,
    /// The last step of loading, until something else happens.
    loading: Option<Event>,
    trouble: Option<String>,
    unwritten: u64,
}

impl Writer {
    /// Begins a recording in a new file; missing folders are made, and the header is on disk on return.
    ///
    /// # Errors
    /// If the file exists, is held by another run, or can't be created or written.
    pub fn create(path: &Path, header: &Header, keep_text: bool) -> Result<Self, RecordingError> {
        let create = |source| RecordingError::Create { path: path.to_owned(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(create)?;
        }
        let file = OpenOptions::new().append(true).create_new(true).open(path).map_err(|source| {
            if source.kind() == io::ErrorKind::AlreadyExists && path.is_file() {
                RecordingError::Exists { path: path.to_owned() }
            } else if source.kind() == io::ErrorKind::AlreadyExists {
                let what = if path.is_dir() { "it is a folder" } else { "it is a device, not a file" };
                create(io::Error::other(what))
            } else {
                create(source)
            }
        })?;
        match file.try_lock() {
            // Some network file systems know no locks; `create_new` has made the file ours all the same.
            Ok(()) | Err(fs::TryLockError::Error(_)) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(RecordingError::InUse { path: path.to_owned() }),
        }
        Self::begin(Sink::File(file), Some(path.to_owned()), header, keep_text).map_err(|error| {
            // Nothing was recorded: an empty file would only be in the way of the next try.
            let _ = fs::remove_file(path);
            match error {
                RecordingError::Write { reason, .. } => create(io::Error::other(reason)),
                other => other,
            }
        })
    }

    /// Begins a recording into a stream, e.g. standard output.
    ///
    /// # Errors
    /// If the header can't be written.
    pub fn to(
        stream: Box<dyn Write + Send>,
        header: &Header,
        keep_text: bool,
    ) -> Result<Self, RecordingError> {
        Self::begin(Sink::Stream(stream), None, header, keep_text)
    }

    fn begin(
        sink: Sink,
        path: Option<PathBuf>,
        header: &Header,
        keep_text: bool,
    ) -> Result<Self, RecordingError> {
        debug_assert!((header.fastgen_recording.major, header.fastgen_recording.minor) == (MAJOR, MINOR));
        let mut writer = Self {
            sink,
            path,
            compressor: compressor().map_err(|e| failed("the recording".into(), &e, 0))?,
            tick_ns: header.tick_ns.max(1),
            keep_text,
            lines: Vec::with_capacity(FRAME_BYTES + 4096),
            lines_in_frame: 0,
            frame_at_ns: None,
            bytes: 0,
            lines_written: 0,
            loading: None,
            trouble: None,
            unwritten: 0,
        };
        let line = serde_json::to_string(header).map_err(RecordingError::Header)?;
        writer.lines.extend_from_slice(scrub(&line).as_bytes());
        writer.lines.push(b'\n');
        writer.append_frame().map_err(|e| failed(writer.name(), &e, 0))?;
        Ok(writer)
    }

    fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| "standard output".into(), |path| path.display().to_string())
    }

    /// Takes an event, and the record of the request if the event ended one (see
    /// [`crate::metrics::Aggregator::apply`]). Never fails: see [`Writer::trouble`].
    pub fn write(&mut self, event: &Event, finished: Option<&RequestRecord>) {
        if matches!(event, Event::Token { .. } | Event::Prefill { .. }) {
            return;
        }
        if let Event::Loading { .. } = event {
            self.loading = Some(event.clone());
            return;
        }
        if let Some(loading) = self.loading.take() {
            let line = event_line(&loading, self.tick_ns);
            self.push(line, loading.at_ns());
        }
        let line = match finished {
            Some(record) => Some(request_line(record, self.tick_ns, self.keep_text)),
            None => event_line(event, self.tick_ns),
        };
        self.push(line, event.at_ns());
    }

    fn push(&mut self, line: Option<Line>, at_ns: u64) {
        let Some(line) = line else { return };
        if self.trouble.is_some() {
            self.unwritten += 1;
            return;
        }
        self.tick(at_ns);
        let before = self.lines.len();
        // Writing into memory; what could fail is a map with keys that are no text, and lines have none.
        if serde_json::to_writer(&mut self.lines, &line).is_err() {
            self.lines.truncate(before);
            self.unwritten += 1;
            return;
        }
        self.lines.push(b'\n');
        self.lines_in_frame += 1;
        self.frame_at_ns.get_or_insert(at_ns);
        if self.lines.len() >= FRAME_BYTES {
            self.close_frame();
        }
    }

    /// Time goes by: closes the frame under way if it is old enough. To be called several times a second.
    pub fn tick(&mut self, now_ns: u64) {
        if self.frame_at_ns.is_some_and(|at| now_ns.saturating_sub(at) >= FRAME_NS) {
            self.close_frame();
        }
    }

    fn close_frame(&mut self) {
        self.frame_at_ns = None;
        let lines = std::mem::take(&mut self.lines_in_frame);
        if self.lines.is_empty() || self.trouble.is_some() {
            return;
        }
        match self.append_frame() {
            Ok(()) => self.lines_written += lines,
            Err(error) => {
                self.trouble = Some(error.to_string());
                self.unwritten += lines;
            }
        }
    }

    fn append_frame(&mut self) -> io::Result<()> {
        let small = self.lines.len() <= SMALL_FRAME_BYTES;
        self.compressor.set_compression_level(if small { SMALL_FRAME_LEVEL } else { LEVEL })?;
        let frame = self.compressor.compress(&self.lines)?;
        self.lines.clear();
        self.sink.append(&frame)?;
        self.bytes += frame.len() as u64;
        Ok(())
    }

    /// Why nothing more is written, once that is so.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Lines that could not be written.
    pub fn unwritten(&self) -> u64 {
        self.unwritten
    }

    /// Bytes in whole frames so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes what is left, and waits until it is on disk.
    ///
    /// # Errors
    /// If anything could not be written, now or before.
    pub fn finish(mut self) -> Result<Written, RecordingError> {
        if let Some(loading) = self.loading.take() {
            let line = event_line(&loading, self.tick_ns);
            self.push(line, loading.at_ns());
        }
        self.close_frame();
        if self.trouble.is_none()
            && let Err(error) = self.sink.close()
        {
            self.trouble = Some(error.to_string());
        }
        match self.trouble.take() {
            Some(reason) => {
                Err(RecordingError::Write { name: self.name(), reason, unwritten: self.unwritten })
            }
            None => Ok(Written { path: self.path, bytes: self.bytes, lines: self.lines_written }),
        }
    }
}

fn failed(name: String, error: &io::Error, unwritten: u64) -> RecordingError {
    RecordingError::Write { name, reason: error.to_string(), unwritten }
}

/// Frames carry a checksum, so that damage is seen, and no dictionary, so that any zstd reads them.
fn compressor() -> io::Result<zstd::bulk::Compressor<'static>> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    compressor.include_checksum(true)?;
    Ok(compressor)
}
