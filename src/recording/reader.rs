//! Reads a recording: its header, then an entry a line, and at the end what was lost.

use std::collections::HashSet;
use std::fs::File;
use std::hash::BuildHasherDefault;
use std::io::{self, Read};
use std::path::Path;

use super::error::{RecordingError, display_name};
use super::frames::{Boundary, Frames, MAGIC};
use super::line::{Line, Meaning, Scanner};
use super::{Header, MAJOR, Version};
use crate::event::{Event, RequestId};
use crate::metrics::{IdHasher, RequestRecord};

/// What a recording is made of. Tokens, prefills and ends of requests are inside [`Entry::Request`].
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    Event(Event),
    Request(RequestRecord),
}

impl Entry {
    /// When it happened; a request: when it ended. Nanoseconds since the run's start.
    pub fn at_ns(&self) -> u64 {
        match self {
            Self::Event(event) => event.at_ns(),
            Self::Request(record) => record.finished_ns,
        }
    }
}

/// What is missing in a recording. All zero if it is whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// The file ends before the run does: within a frame or a line, or without the run's `ended` line.
    pub cut_off: bool,
    /// Frames that could not be read; each holds at most a second.
    pub damaged_frames: u64,
    /// Lines that could not be read.
    pub damaged_lines: u64,
    /// Lines of kinds that only a newer version knows.
    pub unknown_lines: u64,
    /// Bytes between frames that belong to none.
    pub skipped_bytes: u64,
    /// Requests that were sent and whose end is not in the file.
    pub unfinished_requests: u64,
}

impl Losses {
    /// Pieces that could not be read: frames, lines, and stretches of foreign bytes, which count as one.
    pub fn damaged_pieces(&self) -> u64 {
        self.damaged_frames + self.damaged_lines + u64::from(self.skipped_bytes > 0)
    }

    /// Something was lost through damage or a cut.
    pub fn any(&self) -> bool {
        self.cut_off || self.damaged_frames > 0 || self.damaged_lines > 0 || self.skipped_bytes > 0
    }
}

/// A recording being read.
pub struct Reader {
    name: String,
    header: Header,
    frames: Frames,
    scanner: Scanner,
    losses: Losses,
    open: HashSet<RequestId, BuildHasherDefault<IdHasher>>,
    ended: bool,
    done: bool,
}

/// Opens a recording, or standard input for `-`.
///
/// # Errors
/// If it can't be read, or is no recording that this version understands; the message says which.
pub fn open(path: &Path) -> Result<Reader, RecordingError> {
    let name = display_name(path);
    if path.as_os_str() == "-" {
        return from_reader(Box::new(io::stdin()), name);
    }
    match File::open(path) {
        Ok(file) => from_reader(Box::new(file), name),
        Err(source) => Err(RecordingError::Read { name, source }),
    }
}

/// Reads a recording from a stream; `name` is for messages.
///
/// # Errors
/// As [`open`].
pub fn from_reader(mut source: Box<dyn Read + Send>, name: String) -> Result<Reader, RecordingError> {
    let read = |source| RecordingError::Read { name: name.clone(), source };
    let head = read_head(&mut source).map_err(read)?;
    if head.is_empty() {
        return Err(RecordingError::Empty { name });
    }
    let compressed = head.starts_with(&MAGIC);
    if head.len() < MAGIC.len() && MAGIC.starts_with(&head) {
        return Err(RecordingError::CutInHeader { name });
    }
    if !compressed && head[0] != b'{' {
        return Err(RecordingError::NotARecording { name, why: "it is neither zstd nor JSON Lines" });
    }
    let mut frames = Frames::new(source, head).map_err(read)?;
    let line = frames.next_line().map_err(read)?.map(<[u8]>::to_vec);
    let losses = frames.losses();
    let Some(line) = line else {
        return Err(if losses.damaged_frames > 0 {
            RecordingError::BadHeader { name, why: "its frame can't be decompressed".into() }
        } else if losses.cut_off {
            RecordingError::CutInHeader { name }
        } else {
            RecordingError::NotARecording { name, why: "it is a zstd file without a line" }
        });
    };
    let header = match parse_header(&line, &name) {
        Ok(header) => header,
        Err(RecordingError::NotARecording { .. } | RecordingError::BadHeader { .. })
            if losses.damaged_frames > 0 =>
        {
            return Err(RecordingError::BadHeader { name, why: "its frame can't be decompressed".into() });
        }
        Err(error) => return Err(error),
    };
    let (losses, open) = (Losses::default(), HashSet::default());
    Ok(Reader { name, header, frames, scanner: Scanner::default(), losses, open, ended: false, done: false })
}

/// The first four bytes, fewer only if there are no more.
fn read_head(source: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    source.take(MAGIC.len() as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn parse_header(line: &[u8], name: &str) -> Result<Header, RecordingError> {
    /// The version alone, since a newer major may have changed all the rest.
    #[derive(serde::Deserialize)]
    struct Any {
        fastgen_recording: Option<Version>,
    }
    let name = name.to_owned();
    let Ok(any) = serde_json::from_slice::<Any>(line) else {
        // A file cut within an uncompressed first line is still recognised by how it begins.
        return Err(if line.starts_with(b"{\"fastgen_recording\"") {
            RecordingError::CutInHeader { name }
        } else {
            RecordingError::NotARecording { name, why: "its first line is no header" }
        });
    };
    let Some(version) = any.fastgen_recording else {
        return Err(RecordingError::NotARecording { name, why: "its first line has no `fastgen_recording`" });
    };
    if version.major > MAJOR {
        return Err(RecordingError::Newer { name, major: version.major, minor: version.minor });
    }
    let bad = |why: String| RecordingError::BadHeader { name: name.clone(), why };
    let header: Header = serde_json::from_slice(line).map_err(|e| bad(e.to_string()))?;
    if header.tick_ns == 0 {
        return Err(bad("its `tick_ns` is 0, and a unit of time can't be".into()));
    }
    Ok(header)
}

impl Reader {
    /// Line 1.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The recording's name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was lost; complete once the iterator has ended.
    pub fn losses(&self) -> Losses {
        let frames = self.frames.losses();
        Losses {
            cut_off: self.losses.cut_off || frames.cut_off || (self.done && !self.ended),
            damaged_frames: frames.damaged_frames,
            damaged_lines: self.losses.damaged_lines + frames.overlong_lines,
            unknown_lines: self.losses.unknown_lines,
            skipped_bytes: frames.skipped_bytes,
            unfinished_requests: self.open.len() as u64,
        }
    }

    /// Bytes of the file up to the end of its last whole frame, as far as it was read: what can be appended to.
    /// `None` for uncompressed lines.
    pub fn whole_bytes(&self) -> Option<u64> {
        self.frames.whole_bytes()
    }

    /// Where a reader that is [moved](Self::moved) there goes on with the next entry: where a frame begins behind all
    /// entries so far, or, in a frame so big that it is not read as a whole, a place in its text. `None` within any
    /// other frame. Lines without frames may be gone on with anywhere.
    pub fn boundary(&self) -> Option<Boundary> {
        self.frames.boundary()
    }

    /// Bytes of the file that have been dealt with.
    pub fn passed_bytes(&self) -> u64 {
        self.frames.passed_bytes()
    }

    /// A reader of the same recording that goes on at a [boundary](Self::boundary): `source` stands at its offset. Of
    /// losses it knows only those from there on. All text that is to be skipped is decompressed with the first entry.
    ///
    /// # Errors
    /// If there is no memory for a decoder.
    pub fn moved(&self, source: Box<dyn Read + Send>, skip: u64) -> io::Result<Self> {
        Ok(Self {
            name: self.name.clone(),
            header: self.header.clone(),
            frames: Frames::from_middle(source, self.frames.compressed(), skip)?,
            scanner: Scanner::default(),
            losses: Losses::default(),
            open: HashSet::default(),
            ended: false,
            done: false,
        })
    }

    /// The entry of a line, if it is one.
    fn entry(&mut self, line: Result<Line, bool>) -> Option<Entry> {
        let line = match line {
            Ok(line) => line,
            Err(true) => {
                self.losses.unknown_lines += 1;
                return None;
            }
            Err(false) => {
                let torn = self.frames.torn();
                self.losses.cut_off |= torn;
                self.losses.damaged_lines += u64::from(!torn);
                return None;
            }
        };
        let Some(meaning) = line.meaning(self.header.tick_ns) else {
            self.losses.damaged_lines += 1;
            return None;
        };
        Some(match meaning {
            Meaning::Request(record) => {
                self.open.remove(&record.request);
                Entry::Request(record)
            }
            Meaning::Event(event) => {
                match &event {
                    Event::Sent(sent) => _ = self.open.insert(sent.request),
                    Event::Ended { .. } => self.ended = true,
                    // What was in flight when the run broke off is void, and so is how it had ended.
                    Event::Resumed(_) => {
                        self.open.clear();
                        self.ended = false;
                    }
                    _ => {}
                }
                Entry::Event(event)
            }
        })
    }
}

impl Iterator for Reader {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        while !self.done {
            let line = match self.frames.next_line() {
                Ok(Some([])) => continue,
                Ok(Some(line)) => match self.scanner.line(line) {
                    Some(line) => Ok(line),
                    None => serde_json::from_slice(line).map_err(|_| is_unknown_kind(line)),
                },
                // A disk that can't be read further is a cut like any other.
                Ok(None) | Err(_) => {
                    self.done = true;
                    return None;
                }
            };
            if let Some(entry) = self.entry(line) {
                return Some(entry);
            }
        }
        None
    }
}

/// A line that is whole, but of a kind this version doesn't know: an intervention of such a kind, too.
fn is_unknown_kind(line: &[u8]) -> bool {
    const INTERVENTIONS: [&str; 11] = [
        "paused",
        "resumed",
        "suspended",
        "continued",
        "clients",
        "rate",
        "mark",
        "cancel",
        "next_stage",
        "stop",
        "abort",
    ];
    const KNOWN: [&str; 14] = [
        "sent",
        "req",
        "ready",
        "loading",
        "stage",
        "stage_end",
        "resumed",
        "phase",
        "sample",
        "log",
        "control",
        "intervened",
        "lost",
        "ended",
    ];
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line).is_ok_and(|map| {
        map.len() == 1
            && map.iter().all(|(key, value)| match key.as_str() {
                "control" | "intervened" => {
                    value["what"].as_str().is_some_and(|what| !INTERVENTIONS.contains(&what))
                }
                key => !KNOWN.contains(&key),
            })
    })
}
