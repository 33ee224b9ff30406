//! What every `Backend` must do, checked on the simulated engine and, where it is built in, on the real one.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

#[cfg(feature = "mistralrs")]
mod folder;
#[cfg(feature = "mistralrs")]
mod real;

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
    GenerateRequest { request: 0, client: 0, prompt: prompt.into(), max_tokens, ignore_eos: true, text: None }
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
            prompt_tokens: None,
            error: None,
        },
    };
    loop {
        match tokio::time::timeout(Duration::from_mins(1), generation.next()).await.expect("an item in time")
        {
            Item::Prefill { at_ns } => {
                assert!(story.chunks.is_empty() && story.prefill_ns.is_none(), "prefill comes once, first");
                story.prefill_ns = Some(at_ns);
            }
            Item::Chunk { tokens, text, .. } => {
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
    let first = tokio::time::timeout(Duration::from_mins(1), held[0].next()).await.unwrap();
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
