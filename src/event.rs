//! The one vocabulary: a live run, a recording and a replay are streams of [`Event`].
//!
//! Everything that figures and screens are made of is in here; nothing else crosses from the load to its
//! observers. Times are nanoseconds since the run's start on its monotonic clock (see [`crate::clock`]).

mod open;
mod sample;
mod stages;

use serde::{Deserialize, Serialize};

pub use open::OpenLoop;
pub use sample::*;
pub use stages::*;

/// A request's number, unique within a run, counted from 0 in the order of sending.
pub type RequestId = u64;
/// A simulated client's number within its stage, from 0. In an open loop, which has no clients: the place that a
/// request takes while it is in flight, always the lowest that is free.
pub type ClientId = u32;
/// A stage's number within the run, from 0. A run without a sweep has one stage.
pub type StageId = u32;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The backend is being made ready. `fraction` is 0..=1 where it is known.
    Loading { at_ns: u64, step: Box<str>, fraction: Option<f32> },
    /// The backend is ready; what it says of itself.
    Ready { at_ns: u64, info: Box<BackendInfo> },
    /// A stage (one cell of a sweep, or the whole run) begins.
    Stage(Box<StageStart>),
    /// A stage is over, or was passed over; how.
    StageEnd(Box<StageEnd>),
    /// An interrupted recording goes on from here. What the stage under way then had done is void: it begins anew.
    Resumed(Box<Resumed>),
    /// The stage entered a phase.
    Phase { at_ns: u64, stage: StageId, phase: Phase },
    /// A request was handed to the backend.
    Sent(Sent),
    /// The backend began to work on a request's prompt. Sent only by backends that can tell; may arrive
    /// late (`at_ns` lies in the past), but before the request's first token.
    Prefill { at_ns: u64, request: RequestId },
    /// A chunk of `tokens ≥ 1` tokens reached the client.
    Token { at_ns: u64, request: RequestId, tokens: u32 },
    /// The end of a request was seen.
    Finished(Box<Finished>),
    /// Host, GPU, engine and client readings, once a second.
    Sample(Box<Sample>),
    /// A message of the program, the engine or a library.
    Log(Box<LogLine>),
    /// Somebody intervened: a mark on every time axis.
    Control { at_ns: u64, control: Control },
    /// Events that the pipe had no room for, since the last such event. Makes the run tainted.
    Lost { at_ns: u64, events: u64 },
    /// The run is over.
    Ended { at_ns: u64, how: Ended },
}

impl Event {
    /// When it happened, in nanoseconds since the run's start.
    pub fn at_ns(&self) -> u64 {
        match self {
            Self::Loading { at_ns, .. }
            | Self::Ready { at_ns, .. }
            | Self::Phase { at_ns, .. }
            | Self::Prefill { at_ns, .. }
            | Self::Token { at_ns, .. }
            | Self::Control { at_ns, .. }
            | Self::Lost { at_ns, .. }
            | Self::Ended { at_ns, .. } => *at_ns,
            Self::Stage(s) => s.at_ns,
            Self::StageEnd(s) => s.at_ns,
            Self::Resumed(r) => r.at_ns,
            Self::Sent(s) => s.at_ns,
            Self::Finished(f) => f.at_ns,
            Self::Sample(s) => s.at_ns,
            Self::Log(l) => l.at_ns,
        }
    }
}

/// What a backend says of itself once it is ready.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackendInfo {
    /// `mistralrs`, `sim`, `openai`.
    pub kind: String,
    /// The engine's version, e.g. `0.8.1`.
    pub version: String,
    /// The device it runs on, e.g. `cpu`, `cuda:0`.
    pub device: String,
    /// The model's name.
    pub model: String,
    /// The weights' type, e.g. `Q8_0`.
    pub quantization: String,
    /// SHA-256 of the model file in hexadecimal, where there is one file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<String>,
    /// The longest sequence (prompt and output) the model takes, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u32>,
    /// Compute threads of the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// Most sequences it runs at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_batch: Option<u32>,
    /// Engines behind the dispatcher.
    pub replicas: u32,
    /// Scheduler, attention and cache, in words: e.g. `default scheduler, no prefix cache`.
    pub notes: Vec<String>,
    /// Seconds it took to be ready.
    pub load_s: f64,
}

impl BackendInfo {
    /// Kind, version and device, as far as there are any: `mistralrs 0.8.1 on cpu`. An imported recording tells neither
    /// version nor device, and the simulated engine runs on none.
    pub fn engine_name(&self) -> String {
        let device = Some(&self.device).filter(|device| !["", "none"].contains(&device.as_str()));
        let device = device.map_or_else(String::new, |device| format!(" on {device}"));
        format!("{} {}{device}", self.kind, self.version).trim_end().to_owned()
    }

    /// Another tool's figures, and not a run of this program: its engine tells neither version nor device.
    pub fn is_imported(&self) -> bool {
        !self.kind.is_empty() && self.version.is_empty() && self.device.is_empty()
    }

    /// The model, and its weights' type where it is known and there are weights: `tiny Q8_0`.
    pub fn model_name(&self) -> String {
        match self.quantization.as_str() {
            "" | "none" | "unknown" => self.model.clone(),
            known => format!("{} {known}", self.model).trim_start().to_owned(),
        }
    }
}

/// Where a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The backend is being made ready.
    Loading,
    /// Clients send their warm-up requests and meet at the barrier.
    Warmup,
    /// All clients are past the barrier: this is what counts.
    Measuring,
    /// The stop condition was met; requests in flight are finished or cancelled.
    Draining,
    /// Nothing is in flight any more.
    Done,
}

/// A request was handed to the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// `sent`: when it was handed to the backend.
    pub at_ns: u64,
    /// `scheduled`: when it was meant to be sent.
    pub scheduled_ns: u64,
    pub request: RequestId,
    pub client: ClientId,
    pub stage: StageId,
    /// Tokens in the prompt.
    pub prompt_tokens: u32,
    /// Output tokens asked for.
    pub max_tokens: u32,
    /// A warm-up request: it enters no figure.
    pub warmup: bool,
}

/// The end of a request was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// `finished`: when the end was seen.
    pub at_ns: u64,
    pub request: RequestId,
    pub outcome: Outcome,
    /// Tokens generated, exactly. Where it differs from the sum over chunks, this is the truth.
    pub output_tokens: u32,
    /// Who counted the output tokens.
    pub counted_by: CountedBy,
    /// Tokens in the prompt as the server counted them, where it told. Where that differs from what was sent,
    /// this is the truth.
    pub prompt_tokens: Option<u32>,
    /// What went wrong, one line.
    pub error: Option<Box<str>>,
    /// Generated text, where the backend gives it.
    pub text: Option<Box<str>>,
    /// The server's HTTP status, where it refused the request.
    pub status: Option<u16>,
    /// How often it was sent again; `sent` is the first time, so its latencies hold all of them.
    pub retries: u32,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Completed,
    Cancelled,
    #[serde(rename = "timed_out_connect")]
    TimedOutConnect,
    #[serde(rename = "timed_out_ttft")]
    TimedOutTtft,
    #[serde(rename = "timed_out_idle")]
    TimedOutIdle,
    #[serde(rename = "timed_out_total")]
    TimedOutTotal,
    #[serde(rename = "failed_connect")]
    FailedConnect,
    #[serde(rename = "failed_http")]
    FailedHttp,
    #[serde(rename = "failed_protocol")]
    FailedProtocol,
    #[serde(rename = "failed_engine")]
    FailedEngine,
    #[serde(rename = "failed_overload")]
    FailedOverload,
}

impl Outcome {
    /// The name used in files and on screens, e.g. `failed_engine`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::TimedOutConnect => "timed_out_connect",
            Self::TimedOutTtft => "timed_out_ttft",
            Self::TimedOutIdle => "timed_out_idle",
            Self::TimedOutTotal => "timed_out_total",
            Self::FailedConnect => "failed_connect",
            Self::FailedHttp => "failed_http",
            Self::FailedProtocol => "failed_protocol",
            Self::FailedEngine => "failed_engine",
            Self::FailedOverload => "failed_overload",
        }
    }

    /// A time-out of any kind.
    pub fn is_timeout(self) -> bool {
        matches!(self, Self::TimedOutConnect | Self::TimedOutTtft | Self::TimedOutIdle | Self::TimedOutTotal)
    }

    /// A failure of any kind; time-outs and cancellations are not failures.
    pub fn is_failure(self) -> bool {
        !self.is_timeout() && !matches!(self, Self::Completed | Self::Cancelled)
    }
}

/// Who counted a request's output tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountedBy {
    /// The engine itself, token by token.
    #[default]
    Engine,
    /// A server's `usage`.
    Usage,
    /// The model's tokenizer, over the text.
    Tokenizer,
    /// Chunks, each taken for one token.
    Chunks,
}

impl CountedBy {
    /// The name used in files and on screens, e.g. `usage`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Usage => "usage",
            Self::Tokenizer => "tokenizer",
            Self::Chunks => "chunks",
        }
    }
}

/// A message for the Log screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    #[serde(rename = "t")]
    pub at_ns: u64,
    pub level: Level,
    /// Who said it: `fastgen`, `engine`, `stdout`, `stderr`.
    pub source: String,
    pub message: String,
}

/// How grave a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// An intervention, by key or by signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Control {
    /// The load was paused: clients finish what they have and start nothing; an open loop's timetable stands still.
    Paused,
    Resumed,
    /// The number of clients was set.
    Clients {
        clients: u32,
    },
    /// The rate of an open loop was set, requests a second.
    Rate {
        rate: f64,
    },
    /// From here on the whole process stood still: a shell, or somebody by a signal, had stopped it.
    Suspended,
    /// It goes on.
    Continued,
    /// A mark with a note.
    Mark {
        note: String,
    },
    /// A request in flight was taken back.
    Cancel {
        request: RequestId,
    },
    /// This stage was asked to end and the next one to begin; requests in flight are drained.
    NextStage {
        stage: StageId,
    },
    /// The run was asked to end; requests in flight are drained.
    Stop,
    /// The run was asked to end at once; requests in flight are cancelled.
    Abort,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ended {
    /// Its stop condition was met.
    Complete,
    /// Somebody ended it (a key, Ctrl-C, SIGTERM).
    Interrupted,
    /// It could not go on; why, in one line.
    Failed { reason: String },
}
