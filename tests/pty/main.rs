//! The real binary in a real pseudo-terminal: what a user does and what the user then sees.

mod harness;
mod lifecycle;
mod screens;
