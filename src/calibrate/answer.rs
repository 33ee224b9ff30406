//! The bytes of the built-in server: what it understands of a request, and answers that are made before the load
//! begins, so that sending a token costs no more than a `write`.

use std::fmt::Write as _;

use memchr::memmem;

/// Digits of a request's number in its first token.
const DIGITS: usize = 10;
/// The longest request that is read.
const REQUEST: usize = 64 * 1024 * 1024;
/// How far into a body its settings stand; the prompt comes last.
const SETTINGS: usize = 1024;

/// What one load is to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Tokens of every request, at least one.
    pub tokens: u32,
    /// As `usage` tells them.
    pub prompt_tokens: u32,
    /// From the request to its first token, and from token to token; 0: at once.
    pub ttft_ns: u64,
    pub itl_ns: u64,
}

impl Pace {
    /// Nothing is waited for.
    pub fn is_flat_out(&self) -> bool {
        self.ttft_ns == 0 && self.itl_ns == 0
    }
}

/// All answers to a load's requests: they differ in a number only.
pub struct Script {
    pub pace: Pace,
    /// For clients that ask for a count in every event, and for others.
    counted: Pieces,
    plain: Pieces,
}

/// One token's bytes each.
struct Pieces {
    /// Head and first token, with zeros where the number stands.
    first: Vec<u8>,
    number_at: usize,
    others: Vec<Box<[u8]>>,
}

impl Script {
    /// Makes the answers.
    pub fn new(pace: Pace) -> Self {
        let pace = Pace { tokens: pace.tokens.max(1), ..pace };
        Self { pace, counted: Pieces::new(pace, true), plain: Pieces::new(pace, false) }
    }

    /// The bytes of token `index`, from 0; those of the first are put together in `made`.
    pub fn piece<'a>(&'a self, counted: bool, index: u32, number: u64, made: &'a mut Vec<u8>) -> &'a [u8] {
        let pieces = if counted { &self.counted } else { &self.plain };
        if let Some(other) = index.checked_sub(1) {
            return &pieces.others[other as usize];
        }
        made.clear();
        made.extend_from_slice(&pieces.first);
        let mut left = number;
        for digit in made[pieces.number_at..pieces.number_at + DIGITS].iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
        made
    }
}

impl Pieces {
    fn new(pace: Pace, counted: bool) -> Self {
        let zeros = "0".repeat(DIGITS);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let first = head.to_owned() + &piece(pace, counted, 0, &zeros);
        let number_at = memmem::find(first.as_bytes(), zeros.as_bytes()).unwrap_or(0);
        let others = (1..pace.tokens).map(|index| piece(pace, counted, index, " x").into_bytes().into());
        Self { first: first.into_bytes(), number_at, others: others.collect() }
    }
}

/// One token's chunk; with the last token comes all that ends a stream.
fn piece(pace: Pace, counted: bool, index: u32, text: &str) -> String {
    let last = index + 1 == pace.tokens;
    let reason = if last { "\"length\"" } else { "null" };
    let usage = |made: u32| {
        let (prompt, total) = (pace.prompt_tokens, pace.prompt_tokens + made);
        format!(
            ",\"usage\":{{\"prompt_tokens\":{prompt},\"completion_tokens\":{made},\"total_tokens\":{total}}}"
        )
    };
    let event = |choices: &str, usage: &str| {
        format!(
            "data: {{\"id\":\"cmpl-0\",\"object\":\"text_completion\",\"created\":0,\"model\":\"calibrate\",\
             \"choices\":[{choices}]{usage}}}\n\n"
        )
    };
    let choice = format!("{{\"index\":0,\"text\":\"{text}\",\"logprobs\":null,\"finish_reason\":{reason}}}");
    let mut bytes = String::new();
    chunk(&mut bytes, &event(&choice, &if counted { usage(index + 1) } else { String::new() }));
    if last {
        chunk(&mut bytes, &event("", &usage(pace.tokens)));
        chunk(&mut bytes, "data: [DONE]\n\n");
        bytes.push_str("0\r\n\r\n");
    }
    bytes
}

fn chunk(bytes: &mut String, data: &str) {
    let written = write!(bytes, "{:x}\r\n{data}\r\n", data.len());
    debug_assert!(written.is_ok(), "writing to a string can't fail");
}

/// The number that an answer's text begins with.
pub fn number(text: &str) -> Option<u64> {
    text.get(..DIGITS)?.parse().ok()
}

/// The list of models.
pub fn models() -> Vec<u8> {
    let body =
        "{\"object\":\"list\",\"data\":[{\"id\":\"calibrate\",\"object\":\"model\",\"owned_by\":\"vllm\"}]}";
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// What has come of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Not all of it.
    Part,
    /// Something that this server does not speak.
    Nonsense,
    /// The list of models, in so many bytes.
    Models(usize),
    /// A completion, in so many bytes; with a count in every event.
    Completion(usize, bool),
}

/// Reads the request that stands at the front.
pub fn asked(bytes: &[u8]) -> Asked {
    let Some(head) = memmem::find(bytes, b"\r\n\r\n") else {
        return if bytes.len() > SETTINGS * 16 { Asked::Nonsense } else { Asked::Part };
    };
    let Ok(text) = std::str::from_utf8(&bytes[..head]) else { return Asked::Nonsense };
    let mut lines = text.split("\r\n");
    let request = lines.next().unwrap_or_default();
    let length = lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.trim().eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    let length = match length {
        None => 0,
        Some(Ok(length)) if length <= REQUEST => length,
        Some(_) => return Asked::Nonsense,
    };
    let begin = head + 4;
    let end = begin + length;
    if bytes.len() < end {
        return Asked::Part;
    }
    let settings = &bytes[begin..end.min(begin + SETTINGS)];
    match request.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["GET", "/v1/models"] => Asked::Models(end),
        ["POST", "/v1/completions"] => {
            Asked::Completion(end, memmem::find(settings, b"\"continuous_usage_stats\":true").is_some())
        }
        _ => Asked::Nonsense,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    fn whole(tokens: u32, counted: bool) -> String {
        let script = Script::new(Pace { tokens, prompt_tokens: 7, ttft_ns: 0, itl_ns: 0 });
        let mut made = Vec::new();
        (0..tokens)
            .map(|i| String::from_utf8(script.piece(counted, i, 1234, &mut made).to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn an_answer_is_well_formed_and_bears_its_number() {
        for (tokens, counted) in [(1, true), (3, true), (1, false), (3, false)] {
            let text = whole(tokens, counted);
            let (head, mut body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains("transfer-encoding: chunked"));
            let mut events = Vec::new();
            loop {
                let (length, rest) = body.split_once("\r\n").unwrap();
                let length = usize::from_str_radix(length, 16).unwrap();
                if length == 0 {
                    assert_eq!(rest, "\r\n");
                    break;
                }
                events.push(rest[..length].strip_prefix("data: ").unwrap().trim_end().to_owned());
                body = rest[length..].strip_prefix("\r\n").unwrap();
            }
            assert_eq!(events.pop().unwrap(), "[DONE]");
            let events: Vec<serde_json::Value> =
                events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
            assert_eq!(events.len(), tokens as usize + 1);
            assert_eq!(number(events[0]["choices"][0]["text"].as_str().unwrap()), Some(1234));
            assert_eq!(events[0].get("usage").is_some(), counted);
            assert_eq!(events.last().unwrap()["usage"]["completion_tokens"], tokens);
        }
    }

    #[test]
    fn requests_are_told_apart() {
        let post = b"POST /v1/completions HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello GET";
        assert_eq!(asked(post), Asked::Completion(post.len() - 4, false));
        assert_eq!(asked(&post[..post.len() - 5]), Asked::Part);
        let body = "{\"stream_options\":{\"continuous_usage_stats\":true}}";
        let post = format!("POST /v1/completions HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        assert_eq!(asked(post.as_bytes()), Asked::Completion(post.len(), true));
        assert_eq!(asked(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"), Asked::Models(36));
        for wrong in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"\r\n\r\n",
            b"POST /v1/completions HTTP/1.1\r\ncontent-length: many\r\n\r\n",
            b"POST /v1/completions HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n",
            b"\xff\xfe\r\n\r\n",
        ] {
            assert_eq!(asked(wrong), Asked::Nonsense, "{:?}", String::from_utf8_lossy(wrong));
        }
        assert_eq!(asked(&vec![b'a'; 20_000]), Asked::Nonsense);
        assert_eq!(asked(b""), Asked::Part);
    }
}
