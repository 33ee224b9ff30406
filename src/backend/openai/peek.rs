//! Looks into a chunk of JSON as far as a client must: the text, the counts, a complaint. Everything else is
//! passed over without being built.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Counts of a `usage` object; a server may leave out either.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Usage {
    #[serde(deserialize_with = "count")]
    pub prompt_tokens: Option<u32>,
    #[serde(deserialize_with = "count")]
    pub completion_tokens: Option<u32>,
}

/// A count; `7.0` is one, too. What can be none (too large, below zero, no number) is as good as not there: it is no
/// reason to give an answer up.
fn count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    let whole = value.as_f64().filter(|n| n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n));
    Ok(whole.map(|n| n as u32))
}

/// What stood in a chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peek {
    /// There was a choice.
    pub choices: bool,
    /// A choice brought generated text, reasoning or part of a tool call: at least one token.
    pub generated: bool,
    /// A choice gave the reason of its end.
    pub finished: bool,
    pub usage: Option<Usage>,
    /// The server's complaint, raw.
    pub error: Option<String>,
    texts: Texts,
}

/// Where the generated text stands: its address and its length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Texts {
    #[default]
    None,
    One(usize, usize),
    /// More than one, or one that doesn't stand in the JSON as it is.
    Other,
}

impl Peek {
    /// Where the generated text stands in the JSON that was looked into, if it stands there as it is, and in one piece.
    pub fn text_at(&self, json: &[u8]) -> Option<Range<usize>> {
        let Texts::One(address, length) = self.texts else { return None };
        let start = address.checked_sub(json.as_ptr() as usize)?;
        (start + length <= json.len() && json.get(start + length) == Some(&b'"'))
            .then(|| start..start + length)
    }

    /// There is something in the place of generated text.
    pub fn has_text(&self) -> bool {
        self.texts != Texts::None
    }
}

/// Looks into one JSON object and appends the generated text to `text`.
///
/// # Errors
/// If it is no JSON object.
pub fn peek(json: &[u8], text: &mut String) -> Result<Peek, serde_json::Error> {
    let mut found = Peek::default();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Top { found: &mut found, text }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(found)
}

/// Makes an enum of the keys that matter, and a seed whose value is what is under them.
macro_rules! keys {
    ($name:ident { $($key:ident),* }) => {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "snake_case")]
        enum $name { $($key,)* #[serde(other)] Other }
    };
}

keys!(TopKey { Choices, Usage, Error, Object, Message });
keys!(ChoiceKey { Text, Delta, Message, FinishReason });
keys!(DeltaKey { Content, Reasoning, ReasoningContent, Refusal, ToolCalls, FunctionCall });

struct Top<'a> {
    found: &'a mut Peek,
    text: &'a mut String,
}

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `choices`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut is_error, mut message) = (false, None);
        while let Some(key) = map.next_key()? {
            match key {
                TopKey::Choices => map.next_value_seed(Choices { found: self.found, text: self.text })?,
                TopKey::Usage => self.found.usage = map.next_value()?,
                TopKey::Error => self.found.error = complaint(map.next_value()?),
                TopKey::Object => is_error = map.next_value::<serde_json::Value>()? == "error",
                TopKey::Message => message = complaint(map.next_value()?),
                TopKey::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if is_error && self.found.error.is_none() {
            self.found.error = message.or_else(|| Some("an error without a message".into()));
        }
        Ok(())
    }
}

/// The words in a server's `error`, which may be an object, a text, or null.
pub(super) fn complaint(error: serde_json::Value) -> Option<String> {
    use serde_json::Value;
    match error {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) => Some(text),
        Value::Object(mut map) => match map.remove("message") {
            Some(Value::String(text)) => Some(text),
            _ => Some(Value::Object(map).to_string()),
        },
        other => Some(other.to_string()),
    }
}

/// A seed over a part of the chunk, with the visitor methods that skip `null`.
macro_rules! part {
    ($name:ident) => {
        struct $name<'a> {
            found: &'a mut Peek,
            text: &'a mut String,
        }

        impl<'de> DeserializeSeed<'de> for $name<'_> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
                d.deserialize_any(self)
            }
        }
    };
}

part!(Choices);
part!(Choice);
part!(Delta);
part!(Text);

impl<'de> Visitor<'de> for Choices<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of choices")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Choice { found: self.found, text: self.text })?.is_some() {
            self.found.choices = true;
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Choice<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a choice")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key()? {
            match key {
                ChoiceKey::Text => map.next_value_seed(Text { found: self.found, text: self.text })?,
                ChoiceKey::Delta | ChoiceKey::Message => {
                    map.next_value_seed(Delta { found: self.found, text: self.text })?;
                }
                ChoiceKey::FinishReason => {
                    // Some servers write an empty text in place of null.
                    let reason = map.next_value::<serde_json::Value>()?;
                    self.found.finished |= !reason.is_null() && reason != "";
                }
                ChoiceKey::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Delta<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a delta")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // Servers in transition send the same reasoning under two names.
        let mut reasoned = false;
        while let Some(key) = map.next_key()? {
            match key {
                DeltaKey::Content | DeltaKey::Refusal => {
                    map.next_value_seed(Text { found: self.found, text: self.text })?;
                }
                DeltaKey::Reasoning | DeltaKey::ReasoningContent => {
                    let mut twin = String::new();
                    let text = if reasoned { &mut twin } else { &mut *self.text };
                    let before = text.len();
                    map.next_value_seed(Text { found: self.found, text: &mut *text })?;
                    reasoned |= text.len() > before;
                }
                DeltaKey::ToolCalls | DeltaKey::FunctionCall => {
                    let (mut unseen, before) = (String::new(), self.found.texts);
                    map.next_value_seed(Text { found: self.found, text: &mut unseen })?;
                    // No part of the text: the event has no shape.
                    self.found.texts = if self.found.texts == before { before } else { Texts::Other };
                }
                DeltaKey::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<(), E> {
        let texts = &mut self.found.texts;
        *texts =
            if *texts == Texts::None { Texts::One(text.as_ptr() as usize, text.len()) } else { Texts::Other };
        self.found.generated |= !text.is_empty();
        self.text.push_str(text);
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.found.texts = Texts::Other;
        self.found.generated |= !text.is_empty();
        self.text.push_str(text);
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    /// Content as a list of parts, or tool calls.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.found.texts = Texts::Other;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            self.found.generated = true;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.found.texts = Texts::Other;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            self.found.generated = true;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    fn look(json: &str) -> (Peek, String) {
        let mut text = String::new();
        let found = peek(json.as_bytes(), &mut text).unwrap();
        (found, text)
    }

    #[test]
    fn text_is_found_wherever_servers_put_it() {
        for (json, text) in [
            (r#"{"choices":[{"index":0,"text":" the","finish_reason":null}]}"#, " the"),
            (r#"{"choices":[{"delta":{"role":"assistant","content":"a\n\"b"}}],"usage":null}"#, "a\n\"b"),
            (r#"{"choices":[{"delta":{"reasoning_content":"hm","content":null}}]}"#, "hm"),
            (r#"{"choices":[{"delta":{"reasoning":"hm","reasoning_content":"hm"}}]}"#, "hm"),
            (r#"{"choices":[{"message":{"content":"whole"},"logprobs":{"tokens":["x"]}}]}"#, "whole"),
        ] {
            let (found, seen) = look(json);
            assert!(found.generated && found.choices && !found.finished, "{json}");
            assert_eq!((seen.as_str(), found.error), (text, None), "{json}");
        }
    }

    #[test]
    fn what_holds_no_token_is_told_apart() {
        for json in [
            r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"choices":[{"delta":{"role":"assistant"}}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}"#,
            r#"{"choices":[{"delta":{"content":null,"tool_calls":[]}}]}"#,
            r#"{"choices":null}"#,
            "{}",
        ] {
            assert!(!look(json).0.generated, "{json}");
        }
        let call = r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f"}}]}}]}"#;
        assert!(look(call).0.generated);
    }

    #[test]
    fn usage_and_ends_are_seen() {
        let (found, _) = look(
            r#"{"choices":[{"text":"","finish_reason":"length"}],
                "usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8,"details":{"x":[1]}}}"#,
        );
        assert!(found.finished);
        assert_eq!(found.usage, Some(Usage { prompt_tokens: Some(3), completion_tokens: Some(5) }));
    }

    #[test]
    fn counts_that_can_be_none_are_no_reason_to_give_up() {
        for (count, seen) in [
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("99999999999999999999999", None),
            ("-1", None),
            ("7.0", Some(7)),
            ("7.5", None),
            ("\"7\"", None),
            ("[7]", None),
            ("null", None),
        ] {
            let json = format!(r#"{{"choices":[{{"text":"x"}}],"usage":{{"completion_tokens":{count}}}}}"#);
            let (found, text) = look(&json);
            assert_eq!((found.usage.unwrap().completion_tokens, text.as_str()), (seen, "x"), "{count}");
        }
    }

    #[test]
    fn an_empty_reason_is_none() {
        let finished = |reason: &str| {
            look(&format!(r#"{{"choices":[{{"text":"x","finish_reason":{reason}}}]}}"#)).0.finished
        };
        assert!(!finished("\"\"") && !finished("null") && finished("\"stop\""));
    }

    #[test]
    fn complaints_come_in_many_shapes() {
        for (json, words) in [
            (r#"{"error":{"message":"no room","code":503}}"#, "no room"),
            (r#"{"error":"no room"}"#, "no room"),
            (r#"{"object":"error","message":"no room","code":400}"#, "no room"),
            (r#"{"error":{"code":7}}"#, "{\"code\":7}"),
        ] {
            assert_eq!(look(json).0.error.as_deref(), Some(words), "{json}");
        }
        assert_eq!(look(r#"{"error":null,"choices":[{"text":"x"}]}"#).0.error, None);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for wrong in ["", "[]", "{\"choices\":", "{} {}", "\"x\"", "{\"choices\":[{\"text\":5}]}"] {
            assert!(peek(wrong.as_bytes(), &mut String::new()).is_err(), "{wrong}");
        }
    }
}
