//! FastGen's result files through the program itself: what is imported works with every command.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run(args: &[&str], folder: &Path) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_fastgen-tui")).args(args).current_dir(folder).output();
    output.expect("the program runs")
}

fn status(output: &Output) -> i32 {
    output.status.code().expect("an exit status")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fastgen").join(name)
}

#[test]
fn an_import_is_a_recording_like_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, at) = (data("first"), folder.path());
    let from = files.to_str().expect("a plain path");
    let import = ["import", "fastgen", from, "-o", "old.jsonl.zst", "--count-words"];
    let done = run(&import, at);
    assert_eq!(status(&done), 0, "{}", said(&done));
    assert!(said(&done).contains("wrote old.jsonl.zst: 6 requests in 2 stages"), "{}", said(&done));
    let report = run(&["report", "old.jsonl.zst", "--format", "json"], at);
    let replay = run(&["replay", "old.jsonl.zst", "--headless", "--json"], at);
    assert_eq!((status(&report), status(&replay)), (0, 0));
    let json: serde_json::Value = serde_json::from_slice(&report.stdout).expect("a report");
    assert_eq!(json["recording"]["backend"], "fastgen");
    assert_eq!(json["recording"]["ended"], "complete");
    assert_eq!(json["recording"]["verdicts"], serde_json::json!([]));
    assert_eq!(json["stages"][1]["windows"]["measured"]["latency"]["ttft_s"]["p50"], 0.25);
    assert_eq!(report.stdout, replay.stdout);
    let shot = ["replay", "old.jsonl.zst", "--shot", "1s", "-o", "shot.svg", "--view", "clients"];
    assert_eq!(status(&run(&shot, at)), 0);
    let export = run(&["export", "old.jsonl.zst", "--csv", "csv", "--fastgen", "back"], at);
    assert_eq!(status(&export), 0, "{}", said(&export));
    let requests = std::fs::read_to_string(at.join("csv/requests.csv")).expect("a table");
    assert_eq!(requests.lines().count(), 7);
    let back = at.join("back/fastgen/llama2-7b-tp1-bs768-replicas1-prompt10-gen4-clients2.json");
    assert!(back.is_file(), "{}", said(&export));
    // Nothing is overwritten, and it is told before anything is read.
    let again = run(&import, at);
    assert_eq!(status(&again), 1);
    assert!(said(&again).contains("exists already"), "{}", said(&again));
}

#[test]
fn exit_statuses_tell_whether_anything_was_imported() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let good = data("first/logs.llama2-7b-tp1-b768/llama2-7b-tp1-b768_c1_p10_g4.json");
    let good = good.to_str().expect("a plain path");
    std::fs::write(at.join("bad.json"), "{\"args\": {").expect("a file");
    let some = run(&["import", "fastgen", good, "bad.json", "-o", "some.jsonl.zst", "--count-words"], at);
    assert_eq!(status(&some), 0, "{}", said(&some));
    assert!(
        said(&some).contains("bad.json: is cut off") && said(&some).contains("(not used)"),
        "{}",
        said(&some)
    );
    let none = run(&["import", "fastgen", "bad.json", "-o", "none.jsonl.zst", "--count-words"], at);
    assert_eq!(status(&none), 1);
    assert!(said(&none).contains("none of the 1 files can be used"), "{}", said(&none));
    assert!(!at.join("none.jsonl.zst").exists());
    let uncounted = run(&["import", "fastgen", good, "-o", "x.jsonl.zst"], at);
    assert_eq!(status(&uncounted), 1);
    assert!(said(&uncounted).contains("--tokenizer") && said(&uncounted).contains("--count-words"));
    let wrong = run(&["import", "fastgen", good, "-o", "x.jsonl.zst", "--tokenizer", "bad.json"], at);
    assert_eq!(status(&wrong), 2);
    assert_eq!(status(&run(&["import", "fastgen", good], at)), 2);
    assert_eq!(status(&run(&["record", "--profile", "sim", "--set", "backend.kind=imported"], at)), 2);
    let piped = run(&["import", "fastgen", good, "-o", "-", "--count-words"], at);
    assert_eq!(status(&piped), 0);
    assert!(piped.stdout.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]), "a zstd stream");
}
