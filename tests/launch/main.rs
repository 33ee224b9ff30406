//! Servers that a run starts itself: how they begin, how they end, and that nothing of them is left, whatever happens.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![allow(clippy::disallowed_methods, reason = "a test has no run, so it has no run's clock")]

mod fake;
#[path = "../pty/harness.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod harness;
mod home;
mod sweep;
mod wrong;

use std::time::{Duration, Instant};

use home::{Folder, error, signal};

#[test]
fn a_server_is_there_for_the_run_and_gone_after_it() {
    let folder = Folder::new();
    let profile = folder.profile("family late=1200", "log = \"logs/{profile}.log\"");
    let output = folder.run(&["record", "--profile", &profile, "--for", "1s", "--json", "-o", "x.jsonl.zst"]);
    assert!(output.status.success(), "{}", error(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["stages"][0]["requests"]["completed"].as_u64().unwrap() > 5, "{report}");
    let pids = folder.pids();
    assert_eq!(pids.len(), 3);
    assert!(folder.alive().is_empty(), "{:?} of {pids:?} are left", folder.alive());
    let recorded = folder.recorded("x.jsonl.zst");
    assert!(recorded.contains("starting the server, 1 s: serving, in green"), "progress, with the last line");
    assert!(recorded.contains("started for the run"));
    let log = std::fs::read_to_string(folder.path().join("logs/managed.log")).unwrap();
    assert!(log.contains("serving, in green\nready\n"), "{log}");
}

#[test]
fn a_server_that_does_not_heed_is_killed() {
    let folder = Folder::new();
    let profile = folder.profile("stubborn family no-health", "");
    let output = folder.run(&["record", "--profile", &profile, "--for", "500ms"]);
    assert!(output.status.success(), "{}", error(&output));
    assert!(folder.alive().is_empty(), "{:?} are left", folder.alive());
}

#[test]
fn ctrl_c_ends_it_while_it_loads_and_while_it_serves() {
    for (habits, until) in [("family late=600000", "starting the server"), ("family", "measuring")] {
        let folder = Folder::new();
        let profile = folder.profile(habits, "");
        let mut run = folder.start(&["record", "--profile", &profile, "--for", "1h"]);
        run.wait_for(until);
        signal(run.id(), "-INT");
        let (status, said) = run.ended();
        assert_eq!(status.code(), Some(130), "{said}");
        assert_eq!(folder.pids().len(), 3, "{said}");
        assert!(folder.alive().is_empty(), "{:?} are left: {said}", folder.alive());
    }
}

#[test]
fn even_a_killed_run_leaves_no_server_behind() {
    let folder = Folder::new();
    let profile = folder.profile("stubborn family", "");
    let mut run = folder.start(&["record", "--profile", &profile, "--for", "1h"]);
    run.wait_for("measuring");
    assert_eq!(folder.alive().len(), 3);
    signal(run.id(), "-KILL");
    run.ended();
    folder.wait_gone(Duration::from_secs(20));
}

#[test]
fn a_killed_supervisor_takes_the_server_along_and_fails_the_run() {
    let folder = Folder::new();
    let profile = folder.profile("", "");
    let mut run = folder.start(&["record", "--profile", &profile, "--for", "1h"]);
    run.wait_for("measuring");
    signal(home::parent(folder.pids()[0]), "-KILL");
    let (status, said) = run.ended();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("its supervisor ended"), "{said}");
    folder.wait_gone(Duration::from_secs(5));
}

#[test]
fn a_server_that_dies_while_loading_is_quoted() {
    let folder = Folder::new();
    let profile = folder.profile("die=300 family", "");
    let output = folder.run(&["record", "--profile", &profile, "--for", "1s"]);
    let said = error(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("the server ended with exit status 7 while it was loading; its last lines: "),
        "{said}"
    );
    assert!(said.contains(" | Traceback: no such weights\n"), "{said}");
    assert!(folder.alive().is_empty(), "{:?} are left", folder.alive());
}

#[test]
fn a_server_that_dies_during_the_run_fails_it() {
    let folder = Folder::new();
    let profile = folder.profile("die-after=40", "");
    let output = folder.run(&["record", "--profile", &profile, "--for", "1h", "-o", "x.jsonl.zst"]);
    let said = error(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the engine died: the server ended with exit status 9"), "{said}");
    assert!(said.contains("out of memory"), "{said}");
}

#[test]
fn a_server_that_is_never_ready_is_given_up() {
    let folder = Folder::new();
    let profile = folder.profile("never", "timeout = \"2s\"");
    let output = folder.run(&["record", "--profile", &profile, "--for", "1s"]);
    let said = error(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not ready within 2s (backend.launch.timeout): GET /health"), "{said}");
    assert!(said.contains("HTTP 503"), "{said}");
    assert!(folder.alive().is_empty());
}

#[test]
fn a_chatty_server_is_not_held_up_and_does_not_flood_the_recording() {
    let folder = Folder::new();
    let profile = folder.profile("chatty", "log = \"all.log\"");
    let begun = Instant::now();
    let output = folder.run(&["record", "--profile", &profile, "--for", "500ms", "-o", "x.jsonl.zst"]);
    assert!(output.status.success(), "{}", error(&output));
    assert!(begun.elapsed() < Duration::from_secs(30));
    let all = std::fs::read_to_string(folder.path().join("all.log")).unwrap();
    assert!(all.contains("line 79999 ") && all.contains("said it all"));
    assert!(all.lines().all(|line| line.len() <= 16 * 1024 + 4));
    let recorded = folder.recorded("x.jsonl.zst");
    assert!(recorded.contains("some are left out here; all are in all.log"));
    assert!(
        recorded.matches("xxxxxxxx").count() < 20_000 && recorded.len() < 2_000_000,
        "{}",
        recorded.len()
    );
}

#[test]
fn what_it_says_can_do_no_harm_and_tells_no_secret() {
    let folder = Folder::new();
    let launch = "env_from = { SERVER_KEY = \"OUR_KEY\" }\nlog = \"all.log\"";
    let profile = folder.profile("indiscreet", launch);
    let args = ["record", "--profile", &profile, "--for", "500ms", "-o", "x.jsonl.zst"];
    let output = folder.run(&args);
    assert!(output.status.success(), "{}", error(&output));
    let log = std::fs::read(folder.path().join("all.log")).unwrap();
    let recorded = folder.recorded("x.jsonl.zst");
    let own_log =
        std::fs::read_to_string(folder.path().join(".local/state/fastgen-tui/fastgen-tui.log")).unwrap();
    assert!(String::from_utf8_lossy(&log).contains("my key is ***") && own_log.contains("inherited ***"));
    assert!(!log.contains(&0x1b) && !own_log.contains('\x1b') && !recorded.contains("\\u001b"));
    for text in [&String::from_utf8_lossy(&log).into_owned(), &recorded, &own_log, &error(&output)] {
        assert!(!text.contains(home::KEY), "{text}");
    }
}

#[test]
fn the_dashboard_shows_how_it_loads_and_q_ends_it() {
    let home = harness::Home::new();
    let folder = Folder::at(home.path());
    let profile = folder.profile("late=3000 family", "");
    let mut terminal = harness::Terminal::start(&home, &["--profile", &profile, "--for", "1h"], 110, 30);
    terminal.wait_for("starting the server, 2 s: serving, in green");
    terminal.wait_for("measuring");
    terminal.keys("7");
    terminal.wait_for("server");
    terminal.keys("q");
    terminal.wait_for("interrupted");
    terminal.keys("q");
    let (status, _, _) = terminal.ended();
    assert_eq!(status.exit_code(), 0, "{status:?}");
    assert_eq!(folder.pids().len(), 3);
    assert!(folder.alive().is_empty(), "{:?} are left", folder.alive());
}
