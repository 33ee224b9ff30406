//! Tokens in a text: by a model's own tokenizer, or by white space if somebody says so.

use std::path::Path;
use std::sync::Arc;

use crate::model::TextTokenizer;
pub use crate::model::TokenizerError;

/// How tokens are counted in a text.
pub enum Counter {
    /// Not at all: nothing was said of how.
    None,
    /// As words between white space.
    Words,
    /// By a model's tokenizer, without the special tokens that it would put around a text.
    Tokenizer(Arc<TextTokenizer>),
}

impl Counter {
    /// Loads a `tokenizer.json`.
    ///
    /// # Errors
    /// If it can't be read or is none.
    pub fn load(path: &Path) -> Result<Self, TokenizerError> {
        Ok(Self::Tokenizer(Arc::new(TextTokenizer::load(path)?)))
    }

    /// Tokens in a text; `None` if nothing can tell.
    pub fn count(&self, text: &str) -> Option<u32> {
        match self {
            Self::None => None,
            Self::Words => u32::try_from(text.split_whitespace().count()).ok(),
            Self::Tokenizer(tokenizer) => tokenizer.count(text),
        }
    }
}
