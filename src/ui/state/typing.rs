//! What the line for commands remembers, and what the clients' lanes do of the time that they show.

/// The open line for commands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Palette {
    pub text: String,
    /// Row of the list below it.
    pub selected: usize,
    /// Which line of the history it shows, counted from the newest.
    pub back: Option<usize>,
    /// Why the last line was not carried out.
    pub said: Option<String>,
}

/// The stretch of time on the clients' lanes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LanesState {
    /// Where it ends, nanoseconds since the run's start; `None` follows the newest.
    pub to_ns: Option<u64>,
    /// Its length in the last frame, nanoseconds.
    pub span_ns: u64,
}
