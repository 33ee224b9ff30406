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
