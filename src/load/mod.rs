//! The load: simulated clients, and the driver that takes a run through its phases.
//!
//! `sweep` goes through the stages one after another, with an engine from `engines` for each; [`Driver::stage`]
//! runs one. Each client is a tokio task that asks its
//! [`turns::Turns`] when to send what, hands the request to the backend, stamps every chunk as it comes and
//! hands the stamp on; nothing else happens on the measured path. In an open loop, `open`
//! keeps to the timetable instead, with a task for each request. All tasks run on one thread of their own, or
//! on as many as the profile asks for (`threads`), so that what the client costs can be told apart from what the engine costs.

mod alarm;
mod client;
mod control;
mod count;
mod driver;
mod engines;
mod flat;
mod follow;
mod launch;
mod open;
mod pulse;
mod readings;
mod resume;
mod slots;
mod sweep;
mod tally;
mod threads;
mod turns;

pub use control::{Controls, StopLevel, Wish};
pub use driver::{Driver, StageResult, StageRun};
pub use launch::{Launch, Run, RunOutcome};
pub use pulse::Pulse;
pub use resume::{Done, Earlier};
pub use threads::Loops;
