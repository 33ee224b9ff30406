//! From events to figures. Pure and synchronous: no clock, no tokio, no screen.
//!
//! [`Aggregator`] takes every [`crate::event::Event`] of a run, a recording or a replay, in any of the three
//! alike, and gives a [`Snapshot`] whose cost does not grow with the run. Exact percentiles from recordings
//! are made in [`crate::report`]; the live ones here come from histograms of three significant digits.
//!
//! | file | what it keeps |
//! |---|---|
//! | `tracker` | requests in flight, until they become a [`RequestRecord`] |
//! | `distribution`, `steps` | one latency figure: histogram, exact mean and extremes |
//! | `seconds` | the last whole seconds: series, rates, peaks |
//! | `errors` | what went wrong, by kind |
//! | `fates` | how stages ended |
//! | `lanes` | what each client did lately |
//! | `tables` | the last and the slowest requests, log lines |
//! | `interventions`, `spans` | what parts a stage into spans; the last spans' own figures |
//! | `standstill` | when the whole process stood still |
//! | `latencies` | the seven latency figures of a stage |
//! | `limit` | the client's limit, and whether an open loop falls behind |
//! | `definitions`, `by_tool` | the same under other tools' definitions |
//! | `heat` | latencies over time |
//! | `curve` | one point a stage: throughput, latency, and how many requests were fast enough |
//! | `fastgen` | DeepSpeed-FastGen's figures, and its SLA for any rate |
//! | `aggregator`, `view` | the whole: takes events; gives snapshots |
//! | `pack` | the whole as bytes, and back |

mod aggregator;
mod by_tool;
mod curve;
mod definitions;
mod distribution;
mod errors;
pub mod fastgen;
mod fates;
mod hash;
mod heat;
pub mod interventions;
mod lanes;
mod latencies;
mod limit;
pub(crate) mod pack;
mod record;
mod seconds;
mod snapshot;
mod spans;
mod standstill;
mod steps;
mod tables;
mod tracker;
mod view;

pub use aggregator::Aggregator;
pub use by_tool::{Told, ToolFigures};
pub use curve::{CurveSla, CurveView, Limit, StagePoint};
pub use definitions::{Definitions, Over, Value};
pub use errors::{ErrorCount, ErrorKind, Errors, count_error};
pub(crate) use hash::IdHasher;
pub use heat::{
    BUCKETS, Bins, FINEST_NS, Heat, HeatColumn, HeatFigure, HeatMaps, bucket_of, bucket_start_ns,
};
pub use limit::{
    BACKLOG_DEVIATIONS, BACKLOG_SHARE, ClientLimit, ClientLimits, ClientThreads, backlog_grows, falls_behind,
};
pub(crate) use pack::Pack;
pub use record::RequestRecord;
pub use snapshot::*;
pub use standstill::Standstills;
pub use tables::MAX_CONTROLS;
pub(crate) use tables::shorten;

/// A client whose p99 send lag is over this (nanoseconds) is degraded: its figures are in doubt.
pub const DEGRADED_SEND_LAG_NS: u64 = 10_000_000;
/// A client whose event loop was late by more than this (nanoseconds) is degraded.
pub const DEGRADED_LOOP_LAG_NS: u64 = 100_000_000;
