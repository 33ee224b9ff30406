//! The load: simulated clients, and the driver that takes a run through its phases.
//!
//! [`Driver::run`] goes through the stages one after another. Each client is a tokio task that asks its
//! [`turns::Turns`] when to send what, hands the request to the backend, stamps every chunk as it comes and
//! hands the stamp on; nothing else happens on the measured path. All tasks run on one thread of their own,
//! so that what the client costs can be told apart from what the engine costs.

mod client;
mod control;
mod driver;
mod launch;
mod pulse;
mod turns;

pub use control::{Controls, StopLevel, Wish};
pub use driver::{Driver, StageRun};
pub use launch::{Launch, Run, RunOutcome};
pub use pulse::Pulse;
