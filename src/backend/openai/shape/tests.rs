//! Whatever a shape says is what the JSON says; and what has none.

use proptest::prelude::*;

use super::super::peek::peek;
use super::*;

fn learnt(events: &[&str]) -> Shapes {
    let mut shapes = Shapes::default();
    for event in events {
        let found = peek(event.as_bytes(), &mut String::new()).unwrap();
        shapes.learn(event.as_bytes(), &found);
    }
    shapes
}

fn read<'a>(shapes: &Shapes, event: &'a [u8]) -> Option<Said<'a>> {
    let mut last = 0;
    let said = shapes.read(event, &mut last);
    assert_eq!(shapes.read(event, &mut last), said, "the second time it is looked for where it was found");
    said
}

fn vllm(id: &str, text: &str, count: u32, more: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"object\":\"text_completion\",\"created\":1790000{count:03},\"model\":\"m\",\"choices\":[{{\
         \"index\":0,\"text\":\"{text}\",\"logprobs\":null,\"finish_reason\":{more}}}],\"usage\":{{\"prompt_tokens\":7,\
         \"total_tokens\":{},\"completion_tokens\":{count}}}}}",
        count + 7
    )
}

fn token(text: &str, count: u32) -> Said<'_> {
    Said { text, choices: true, finished: false, prompt_tokens: Some(7), completion_tokens: Some(count) }
}

#[test]
fn events_that_differ_in_text_names_and_counts_only_are_read_by_their_shape() {
    let shapes = learnt(&[&vllm("c-1", " a", 1, "null"), &vllm("c-1", "", 2, "\"length\"")]);
    for (id, text, count) in [("c-1", " b", 2), ("c-1", "", 9), ("c-27", "größer", 10), ("", " c", 123_456)]
    {
        let event = vllm(id, text, count, "null");
        assert_eq!(read(&shapes, event.as_bytes()), Some(token(text, count)));
    }
    let end = vllm("c-9", "", 44, "\"length\"");
    assert_eq!(read(&shapes, end.as_bytes()), Some(Said { finished: true, ..token("", 44) }));
    let shapes = learnt(&[r#"{"choices":[{"delta":{"content":"x"}}]}"#]);
    let said = read(&shapes, br#"{"choices":[{"delta":{"content":"hello"}}]}"#);
    assert_eq!(said, Some(Said { text: "hello", choices: true, ..Said::default() }));
}

#[test]
fn the_count_at_the_end_and_a_role_have_shapes_too() {
    let role = r#"{"id":"a","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
    let usage = r#"{"id":"a","choices":[],"usage": {"prompt_tokens": 3, "completion_tokens" : 5,"details":{"completion_tokens":1}}}"#;
    let shapes = learnt(&[role, usage]);
    let said =
        read(&shapes, role.replace("\"a\"", "\"b\"").as_bytes()).map(|said| (said.choices, said.text.len()));
    assert_eq!(said, Some((true, 0)));
    let other = usage.replace(" 5", " 77").replace(" 3", " 12");
    let counts = Said { prompt_tokens: Some(12), completion_tokens: Some(77), ..Said::default() };
    assert_eq!(read(&shapes, other.as_bytes()), Some(counts));
}

#[test]
fn whatever_else_differs_has_not_the_shape() {
    let shapes = learnt(&[&vllm("c-1", " a", 1, "null")]);
    let event = |text| vllm("c-1", text, 2, "null");
    for event in [
        vllm("c-1", " b", 2, "\"stop\""),
        event("a\\n"),
        event("a\tb"),
        event(" b") + " ",
        event(" b").replace(":2}", ":2.5}"),
        event(" b").replace(":2}", ":02}"),
        event(" b").replace(":2}", ":2000000000}"),
        event(" b").replace("c-1", "c\\u002d2"),
        event(" b").replace("\"m\"", "\"n\""),
        String::new(),
    ] {
        assert_eq!(read(&shapes, event.as_bytes()), None, "{event}");
    }
    assert_eq!(read(&shapes, &event(" b").into_bytes()[..40]), None);
    let spoilt: Vec<u8> = event("~").bytes().map(|byte| if byte == b'~' { 0xff } else { byte }).collect();
    assert_eq!(read(&shapes, &spoilt), None);
}

#[test]
fn what_could_mean_something_else_teaches_nothing() {
    for event in [
        r#"{"choices":[{"text":"a\n"}]}"#,
        r#"{"choices":[{"text":"a"},{"text":"b"}]}"#,
        r#"{"choices":[{"delta":{"reasoning":"a","reasoning_content":"a"}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"id":"x"}]}}]}"#,
        r#"{"choices":[{"text":"a"}],"usage":{"completion_tokens":3},"usage":{"completion_tokens":4}}"#,
        r#"{"choices":[{"text":"a"}],"usage":{"completion_tokens":3},"usage":null}"#,
        r#"{"error":"no","choices":[{"text":"a"}]}"#,
    ] {
        assert_eq!(read(&learnt(&[event]), event.as_bytes()), None, "{event}");
    }
}

#[test]
fn shapes_are_few_and_a_server_without_any_costs_little() {
    let mut shapes = Shapes::default();
    for i in 0..10_000 {
        let event = format!(r#"{{"choices":[{{"text":"a","logprobs":{i}}}]}}"#);
        let found = peek(event.as_bytes(), &mut String::new()).unwrap();
        assert_eq!(shapes.read(event.as_bytes(), &mut 0), None);
        shapes.learn(event.as_bytes(), &found);
    }
    assert_eq!(shapes.known.len(), SHAPES);
    assert!(shapes.known.iter().all(|shape| shape.bytes.len() < 60));
    // It changes its mind.
    let event = vllm("c-1", " a", 1, "null");
    let found = peek(event.as_bytes(), &mut String::new()).unwrap();
    (0..=PATIENCE).for_each(|_| shapes.learn(event.as_bytes(), &found));
    assert!(read(&shapes, vllm("c-2", " b", 5, "null").as_bytes()).is_some());
}

proptest! {
    /// Whatever is read by shape is what reading it as JSON says.
    #[test]
    fn the_shape_says_what_the_json_says(
        first in "[ a-zé]{0,6}",
        (id, text) in ("[a-z\"\\\\]{0,4}", "[ a-zé\"\\\\{}:,0-9]{0,12}"),
        (a, b) in (0u32..2000, 0u32..2000),
        (more, other) in (prop_oneof![Just("null"), Just("\"stop\"")], prop_oneof![Just("null"), Just("\"stop\"")]),
        cut in 0usize..260,
        byte in any::<u8>(),
        spoil in any::<bool>(),
    ) {
        let shapes = learnt(&[&vllm("c-1", &first, a, more)]);
        let mut event = vllm(&id, &text, b, other).into_bytes();
        let at = cut % event.len();
        if spoil {
            event[at] = byte;
        }
        if let Some(said) = read(&shapes, &event) {
            let mut text = String::new();
            let found = peek(&event, &mut text).unwrap();
            prop_assert_eq!(text.as_str(), said.text);
            prop_assert_eq!(found.usage.and_then(|u| u.completion_tokens), said.completion_tokens);
            prop_assert_eq!(found.usage.and_then(|u| u.prompt_tokens), said.prompt_tokens);
            prop_assert_eq!(found.generated, !said.text.is_empty());
            prop_assert_eq!((found.choices, found.finished, found.error), (said.choices, said.finished, None));
        }
    }
}

#[test]
fn a_text_that_is_no_part_of_the_answer_and_a_name_in_escapes_have_no_hole() {
    for (learn, other) in [
        (
            r#"{"choices":[{"delta":{"function_call":"a"}}]}"#,
            r#"{"choices":[{"delta":{"function_call":"b"}}]}"#,
        ),
        (
            r#"{"obj\u0065ct":"x","choices":[{"text":"a"}]}"#,
            r#"{"obj\u0065ct":"error","choices":[{"text":"a"}]}"#,
        ),
    ] {
        let mut text = String::new();
        let found = peek(other.as_bytes(), &mut text).unwrap();
        let shapes = learnt(&[learn]);
        let said = read(&shapes, other.as_bytes());
        assert!(said.is_none_or(|said| said.text == text && found.error.is_none()), "{other}: {said:?}");
    }
}
