//! The rules of the house that a compiler doesn't know: which way imports go, where the engine's crate may be
//! named, how long a file may be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may import from. Rooms are the top-level modules.
const ARROWS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("cpu", &[]),
    ("suggest", &[]),
    ("event", &[]),
    ("progress", &[]),
    ("profile", &["suggest"]),
    ("metrics", &["event"]),
    ("recording", &["metrics", "event", "clock"]),
    ("workload", &["profile"]),
    ("model", &["profile", "progress", "suggest"]),
    ("backend", &["model", "profile", "progress", "event", "clock"]),
    ("serve", &["backend", "profile", "progress", "event", "clock"]),
    ("telemetry", &["recording", "event", "clock"]),
    ("collector", &["recording", "metrics", "event", "clock"]),
    ("logging", &["collector", "event", "clock"]),
    ("ui", &["metrics", "event", "clock", "suggest"]),
    ("replay", &["ui", "recording", "metrics", "event", "clock"]),
    ("report", &["model", "recording", "metrics", "event", "profile", "clock"]),
    ("exchange", &["report", "recording", "metrics", "event", "workload", "model", "profile"]),
    (
        "load",
        &[
            "backend",
            "workload",
            "model",
            "telemetry",
            "collector",
            "recording",
            "metrics",
            "profile",
            "progress",
            "event",
            "clock",
        ],
    ),
    ("calibrate", &["load", "report", "telemetry", "recording", "metrics", "profile", "event", "clock"]),
];

/// The room that may import from all others.
const TOP: &str = "cli";

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a source folder") {
        let path = entry.expect("a folder entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&src, &mut found);
    assert!(found.len() > 20, "the walk must find the sources");
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file");
            let name = path.strip_prefix(&src).expect("below src").display().to_string();
            (name, text)
        })
        .collect()
}

/// `backend` for `backend/mistralrs/load.rs`, `clock` for `clock.rs`.
fn room(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// The rooms that a source names by `crate::ROOM`.
fn imports(text: &str) -> Vec<String> {
    let code =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut rooms: Vec<String> = code
        .split("crate::")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>())
        .filter(|name| !name.is_empty())
        .collect();
    // `use crate::{a::b, c}` would hide its rooms from the split above.
    assert!(!code.contains("use crate::{"), "write one `use crate::…` a room");
    rooms.sort();
    rooms.dedup();
    rooms
}

#[test]
fn imports_go_one_way() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, text) in all_sources() {
        let room = room(&file);
        if [TOP, "main", "lib"].contains(&room) {
            continue;
        }
        let allowed = arrows.get(room).unwrap_or_else(|| panic!("`{room}` is missing from ARROWS"));
        for import in imports(&text) {
            if import != room && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{file} imports crate::{import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "against the arrows:\n{}", wrong.join("\n"));
}

#[test]
fn the_arrows_have_no_cycle() {
    let order: Vec<&str> = ARROWS.iter().map(|(room, _)| *room).collect();
    for (i, (room, allowed)) in ARROWS.iter().enumerate() {
        for other in *allowed {
            let at = order.iter().position(|r| r == other).expect("an arrow to a room of the list");
            assert!(at < i, "{room} → {other} points forward");
        }
    }
}

#[test]
fn pure_rooms_know_no_runtime_and_no_screen() {
    for (file, text) in all_sources() {
        if ["metrics", "event", "recording"].contains(&room(&file)) {
            for banned in ["tokio::", "ratatui::", "crossterm::", "Clock"] {
                let named = text.lines().any(|l| !l.trim_start().starts_with("//") && l.contains(banned));
                assert!(!named, "{file} names {banned}");
            }
        }
    }
}

#[test]
fn the_engine_is_named_in_its_own_room_only() {
    for (file, text) in all_sources() {
        if file.starts_with("backend/mistralrs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let uses = ["use mistralrs", "mistralrs_core::", "extern crate mistralrs"];
            let path = line.trim_start().starts_with("mistralrs::") && file != "backend/mod.rs";
            assert!(
                !path && !uses.iter().any(|u| line.contains(u)),
                "{file}:{} names the engine's crate: {line}",
                number + 1
            );
        }
    }
}

#[test]
fn files_stay_small() {
    for (file, text) in all_sources() {
        let lines = text.lines().count();
        assert!(lines <= 400, "{file} has {lines} lines; split it by what its parts are for");
        assert!(text.starts_with("//!"), "{file} does not begin with a module doc");
    }
    let main =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs")).expect("main.rs");
    assert!(main.lines().count() <= 60);
}

/// Packages with their versions and features, as they are built with or without the test tools.
fn packages(edges: &str) -> std::collections::BTreeSet<String> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none", "--format", "{p} {f}", "--edges", edges])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn run_and_test_share_one_build() {
    let run = packages("normal,build");
    let test = packages("normal,build,dev");
    assert!(run.len() > 20, "the tree must be found");
    let twice: Vec<_> = run.difference(&test).collect();
    assert!(
        twice.is_empty(),
        "the test tools turn on features of these, which are therefore built twice; pin them in Cargo.toml: {twice:?}"
    );
}
