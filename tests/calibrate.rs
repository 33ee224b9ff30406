//! `calibrate`, the real program: what it finds out is kept, and reports of later runs refer to it.
#![cfg(all(feature = "http", target_os = "linux"))]
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn program(home: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastgen-tui"));
    command.args(args).current_dir(home).env("HOME", home).stdin(Stdio::null());
    command
        .env("XDG_CACHE_HOME", home.join("cache"))
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_STATE_HOME");
    command.output().unwrap()
}

/// A run's report as JSON, and what was said beside.
fn recorded(home: &Path, name: &str) -> (serde_json::Value, String) {
    let args = ["record", "--profile", "sim", "--requests", "8", "--set", "sla={}", "-o", name, "--json"];
    let output = program(home, &args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

fn saved(home: &Path) -> std::path::PathBuf {
    let folder = home.join("cache/fastgen-tui");
    let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("calibration-")).unwrap()
}

#[test]
fn runs_after_a_calibration_tell_their_share_of_the_limit() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (before, _) = recorded(home, "before.jsonl.zst");
    let client = &before["recording"]["client"];
    assert!(client["line"].as_str().unwrap().contains("run `fastgen-tui calibrate`"), "{client}");
    assert!(client["calibration"].is_null());

    let output = program(home, &["calibrate", "--profile", "sim", "--for", "100ms", "--json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("over HTTP: ") && said.contains("saved: "), "{said}");
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(made["profile"], "sim");
    assert!(made["verdict"].as_str().unwrap().contains("over HTTP this client measured here up to"));
    for load in made["loads"].as_array().unwrap() {
        assert!(load["tokens"].as_u64().unwrap() > 0, "{load}");
        assert_eq!(load["requests_unlike"].as_u64().unwrap_or(0), 0, "{load}");
    }
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(saved(home)).unwrap()).unwrap();
    assert_eq!(kept, made);

    let (after, said) = recorded(home, "after.jsonl.zst");
    let client = &after["recording"]["client"];
    assert!(client["line"].as_str().unwrap().contains("its limit here is "), "{client}");
    assert!(client["share"].as_f64().unwrap() > 0.0);
    assert_eq!(client["calibration"], made["limits"]["in_process"]);
    assert!(!said.contains("ignored"), "{said}");
    let text = program(home, &["report", "after.jsonl.zst"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("its limit here is "));
}

#[test]
fn a_calibration_that_is_no_use_is_ignored_with_a_note() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let calibrate = ["calibrate", "--profile", "sim", "--for", "20ms"];
    let output = program(home, &calibrate);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = saved(home);
    let good = std::fs::read_to_string(&path).unwrap();
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(good.contains(&version), "{good}");
    for (i, (text, why)) in [
        (good.replace(&version, "\"version\": \"0.0.1\""), "it is of version 0.0.1, and this is"),
        (good[..good.len() / 2].to_owned(), "it can't be read"),
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::write(&path, text).unwrap();
        let (report, said) = recorded(home, &format!("{i}.jsonl.zst"));
        assert!(said.contains("is ignored: ") && said.contains(why), "{said}");
        assert!(report["recording"]["client"]["calibration"].is_null());
    }
}

#[test]
fn what_is_asked_wrongly_is_said_before_any_load() {
    let home = tempfile::tempdir().unwrap();
    for args in [
        &["calibrate", "--profile", "no-such-profile"][..],
        &["calibrate", "--profile", "sim", "--set", "load.clients=none"],
        &["calibrate", "--for", "soon"],
    ] {
        let output = program(home.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("over HTTP: "));
    }
}
