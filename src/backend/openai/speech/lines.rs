//! A JSON object a line, or before each NUL: bytes as they come in, objects out, in place wherever one is whole.

use memchr::memchr3;

use super::super::sse::{LINE_LIMIT, TooLong};

/// Cuts a stream at line ends and NULs; it may come in pieces of any size.
#[derive(Debug, Default)]
pub struct Lines {
    /// The start of an object whose end has not come.
    line: Vec<u8>,
}

impl Lines {
    /// Takes in a piece and calls `each` with every line that has anything on it.
    ///
    /// # Errors
    /// [`TooLong`]; the stream must then be given up.
    pub fn feed(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8])) -> Result<(), TooLong> {
        let mut rest = bytes;
        while let Some(at) = memchr3(b'\n', b'\0', b'\r', rest) {
            if self.line.is_empty() {
                if rest[..at].len() > LINE_LIMIT {
                    return Err(TooLong);
                }
                tell(&rest[..at], each);
            } else {
                self.carry(&rest[..at])?;
                tell(&self.line, each);
                self.line.clear();
            }
            rest = &rest[at + 1..];
        }
        self.carry(rest)
    }

    /// The stream is over: what stood behind the last end is taken for whole.
    pub fn finish(&mut self, each: &mut impl FnMut(&[u8])) {
        tell(&self.line, each);
        self.line.clear();
    }

    fn carry(&mut self, part: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + part.len() > LINE_LIMIT {
            return Err(TooLong);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }
}

fn tell(line: &[u8], each: &mut impl FnMut(&[u8])) {
    let line = line.trim_ascii();
    if !line.is_empty() {
        each(line);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        let mut each = |line: &[u8]| found.push(String::from_utf8_lossy(line).into_owned());
        for piece in pieces {
            lines.feed(piece, &mut each).unwrap();
        }
        lines.finish(&mut each);
        found
    }

    #[test]
    fn nul_and_newline_split_at_any_byte() {
        let bytes = b"{\"a\":1}\0{\"b\":2}\n\r\n\0 {\"c\":3} \r\n{\"d\":4}";
        for at in 0..=bytes.len() {
            let found = cut(&[&bytes[..at], &bytes[at..]]);
            assert_eq!(found, ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}", "{\"d\":4}"], "split at {at}");
        }
    }

    #[test]
    fn an_endless_line_is_given_up() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; 1 << 20];
        assert_eq!((0..100).position(|_| lines.feed(&piece, &mut |_| ()).is_err()), Some(LINE_LIMIT >> 20));
        let whole = [vec![b'x'; LINE_LIMIT + 1], b"\n".to_vec()].concat();
        assert!(Lines::default().feed(&whole, &mut |_| ()).is_err());
    }
}
