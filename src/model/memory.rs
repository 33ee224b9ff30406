//! Does a model fit into memory? Asked before loading, for an allocation that fails later takes the whole
//! process with it.

use super::error::human_bytes;
use super::{Dummy, GgufInfo, ModelError};

/// Buffers of a forward pass, the tokenizer and the engine itself, in bytes.
const OVERHEAD: u64 = 200 << 20;
/// Embeddings are dequantized when loaded, to f32.
const EMBEDDING_BYTES: u64 = 4;
/// KV cache entries are f32 on a CPU without a wider check; 16-bit types need half.
const KV_BYTES: u64 = 4;
/// The engine grows a sequence's KV cache in steps of so many tokens.
const KV_STEP: u64 = 512;

/// What a model needs in memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    pub weights: u64,
    pub embeddings: u64,
    pub kv_cache: u64,
    pub overhead: u64,
}

impl Need {
    /// For a GGUF model with so many sequences of so many tokens at once.
    pub fn of(model: &GgufInfo, sequences: u32, tokens: u32) -> Self {
        let tokens = u64::from(model.context.map_or(tokens, |most| tokens.min(most)));
        let kv_token = 2 * model.layers.saturating_mul(model.kv_width).saturating_mul(KV_BYTES);
        Self {
            weights: model.tensor_bytes,
            embeddings: u64::from(model.vocabulary).saturating_mul(model.hidden) * EMBEDDING_BYTES,
            kv_cache: u64::from(sequences) * tokens.next_multiple_of(KV_STEP).saturating_mul(kv_token),
            overhead: OVERHEAD,
        }
    }

    /// For random weights that are not written yet: what [`Need::of`] will say of their file.
    pub fn of_dummy(dummy: &Dummy, sequences: u32, tokens: u32) -> Self {
        let shape = &dummy.shape;
        let tokens = u64::from(tokens.min(shape.context));
        let kv_width = u64::from(shape.hidden / shape.heads * shape.kv_heads);
        let kv_token = 2 * u64::from(shape.layers) * kv_width * KV_BYTES;
        Self {
            weights: dummy.data_bytes(),
            embeddings: u64::from(shape.vocabulary) * u64::from(shape.hidden) * EMBEDDING_BYTES,
            kv_cache: u64::from(sequences) * tokens.next_multiple_of(KV_STEP).saturating_mul(kv_token),
            overhead: OVERHEAD,
        }
    }

    pub fn total(&self) -> u64 {
        self.weights + self.embeddings + self.kv_cache + self.overhead
    }

    /// Compares with what is available.
    ///
    /// # Errors
    /// [`ModelError::Memory`] with both numbers and what the need is made of.
    pub fn check(&self, model: &str, available: u64) -> Result<(), ModelError> {
        if self.total() <= available {
            return Ok(());
        }
        Err(ModelError::Memory {
            model: model.into(),
            needed: human_bytes(self.total()),
            available: human_bytes(available),
            parts: format!(
                "weights {}, embeddings {}, KV cache {}, rest {}",
                human_bytes(self.weights),
                human_bytes(self.embeddings),
                human_bytes(self.kv_cache),
                human_bytes(self.overhead)
            ),
        })
    }
}

/// Memory that can be had without swapping, in bytes: the host's, or the control group's if that has less.
pub fn available() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let host = system.available_memory();
    system.cgroup_limits().map_or(host, |limits| host.min(limits.free_memory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numbers_are_told() {
        let need = Need { weights: 4_000_000_000, embeddings: 0, kv_cache: 1_000_000_000, overhead: 0 };
        let error = need.check("big", 2_000_000_000).unwrap_err().to_string();
        assert!(error.contains("5.0 GB") && error.contains("2.0 GB"), "{error}");
        assert!(need.check("big", 5_000_000_000).is_ok());
        assert!(available() > 0);
    }
}
