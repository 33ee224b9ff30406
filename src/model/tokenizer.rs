//! A model's own tokenizer, from a `tokenizer.json`: counts tokens in texts, and finds words for texts of a known count.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokenizers::Tokenizer;

use super::words;

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

/// A tokenizer. It counts without the special tokens that a model's own code would put around a text.
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    words: OnceLock<Vec<String>>,
}

/// Those that were read so far, so that whoever needs one again has it at once.
static READ: Mutex<Vec<(PathBuf, Arc<TextTokenizer>)>> = Mutex::new(Vec::new());

impl TextTokenizer {
    /// Reads a `tokenizer.json`.
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
        Ok(Self { tokenizer, words: OnceLock::new() })
    }

    /// The same, read once in a process.
    ///
    /// # Errors
    /// If it can't be read or is none.
    pub fn shared(path: &Path) -> Result<Arc<Self>, TokenizerError> {
        // A list that somebody panicked over is still a list of whole tokenizers.
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, there)) = read.iter().find(|(known, _)| known == path) {
            return Ok(there.clone());
        }
        let made = Arc::new(Self::load(path)?);
        read.push((path.to_owned(), made.clone()));
        Ok(made)
    }

    /// A text's token ids; `None` if the tokenizer can't take it.
    pub fn ids(&self, text: &str) -> Option<Vec<u32>> {
        Some(self.tokenizer.encode_fast(text, false).ok()?.get_ids().to_vec())
    }

    /// Tokens in a text; `None` if the tokenizer can't take it.
    pub fn count(&self, text: &str) -> Option<u32> {
        u32::try_from(self.tokenizer.encode_fast(text, false).ok()?.len()).ok()
    }

    /// The text of a single token.
    pub fn text(&self, id: u32) -> Option<String> {
        self.tokenizer.decode(&[id], true).ok()
    }

    /// Tokens that it has, with those that were added to the vocabulary.
    pub fn vocabulary(&self) -> u32 {
        u32::try_from(self.tokenizer.get_vocab_size(true)).unwrap_or(u32::MAX)
    }

    /// Ids of control tokens, sorted.
    pub fn special_ids(&self) -> Vec<u32> {
        let added = self.tokenizer.get_added_tokens_decoder();
        let mut ids: Vec<u32> = added.iter().filter(|(_, token)| token.special).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    /// Words that are one token each, whatever stands before them: a text of *n* of them, with blanks between, has *n*
    /// tokens. Looked for once; that takes a second or so. There may be none.
    pub fn words(&self) -> &[String] {
        self.words.get_or_init(|| words::find(self))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
pub(super) mod tests {
    use super::*;

    /// Byte pairs over `a`, `b`, `c`: words of `ab` and `abab` are one token, and `c b` merges over the blank.
    const PAIRS: &str = r#"{"version":"1.0","truncation":{"direction":"Right","max_length":4,"strategy":"LongestFirst","stride":0},
        "padding":null,"added_tokens":[{"id":0,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,
        "normalized":false,"special":true}],"normalizer":null,"pre_tokenizer":null,"post_processor":null,"decoder":
        {"type":"Fuse"},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
        "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{"<s>":0,"a":1,
        "b":2,"c":3," ":4,"ab":5," ab":6,"abab":7," abab":8,"cb":9," cb":10,"bc":11," bc":12,"bc cb":13},"merges":
        [["a","b"],["ab","ab"],[" ","ab"],[" ","abab"],["c","b"],["b","c"],["bc"," cb"],[" ","cb"],[" ","bc"]]}}"#;

    pub fn written(folder: &Path) -> PathBuf {
        let path = folder.join("tokenizer.json");
        std::fs::write(&path, PAIRS).unwrap();
        path
    }

    #[test]
    fn counts_are_of_the_whole_text_and_without_special_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = TextTokenizer::shared(&written(folder.path())).unwrap();
        assert_eq!(tokenizer.count("ab ab abab ab ab ab"), Some(6), "four is the file's limit");
        assert_eq!(tokenizer.ids("ab abab"), Some(vec![5, 8]));
        assert_eq!((tokenizer.vocabulary(), tokenizer.special_ids()), (14, vec![0]));
        let again = TextTokenizer::shared(&folder.path().join("tokenizer.json")).unwrap();
        assert!(Arc::ptr_eq(&tokenizer, &again));
    }

    #[test]
    fn what_is_no_tokenizer_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        let said = |path: &Path| TextTokenizer::shared(path).map(|_| ()).unwrap_err().to_string();
        assert!(said(&path).contains("x.json: No such file"), "{}", said(&path));
        std::fs::write(&path, "{}").unwrap();
        assert!(said(&path).contains("a Hugging Face `tokenizer.json` is needed"), "{}", said(&path));
    }
}
