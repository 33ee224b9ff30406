//! One response of a result file: when it was sent and answered, when each of its tokens came.

use serde_json::Value;

use super::count::Counter;
use crate::event::CountedBy;

/// Nanoseconds in a second.
const NS: f64 = 1e9;
/// Longest time that a response may tell, seconds: more is no time of a request.
pub const LONGEST_S: f64 = 1e7;

/// A response that can be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Its place in the file.
    pub index: usize,
    /// When it was sent, seconds on the file's clock.
    pub start_s: f64,
    /// From sending to its end.
    pub e2e_ns: u64,
    /// To the first chunk, then from chunk to chunk; empty where the file tells no tokens' times.
    pub gaps_ns: Vec<u64>,
    /// `None` where nothing can count them.
    pub prompt_tokens: Option<u32>,
    /// `None` where nothing can count them.
    pub output_tokens: Option<u32>,
    pub counted_by: CountedBy,
}

impl Response {
    /// Reads a response, the `index`th of its file.
    ///
    /// # Errors
    /// What is wrong with it, with the key.
    pub fn read(index: usize, value: &Value, counter: &Counter) -> Result<Self, String> {
        let Value::Object(map) = value else {
            return Err(format!("is {}, not an object", kind(value)));
        };
        let start_s = second(map.get("start_time"), "start_time")?;
        let end_s = second(map.get("end_time"), "end_time")?;
        if end_s <= start_s {
            return Err(format!("end_time {end_s} does not lie after start_time {start_s}"));
        }
        if end_s - start_s > LONGEST_S {
            return Err(format!("it took {} s, which is no time of a request", end_s - start_s));
        }
        let gaps_ns = gaps(map.get("token_gen_time"))?;
        let prompt_tokens = match map.get("prompt_tokens") {
            Some(count) => Some(whole(count, "prompt_tokens")?),
            None => prompt(map.get("prompt"), counter)?,
        };
        let (output_tokens, counted_by) = output(map.get("generated_tokens"), gaps_ns.len(), counter)?;
        let e2e_ns = ((end_s - start_s) * NS).round() as u64;
        Ok(Self { index, start_s, e2e_ns, gaps_ns, prompt_tokens, output_tokens, counted_by })
    }

    /// The last chunk, as time since it was sent.
    pub fn last_chunk_ns(&self) -> u64 {
        self.gaps_ns.iter().sum()
    }

    /// When each chunk came, for a request sent at this time.
    pub fn chunk_at_ns(&self, sent_ns: u64) -> Vec<u64> {
        let mut at_ns = sent_ns;
        let next = |gap: &u64| {
            at_ns = at_ns.saturating_add(*gap);
            at_ns
        };
        self.gaps_ns.iter().map(next).collect()
    }
}

/// A time in seconds, not negative.
fn second(value: Option<&Value>, key: &str) -> Result<f64, String> {
    let value = value.ok_or_else(|| format!("has no {key}"))?;
    let seconds = value.as_f64().ok_or_else(|| format!("{key} is {}", shown(value)))?;
    if seconds < 0.0 { Err(format!("{key} is negative: {seconds}")) } else { Ok(seconds) }
}

fn gaps(value: Option<&Value>) -> Result<Vec<u64>, String> {
    let list = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(format!("token_gen_time is {}, not a list", kind(other))),
    };
    let gap = |(i, value): (usize, &Value)| {
        let seconds = second(Some(value), &format!("token_gen_time[{i}]"))?;
        if seconds > LONGEST_S {
            return Err(format!("token_gen_time[{i}] is {seconds} s, which is no time of a token"));
        }
        Ok((seconds * NS).round() as u64)
    };
    let gaps = list.iter().enumerate().map(gap).collect::<Result<Vec<u64>, String>>()?;
    match gaps.iter().try_fold(0u64, |sum, gap| sum.checked_add(*gap)) {
        Some(sum) if sum as f64 <= LONGEST_S * NS => Ok(gaps),
        _ => Err("token_gen_time adds up to more than a request can take".into()),
    }
}

fn prompt(value: Option<&Value>, counter: &Counter) -> Result<Option<u32>, String> {
    match value {
        Some(Value::String(text)) => Ok(counter.count(text)),
        // Other programs that write such files leave the text out.
        None | Some(Value::Null) => Ok(None),
        Some(other) => Err(format!("prompt is {}, not a text", kind(other))),
    }
}

/// A list holds a text for each token (or chunk, which the original takes for one). A plain text is what servers
/// that speak no tokens gave.
fn output(
    value: Option<&Value>,
    chunks: usize,
    counter: &Counter,
) -> Result<(Option<u32>, CountedBy), String> {
    let many = |n: usize| u32::try_from(n).map_err(|_| format!("{n} tokens are too many"));
    Ok(match value {
        Some(Value::Array(list)) => (Some(many(list.len())?), CountedBy::Chunks),
        Some(Value::String(text)) => match counter.count(text) {
            Some(count) => (Some(count), CountedBy::Tokenizer),
            None if chunks > 0 => (Some(many(chunks)?), CountedBy::Chunks),
            None if text.is_empty() => (Some(0), CountedBy::Chunks),
            None => (None, CountedBy::Chunks),
        },
        None | Some(Value::Null) => (Some(many(chunks)?), CountedBy::Chunks),
        Some(other) => return Err(format!("generated_tokens is {}, not a list or a text", kind(other))),
    })
}

/// A count of tokens.
pub fn whole(value: &Value, key: &str) -> Result<u32, String> {
    let number = value.as_u64().and_then(|n| u32::try_from(n).ok());
    number.ok_or_else(|| format!("{key} is {}, not a count", shown(value)))
}

/// A value in a message.
pub fn shown(value: &Value) -> String {
    match value {
        // As the filter hands them on.
        Value::String(text) if ["NaN", "Infinity", "-Infinity"].contains(&text.as_str()) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => format!("{}, not a number", kind(other)),
    }
}

/// What a value is, in words.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
