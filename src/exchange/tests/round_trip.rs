//! A recording as result files, and back.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::*;
use super::{MS, imported};
use crate::event::{Ended, Event, Outcome, Phase, StageStart};
use crate::metrics::RequestRecord;
use crate::recording::{Engine, Header, Writer};
use crate::report::{Run, report};
use crate::workload::Random;

/// A recording of two stages, with all that result files have no word for.
fn recorded(profile: Value) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.jsonl.zst");
    let header = Header {
        seed: 42,
        engine: Engine { kind: "sim".into(), version: "1".into() },
        ..Header::new(1_000, profile, "2026-01-02T03:04:05Z".parse().unwrap())
    };
    let mut writer = Writer::create(&path, &header, false).unwrap();
    let mut at_ns = 0;
    for (stage, clients) in [(0, 1), (1, 4)] {
        let start = StageStart {
            at_ns,
            sweep: vec![("clients".into(), clients.into())],
            planned_requests: Some(40),
            ..StageStart::closed(stage, format!("clients={clients}"), clients)
        };
        writer.write(&Event::Stage(Box::new(start)), None);
        writer.write(&Event::Phase { at_ns: at_ns + 5 * MS, stage, phase: Phase::Measuring }, None);
        for i in 0..40 {
            let record = made(stage, clients, i, at_ns + 12 * MS);
            writer.write(&finished(&record), Some(&record));
            at_ns = at_ns.max(record.finished_ns);
        }
        at_ns += 100 * MS;
    }
    writer.write(&Event::Ended { at_ns, how: Ended::Complete }, None);
    writer.finish().unwrap();
    Run::read(&path).unwrap()
}

fn finished(record: &RequestRecord) -> Event {
    Event::Finished(Box::new(crate::event::Finished {
        at_ns: record.finished_ns,
        request: record.request,
        outcome: record.outcome,
        output_tokens: record.output_tokens,
        counted_by: record.counted_by,
        prompt_tokens: None,
        error: None,
        text: None,
        status: None,
        retries: 0,
    }))
}

/// Request `i` of a stage: warm-up, failed, cancelled, with chunks of several tokens, late.
fn made(stage: u32, clients: u32, i: u32, from_ns: u64) -> RequestRecord {
    let mut random = Random::new(9, u64::from(stage), u64::from(i));
    let mut time = |most_us: u32| u64::from(1 + random.below(most_us)) * 1_000;
    let sent_ns = from_ns + u64::from(i / clients) * 2_000 * MS + time(9_000);
    let mut at_ns = sent_ns;
    let chunk_at_ns: Vec<u64> = (0..=i % 7).map(|_| (at_ns += time(250_000), at_ns).1).collect();
    let chunk_tokens: Vec<u32> =
        if i % 5 == 3 { (0..chunk_at_ns.len() as u32).map(|n| 1 + n % 3).collect() } else { Vec::new() };
    let output_tokens = chunk_tokens.iter().sum::<u32>().max(chunk_at_ns.len() as u32);
    RequestRecord {
        client: i % clients,
        stage,
        warmup: i < clients,
        scheduled_ns: sent_ns - time(3_000),
        finished_ns: at_ns + time(900),
        prompt_tokens: 5 + i,
        max_tokens: output_tokens,
        output_tokens,
        outcome: match i {
            20 => Outcome::FailedEngine,
            21 => Outcome::Cancelled,
            _ => Outcome::Completed,
        },
        chunk_tokens,
        ..RequestRecord::completed(u64::from(stage * 40 + i), sent_ns, chunk_at_ns)
    }
}

fn profile() -> Value {
    json!({
        "profile": { "name": "made" }, "backend": { "kind": "mistralrs", "max_batch": 16, "replicas": 2 },
        "model": { "dummy": "tiny", "quantization": "q8_0" },
        "workload": {
            "prompt_tokens": { "normal": { "mean": 25.0, "std": 7.5, "min": 1, "max": 90 } }, "output_tokens": 4,
        },
        // Not the usual one: what a run was judged by comes back, too.
        "sla": { "prompt_tokens_per_s": 2500.0, "generation_tokens_per_s": [40.0, 90.0, 120.0], "validators": ["ema16"] },
    })
}

fn exported(run: &Run, dir: &Path, tokenizer: Option<(PathBuf, Counter)>) -> Exported {
    let mut export = Export::create(dir, tokenizer).unwrap();
    export.add(run).unwrap();
    export.finish().unwrap()
}

/// All numbers of two JSON values, compared within what floats lose.
fn alike(a: &Value, b: &Value, path: &str) {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            let (x, y) = (x.as_f64().unwrap(), y.as_f64().unwrap());
            assert!((x - y).abs() <= 1e-12 + 1e-9 * x.abs(), "{path}: {x} is not {y}");
        }
        (Value::Object(x), Value::Object(y)) => {
            assert_eq!(x.keys().collect::<Vec<_>>(), y.keys().collect::<Vec<_>>(), "{path}");
            x.iter().for_each(|(key, value)| alike(value, &y[key], &format!("{path}/{key}")));
        }
        (Value::Array(x), Value::Array(y)) => {
            assert_eq!(x.len(), y.len(), "{path}");
            x.iter().zip(y).for_each(|(x, y)| alike(x, y, path));
        }
        _ => assert_eq!(a, b, "{path}"),
    }
}

/// Figures of a recording that a way through result files keeps: durations and rates of what completed.
fn figures(run: &Run) -> Vec<Value> {
    let kept = |stage: &crate::report::StageReport| {
        let value = serde_json::to_value(stage).unwrap();
        let mut window = value["windows"]["measured"].as_object().unwrap().clone();
        // Instants on the run's clock, which an import puts anew.
        window.remove("start_s");
        window.remove("end_s");
        json!({ "name": value["name"], "sweep": value["sweep"], "clients": value["clients"], "window": window })
    };
    report(run).stages.iter().map(kept).collect()
}

#[test]
fn there_and_back_again_figures_are_the_same() {
    let mut run = recorded(profile());
    let dir = tempfile::tempdir().unwrap();
    let done = exported(&run, dir.path(), None);
    let names: Vec<_> =
        done.files.iter().map(|f| f.strip_prefix(dir.path()).unwrap().to_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "fastgen/dummy_tiny-tp1-bs16-replicas2-prompt25-gen4-clients1.json",
            "fastgen/dummy_tiny-tp1-bs16-replicas2-prompt25-gen4-clients4.json",
        ]
    );
    assert_eq!(done.notes.iter().filter(|n| n.contains("2 requests that did not complete")).count(), 2);
    assert_eq!(done.notes.iter().filter(|n| n.contains("no --tokenizer")).count(), 1, "{:?}", done.notes);
    let (back, told) = imported(&[dir.path().join("fastgen")], &Counter::None);
    let back = back.unwrap();
    assert!(told.is_empty(), "{told:?}");
    // Result files hold what completed.
    for stage in &mut run.stages {
        stage.requests.retain(|r| !r.warmup && r.outcome == Outcome::Completed);
    }
    for (i, (before, after)) in figures(&run).iter().zip(&figures(&back)).enumerate() {
        alike(before, after, &format!("stage {i}"));
    }
    assert_eq!(back.header.profile.pointer("/model/dummy"), Some(&json!("tiny")));
    // And once more: the same files, but for names.
    let again = tempfile::tempdir().unwrap();
    let done_again = exported(&back, again.path(), None);
    assert_eq!(done_again.files.len(), 2);
    for (a, b) in done.files.iter().zip(&done_again.files) {
        assert_eq!(a.file_name(), b.file_name());
        let read = |path: &PathBuf| {
            let value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            let start = value["response_details"][0]["start_time"].as_f64().unwrap();
            let durations = |r: &Value| {
                let relative = |key: &str| r[key].as_f64().unwrap() - start;
                json!([
                    r["token_gen_time"],
                    r["generated_tokens"],
                    relative("start_time"),
                    relative("end_time")
                ])
            };
            let responses: Vec<_> =
                value["response_details"].as_array().unwrap().iter().map(durations).collect();
            json!([value["prompt_tokens"], responses, value["args"]["num_clients"]])
        };
        alike(&read(a), &read(b), "once more");
    }
}

#[test]
fn exported_files_hold_what_the_scripts_ask_for_and_nothing_that_they_refuse() {
    let dir = tempfile::tempdir().unwrap();
    let done = exported(&recorded(profile()), dir.path(), None);
    let value: Value = serde_json::from_slice(&fs::read(&done.files[1]).unwrap()).unwrap();
    for (key, want) in [
        ("num_clients", json!(4)),
        ("client_num", json!(4)),
        ("model", json!("dummy/tiny")),
        ("mean_prompt_length", json!(25)),
        ("mean_max_new_tokens", json!(4)),
        ("tp_size", json!(1)),
        ("num_replicas", json!(2)),
        ("max_ragged_batch_size", json!(16)),
        ("backend", json!("fastgen")),
        ("stream", json!(true)),
        ("num_requests", json!(34)),
    ] {
        assert_eq!(value["args"][key], want, "{key}");
    }
    assert_eq!(value["time"], "2026-01-02 03:04:05.000000");
    for (i, response) in value["response_details"].as_array().unwrap().iter().enumerate() {
        let mut keys: Vec<_> = response.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        // A data class of exactly these fields is made of it.
        let mut fields =
            ["generated_tokens", "prompt", "start_time", "end_time", "model_time", "token_gen_time"];
        fields.sort_unstable();
        assert_eq!(keys, fields);
        let prompt = response["prompt"].as_str().unwrap();
        assert_eq!(json!(prompt.split_whitespace().count()), value["prompt_tokens"][i]);
    }
    for name in ["dummy/tiny", "meta-llama/Llama-2-7b-hf"] {
        let counter = Counter::load(&dir.path().join(name).join("tokenizer.json")).unwrap();
        assert_eq!(counter.count(" one  two\nthree, "), Some(3));
    }
    // Once more: nothing is overwritten.
    let mut export = Export::create(dir.path(), None).unwrap();
    let error = export.add(&recorded(profile())).unwrap_err().to_string();
    assert!(error.contains("exists already"), "{error}");
}

#[test]
fn stages_without_a_result_are_told() {
    let mut run = recorded(profile());
    run.stages[0].start.clients = None;
    run.stages[1].requests.retain(|r| r.outcome != Outcome::Completed);
    let dir = tempfile::tempdir().unwrap();
    let done = exported(&run, dir.path(), None);
    assert!(done.files.is_empty());
    assert!(
        done.notes[0].contains("open loop") && done.notes[1].contains("no completed request"),
        "{:?}",
        done.notes
    );
}

#[test]
fn prompts_count_right_by_the_tokenizer_that_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("given.json");
    // Half of the words fall apart into letters.
    let mut vocabulary = serde_json::Map::new();
    for c in 'a'..='z' {
        for text in [c.to_string(), format!("\u{2581}{c}"), format!("\u{2581}{c}{c}"), format!("{c}{c}")] {
            let id = vocabulary.len();
            vocabulary.insert(text, id.into());
        }
    }
    let merges: Vec<String> =
        ('a'..='m').flat_map(|c| [format!("\u{2581} {c}"), format!("\u{2581}{c} {c}")]).collect();
    vocabulary.insert("\u{2581}".into(), vocabulary.len().into());
    let metaspace =
        json!({ "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true });
    let tokenizer = json!({
        "version": "1.0", "truncation": { "direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0 },
        "padding": null, "added_tokens": [], "normalizer": null, "pre_tokenizer": metaspace, "post_processor": null,
        "decoder": metaspace,
        "model": { "type": "BPE", "vocab": vocabulary, "merges": merges, "unk_token": null, "dropout": null,
                   "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false },
    });
    fs::write(&path, tokenizer.to_string()).unwrap();
    let counter = Counter::load(&path).unwrap();
    assert_eq!((counter.count("aa bb zz"), counter.count("aa aa aa aa aa aa")), (Some(5), Some(6)));
    let out = dir.path().join("out");
    let done = exported(&recorded(profile()), &out, Some((path.clone(), counter)));
    assert_eq!(done.notes.len(), 2, "{:?}", done.notes);
    let counter = Counter::load(&path).unwrap();
    let value: Value = serde_json::from_slice(&fs::read(&done.files[1]).unwrap()).unwrap();
    for (i, response) in value["response_details"].as_array().unwrap().iter().enumerate() {
        let count = counter.count(response["prompt"].as_str().unwrap()).map(Value::from);
        assert_eq!(count.as_ref(), value["prompt_tokens"].get(i));
    }
    assert_eq!(fs::read(out.join("dummy/tiny/tokenizer.json")).unwrap(), fs::read(&path).unwrap());
    // An import without the counts of ours finds the same by that tokenizer.
    let mut bare = value.clone();
    bare.as_object_mut().unwrap().remove("prompt_tokens");
    let read =
        |text: &Value| file::from_reader(text.to_string().as_bytes(), "x", &counter).unwrap().responses;
    assert_eq!(read(&bare), read(&value));
    for wrong in ["missing.json", "out/fastgen"] {
        assert!(Counter::load(&dir.path().join(wrong)).is_err());
    }
    fs::write(&path, "{}").unwrap();
    assert!(Counter::load(&path).is_err_and(|e| e.to_string().contains("tokenizer.json")));
}
