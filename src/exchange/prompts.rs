//! Prompt texts of a known count of tokens.
//!
//! A recording keeps no prompts, only the seed that they were drawn with. The generator draws the same token ids
//! again, and each id stands for a word that is one token wherever it stands: so a text has as many tokens as the
//! recorded prompt. Random ids decoded as they are would not: `in` and `form` side by side are one token when
//! they are read again.

use std::sync::Arc;

use serde_json::Value;

use super::count::Counter;
use crate::model::{TextTokenizer, Tokens, find_shape};
use crate::profile::Workload;
use crate::workload::{Generator, Random, Stream, Target};

/// The size of the vocabulary where none is known.
const VOCABULARY: u32 = 32_000;
/// Rounds of putting right a text whose count is not as asked.
const ROUNDS: usize = 8;
/// Purpose of the random words of prompts that the generator doesn't draw.
const STRAY: u64 = 0x7374_7261_7973;

/// Makes prompts for one stage.
pub struct Prompts<'a> {
    words: Words,
    counter: &'a Counter,
    generator: Option<Generator>,
    seed: u64,
}

enum Words {
    /// Those of random weights: every one is a token of theirs, and a word by white space.
    Dummy(u32),
    /// Those of a tokenizer.
    Listed(Arc<TextTokenizer>),
}

impl<'a> Prompts<'a> {
    /// For a recording's profile and seed; `shape` is that of random weights.
    pub fn new(counter: &'a Counter, profile: &Value, seed: u64, shape: Option<&str>) -> Self {
        let sim = profile.pointer("/backend/sim/vocabulary").and_then(Value::as_u64);
        let shaped = shape.and_then(|name| find_shape(name).ok()).map(|shape| shape.vocabulary);
        let known = shaped.or(sim.and_then(|n| u32::try_from(n).ok())).unwrap_or(VOCABULARY);
        let (words, vocabulary) = match counter {
            Counter::Tokenizer(tokenizer) => (Words::Listed(tokenizer.clone()), tokenizer.vocabulary()),
            Counter::None | Counter::Words => (Words::Dummy(known), known),
        };
        let workload =
            profile.get("workload").and_then(|w| serde_json::from_value::<Workload>(w.clone()).ok());
        let generator = workload.and_then(|mut workload| {
            workload.seed = seed;
            workload.prompt_text = None;
            // Random weights have three control tokens, which no prompt holds.
            let reserved: &[u32] = if shape.is_some() { &[0, 1, 2] } else { &[] };
            Generator::new(&workload, Target { vocabulary, reserved, context: None }, None).ok()
        });
        Self { words, counter, generator, seed }
    }

    /// The text of the stage's `index`th prompt, of `tokens` tokens; and whether it has so many, where a tokenizer
    /// can tell.
    pub fn text(&self, index: u64, tokens: u32) -> (String, bool) {
        let drawn = self.generator.as_ref().map(|g| g.request(Stream::Measured, index).prompt);
        let mut random = Random::new(self.seed, STRAY, index);
        // A length that a sweep or a context changed finds its first ids all the same.
        let mut ids = drawn.iter().flat_map(|ids| ids.iter().copied());
        let mut words: Vec<String> =
            (0..tokens).map(|_| self.word(ids.next().unwrap_or_else(|| random.below(u32::MAX)))).collect();
        let Counter::Tokenizer(_) = self.counter else { return (words.join(" "), true) };
        for _ in 0..ROUNDS {
            let text = words.join(" ");
            match self.counter.count(&text) {
                Some(count) if count == tokens => return (text, true),
                Some(count) if count > tokens && !words.is_empty() => {
                    words.truncate(words.len().saturating_sub((count - tokens) as usize));
                }
                Some(count) if count < tokens => {
                    words.extend((count..tokens).map(|_| self.word(random.below(u32::MAX))));
                }
                _ => break,
            }
        }
        (words.join(" "), false)
    }

    fn word(&self, id: u32) -> String {
        match &self.words {
            Words::Dummy(vocabulary) => Tokens::word(*vocabulary, id),
            Words::Listed(tokenizer) => {
                let words = tokenizer.words();
                words.get(id as usize % words.len().max(1)).cloned().unwrap_or_else(|| "a".into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn profile() -> Value {
        json!({ "workload": { "prompt_tokens": { "uniform": { "min": 3, "max": 40 } }, "output_tokens": 4 } })
    }

    #[test]
    fn words_are_as_many_as_asked_and_the_seeds_own() {
        let counter = Counter::None;
        let prompts = Prompts::new(&counter, &profile(), 7, Some("tiny"));
        for (index, tokens) in [(0, 12), (1, 0), (2, 1), (3, 300)] {
            let (text, right) = prompts.text(index, tokens);
            assert!(right);
            assert_eq!(text.split_whitespace().count() as u32, tokens, "{text}");
            assert_eq!(Counter::Words.count(&text), Some(tokens));
        }
        let again = Prompts::new(&counter, &profile(), 7, Some("tiny"));
        let other = Prompts::new(&counter, &profile(), 8, Some("tiny"));
        assert_eq!(prompts.text(5, 20), again.text(5, 20));
        assert_ne!(prompts.text(5, 20), other.text(5, 20));
        assert_ne!(prompts.text(5, 20), prompts.text(6, 20));
    }

    #[test]
    fn a_profile_that_tells_nothing_is_no_obstacle() {
        let counter = Counter::None;
        let prompts = Prompts::new(&counter, &Value::Null, 7, Some("no such shape"));
        assert_eq!(Counter::Words.count(&prompts.text(0, 5).0), Some(5));
    }
}
