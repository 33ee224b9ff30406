//! Request number `i`: its prompt as token ids, and how much output it asks for.

use std::sync::Arc;

use super::length::draw;
use super::random::Random;
use crate::profile::{Length, Spread, Workload};

/// Which of a seed's sequences of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Warm-up requests: other prompts than the measured ones, so that no cache knows these.
    Warmup,
    /// The requests that count.
    Measured,
}

/// What the requests are for: the backend's vocabulary, and the model's context where it is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Target<'a> {
    /// Token ids are `0..vocabulary`.
    pub vocabulary: u32,
    /// Ids that no prompt may hold, sorted.
    pub reserved: &'a [u32],
    /// The longest sequence, prompt and output, in tokens.
    pub context: Option<u32>,
}

/// A request as it is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub prompt: Arc<[u32]>,
    pub output_tokens: u32,
    /// `workload.prompt_text`, which is every prompt where it is given.
    pub text: Option<Arc<str>>,
}

/// Why a workload can't be asked of a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadError {
    /// The longest possible request does not fit.
    #[error(
        "a prompt of {prompt} and an output of {output} tokens can be drawn, together {}, but the model's context \
         is {context}; lower the max of workload.prompt_tokens or workload.output_tokens",
        u64::from(*prompt) + u64::from(*output)
    )]
    Context { prompt: u32, output: u32, context: u32 },
    /// There is no token to make prompts of.
    #[error("the model's vocabulary of {0} tokens has none that a prompt may hold")]
    Vocabulary(u32),
    /// `prompt_text` is no tokens at all.
    #[error("workload.prompt_text is empty once it is tokenised")]
    EmptyPrompt,
}

/// Makes a workload's requests. The same seed, lengths, vocabulary and context make the same requests, in any
/// order and on any machine.
#[derive(Debug, Clone)]
pub struct Generator {
    workload: Workload,
    /// Reserved ids within the vocabulary, sorted, each once.
    reserved: Vec<u32>,
    /// Ids that prompts are made of.
    usable: u32,
    context: Option<u32>,
    prefix: Vec<u32>,
    /// `prompt_text` as tokens.
    text: Option<Arc<[u32]>>,
    /// `prompt_text` itself.
    said: Option<Arc<str>>,
}

impl Generator {
    /// `text` is `workload.prompt_text` as the backend encodes it; it is every prompt.
    ///
    /// # Errors
    /// [`WorkloadError`] if the longest request exceeds the context, or prompts would be empty.
    pub fn new(
        workload: &Workload,
        target: Target<'_>,
        text: Option<Arc<[u32]>>,
    ) -> Result<Self, WorkloadError> {
        let mut reserved: Vec<u32> =
            target.reserved.iter().copied().filter(|id| *id < target.vocabulary).collect();
        reserved.sort_unstable();
        reserved.dedup();
        let usable = target.vocabulary - reserved.len() as u32;
        if text.as_ref().is_some_and(|text| text.is_empty()) {
            return Err(WorkloadError::EmptyPrompt);
        }
        if usable == 0 && text.is_none() {
            return Err(WorkloadError::Vocabulary(target.vocabulary));
        }
        if let Some(context) = target.context {
            check_context(workload, text.as_ref().map(|t| t.len() as u32), context)?;
        }
        let said = workload.prompt_text.as_deref().filter(|_| text.is_some()).map(Into::into);
        let mut made = Self {
            said,
            workload: workload.clone(),
            reserved,
            usable,
            context: target.context,
            prefix: Vec::new(),
            text,
        };
        if made.text.is_none() {
            let mut random = Random::new(workload.seed, PREFIX, 0);
            made.prefix = (0..workload.shared_prefix_tokens).map(|_| made.token(&mut random)).collect();
        }
        Ok(made)
    }

    /// Request `index` of a stream.
    pub fn request(&self, stream: Stream, index: u64) -> Planned {
        let streams = match stream {
            Stream::Warmup => [WARMUP, WARMUP_TOKENS],
            Stream::Measured => [MEASURED, MEASURED_TOKENS],
        };
        let mut random = Random::new(self.workload.seed, streams[0], index);
        let wanted = draw(&self.workload.prompt_tokens, &mut random);
        let output = draw(&self.workload.output_tokens, &mut random);
        let prompt = if let Some(text) = &self.text {
            text.clone()
        } else {
            let length = self.prompt_length(wanted);
            self.prompt(length, &mut Random::new(self.workload.seed, streams[1], index))
        };
        let output_tokens = match self.context {
            // Only an output without a `max` of its own can be cut here: for others the check has seen that
            // the longest fits.
            Some(context) => output.min(context.saturating_sub(prompt.len() as u32)).max(1),
            None => output,
        };
        Planned { prompt, output_tokens, text: self.said.clone() }
    }

    /// A prompt without a `max` of its own is cut so that the output fits after it.
    fn prompt_length(&self, wanted: u32) -> u32 {
        match self.context {
            Some(context) => wanted.min(context.saturating_sub(certain(&self.workload.output_tokens))),
            None => wanted,
        }
    }

    fn prompt(&self, length: u32, random: &mut Random) -> Arc<[u32]> {
        let length = length as usize;
        let shared = self.prefix.iter().copied().take(length);
        let own = length.saturating_sub(self.prefix.len());
        shared.chain((0..own).map(|_| self.token(random))).collect()
    }

    /// A token id, all that are not reserved alike.
    fn token(&self, random: &mut Random) -> u32 {
        let nth = random.below(self.usable);
        // Reserved ids are skipped: the nth usable id lies above as many of them as have at most `nth` usable
        // ids before them.
        let mut below = 0;
        let mut above = self.reserved.len();
        while below < above {
            let middle = below.midpoint(above);
            if self.reserved[middle] - middle as u32 <= nth {
                below = middle + 1;
            } else {
                above = middle;
            }
        }
        nth + below as u32
    }
}

const MEASURED: u64 = 0x006d_6561_7375_7265;
const MEASURED_TOKENS: u64 = 0x6d65_6173_7572_6564;
const WARMUP: u64 = 0x7761_726d_7570;
const WARMUP_TOKENS: u64 = 0x0077_6172_6d75_7073;
const PREFIX: u64 = 0x7072_6566_6978;

/// Tokens that a length surely needs room for: its `max`, or its `min` where the context is the only bound.
fn certain(length: &Length) -> u32 {
    let (min, max) = length.bounds();
    if max == Spread::UNBOUNDED { min } else { max }
}

/// The longest possible request in tokens, prompt and output; `prompt_text` is the length of a given prompt.
/// A length without a `max` counts with its `min`: it is cut to what the other leaves.
///
/// # Errors
/// [`WorkloadError::Context`] if that is more than the model's context.
pub fn check_context(
    workload: &Workload,
    prompt_text: Option<u32>,
    context: u32,
) -> Result<u32, WorkloadError> {
    let prompt = prompt_text.unwrap_or_else(|| certain(&workload.prompt_tokens));
    let output = certain(&workload.output_tokens);
    match prompt.checked_add(output) {
        Some(longest) if longest <= context => Ok(longest),
        _ => Err(WorkloadError::Context { prompt, output, context }),
    }
}

#[cfg(test)]
mod tests;
