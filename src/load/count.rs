//! Counts the tokens of generated texts where the server did not, by the profile's tokenizer.
//!
//! It happens on the collector's thread, behind the channel: to tokenise a long text takes milliseconds, in which a
//! client could stamp nothing.

use std::path::PathBuf;
use std::sync::Arc;

use super::follow::CUT;
use crate::collector::Amend;
use crate::event::{CountedBy, Event, Finished};
use crate::model::TextTokenizer;
use crate::profile::{BackendKind, StagePlan};

/// Counts for a run of these stages; `None` if none has a tokenizer.
pub(super) fn counting(stages: &[StagePlan]) -> Option<Amend> {
    let paths: Vec<Option<PathBuf>> = stages
        .iter()
        .map(|stage| &stage.profile.backend)
        .map(|backend| backend.tokenizer.clone().filter(|_| backend.kind == BackendKind::Openai))
        .collect();
    if paths.iter().all(Option::is_none) {
        return None;
    }
    let mut current: Option<Arc<TextTokenizer>> = None;
    Some(Box::new(move |event| match event {
        Event::Stage(start) => {
            // The backend has read it already, or would not be there.
            let path = paths.get(start.stage as usize).and_then(Option::as_ref);
            current = path.and_then(|path| TextTokenizer::shared(path).ok());
        }
        Event::Finished(end) => {
            if let Some(tokenizer) = &current {
                count(end, tokenizer);
            }
        }
        _ => {}
    }))
}

/// A chunk stands for one token at least: fewer than chunks came is a text that was cut into other tokens now.
fn count(end: &mut Finished, tokenizer: &TextTokenizer) {
    let uncounted = end.counted_by == CountedBy::Chunks;
    let Some(text) = end.text.as_deref().filter(|text| uncounted && text.len() < CUT) else { return };
    if let Some(tokens) = tokenizer.count(text).filter(|tokens| *tokens >= end.output_tokens) {
        end.output_tokens = tokens;
        end.counted_by = CountedBy::Tokenizer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Outcome, StageStart};
    use crate::profile::resolve_in;

    /// Counts words.
    const WORDS: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
        "pre_tokenizer":{"type":"WhitespaceSplit"},"post_processor":null,"decoder":null,
        "model":{"type":"WordLevel","vocab":{"[UNK]":0},"unk_token":"[UNK]"}}"#;

    fn plans(folder: &std::path::Path, tokenizer: bool) -> Vec<StagePlan> {
        let path = folder.join("tokenizer.json");
        std::fs::write(&path, WORDS).unwrap();
        let mut set = vec!["backend.kind=openai".to_owned(), "backend.urls=[\"http://h\"]".to_owned()];
        if tokenizer {
            set.push(format!("backend.tokenizer={}", path.display()));
        }
        resolve_in(None, "sim", &set).unwrap().profile.stages().unwrap()
    }

    fn finished(counted_by: CountedBy, output_tokens: u32, text: &str) -> Event {
        Event::Finished(Box::new(Finished {
            status: None,
            retries: 0,
            at_ns: 0,
            request: 0,
            outcome: Outcome::Completed,
            output_tokens,
            counted_by,
            prompt_tokens: None,
            error: None,
            text: Some(text.into()),
        }))
    }

    #[test]
    fn only_what_nobody_counted_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        assert!(counting(&plans(folder.path(), false)).is_none());
        let mut amend = counting(&plans(folder.path(), true)).unwrap();
        let mut count = |by, tokens, text: &str| {
            let mut event = finished(by, tokens, text);
            amend(&mut event);
            let Event::Finished(end) = event else { unreachable!() };
            (end.output_tokens, end.counted_by)
        };
        assert_eq!(count(CountedBy::Chunks, 1, "a b c"), (1, CountedBy::Chunks), "no stage, no tokenizer");
        let mut amend = counting(&plans(folder.path(), true)).unwrap();
        amend(&mut Event::Stage(Box::new(StageStart {
            open: None,
            at_ns: 0,
            stage: 0,
            name: "main".into(),
            sweep: Vec::new(),
            clients: None,
            planned_requests: None,
            planned_ns: None,
        })));
        let mut count = |by, tokens, text: &str| {
            let mut event = finished(by, tokens, text);
            amend(&mut event);
            let Event::Finished(end) = event else { unreachable!() };
            (end.output_tokens, end.counted_by)
        };
        assert_eq!(count(CountedBy::Chunks, 1, "a b c"), (3, CountedBy::Tokenizer));
        assert_eq!(
            count(CountedBy::Chunks, 0, "a b"),
            (2, CountedBy::Tokenizer),
            "an answer that came whole"
        );
        assert_eq!(count(CountedBy::Chunks, 4, "a b c"), (4, CountedBy::Chunks));
        assert_eq!(count(CountedBy::Usage, 9, "a b c"), (9, CountedBy::Usage));
        let long = "a ".repeat(CUT / 2 + 1);
        assert_eq!(count(CountedBy::Chunks, 1, &long), (1, CountedBy::Chunks), "it may have been cut");
    }
}
