//! DeepSpeed-FastGen's own analyses of a recording, beside the modern figures.
//!
//! [`analyse`] makes the [`FastgenReport`] of a stage. [`curves`], [`replica_scale`] and [`tp_sizes`] arrange
//! the stages of reports as its plots do: pure data, for charts and screens to draw. What needs no more than
//! requests (means, validators, the types of a curve) is in [`crate::metrics::fastgen`] and handed on here.
//! `docs/measurement.md` has the definitions.

mod analyse;
mod curves;
mod figures;
mod flops;
mod percentiles;
mod scaling;
mod setting;
mod sla;
mod tables;

pub use analyse::analyse;
pub use curves::{curves, references};
pub use figures::{FastgenReport, FastgenSla, PerValidator, Rates, Skips};
pub use flops::{nominal_parameters, parameters};
pub use percentiles::{Percentiles, token_latencies};
pub use scaling::{ScalePoint, Scaling, TpPoint, TpSize, replica_scale, tp_sizes};
pub use setting::Setting;
pub(super) use tables::tables;

pub use crate::metrics::fastgen::{
    Curve, Effective, Figures, Judge, Pace, Point, Source, Tally, Target, Timeline, Validator,
};

#[cfg(test)]
mod golden_test;
