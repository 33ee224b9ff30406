//! A tokenizer beside the results, so that the original scripts count the tokens that were recorded.
//!
//! They ask `transformers` for the tokenizer of the model, or of `meta-llama/Llama-2-7b-hf` whatever the model was.
//! A folder of that name below the current one is found before the hub is asked. So whoever runs them in the
//! export's folder gets the tokenizer that the prompts were made for: the one that was given, or one that counts
//! words, since prompts made without one are words.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The name that the original asks for.
const ORIGINAL: &str = "meta-llama/Llama-2-7b-hf";
/// Counts words between white space: all of them are unknown, and each is a token.
const WORDS: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
"pre_tokenizer":{"type":"WhitespaceSplit"},"post_processor":null,"decoder":null,
"model":{"type":"WordLevel","vocab":{"[UNK]":0},"unk_token":"[UNK]"}}
"#;
const CONFIG: &str = "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}\n";

/// Puts the tokenizer `given`, or one that counts words, into a folder for each model and for the original's name.
/// Gives the folders that were there before and hold another one: they are left alone.
///
/// # Errors
/// The path that can't be written, and why.
pub fn write(
    dir: &Path,
    models: &[String],
    given: Option<&Path>,
) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let tokenizer = match given {
        Some(path) => fs::read(path).map_err(|e| (path.to_owned(), e))?,
        None => WORDS.into(),
    };
    let mut others = Vec::new();
    let names = models.iter().map(String::as_str).chain([ORIGINAL]);
    for folder in names.map(|name| dir.join(name)) {
        let path = folder.join("tokenizer.json");
        match fs::read(&path) {
            Ok(there) if there == tokenizer => {}
            Ok(_) => others.push(folder),
            Err(_) => {
                fs::create_dir_all(&folder).map_err(|e| (folder.clone(), e))?;
                let config = folder.join("tokenizer_config.json");
                fs::write(&config, CONFIG).map_err(|e| (config, e))?;
                fs::write(&path, &tokenizer).map_err(|e| (path, e))?;
            }
        }
    }
    Ok(others)
}
