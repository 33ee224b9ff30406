//! A recording that was interrupted, opened to be gone on with.
//!
//! What is there is never rewritten. Only bytes behind the last whole frame are cut off: a frame that a crash left
//! half written, of which nothing could be checked.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use super::error::RecordingError;
use super::{Header, Writer};

/// The file, held so that no other run writes to it.
#[derive(Debug)]
pub struct Reopened {
    file: File,
    path: PathBuf,
}

impl Reopened {
    /// Opens a recording for appending, and locks it.
    ///
    /// # Errors
    /// If it isn't there, can't be written, or is held by another run.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let name = || path.display().to_string();
        if path.as_os_str() == "-" {
            let why = "standard input can't be appended to; give the file's name".into();
            return Err(RecordingError::NotResumable { name: "standard input".into(), why });
        }
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(|error| RecordingError::NotResumable { name: name(), why: error.to_string() })?;
        match file.try_lock() {
            // Some network file systems know no locks.
            Ok(()) | Err(fs::TryLockError::Error(_)) => Ok(Self { file, path: path.to_owned() }),
            Err(fs::TryLockError::WouldBlock) => Err(RecordingError::InUse { path: path.to_owned() }),
        }
    }

    /// Cuts off what is behind `whole_bytes` (see [`super::Reader::whole_bytes`]), and goes on writing there.
    ///
    /// # Errors
    /// If the file can't be cut.
    pub fn go_on(self, whole_bytes: u64, header: &Header, keep_text: bool) -> Result<Writer, RecordingError> {
        let Self { file, path } = self;
        let cut = file
            .metadata()
            .and_then(|found| if found.len() > whole_bytes { file.set_len(whole_bytes) } else { Ok(()) });
        match cut {
            Ok(()) => Writer::behind(file, path, whole_bytes, header, keep_text),
            Err(error) => Err(RecordingError::NotResumable {
                name: path.display().to_string(),
                why: format!("its torn end can't be cut off: {error}"),
            }),
        }
    }
}
