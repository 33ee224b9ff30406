//! DeepSpeed-FastGen's own figures, request by request, so that a live run and a report share them.
//!
//! After the scripts of `benchmarks/inference/mii/src` in DeepSpeedExamples; `docs/measurement.md` has the
//! definitions. `report::fastgen` makes whole reports of them.
//!
//! | file | what it holds |
//! |---|---|
//! | `timeline` | [`Timeline`]: what the figures need to know of a request |
//! | `pace` | [`Pace`]: the slowest that a request ever was, which answers every SLA rate at once |
//! | `tally` | [`Tally`]: takes requests, gives means and the [`Judge`] of a stage |
//! | `curve` | [`Curve`], [`Point`]: throughput against latency, one point a stage |

mod curve;
mod pace;
mod tally;
mod timeline;

pub use curve::{Curve, Effective, Point, Source};
pub use pace::{Pace, Target, Validator};
pub use tally::{Figures, Judge, Tally};
pub use timeline::Timeline;
