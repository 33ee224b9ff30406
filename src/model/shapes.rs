//! Named shapes: the true dimensions of well-known models, for dummy weights.
//!
//! Sources: the models' published `config.json`. A dummy has the real model's cost, not its mind.

use super::{ModelError, Quantization};
use crate::suggest;

/// The dimensions of a Llama-like decoder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    pub name: &'static str,
    pub layers: u32,
    /// Width of the residual stream.
    pub hidden: u32,
    pub heads: u32,
    /// Heads of keys and values; fewer than `heads` is grouped-query attention.
    pub kv_heads: u32,
    /// Width of the feed-forward network.
    pub ffn: u32,
    pub vocabulary: u32,
    /// Longest sequence in tokens.
    pub context: u32,
    pub rope_theta: f32,
    /// Epsilon of the RMS norms.
    pub norm_epsilon: f32,
    /// The output projection is the embedding table.
    pub tied: bool,
}

/// A tensor of a shape: its name and dimensions in GGUF's terms and order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorShape {
    pub name: String,
    /// Elements of a row: the inputs of the matrix.
    pub width: u64,
    /// Rows: the outputs of the matrix; `None` for a vector.
    pub rows: Option<u64>,
}

impl TensorShape {
    /// Elements in all.
    pub fn elements(&self) -> u64 {
        self.width * self.rows.unwrap_or(1)
    }
}

/// `tiny` is no model's: it is small enough to answer hundreds of tokens/s on two old cores.
pub const SHAPES: [Shape; 8] = [
    shape("tiny", [6, 256, 8, 4, 768], [4096, 4096], 10_000.0, false),
    shape("smollm2-135m", [30, 576, 9, 3, 1536], [49_152, 8192], 100_000.0, true),
    shape("tinyllama-1.1b", [22, 2048, 32, 4, 5632], [32_000, 2048], 10_000.0, false),
    shape("llama2-7b", [32, 4096, 32, 32, 11_008], [32_000, 4096], 10_000.0, false),
    shape("llama2-13b", [40, 5120, 40, 40, 13_824], [32_000, 4096], 10_000.0, false),
    shape("llama2-70b", [80, 8192, 64, 8, 28_672], [32_000, 4096], 10_000.0, false),
    shape("llama3-8b", [32, 4096, 32, 8, 14_336], [128_256, 8192], 500_000.0, false),
    shape("mistral-7b", [32, 4096, 32, 8, 14_336], [32_000, 32_768], 10_000.0, false),
];

/// `[layers, hidden, heads, kv_heads, ffn]`, `[vocabulary, context]`.
const fn shape(name: &'static str, body: [u32; 5], ends: [u32; 2], rope_theta: f32, tied: bool) -> Shape {
    Shape {
        name,
        layers: body[0],
        hidden: body[1],
        heads: body[2],
        kv_heads: body[3],
        ffn: body[4],
        vocabulary: ends[0],
        context: ends[1],
        rope_theta,
        norm_epsilon: 1e-5,
        tied,
    }
}

/// The shape of this name.
///
/// # Errors
/// [`ModelError::UnknownShape`] with the nearest name and all there are.
pub fn find(name: &str) -> Result<&'static Shape, ModelError> {
    SHAPES.iter().find(|shape| shape.name == name).ok_or_else(|| ModelError::UnknownShape {
        name: name.into(),
        hint: suggest::did_you_mean(name, SHAPES.iter().map(|shape| shape.name)),
        known: SHAPES.map(|shape| shape.name).join(", "),
    })
}

impl Shape {
    /// Width of one head.
    pub fn head_dim(&self) -> u32 {
        self.hidden / self.heads
    }

    /// Width of all keys of a token in a layer.
    pub fn kv_width(&self) -> u32 {
        self.head_dim() * self.kv_heads
    }

    /// All tensors, in the order of the file.
    pub fn tensors(&self) -> Vec<TensorShape> {
        let (hidden, kv, ffn) = (u64::from(self.hidden), u64::from(self.kv_width()), u64::from(self.ffn));
        let vocabulary = u64::from(self.vocabulary);
        let matrix = |name: String, width, rows| TensorShape { name, width, rows: Some(rows) };
        let norm = |name: String| TensorShape { name, width: hidden, rows: None };
        let mut all = vec![matrix("token_embd.weight".into(), hidden, vocabulary)];
        for layer in 0..self.layers {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            all.extend([
                norm(name("attn_norm")),
                matrix(name("attn_q"), hidden, hidden),
                matrix(name("attn_k"), hidden, kv),
                matrix(name("attn_v"), hidden, kv),
                matrix(name("attn_output"), hidden, hidden),
                norm(name("ffn_norm")),
                matrix(name("ffn_gate"), hidden, ffn),
                matrix(name("ffn_up"), hidden, ffn),
                matrix(name("ffn_down"), ffn, hidden),
            ]);
        }
        all.push(norm("output_norm.weight".into()));
        if !self.tied {
            all.push(matrix("output.weight".into(), hidden, vocabulary));
        }
        all
    }

    /// Parameters, counted from the tensors.
    pub fn parameters(&self) -> u64 {
        self.tensors().iter().map(TensorShape::elements).sum()
    }

    /// Bytes of all weights in a quantization; `None` where a width is no multiple of its block.
    pub fn bytes(&self, quantization: Quantization) -> Option<u64> {
        self.check(quantization).ok()?;
        Some(self.tensors().iter().map(|tensor| quantization.tensor_bytes(tensor)).sum())
    }

    /// Whether every row is whole blocks of the quantization.
    ///
    /// # Errors
    /// [`ModelError::Width`] naming the width and the quantizations that fit.
    pub fn check(&self, quantization: Quantization) -> Result<(), ModelError> {
        let fits = |q: Quantization| {
            let block = q.block_elements();
            [self.hidden, self.ffn].into_iter().find(|width| !u64::from(*width).is_multiple_of(block))
        };
        let Some(width) = fits(quantization) else { return Ok(()) };
        let possible: Vec<_> =
            Quantization::ALL.into_iter().filter(|q| fits(*q).is_none()).map(Quantization::key).collect();
        Err(ModelError::Width {
            shape: self.name.into(),
            quantization: quantization.name(),
            width,
            block: quantization.block_elements(),
            possible: possible.join(", "),
        })
    }
}

/// One line of `model shapes`.
#[derive(Debug, Clone, PartialEq)]
pub struct ShapeRow {
    pub shape: &'static Shape,
    pub parameters: u64,
    /// Bytes of the weights for each of [`Quantization::ALL`]; `None` where it doesn't fit the widths.
    pub bytes: [Option<u64>; 4],
}

/// The table of `model shapes`.
pub fn table() -> Vec<ShapeRow> {
    SHAPES
        .iter()
        .map(|shape| ShapeRow {
            shape,
            parameters: shape.parameters(),
            bytes: Quantization::ALL.map(|quantization| shape.bytes(quantization)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_the_published_ones() {
        let of = |name| find(name).unwrap().parameters();
        assert_eq!(of("smollm2-135m"), 134_515_008);
        assert_eq!(of("tinyllama-1.1b"), 1_100_048_384);
        assert_eq!(of("llama2-7b"), 6_738_415_616);
        assert_eq!(of("llama2-13b"), 13_015_864_320);
        assert_eq!(of("llama2-70b"), 68_976_648_192);
        assert_eq!(of("llama3-8b"), 8_030_261_248);
        assert_eq!(of("mistral-7b"), 7_241_732_096);
        assert!((6_000_000..9_000_000).contains(&of("tiny")));
    }

    #[test]
    fn a_width_that_is_no_whole_block_is_named() {
        let error = find("smollm2-135m").unwrap().check(Quantization::Q4K).unwrap_err().to_string();
        assert!(error.contains("576") && error.contains("256") && error.contains("q8_0"), "{error}");
        assert!(find("llama2-7b").unwrap().check(Quantization::Q4K).is_ok());
    }

    #[test]
    fn a_slip_in_a_name_is_mended() {
        let error = find("lama2-7b").unwrap_err().to_string();
        assert!(error.contains("did you mean `llama2-7b`?"), "{error}");
    }
}
