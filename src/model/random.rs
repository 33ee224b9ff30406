//! A fast, portable stream of random bits for dummy weights: SplitMix64, by counter.
//!
//! Its steps don't wait for each other, so that a core makes several GB/s; and a stream can be started
//! anywhere by its key, so that chunks of a tensor can be made in any order with the same result.

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of random words.
#[derive(Debug, Clone)]
pub struct Random {
    counter: u64,
}

impl Random {
    /// The stream of a key.
    pub fn new(key: u64) -> Self {
        Self { counter: mix(key) }
    }

    /// The stream of a chunk of a tensor of a file made with a seed.
    pub fn of_chunk(seed: u64, tensor: u64, chunk: u64) -> Self {
        Self::new(mix(mix(seed) ^ tensor).wrapping_add(chunk.wrapping_mul(GOLDEN)))
    }

    /// The next 64 bits.
    #[allow(clippy::should_implement_trait, reason = "an endless stream, not an Iterator of options")]
    pub fn next(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(GOLDEN);
        mix(self.counter)
    }

    /// Fills a slice with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        let (words, rest) = out.as_chunks_mut::<8>();
        for word in words {
            *word = self.next().to_le_bytes();
        }
        if !rest.is_empty() {
            let last = self.next().to_le_bytes();
            rest.copy_from_slice(&last[..rest.len()]);
        }
    }
}

/// SplitMix64's finalizer (Steele, Lea, Flood 2014).
fn mix(z: u64) -> u64 {
    let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}
