//! What only the inside can do to an engine: kill it, in the ways it can die.

use std::sync::Arc;

use mistralrs::{Request, Tensor};
use tokio::sync::mpsc;

use super::*;
use crate::backend::{Item, Progress};
use crate::profile::Profile;

struct Quiet;

impl Progress for Quiet {
    fn step(&self, _: &str, _: Option<f32>) {}
}

/// An engine with its type in sight.
fn tiny() -> Arc<Engine> {
    let profile: Profile = toml::from_str(
        "profile = { name = \"t\" }\nmodel = { dummy = \"tiny\", quantization = \"q8_0\" }\n\
         backend = { device = \"cpu\", threads = 1 }",
    )
    .unwrap();
    panics::watch();
    let chosen = device::choose("cpu").unwrap();
    device::set_threads(profile.backend.threads, Some(1));
    let prepared = crate::model::ModelSource::resolve(&profile.model).unwrap().prepare(&Quiet).unwrap();
    // Loading blocks, and so may not be done on a thread of a runtime.
    let load = move || engine::load(&profile, &prepared, &chosen, Clock::start()).unwrap();
    Arc::new(std::thread::spawn(load).join().unwrap())
}

fn backend(engine: &Arc<Engine>) -> MistralrsBackend {
    MistralrsBackend {
        info: BackendInfo { context_tokens: Some(engine.facts.context), ..BackendInfo::default() },
        engines: vec![engine.clone()],
        clock: Clock::start(),
        vocabulary: 4096,
        reserved: Vec::new(),
    }
}

fn ask(max_tokens: u32) -> GenerateRequest {
    GenerateRequest {
        request: 0,
        client: 0,
        prompt: [5, 6, 7].into(),
        max_tokens,
        ignore_eos: true,
        text: None,
    }
}

async fn last(mut generation: Box<dyn Generation>) -> crate::backend::End {
    loop {
        if let Item::End(end) = generation.next().await {
            return end;
        }
    }
}

async fn until_ill(backend: &MistralrsBackend) -> String {
    for _ in 0..1000 {
        if let Err(error) = backend.health() {
            return error.to_string();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nobody noticed");
}

#[tokio::test]
async fn an_engine_that_ends_of_itself_is_noticed() {
    let engine = tiny();
    let backend = backend(&engine);
    backend.health().unwrap();
    let generation = backend.generate(ask(2000));
    engine.channel().try_send(Request::Terminate).unwrap();
    let end = last(generation).await;
    assert_eq!(end.outcome, Outcome::FailedEngine);
    assert!(until_ill(&backend).await.contains("died"));
    let refused = last(backend.generate(ask(1))).await;
    assert_eq!(refused.outcome, Outcome::FailedEngine);
    assert_eq!(engine.in_flight(), 0);
}

#[tokio::test]
async fn an_engine_that_panics_is_noticed_and_its_words_are_kept() {
    let engine = tiny();
    let backend = backend(&engine);
    let (response, _responses) = mpsc::channel(4);
    let mut normal = plain_request(&ask(2), &[], response);
    let fatal = |_: &Tensor, _: &[u32]| -> mistralrs::Result<Tensor> { panic!("a bug in the sampler") };
    normal.logits_processors = Some(vec![Arc::new(fatal)]);
    engine.channel().try_send(Request::Normal(Box::new(normal))).unwrap();
    let why = until_ill(&backend).await;
    assert!(why.contains("a bug in the sampler"), "{why}");
}
