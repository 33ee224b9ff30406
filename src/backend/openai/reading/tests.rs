//! Streams as servers send them, and what must come of each.

use super::*;

fn read(stream: &str, max_tokens: u32) -> (Vec<u32>, String, End) {
    let mut reading = Reading::default();
    for (i, piece) in stream.as_bytes().chunks(7).enumerate() {
        reading.feed(piece, i as u64 * 1000);
    }
    reading.over(1_000_000, max_tokens);
    let mut chunks = Vec::new();
    while let Some((_, tokens)) = reading.next_chunk() {
        chunks.push(tokens);
    }
    (chunks, reading.take_text(), reading.end())
}

fn token(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"text\":\"{text}\",\"finish_reason\":null}}]}}\n\n")
}

const DONE: &str = "data: [DONE]\n\n";

fn usage(prompt: u32, output: u32) -> String {
    format!(
        "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":{prompt},\"completion_tokens\":{output}}}}}\n\n"
    )
}

#[test]
fn a_chunk_is_a_token_where_nobody_counts() {
    let (chunks, text, end) = read(&(token("a") + &token("b") + DONE), 2);
    assert_eq!((chunks, text.as_str()), (vec![1, 1], "ab"));
    assert_eq!((end.outcome, end.output_tokens, end.counted_by), (Outcome::Completed, 2, CountedBy::Chunks));
}

#[test]
fn usage_at_the_end_is_the_truth() {
    let (chunks, _, end) = read(&(token("a b c") + &token("d") + &usage(11, 4) + DONE), 4);
    assert_eq!(chunks, [1, 1]);
    assert_eq!((end.output_tokens, end.counted_by, end.prompt_tokens), (4, CountedBy::Usage, Some(11)));
}

#[test]
fn usage_in_every_chunk_counts_every_chunk() {
    let with = |text: &str, n: u32| {
        format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}],\
             \"usage\":{{\"prompt_tokens\":5,\"completion_tokens\":{n}}}}}\n\n"
        )
    };
    // A role alone is no token; three tokens in one chunk; a token without visible text; the same count twice.
    let stream =
        with("", 0) + &with("a b c", 3) + &with("", 4) + &with("d", 5) + &with("", 5) + &usage(5, 5) + DONE;
    let (chunks, _, end) = read(&stream, 5);
    assert_eq!(chunks, [3, 1, 1]);
    assert_eq!((end.outcome, end.output_tokens, end.counted_by), (Outcome::Completed, 5, CountedBy::Usage));
}

#[test]
fn a_last_chunk_with_the_whole_usage_adds_no_arrival() {
    let last = "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}],\
                \"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6}}\n\n";
    let (chunks, _, end) = read(&(token("a") + &token("b") + last + DONE), 6);
    assert_eq!((chunks, end.output_tokens), (vec![1, 1], 6));
}

#[test]
fn a_stream_without_its_goodbye_may_be_whole() {
    let finished = "data: {\"choices\":[{\"text\":\"b\",\"finish_reason\":\"stop\"}]}\n\n";
    assert_eq!(read(&(token("a") + finished), 9).2.outcome, Outcome::Completed);
    assert_eq!(read(&(token("a") + &token("b")), 2).2.outcome, Outcome::Completed);
    assert_eq!(read(&(token("a") + &usage(1, 1)), 9).2.outcome, Outcome::Completed);
}

#[test]
fn a_cut_stream_is_a_failure_with_what_came() {
    let (chunks, _, end) = read(&(token("a") + &token("b")), 9);
    assert_eq!(chunks, [1, 1]);
    assert_eq!((end.outcome, end.output_tokens), (Outcome::FailedProtocol, 2));
    assert!(end.error.is_some_and(|e| e.contains("after 2 tokens")));
    assert_eq!(read("", 9).2.outcome, Outcome::FailedProtocol);
    assert_eq!(read(DONE, 9).2.outcome, Outcome::FailedProtocol);
    assert_eq!(read(": ping\n\n<html>", 9).2.outcome, Outcome::FailedProtocol);
}

#[test]
fn complaints_and_nonsense_end_a_stream() {
    let (_, _, end) = read(
        &(token("a") + "data: {\"error\":{\"message\":\"out of \\u001b memory\"}}\n\n" + &token("b")),
        9,
    );
    assert_eq!((end.outcome, end.output_tokens), (Outcome::FailedEngine, 1));
    assert_eq!(end.error.as_deref(), Some("the server broke off: out of memory"));
    let (_, _, end) = read(&(token("a") + "data: {broken}\n\n"), 9);
    assert_eq!(end.outcome, Outcome::FailedProtocol);
    assert_eq!(end.error.as_deref(), Some("an event is no JSON object: {broken}"));
}

#[test]
fn a_whole_answer_has_no_chunk_for_no_token_has_a_time() {
    let whole = |json: &str, counted| {
        let mut reading = Reading::default();
        reading.whole(json.as_bytes(), 5000, counted);
        assert_eq!(reading.next_chunk(), None);
        (reading.take_text(), reading.end())
    };
    let usage = r#"{"choices":[{"text":"a b","finish_reason":"length"}],"usage":{"prompt_tokens":4,"completion_tokens":7}}"#;
    let (text, end) = whole(usage, false);
    assert_eq!((end.outcome, end.output_tokens, end.prompt_tokens), (Outcome::Completed, 7, Some(4)));
    assert_eq!((text.as_str(), end.counted_by), ("a b", CountedBy::Usage));
    let silent = r#"{"choices":[{"message":{"content":"a b"},"finish_reason":"stop"}]}"#;
    let (_, end) = whole(silent, false);
    assert!(end.error.is_some_and(|error| error.contains("backend.tokenizer")));
    let (_, end) = whole(silent, true);
    assert_eq!((end.outcome, end.output_tokens, end.counted_by), (Outcome::Completed, 0, CountedBy::Chunks));
    for nothing in ["{}", r#"{"choices":[]}"#, r#"{"choices":[{"text":""}]}"#] {
        let (_, end) = whole(nothing, true);
        assert!(end.error.is_some_and(|error| error.contains("holds no completion")), "{nothing}");
    }
}

#[test]
fn reasoning_and_parts_of_tool_calls_are_tokens_and_a_role_is_none() {
    let delta = |delta: &str| format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n");
    let stream = delta(r#"{"role":"assistant"}"#)
        + &delta(r#"{"role":"assistant","content":""}"#)
        + &delta(r#"{"reasoning_content":"hm","content":null}"#)
        + &delta(r#"{"reasoning":"so"}"#)
        + &delta(r#"{"content":"a"}"#)
        + &delta(r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}"#)
        + &delta(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}"#)
        + &delta("{}")
        + DONE;
    let (chunks, text, end) = read(&stream, 9);
    assert_eq!((chunks, text.as_str()), (vec![1; 5], "hmsoa"));
    assert_eq!((end.output_tokens, end.counted_by), (5, CountedBy::Chunks));
}

#[test]
fn chunks_bear_the_time_their_bytes_were_read() {
    let mut reading = Reading::default();
    let first = token("a") + &token("b");
    reading.feed(first.as_bytes(), 1000);
    reading.feed(token("c").as_bytes(), 2000);
    let chunks: Vec<_> = std::iter::from_fn(|| reading.next_chunk()).collect();
    assert_eq!(chunks, [(1000, 1), (1000, 1), (2000, 1)]);
}

#[test]
fn text_that_never_ends_is_not_kept() {
    let mut reading = Reading::default();
    let long = token(&"é".repeat(3000));
    for _ in 0..100 {
        reading.feed(long.as_bytes(), 0);
    }
    assert!(reading.take_text().len() <= TEXT);
}

#[test]
fn a_text_that_is_too_long_is_kept_as_far_as_its_first_cut_by_either_way_of_reading() {
    let long = "x".repeat(TEXT - 11);
    // The first event's shape is that of those behind the long one, of which the last would have room behind a gap.
    let events = ["a", long.as_str(), "0123456789abcdef", "é", "y"].map(token).concat();
    let escaped = ["a", long.as_str(), "0123456789\\tabcdef", "\\u00e9", "\\n"].map(token).concat();
    for stream in [events, escaped] {
        let (chunks, text, _) = read(&(stream + DONE), 5);
        assert_eq!(chunks.len(), 5);
        assert_eq!((text.len(), &text[TEXT - 10..]), (TEXT, "0123456789"));
    }
    // A character that has no room leaves some, which nothing more goes into.
    let stream = ["a", long.as_str(), "01234567", "\u{1F600}", "y"].map(token).concat();
    let (_, text, _) = read(&(stream + DONE), 5);
    assert!(text.len() >= CUT && !text.contains('y'), "{}", text.len());
}
