//! Interventions by key in a live run, and what the recording and the report tell of them.

use std::time::Duration;

use fastgen_tui::event::{Control, Event, Outcome};
use fastgen_tui::recording::{self, Entry};
use serde_json::Value;

use crate::harness::{Home, Terminal, assert_restored};

fn report(home: &Home) -> Value {
    let output = home.command(&["report", "run.jsonl.zst", "--format", "json"]).output().expect("a report");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn entries(home: &Home) -> Vec<Entry> {
    recording::open(&home.path().join("run.jsonl.zst")).expect("a recording").collect()
}

fn controls(entries: &[Entry]) -> Vec<Control> {
    let of = |entry: &Entry| match entry {
        Entry::Event(Event::Control { control, .. }) => Some(control.clone()),
        _ => None,
    };
    entries.iter().filter_map(of).collect()
}

fn begun(stage: &Value) -> Vec<String> {
    let words = |s: &Value| s["words"].as_str().expect("words").to_owned();
    stage["segments"].as_array().expect("segments").iter().map(words).collect()
}

#[test]
fn a_run_changed_by_hand_has_figures_before_and_after_live_and_in_the_report() {
    let home = Home::new();
    let args = ["--profile", "sim", "--set", "stop={duration=\"1h\"}", "-o", "run.jsonl.zst"];
    let more = ["--set", "load.clients=2", "--set", "workload.output_tokens=20"];
    let mut terminal = Terminal::start(&home, &[&args[..], &more[..]].concat(), 120, 40);
    terminal.wait_for("measuring");
    terminal.wait_for("of 2 clients");
    std::thread::sleep(Duration::from_secs(2));
    terminal.keys("+");
    terminal.wait_for("3 of 3 clients");
    terminal.wait_for("(2 to 3 clients)");
    terminal.keys("i");
    terminal.wait_for("Latency since 0:");
    std::thread::sleep(Duration::from_secs(2));
    terminal.keys("i");
    terminal.wait_for("(start)");
    terminal.keys("i");
    terminal.wait_for("completed requests");
    terminal.keys("mhere\r");
    terminal.wait_for("i: since 0:");
    terminal.wait_for("(here)");
    // The word of an export is seen on every screen.
    terminal.keys("3e");
    terminal.wait_for("exported to run-csv");
    terminal.keys("q");
    terminal.wait_for("interrupted");
    terminal.keys("q");
    let (status, _, screen) = terminal.ended();
    assert!(status.success(), "{status:?}");
    assert_restored(&screen);
    assert!(screen.lock().expect("the screen").screen().contents().contains("recorded: run.jsonl.zst"));
    let report = report(&home);
    let stage = &report["stages"][0];
    assert_eq!(begun(stage), ["start", "2 to 3 clients", "here", "drain"], "{stage:#}");
    let segments = stage["segments"].as_array().expect("segments");
    let completed = |v: &Value| v["requests"]["completed"].as_u64().expect("a count");
    let sum: u64 = segments.iter().map(|s| completed(&s["figures"])).sum();
    assert_eq!(sum, completed(&stage["windows"]["measured"]));
    let mean = |i: usize| segments[i]["figures"]["concurrency_mean"].as_f64().expect("a mean");
    assert!(mean(0) < 2.01 && mean(1) > 2.5, "{} {}", mean(0), mean(1));
}

#[test]
fn one_request_is_cancelled_and_its_client_goes_on() {
    let home = Home::new();
    let args = ["--profile", "sim", "--set", "stop={duration=\"1h\"}", "-o", "run.jsonl.zst"];
    // Long answers, so that there is time to look at one.
    let more = ["--set", "load.clients=1", "--set", "workload.output_tokens=400"];
    let mut terminal = Terminal::start(&home, &[&args[..], &more[..]].concat(), 120, 40);
    terminal.wait_for("measuring");
    terminal.keys("x");
    terminal.wait_for("x cancels a request in flight");
    terminal.keys("3");
    terminal.wait_for("x: cancel");
    terminal.keys("x");
    terminal.wait_for("1 cancelled");
    terminal.wait_for("x: cancel");
    terminal.keys("qq");
    terminal.wait_for("interrupted");
    terminal.keys("q");
    let (status, _, _) = terminal.ended();
    assert!(status.success(), "{status:?}");
    let all = entries(&home);
    let told = controls(&all);
    let Some(Control::Cancel { request }) = told.first() else { panic!("{told:?}") };
    assert!(
        !told[1..].iter().any(|c| matches!(c, Control::Cancel { .. })),
        "the end is told as the end: {told:?}"
    );
    let of = |entry: &Entry| match entry {
        Entry::Request(r) if !r.warmup => Some((r.request, r.outcome)),
        _ => None,
    };
    let ended: Vec<_> = all.iter().filter_map(of).collect();
    assert_eq!(ended[0], (*request, Outcome::Cancelled));
    assert!(ended.len() >= 2, "the client sent another: {ended:?}");
}

#[test]
fn the_next_stage_follows_on_a_key() {
    let home = Home::new();
    let args = ["--profile", "sim", "--set", "stop={duration=\"1h\"}", "-o", "run.jsonl.zst"];
    let more = ["--set", "sweep.clients=[1,2]", "--set", "workload.output_tokens=20", "--yes"];
    let mut terminal = Terminal::start(&home, &[&args[..], &more[..]].concat(), 140, 40);
    terminal.wait_for("measuring");
    terminal.wait_for("[1/2 clients=1]");
    terminal.wait_for("X next stage");
    std::thread::sleep(Duration::from_secs(1));
    terminal.keys("X");
    terminal.wait_for("[2/2 clients=2]");
    terminal.wait_for("measuring");
    std::thread::sleep(Duration::from_secs(1));
    // The last one is cut short like any other, and its end is the run's.
    terminal.keys("X");
    terminal.wait_for("ended by hand");
    terminal.keys("q");
    let (status, _, _) = terminal.ended();
    assert!(status.success(), "{status:?}");
    assert_eq!(controls(&entries(&home)), [0, 1].map(|stage| Control::NextStage { stage }));
    let report = report(&home);
    let ended =
        |i: usize| (&report["stages"][i]["ended"], report["stages"][i]["requests"]["completed"].as_u64());
    assert_eq!((ended(0).0, ended(1).0), (&Value::from("complete"), &Value::from("complete")));
    assert!(ended(0).1 > Some(0) && ended(1).1 > Some(0), "{report:#}");
    let verdicts = report["recording"]["verdicts"].to_string();
    assert!(verdicts.contains("cut short in clients=1 and clients=2"), "{verdicts}");
    assert!(!verdicts.contains("interrupted"), "{verdicts}");
}
