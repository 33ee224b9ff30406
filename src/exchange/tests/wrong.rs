//! Everything that can be wrong with a result file.

use std::fs;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;
use super::{MS, good, imported, response, result};
use crate::event::Outcome;
use crate::report::report;

#[test]
fn unusable_files_are_named_and_the_others_used() {
    let good = good();
    let cases = [
        ("empty", String::new(), "is empty"),
        ("cut", good[..good.len() - 40].to_owned(), "cut off at its line 1, after 1 whole responses"),
        ("text", "Traceback (most recent call last):".into(), "no result file"),
        ("list", "[1, 2]".into(), "an object with `args` and `response_details`"),
        ("number", "NaN".into(), "no result file"),
        ("other", r#"{"version": "1.0", "model": {}}"#.into(), "has no `args`"),
        ("no-args", json!({ "response_details": [response(1.0, &[0.1])] }).to_string(), "has no `args`"),
        ("no-responses", json!({ "args": { "num_clients": 1 } }).to_string(), "holds no responses"),
        ("none", result(&json!({ "num_clients": 1 }), &[]), "holds no responses"),
        ("no-clients", result(&json!({ "model": "m" }), &[response(1.0, &[0.1])]), "neither `num_clients`"),
        ("map", r#"{"args":{"num_clients":1},"response_details":{}}"#.into(), "a list of responses"),
        ("twice", format!("{good}{good}"), "trailing characters"),
        (
            "huge-number",
            r#"{"args":{"num_clients":1},"response_details":[{"start_time":1e999}]}"#.into(),
            "number",
        ),
        ("bytes", "{\"args\": \"\u{1}\"}".into(), "no result file"),
        (
            "apart",
            result(&json!({ "num_clients": 1 }), &[response(1.0, &[0.1]), response(1e9, &[0.1])]),
            "start within",
        ),
        (
            "all-bad",
            result(&json!({ "num_clients": 1 }), &[json!(1), json!(null)]),
            "is a number, not an object",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, text, _) in &cases {
        fs::write(folder.path().join(format!("{name}.json")), text).unwrap();
    }
    fs::write(folder.path().join("good.json"), &good).unwrap();
    fs::write(folder.path().join("not-named-json.txt"), "x").unwrap();
    let missing = folder.path().join("missing.json");
    let (run, told) = imported(&[folder.path().to_owned(), missing], &Counter::Words);
    assert_eq!(run.unwrap().stages.len(), 1);
    assert_eq!(told.len(), cases.len() + 1, "{told:#?}");
    for (name, _, says) in cases.iter().chain([&("missing", String::new(), "can't be read")]) {
        let line = told.iter().find(|t| t.contains(&format!("{name}.json"))).unwrap();
        assert!(line.contains(says) && line.ends_with("(not used)"), "{name}: {line}");
    }
    let empty = tempfile::tempdir().unwrap();
    let (run, told) = imported(&[empty.path().to_owned()], &Counter::Words);
    assert!(matches!(run, Err(ImportError::Nothing(1))) && told[0].contains("no *.json"), "{told:?}");
}

#[test]
fn wrong_responses_are_told_and_the_others_used() {
    let wrong = |key: &str, value: Value| {
        let mut response = response(1000.5, &[0.5, 0.25]);
        response[key] = value;
        response
    };
    let without = |key: &str| {
        let mut response = response(1000.5, &[0.5, 0.25]);
        response.as_object_mut().unwrap().remove(key);
        response
    };
    for (bad, says) in [
        (wrong("start_time", json!(-1.0)), "start_time is negative: -1"),
        (wrong("start_time", json!("NaN")), "start_time is NaN"),
        (wrong("end_time", json!("Infinity")), "end_time is Infinity"),
        (wrong("end_time", json!(1000.0)), "end_time 1000 does not lie after start_time 1000.5"),
        (wrong("end_time", json!(1e12)), "no time of a request"),
        (without("end_time"), "has no end_time"),
        (wrong("token_gen_time", json!([0.1, -0.5])), "token_gen_time[1] is negative: -0.5"),
        (wrong("token_gen_time", json!([0.1, "NaN"])), "token_gen_time[1] is NaN"),
        (wrong("token_gen_time", json!([null])), "token_gen_time[0] is null, not a number"),
        (wrong("token_gen_time", json!("soon")), "token_gen_time is a text, not a list"),
        (wrong("token_gen_time", json!([9e6, 9e6])), "adds up to more"),
        (wrong("generated_tokens", json!(3)), "generated_tokens is a number, not a list"),
        (wrong("prompt", json!(["a"])), "prompt is a list, not a text"),
        (wrong("prompt_tokens", json!(-3)), "prompt_tokens is -3, not a count"),
    ] {
        let text = result(&json!({ "num_clients": 1 }), &[response(1000.0, &[0.5]), bad.clone()]);
        // As Python writes it.
        let text = text.replace("\"NaN\"", "NaN").replace("\"Infinity\"", "Infinity");
        let read = file::from_reader(text.as_bytes(), "x", &Counter::Words).unwrap();
        assert_eq!((read.responses.len(), read.notes.len()), (1, 1), "{bad}");
        assert!(
            read.notes[0].contains(says) && read.notes[0].contains("response_details[1]"),
            "{:?}",
            read.notes
        );
    }
    let many =
        result(&json!({ "num_clients": 1 }), &[vec![json!(0); 9], vec![response(1.0, &[0.5])]].concat());
    let read = file::from_reader(many.as_bytes(), "x", &Counter::Words).unwrap();
    assert!(
        read.notes[0].starts_with("9 of 10 responses are not used") && read.notes[0].ends_with("and 6 more")
    );
}

#[test]
fn oddities_are_told_and_used() {
    let text = result(
        &json!({ "num_clients": 3 }),
        &[
            response(1000.0, &[0.5]),
            json!({ "prompt": "", "start_time": 1000.0, "end_time": 1001.0, "token_gen_time": [], "generated_tokens": [] }),
            json!({ "prompt": "a", "start_time": 1000.0, "end_time": 1000.25, "token_gen_time": [0.5, 0.5] }),
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.json");
    fs::write(&path, text).unwrap();
    let (run, told) = imported(&[path.clone(), path], &Counter::Words);
    assert!(
        told[0].contains("1 of 3 responses hold no token") && told[1].contains("1 of 3 responses"),
        "{told:?}"
    );
    let run = run.unwrap();
    // Named twice, read once.
    assert_eq!(run.stages.len(), 1);
    let requests = &run.stages[0].requests;
    assert_eq!((requests[1].output_tokens, requests[1].outcome), (0, Outcome::Completed));
    assert_eq!(requests[2].finished_ns, requests[2].sent_ns + 1000 * MS);
}

#[test]
fn files_that_ran_the_same_get_numbers() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.json", "b.json"] {
        fs::write(folder.path().join(name), good()).unwrap();
    }
    let (run, _) = imported(&[folder.path().to_owned()], &Counter::Words);
    let run = run.unwrap();
    assert_eq!(run.stages.iter().map(|s| s.start.name.as_str()).collect::<Vec<_>>(), ["main", "main (2)"]);
    assert!(run.stages[1].start.at_ns > run.stages[0].requests[1].finished_ns);
}

/// Any JSON, with numbers that are no times.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![Just("NaN"), Just("-Infinity"), Just("word word")].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-c]", inner), 0..3)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Puts a value into one of the places of another one.
fn mutate(value: &mut Value, place: usize, new: Value) {
    let mut pointers = Vec::new();
    let mut queue = vec![(String::new(), value.clone())];
    while let Some((path, value)) = queue.pop() {
        match value {
            Value::Object(map) => queue.extend(map.into_iter().map(|(k, v)| (format!("{path}/{k}"), v))),
            Value::Array(list) => {
                queue.extend(list.into_iter().enumerate().map(|(i, v)| (format!("{path}/{i}"), v)));
            }
            _ => {}
        }
        pointers.push(path);
    }
    if let Some(slot) = value.pointer_mut(&pointers[place % pointers.len()]) {
        *slot = new;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_stands_in_a_file_it_is_read_or_refused(
        changes in prop::collection::vec((any::<usize>(), any_json()), 1..5),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut value: Value = serde_json::from_str(&good()).unwrap();
        value["prompt_tokens"] = json!([3, 4]);
        value["fastgen_tui"] = json!({
            "measuring_time": 999.5, "client": [0, 0], "scheduled_time": [1000.0, 1001.0], "chunk_tokens": { "1": [2, 1] },
        });
        for (place, new) in changes {
            mutate(&mut value, place, new);
        }
        let text = value.to_string().replace("\"NaN\"", "NaN").replace("\"-Infinity\"", "-Infinity");
        let text = if whole { text.as_str() } else { &text[..cut.index(text.len())] };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mutated.json");
        fs::write(&path, text).unwrap();
        for counter in [Counter::None, Counter::Words] {
            let (run, told) = imported(std::slice::from_ref(&path), &counter);
            match run {
                Ok(run) => {
                    let report = report(&run);
                    prop_assert!(!run.losses.any() && report.stages.len() == 1);
                }
                Err(_) => prop_assert!(!told.is_empty()),
            }
        }
    }
}
