//! The body of a request, written without building it: what is the same in all is made once.

use std::io::Write as _;

use serde_json::Value;

use super::dialect::{Habits, sent_as};
use crate::backend::GenerateRequest;
use crate::profile::{Backend, Endpoint, PromptAs};

/// Words that most vocabularies hold as one token each, with the blank before them.
const WORDS: [&str; 64] = [
    "the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "on", "by", "this",
    "from", "at", "or", "an", "be", "are", "not", "have", "his", "they", "which", "one", "you", "had", "her",
    "all", "she", "there", "would", "their", "we", "him", "been", "has", "when", "who", "will", "more", "no",
    "if", "out", "so", "said", "what", "up", "its", "about", "into", "than", "them", "can", "only", "other",
    "new", "some", "could", "time", "these", "two",
];

/// Writes requests.
#[derive(Debug)]
pub struct Ask {
    /// The fixed keys, with the brace that opens the body and without the one that closes it.
    head: Vec<u8>,
    path: &'static str,
    prompt_as: PromptAs,
    chat: bool,
    ignore_eos: bool,
    min_tokens: bool,
}

impl Ask {
    /// How this server is asked for this model.
    pub fn new(habits: &Habits, backend: &Backend, model: &str) -> Self {
        let mut head = Value::Object(habits.fixed_body(backend, model)).to_string().into_bytes();
        head.pop();
        let chat = backend.endpoint == Endpoint::Chat;
        let own = |key: &str| backend.body.contains_key(key);
        Self {
            head,
            path: if chat { "/chat/completions" } else { "/completions" },
            prompt_as: sent_as(backend),
            chat,
            ignore_eos: habits.ignore_eos && !own("ignore_eos"),
            min_tokens: habits.min_tokens && !own("min_tokens"),
        }
    }

    /// The path behind the base URL.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// A request's body.
    pub fn body(&self, request: &GenerateRequest) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.head.len() + 96 + request.prompt.len() * 6);
        body.extend_from_slice(&self.head);
        put(&mut body, ",\"max_tokens\":", request.max_tokens);
        if request.ignore_eos && self.ignore_eos {
            body.extend_from_slice(b",\"ignore_eos\":true");
        }
        if request.ignore_eos && self.min_tokens {
            put(&mut body, ",\"min_tokens\":", request.max_tokens);
        }
        if self.chat {
            body.extend_from_slice(b",\"messages\":[{\"role\":\"user\",\"content\":\"");
            text(&mut body, &request.prompt);
            body.extend_from_slice(b"\"}]}");
            return body;
        }
        match self.prompt_as {
            PromptAs::Tokens => {
                body.extend_from_slice(b",\"prompt\":[");
                for (i, id) in request.prompt.iter().enumerate() {
                    put(&mut body, if i == 0 { "" } else { "," }, *id);
                }
                body.extend_from_slice(b"]}");
            }
            PromptAs::Text => {
                body.extend_from_slice(b",\"prompt\":\"");
                text(&mut body, &request.prompt);
                body.extend_from_slice(b"\"}");
            }
        }
        body
    }
}

fn put(body: &mut Vec<u8>, before: &str, number: u32) {
    let written = write!(body, "{before}{number}");
    debug_assert!(written.is_ok(), "writing to memory can't fail");
}

/// As many words as there are token ids, each id always the same word.
fn text(body: &mut Vec<u8>, ids: &[u32]) {
    for (i, id) in ids.iter().enumerate() {
        if i > 0 {
            body.push(b' ');
        }
        // Ids that differ only by a multiple of the number of words would else be the same word.
        let mixed = id.wrapping_mul(0x9e37_79b1) >> 26;
        body.extend_from_slice(WORDS[mixed as usize].as_bytes());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::backend::openai::dialect::habits;
    use crate::profile::Dialect;

    fn body(dialect: Dialect, change: impl Fn(&mut Backend), ignore_eos: bool) -> Value {
        let mut backend = Backend::default();
        change(&mut backend);
        let ask = Ask::new(&habits(dialect, None), &backend, "my \"model\"");
        let prompt = vec![7, 31_999, 0].into();
        let request = GenerateRequest { request: 1, client: 0, prompt, max_tokens: 9, ignore_eos };
        serde_json::from_slice(&ask.body(&request)).unwrap()
    }

    #[test]
    fn token_ids_are_sent_as_they_are() {
        let sent = body(Dialect::Vllm, |_| (), true);
        assert_eq!(sent["prompt"], json!([7, 31_999, 0]));
        assert_eq!(sent["model"], "my \"model\"");
        assert_eq!(sent["stream"], true);
        assert_eq!((&sent["max_tokens"], &sent["min_tokens"]), (&json!(9), &json!(9)));
        assert_eq!(sent["ignore_eos"], true);
        assert!(body(Dialect::Vllm, |_| (), false).get("ignore_eos").is_none());
        assert!(body(Dialect::Auto, |_| (), true).get("ignore_eos").is_none());
    }

    #[test]
    fn texts_have_a_word_for_each_id() {
        let chat = body(Dialect::Auto, |b| b.endpoint = Endpoint::Chat, true);
        let content = chat["messages"][0]["content"].as_str().unwrap();
        assert_eq!(content.split(' ').count(), 3);
        assert!(chat.get("prompt").is_none());
        let text = body(Dialect::Auto, |b| b.prompt_as = PromptAs::Text, true);
        assert_eq!(text["prompt"], content);
    }

    #[test]
    fn a_key_of_the_profile_is_sent_once() {
        let own = |b: &mut Backend| drop(b.body.insert("ignore_eos".into(), json!(false)));
        let sent = body(Dialect::Vllm, own, true);
        assert_eq!(sent["ignore_eos"], false);
    }
}
