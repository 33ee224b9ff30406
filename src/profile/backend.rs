//! The schema of `[backend]`: which engine serves, and how it is set up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::connect::{ConnectionUse, Dispatch, HttpVersion, StampedBy, UsageIn};
use super::openai::{Dialect, Endpoint, Launch, PromptAs};
use super::values::{duration, is_default, is_true};

/// Which backend serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// The embedded engine.
    Mistralrs,
    /// A server over HTTP.
    Openai,
    /// A model of an engine: known timing, no weights.
    Sim,
    /// Another tool's results: stands in recordings that were imported, and can't be run.
    Imported,
}

/// `[backend]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backend {
    pub kind: BackendKind,
    /// `auto`, `cpu`, `cuda:N`, `metal`.
    pub device: String,
    /// Most sequences the engine runs at once.
    pub max_batch: u32,
    /// Engines side by side, requests to the least loaded.
    pub replicas: u32,
    pub tensor_parallel: u32,
    /// Compute threads of the engine: a number or `"auto"`.
    pub threads: Threads,
    /// Keep the KV cache of prompts for later requests with the same prefix.
    pub prefix_cache: bool,
    /// PagedAttention where the device has it.
    pub paged_attention: bool,
    /// Base URLs of OpenAI-compatible servers, for `kind = "openai"`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// The server's endpoint that is measured.
    #[serde(skip_serializing_if = "is_default")]
    pub endpoint: Endpoint,
    /// The model's name at the server; default: the first that it lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The server's way of speaking the protocol.
    #[serde(skip_serializing_if = "is_default")]
    pub dialect: Dialect,
    /// Ask for a stream. Without one nothing is known of single tokens.
    #[serde(skip_serializing_if = "is_true")]
    pub stream: bool,
    /// The model's `tokenizer.json`: makes prompt texts of a known count, and counts outputs where the server doesn't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<PathBuf>,
    /// The environment variable that holds the server's key. The key itself never stands in a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// The file that holds the server's key and nothing else, in place of `api_key_env`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// The HTTP that is spoken with servers: `"1.1"` or `"2"`.
    #[serde(skip_serializing_if = "is_default")]
    pub http: HttpVersion,
    /// Connections to each server, with `http = "2"`; default: one, and more once the server takes no more streams
    /// on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// Which of several servers gets a request.
    #[serde(skip_serializing_if = "is_default")]
    pub dispatch: Dispatch,
    /// Whether a connection carries more than one request.
    #[serde(skip_serializing_if = "is_default")]
    pub connection: ConnectionUse,
    /// Certificates (PEM) that are trusted beside the system's, for `https://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Check that an `https://` server is who it says. `false` is for test servers only.
    #[serde(skip_serializing_if = "is_true")]
    pub tls_verify: bool,
    /// Headers of every request to the server, e.g. for a gateway. The key goes into `api_key_env`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// More keys of every request's JSON body, e.g. `top_p = 0.9`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub body: BTreeMap<String, serde_json::Value>,
    /// Prompts as token ids or as text; a chat's are always text.
    #[serde(skip_serializing_if = "is_default")]
    pub prompt_as: PromptAs,
    /// Token ids of prompts to a server are below this; default 32000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<u32>,
    /// What a token's time is: when its bytes reached this machine, or when they were read.
    #[serde(skip_serializing_if = "is_default")]
    pub stamp: StampedBy,
    /// In which events of a stream a server that can is asked to count.
    #[serde(skip_serializing_if = "is_default")]
    pub usage: UsageIn,
    /// Threads of the HTTP client; default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_threads: Option<u32>,
    /// Where a server tells its engine's figures in Prometheus' text format; default: `/metrics` of each server.
    /// Empty: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_url: Option<String>,
    /// Start the server for the run, and stop it after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch: Option<Launch>,
    /// How the simulated engine behaves.
    #[serde(skip_serializing_if = "is_default")]
    pub sim: Sim,
}

impl Default for Backend {
    fn default() -> Self {
        Self {
            kind: BackendKind::Mistralrs,
            device: "auto".into(),
            max_batch: 32,
            replicas: 1,
            tensor_parallel: 1,
            threads: Threads::Auto,
            prefix_cache: false,
            paged_attention: true,
            urls: Vec::new(),
            endpoint: Endpoint::default(),
            model: None,
            dialect: Dialect::default(),
            stream: true,
            tokenizer: None,
            api_key_env: None,
            api_key_file: None,
            http: HttpVersion::default(),
            connections: None,
            dispatch: Dispatch::default(),
            connection: ConnectionUse::default(),
            ca_file: None,
            tls_verify: true,
            headers: BTreeMap::new(),
            body: BTreeMap::new(),
            prompt_as: PromptAs::default(),
            vocabulary: None,
            stamp: StampedBy::default(),
            usage: UsageIn::default(),
            client_threads: None,
            metrics_url: None,
            launch: None,
            sim: Sim::default(),
        }
    }
}

/// A number of threads, or `"auto"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    Auto,
    Count(u32),
}

/// `[backend.sim]`: times of the simulated engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sim {
    /// Prefill speed, prompt tokens a second, one prompt at a time; 0 = no time.
    pub prefill_tokens_per_s: f64,
    /// Time of one decode step with one sequence in it.
    #[serde(with = "duration")]
    pub step: Duration,
    /// Extra time of a step for each further sequence in it.
    #[serde(with = "duration")]
    pub step_per_sequence: Duration,
    /// Vocabulary of prompts.
    pub vocabulary: u32,
    /// Every n-th request fails; 0 = none.
    pub fail_every: u64,
    /// Die after so many requests; 0 = never.
    pub die_after: u64,
    /// Time to load.
    #[serde(with = "duration")]
    pub load: Duration,
}

impl Default for Sim {
    fn default() -> Self {
        Self {
            prefill_tokens_per_s: 20_000.0,
            step: Duration::from_millis(10),
            step_per_sequence: Duration::from_micros(200),
            vocabulary: 32_000,
            fail_every: 0,
            die_after: 0,
            load: Duration::ZERO,
        }
    }
}
