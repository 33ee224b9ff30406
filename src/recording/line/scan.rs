//! The two commonest kinds of lines, read several times as fast as JSON in general.
//!
//! Lines are taken only as our writer writes them: keys in its order, no spaces, whole numbers. Whatever differs in a
//! byte gives `None` and is left to the JSON parser, which alone decides whether it is a line at all. So both ways must
//! give the same for every line that is taken here, and tests hold one against the other.

use memchr::memchr2;
use serde::de::DeserializeOwned;

use super::{Line, RequestLine, SentLine};

/// Eight digits as text.
const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);
/// The highest bit of each byte.
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
/// Added to a byte of 10 or more, up to 127, it reaches the highest bit.
const ABOVE_NINE: u64 = u64::from_ne_bytes([0x80 - 10; 8]);

/// Reads lines, with room for lists that is used again.
#[derive(Default)]
pub(in crate::recording) struct Scanner {
    gaps: Vec<u64>,
    counts: Vec<u64>,
}

impl Scanner {
    /// A line of the writer's; `None` if it is anything else.
    pub(in crate::recording) fn line(&mut self, line: &[u8]) -> Option<Line> {
        let mut text = Text(line);
        if text.skip(b"{\"req\":{") {
            self.request(&mut text).map(|line| Line::Req(Box::new(line)))
        } else if text.skip(b"{\"sent\":{") {
            sent(&mut text).map(Line::Sent)
        } else {
            None
        }
    }

    fn request(&mut self, text: &mut Text) -> Option<RequestLine> {
        let SentLine { id, c, s, w, t, l, p, m } = head(text)?;
        let q = text.number_of(b",\"q\":")?;
        let d = text.list_of(b",\"d\":[", &mut self.gaps)?.to_vec();
        let counts = text.list_of(b",\"n\":[", &mut self.counts)?;
        let n: Option<Vec<u32>> = counts.iter().map(|n| u32::try_from(*n).ok()).collect();
        let line = RequestLine {
            id,
            c,
            s,
            w,
            t,
            l,
            p,
            m,
            q,
            d,
            n: n?,
            e: text.number_of(b",\"e\":")?.unwrap_or(0),
            o: text.small_of(b",\"o\":")?,
            out: text.word_of(b",\"out\":")?,
            by: text.word_of(b",\"by\":")?.unwrap_or_default(),
            err: text.word_of(b",\"err\":")?,
            text: text.word_of(b",\"text\":")?,
            st: text.small_of(b",\"st\":")?,
            r: text.small_of(b",\"r\":")?.unwrap_or(0),
        };
        text.ends().then_some(line)
    }
}

fn sent(text: &mut Text) -> Option<SentLine> {
    let line = head(text)?;
    text.ends().then_some(line)
}

/// What both kinds begin with.
fn head(text: &mut Text) -> Option<SentLine> {
    Some(SentLine {
        id: text.number_of(b"\"id\":")??,
        c: text.small_of(b",\"c\":")?.unwrap_or(0),
        s: text.small_of(b",\"s\":")?.unwrap_or(0),
        w: text.skip(b",\"w\":true"),
        t: text.number_of(b",\"t\":")??,
        l: text.signed_of(b",\"l\":")?.unwrap_or(0),
        p: text.small_of(b",\"p\":")?.unwrap_or(0),
        m: text.small_of(b",\"m\":")?.unwrap_or(0),
    })
}

/// What is left of a line. Of fields, `Some(None)` is one that isn't there, and `None` one that is left to JSON.
struct Text<'a>(&'a [u8]);

#[allow(clippy::option_option, reason = "a field is there, isn't there, or is left to JSON")]
impl Text<'_> {
    /// Passes this over, if it comes next.
    #[inline]
    fn skip(&mut self, what: &[u8]) -> bool {
        let rest = self.0.strip_prefix(what);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Both objects close, and the line with them.
    fn ends(&self) -> bool {
        self.0 == b"}}"
    }

    fn number_of(&mut self, key: &[u8]) -> Option<Option<u64>> {
        if self.skip(key) { self.number().map(Some) } else { Some(None) }
    }

    fn small_of<T: TryFrom<u64>>(&mut self, key: &[u8]) -> Option<Option<T>> {
        match self.number_of(key)? {
            Some(number) => T::try_from(number).ok().map(Some),
            None => Some(None),
        }
    }

    fn signed_of(&mut self, key: &[u8]) -> Option<Option<i64>> {
        if !self.skip(key) {
            return Some(None);
        }
        let minus = self.skip(b"-");
        let number = i64::try_from(self.number()?).ok()?;
        // To JSON, −0 is no whole number.
        (!minus || number > 0).then_some(Some(if minus { -number } else { number }))
    }

    /// A field in quotes.
    fn word_of<T: DeserializeOwned>(&mut self, key: &[u8]) -> Option<Option<T>> {
        if !self.skip(key) {
            return Some(None);
        }
        let mut end = 1;
        self.0.strip_prefix(b"\"")?;
        loop {
            end += memchr2(b'"', b'\\', self.0.get(end..)?)?;
            if self.0[end] == b'"' {
                break;
            }
            end += 2;
        }
        let (word, rest) = self.0.split_at(end + 1);
        self.0 = rest;
        serde_json::from_slice(word).ok().map(Some)
    }

    /// A list of numbers, in room that is used again; none if there is no such field.
    fn list_of<'r>(&mut self, key: &[u8], room: &'r mut Vec<u64>) -> Option<&'r [u64]> {
        room.clear();
        if !self.skip(key) || self.skip(b"]") {
            return Some(room);
        }
        loop {
            room.push(self.number()?);
            let (next, rest) = self.0.split_first()?;
            self.0 = rest;
            match next {
                b',' => {}
                b']' => return Some(room),
                _ => return None,
            }
        }
    }

    /// Digits. What follows them is for the caller to look at.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let Some(eight) = self.0.first_chunk::<8>() else { return self.any_number() };
        let values = u64::from_le_bytes(*eight) ^ ZEROS;
        // A carry from a byte above 127 spoils only what follows the first byte that is no digit.
        let others = (values.wrapping_add(ABOVE_NINE) | values) & HIGH;
        let digits = others.trailing_zeros() / 8;
        if digits == 8 {
            return self.any_number();
        }
        let leading_zero = digits > 1 && eight[0] == b'0';
        if digits == 0 || leading_zero {
            return None;
        }
        self.0 = &self.0[digits as usize..];
        Some(of_digits(values << (64 - 8 * digits)))
    }

    /// Digits one by one: long numbers, and those at the end of a line.
    #[cold]
    fn any_number(&mut self) -> Option<u64> {
        let digits = self.0.iter().position(|b| !b.is_ascii_digit()).unwrap_or(self.0.len());
        let (text, rest) = self.0.split_at(digits);
        if text.is_empty() || (digits > 1 && text[0] == b'0') {
            return None;
        }
        self.0 = rest;
        text.iter().try_fold(0_u64, |sum, b| sum.checked_mul(10)?.checked_add(u64::from(b - b'0')))
    }
}

/// The number of eight digits, a byte each, the highest one lowest in memory: pairs, then fours, then all of them.
#[inline]
fn of_digits(digits: u64) -> u64 {
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_FFFF_0000_FFFF;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As this scanner reads a line, and as JSON does.
    fn both(line: &[u8]) -> (Option<String>, Option<String>) {
        let told = |line: Line| format!("{line:?}");
        (Scanner::default().line(line).map(told), serde_json::from_slice(line).ok().map(told))
    }

    fn request() -> impl Strategy<Value = RequestLine> {
        let number = || prop_oneof![0..12_u64, 1000..100_000_u64, 9_999_990..10_000_010_u64, any::<u64>()];
        let small = || prop_oneof![Just(0), 1..300_u32, any::<u32>()];
        let text = || prop::option::of(".{0,12}|[\"\\\\{}a\n\t\u{7f}]{0,6}");
        let head = (number(), small(), any::<bool>(), number(), any::<i64>(), prop::option::of(number()));
        let lists = (prop::collection::vec(number(), 0..30), prop::collection::vec(small(), 0..5));
        let tail = (number(), prop::option::of(small()), 0..6_usize, text(), text(), any::<Option<u16>>());
        (head, lists, tail).prop_map(|((id, c, w, t, l, q), (d, n), (e, o, word, err, text, st))| {
            use crate::event::{CountedBy, Outcome};
            let outs =
                [None, Some(Outcome::Completed), Some(Outcome::TimedOutTtft), Some(Outcome::FailedHttp)];
            let bys = [CountedBy::Engine, CountedBy::Usage, CountedBy::Tokenizer, CountedBy::Chunks];
            let (out, by) = (outs[word % 4], bys[word % 3]);
            let text = text.map(String::into_boxed_str);
            RequestLine {
                id,
                c,
                s: c / 2,
                w,
                t,
                l,
                p: c,
                m: 7,
                q,
                d,
                n,
                e,
                o,
                out,
                by,
                err,
                text,
                st,
                r: c / 3,
            }
        })
    }

    proptest! {
        #[test]
        fn lines_of_the_writer_are_all_taken_and_read_as_json_reads_them(line in request()) {
            let sent = SentLine {
                id: line.id, c: line.c, s: line.s, w: line.w, t: line.t, l: line.l, p: line.p, m: line.m,
            };
            for line in [Line::Sent(sent), Line::Req(Box::new(line))] {
                let (ours, json) = both(serde_json::to_string(&line).unwrap().as_bytes());
                prop_assert!(ours.is_some());
                prop_assert_eq!(ours, json);
            }
        }

        #[test]
        fn of_lines_changed_anywhere_none_is_read_otherwise_than_by_json(
            line in request(), changes in prop::collection::vec((any::<u16>(), 0..4_u8, any::<u8>()), 1..3),
        ) {
            let mut text = serde_json::to_vec(&Line::Req(Box::new(line))).unwrap();
            for (place, how, byte) in changes {
                let place = usize::from(place) % text.len();
                let usual = b"0123456789,:[]{}\"-.e \\nt"[usize::from(byte) % 24];
                match how {
                    0 => text[place] = byte,
                    1 => text[place] = usual,
                    2 => text.insert(place, usual),
                    _ => _ = text.remove(place),
                }
            }
            let (ours, json) = both(&text);
            prop_assert!(ours.is_none() || ours == json, "{}", String::from_utf8_lossy(&text));
        }

        #[test]
        fn numbers_of_any_length_are_read(number: u64, shift in 0..64_u32, behind in ".{0,9}") {
            let number = number >> shift;
            let line = format!("{number}|{behind}");
            let mut text = Text(line.as_bytes());
            prop_assert_eq!(text.number(), Some(number));
            prop_assert_eq!(text.0, &line.as_bytes()[line.len() - behind.len() - 1..]);
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_json() {
        let odd = [
            r#"{"req":{"id":1,"t":5,"d":[1,02]}}"#,
            r#"{"req":{"id":1,"t":5,"d":[1,2.0]}}"#,
            r#"{"req":{"id":1,"t":5,"d":[1,2e3,4,5,6]}}"#,
            r#"{"req":{"id":1,"t":5,"d":[1,2,]}}"#,
            r#"{"req":{"id":1,"t":5,"d":[1,-2]}}"#,
            r#"{"req":{"id":1,"t":5,"d":[1 ,2]}}"#,
            r#"{"req":{"id":1,"t":5,"d":[1,2}}"#,
            r#"{"req":{"id":1,"t":5,"d":[18446744073709551616]}}"#,
            r#"{"req":{"id":1,"t":5,"n":[4294967296]}}"#,
            r#"{"req":{"id":1,"c":4294967296,"t":5}}"#,
            r#"{"req":{"id":1,"w":false,"t":5}}"#,
            r#"{"req":{"id":1,"t":5,"l":-0}}"#,
            r#"{"req":{"id":1,"t":5,"q":null}}"#,
            r#"{"req":{"id":1,"t":5,"t":6}}"#,
            r#"{"req":{"id":1}}"#,
            r#"{"req":{"t":5,"id":1}}"#,
            r#"{"req":{"id":1,"t":5,"new":1}}"#,
            r#"{"req":{"id":1,"t":5,"err":"a"b"}}"#,
            r#"{"req":{"id":1,"t":5,"err":"\q"}}"#,
            r#"{"req":{"id":1,"t":5,"out":"vanished"}}"#,
            r#"{"req":{"id":1,"t":5,"err":"\"#,
            r#"{"req":{"id":1,"t":5}} "#,
            r#"{"req":{"id":1,"t":5}"#,
            r#"{"sent":{"id":,"t":5}}"#,
            r#"{"sent":{"id":1,"t":5,"q":1}}"#,
            r#"{"lost":{"t":5,"events":1}}"#,
            "",
        ];
        for line in odd {
            assert_eq!(both(line.as_bytes()).0, None, "{line}");
        }
    }
}
