//! What is asked and when: lengths, prompts as token ids, arrivals.
//!
//! Everything here is a pure function of the profile's seed: request number `i` is the same on any machine,
//! whichever client sends it and whatever was sent before it. So nothing here uses the platform's own
//! mathematics (`libm` is compiled in), and every request has a generator of its own.

mod arrivals;
mod generator;
mod length;
mod pace;
mod random;

pub use arrivals::{Timetable, start_delay};
pub use generator::{Generator, Planned, Stream, Target, WorkloadError, check_context};
pub use random::Random;
