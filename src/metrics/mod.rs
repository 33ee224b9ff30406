//! From events to figures. Pure and synchronous: no clock, no tokio, no screen.
//!
//! [`Aggregator`] takes every [`crate::event::Event`] of a run, a recording or a replay, in any of the three
//! alike, and gives a [`Snapshot`] whose cost does not grow with the run. Exact percentiles from recordings
//! are made in [`crate::report`]; the live ones here come from histograms of three significant digits.

mod record;
mod snapshot;

pub use record::RequestRecord;
pub use snapshot::*;
