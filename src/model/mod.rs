//! Where weights come from: a local file or folder, a hub id, or random weights of a named shape.
//!
//! A profile's `[model]` is resolved to one [`ModelSource`]; [`ModelSource::prepare`] makes it something a loader can
//! open, and finds out what is wrong with it before a loader does. Who comes in: the embedded engine, and the
//! commands `model dummy` and `model shapes`. Nothing here knows an engine. A [`TextTokenizer`] is a model's own, for
//! whoever makes texts or counts their tokens.

mod dummy;
mod error;
mod gguf;
mod hash;
mod hub;
mod memory;
mod quantization;
mod random;
mod read;
mod shapes;
mod tokenizer;
mod vocabulary;
mod words;
mod write;

use std::path::{Path, PathBuf};

pub use dummy::cache_folder;
pub use error::{ModelError, human_bytes};
pub use gguf::{ARCHITECTURES, GgufInfo, inspect};
pub use hash::sha256;
pub use memory::{Need, available as available_memory};
pub use quantization::Quantization;
pub use shapes::{SHAPES, Shape, ShapeRow, find as find_shape, table};
pub use tokenizer::{TextTokenizer, TokenizerError};
pub use vocabulary::Tokens;
pub use write::Dummy;

use crate::profile;
use crate::progress::Progress;
use crate::suggest;

/// Where a model's weights come from.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelSource {
    /// A local GGUF file.
    Gguf(PathBuf),
    /// A local folder with config.json, tokenizer and safetensors.
    Folder(PathBuf),
    /// `org/name` on the hub.
    Hub(String),
    /// Random weights.
    Dummy(Dummy),
}

/// A model that a loader can open.
#[derive(Debug, Clone, PartialEq)]
pub enum Prepared {
    Gguf(Box<GgufInfo>),
    Folder(PathBuf),
    /// To be downloaded by the engine.
    Hub(String),
}

impl ModelSource {
    /// The source a profile names.
    ///
    /// # Errors
    /// None or several named, an unknown shape or quantization, nothing at the path.
    pub fn resolve(model: &profile::Model) -> Result<Self, ModelError> {
        match (&model.hub, &model.path, &model.dummy) {
            (Some(id), None, None) => Ok(Self::Hub(id.clone())),
            (None, Some(path), None) => Self::at(path),
            (None, None, Some(shape)) => Self::dummy(shape, &model.quantization, model.seed),
            (hub, path, dummy) => {
                let named = [("hub", hub.is_some()), ("path", path.is_some()), ("dummy", dummy.is_some())];
                let named: Vec<_> = named.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
                let found = if named.is_empty() { "none".into() } else { named.join(" and ") };
                Err(ModelError::OneSource { found })
            }
        }
    }

    /// Random weights of a named shape.
    ///
    /// # Errors
    /// Unknown shape or quantization, or the two don't go together.
    pub fn dummy(shape: &str, quantization: &str, seed: u64) -> Result<Self, ModelError> {
        let shape = *find_shape(shape)?;
        let keys = Quantization::ALL.map(Quantization::key);
        let quantization =
            Quantization::parse(quantization).ok_or_else(|| ModelError::UnknownQuantization {
                name: quantization.into(),
                hint: suggest::did_you_mean(quantization, keys),
                known: keys.join(", "),
            })?;
        shape.check(quantization)?;
        Ok(Self::Dummy(Dummy { shape, quantization, seed, tokens: Tokens::Words }))
    }

    fn at(path: &Path) -> Result<Self, ModelError> {
        if path.is_file() {
            return Ok(Self::Gguf(path.into()));
        }
        if !path.is_dir() {
            return Err(ModelError::Missing { path: path.into() });
        }
        if has_weights(path) {
            return Ok(Self::Folder(path.into()));
        }
        let why = if path.join("config.json").is_file() {
            "it has no *.safetensors"
        } else {
            "it has no config.json; if it holds a GGUF file, name the file"
        };
        Err(ModelError::NoModel { path: path.into(), why: why.into() })
    }

    /// Looks for what is wrong with it, without writing, reading or fetching weights.
    ///
    /// # Errors
    /// What [`ModelSource::prepare`] would say; a dummy is always good.
    pub fn check(&self) -> Result<(), ModelError> {
        match self {
            Self::Gguf(path) => inspect(path).map(drop),
            Self::Hub(id) => hub::find(id).map(drop),
            Self::Folder(_) | Self::Dummy(_) => Ok(()),
        }
    }

    /// Makes the source ready to be opened: writes a dummy, looks into a file, finds a hub id.
    ///
    /// # Errors
    /// Everything that is wrong with the model, as far as it can be seen without loading it.
    pub fn prepare(&self, progress: &dyn Progress) -> Result<Prepared, ModelError> {
        match self {
            Self::Gguf(path) => Ok(Prepared::Gguf(Box::new(inspect(path)?))),
            Self::Folder(path) => Ok(Prepared::Folder(path.clone())),
            Self::Dummy(dummy) => {
                let path = dummy.in_folder(&cache_folder()?, progress)?;
                Ok(Prepared::Gguf(Box::new(inspect(&path)?)))
            }
            Self::Hub(id) => {
                progress.step("looking for the model in the hub's cache", None);
                match hub::find(id)? {
                    hub::Found::Cached(folder) => Ok(Prepared::Folder(folder)),
                    hub::Found::Online => Ok(Prepared::Hub(id.clone())),
                }
            }
        }
    }
}

/// A config and at least one safetensors file.
fn has_weights(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = files.map(|entry| entry.path());
    folder.join("config.json").is_file()
        && names.any(|path| path.extension().is_some_and(|e| e == "safetensors") && path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(dummy: Option<&str>, hub: Option<&str>) -> profile::Model {
        profile::Model { dummy: dummy.map(Into::into), hub: hub.map(Into::into), ..profile::Model::default() }
    }

    #[test]
    fn exactly_one_source_is_needed() {
        let none = ModelSource::resolve(&model(None, None)).unwrap_err().to_string();
        assert!(none.contains("has none"), "{none}");
        let two = ModelSource::resolve(&model(Some("tiny"), Some("a/b"))).unwrap_err().to_string();
        assert!(two.contains("hub and dummy"), "{two}");
        assert!(matches!(ModelSource::resolve(&model(Some("tiny"), None)), Ok(ModelSource::Dummy(_))));
    }

    #[test]
    fn a_wrong_quantization_gets_a_hint() {
        let error = ModelSource::dummy("tiny", "q8", 0).unwrap_err().to_string();
        assert!(error.contains("did you mean `q8_0`?"), "{error}");
    }

    #[test]
    fn a_folder_without_weights_says_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().to_path_buf());
        let model = profile::Model { path, ..profile::Model::default() };
        let error = ModelSource::resolve(&model).unwrap_err().to_string();
        assert!(error.contains("no config.json"), "{error}");
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        assert!(ModelSource::resolve(&model).unwrap_err().to_string().contains("no *.safetensors"));
        std::fs::write(folder.path().join("model.safetensors"), "").unwrap();
        assert!(matches!(ModelSource::resolve(&model), Ok(ModelSource::Folder(_))));
    }
}
