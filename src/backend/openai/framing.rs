//! How an answer's body is laid out in HTTP/1.1: cuts it out of what is read, in place. Pure: no socket, no clock.

/// The longest line with a chunk's size.
const SIZE_LINE: u32 = 16 * 1024;
/// The longest end of a chunked body: lines of headers that came too late for the head.
const TRAILER: u32 = 64 * 1024;

/// A body, as far as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes are to come.
    Length(u64),
    Chunked(Chunked),
    /// The end of the connection is its end.
    UntilClosed,
    /// Nothing more of it comes.
    Over,
}

/// Where in a chunked body the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunked {
    /// In the digits of a size.
    Size { size: u64, digits: u8 },
    /// Behind them, in a line of so many bytes so far.
    Rest { size: u64, line: u32 },
    /// Behind the CR at its end.
    LineEnd { size: u64 },
    /// In a chunk, so far before its end.
    Data(u64),
    /// Between a chunk and the line of the next; `cr`: behind the CR there.
    DataEnd { cr: bool },
    /// Behind the last chunk; `line`: bytes of the present line.
    Trailer { line: u32, all: u32 },
}

impl Chunked {
    pub const START: Self = Self::Size { size: 0, digits: 0 };
}

/// What is no chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("a chunk's size is no hexadecimal number")]
    Size,
    #[error("a chunk is longer than it says")]
    End,
    #[error("a line with a chunk's size, or the lines behind the last chunk, have no end")]
    Endless,
}

impl Framing {
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Over | Self::Length(0))
    }

    /// Takes in what was read, hands the data in it on, and tells how many bytes belong to the body: fewer than there
    /// are only if it is over.
    ///
    /// # Errors
    /// It is no body of this kind.
    #[inline]
    pub fn feed(&mut self, bytes: &[u8], take: &mut impl FnMut(&[u8])) -> Result<usize, Malformed> {
        match self {
            Self::Over => Ok(0),
            Self::UntilClosed => {
                take(bytes);
                Ok(bytes.len())
            }
            Self::Length(left) => {
                let length = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                take(&bytes[..length]);
                *left -= length as u64;
                Ok(length)
            }
            Self::Chunked(chunked) => {
                let mut at = 0;
                while at < bytes.len() {
                    if let Some((used, chunk)) = chunked.whole_chunk(&bytes[at..]) {
                        take(chunk);
                        at += used;
                        continue;
                    }
                    let (used, over) = chunked.step(&bytes[at..], take)?;
                    at += used;
                    if over {
                        *self = Self::Over;
                        break;
                    }
                }
                Ok(at)
            }
        }
    }

    /// The connection has ended; tells whether the body had, or has by that.
    pub fn closed(&mut self) -> bool {
        if *self == Self::UntilClosed {
            *self = Self::Over;
        }
        self.is_over()
    }
}

impl Chunked {
    /// A chunk that lies whole in bytes, in the form that nearly all have, and how many it takes. It is read as the steps
    /// would read it.
    #[inline]
    fn whole_chunk<'a>(&self, bytes: &'a [u8]) -> Option<(usize, &'a [u8])> {
        if *self != Self::START {
            return None;
        }
        let (mut size, mut digits) = (0, 0);
        while let Some(digit) = bytes.get(digits).and_then(|byte| char::from(*byte).to_digit(16)) {
            size = size << 4 | digit as usize;
            digits += 1;
        }
        // Of so few digits no size is too large, and one of 0 is the end.
        if !(1..=6).contains(&digits) || size == 0 {
            return None;
        }
        let chunk = bytes[digits..].strip_prefix(b"\r\n")?;
        let (chunk, behind) = chunk.split_at_checked(size)?;
        behind.starts_with(b"\r\n").then_some((digits + 2 + size + 2, chunk))
    }

    /// One step into bytes, of which there is at least one: how many it took, and whether that was all.
    #[inline]
    fn step(&mut self, bytes: &[u8], take: &mut impl FnMut(&[u8])) -> Result<(usize, bool), Malformed> {
        let byte = bytes[0];
        match self {
            Self::Data(left) => {
                let length = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                take(&bytes[..length]);
                *left -= length as u64;
                if *left == 0 {
                    *self = Self::DataEnd { cr: false };
                }
                return Ok((length, false));
            }
            Self::DataEnd { cr } => match byte {
                b'\r' if !*cr => *cr = true,
                b'\n' => *self = Self::START,
                _ => return Err(Malformed::End),
            },
            Self::Size { size, digits } => match char::from(byte).to_digit(16) {
                // The number is full; of zeros before it there may be many, but not for ever.
                Some(_) if *size >> 60 != 0 || *digits == u8::MAX => return Err(Malformed::Size),
                Some(digit) => {
                    *size = *size << 4 | u64::from(digit);
                    *digits += 1;
                }
                None if *digits == 0 => return Err(Malformed::Size),
                None => *self = Self::behind(*size, byte, 0)?,
            },
            Self::Rest { size, line } => *self = Self::behind(*size, byte, *line + 1)?,
            // A CR alone ends no line.
            Self::LineEnd { .. } if byte != b'\n' => return Err(Malformed::Size),
            Self::LineEnd { size } => *self = Self::behind(*size, byte, 0)?,
            Self::Trailer { line, all } => match byte {
                b'\n' if *line == 0 => return Ok((1, true)),
                _ if *all >= TRAILER => return Err(Malformed::Endless),
                b'\n' => *self = Self::Trailer { line: 0, all: *all + 1 },
                b'\r' => *all += 1,
                _ => *self = Self::Trailer { line: *line + 1, all: *all + 1 },
            },
        }
        Ok((1, false))
    }

    /// A byte behind a size's digits.
    fn behind(size: u64, byte: u8, line: u32) -> Result<Self, Malformed> {
        match byte {
            b'\n' if size == 0 => Ok(Self::Trailer { line: 0, all: 0 }),
            b'\n' => Ok(Self::Data(size)),
            _ if line >= SIZE_LINE => Err(Malformed::Endless),
            b'\r' => Ok(Self::LineEnd { size }),
            // An extension, which nobody uses; or blanks.
            b' ' | b'\t' | b';' => Ok(Self::Rest { size, line }),
            _ if line == 0 => Err(Malformed::Size),
            _ => Ok(Self::Rest { size, line }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHUNKED: Framing = Framing::Chunked(Chunked::START);

    /// Data, bytes that belong to it, and whether it is over.
    fn read(mut framing: Framing, pieces: &[&[u8]]) -> Result<(Vec<u8>, usize, bool), Malformed> {
        let (mut data, mut used) = (Vec::new(), 0);
        for piece in pieces {
            let took = framing.feed(piece, &mut |part| data.extend_from_slice(part))?;
            used += took;
            if took < piece.len() {
                break;
            }
        }
        Ok((data, used, framing.is_over()))
    }

    #[test]
    fn a_chunked_body_is_cut_out_wherever_it_is_split() {
        let body =
            b"5\r\nhello\r\n1;name=\"a b\"\r\n,\r\n0A \r\n 234567890\r\n0\r\nx-late: 1\r\n\r\nHTTP/1.1";
        let whole = (b"hello, 234567890".to_vec(), body.len() - "HTTP/1.1".len(), true);
        for at in 0..=body.len() {
            assert_eq!(read(CHUNKED, &[&body[..at], &body[at..]]).unwrap(), whole, "split at {at}");
        }
        let each: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(read(CHUNKED, &each).unwrap(), whole);
        assert_eq!(read(CHUNKED, &[b"2\nab\n0\n\n"]).unwrap(), (b"ab".to_vec(), 8, true));
    }

    #[test]
    fn what_is_no_chunked_body_is_refused() {
        for (body, why) in [
            (b"x\r\n".as_slice(), Malformed::Size),
            (b"\r\n", Malformed::Size),
            (b"5x\r\nhello", Malformed::Size),
            (b"-1\r\n", Malformed::Size),
            (b"10000000000000000\r\n", Malformed::Size),
            (b"2\r\nabc\r\n", Malformed::End),
            // A CR alone ends nothing, neither a size nor a chunk.
            (b"2\rab\r0\r\r", Malformed::Size),
            (b"2;x\ry\nab", Malformed::Size),
            (b"2\r\nab\r0\r\n", Malformed::End),
            (b"2\r\nab\r\r\n", Malformed::End),
            (b"fffffffffffffffff\r\n", Malformed::Size),
        ] {
            assert_eq!(read(CHUNKED, &[body]), Err(why), "{}", String::from_utf8_lossy(body));
        }
        let line = [b"5;".as_slice(), &vec![b'x'; 20_000]].concat();
        assert_eq!(read(CHUNKED, &[&line]), Err(Malformed::Endless));
        assert_eq!(read(CHUNKED, &[&[b'0'; 300]]), Err(Malformed::Size));
        let zeros = [&[b'0'; 60], b"2\r\nab\r\n0000000000000000000\r\n\r\n".as_slice()].concat();
        assert_eq!(read(CHUNKED, &[&zeros]).unwrap(), (b"ab".to_vec(), zeros.len(), true));
        let returns = [b"0\r\n".as_slice(), &vec![b'\r'; 70_000]].concat();
        assert_eq!(read(CHUNKED, &[&returns]), Err(Malformed::Endless));
        let trailer = [b"0\r\n".as_slice(), &b"a: b\r\n".repeat(20_000)].concat();
        assert_eq!(read(CHUNKED, &[&trailer]), Err(Malformed::Endless));
    }

    #[test]
    fn a_body_ends_by_its_length_or_with_the_connection() {
        assert_eq!(read(Framing::Length(3), &[b"ab", b"cd"]).unwrap(), (b"abc".to_vec(), 3, true));
        assert_eq!(read(Framing::Length(0), &[b"ab"]).unwrap(), (vec![], 0, true));
        assert_eq!(read(Framing::UntilClosed, &[b"ab", b"cd"]).unwrap(), (b"abcd".to_vec(), 4, false));
        let closed = |mut framing: Framing| framing.closed();
        assert!(closed(Framing::UntilClosed) && closed(Framing::Over) && closed(Framing::Length(0)));
        assert!(!closed(Framing::Length(1)) && !closed(CHUNKED));
        assert!(!closed(Framing::Chunked(Chunked::Trailer { line: 0, all: 0 })));
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_the_same(
            bytes in proptest::collection::vec(prop_oneof![
                Just(b'\n'), Just(b'\r'), Just(b'0'), Just(b'1'), Just(b'3'), Just(b';'), any::<u8>()
            ], 0..60),
            size in 1usize..5,
        ) {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(read(CHUNKED, &pieces), read(CHUNKED, &[&bytes]));
        }
    }
}
