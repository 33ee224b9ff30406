//! The shape of a stream's events: nearly all of them differ in nothing but their text, and in counts.
//!
//! After one event was read as JSON, its bytes before and after the text are kept. An event with the same bytes in the
//! same places says the same with another text, so that it need not be read as JSON again. Whatever differs in any
//! other byte is none of this shape, and is read anew.

use memchr::{memchr2, memmem};

use super::peek::Peek;

/// Before the figure that counts the tokens so far; servers that count write it in every event.
const COUNT: &[u8] = b"\"completion_tokens\":";
/// Grows with it.
const TOTAL: &[u8] = b"\"total_tokens\":";

/// What stands around the text of an event. Empty until one was seen.
#[derive(Debug, Default)]
pub struct Shape {
    /// As far as the text, with the quote that opens it.
    head: Vec<u8>,
    /// Behind the quote that closes it; holes cut out.
    tail: Vec<u8>,
    /// Where numbers stood in `tail`, in order.
    holes: [Option<Hole>; 2],
}

/// A number in the tail that differs from event to event.
#[derive(Debug, Clone, Copy)]
struct Hole {
    at: usize,
    is_count: bool,
}

/// What an event of the shape says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    pub text: &'a str,
    /// Tokens so far, if the server counts them in each event.
    pub completion_tokens: Option<u32>,
}

impl Shape {
    /// What an event says, if it has the shape; exactly what reading it as JSON would say.
    #[inline]
    pub fn read<'a>(&self, event: &'a [u8]) -> Option<Said<'a>> {
        if self.head.is_empty() {
            return None;
        }
        let rest = event.strip_prefix(self.head.as_slice())?;
        let end = memchr2(b'"', b'\\', rest)?;
        let (text, tail) = (&rest[..end], &rest[end + 1..]);
        if rest[end] != b'"' || text.iter().any(|b| *b < b' ') {
            return None;
        }
        let mut said = Said { text: std::str::from_utf8(text).ok()?, completion_tokens: None };
        self.is_tail(tail, &mut said).then_some(said)
    }

    /// Whether this is a tail of the shape; notes the count that stands in it.
    #[inline]
    fn is_tail(&self, mut tail: &[u8], said: &mut Said<'_>) -> bool {
        let mut from = 0;
        for hole in self.holes.iter().flatten() {
            let Some(rest) = tail.strip_prefix(&self.tail[from..hole.at]) else { return false };
            from = hole.at;
            let Some((number, rest)) = number(rest) else { return false };
            tail = rest;
            if hole.is_count {
                said.completion_tokens = Some(number);
            }
        }
        tail == &self.tail[from..]
    }

    /// Takes the shape of an event that was read as JSON, if it is a usual one.
    pub fn learn(&mut self, event: &[u8], found: &Peek) {
        self.head.clear();
        let Some((start, end)) = found.text_at(event) else { return };
        let usual = found.choices && found.generated && !found.finished && found.error.is_none();
        if !usual || event.get(end) != Some(&b'"') {
            return;
        }
        let counted = found.usage.and_then(|usage| usage.completion_tokens);
        self.tail.clear();
        self.holes = [None, None];
        if !self.cut_holes(&event[end + 1..], counted) {
            return;
        }
        self.head.extend_from_slice(&event[..start]);
    }

    /// Takes the tail, less its holes; `false` if the count is not where it is looked for.
    fn cut_holes(&mut self, tail: &[u8], counted: Option<u32>) -> bool {
        let place = |key: &[u8]| memmem::find(tail, key).map(|at| at + key.len());
        let mut places = [(place(COUNT), true), (place(TOTAL), false)];
        let seen = places[0].0.and_then(|at| number(&tail[at..])).map(|(count, _)| count);
        if seen != counted || memmem::find_iter(tail, COUNT).nth(1).is_some() {
            return false;
        }
        places.sort_unstable();
        let mut from = 0;
        for (hole, (at, is_count)) in self.holes.iter_mut().zip(places) {
            let Some(at) = at else { continue };
            let Some((_, rest)) = number(&tail[at..]) else { continue };
            self.tail.extend_from_slice(&tail[from..at]);
            from = tail.len() - rest.len();
            *hole = Some(Hole { at: self.tail.len(), is_count });
        }
        self.tail.extend_from_slice(&tail[from..]);
        true
    }
}

/// The whole number that a text begins with, written as JSON does, and what follows it.
#[inline]
fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let whole =
        !matches!(text.get(digits), Some(b'.' | b'e' | b'E')) && (digits == 1 || text.first() != Some(&b'0'));
    if digits == 0 || digits > 9 || !whole {
        return None;
    }
    let number = text[..digits].iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    Some((number, &text[digits..]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backend::openai::peek::peek;

    fn learnt(event: &str) -> Shape {
        let mut shape = Shape::default();
        let mut text = String::new();
        let found = peek(event.as_bytes(), &mut text).unwrap();
        shape.learn(event.as_bytes(), &found);
        shape
    }

    fn vllm(text: &str, count: u32, more: &str) -> String {
        format!(
            "{{\"id\":\"c-1\",\"choices\":[{{\"index\":0,\"text\":\"{text}\",\"logprobs\":null,\"finish_reason\":{more}}}],\
             \"usage\":{{\"prompt_tokens\":7,\"total_tokens\":{},\"completion_tokens\":{count}}}}}",
            count + 7
        )
    }

    #[test]
    fn events_that_differ_in_text_and_counts_only_are_read_by_their_shape() {
        let shape = learnt(&vllm(" a", 1, "null"));
        for (text, count) in [(" b", 2), ("", 9), ("größer", 10), (" c", 123_456)] {
            let event = vllm(text, count, "null");
            assert_eq!(shape.read(event.as_bytes()), Some(Said { text, completion_tokens: Some(count) }));
        }
        let shape = learnt(r#"{"choices":[{"delta":{"content":"x"}}]}"#);
        let said = shape.read(br#"{"choices":[{"delta":{"content":"hello"}}]}"#);
        assert_eq!(said, Some(Said { text: "hello", completion_tokens: None }));
    }

    #[test]
    fn whatever_else_differs_is_none_of_the_shape() {
        let shape = learnt(&vllm(" a", 1, "null"));
        for event in [
            vllm(" b", 2, "\"stop\""),
            vllm("a\\n", 2, "null"),
            vllm("a\tb", 2, "null"),
            vllm(" b", 2, "null") + " ",
            vllm(" b", 2, "null").replace(":2}", ":2.5}"),
            vllm(" b", 2, "null").replace(":2}", ":02}"),
            vllm(" b", 2, "null").replace("c-1", "c-2"),
            String::new(),
        ] {
            assert_eq!(shape.read(event.as_bytes()), None, "{event}");
        }
        assert_eq!(shape.read(b"{\"id\":\"c-1\",\"choices\":[{\"index\":0,\"text\":\"\xff"), None);
    }

    #[test]
    fn what_is_no_usual_event_teaches_nothing() {
        for event in [
            r#"{"choices":[{"text":"a\n"}]}"#,
            r#"{"choices":[{"text":""}]}"#,
            r#"{"choices":[{"text":"a","finish_reason":"stop"}]}"#,
            r#"{"choices":[{"text":"a"},{"text":"b"}]}"#,
            r#"{"choices":[{"delta":{"reasoning":"a","reasoning_content":"a"}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"id":"x"}]}}]}"#,
            r#"{"choices":[],"usage":{"completion_tokens":3}}"#,
            r#"{"choices":[{"text":"a"}],"extra":{"completion_tokens":3},"usage":{"completion_tokens":4}}"#,
            r#"{"choices":[{"text":"a"}],"extra":{"completion_tokens":3},"usage":{"completion_tokens":3}}"#,
        ] {
            assert_eq!(learnt(event).read(event.as_bytes()), None, "{event}");
        }
    }

    proptest! {
        /// Whatever is read by shape is what reading it as JSON says.
        #[test]
        fn the_shape_says_what_the_json_says(
            first in "[ a-zé]{1,6}",
            text in "[ a-zé\"\\\\{}:,0-9]{0,12}",
            (a, b) in (0u32..2000, 0u32..2000),
            cut in 0usize..200,
            byte in any::<u8>(),
            spoil in any::<bool>(),
        ) {
            let shape = learnt(&vllm(&first, a, "null"));
            let mut event = vllm(&text, b, "null").into_bytes();
            let at = cut % event.len();
            if spoil {
                event[at] = byte;
            }
            if let Some(said) = shape.read(&event) {
                let mut text = String::new();
                let found = peek(&event, &mut text).unwrap();
                prop_assert_eq!(text.as_str(), said.text);
                prop_assert_eq!(found.usage.and_then(|u| u.completion_tokens), said.completion_tokens);
                prop_assert_eq!(found.generated, !said.text.is_empty());
                prop_assert!(found.choices && !found.finished && found.error.is_none());
            }
        }
    }
}
