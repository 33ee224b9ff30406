//! The stages of a run: how one begins and ends, and where an interrupted run goes on.

use serde::{Deserialize, Serialize};

use super::{OpenLoop, StageId};

/// A stage begins: what it is and what it asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageStart {
    #[serde(rename = "t")]
    pub at_ns: u64,
    pub stage: StageId,
    /// A short name, e.g. `clients=8`; `main` for a run without a sweep.
    pub name: String,
    /// The sweep's values in this cell, key → value, in the profile's order.
    #[serde(default)]
    pub sweep: Vec<(String, serde_json::Value)>,
    /// Clients of a closed loop; `None` for an open one.
    pub clients: Option<u32>,
    /// How requests arrive in an open loop; `None` for a closed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenLoop>,
    /// Measured requests asked for, where the stage stops by count.
    pub planned_requests: Option<u64>,
    /// Time the measured part may take, where the stage stops by time, in nanoseconds.
    pub planned_ns: Option<u64>,
}

impl StageStart {
    /// A closed loop of so many clients that begins with the run and asks for no end.
    pub fn closed(stage: StageId, name: impl Into<String>, clients: u32) -> Self {
        Self {
            at_ns: 0,
            stage,
            name: name.into(),
            sweep: Vec::new(),
            clients: Some(clients),
            open: None,
            planned_requests: None,
            planned_ns: None,
        }
    }
}

/// A stage is over. It says again what stage it was, for one that failed before it began has nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageEnd {
    #[serde(rename = "t")]
    pub at_ns: u64,
    pub stage: StageId,
    pub name: String,
    #[serde(default)]
    pub sweep: Vec<(String, serde_json::Value)>,
    pub clients: Option<u32>,
    #[serde(flatten)]
    pub how: StageOutcome,
}

/// How a stage ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum StageOutcome {
    /// Its stop condition was met.
    Complete,
    /// Somebody ended the run in it.
    Interrupted,
    /// The engine did not load or died, or none of its requests completed; why, in one line.
    Failed { reason: String },
    /// It was not run, and why it did not need to be.
    Skipped { reason: String },
}

impl StageOutcome {
    /// The stage needs no further run: resuming goes on behind it. What failed is run again, for a server that was down may
    /// be up by then.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Complete | Self::Skipped { .. })
    }

    /// The name used in files, e.g. `skipped`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
        }
    }

    /// Why, where it was not simply completed.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Failed { reason } | Self::Skipped { reason } => Some(reason),
            Self::Complete | Self::Interrupted => None,
        }
    }
}

/// A recording goes on: by which program, where and when. Its times go on where they had stopped, so the wall time
/// of what follows counts from here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resumed {
    #[serde(rename = "t")]
    pub at_ns: u64,
    /// Wall time of `at_ns`, RFC 3339.
    pub resumed_at: String,
    /// Version of fastgen-tui.
    pub version: String,
    /// The host's name.
    pub host: String,
    /// The command line, as given.
    pub command: Vec<String>,
}
