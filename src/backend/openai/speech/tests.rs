//! Answers of every API, in pieces of every size, and what must come of each.

use super::*;
use crate::backend::End;
use crate::backend::openai::reading::Reading;
use crate::event::{CountedBy, Outcome};

fn told(mut reading: Reading) -> (Vec<u32>, String, End) {
    let mut chunks = Vec::new();
    while let Some((_, tokens)) = reading.next_chunk() {
        chunks.push(tokens);
    }
    (chunks, reading.take_text(), reading.end())
}

/// A stream, whole and split at any byte: always the same.
fn streamed(kind: Kind, prompt: &str, stream: &str, max_tokens: u32) -> (Vec<u32>, String, End) {
    let read = |pieces: &[&[u8]]| {
        let mut reading = Reading::of(kind.speech(Some(prompt.into())), 9);
        for piece in pieces {
            reading.feed(piece, 1000);
        }
        reading.over(2000, max_tokens);
        told(reading)
    };
    let bytes = stream.as_bytes();
    let whole = read(&[bytes]);
    for at in 0..=bytes.len() {
        assert_eq!(read(&[&bytes[..at], &bytes[at..]]), whole, "split at {at}");
    }
    whole
}

fn answered(kind: Kind, json: &str, counted: bool) -> (Vec<u32>, String, End) {
    let mut reading = Reading::of(kind.speech(Some("the prompt".into())), 9);
    reading.whole(json.as_bytes(), 1000, counted);
    told(reading)
}

fn tgi(text: &str, special: bool, rest: &str) -> String {
    let token = format!("{{\"id\":5,\"text\":\"{text}\",\"logprob\":-0.1,\"special\":{special}}}");
    format!("data:{{\"index\":1,\"token\":{token},{rest}}}\n\n")
}

const MORE: &str = "\"generated_text\":null,\"details\":null";

#[test]
fn tgi_tells_every_token_and_all_counts() {
    let last = "\"generated_text\":\" hä\",\"details\":{\"finish_reason\":\"eos_token\",\"generated_tokens\":4,\
                \"seed\":null,\"input_length\":17}";
    // A token that ends within a character has no text; the end-of-sequence token is a token, and no text.
    let stream = tgi(" h", false, MORE)
        + ":\n\n"
        + &tgi("", false, MORE)
        + &tgi("ä", false, MORE)
        + &tgi("</s>", true, last);
    let (chunks, text, end) = streamed(Kind::Tgi, "", &stream, 9);
    assert_eq!((chunks, text.as_str()), (vec![1; 4], " hä"));
    assert_eq!((end.outcome, end.output_tokens, end.counted_by), (Outcome::Completed, 4, CountedBy::Usage));
    assert_eq!(end.prompt_tokens, Some(17));
}

#[test]
fn tgi_breaks_off_with_an_error_or_without() {
    let stream = tgi(" h", false, MORE)
        + "data:{\"error\":\"Request failed during generation: CUDA out of memory\",\"error_type\":\"generation\"}\n\n";
    let (chunks, _, end) = streamed(Kind::Tgi, "", &stream, 9);
    assert_eq!((chunks.len(), end.outcome), (1, Outcome::FailedEngine));
    assert!(end.error.is_some_and(|error| error.contains("CUDA out of memory")));
    let (_, _, end) = streamed(Kind::Tgi, "", &tgi(" h", false, MORE), 9);
    assert_eq!(end.outcome, Outcome::FailedProtocol, "neither generated_text nor details came");
}

#[test]
fn tgi_whole() {
    let json = r#"{"generated_text":" hello you","details":{"finish_reason":"length","generated_tokens":2}}"#;
    let (chunks, text, end) = answered(Kind::Tgi, json, false);
    assert_eq!((chunks, text.as_str()), (vec![], " hello you"));
    assert_eq!((end.outcome, end.output_tokens, end.counted_by), (Outcome::Completed, 2, CountedBy::Usage));
}

#[test]
fn mii_gateway_answers_with_json_in_json() {
    let list = r#"[{"generated_text": " \"hi\" you", "prompt_length": 7, "generated_length": 4, "finish_reason": "length"}]"#;
    for json in [list.to_owned(), serde_json::Value::from(list).to_string()] {
        let (chunks, text, end) = answered(Kind::MiiGateway, &json, false);
        assert_eq!((chunks, text.as_str()), (vec![], " \"hi\" you"));
        assert_eq!((end.output_tokens, end.counted_by, end.prompt_tokens), (4, CountedBy::Usage, Some(7)));
    }
    let old = r#"{"response": [" hi you"], "time_taken": 0.5, "model_time_taken": 0.4}"#;
    let (_, text, end) = answered(Kind::MiiGateway, old, true);
    assert_eq!((text.as_str(), end.outcome, end.output_tokens), (" hi you", Outcome::Completed, 0));
    assert_eq!(end.counted_by, CountedBy::Chunks, "a tokenizer is still to count");
    let (_, _, end) = answered(Kind::MiiGateway, old, false);
    assert!(end.error.is_some_and(|error| error.contains("backend.tokenizer")));
    let (_, _, end) = answered(Kind::MiiGateway, r#"{"message": "Internal Server Error"}"#, false);
    assert_eq!(end.outcome, Outcome::FailedEngine);
}

#[test]
fn mii_text_streams_what_is_new() {
    let stream = "data: {\"text\": [\" a\"]}\n\ndata: {\"text\": [\"\"]}\n\ndata: {\"text\": [\" b\\n\"]}\n\ndata: [DONE]\n\n";
    let (chunks, text, end) = streamed(Kind::MiiText, "", stream, 9);
    assert_eq!((chunks, text.as_str()), (vec![1, 1], " a b\n"));
    assert_eq!((end.outcome, end.output_tokens, end.counted_by), (Outcome::Completed, 2, CountedBy::Chunks));
}

#[test]
fn vllm_repeats_the_prompt_and_all_that_came() {
    for end in ["\0", "\n"] {
        let stream = ["", " a", " a b c", " a b c", " a b c é"]
            .map(|text| format!("{{\"text\": [\"say \\\"x\\\"{text}\"]}}{end}"))
            .concat();
        let (chunks, text, told) = streamed(Kind::VllmGenerate, "say \"x\"", &stream, 9);
        assert_eq!(
            (chunks, text.as_str()),
            (vec![1, 1, 1], " a b c é"),
            "an event without new text is no chunk"
        );
        assert_eq!(
            (told.outcome, told.output_tokens, told.counted_by),
            (Outcome::Completed, 3, CountedBy::Chunks)
        );
    }
    let without = "{\"text\": [\" a\"]}\n{\"text\": [\" a b\"]}\n";
    assert_eq!(streamed(Kind::VllmGenerate, "say", without, 9).1, " a b");
    assert_eq!(streamed(Kind::VllmGenerate, "say", "", 9).2.outcome, Outcome::FailedProtocol);
    let complaint = "{\"error\": \"no room\"}\n";
    assert_eq!(streamed(Kind::VllmGenerate, "say", complaint, 9).2.outcome, Outcome::FailedEngine);
    let (_, text, _) = answered(Kind::VllmGenerate, "{\"text\": [\"the prompt and more\"]}", true);
    assert_eq!(text, " and more");
}

#[test]
fn a_cut_vllm_stream_is_a_failure() {
    let mut reading = Reading::of(Kind::VllmGenerate.speech(Some("".into())), 9);
    reading.feed(b"{\"text\": [\" a\"]}\n{\"te", 1000);
    reading.broke(crate::backend::openai::fault::Fault::protocol("cut"));
    assert_eq!(told(reading).2.outcome, Outcome::FailedProtocol);
}

#[test]
fn azures_deployments_differ() {
    for json in [
        r#"[{"0": "hi you"}]"#,
        r#"["hi you"]"#,
        r#"{"output": "hi you"}"#,
        r#""hi you""#,
        r#"[{"generated_text": "hi you"}]"#,
    ] {
        let (chunks, text, end) = answered(Kind::AzureMl, json, true);
        assert_eq!((chunks, text.as_str(), end.outcome), (vec![], "hi you", Outcome::Completed), "{json}");
    }
    for json in ["[]", "{}", "7", r#"[{"0": ""}]"#] {
        let (_, _, end) = answered(Kind::AzureMl, json, true);
        assert!(end.error.is_some_and(|error| error.contains("holds no completion")), "{json}");
    }
    assert_eq!(answered(Kind::AzureMl, r#"{"error": "busy"}"#, true).2.outcome, Outcome::FailedEngine);
    assert_eq!(answered(Kind::AzureMl, "oops", true).2.outcome, Outcome::FailedProtocol);
}

#[test]
fn wrong_types_are_errors_and_no_panics() {
    for kind in [Kind::Openai, Kind::Tgi, Kind::MiiGateway, Kind::MiiText, Kind::VllmGenerate, Kind::AzureMl]
    {
        for json in
            ["", "null", "[[]]", "{\"text\":5}", "{\"token\":[]}", "[{\"generated_text\":{}}]", "\"\\\"\""]
        {
            assert_ne!(answered(kind, json, false).2.outcome, Outcome::Completed, "{kind:?} {json}");
        }
    }
}
