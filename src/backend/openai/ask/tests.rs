//! Bodies and paths, for every API.

use serde_json::json;

use super::*;
use crate::backend::openai::dialect::habits;
use crate::profile::{Dialect, PromptAs};

fn request(ignore_eos: bool) -> GenerateRequest {
    let prompt = vec![7, 31_999, 0].into();
    GenerateRequest { request: 1, client: 0, prompt, max_tokens: 9, ignore_eos, text: None }
}

fn asked(dialect: Dialect, change: impl Fn(&mut Backend)) -> Ask {
    let mut backend = Backend::default();
    change(&mut backend);
    Ask::new(&habits(dialect, backend.endpoint, "/v1", None), &backend, "my \"model\"", None)
}

fn body(dialect: Dialect, change: impl Fn(&mut Backend), ignore_eos: bool) -> Value {
    serde_json::from_slice(&asked(dialect, change).body(&request(ignore_eos), false)).unwrap()
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
    assert_eq!(body(Dialect::MiiOpenai, |_| (), true)["prompt"], content, "a list would be many prompts");
}

#[test]
fn every_api_has_its_own_body() {
    let words = body(Dialect::Auto, |b| b.prompt_as = PromptAs::Text, true)["prompt"].clone();
    assert_eq!(
        body(Dialect::Tgi, |b| drop(b.body.insert("top_p".into(), json!(0.5))), true),
        json!({ "inputs": words, "parameters":
            { "details": true, "do_sample": false, "max_new_tokens": 9, "top_p": 0.5 } })
    );
    assert_eq!(
        body(Dialect::Mii, |_| (), true),
        json!({ "prompts": [words], "max_new_tokens": 9, "min_new_tokens": 9, "ignore_eos": true,
            "do_sample": false, "return_full_text": false })
    );
    assert_eq!(
        body(Dialect::VllmGenerate, |_| (), true),
        json!({ "prompt": words, "max_tokens": 9, "ignore_eos": true, "stream": true, "temperature": 0, "n": 1 })
    );
    assert_eq!(
        body(Dialect::AzureMl, |_| (), true),
        json!({ "input_data": { "input_string": [words],
            "parameters": { "max_tokens": 9, "return_full_text": false } } })
    );
    let mii = habits(Dialect::Mii, Endpoint::Completions, "/generate", None);
    let ask = Ask::new(&mii, &Backend::default(), "m", None);
    assert_eq!(
        serde_json::from_slice::<Value>(&ask.body(&request(true), false)).unwrap(),
        json!({ "prompt": words, "max_tokens": 9, "min_tokens": 9, "stream": true, "top_k": 1 })
    );
}

#[test]
fn paths_are_below_the_base_url() {
    let path = |dialect, prefix: &str| {
        let backend = Backend::default();
        Ask::new(&habits(dialect, backend.endpoint, prefix, None), &backend, "llama", None).path(prefix)
    };
    for (dialect, prefix, expected) in [
        (Dialect::Auto, "/v1", "/v1/completions"),
        (Dialect::Tgi, "/v1", "/generate_stream"),
        (Dialect::Tgi, "/a/generate", "/a/generate_stream"),
        (Dialect::Mii, "/v1", "/mii/llama"),
        (Dialect::Mii, "/mii/my-deployment", "/mii/my-deployment"),
        (Dialect::Mii, "/generate", "/generate"),
        (Dialect::MiiOpenai, "/v1", "/v1/completions"),
        (Dialect::VllmGenerate, "/v1", "/generate"),
        (Dialect::AzureMl, "/v1", "/score"),
        (Dialect::AzureMl, "/a/b/score", "/a/b/score"),
    ] {
        assert_eq!(path(dialect, prefix), expected, "{dialect:?} {prefix}");
    }
    let whole = |b: &mut Backend| b.stream = false;
    assert_eq!(asked(Dialect::Tgi, whole).path("/v1"), "/generate");
    assert_eq!(asked(Dialect::Vllm, |b| b.endpoint = Endpoint::Chat).path("/v1"), "/v1/chat/completions");
}

#[test]
fn a_text_of_ones_own_goes_as_it_is() {
    let text = "say \"hi\"\n\u{1F980}";
    for (dialect, endpoint, place) in [
        (Dialect::Vllm, Endpoint::Completions, "/prompt"),
        (Dialect::Vllm, Endpoint::Chat, "/messages/0/content"),
        (Dialect::Tgi, Endpoint::Completions, "/inputs"),
        (Dialect::Mii, Endpoint::Completions, "/prompts/0"),
        (Dialect::AzureMl, Endpoint::Completions, "/input_data/input_string/0"),
    ] {
        let ask = asked(dialect, |b| b.endpoint = endpoint);
        let sent = GenerateRequest { text: Some(text.into()), ..request(true) };
        let body: Value = serde_json::from_slice(&ask.body(&sent, false)).unwrap();
        assert_eq!(body.pointer(place), Some(&json!(text)), "{dialect:?}: {body}");
    }
}

#[test]
fn a_key_of_the_profile_is_sent_once() {
    let own = |b: &mut Backend| {
        b.body.insert("ignore_eos".into(), json!(false));
        b.body.insert("temperature".into(), json!(0.7));
    };
    let text = String::from_utf8(asked(Dialect::Vllm, own).body(&request(true), false)).unwrap();
    let sent: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&sent["ignore_eos"], &sent["temperature"]), (&json!(false), &json!(0.7)));
    assert_eq!((text.matches("ignore_eos").count(), text.matches("temperature").count()), (1, 1));
}
