//! The real binary in a real pseudo-terminal: what a user does and what the user then sees.

#![allow(clippy::disallowed_methods, reason = "tests wait for other processes, whose times are not measured")]

mod harness;
mod lifecycle;
mod palette;
mod screens;
