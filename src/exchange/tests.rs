//! Both generations of result files; what is wrong with some, and the way there and back, are in files of their own.

mod round_trip;
mod wrong;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::event::{CountedBy, Ended};
use crate::recording::Writer;
use crate::report::{Run, report};

const MS: u64 = 1_000_000;

/// Imports into a file of a new folder; the recording, and what was told.
fn imported(files: &[PathBuf], counter: &Counter) -> (Result<Run, ImportError>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("imported.jsonl.zst");
    let mut told = Vec::new();
    let done = import(files, counter, Origin::default(), &mut |n| told.push(n.to_string()), |header| {
        Writer::create(&path, header, false)
    });
    assert_eq!(path.exists(), done.is_ok());
    (done.map(|_| Run::read(&path).unwrap()), told)
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fastgen").join(name)
}

#[test]
fn the_first_generation_becomes_a_sweep_over_clients() {
    let (run, told) = imported(&[data("first")], &Counter::Words);
    let run = run.unwrap();
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(
        run.stages.iter().map(|s| s.start.name.as_str()).collect::<Vec<_>>(),
        ["clients=1", "clients=2"]
    );
    assert_eq!(run.stages[1].start.sweep, [("clients".to_owned(), json!(2))]);
    assert_eq!(run.profile_name(), "fastgen-llama2-7b");
    assert_eq!(run.header.engine.kind, "fastgen");
    assert_eq!(run.header.started_at.to_string(), "2023-11-03T08:20:00.5Z");
    assert_eq!((&run.ended, run.losses.any()), (&Some(Ended::Complete), false));
    let two = &run.stages[1].requests;
    let prompts: Vec<u32> = two.iter().map(|r| r.prompt_tokens).collect();
    assert_eq!(prompts, [8, 12, 10]);
    // Two clients: the third request is the first one's client's next.
    assert_eq!(two.iter().map(|r| r.client).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!((two[1].sent_ns - two[0].sent_ns, two[1].ttft_ns()), (125 * MS, Some(500 * MS)));
    assert_eq!((two[1].output_tokens, two[1].counted_by), (4, CountedBy::Chunks));
    assert_eq!(two[1].finished_ns - two[1].sent_ns, 875 * MS + 122_070);
    let stage = &report(&run).stages[0];
    let latency = &stage.windows.measured.as_ref().unwrap().latency;
    assert_eq!((latency.ttft_s.p50, latency.itl_s.count), (Some(0.125), 5));
    assert_eq!(stage.requests.completed, 3);
}

#[test]
fn the_second_generation_and_its_other_backends_stand_beside_each_other() {
    let (run, told) = imported(&[data("second")], &Counter::Words);
    let run = run.unwrap();
    assert_eq!(told.iter().filter(|t| t.contains("several backends")).count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|t| t.contains("no times of tokens")).count(), 1, "{told:?}");
    let names: Vec<_> = run.stages.iter().map(|s| s.start.name.as_str()).collect();
    assert_eq!(names, ["backend=aml", "backend=fastgen", "backend=vllm"]);
    assert_eq!(run.header.profile.pointer("/model/hub"), Some(&json!("meta-llama/Llama-2-13b-hf")));
    assert_eq!(run.header.profile.pointer("/backend/tensor_parallel"), Some(&json!(2)));
    assert_eq!(run.header.profile.pointer("/stop/requests"), Some(&json!("4*clients+32")));
    let aml = &run.stages[0].requests;
    assert_eq!((aml[0].output_tokens, aml[1].output_tokens), (4, 2));
    assert_eq!((aml[0].chunk_at_ns.len(), aml[0].counted_by), (0, CountedBy::Tokenizer));
    let figures = report(&run).stages[0].windows.measured.clone().unwrap();
    assert_eq!((figures.tokens.output, figures.latency.ttft_s.count), (6, 0));
    // Four tokens in two chunks: what is beyond one a chunk came with the last.
    let vllm = &run.stages[2].requests[0];
    assert_eq!((vllm.output_tokens, vllm.chunk_tokens.as_slice()), (4, &[1, 3][..]));
}

#[test]
fn an_imported_profile_is_a_profile_and_is_not_run() {
    let (run, _) = imported(&[data("first")], &Counter::Words);
    let profile: crate::profile::Profile = serde_json::from_value(run.unwrap().header.profile).unwrap();
    let refused = profile.check_runnable().unwrap_err().to_string();
    assert!(refused.contains("imported"), "{refused}");
    assert!(
        crate::profile::resolve("sim", &["backend.kind=imported".to_owned()])
            .is_ok_and(|resolved| resolved.profile.check_runnable().is_err())
    );
}

#[test]
fn without_a_way_to_count_the_choices_are_named() {
    let (run, told) = imported(&[data("first")], &Counter::None);
    assert!(matches!(run, Err(ImportError::Nothing(2))));
    assert!(told.iter().all(|t| t.contains("--tokenizer") && t.contains("--count-words")), "{told:?}");
    let file = result(
        &json!({ "num_clients": 1 }),
        &[json!({
            "prompt": "a b", "start_time": 1.0, "end_time": 2.0, "token_gen_time": [], "generated_tokens": "some text",
            "prompt_tokens": 2,
        })],
    );
    let error = file::from_reader(file.as_bytes(), "x", &Counter::None).unwrap_err();
    assert!(error.contains("generated tokens") && error.contains("--count-words"), "{error}");
}

/// A result file's text.
fn result(args: &Value, responses: &[Value]) -> String {
    json!({ "args": args, "time": "x", "response_details": responses }).to_string()
}

fn response(start: f64, gaps: &[f64]) -> Value {
    let end = start + gaps.iter().sum::<f64>();
    json!({
        "generated_tokens": vec!["t"; gaps.len()], "prompt": "one two three", "start_time": start,
        "end_time": end, "model_time": 0, "token_gen_time": gaps,
    })
}

fn good() -> String {
    result(&json!({ "num_clients": 1 }), &[response(1000.0, &[0.5, 0.25]), response(1001.0, &[0.5, 0.25])])
}
