//! What can go wrong with a request, as an outcome and one harmless line.

use std::time::Duration;

use super::head::Head;
use super::target::Target;
use crate::event::Outcome;
use crate::profile::values;

/// Most characters of a server's words that are kept.
const WORDS: usize = 240;

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub outcome: Outcome,
    pub message: String,
    /// The HTTP status, where it is what went wrong.
    pub status: Option<u16>,
    /// How long the server asks to wait before the next try.
    pub retry_after: Option<Duration>,
}

impl Fault {
    pub fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self { outcome, message: message.into(), status: None, retry_after: None }
    }

    /// The server broke the protocol.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new(Outcome::FailedProtocol, message)
    }

    /// No connection.
    pub fn connect(shown: &str, error: &std::io::Error) -> Self {
        let hint = match error.raw_os_error() {
            // EMFILE, ENFILE
            Some(24 | 23) => "; raise the limit of open files (`ulimit -n`)",
            _ => "",
        };
        Self::new(Outcome::FailedConnect, format!("no connection to {shown}: {error}{hint}"))
    }

    /// No connection in time. `limit`: the time there was.
    pub fn connect_timeout(shown: &str, limit: Duration) -> Self {
        let limit = values::show(limit);
        let message = format!("no connection to {shown} within {limit} (load.connect_timeout)");
        Self::new(Outcome::TimedOutConnect, message)
    }

    /// A connection whose other end says nothing. `what`: what it is to answer; `hint`: what may be the reason.
    pub fn mute(shown: &str, limit: Duration, what: &str, hint: &str) -> Self {
        let limit = values::show(limit);
        let message = format!("{shown} did not answer {what} within {limit} (load.connect_timeout); {hint}");
        Self::new(Outcome::TimedOutConnect, message)
    }

    /// A host without an address.
    pub fn name(target: &Target, error: &std::io::Error) -> Self {
        let (host, shown) = (&target.host, target.shown());
        let message =
            format!("the name \"{host}\" of {shown} can't be looked up: {error}; check its spelling");
        Self::new(Outcome::FailedConnect, message)
    }

    /// An answer that is not 2xx.
    pub fn status(head: &Head, words: &str) -> Self {
        let status = head.status;
        let retry_after = head.retry_after.as_deref();
        let outcome = match status.as_u16() {
            429 | 503 => Outcome::FailedOverload,
            _ => Outcome::FailedHttp,
        };
        let mut message = format!("HTTP {}", status.as_u16());
        if let Some(reason) = status.canonical_reason() {
            message.push(' ');
            message.push_str(reason);
        }
        if let Some(after) = retry_after {
            message = format!("{message} (Retry-After: {})", harmless(after));
        }
        if !words.is_empty() {
            message.push_str(": ");
            message.push_str(words);
        }
        let retry_after = retry_after.and_then(|after| wait(after, head.date.as_deref()));
        Self { status: Some(status.as_u16()), retry_after, ..Self::new(outcome, message) }
    }
}

/// A `Retry-After`: seconds, or a point in time, which is taken as the server's own clock has it.
fn wait(after: &str, now: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = after.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = |text: &str| jiff::fmt::rfc2822::parse(text.trim()).ok().map(|at| at.timestamp().as_second());
    let seconds = at(after)?.checked_sub(at(now?)?)?;
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// A server's words in one line: no control characters, no runs of blanks, and not too long.
pub fn harmless(text: &str) -> String {
    let mut out = String::new();
    let mut kept = 0;
    for word in text.split(|c: char| c.is_whitespace() || unsafe_to_print(c)).filter(|word| !word.is_empty())
    {
        if kept > 0 {
            out.push(' ');
        }
        for c in word.chars() {
            if kept >= WORDS {
                out.push('…');
                return out;
            }
            out.push(c);
            kept += 1;
        }
        kept += 1;
    }
    out
}

/// Controls, and what turns the direction of writing.
fn unsafe_to_print(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The point of an error body: a JSON error's message, else the text, of HTML without its tags.
pub fn words(body: &[u8]) -> String {
    if let Ok(found) = super::peek::peek(body, &mut String::new())
        && let Some(error) = found.error
    {
        return harmless(&error);
    }
    if let Ok(serde_json::Value::Object(map)) = serde_json::from_slice(body)
        && let Some(detail) = map.get("detail").or_else(|| map.get("message"))
    {
        return harmless(detail.as_str().map_or_else(|| detail.to_string(), str::to_owned).as_str());
    }
    let text = String::from_utf8_lossy(body);
    if text.trim_start().starts_with('<') {
        return harmless(&without_tags(&text));
    }
    harmless(&text)
}

fn without_tags(html: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                out.push(' ');
            }
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::super::head::Lines;
    use super::*;

    #[test]
    fn a_servers_words_are_made_harmless() {
        assert_eq!(harmless("a\x1b[31m\r\n\tb\0c\u{202e}d"), "a [31m b c d");
        let long = harmless(&"ab ".repeat(1000));
        assert!(long.ends_with('…') && long.chars().count() <= WORDS + 1, "{long}");
        assert_eq!(harmless(""), "");
    }

    #[test]
    fn the_point_of_an_error_body_is_found() {
        assert_eq!(words(br#"{"error":{"message":"bad\nmodel"}}"#), "bad model");
        assert_eq!(words(br#"{"detail":"Not Found"}"#), "Not Found");
        assert_eq!(words(br#"{"detail":[{"loc":1}]}"#), r#"[{"loc":1}]"#);
        assert_eq!(words(b"<html><h1>502 Bad</h1>\n<p>nginx</p></html>"), "502 Bad nginx");
        assert_eq!(words(b"\xff\xfeplain"), "\u{fffd}\u{fffd}plain");
    }

    #[test]
    fn overload_is_told_from_other_answers() {
        let head = |code: u16, after: &str| {
            let lines = format!(
                "HTTP/1.1 {code} x\r\nRetry-After: {after}\r\nDate: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n"
            );
            Lines::read(lines.as_bytes()).unwrap().unwrap().head
        };
        let busy = Fault::status(&head(429, "7"), "slow down");
        assert_eq!((busy.outcome, busy.status), (Outcome::FailedOverload, Some(429)));
        assert_eq!(busy.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(busy.message, "HTTP 429 Too Many Requests (Retry-After: 7): slow down");
        let full = Fault::status(&head(503, "Wed, 21 Oct 2015 07:28:40 GMT"), "");
        assert_eq!((full.outcome, full.status), (Outcome::FailedOverload, Some(503)));
        assert_eq!(full.retry_after, Some(Duration::from_secs(40)));
        assert_eq!(
            Fault::status(&head(503, "Wed, 21 Oct 2015 07:27:40 GMT"), "").retry_after,
            Some(Duration::ZERO)
        );
        assert_eq!(Fault::status(&head(503, "soon"), "").retry_after, None);
        assert_eq!(Fault::status(&head(500, "1"), "").outcome, Outcome::FailedHttp);
    }
}
