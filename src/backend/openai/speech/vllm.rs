//! vLLM's demonstration server, `vllm.entrypoints.api_server`: `POST /generate`, which FastGen's benchmark measured.
//!
//! It takes a prompt and sampling parameters, and streams `{"text": ["…"]}`: the prompt and everything generated so
//! far, again and again, each before a NUL (until early 2024) or a line end (since). It tells no counts, and the end of
//! the stream is the end of the body. Not streamed, the answer is the last of these objects.

use serde_json::json;

use super::form::{Form, plain};
use super::{Peek, Texts};

pub(super) fn form(stream: bool) -> Form {
    plain(stream, json!({ "temperature": 0, "n": 1 }))
}

/// A text that comes again and again, longer each time.
#[derive(Debug, Default)]
pub struct Growing {
    prompt: Box<str>,
    /// Bytes of the text that were seen, the prompt among them; `None` before the first event.
    seen: Option<usize>,
}

impl Growing {
    /// Texts that may begin with the prompt.
    pub(super) fn behind(prompt: Box<str>) -> Self {
        Self { prompt, seen: None }
    }

    #[inline]
    pub(super) fn look(&mut self, json: &[u8], text: &mut String) -> Result<Peek, serde_json::Error> {
        let mut found = Peek::default();
        if let Some(all) = Texts::read(json, &mut found)? {
            found.choices = true;
            let echoed = || if all.starts_with(&*self.prompt) { self.prompt.len() } else { 0 };
            let seen = all.floor_char_boundary(self.seen.unwrap_or_else(echoed));
            found.generated = all.len() > seen;
            text.push_str(&all[seen..]);
            self.seen = Some(all.len());
        }
        Ok(found)
    }
}
