//! Why a recording can't be written or read, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong with a recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("{} exists already; choose another name with -o, or remove it first", path.display())]
    Exists { path: PathBuf },
    #[error("{} is being written by another run", path.display())]
    InUse { path: PathBuf },
    #[error("can't create the recording {}: {source}; choose another place with -o", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("{name} can't be gone on with: {why}")]
    NotResumable { name: String, why: String },
    #[error(
        "the recording {name} is not complete: {reason} ({unwritten} events were not written); \
         what was written before can still be read"
    )]
    Write { name: String, reason: String, unwritten: u64 },
    #[error("the header of the recording can't be written as JSON: {0}")]
    Header(serde_json::Error),
    #[error("can't read the recording {name}: {source}")]
    Read { name: String, source: io::Error },
    #[error("{name} is empty: the run that should have written it never began, or the disk was full")]
    Empty { name: String },
    #[error("{name} is not a recording of fastgen-tui: {why}")]
    NotARecording { name: String, why: &'static str },
    #[error("{name} is cut off within its first line: nothing of the recording is left")]
    CutInHeader { name: String },
    #[error("the first line of {name} is damaged ({why}): without it the rest can't be understood")]
    BadHeader { name: String, why: String },
    #[error(
        "{name} was written in format {major}.{minor}, and this fastgen-tui reads up to {}.x; \
         upgrade fastgen-tui to read it",
        super::MAJOR
    )]
    Newer { name: String, major: u32, minor: u32 },
}

/// The name of a recording for messages.
pub(super) fn display_name(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".into() } else { path.display().to_string() }
}
