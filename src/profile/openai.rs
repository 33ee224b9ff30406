//! The keys of `[backend]` that concern servers over HTTP.

use std::collections::BTreeMap;
use std::path::PathBuf;
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
///
/// In `command`, in `args` and in the values of `env`, `{model}` stands for `model.path` or `model.hub`, `{host}` and `{port}` for
/// those of the first base URL. All other braces are left as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The program and its arguments; no shell looks at them.
    pub command: Vec<String>,
    /// More arguments, behind those of the command: so that a layer can add some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Variables of its environment, besides those of our own. They are recorded, so no secret may be among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Variables whose values are taken from variables of our own, by name: for secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_from: BTreeMap<String, String>,
    /// The folder that it runs in; default: the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// A URL that answers with 200 once the server is ready; default: `/health` of the first base URL's host, and
    /// where there is none, its list of models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// Most time to become ready.
    #[serde(default = "five_minutes", with = "duration")]
    pub timeout: Duration,
    /// A file that gets all it prints, with the placeholders of `record.path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

fn five_minutes() -> Duration {
    Duration::from_mins(5)
}
