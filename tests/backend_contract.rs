//! What every `Backend` must do, checked on the simulated engine and, where it is built in, on the real one.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::sync::Arc;
use std::time::Duration;

use fastgen_tui::backend::{Backend, End, GenerateRequest, Item, Progress};
use fastgen_tui::clock::Clock;
use fastgen_tui::event::Outcome;
use fastgen_tui::profile::Profile;

/// Nobody looks on while a test loads.
struct Quiet;

impl Progress for Quiet {
    fn step(&self, _: &str, _: Option<f32>) {}
}

fn load(toml: &str) -> Arc<dyn Backend> {
    let profile: Profile = toml::from_str(&format!("profile = {{ name = \"t\" }}\n{toml}")).unwrap();
    let progress: Arc<dyn Progress> = Arc::new(Quiet);
    fastgen_tui::backend::load(&profile, Clock::start(), &progress).unwrap()
}

fn ask(prompt_tokens: u32, max_tokens: u32) -> GenerateRequest {
    // Ids from 100 on: no backend has control tokens there.
    let prompt: Vec<u32> = (0..prompt_tokens).map(|i| 100 + i * 7 % 100).collect();
    GenerateRequest { request: 0, client: 0, prompt: prompt.into(), max_tokens, ignore_eos: true }
}

/// All that came of a request.
#[derive(Debug)]
struct Story {
    prefill_ns: Option<u64>,
    chunks: Vec<u32>,
    text: String,
    end: End,
}

async fn tell(backend: &dyn Backend, request: GenerateRequest) -> Story {
    let mut generation = backend.generate(request);
    let mut story = Story {
        prefill_ns: None,
        chunks: Vec::new(),
        text: String::new(),
        end: End {
            outcome: Outcome::Cancelled,
            output_tokens: 0,
            counted_by: fastgen_tui::event::CountedBy::Chunks,
            error: None,
        },
    };
    loop {
        match tokio::time::timeout(Duration::from_secs(60), generation.next()).await.expect("an item in time")
        {
            Item::Prefill { at_ns } => {
                assert!(story.chunks.is_empty() && story.prefill_ns.is_none(), "prefill comes once, first");
                story.prefill_ns = Some(at_ns);
            }
            Item::Chunk { tokens, text } => {
                assert!(tokens >= 1);
                story.chunks.push(tokens);
                story.text.push_str(text.as_deref().unwrap_or_default());
            }
            Item::End(end) => {
                story.end = end;
                return story;
            }
        }
    }
}

fn assert_exact(story: &Story, tokens: u32) {
    assert_eq!(story.end.outcome, Outcome::Completed, "{:?}", story.end.error);
    assert_eq!(story.end.output_tokens, tokens);
    assert_eq!(story.chunks.iter().sum::<u32>(), tokens);
}

async fn counts_are_exact(backend: &dyn Backend) {
    for (prompt, output) in [(1, 1), (5, 2), (17, 40), (64, 13)] {
        assert_exact(&tell(backend, ask(prompt, output)).await, output);
    }
}

async fn mixed_lengths_at_once(backend: &Arc<dyn Backend>) {
    let mut tasks = Vec::new();
    for i in 0..12u32 {
        let (backend, request) = (backend.clone(), ask(4 + i * 5 % 23, 3 + i * 7 % 19));
        tasks.push(tokio::spawn(async move {
            let tokens = request.max_tokens;
            (tell(&*backend, request).await, tokens)
        }));
    }
    for task in tasks {
        let (story, tokens) = task.await.unwrap();
        assert_exact(&story, tokens);
    }
}

async fn the_same_prompt_gives_the_same_text(backend: &dyn Backend) {
    let first = tell(backend, ask(9, 24)).await;
    let second = tell(backend, ask(9, 24)).await;
    assert_eq!(first.text, second.text);
    assert!(!first.text.trim().is_empty());
}

/// More requests than the batch has room for are cancelled while they run and wait; then one that follows must
/// be done in a fraction of the time that the cancelled ones would have taken.
async fn a_dropped_request_frees_its_slot(backend: &Arc<dyn Backend>, limit: Duration) {
    let batch = backend.info().max_batch.unwrap();
    let mut held: Vec<_> = (0..batch * 2).map(|_| backend.generate(ask(8, 1500))).collect();
    let first = tokio::time::timeout(Duration::from_secs(60), held[0].next()).await.unwrap();
    assert!(!matches!(first, Item::End(_)), "{first:?}");
    drop(held);
    let next = tokio::time::timeout(limit, tell(&**backend, ask(8, 4))).await.expect("a slot in time");
    assert_exact(&next, 4);
}

async fn readings_return_to_none(backend: &dyn Backend) {
    tokio::time::sleep(Duration::from_millis(200)).await;
    let gauges = backend.gauges();
    assert!(gauges.running.is_none_or(|n| n == 0) && gauges.waiting.is_none_or(|n| n == 0), "{gauges:?}");
}

async fn prefill_lies_between_sending_and_the_first_token(backend: &dyn Backend, clock_of: &Clock) {
    // The backend's clock was started before ours; its stamps only grow.
    let first = tell(backend, ask(16, 2)).await.prefill_ns.expect("this backend tells");
    let before = clock_of.now_ns();
    let second = tell(backend, ask(16, 2)).await.prefill_ns.expect("this backend tells");
    let took = clock_of.now_ns() - before;
    assert!(second > first, "{first} {second}");
    assert!(second - first < took + 60_000_000_000);
}

async fn it_ends_when_told(backend: &Arc<dyn Backend>) {
    let running = backend.generate(ask(8, 1500));
    let ending = backend.clone();
    tokio::task::spawn_blocking(move || ending.shutdown()).await.unwrap();
    let mut running = running;
    let end = loop {
        if let Item::End(end) = tokio::time::timeout(Duration::from_secs(10), running.next()).await.unwrap() {
            break end;
        }
    };
    assert!(end.outcome != Outcome::TimedOutTotal, "{end:?}");
    let refused = tell(&**backend, ask(8, 2)).await;
    assert!(refused.end.outcome.is_failure(), "{refused:?}");
}

async fn contract(backend: Arc<dyn Backend>, limit: Duration) {
    let clock = Clock::start();
    backend.health().unwrap();
    assert!(backend.vocabulary() > 200);
    counts_are_exact(&*backend).await;
    mixed_lengths_at_once(&backend).await;
    the_same_prompt_gives_the_same_text(&*backend).await;
    prefill_lies_between_sending_and_the_first_token(&*backend, &clock).await;
    a_dropped_request_frees_its_slot(&backend, limit).await;
    readings_return_to_none(&*backend).await;
    backend.health().unwrap();
    it_ends_when_told(&backend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulated_engine_keeps_the_contract() {
    let sim = load(
        "backend = { kind = \"sim\", max_batch = 4, sim = { step = \"1ms\", step_per_sequence = \"0s\" } }",
    );
    contract(sim, Duration::from_secs(1)).await;
}

#[tokio::test]
async fn the_simulated_engine_that_died_is_seen() {
    let sim = load("backend = { kind = \"sim\", sim = { step = \"1ms\", die_after = 2 } }");
    tell(&*sim, ask(4, 2)).await;
    tell(&*sim, ask(4, 2)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let story = tell(&*sim, ask(4, 2)).await;
    assert!(story.end.outcome.is_failure());
    assert!(sim.health().unwrap_err().to_string().contains("died"));
}

#[cfg(feature = "mistralrs")]
mod real {
    use fastgen_tui::model::{Dummy, Quantization, Shape, Tokens, find_shape};

    use super::*;

    const ENGINE: &str = "device = \"cpu\", threads = 1";

    fn dummy(quantization: &str, backend: &str) -> Arc<dyn Backend> {
        load(&format!(
            "model = {{ dummy = \"tiny\", quantization = \"{quantization}\" }}\nbackend = {{ {ENGINE}{backend} }}"
        ))
    }

    fn written(shape: Shape, tokens: Tokens) -> (tempfile::TempDir, Arc<dyn Backend>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        let dummy = Dummy { shape, quantization: Quantization::Q8_0, seed: 1, tokens };
        dummy.write_to(&path, &Quiet).unwrap();
        let backend = load(&format!("model = {{ path = \"{}\" }}\nbackend = {{ {ENGINE} }}", path.display()));
        (folder, backend)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_real_engine_keeps_the_contract() {
        contract(dummy("q8_0", ", max_batch = 4"), Duration::from_secs(5)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two_replicas_keep_the_contract() {
        let backend = dummy("q8_0", ", max_batch = 4, replicas = 2");
        assert_eq!(backend.info().replicas, 2);
        contract(backend, Duration::from_secs(5)).await;
    }

    #[tokio::test]
    async fn every_quantization_loads_and_generates_words() {
        for quantization in ["f16", "q8_0", "q4_0", "q4k"] {
            let backend = dummy(quantization, "");
            assert_eq!(backend.info().quantization.to_lowercase(), quantization);
            let story = tell(&*backend, ask(12, 16)).await;
            assert_exact(&story, 16);
            assert_eq!(story.chunks, [1; 16], "every token of a dummy is text");
            let words: std::collections::HashSet<_> = story.text.split_whitespace().collect();
            assert!(words.len() > 3, "{quantization}: {}", story.text);
            assert_eq!(backend.info().model_sha256.as_ref().unwrap().len(), 64);
        }
    }

    #[tokio::test]
    async fn grouped_and_plain_heads_tied_and_untied_outputs_load() {
        let tiny = *find_shape("tiny").unwrap();
        for (kv_heads, tied) in [(tiny.heads, true), (2, false), (1, true)] {
            let (_folder, backend) = written(Shape { kv_heads, tied, layers: 2, ..tiny }, Tokens::Words);
            assert_exact(&tell(&*backend, ask(7, 9)).await, 9);
        }
    }

    #[tokio::test]
    async fn half_characters_are_counted_though_they_send_no_chunk() {
        let tiny = *find_shape("tiny").unwrap();
        let (_folder, backend) = written(Shape { vocabulary: 259, layers: 2, ..tiny }, Tokens::Bytes);
        let mut fewer = 0;
        for (i, tokens) in [1u32, 2, 3, 5, 64, 64, 64].into_iter().enumerate() {
            let story = tell(&*backend, ask(5 + i as u32, tokens)).await;
            assert_eq!(story.end.outcome, Outcome::Completed, "{:?}", story.end.error);
            assert_eq!(story.end.output_tokens, tokens);
            assert!(story.chunks.iter().sum::<u32>() <= tokens);
            fewer += u32::from(story.chunks.len() < tokens as usize);
        }
        assert!(fewer >= 3, "random bytes make half characters");
    }

    #[tokio::test]
    async fn an_end_token_ends_a_generation_only_where_it_may() {
        // Two tokens beside the control tokens: random weights soon choose the end token.
        let tiny = *find_shape("tiny").unwrap();
        let (_folder, backend) = written(Shape { vocabulary: 5, layers: 2, ..tiny }, Tokens::Words);
        let mut ended = 0;
        for first in 3..5u32 {
            for length in 1..6 {
                let prompt: Arc<[u32]> = (0..length).map(|i| 3 + (first + i) % 2).collect();
                let ask = |ignore_eos| GenerateRequest {
                    request: 0,
                    client: 0,
                    prompt: prompt.clone(),
                    max_tokens: 40,
                    ignore_eos,
                };
                let free = tell(&*backend, ask(false)).await;
                assert_eq!(free.end.outcome, Outcome::Completed, "{:?}", free.end.error);
                assert_eq!(free.chunks.iter().sum::<u32>(), free.end.output_tokens);
                ended += u32::from(free.end.output_tokens < 40);
                assert_exact(&tell(&*backend, ask(true)).await, 40);
            }
        }
        assert!(ended > 0, "no generation ever met the end token");
    }

    #[tokio::test]
    async fn what_can_not_be_served_is_refused_before_the_engine_sees_it() {
        let backend = dummy("q8_0", "");
        let context = backend.info().context_tokens.unwrap();
        let long = tell(&*backend, ask(context - 10, 11)).await;
        assert!(long.end.outcome.is_failure());
        assert!(long.end.error.as_deref().unwrap().contains(&context.to_string()), "{:?}", long.end);
        let empty = tell(&*backend, ask(0, 4)).await;
        assert!(empty.end.error.as_deref().unwrap().contains("empty"), "{:?}", empty.end);
        let mut strange = ask(3, 4);
        strange.prompt = [1, 2, 4096].into();
        let strange = tell(&*backend, strange).await;
        assert!(strange.end.error.as_deref().unwrap().contains("4096"), "{:?}", strange.end);
        assert_exact(&tell(&*backend, ask(3, 4)).await, 4);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = |toml: &str| {
            let profile: Profile = toml::from_str(&format!("profile = {{ name = \"t\" }}\n{toml}")).unwrap();
            let progress: Arc<dyn Progress> = Arc::new(Quiet);
            fastgen_tui::backend::load(&profile, Clock::start(), &progress).err().unwrap().to_string()
        };
        let tiny = "model = { dummy = \"tiny\", quantization = \"q8_0\" }";
        assert!(error(&format!("{tiny}\nbackend = {{ device = \"cuda:9\" }}")).contains("cuda:9"));
        assert!(error("model = { dummy = \"tony\" }").contains("did you mean `tiny`?"));
        assert!(error("model = { path = \"/nowhere.gguf\" }").contains("/nowhere.gguf"));
        let huge = error(
            "model = { dummy = \"tiny\" }\nload = { clients = 30000 }\nbackend = { device = \"cpu\", max_batch = 30000 }\nworkload = { prompt_tokens = 4000 }",
        );
        assert!(huge.contains("needs about") && huge.contains("available"), "{huge}");
    }

    #[test]
    fn a_text_becomes_tokens() {
        let backend = dummy("q8_0", "");
        let tokens = backend.encode("hello there").unwrap();
        assert!(!tokens.is_empty() && tokens.iter().all(|id| *id < backend.vocabulary()));
    }
}
