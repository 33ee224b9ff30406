//! Profiles: what to run, as TOML. The schema is in [`schema`]; this room reads, layers and checks them.
//!
//! Layers, later wins: bundled < the user's own (in the config folder) < a named file < `--set` flags.
//! [`resolve`] is the door: texts become [`tree`]s, the trees are merged, the whole is read into a
//! [`Profile`] and checked, and whatever is wrong is shown where it was written.

mod backend;
mod check;
mod check_launch;
mod check_openai;
mod connect;
mod contenders;
mod de;
mod error;
mod estimate;
mod layers;
mod open;
mod openai;
mod read;
mod schema;
mod stages;
mod sweep;
mod tree;
pub mod values;

#[cfg(test)]
mod tests;

pub use backend::*;
pub use check::{DEVICES, DUMMY_QUANTIZATIONS, IN_SITU_QUANTIZATIONS};
pub use check_launch::names_a_secret;
pub use connect::*;
pub use error::{Located, ProfileError};
pub use estimate::{ASSUMED_TOKENS_PER_S, Estimate};
pub use layers::{BUNDLED, Listed, Resolved, list, resolve, resolve_in};
pub use open::{MOST_RATE, Open, Ramp, USUAL_MAX_IN_FLIGHT};
pub use openai::*;
pub use read::SLA_KEYS;
pub use schema::*;
pub use stages::StagePlan;
pub use sweep::{MOST_CELLS, SWEEP_KEYS};
