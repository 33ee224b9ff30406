//! The types dummy weights come in: sizes, and random blocks written directly in their file format.
//!
//! Blocks are made, not converted from floats: the scale is fixed per tensor, the sign of each block's scale
//! and all quants are random. So every block is valid, values have mean zero and the wished spread, and
//! making them costs little more than the random bytes.

use half::f16;

use super::random::Random;
use super::shapes::TensorShape;

/// A type of weights that dummies can have. Vectors (norms) are always F32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantization {
    F16,
    Q8_0,
    Q4_0,
    Q4K,
}

/// Bytes of a Q4K block before its quants: two scales, and twelve bytes of packed 6-bit sub-scales.
const Q4K_HEAD: usize = 16;
/// Twelve bytes that unpack to 32 for each of the eight sub-scales and each of the eight minima.
const Q4K_SCALES: [u8; 12] = [0xA0, 0xA0, 0xA0, 0xA0, 0xA0, 0xA0, 0xA0, 0xA0, 0, 0, 0, 0];
/// Standard deviation of a uniformly random byte, of a uniformly random nibble, and of a number drawn
/// uniformly from ±[1, 2).
const BYTE_STD: f32 = 73.9;
const NIBBLE_STD: f32 = 4.61;
const F16_STD: f32 = 1.53;

impl Quantization {
    pub const ALL: [Self; 4] = [Self::F16, Self::Q8_0, Self::Q4_0, Self::Q4K];

    /// The type of this key; `none` is F16. Case does not matter, and `q4_k` is `q4k`.
    pub fn parse(key: &str) -> Option<Self> {
        let key = key.to_ascii_lowercase();
        match key.as_str() {
            "none" => Some(Self::F16),
            "q4_k" => Some(Self::Q4K),
            _ => Self::ALL.into_iter().find(|q| q.key() == key),
        }
    }

    /// As written in a profile and in file names.
    pub fn key(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Q4K => "q4k",
        }
    }

    /// As shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "F16",
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::Q4K => "Q4K",
        }
    }

    /// Its number in GGUF's tensor infos.
    pub fn ggml_type(self) -> u32 {
        match self {
            Self::F16 => 1,
            Self::Q8_0 => 8,
            Self::Q4_0 => 2,
            Self::Q4K => 12,
        }
    }

    /// Its number in `general.file_type`.
    pub fn file_type(self) -> u32 {
        match self {
            Self::F16 => 1,
            Self::Q8_0 => 7,
            Self::Q4_0 => 2,
            Self::Q4K => 15,
        }
    }

    /// Elements of a block; a row must be whole blocks.
    pub fn block_elements(self) -> u64 {
        match self {
            Self::F16 => 1,
            Self::Q8_0 | Self::Q4_0 => 32,
            Self::Q4K => 256,
        }
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> u64 {
        match self {
            Self::F16 => 2,
            Self::Q8_0 => 34,
            Self::Q4_0 => 18,
            Self::Q4K => 144,
        }
    }

    /// Bytes of a tensor; vectors are F32.
    pub fn tensor_bytes(self, tensor: &TensorShape) -> u64 {
        match tensor.rows {
            None => tensor.width * 4,
            Some(_) => tensor.elements() / self.block_elements() * self.block_bytes(),
        }
    }

    /// Fills a buffer of whole blocks with random weights of this standard deviation.
    pub fn fill(self, out: &mut [u8], std: f32, random: &mut Random) {
        match self {
            Self::F16 => fill_f16(out, std, random),
            Self::Q8_0 => fill_blocks::<34>(out, f16::from_f32(std / BYTE_STD), random),
            Self::Q4_0 => fill_blocks::<18>(out, f16::from_f32(std / NIBBLE_STD), random),
            Self::Q4K => fill_q4k(out, std, random),
        }
    }
}

/// Random sign and mantissa on one exponent: ±[1, 2) times the power of two nearest to the wished spread.
fn fill_f16(out: &mut [u8], std: f32, random: &mut Random) {
    let exponent = libm::roundf(libm::log2f(std / F16_STD)) as i32 + 15;
    let exponent = u64::from(exponent.clamp(1, 30).unsigned_abs()) << 10;
    let fixed = exponent | exponent << 16 | exponent << 32 | exponent << 48;
    let (words, rest) = out.as_chunks_mut::<8>();
    for word in words {
        *word = (random.next() & 0x83FF_83FF_83FF_83FF | fixed).to_le_bytes();
    }
    let last = (random.next() & 0x83FF_83FF_83FF_83FF | fixed).to_le_bytes();
    rest.copy_from_slice(&last[..rest.len()]);
}

/// Q8_0 and Q4_0: an f16 scale, then quants.
fn fill_blocks<const BYTES: usize>(out: &mut [u8], scale: f16, random: &mut Random) {
    let mut signs = 0;
    for (i, block) in out.as_chunks_mut::<BYTES>().0.iter_mut().enumerate() {
        if i % 64 == 0 {
            signs = random.next();
        }
        let sign = (signs >> (i % 64) & 1) as u16;
        let (head, quants) = block.split_at_mut(2);
        head.copy_from_slice(&(scale.to_bits() ^ sign << 15).to_le_bytes());
        random.fill(quants);
    }
}

/// Q4K: `w = d·32·q − dmin·32` with `dmin = 7.5·d`, so that the nibbles' mean falls away.
fn fill_q4k(out: &mut [u8], std: f32, random: &mut Random) {
    let scale = std / (NIBBLE_STD * 32.0);
    let (d, dmin) = (f16::from_f32(scale), f16::from_f32(scale * 7.5));
    for block in out.as_chunks_mut::<144>().0 {
        let sign = ((random.next() & 1) as u16) << 15;
        let (head, quants) = block.split_at_mut(Q4K_HEAD);
        head[..2].copy_from_slice(&(d.to_bits() ^ sign).to_le_bytes());
        head[2..4].copy_from_slice(&(dmin.to_bits() ^ sign).to_le_bytes());
        head[4..].copy_from_slice(&Q4K_SCALES);
        random.fill(quants);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half_at(block: &[u8], at: usize) -> f32 {
        f16::from_bits(u16::from_le_bytes([block[at], block[at + 1]])).to_f32()
    }

    /// Reads blocks back as the formats are specified.
    fn values(quantization: Quantization, bytes: &[u8]) -> Vec<f32> {
        let mut out = Vec::new();
        for block in bytes.chunks_exact(quantization.block_bytes() as usize) {
            let d = half_at(block, 0);
            match quantization {
                Quantization::F16 => out.push(d),
                Quantization::Q8_0 => {
                    out.extend(block[2..].iter().map(|b| d * f32::from(i8::from_le_bytes([*b]))));
                }
                Quantization::Q4_0 => {
                    let nibbles = block[2..].iter().flat_map(|b| [b & 15, b >> 4]);
                    out.extend(nibbles.map(|q| d * (f32::from(q) - 8.0)));
                }
                Quantization::Q4K => {
                    let dmin = half_at(block, 2);
                    let nibbles = block[16..].iter().flat_map(|b| [b & 15, b >> 4]);
                    out.extend(nibbles.map(|q| d * 32.0 * f32::from(q) - dmin * 32.0));
                }
            }
        }
        out
    }

    #[test]
    fn blocks_are_valid_with_mean_zero_and_the_wished_spread() {
        for quantization in Quantization::ALL {
            let mut bytes = vec![0; 34 * 18 * 16 * 64];
            quantization.fill(&mut bytes, 0.05, &mut Random::new(7));
            let values = values(quantization, &bytes);
            let n = values.len() as f32;
            let mean = values.iter().sum::<f32>() / n;
            let std = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt();
            assert!(values.iter().all(|v| v.is_finite()));
            assert!(mean.abs() < 0.003, "{quantization:?}: mean {mean}");
            assert!((0.03..0.08).contains(&std), "{quantization:?}: standard deviation {std}");
        }
    }

    #[test]
    fn keys_are_read_in_any_case() {
        assert_eq!(Quantization::parse("Q4_K"), Some(Quantization::Q4K));
        assert_eq!(Quantization::parse("none"), Some(Quantization::F16));
        assert_eq!(Quantization::parse("q3k"), None);
    }
}
