//! Writes a dummy as GGUF version 3, as a stream: header, metadata, tensor infos, then each tensor in
//! chunks. Nothing bigger than a few chunks is ever in memory.
//!
//! One thread makes chunks, the caller's thread writes them; so a file is made as fast as the slower of a core
//! and the disk.

use std::io::{self, Write};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::quantization::Quantization;
use super::random::Random;
use super::shapes::{Shape, TensorShape};
use super::vocabulary::{BEGIN, END, Tokens, UNKNOWN};

/// Tensors begin at multiples of this, in bytes from the start of the data.
const ALIGNMENT: u64 = 32;
/// About so many bytes are made at a time.
const CHUNK_BYTES: u64 = 4 << 20;
/// Chunks on their way between maker and writer.
const CHUNKS_AHEAD: usize = 4;

/// A dummy: all that its bytes depend on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dummy {
    pub shape: Shape,
    pub quantization: Quantization,
    pub seed: u64,
    pub tokens: Tokens,
}

/// A metadata value, of the kinds that are needed here.
enum Value<'a> {
    U32(u32),
    F32(f32),
    Text(&'a str),
    Texts(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
}

impl Dummy {
    /// Size of the tensor data in bytes, padding included.
    pub fn data_bytes(&self) -> u64 {
        let bytes = |t: &TensorShape| self.quantization.tensor_bytes(t).next_multiple_of(ALIGNMENT);
        self.shape.tensors().iter().map(bytes).sum()
    }

    /// Everything before the tensor data, padded.
    pub fn head(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let tensors = self.shape.tensors();
        let metadata = self.metadata();
        out.extend(b"GGUF");
        out.extend(3u32.to_le_bytes());
        out.extend((tensors.len() as u64).to_le_bytes());
        out.extend((metadata.len() as u64).to_le_bytes());
        for (key, value) in &metadata {
            put_text(&mut out, key);
            put_value(&mut out, value);
        }
        let mut offset = 0u64;
        for tensor in &tensors {
            put_text(&mut out, &tensor.name);
            let dimensions: Vec<u64> = std::iter::once(tensor.width).chain(tensor.rows).collect();
            out.extend((dimensions.len() as u32).to_le_bytes());
            out.extend(dimensions.iter().flat_map(|d| d.to_le_bytes()));
            let kind = if tensor.rows.is_some() { self.quantization.ggml_type() } else { 0 };
            out.extend(kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += self.quantization.tensor_bytes(tensor).next_multiple_of(ALIGNMENT);
        }
        out.resize((out.len() as u64).next_multiple_of(ALIGNMENT) as usize, 0);
        out
    }

    fn metadata(&self) -> Vec<(String, Value<'_>)> {
        let shape = &self.shape;
        let llama = |key: &str, value| (format!("llama.{key}"), value);
        let ids = 0..shape.vocabulary;
        let tokens = |key: &str, value| (format!("tokenizer.ggml.{key}"), value);
        vec![
            ("general.architecture".into(), Value::Text("llama")),
            ("general.name".into(), Value::Text(shape.name)),
            ("general.file_type".into(), Value::U32(self.quantization.file_type())),
            ("general.alignment".into(), Value::U32(ALIGNMENT as u32)),
            llama("block_count", Value::U32(shape.layers)),
            llama("context_length", Value::U32(shape.context)),
            llama("embedding_length", Value::U32(shape.hidden)),
            llama("feed_forward_length", Value::U32(shape.ffn)),
            llama("attention.head_count", Value::U32(shape.heads)),
            llama("attention.head_count_kv", Value::U32(shape.kv_heads)),
            llama("attention.layer_norm_rms_epsilon", Value::F32(shape.norm_epsilon)),
            llama("rope.dimension_count", Value::U32(shape.head_dim())),
            llama("rope.freq_base", Value::F32(shape.rope_theta)),
            llama("vocab_size", Value::U32(shape.vocabulary)),
            tokens("model", Value::Text("llama")),
            tokens("tokens", Value::Texts(ids.clone().map(|id| self.tokens.text(id)).collect())),
            tokens("scores", Value::F32s(ids.clone().map(|id| self.tokens.score(id)).collect())),
            tokens("token_type", Value::I32s(ids.map(|id| self.tokens.kind(id)).collect())),
            tokens("bos_token_id", Value::U32(BEGIN)),
            tokens("eos_token_id", Value::U32(END)),
            tokens("unknown_token_id", Value::U32(UNKNOWN)),
        ]
    }

    /// Writes the whole file. `wrote` hears of the bytes written so far and answers whether to go on.
    ///
    /// # Errors
    /// I/O errors; [`io::ErrorKind::Interrupted`] when told not to go on.
    pub fn write(&self, out: &mut dyn Write, wrote: &mut dyn FnMut(u64) -> bool) -> io::Result<()> {
        let head = self.head();
        out.write_all(&head)?;
        let mut done = head.len() as u64;
        let (full, chunks) = bounded(CHUNKS_AHEAD);
        let (back, empty) = bounded(CHUNKS_AHEAD);
        std::thread::scope(|scope| {
            scope.spawn(move || self.make(&full, &empty));
            for chunk in chunks {
                let chunk: Vec<u8> = chunk;
                out.write_all(&chunk)?;
                done += chunk.len() as u64;
                if !wrote(done) {
                    return Err(io::Error::from(io::ErrorKind::Interrupted));
                }
                // The maker may be done already.
                let _ = back.try_send(chunk);
            }
            Ok(())
        })?;
        out.flush()
    }

    /// Makes all chunks in order; ends early when the writer has gone.
    fn make(&self, full: &Sender<Vec<u8>>, empty: &Receiver<Vec<u8>>) {
        for (number, tensor) in self.shape.tensors().iter().enumerate() {
            let bytes = self.quantization.tensor_bytes(tensor);
            let block = if tensor.rows.is_some() { self.quantization.block_bytes() } else { 4 };
            let most = CHUNK_BYTES / block * block;
            let padding = bytes.next_multiple_of(ALIGNMENT) - bytes;
            let mut at = 0;
            while at < bytes {
                let size = most.min(bytes - at) as usize;
                let mut chunk = empty.try_recv().unwrap_or_default();
                chunk.resize(size, 0);
                let mut random = Random::of_chunk(self.seed, number as u64, at / most);
                self.fill(tensor, &mut chunk, &mut random);
                at += size as u64;
                if at == bytes {
                    chunk.resize(size + padding as usize, 0);
                    chunk[size..].fill(0);
                }
                if full.send(chunk).is_err() {
                    return;
                }
            }
        }
    }

    /// Norms are one; matrices have the spread that keeps a unit vector's length (1/√inputs), embeddings one
    /// that gives every layer something to add to.
    fn fill(&self, tensor: &TensorShape, chunk: &mut [u8], random: &mut Random) {
        if tensor.rows.is_none() {
            let ones = chunk.as_chunks_mut::<4>().0;
            ones.fill(1f32.to_le_bytes());
        } else if tensor.name == "token_embd.weight" && !self.shape.tied {
            self.quantization.fill(chunk, 1.0, random);
        } else {
            self.quantization.fill(chunk, 1.0 / libm::sqrtf(tensor.width as f32), random);
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Value<'_>) {
    let number = |out: &mut Vec<u8>, kind: u32| out.extend(kind.to_le_bytes());
    let array = |out: &mut Vec<u8>, kind: u32, len: usize| {
        out.extend(9u32.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend((len as u64).to_le_bytes());
    };
    match value {
        Value::U32(v) => {
            number(out, 4);
            out.extend(v.to_le_bytes());
        }
        Value::F32(v) => {
            number(out, 6);
            out.extend(v.to_le_bytes());
        }
        Value::Text(v) => {
            number(out, 8);
            put_text(out, v);
        }
        Value::Texts(all) => {
            array(out, 8, all.len());
            for text in all {
                put_text(out, text);
            }
        }
        Value::F32s(all) => {
            array(out, 6, all.len());
            out.extend(all.iter().flat_map(|v| v.to_le_bytes()));
        }
        Value::I32s(all) => {
            array(out, 5, all.len());
            out.extend(all.iter().flat_map(|v| v.to_le_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::shapes;

    fn bytes(quantization: Quantization, seed: u64) -> Vec<u8> {
        let shape = *shapes::find("tiny").unwrap();
        let dummy = Dummy { shape, quantization, seed, tokens: Tokens::Words };
        let mut out = Vec::new();
        dummy.write(&mut out, &mut |_| true).unwrap();
        assert_eq!(out.len() as u64, dummy.head().len() as u64 + dummy.data_bytes());
        out
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
        assert_eq!(bytes(Quantization::Q8_0, 1), bytes(Quantization::Q8_0, 1));
        assert_ne!(bytes(Quantization::Q8_0, 1), bytes(Quantization::Q8_0, 2));
    }

    #[test]
    fn writing_can_be_given_up() {
        let shape = *shapes::find("tiny").unwrap();
        let dummy = Dummy { shape, quantization: Quantization::F16, seed: 0, tokens: Tokens::Words };
        let error = dummy.write(&mut io::sink(), &mut |_| false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    }
}
