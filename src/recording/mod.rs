//! Recordings: JSON Lines in zstd frames, appended, readable up to any damage.
//!
//! The format is described in `docs/recording-format.md`.

mod header;

pub use header::*;
