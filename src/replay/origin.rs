//! Where a recording can be read from, again and again, from its beginning or from its middle.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::event::Event;
use crate::recording::{self, Entry, Reader, RecordingError};

/// Bytes at each end of a recording by which it is known again: the header, and the newest frames of a file that is
/// only ever appended to.
const KNOWN_BY: u64 = 64 << 10;
/// Bytes at the end in which the last time is looked for: several frames…
const TAIL: u64 = 1 << 20;
/// …and so much at most, where a frame is longer. One that is longer still was not made by this program.
const LONGEST_TAIL: u64 = 64 << 20;

/// A source of bytes that stands where it was asked to.
pub(super) type Source = Box<dyn Read + Send>;

/// A recording's bytes.
#[derive(Clone)]
pub(super) enum Origin {
    File(PathBuf),
    /// What came by standard input, or from something else that is read once.
    Bytes {
        name: String,
        bytes: Arc<[u8]>,
    },
}

impl Origin {
    /// A recording by its path; `-` is standard input. What is no file is read to its end.
    pub(super) fn of(path: &Path) -> Result<Self, RecordingError> {
        if path.as_os_str() != "-" && path.metadata().is_ok_and(|found| found.is_file() || found.is_dir()) {
            return Ok(Self::File(path.to_owned()));
        }
        let standard = path.as_os_str() == "-";
        let name = if standard { "standard input".to_owned() } else { path.display().to_string() };
        let mut bytes = Vec::new();
        let read = if standard {
            io::stdin().read_to_end(&mut bytes)
        } else {
            File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
        };
        match read {
            Ok(_) => Ok(Self::Bytes { name, bytes: bytes.into() }),
            Err(source) => Err(RecordingError::Read { name, source }),
        }
    }

    /// Reads from the beginning.
    pub(super) fn open(&self) -> Result<Reader, RecordingError> {
        match self {
            Self::File(path) => recording::open(path),
            Self::Bytes { name, bytes } => {
                recording::from_reader(Box::new(Cursor::new(Arc::clone(bytes))), name.clone())
            }
        }
    }

    /// Bytes from `offset` on.
    pub(super) fn source(&self, offset: u64) -> io::Result<Source> {
        Ok(match self {
            Self::File(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(offset))?;
                Box::new(file)
            }
            Self::Bytes { bytes, .. } => {
                let mut cursor = Cursor::new(Arc::clone(bytes));
                cursor.set_position(offset);
                Box::new(cursor)
            }
        })
    }

    /// Its bytes in all.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::File(path) => path.metadata().map_or(0, |found| found.len()),
            Self::Bytes { bytes, .. } => bytes.len() as u64,
        }
    }

    /// The file that an index of it is kept in, if it is a file.
    pub(super) fn sidecar(&self) -> Option<PathBuf> {
        let Self::File(path) = self else { return None };
        let mut name = path.file_name()?.to_owned();
        name.push(".index");
        Some(path.with_file_name(name))
    }

    /// What it is known by: the length, and a hash of both ends.
    pub(super) fn identity(&self) -> io::Result<(u64, [u8; 32])> {
        let length = self.length();
        let mut hash = Sha256::new();
        for offset in [0, length.saturating_sub(KNOWN_BY)] {
            let mut end = Vec::new();
            self.source(offset)?.take(KNOWN_BY).read_to_end(&mut end)?;
            hash.update(&end);
        }
        Ok((length, hash.finalize().into()))
    }

    /// The last time in it, as far as its end tells, without reading all of a long one; 0 if the end tells nothing, being
    /// in the middle of a huge frame.
    pub(super) fn last_ns(&self, like: &Reader) -> u64 {
        let mut tail = TAIL;
        while let Some(offset) = self.length().checked_sub(tail) {
            // A frame that has begun before can't be read: there is nothing then.
            let read = self.source(offset).and_then(|source| like.moved(source, 0));
            let last_ns = read.ok().and_then(|reader| reader.map(|entry| entry.at_ns()).max());
            if tail >= LONGEST_TAIL || last_ns.is_some() {
                return last_ns.unwrap_or(0);
            }
            tail *= 4;
        }
        self.open().map_or(0, |reader| reader.map(|entry| entry.at_ns()).max().unwrap_or(0))
    }

    /// When it begins to be worth looking: the backend is ready, or the first request is sent.
    pub(super) fn start_ns(&self) -> u64 {
        let Ok(reader) = self.open() else { return 0 };
        let ready = |entry: Entry| match entry {
            Entry::Event(event @ (Event::Ready { .. } | Event::Sent(_))) => Some(event.at_ns()),
            _ => None,
        };
        reader.take(10_000).find_map(ready).unwrap_or(0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::recording::tests::{record, run};

    #[test]
    fn the_last_time_is_found_in_a_frame_longer_than_the_usual_end() {
        let (bytes, live) = record(&run(7, 30));
        let mut text = zstd::decode_all(&bytes[..]).unwrap();
        let first = text.iter().position(|b| *b == b'\n').unwrap() + 1;
        // Words that can't be made shorter.
        let mut random = 1_u64;
        let mut noise = String::new();
        while noise.len() < 3 * TAIL as usize {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let _ = write!(noise, "{random:x}");
        }
        let words =
            format!("{{\"log\":{{\"t\":1,\"level\":\"info\",\"source\":\"s\",\"message\":\"{noise}\"}}}}\n");
        text.splice(first..first, words.into_bytes());
        let mut whole = zstd::encode_all(&text[..first], 1).unwrap();
        whole.extend(zstd::encode_all(&text[first..], 1).unwrap());
        assert!(whole.len() as u64 > TAIL + TAIL / 4, "{}", whole.len());
        for bytes in [whole, text] {
            let origin = Origin::Bytes { name: "r".into(), bytes: bytes.into() };
            assert_eq!(origin.last_ns(&origin.open().unwrap()), live.at_ns);
        }
    }
}
