//! Loads of made-up runs.

use super::Random;
use crate::event::OpenLoop;

/// An open loop of two requests in flight, a third of the time.
pub(super) fn open(r: &mut Random) -> Option<OpenLoop> {
    (r.below(3) == 0).then(|| OpenLoop {
        kind: "ramp".into(),
        rate: 8.5,
        burstiness: None,
        ramp_from: Some(0.5),
        ramp_ns: Some(super::TICK * r.below(10_000_000)),
        max_in_flight: 2,
        warmup_clients: 3,
    })
}
