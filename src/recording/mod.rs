//! Recordings: JSON Lines in zstd frames, appended, readable up to any damage.
//!
//! The format is described in `docs/recording-format.md`.
//!
//! | file | what it does |
//! |---|---|
//! | `header` | line 1 |
//! | `calibration` | what the client can measure on that machine, for the header |
//! | `line` | every other line: what it looks like, and to and from [`crate::event::Event`] |
//! | `sample` | readings, rounded |
//! | `writer` | lines into frames, frames into a file; survives a full disk |
//! | `append` | an interrupted file, to be gone on with |
//! | `frames` | a file back into lines, around any damage |
//! | `reader` | lines back into entries, with a count of what was lost |
//! | `scrub` | takes credentials out of what is written |

mod append;
mod calibration;
mod error;
mod frames;
mod header;
mod line;
mod reader;
mod sample;
mod scrub;
mod writer;

pub use append::Reopened;
pub use calibration::Calibration;
pub use error::RecordingError;
pub use frames::Boundary;
pub use header::*;
pub use reader::{Entry, Losses, Reader, from_reader, open};
pub use writer::{Writer, Written};

#[cfg(test)]
pub(crate) mod tests;
