//! The shapes of a stream's events: nearly all of them differ in nothing but their text, in counts, and in names.
//!
//! After an event was read as JSON, its bytes are kept, with holes where the text, the counts and whatever else says
//! nothing stood. An event with the same bytes around the holes says the same with other values, so that it need not be
//! read as JSON again. Whatever differs in any other byte is none of this shape, and is read anew. Shapes are a thread's:
//! all streams of a server share them, and so they stay in the nearest cache.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use memchr::memchr2;

use super::peek::Peek;

/// Shapes that are kept: a stream has three or four.
const SHAPES: usize = 12;
/// The longest event that is learnt.
const LONGEST: usize = 4096;
/// Holes of a shape.
const HOLES: usize = 12;
/// After so many lessons for nothing there is only one in so many: events of this server differ too much.
const PATIENCE: u32 = 64;

thread_local! {
    static KNOWN: RefCell<Shapes> = RefCell::default();
}

/// Shapes that were seen.
#[derive(Debug, Default)]
struct Shapes {
    known: Vec<Shape>,
    /// The next one that gives way.
    next: usize,
    /// Events that had no known shape, since the last one that had.
    strange: Cell<u32>,
}

/// What stands around the holes of an event.
#[derive(Debug)]
struct Shape {
    bytes: Vec<u8>,
    holes: Vec<Hole>,
    choices: bool,
    finished: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hole {
    /// Before which of the bytes.
    at: usize,
    kind: Kind,
}

/// What stands in a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Generated text.
    Text,
    /// Any text.
    Words,
    /// Any whole number.
    Number,
    PromptTokens,
    CompletionTokens,
}

/// What an event of a shape says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Said<'a> {
    pub text: &'a str,
    pub choices: bool,
    pub finished: bool,
    pub prompt_tokens: Option<u32>,
    pub completion_tokens: Option<u32>,
}

/// What an event says, if its shape is known; exactly what reading it as JSON would say. `last`: the shape that the
/// stream's last event had.
#[inline]
pub fn read<'a>(event: &'a [u8], last: &mut u8) -> Option<Said<'a>> {
    KNOWN.with_borrow(|shapes| shapes.read(event, last))
}

/// Takes the shape of an event that was read as JSON, if it has one.
pub fn learn(event: &[u8], found: &Peek) {
    KNOWN.with_borrow_mut(|shapes| shapes.learn(event, found));
}

impl Shapes {
    #[inline]
    fn read<'a>(&self, event: &'a [u8], last: &mut u8) -> Option<Said<'a>> {
        if let Some(said) = self.known.get(usize::from(*last)).and_then(|shape| shape.read(event)) {
            return Some(said);
        }
        let mut all = self.known.iter().zip(0..);
        let (said, which) = all.find_map(|(shape, which)| Some((shape.read(event)?, which)))?;
        self.strange.set(0);
        *last = which;
        Some(said)
    }

    fn learn(&mut self, event: &[u8], found: &Peek) {
        let strange = self.strange.get().wrapping_add(1);
        self.strange.set(strange);
        if event.len() > LONGEST || (strange > PATIENCE && !strange.is_multiple_of(PATIENCE)) {
            return;
        }
        let Some(shape) = Shape::of(event, found) else { return };
        if self.known.len() < SHAPES {
            self.known.push(shape);
        } else {
            self.known[self.next] = shape;
            self.next = (self.next + 1) % SHAPES;
        }
    }
}

impl Shape {
    #[inline]
    fn read<'a>(&self, event: &'a [u8]) -> Option<Said<'a>> {
        let mut said = Said { choices: self.choices, finished: self.finished, ..Said::default() };
        let (mut rest, mut from) = (event, 0);
        for hole in &self.holes {
            rest = rest.strip_prefix(&self.bytes[from..hole.at])?;
            from = hole.at;
            let length = match hole.kind {
                Kind::Text => {
                    let text = words(rest)?;
                    said.text = std::str::from_utf8(text).ok()?;
                    text.len()
                }
                Kind::Words => words(rest)?.len(),
                Kind::Number => digits(rest)?.len(),
                Kind::PromptTokens | Kind::CompletionTokens => {
                    let digits = digits(rest).filter(|digits| digits.len() <= 9)?;
                    let number = digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
                    match hole.kind {
                        Kind::PromptTokens => said.prompt_tokens = Some(number),
                        _ => said.completion_tokens = Some(number),
                    }
                    digits.len()
                }
            };
            rest = &rest[length..];
        }
        (rest == &self.bytes[from..]).then_some(said)
    }

    /// The shape of an event; `None` if others could look like it and say something else.
    fn of(event: &[u8], found: &Peek) -> Option<Self> {
        let mut holes = holes(event);
        match found.text_at(event) {
            Some(range) => holes.push((range, Kind::Text)),
            None if found.has_text() => return None,
            None => {}
        }
        let once = |kind| holes.iter().filter(|hole| hole.1 == kind).count() <= 1;
        if found.error.is_some() || !once(Kind::PromptTokens) || !once(Kind::CompletionTokens) {
            return None;
        }
        holes.sort_unstable_by_key(|hole| hole.0.start);
        let mut shape = Self {
            bytes: Vec::with_capacity(event.len()),
            holes: Vec::with_capacity(holes.len()),
            choices: found.choices,
            finished: found.finished,
        };
        let mut from = 0;
        for (range, kind) in holes {
            // One in another can't be, but would be the end of all sense.
            shape.bytes.extend_from_slice(event.get(from..range.start)?);
            shape.holes.push(Hole { at: shape.bytes.len(), kind });
            from = range.end;
        }
        shape.bytes.extend_from_slice(&event[from..]);
        let usage = found.usage.unwrap_or_default();
        let said = shape.read(event)?;
        let same = said.completion_tokens == usage.completion_tokens
            && said.prompt_tokens == usage.prompt_tokens
            && said.text.is_empty() != found.generated;
        same.then_some(shape)
    }
}

/// What an object begins with that is the value of a text: as far as the quote that ends it. `None` if anything in it
/// would have to be decoded.
#[inline]
fn words(rest: &[u8]) -> Option<&[u8]> {
    let end = memchr2(b'"', b'\\', rest)?;
    let text = &rest[..end];
    (rest[end] == b'"' && text.iter().all(|byte| *byte >= b' ')).then_some(text)
}

/// The digits of the whole number that a text begins with, written as JSON does.
#[inline]
fn digits(rest: &[u8]) -> Option<&[u8]> {
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = !matches!(rest.get(count), Some(b'.' | b'e' | b'E')) && (count == 1 || rest[0] != b'0');
    (count > 0 && whole).then(|| &rest[..count])
}

/// Where in a JSON object the counts of its `usage` stand, and texts and numbers that nobody looks at, but for the
/// model's name, which is always the same.
fn holes(event: &[u8]) -> Vec<(Range<usize>, Kind)> {
    let mut found = Vec::new();
    let (mut at, mut depth, mut top) = (0, 0, &event[..0]);
    while at < event.len() && found.len() < HOLES - 1 {
        match event[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let key = string(event, at + 1);
                at = key.end + 1;
                let Some(value) = value_of(event, at) else { continue };
                let key = &event[key];
                if depth == 1 {
                    top = key;
                }
                if let Some(hole) = hole(event, value, depth, (top, key)) {
                    // Behind the quote that ends a text.
                    at = hole.0.end + usize::from(hole.1 == Kind::Words);
                    found.push(hole);
                } else {
                    at = value;
                }
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The hole at a value, if there is to be one. `names`: the key in the outermost object, and the value's own.
fn hole(event: &[u8], at: usize, depth: i32, names: (&[u8], &[u8])) -> Option<(Range<usize>, Kind)> {
    // A name that would have to be decoded may be any.
    if names.1.contains(&b'\\') {
        return None;
    }
    let number = || digits(&event[at..]).map(|digits| at..at + digits.len());
    match (depth, names) {
        (1, (_, b"choices" | b"usage" | b"error" | b"object" | b"message" | b"model")) => None,
        (1, _) if event.get(at) == Some(&b'"') => {
            let text = words(&event[at + 1..])?;
            Some((at + 1..at + 1 + text.len(), Kind::Words))
        }
        (1, _) | (2, (b"usage", b"total_tokens")) => Some((number()?, Kind::Number)),
        (2, (b"usage", b"prompt_tokens")) => Some((number()?, Kind::PromptTokens)),
        (2, (b"usage", b"completion_tokens")) => Some((number()?, Kind::CompletionTokens)),
        _ => None,
    }
}

/// The inside of a string that begins here.
fn string(event: &[u8], from: usize) -> Range<usize> {
    let mut at = from;
    while at < event.len() && event[at] != b'"' {
        at += if event[at] == b'\\' { 2 } else { 1 };
    }
    from..at.min(event.len())
}

/// Where the value begins of the key that ended here, if it was one.
fn value_of(event: &[u8], at: usize) -> Option<usize> {
    let skip =
        |from: usize| from + event[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let colon = skip(at.min(event.len()));
    (event.get(colon) == Some(&b':')).then(|| skip(colon + 1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests;
