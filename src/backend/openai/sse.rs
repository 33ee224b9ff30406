//! Server-sent events: bytes as they come in, the `data` of events out, in place wherever a line is whole.
//!
//! Servers bend the format: no space behind `data:`, CR LF, comments to keep a connection open, an event's
//! blank line late or never. So data that is whole by itself is handed on when its line ends, and only what isn't
//! is joined with the lines that follow.

use memchr::memchr2;

/// The longest line, and the longest joined event: more is no answer of a language model, but a broken server.
pub const LINE_LIMIT: usize = 4 * 1024 * 1024;

/// A line or an event beyond [`LINE_LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Cuts a stream into events; it may come in pieces of any size.
#[derive(Debug, Default)]
pub struct Frames {
    /// The start of a line whose end has not come.
    line: Vec<u8>,
    /// Data of an event that wants more lines.
    data: Vec<u8>,
    joining: bool,
    /// The last piece ended with CR: an LF at the start of the next belongs to it.
    skip_lf: bool,
    begun: bool,
}

impl Frames {
    /// Takes in a piece and calls `each` with the data of every event in it.
    ///
    /// # Errors
    /// [`TooLong`]; the stream must then be given up.
    pub fn feed(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8])) -> Result<(), TooLong> {
        let mut rest = bytes;
        if let Some(first) = rest.first() {
            if self.skip_lf && *first == b'\n' {
                rest = &rest[1..];
            }
            self.skip_lf = false;
        }
        while let Some(at) = memchr2(b'\n', b'\r', rest) {
            let line = &rest[..at];
            let cr = rest[at] == b'\r';
            rest = &rest[at + 1..];
            match rest.first() {
                Some(b'\n') if cr => rest = &rest[1..],
                None => self.skip_lf = cr,
                _ => {}
            }
            if self.line.is_empty() {
                self.take(line, each)?;
            } else {
                self.carry(line)?;
                let whole = std::mem::take(&mut self.line);
                let taken = self.take(&whole, each);
                self.line = whole;
                self.line.clear();
                taken?;
            }
        }
        self.carry(rest)
    }

    /// The stream is over: what stood in a last line without an end is taken for whole.
    ///
    /// # Errors
    /// [`TooLong`]
    pub fn finish(&mut self, each: &mut impl FnMut(&[u8])) -> Result<(), TooLong> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.take(&line, each)?;
        }
        self.flush(each);
        Ok(())
    }

    fn carry(&mut self, part: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + part.len() > LINE_LIMIT {
            return Err(TooLong);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn take(&mut self, line: &[u8], each: &mut impl FnMut(&[u8])) -> Result<(), TooLong> {
        let mut line = line;
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            self.flush(each);
            return Ok(());
        }
        // A bare JSON object is no field of an event; some servers write their last words so.
        let data = match line.strip_prefix(b"data") {
            Some([b':', value @ ..]) => value.strip_prefix(b" ").unwrap_or(value),
            None if line[0] == b'{' => line,
            _ => return Ok(()),
        };
        if !self.joining && whole(data) {
            each(data);
            return Ok(());
        }
        if self.data.len() + data.len() > LINE_LIMIT {
            return Err(TooLong);
        }
        if self.joining {
            self.data.push(b'\n');
        }
        self.joining = self.joining || !data.is_empty();
        self.data.extend_from_slice(data);
        Ok(())
    }

    fn flush(&mut self, each: &mut impl FnMut(&[u8])) {
        if self.joining {
            each(&self.data);
            self.data.clear();
            self.joining = false;
        }
    }
}

/// Whether data needs no further line.
fn whole(data: &[u8]) -> bool {
    let data = data.trim_ascii();
    data == b"[DONE]" || (data.starts_with(b"{") && data.ends_with(b"}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<String> {
        let mut frames = Frames::default();
        let mut found = Vec::new();
        let mut each = |data: &[u8]| found.push(String::from_utf8_lossy(data).into_owned());
        for piece in pieces {
            frames.feed(piece, &mut each).unwrap();
        }
        frames.finish(&mut each).unwrap();
        found
    }

    const HABITS: &str = "\u{feff}: hello\r\n\r\nevent: message\r\ndata: {\"a\":1}\r\n\r\ndata:{\"b\":2}\n\n: ping\n\n\
        id: 7\rdata: {\"c\":\rdata: 3}\r\rdata: {\n: not data\ndata: \"d\": 4\ndata: }\n\n\ndata:\n\n\
        data: {\"e\":5}\ndata: {\"f\":6}\n{\"error\":\"x\"}\ndata: [DONE]";
    const FOUND: [&str; 8] = [
        "{\"a\":1}",
        "{\"b\":2}",
        "{\"c\":\n3}",
        "{\n\"d\": 4\n}",
        "{\"e\":5}",
        "{\"f\":6}",
        "{\"error\":\"x\"}",
        "[DONE]",
    ];

    #[test]
    fn every_habit_is_understood() {
        assert_eq!(cut(&[HABITS.as_bytes()]), FOUND);
    }

    #[test]
    fn a_stream_split_at_any_byte_is_the_same_stream() {
        let bytes = HABITS.as_bytes();
        for at in 0..=bytes.len() {
            assert_eq!(cut(&[&bytes[..at], &bytes[at..]]), FOUND, "split at {at}");
        }
        let each: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(cut(&each), FOUND);
    }

    #[test]
    fn an_endless_line_is_given_up() {
        let mut frames = Frames::default();
        let piece = vec![b'x'; 1 << 20];
        let fed = (0..100).position(|_| frames.feed(&piece, &mut |_| ()).is_err());
        assert_eq!(fed, Some(LINE_LIMIT >> 20));
        assert!(frames.line.len() <= LINE_LIMIT);
        let mut frames = Frames::default();
        let line = [b"data: ".as_slice(), &piece, b"\n"].concat();
        assert!((0..100).any(|_| frames.feed(&line, &mut |_| ()).is_err()));
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_the_same(
            bytes in proptest::collection::vec(prop_oneof![
                Just(b'\n'), Just(b'\r'), Just(b':'), Just(b'{'), Just(b'}'), Just(b' '), Just(b'd'), any::<u8>()
            ], 0..200),
            lead in "(data: ?|: |)",
            cuts in proptest::collection::vec(0usize..220, 0..6),
        ) {
            let bytes = [lead.as_bytes(), &bytes].concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for to in cuts.into_iter().chain([bytes.len()]) {
                pieces.push(&bytes[from..to]);
                from = to;
            }
            prop_assert_eq!(cut(&pieces), cut(&[&bytes]));
        }
    }
}
