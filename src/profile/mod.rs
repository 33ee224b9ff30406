//! Profiles: what to run, as TOML. The schema is in [`schema`]; this room reads, layers and checks them.
//!
//! Layers, later wins: bundled < the user's own (in the config folder) < a named file < `--set` flags.

mod schema;
pub mod values;

pub use schema::*;
