//! What can be wrong with a model, each with what to do.

use std::path::PathBuf;

/// Why a model can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("[model] needs exactly one of `hub`, `path` and `dummy`, and has {found}")]
    OneSource { found: String },
    #[error("there is no shape `{name}`{hint} (shapes: {known})")]
    UnknownShape { name: String, hint: String, known: String },
    #[error("dummy weights can't be `{name}`{hint} (quantizations: {known})")]
    UnknownQuantization { name: String, hint: String, known: String },
    #[error(
        "the shape `{shape}` has rows of {width} weights, and {quantization} needs multiples of {block}; \
         quantizations that fit: {possible}"
    )]
    Width { shape: String, quantization: &'static str, width: u32, block: u64, possible: String },
    #[error("there is no model at {path}")]
    Missing { path: PathBuf },
    #[error("{path} is neither a GGUF file nor a folder with config.json and *.safetensors: {why}")]
    NoModel { path: PathBuf, why: String },
    #[error("{path} is no GGUF file: it begins with {found}, not with `GGUF`")]
    NotGguf { path: PathBuf, found: String },
    #[error("{path} is a GGUF file of version {version}; versions 2 and 3 can be read")]
    GgufVersion { path: PathBuf, version: u32 },
    #[error("{path} is cut off: {what}; fetch or write it again")]
    Truncated { path: PathBuf, what: String },
    #[error("{path} is damaged: {what}")]
    Damaged { path: PathBuf, what: String },
    #[error("{path} has the architecture `{architecture}`, which the engine lacks; it has {known}")]
    Architecture { path: PathBuf, architecture: String, known: String },
    #[error("{path}: the tensor `{tensor}` has the type {found}, which the engine lacks; it has {known}")]
    TensorType { path: PathBuf, tensor: String, found: String, known: String },
    #[error(
        "{model} needs about {needed} of memory ({parts}), and {available} is available; take a smaller model \
         or quantization, or lower backend.max_batch"
    )]
    Memory { model: String, needed: String, available: String, parts: String },
    #[error("{file} needs {needed} of disk space, and {folder} has {available} free")]
    DiskSpace { file: String, needed: String, available: String, folder: PathBuf },
    #[error("no folder for models: {0}; set XDG_CACHE_HOME")]
    NoCache(String),
    #[error(
        "the model `{id}` is not in the hub's cache ({cache}), and {why}; fetch it on a machine with network \
         and copy it there, or use [model] path or dummy"
    )]
    Hub { id: String, cache: PathBuf, why: String },
    #[error("`{0}` is no hub id; write \"org/name\"")]
    HubId(String),
    #[error("{what} {path}: {source}")]
    Io { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("interrupted")]
    Interrupted,
}

impl ModelError {
    /// The key of the profile that this is about, given the one that names the weights.
    pub fn key(&self, source: &'static str) -> &'static str {
        match self {
            Self::OneSource { .. } => "model",
            Self::UnknownQuantization { .. } | Self::Width { .. } => "model.quantization",
            _ => source,
        }
    }

    /// An I/O error with what was tried and where; for `map_err`.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

/// Bytes for people: `3.9 GB`, in powers of ten.
pub fn human_bytes(bytes: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    for (size, unit) in units {
        if bytes >= size {
            return format!("{:.1} {unit}", bytes as f64 / size as f64);
        }
    }
    format!("{bytes} B")
}
