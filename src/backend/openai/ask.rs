//! The body of a request, written without building it: what is the same in all is made once.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::dialect::Habits;
use super::speech::form::{self, Form};
use super::speech::{Kind, Speech};
use crate::backend::GenerateRequest;
use crate::model::TextTokenizer;
use crate::profile::{Backend, Endpoint};

/// Words that most vocabularies hold as one token each, with the blank before them.
const WORDS: [&str; 64] = [
    "the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "on", "by", "this",
    "from", "at", "or", "an", "be", "are", "not", "have", "his", "they", "which", "one", "you", "had", "her",
    "all", "she", "there", "would", "their", "we", "him", "been", "has", "when", "who", "will", "more", "no",
    "if", "out", "so", "said", "what", "up", "its", "about", "into", "than", "them", "can", "only", "other",
    "new", "some", "could", "time", "these", "two",
];

/// Writes requests.
pub struct Ask {
    /// The fixed keys, as far as the first of a request's own.
    head: Vec<u8>,
    /// The same where the server is asked to count in each event, if it can be.
    counting_head: Option<Vec<u8>>,
    form: Form,
    kind: Kind,
    endpoint: &'static str,
    stream: bool,
    /// For APIs that name it in the path.
    model: String,
    tokenizer: Option<Arc<TextTokenizer>>,
}

impl Ask {
    /// How this server is asked for this model. Texts are made for the tokenizer, if there is one.
    pub fn new(
        habits: &Habits,
        backend: &Backend,
        model: &str,
        tokenizer: Option<Arc<TextTokenizer>>,
    ) -> Self {
        let kind = habits.kind;
        let stream = kind.streams(backend.stream);
        let mut form = kind.form(stream).unwrap_or_else(|| form::openai(habits, backend, model));
        let head = |fixed| head(form.open, fixed, backend);
        let counting = habits.counting_body(backend, model).filter(|_| kind == Kind::Openai);
        let (counting_head, head) = (counting.map(head), head(std::mem::take(&mut form.fixed)));
        let own = |key: &str| backend.body.contains_key(key);
        form.ignore_eos &= !own("ignore_eos");
        form.min = form.min.filter(|key| !own(key));
        let endpoint = if backend.endpoint == Endpoint::Chat { "/chat/completions" } else { "/completions" };
        Self { head, counting_head, form, kind, endpoint, stream, model: model.to_owned(), tokenizer }
    }

    /// Where requests go, for the path of a base URL.
    pub fn path(&self, prefix: &str) -> String {
        let mut path = self.kind.path(prefix, self.stream, &self.model);
        if self.kind == Kind::Openai {
            path.push_str(self.endpoint);
        }
        path
    }

    /// Whether answers come as a stream.
    pub fn streams(&self) -> bool {
        self.stream
    }

    /// Whether the server can be expected to count as many prompt tokens as were asked for.
    pub fn is_exact(&self) -> bool {
        self.form.tokens || self.tokenizer.is_some()
    }

    /// How the answer to a request is understood.
    pub fn speech(&self, request: &GenerateRequest) -> Speech {
        let prompt = self.kind.echoes().then(|| {
            let mut text = Vec::new();
            self.words(&mut text, &request.prompt);
            let text = || String::from_utf8_lossy(&text).into_owned();
            request.text.as_deref().map_or_else(text, str::to_owned).into()
        });
        self.kind.speech(prompt)
    }

    /// Whether the server can be asked to count in each event.
    pub fn can_count(&self) -> bool {
        self.counting_head.is_some()
    }

    /// A request's body. `counting`: the server is asked to count in each event, if it can be.
    pub fn body(&self, request: &GenerateRequest, counting: bool) -> Vec<u8> {
        let form = &self.form;
        let head = self.counting_head.as_ref().filter(|_| counting).unwrap_or(&self.head);
        let mut body = Vec::with_capacity(head.len() + 96 + request.prompt.len() * 6);
        body.extend_from_slice(head);
        put(&mut body, &[b"\"", form.max.as_bytes(), b"\":"], request.max_tokens);
        if request.ignore_eos && form.ignore_eos {
            body.extend_from_slice(b",\"ignore_eos\":true");
        }
        if let Some(min) = form.min.filter(|_| request.ignore_eos) {
            put(&mut body, &[b",\"", min.as_bytes(), b"\":"], request.max_tokens);
        }
        if let (Some(text), true) = (&request.text, form.tokens) {
            // A text of the user's own goes as it is, whatever other prompts are.
            body.extend_from_slice(b",\"prompt\":");
            body.extend_from_slice(Value::from(&**text).to_string().as_bytes());
            body.push(b'}');
            return body;
        }
        body.extend_from_slice(form.before.as_bytes());
        match &request.text {
            Some(text) => {
                let quoted = Value::from(&**text).to_string();
                body.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
            }
            None if form.tokens => {
                for (i, id) in request.prompt.iter().enumerate() {
                    put(&mut body, &[if i == 0 { b"" } else { b"," }], *id);
                }
            }
            None => self.words(&mut body, &request.prompt),
        }
        body.extend_from_slice(form.after.as_bytes());
        body
    }

    /// As many words as there are token ids, each id always the same word.
    fn words(&self, body: &mut Vec<u8>, ids: &[u32]) {
        let listed = self.tokenizer.as_ref().map(|tokenizer| tokenizer.words()).filter(|w| !w.is_empty());
        for (i, id) in ids.iter().enumerate() {
            if i > 0 {
                body.push(b' ');
            }
            // Ids that differ only by a multiple of the number of words would else be the same word.
            let mixed = u64::from(id.wrapping_mul(0x9e37_79b1));
            let nth = |words: usize| ((mixed * words as u64) >> 32) as usize;
            let word =
                listed.map_or_else(|| WORDS[nth(WORDS.len())], |words| words[nth(words.len())].as_str());
            body.extend_from_slice(word.as_bytes());
        }
    }
}

/// A body's beginning, with the keys that are the same in all requests; the profile's own are laid over them.
fn head(open: &str, mut fixed: Map<String, Value>, backend: &Backend) -> Vec<u8> {
    for (key, value) in &backend.body {
        fixed.insert(key.clone(), value.clone());
    }
    let fixed = Value::Object(fixed).to_string();
    let mut head = open.as_bytes().to_vec();
    head.extend_from_slice(&fixed.as_bytes()[1..fixed.len() - 1]);
    if fixed.len() > "{}".len() {
        head.push(b',');
    }
    head
}

fn put(body: &mut Vec<u8>, before: &[&[u8]], number: u32) {
    for part in before {
        body.extend_from_slice(part);
    }
    body.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests;
