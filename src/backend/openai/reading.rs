//! What a stream's events mean: tokens, counts, its end. Pure: no socket, no clock.

use std::collections::VecDeque;

use super::fault::{Fault, harmless};
use super::peek::{Peek, Usage};
use super::shape::{self, Said};
use super::speech::{Cut, Speech};
use super::sse::LINE_LIMIT;
use crate::backend::End;
use crate::event::{CountedBy, Outcome};

/// Most bytes of generated text that are kept…
const TEXT: usize = 64 * 1024;
/// …and the fewest of a text that was cut: bytes of the longest character less one are missing.
const CUT: usize = TEXT - 3;

/// Room that is made for a text at its beginning, at most, and bytes of it for a token.
const ROOM: usize = 4 * 1024;
const A_TOKEN: usize = 5;

/// A chunk's time on the run's clock, and its tokens.
pub type Chunk = (u64, u32);

/// A stream, as far as it has come.
#[derive(Debug, Default)]
pub struct Reading {
    frames: Cut,
    told: Told,
}

/// What the stream has told.
#[derive(Debug, Default)]
struct Told {
    /// The chunk that waits to be handed on, and those behind it.
    chunk: Option<Chunk>,
    chunks: VecDeque<Chunk>,
    text: String,
    /// Most tokens that were asked for: how long the text may become.
    max_tokens: u32,
    /// Tokens in all chunks so far.
    made: u32,
    /// An event with a choice was seen.
    begun: bool,
    /// The server counts in every chunk, from the first on.
    continuous: bool,
    /// By these counts an event held other than a token for a text, and none for none.
    different: bool,
    finished: bool,
    done: bool,
    usage: Usage,
    speech: Speech,
    /// The shape of the last event.
    shape: u8,
    fault: Option<Fault>,
}

impl Reading {
    /// An answer that is understood in this way, of so many tokens at most.
    pub fn of(speech: Speech, max_tokens: u32) -> Self {
        Self { frames: speech.cut(), told: Told { max_tokens, speech, ..Told::default() } }
    }

    /// Takes in bytes that were read at `at_ns`.
    pub fn feed(&mut self, bytes: &[u8], at_ns: u64) {
        let told = &mut self.told;
        if self.frames.feed(bytes, &mut |data| told.event(data, at_ns)).is_err() {
            told.too_long();
        }
    }

    /// A whole answer in place of a stream: no token has a time of its own. `counted`: somebody counts the tokens of
    /// its text if it doesn't tell itself.
    pub fn whole(&mut self, json: &[u8], at_ns: u64, counted: bool) {
        let told = &mut self.told;
        told.event(json, at_ns);
        told.chunk = None;
        told.chunks.clear();
        if told.fault.is_none() && told.usage.completion_tokens.is_none() {
            if told.made == 0 {
                told.fault = Some(Fault::protocol(format!("the answer holds no completion: {}", seen(json))));
            } else if !counted {
                let why = "the answer does not tell how many tokens it has; name the model's tokenizer.json by \
                           backend.tokenizer, to count them";
                told.fault = Some(Fault::protocol(why));
            }
        }
        told.made = 0;
        told.finished = true;
        told.done = true;
    }

    /// The body is over.
    pub fn over(&mut self, at_ns: u64, max_tokens: u32) {
        let told = &mut self.told;
        if self.frames.finish(&mut |data| told.event(data, at_ns)).is_err() {
            told.too_long();
        }
        if told.is_over() {
            return;
        }
        told.done = true;
        let may_end = told.finished || (told.made > 0 && told.speech.just_ends());
        if !may_end && told.made < max_tokens && told.usage.completion_tokens.is_none() {
            told.fault = Some(Fault::protocol(match told.made {
                0 => "the stream ended without a token".to_owned(),
                n => format!("the stream was cut after {n} tokens: no finish_reason, no [DONE]"),
            }));
        }
    }

    /// The connection broke. After the last token's reason nothing is missing but the goodbye.
    pub fn broke(&mut self, fault: Fault) {
        if self.told.finished || self.told.done {
            self.told.done = true;
        } else {
            self.told.fault.get_or_insert(fault);
        }
    }

    /// The next chunk that waits.
    #[inline]
    pub fn next_chunk(&mut self) -> Option<Chunk> {
        let told = &mut self.told;
        let next = told.chunk.take();
        // Most reads bring one, which needs no more room than this.
        if next.is_some() && !told.chunks.is_empty() {
            told.chunk = told.chunks.pop_front();
        }
        next
    }

    /// Nothing more will come of it.
    pub fn is_over(&self) -> bool {
        self.told.is_over()
    }

    /// It ended well, as far as the stream goes.
    pub fn is_well(&self) -> bool {
        self.told.done && self.told.fault.is_none()
    }

    /// The text so far.
    pub fn take_text(&mut self) -> String {
        std::mem::take(&mut self.told.text)
    }

    /// Whether each event with a text held one token, and no other held any. `None` if that can't be told: of one token
    /// nothing can.
    pub fn is_a_token_each(&self) -> Option<bool> {
        let told = &self.told;
        let tokens = told.usage.completion_tokens.filter(|_| self.is_well() && told.made > 1)?;
        Some(!told.different && tokens == told.made)
    }

    /// How it ended.
    pub fn end(&mut self) -> End {
        let told = &mut self.told;
        if told.fault.is_none() && told.made == 0 && told.usage.completion_tokens.is_none() && !told.finished
        {
            told.fault = Some(Fault::protocol("the stream ended without a token"));
        }
        // A count below what was seen is no count.
        let counted = told.usage.completion_tokens.filter(|n| *n >= told.made || told.fault.is_none());
        let (output_tokens, counted_by) = match counted {
            Some(tokens) => (tokens, CountedBy::Usage),
            None => (told.made, CountedBy::Chunks),
        };
        let (outcome, error) = match told.fault.take() {
            Some(fault) => (fault.outcome, Some(fault.message.into())),
            None => (Outcome::Completed, None),
        };
        let prompt_tokens = told.usage.prompt_tokens.filter(|n| *n > 0);
        End { outcome, output_tokens, counted_by, prompt_tokens, error }
    }
}

impl Told {
    fn is_over(&self) -> bool {
        self.done || self.fault.is_some()
    }

    fn too_long(&mut self) {
        let message = format!("a line of the stream is longer than {} MiB", LINE_LIMIT >> 20);
        self.fault.get_or_insert(Fault::protocol(message));
    }

    #[inline]
    fn event(&mut self, data: &[u8], at_ns: u64) {
        if self.is_over() {
            return;
        }
        let known = if self.speech.is_plain() { shape::read(data, &mut self.shape) } else { None };
        match known {
            Some(said) => self.said(said, at_ns),
            None => self.unusual(data, at_ns),
        }
    }

    /// An event whose like was seen before.
    #[inline]
    fn said(&mut self, said: Said<'_>, at_ns: u64) {
        // Behind a cut comes nothing more: it would hide the gap, also from whoever counts the text's tokens.
        if self.text.len() < CUT {
            if self.text.is_empty() {
                self.text.reserve(ROOM.min(self.max_tokens as usize * A_TOKEN));
            }
            self.text.push_str(&said.text[..said.text.floor_char_boundary(TEXT - self.text.len())]);
        }
        self.finished |= said.finished;
        self.usage.completion_tokens = said.completion_tokens.or(self.usage.completion_tokens);
        self.usage.prompt_tokens = said.prompt_tokens.or(self.usage.prompt_tokens);
        if said.choices {
            self.tokens(said.completion_tokens, !said.text.is_empty(), at_ns);
        }
    }

    /// An event that has to be read as JSON.
    fn unusual(&mut self, data: &[u8], at_ns: u64) {
        if data.trim_ascii() == b"[DONE]" {
            self.done = true;
            return;
        }
        let before = self.text.len();
        if let Ok(found) = self.speech.look(data, &mut self.text) {
            if self.speech.is_plain() {
                shape::learn(data, &found);
            }
            self.found(found, at_ns);
        } else {
            self.fault = Some(Fault::protocol(format!("an event is no JSON object: {}", seen(data))));
        }
        if before >= CUT {
            self.text.truncate(before);
        } else if self.text.len() > TEXT {
            self.text.truncate(self.text.floor_char_boundary(TEXT));
        }
    }

    fn found(&mut self, found: Peek, at_ns: u64) {
        if let Some(error) = found.error {
            let message = format!("the server broke off: {}", harmless(&error));
            self.fault = Some(Fault::new(Outcome::FailedEngine, message));
            return;
        }
        self.finished |= found.finished;
        let counted = found.usage.and_then(|usage| usage.completion_tokens);
        if let Some(usage) = found.usage {
            self.usage.completion_tokens = usage.completion_tokens.or(self.usage.completion_tokens);
            self.usage.prompt_tokens = usage.prompt_tokens.or(self.usage.prompt_tokens);
        }
        if found.choices {
            self.tokens(counted, found.generated, at_ns);
        }
    }

    /// An event with a choice: how many tokens it brought. `counted`: all so far, as the server says.
    #[inline]
    fn tokens(&mut self, counted: Option<u32>, generated: bool, at_ns: u64) {
        if !std::mem::replace(&mut self.begun, true) {
            self.continuous = counted.is_some();
        }
        let tokens = match counted.filter(|_| self.continuous) {
            Some(count) => {
                let tokens = count.saturating_sub(self.made);
                self.different |= tokens != u32::from(generated);
                tokens
            }
            None => u32::from(generated),
        };
        if tokens > 0 {
            self.made = self.made.saturating_add(tokens);
            match self.chunk {
                None => self.chunk = Some((at_ns, tokens)),
                Some(_) => self.chunks.push_back((at_ns, tokens)),
            }
        }
    }
}

/// The start of what a server said, for a message.
fn seen(data: &[u8]) -> String {
    harmless(&String::from_utf8_lossy(&data[..data.len().min(400)]))
}

#[cfg(test)]
mod tests;
