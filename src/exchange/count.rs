//! Tokens in a text: by a model's own tokenizer, or by white space if somebody says so.

use std::path::{Path, PathBuf};

use tokenizers::Tokenizer;

/// Why a tokenizer can't be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "can't use the tokenizer {}: {why}; a Hugging Face `tokenizer.json` is needed, as it lies beside a model",
    path.display()
)]
pub struct TokenizerError {
    pub path: PathBuf,
    pub why: String,
}

/// How tokens are counted in a text.
pub enum Counter {
    /// Not at all: nothing was said of how.
    None,
    /// As words between white space.
    Words,
    /// By a model's tokenizer, without the special tokens that it would put around a text.
    Tokenizer(Box<Tokenizer>),
}

impl Counter {
    /// Loads a `tokenizer.json`.
    ///
    /// # Errors
    /// If it can't be read or is none.
    pub fn load(path: &Path) -> Result<Self, TokenizerError> {
        let error = |why: String| TokenizerError { path: path.to_owned(), why };
        let bytes = std::fs::read(path).map_err(|e| error(e.to_string()))?;
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|e| error(e.to_string()))?;
        // Some files cut texts to a model's context, or fill them up to it: neither is a count.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|e| error(e.to_string()))?;
        Ok(Self::Tokenizer(Box::new(tokenizer)))
    }

    /// Tokens in a text; `None` if nothing can tell.
    pub fn count(&self, text: &str) -> Option<u32> {
        let count = match self {
            Self::None => return None,
            Self::Words => text.split_whitespace().count(),
            Self::Tokenizer(tokenizer) => tokenizer.encode_fast(text, false).ok()?.len(),
        };
        u32::try_from(count).ok()
    }
}
