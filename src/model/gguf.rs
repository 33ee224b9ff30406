//! Looks into a GGUF file without loading it: what it is, whether it is whole, whether the engine takes it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::ModelError;
use super::read::{Reader, Value};

/// Architectures that the embedded engine loads from GGUF.
pub const ARCHITECTURES: [&str; 8] =
    ["llama", "mistral3", "phi2", "phi3", "starcoder2", "qwen2", "qwen3", "qwen3moe"];

/// GGML types that the engine reads: number, name, elements and bytes of a block.
const TYPES: [(u32, &str, u64, u64); 15] = [
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 18),
    (3, "Q4_1", 32, 20),
    (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24),
    (8, "Q8_0", 32, 34),
    (9, "Q8_1", 32, 36),
    (10, "Q2K", 256, 84),
    (11, "Q3K", 256, 110),
    (12, "Q4K", 256, 144),
    (13, "Q5K", 256, 176),
    (14, "Q6K", 256, 210),
    (15, "Q8K", 256, 292),
    (30, "BF16", 1, 2),
];

const DEFAULT_ALIGNMENT: u64 = 32;
/// GGUF's types of tokens that stand for text: normal ones and single bytes.
const TEXT_TOKENS: [i64; 2] = [1, 6];

/// What a GGUF file says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct GgufInfo {
    pub path: PathBuf,
    /// `general.name`, or the file's name.
    pub name: String,
    pub architecture: String,
    /// The type that most bytes of the weights have, e.g. `Q4_1`.
    pub quantization: String,
    /// Longest sequence in tokens.
    pub context: Option<u32>,
    /// Tokens in the vocabulary.
    pub vocabulary: u32,
    /// Control, unknown and unused tokens, sorted.
    pub reserved: Vec<u32>,
    pub layers: u64,
    pub hidden: u64,
    /// Width of the keys of one token in one layer.
    pub kv_width: u64,
    pub chat_template: bool,
    pub file_bytes: u64,
    pub tensor_bytes: u64,
}

/// Reads a file's header and checks that its tensors lie within it.
///
/// # Errors
/// Not there, no GGUF, cut off, damaged, or of an architecture or type that the engine lacks.
pub fn inspect(path: &Path) -> Result<GgufInfo, ModelError> {
    let file = File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ModelError::Missing { path: path.into() },
        _ => ModelError::Io { what: "can't read", path: path.into(), source },
    })?;
    let file_bytes = file.metadata().map_err(ModelError::io("can't read", path))?.len();
    let mut reader = Reader::new(file, path, file_bytes);
    let (tensors, pairs) = reader.start()?;
    let mut metadata = BTreeMap::new();
    for _ in 0..pairs {
        let key = reader.text()?;
        let value = reader.value()?;
        metadata.insert(key, value);
    }
    let look = Look { path, metadata };
    let architecture = look.architecture()?;
    let (quantization, tensor_bytes) = check_tensors(&mut reader, tensors, &look)?;
    look.info(architecture, quantization, file_bytes, tensor_bytes)
}

/// Reads the tensor infos; gives the type of most bytes, and the bytes in all.
fn check_tensors(
    reader: &mut Reader<'_>,
    tensors: u64,
    look: &Look<'_>,
) -> Result<(String, u64), ModelError> {
    let mut by_type: BTreeMap<&str, u64> = BTreeMap::new();
    let mut end = 0u64;
    for _ in 0..tensors {
        let tensor = reader.tensor()?;
        let Some((_, name, elements, bytes)) = TYPES.iter().find(|t| t.0 == tensor.kind) else {
            return Err(ModelError::TensorType {
                path: look.path.into(),
                tensor: tensor.name,
                found: format!("number {}", tensor.kind),
                known: TYPES.map(|t| t.1).join(", "),
            });
        };
        let size = tensor.elements / elements * bytes;
        end = end.max(tensor.offset.saturating_add(size));
        *by_type.entry(name).or_default() += size;
    }
    let alignment = look.number("general.alignment").unwrap_or(DEFAULT_ALIGNMENT).max(1);
    let whole = reader.at().next_multiple_of(alignment).saturating_add(end);
    if whole > reader.file_bytes() {
        return Err(ModelError::Truncated {
            path: look.path.into(),
            what: format!("its tensors need {whole} bytes and it has {}", reader.file_bytes()),
        });
    }
    let total = by_type.values().sum();
    let most = by_type.into_iter().max_by_key(|(_, bytes)| *bytes).map_or("none", |(name, _)| name);
    Ok((most.into(), total))
}

/// The metadata of a file.
struct Look<'a> {
    path: &'a Path,
    metadata: BTreeMap<String, Value>,
}

impl Look<'_> {
    fn number(&self, key: &str) -> Option<u64> {
        match self.metadata.get(key) {
            Some(Value::Number(n)) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    fn architecture(&self) -> Result<String, ModelError> {
        let Some(Value::Text(architecture)) = self.metadata.get("general.architecture") else {
            let what = "its metadata has no `general.architecture`".into();
            return Err(ModelError::Damaged { path: self.path.into(), what });
        };
        let architecture = architecture.to_ascii_lowercase();
        if !ARCHITECTURES.contains(&architecture.as_str()) {
            return Err(ModelError::Architecture {
                path: self.path.into(),
                architecture,
                known: ARCHITECTURES.join(", "),
            });
        }
        Ok(architecture)
    }

    /// A number that the engine can't do without.
    fn must(&self, key: &str) -> Result<u64, ModelError> {
        self.number(key).ok_or_else(|| ModelError::Damaged {
            path: self.path.into(),
            what: format!("its metadata has no number `{key}`"),
        })
    }

    fn info(
        &self,
        architecture: String,
        quantization: String,
        file_bytes: u64,
        tensor_bytes: u64,
    ) -> Result<GgufInfo, ModelError> {
        let of = |key: &str| format!("{architecture}.{key}");
        let hidden = self.must(&of("embedding_length"))?;
        let heads = self.must(&of("attention.head_count"))?.max(1);
        let kv_heads = self.number(&of("attention.head_count_kv")).unwrap_or(heads);
        let head_dim = self.number(&of("attention.key_length")).unwrap_or(hidden / heads);
        let Some(Value::Long(vocabulary)) = self.metadata.get("tokenizer.ggml.tokens") else {
            let what = "its metadata has no `tokenizer.ggml.tokens`".into();
            return Err(ModelError::Damaged { path: self.path.into(), what });
        };
        let name = match self.metadata.get("general.name") {
            Some(Value::Text(name)) if !name.is_empty() => name.clone(),
            _ => self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        };
        Ok(GgufInfo {
            path: self.path.into(),
            name,
            quantization,
            context: self.number(&of("context_length")).and_then(|n| u32::try_from(n).ok()),
            vocabulary: u32::try_from(*vocabulary).unwrap_or(u32::MAX),
            reserved: self.reserved(),
            layers: self.must(&of("block_count"))?,
            hidden,
            kv_width: head_dim * kv_heads,
            chat_template: self.metadata.contains_key("tokenizer.chat_template"),
            file_bytes,
            tensor_bytes,
            architecture,
        })
    }

    fn reserved(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = match self.metadata.get("tokenizer.ggml.token_type") {
            Some(Value::Numbers(types)) => {
                let special = types.iter().enumerate().filter(|(_, kind)| !TEXT_TOKENS.contains(kind));
                special.map(|(id, _)| id as u32).collect()
            }
            _ => Vec::new(),
        };
        for key in ["bos", "eos", "unknown", "padding", "eot"] {
            ids.extend(
                self.number(&format!("tokenizer.ggml.{key}_token_id")).and_then(|id| u32::try_from(id).ok()),
            );
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dummy, Quantization, Tokens, shapes};

    fn tiny() -> Vec<u8> {
        let shape = *shapes::find("tiny").unwrap();
        let dummy = Dummy { shape, quantization: Quantization::Q4_0, seed: 0, tokens: Tokens::Words };
        let mut out = Vec::new();
        dummy.write(&mut out, &mut |_| true).unwrap();
        out
    }

    fn error_of(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        std::fs::write(&path, bytes).unwrap();
        inspect(&path).unwrap_err().to_string()
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        std::fs::write(&path, tiny()).unwrap();
        let info = inspect(&path).unwrap();
        assert_eq!((info.name.as_str(), info.architecture.as_str()), ("tiny", "llama"));
        assert_eq!((info.quantization.as_str(), info.context), ("Q4_0", Some(4096)));
        assert_eq!((info.vocabulary, info.layers, info.kv_width), (4096, 6, 128));
        assert_eq!(info.reserved, [0, 1, 2]);
        assert_eq!(info.tensor_bytes, shapes::find("tiny").unwrap().bytes(Quantization::Q4_0).unwrap());
    }

    #[test]
    fn a_file_cut_off_anywhere_is_an_error_and_no_panic() {
        let whole = tiny();
        let cuts = (0..200).chain((200..whole.len()).step_by(9973)).chain([whole.len() - 1]);
        for cut in cuts {
            let error = error_of(&whole[..cut]);
            assert!(error.contains("cut off") || error.contains("no GGUF"), "at {cut}: {error}");
        }
    }

    #[test]
    fn wrong_files_are_named() {
        assert!(error_of(b"PK\x03\x04 a zip").contains("is no GGUF file"));
        let mut other = tiny();
        let at = other.windows(5).position(|w| w == b"llama").unwrap();
        other[at..at + 5].copy_from_slice(b"mamba");
        let error = error_of(&other);
        assert!(error.contains("`mamba`") && error.contains("qwen3"), "{error}");
        assert!(inspect(Path::new("/nowhere/m.gguf")).unwrap_err().to_string().contains("there is no model"));
    }
}
