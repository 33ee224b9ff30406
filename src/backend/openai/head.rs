//! The head of an answer: what a client must know of it, and nothing else.

use std::borrow::Cow;
use std::cell::RefCell;

use http::StatusCode;
use http::response::Parts;
use httparse::{EMPTY_HEADER, Error, Header, ParserConfig, Response, Status};

use super::framing::{Chunked, Framing};

/// Lines of a head that there is room for at first, and at most.
const LINES: [usize; 2] = [24, 256];
/// What most answers are.
const EVENTS: &str = "text/event-stream";

/// A longer head is not remembered.
const REMEMBERED: usize = 4 * 1024;

thread_local! {
    /// The head that was read last, and what it says: the next one is mostly the same, byte by byte.
    static LAST: RefCell<(Vec<u8>, Option<Lines>)> = const { RefCell::new((Vec::new(), None)) };
}

/// The head of an answer, of whichever HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub status: StatusCode,
    /// The media type, in small letters, without its parameters; empty if there is none.
    pub media: Cow<'static, str>,
    pub location: Option<String>,
    pub retry_after: Option<String>,
    /// The server's own time; looked for only beside a `Retry-After`.
    pub date: Option<String>,
    /// How long its connection may rest, in nanoseconds, if the server says so.
    pub keep_ns: Option<u64>,
}

/// A head over HTTP/1.1, and what it says of the bytes behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    pub head: Head,
    pub framing: Framing,
    /// The connection carries another request after this one.
    pub keep: bool,
    /// Its own length in bytes.
    pub length: usize,
}

/// What is no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    /// It begins as a server of HTTP/2 does.
    #[error("the server speaks HTTP/2 only")]
    Http2,
    #[error(transparent)]
    Other(#[from] Error),
    #[error("its Content-Length is no number, or two of them differ")]
    Length,
}

impl Head {
    fn new<'a>(status: StatusCode, value: impl Fn(&str) -> Option<&'a str>) -> Self {
        let owned = |name| value(name).map(unfolded);
        let retry_after = owned("retry-after");
        let date = retry_after.as_ref().and_then(|_| owned("date"));
        Self {
            status,
            media: media(value("content-type").unwrap_or_default()),
            location: owned("location"),
            retry_after,
            date,
            keep_ns: value("keep-alive").and_then(rest),
        }
    }

    /// That of an answer over HTTP/2.
    pub fn of(parts: &Parts) -> Self {
        Self::new(parts.status, |name| parts.headers.get(name)?.to_str().ok())
    }
}

impl Lines {
    /// Reads a head at the start of these bytes; `None` if it is not whole.
    ///
    /// # Errors
    /// It is no head of HTTP/1.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, BadHead> {
        LAST.with_borrow_mut(|(last, said)| {
            // A head is whole, so whatever is behind it, what begins with its bytes begins with it.
            if said.is_some() && bytes.starts_with(last) {
                return Ok(said.clone());
            }
            let lines = Self::read_anew(bytes)?;
            if let Some(lines) = lines.as_ref().filter(|lines| lines.length <= REMEMBERED) {
                last.clear();
                last.extend_from_slice(&bytes[..lines.length]);
                *said = Some(lines.clone());
            }
            Ok(lines)
        })
    }

    fn read_anew(bytes: &[u8]) -> Result<Option<Self>, BadHead> {
        match Self::read_in(&mut [EMPTY_HEADER; LINES[0]], bytes) {
            Err(BadHead::Other(Error::TooManyHeaders)) => Self::read_in(&mut [EMPTY_HEADER; LINES[1]], bytes),
            read => read,
        }
    }

    fn read_in<'b>(room: &mut [Header<'b>], bytes: &'b [u8]) -> Result<Option<Self>, BadHead> {
        let mut response = Response::new(room);
        // Nobody is to send folded lines any more, but whoever gets one must understand it (RFC 9112, 5.2).
        let mut rules = ParserConfig::default();
        rules.allow_obsolete_multiline_headers_in_responses(true);
        let length = match rules.parse_response(&mut response, bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(_) if is_settings(bytes) => return Err(BadHead::Http2),
            Err(error) => return Err(error.into()),
        };
        let lines = &*response.headers;
        let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Error::Status)?;
        let text = |line: &Header<'b>| std::str::from_utf8(line.value).ok();
        let value =
            |name: &str| lines.iter().find(|line| line.name.eq_ignore_ascii_case(name)).and_then(text);
        let framing = framing(status, lines)?;
        let says = |word: &str| {
            lines
                .iter()
                .filter(|line| line.name.eq_ignore_ascii_case("connection"))
                .filter_map(text)
                .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
        };
        let modern = response.version == Some(1);
        // Chunks are not of HTTP/1.0: who says so has not understood what is sent.
        let lasts = modern || (says("keep-alive") && !matches!(framing, Framing::Chunked(_)));
        // Whoever switches protocols speaks no HTTP/1.1 any more.
        let switched = status == StatusCode::SWITCHING_PROTOCOLS;
        let keep = framing != Framing::UntilClosed && lasts && !says("close") && !switched;
        Ok(Some(Self { head: Head::new(status, value), framing, keep, length }))
    }
}

/// How the body is laid out, by RFC 9112, 6.3, for an answer to a GET or POST.
fn framing(status: StatusCode, lines: &[Header<'_>]) -> Result<Framing, BadHead> {
    if status.is_informational() || matches!(status.as_u16(), 204 | 304) {
        return Ok(Framing::Over);
    }
    let named = |name: &'static str| lines.iter().filter(move |line| line.name.eq_ignore_ascii_case(name));
    // Empty parts of a list count for nothing, and `identity` of old said that there is no coding.
    let codings = named("transfer-encoding").flat_map(|line| line.value.split(|byte| *byte == b','));
    let mut codings = codings.map(<[u8]>::trim_ascii);
    let real = |coding: &&[u8]| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity");
    if let Some(last) = codings.rfind(real) {
        return Ok(if last.eq_ignore_ascii_case(b"chunked") {
            Framing::Chunked(Chunked::START)
        } else {
            Framing::UntilClosed
        });
    }
    let mut length = None;
    for line in named("content-length") {
        for part in line.value.split(|byte| *byte == b',') {
            let digits = part.trim_ascii();
            let number = std::str::from_utf8(digits)
                .ok()
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|text| text.parse::<u64>().ok())
                .ok_or(BadHead::Length)?;
            if length.replace(number).is_some_and(|other| other != number) {
                return Err(BadHead::Length);
            }
        }
    }
    Ok(length.map_or(Framing::UntilClosed, Framing::Length))
}

/// The frame that a server of HTTP/2 sends first: SETTINGS, of the connection as a whole.
fn is_settings(bytes: &[u8]) -> bool {
    matches!(bytes, [_, _, _, 4, _, 0, 0, 0, 0, ..])
}

/// A value without the ends of lines that it was folded at.
fn unfolded(value: &str) -> String {
    value.split(['\r', '\n']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn media(value: &str) -> Cow<'static, str> {
    let kind = value.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(EVENTS) { EVENTS.into() } else { kind.to_ascii_lowercase().into() }
}

/// How long a connection may rest by its server's `Keep-Alive`, in nanoseconds: a second less than the server waits,
/// because the next request is under way for a while.
fn rest(keep_alive: &str) -> Option<u64> {
    let value = |name: &str| {
        keep_alive.split(',').find_map(|part| {
            let (key, value) = part.split_once('=')?;
            let value = value.trim().trim_matches('"');
            value.parse::<u64>().ok().filter(|_| key.trim().eq_ignore_ascii_case(name))
        })
    };
    if value("max") == Some(0) {
        return Some(0);
    }
    let seconds = value("timeout")?;
    Some(seconds.saturating_sub(1).saturating_mul(1_000_000_000))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Lines>, BadHead> {
        Lines::read(text.as_bytes())
    }

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let text = "HTTP/1.1 429 Slow Down\r\nContent-Type: Application/JSON; charset=utf-8\r\nretry-after: 7\r\n\
                    DATE: today\r\nlocation: /x\r\nKeep-Alive: timeout=5\r\nContent-Length: 12\r\n\r\n{}";
        let lines = read(text).unwrap().unwrap();
        assert_eq!(lines.length, text.len() - 2);
        assert_eq!((lines.framing, lines.keep), (Framing::Length(12), true));
        let head = lines.head;
        assert_eq!((head.status.as_u16(), &*head.media), (429, "application/json"));
        let told = (head.retry_after.as_deref(), head.date.as_deref(), head.location.as_deref());
        assert_eq!(told, (Some("7"), Some("today"), Some("/x")));
        assert_eq!(head.keep_ns, Some(4_000_000_000));
        for at in 0..lines.length {
            assert_eq!(read(&text[..at]), Ok(None), "{at}");
        }
    }

    #[test]
    fn how_a_body_ends_and_whether_the_connection_stays() {
        let chunked = Framing::Chunked(Chunked::START);
        for (head, framing, keep) in [
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", chunked, true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 3", chunked, true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip", Framing::UntilClosed, false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3", Framing::Length(3), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\nConnection: x, Close", Framing::Length(3), false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 3", Framing::Length(3), false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive", Framing::Length(3), true),
            ("HTTP/1.1 200 OK", Framing::UntilClosed, false),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 3", Framing::Over, true),
            ("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked", Framing::Over, true),
            ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade", Framing::Over, false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, ,", chunked, true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: ", chunked, true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip", Framing::UntilClosed, false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 3", Framing::Length(3), true),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive", chunked, false),
            (
                "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive, close",
                Framing::Length(3),
                false,
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: x,\r\n\t close", Framing::Length(3), false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip,\r\n chunked", chunked, true),
        ] {
            let lines = read(&format!("{head}\r\n\r\n")).unwrap().unwrap();
            assert_eq!((lines.framing, lines.keep), (framing, keep), "{head}");
        }
    }

    #[test]
    fn a_head_like_the_last_says_the_same_and_any_other_is_read() {
        let head = |length: u8| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        let length = |text: &str| read(text).unwrap().map(|lines| lines.framing);
        for _ in 0..2 {
            assert_eq!(length(&head(3)), Some(Framing::Length(3)));
            assert_eq!(length(&(head(3) + "{}")), Some(Framing::Length(3)));
            assert_eq!(length(&head(4)), Some(Framing::Length(4)));
            assert_eq!(length(head(4).trim_end()), None);
            assert_eq!(length(&head(44)), Some(Framing::Length(44)));
        }
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), Err(BadHead::Length));
        assert_eq!(length(&head(44)), Some(Framing::Length(44)));
    }

    #[test]
    fn folded_lines_are_one() {
        let text = "HTTP/1.1 302 Found\r\nLocation: https://h\r\n  /x\r\nContent-Type: text/html;\r\n\tcharset=x\r\n\r\n";
        let head = read(text).unwrap().unwrap().head;
        assert_eq!((head.location.as_deref(), &*head.media), (Some("https://h /x"), "text/html"));
        for at in 0..text.len() {
            assert_eq!(read(&text[..at]), Ok(None), "{at}");
        }
    }

    #[test]
    fn what_is_no_head_is_told_apart() {
        let length = |value: &str| read(&format!("HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\n"));
        for value in ["x", "-1", "+1", "", "3, 4", "99999999999999999999"] {
            assert_eq!(length(value), Err(BadHead::Length), "{value}");
        }
        assert_eq!(read("SSH-2.0-x\r\n"), Err(BadHead::Other(Error::Version)));
        assert_eq!(read("\0\0\u{12}\u{4}\0\0\0\0\0\0"), Err(BadHead::Http2));
        let many = |lines: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(lines));
        assert!(read(&many(200)).unwrap().is_some());
        assert_eq!(read(&many(300)), Err(BadHead::Other(Error::TooManyHeaders)));
    }

    #[test]
    fn a_connection_rests_a_second_less_than_its_server_waits() {
        assert_eq!(rest("timeout=5, max=100"), Some(4_000_000_000));
        assert_eq!(rest("max=3,timeout=1"), Some(0));
        assert_eq!(rest("timeout=60, max=0"), Some(0));
        assert_eq!(rest("Timeout = 5 , MAX=\"100\""), Some(4_000_000_000));
        assert_eq!(rest("timeout=soon"), None);
        assert_eq!(rest(""), None);
    }
}
