//! What only the real engine can show: weights, tokens, refusals.

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
                text: None,
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
