//! A run on real weights: SmolLM2-135M-Instruct must answer in English, with exact counts.
//!
//! The weights are looked for in `$FASTGEN_SMOLLM2_GGUF`, then in the cache folder, where `.ci/fetch-smollm2` puts
//! them if they are missing. Without them the test fails: it does not skip.

#![cfg(feature = "mistralrs")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use fastgen_tui::backend::{Backend, GenerateRequest, Item, Progress};
use fastgen_tui::clock::Clock;
use fastgen_tui::event::Outcome;
use fastgen_tui::model;
use fastgen_tui::profile::Profile;

const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
/// Common English words; most of a plain English answer is made of words as common as these.
const COMMON: &str = "the of and to a in is it you that he was for on are with as i his they be at one have \
    this from or had by not but what some we can out other were all there when up use your how said an each \
    she which do their time if will way about many then them would like so these her long make thing see him \
    two has look more day could go come did my no most who over know than call first people may down been now \
    its city country capital world known located largest most famous also home river french france paris";

struct Quiet;

impl Progress for Quiet {
    fn step(&self, _: &str, _: Option<f32>) {}
}

fn weights() -> PathBuf {
    let path = match std::env::var_os("FASTGEN_SMOLLM2_GGUF") {
        Some(path) => PathBuf::from(path),
        None => model::cache_folder().unwrap().join("SmolLM2-135M-Instruct.Q4_1.gguf"),
    };
    let fetch = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/fetch-smollm2");
    let fetched = Command::new(fetch).arg(&path).status();
    assert!(
        fetched.as_ref().is_ok_and(std::process::ExitStatus::success),
        "there are no real weights at {}, and {fetch} can't fetch them ({fetched:?}); set FASTGEN_SMOLLM2_GGUF to a \
         file with SHA-256 {SHA256}",
        path.display()
    );
    path
}

fn load() -> Arc<dyn Backend> {
    let profile: Profile = toml::from_str(&format!(
        "profile = {{ name = \"t\" }}\nmodel = {{ path = \"{}\" }}\nbackend = {{ device = \"cpu\" }}",
        weights().display()
    ))
    .unwrap();
    let progress: Arc<dyn Progress> = Arc::new(Quiet);
    fastgen_tui::backend::load(&profile, Clock::start(), &progress).unwrap()
}

async fn answer(backend: &dyn Backend, prompt: Vec<u32>, max_tokens: u32, ignore_eos: bool) -> (String, u32) {
    let mut generation = backend.generate(GenerateRequest {
        request: 0,
        client: 0,
        prompt: prompt.into(),
        max_tokens,
        ignore_eos,
        text: None,
    });
    let (mut all, mut count) = (String::new(), 0);
    loop {
        match generation.next().await {
            Item::Prefill { .. } => {}
            Item::Chunk { tokens, text, .. } => {
                count += tokens;
                all.push_str(text.as_deref().unwrap_or_default());
            }
            Item::End(end) => {
                assert_eq!(end.outcome, Outcome::Completed, "{:?}", end.error);
                assert_eq!(end.output_tokens, count, "chunks and total differ");
                return (all, count);
            }
        }
    }
}

#[tokio::test]
async fn it_speaks_english_and_every_token_is_counted() {
    let backend = load();
    assert_eq!(backend.info().model_sha256.as_deref(), Some(SHA256));
    assert_eq!(backend.info().quantization, "Q4_1");
    let prompt = backend.encode("What is the capital of France? Answer in one sentence.").unwrap();
    assert!(prompt.iter().any(|id| backend.reserved_tokens().contains(id)), "the chat template was applied");

    let (text, count) = answer(&*backend, prompt.clone(), 60, false).await;
    assert!(text.contains("Paris"), "{text}");
    assert!(count < 60, "the model did not end its answer: {text}");
    let words: Vec<_> =
        text.split(|c: char| !c.is_alphabetic()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect();
    let common: std::collections::HashSet<_> = COMMON.split_whitespace().collect();
    let known = words.iter().filter(|word| common.contains(word.as_str())).count();
    assert!(
        words.len() >= 4 && known * 2 > words.len(),
        "{known} of {} words are common: {text}",
        words.len()
    );

    let (_, count) = answer(&*backend, prompt, 60, true).await;
    assert_eq!(count, 60, "ignore_eos generates exactly what was asked");
}
