//! What a command's exit status tells scripts, with the real program and the simulated engine.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A short run whose every request misses its limit.
const MISSED: [&str; 7] = ["record", "--profile", "sim", "--requests", "6", "--set", "sla.e2e=\"1ms\""];

fn run(home: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastgen-tui"));
    command.args(args).current_dir(home).env("HOME", home).stdin(Stdio::null());
    for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
        command.env(name, home.join(name));
    }
    command.output().unwrap()
}

#[test]
fn a_recording_on_standard_output_has_its_report_on_standard_error_and_its_status() {
    let home = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| run(home.path(), &[&MISSED[..], &["-o", "-"], more].concat());
    let output = run(&[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // On a busy machine the client may be late, which is graver.
    assert!(matches!(output.status.code(), Some(3 | 4)), "{:?}: {said}", output.status);
    assert!(said.contains("6 of 6 requests completed") && said.contains("SLA missed"), "{said}");
    std::fs::write(home.path().join("piped"), &output.stdout).unwrap();
    assert_eq!(
        fastgen_tui::report::Run::read(&home.path().join("piped")).unwrap().stages[0].measured().count(),
        6
    );
    let said = String::from_utf8_lossy(&run(&["--json"]).stderr).into_owned();
    let json = said.split_once('{').map(|(_, rest)| format!("{{{rest}")).unwrap();
    let mut values = serde_json::Deserializer::from_str(&json).into_iter::<serde_json::Value>();
    assert_eq!(values.next().unwrap().unwrap()["stages"][0]["requests"]["completed"], 6);
}

/// Runs with a pipe on standard output whose other end takes one byte and closes.
fn closed_early(home: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastgen-tui"));
    command.args(args).current_dir(home).env("HOME", home).stdin(Stdio::null());
    for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
        command.env(name, home.join(name));
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    std::io::Read::read_exact(&mut out, &mut [0]).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_pipe_that_is_closed_early_is_no_failure_and_costs_no_recording() {
    let home = tempfile::tempdir().unwrap();
    let load = ["--profile", "sim", "--requests", "20"];
    let plain = [&["--plain", "--plain-every", "100ms", "-o", "run.jsonl.zst"][..], &load].concat();
    // What is wrong with the arguments is found before there is a recording.
    let wrong = run(home.path(), &[&plain[..], &["--with", "none.jsonl.zst"]].concat());
    assert!(wrong.status.code() == Some(1) && !home.path().join("run.jsonl.zst").exists());
    let (status, said) = closed_early(home.path(), &plain);
    // On a busy machine the client may have been late.
    assert!(matches!(status, Some(0 | 4)) && !said.contains("pipe"), "{status:?}: {said}");
    let report = run(home.path(), &["report", "run.jsonl.zst"]);
    let report = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(report.contains("20 of 20 requests completed") && !report.contains("interrupted"), "{report}");
    let replay = closed_early(home.path(), &["replay", "run.jsonl.zst", "--plain", "--plain-every", "100ms"]);
    assert_eq!(replay, (Some(0), String::new()));
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/fastgen/first");
    let imported = closed_early(home.path(), &["import", "fastgen", data, "--count-words", "-o", "-"]);
    assert!(!imported.1.contains("pipe") && matches!(imported.0, Some(0 | 141)), "{imported:?}");
    let endless = ["record", "-o", "-", "--profile", "sim", "--for", "1h"];
    let (status, said) = closed_early(home.path(), &endless);
    assert_eq!(status, Some(141), "{said}");
    assert!(!said.contains("pipe") && !said.contains("attention"), "{said}");
}

#[test]
fn plain_lines_end_with_the_verdict_on_the_sla() {
    let home = tempfile::tempdir().unwrap();
    let said = |args: &[&str]| String::from_utf8_lossy(&run(home.path(), args).stdout).into_owned();
    let live = said(&[&["--plain", "-o", "missed.jsonl.zst"], &MISSED[1..]].concat());
    assert!(live.contains("SLA missed (main: e2e"), "{live}");
    let replay = said(&["replay", "missed.jsonl.zst", "--plain", "--speed", "64"]);
    assert!(replay.lines().last().unwrap().starts_with("SLA missed: main: e2e"), "{replay}");
    run(home.path(), &["record", "--profile", "sim", "--requests", "2", "-o", "none.jsonl.zst"]);
    let none = said(&["replay", "none.jsonl.zst", "--plain", "--speed", "64"]);
    assert!(!none.contains("SLA "), "without thresholds there is no verdict: {none}");
}

#[test]
fn recordings_of_one_name_are_told_apart_and_an_export_names_its_kinds() {
    let home = tempfile::tempdir().unwrap();
    for folder in ["a", "b"] {
        std::fs::create_dir(home.path().join(folder)).unwrap();
        let file = format!("{folder}/x.jsonl.zst");
        run(home.path(), &["record", "--profile", "sim", "--requests", "2", "-o", &file]);
    }
    let table = |files: &[&str]| {
        let output = run(home.path(), &[&["report"], files].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let table: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
        table
            .iter()
            .skip(2)
            .map(|line| line.split("  ").find(|c| !c.is_empty()).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(table(&["a/x.jsonl.zst", "b/x.jsonl.zst"]), ["a/x", "b/x"]);
    assert_eq!(table(&["a/x.jsonl.zst", "a/x.jsonl.zst"]), ["x", "x #2"]);
    let none = run(home.path(), &["export", "a/x.jsonl.zst"]);
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert_eq!(none.status.code(), Some(2));
    let usage = said.lines().find(|line| line.starts_with("Usage:")).unwrap_or_default();
    assert!(usage.contains("--csv <DIR>") && usage.contains("--fastgen <DIR>"), "{said}");
}

#[test]
fn of_several_recordings_the_gravest_counts_in_any_order() {
    let home = tempfile::tempdir().unwrap();
    run(home.path(), &[&MISSED[..], &["-o", "missed.jsonl.zst"]].concat());
    let whole = std::fs::read(home.path().join("missed.jsonl.zst")).unwrap();
    std::fs::write(home.path().join("cut.jsonl.zst"), &whole[..whole.len() * 9 / 10]).unwrap();
    let status = |files: &[&str]| run(home.path(), &[&["report"], files].concat()).status.code();
    assert_eq!(status(&["cut.jsonl.zst"]), Some(4));
    assert_eq!(status(&["missed.jsonl.zst", "cut.jsonl.zst"]), Some(4));
    assert_eq!(status(&["cut.jsonl.zst", "missed.jsonl.zst"]), Some(4));
}
