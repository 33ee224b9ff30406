//! The keys of `[backend]` that concern servers over HTTP.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::values::duration;

/// Which of a server's endpoints is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    #[default]
    Completions,
    Chat,
}

/// How prompts are sent to the completions endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromptAs {
    /// Token ids: exact counts, no tokenisation in the measured time.
    #[default]
    Tokens,
    /// Simple words, about one token each; the server's `usage` tells the true count.
    Text,
}

/// A server's way of speaking the protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// Found out by asking the server.
    #[default]
    Auto,
    Vllm,
    Sglang,
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    Tgi,
    Mii,
    MiiOpenai,
    VllmGenerate,
    AzureMl,
}

impl Dialect {
    /// Its name in a profile.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::LlamaCpp => "llama.cpp",
            Self::Tgi => "tgi",
            Self::Mii => "mii",
            Self::MiiOpenai => "mii-openai",
            Self::VllmGenerate => "vllm-generate",
            Self::AzureMl => "azure-ml",
        }
    }

    /// Whether it is another API than OpenAI's, and has no chat.
    pub fn is_foreign(self) -> bool {
        matches!(self, Self::Mii | Self::VllmGenerate | Self::AzureMl)
    }
}

/// `[backend.launch]`: a server started for the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// A URL that answers once the server is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// Most time to become ready.
    #[serde(default = "five_minutes", with = "duration")]
    pub timeout: Duration,
}

fn five_minutes() -> Duration {
    Duration::from_mins(5)
}
