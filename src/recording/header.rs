//! Line 1 of a recording: what is needed to understand it and to repeat the run.

use serde::{Deserialize, Serialize};

use super::Calibration;
use crate::metrics::{ClientLimits, ClientThreads};

/// The format's major version: a reader refuses what is newer.
pub const MAJOR: u32 = 1;
/// The format's minor version: a reader takes newer ones and skips what it doesn't know.
pub const MINOR: u32 = 5;

/// The first minor version whose headers tell of a calibration, if there was one.
pub const CALIBRATED_SINCE: u32 = 2;

/// The format and its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

/// Line 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    pub fastgen_recording: Version,
    /// Nanoseconds in a unit of time of all following lines.
    pub tick_ns: u64,
    /// The whole profile after layering, as TOML's structure.
    pub profile: serde_json::Value,
    pub seed: u64,
    pub host: Host,
    /// The backend's kind and version; more follows in the `ready` line once it is loaded.
    pub engine: Engine,
    /// RFC 3339.
    pub started_at: jiff::Timestamp,
    /// Version of fastgen-tui, and its build's features and CPU features.
    pub program: Program,
    /// The command line, as given.
    pub command: Vec<String>,
    /// What the client can measure there; `None` if nobody had found out, and in recordings before minor version
    /// [`CALIBRATED_SINCE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

impl Header {
    /// The header of a recording in this version of the format that tells no more than its unit of time, its profile and
    /// when it started.
    pub fn new(tick_ns: u64, profile: serde_json::Value, started_at: jiff::Timestamp) -> Self {
        Self {
            fastgen_recording: Version { major: MAJOR, minor: MINOR },
            tick_ns,
            profile,
            seed: 0,
            host: Host::default(),
            engine: Engine::default(),
            started_at,
            program: Program::default(),
            command: Vec::new(),
            calibration: None,
        }
    }

    /// Threads of clients that the profile asks for, and those that each backend of its sweep asks for.
    pub fn client_threads(&self) -> ClientThreads {
        let of = |backend: Option<&serde_json::Value>| {
            let asked = backend.and_then(|backend| backend.get("client_threads")?.as_u64());
            asked.and_then(|n| u32::try_from(n).ok()).unwrap_or(1).max(1)
        };
        let contenders = self.profile.pointer("/sweep/backend").and_then(serde_json::Value::as_array);
        let named = |contender: &serde_json::Value| {
            let backend = contender.get("backend")?;
            Some((contender.get("name")?.as_str()?.to_owned(), of(Some(backend))))
        };
        ClientThreads {
            usual: of(self.profile.get("backend")),
            by_backend: contenders.into_iter().flatten().filter_map(named).collect(),
        }
    }

    /// What the client can measure there in the run's stages, if anybody had found out.
    pub fn client_limits(&self) -> Option<ClientLimits> {
        let calibration = self.calibration.filter(Calibration::is_sane)?;
        Some(ClientLimits { of_one: calibration.limit(), threads: self.client_threads() })
    }
}

/// Where it ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    pub name: String,
    pub os: String,
    pub kernel: String,
    pub cpu: String,
    pub cores: u32,
    pub memory_bytes: u64,
    pub gpus: Vec<String>,
}

/// What served.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Engine {
    pub kind: String,
    pub version: String,
}

/// What recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Program {
    pub version: String,
    pub features: Vec<String>,
    pub target: String,
    pub target_features: String,
}
