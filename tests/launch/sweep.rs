//! Engines one after another in one run.

use crate::home::{Folder, error, free_port};

#[test]
fn one_command_measures_two_servers_and_draws_both_curves() {
    let folder = Folder::new();
    // Both on one port: the second can only start when the first is gone.
    let port = free_port();
    let first = folder.profile_on("first", port, "family", "");
    let second = folder.profile_on("second", port, "late=300", "");
    let backends = format!("sweep.backend=[\"{first}\", \"{second}\", \"sim\"]");
    let args = [
        "record",
        "--profile",
        "sim",
        "--set",
        &backends,
        "--set",
        "sweep.clients=[1, 2]",
        "--set",
        "workload.output_tokens=4",
        "--requests",
        "6",
        "--json",
        "-o",
        "both.jsonl.zst",
    ];
    let output = folder.run(&args);
    assert!(output.status.success(), "{}", error(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<_> =
        report["stages"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "backend=first, clients=1",
            "backend=first, clients=2",
            "backend=second, clients=1",
            "backend=second, clients=2",
            "backend=sim, clients=1",
            "backend=sim, clients=2"
        ]
    );
    assert!(folder.alive().is_empty(), "{:?} are left", folder.alive());
    assert_eq!(folder.pids().len(), 4, "each server was started once");
    let plot = folder.run(&["plot", "throughput-latency", "both.jsonl.zst", "-o", "both.svg"]);
    assert!(plot.status.success(), "{}", error(&plot));
    let svg = std::fs::read_to_string(folder.path().join("both.svg")).unwrap();
    for curve in ["backend=first", "backend=second", "backend=sim"] {
        assert!(svg.contains(curve), "no curve {curve}");
    }
    // What was measured is in the recording, whatever becomes of the other profiles.
    std::fs::remove_file(folder.path().join("first.toml")).unwrap();
    let resumed = folder.run(&["record", "--resume", "both.jsonl.zst"]);
    assert_eq!(resumed.status.code(), Some(0));
    assert!(error(&resumed).contains("all of its 6 stages are finished"), "{}", error(&resumed));
}

#[test]
fn a_server_that_fails_fails_its_own_stages_only() {
    let folder = Folder::new();
    let bad = folder.profile_on("bad", free_port(), "die=10", "");
    let good = folder.profile_on("good", free_port(), "", "");
    let backends = format!("sweep.backend=[\"{bad}\", \"{good}\"]");
    let args =
        ["record", "--profile", "sim", "--set", &backends, "--requests", "6", "--json", "-o", "x.jsonl.zst"];
    let output = folder.run(&args);
    assert_eq!(output.status.code(), Some(1), "{}", error(&output));
    assert!(error(&output).contains("1 of 2 stages failed, e.g. backend=bad"), "{}", error(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let good = report["stages"].as_array().unwrap().iter().find(|s| s["name"] == "backend=good").unwrap();
    assert_eq!(good["windows"]["measured"]["requests"]["completed"], 6);
}

#[test]
fn what_failed_is_run_again_when_the_run_is_resumed() {
    let folder = Folder::new();
    let bad = folder.profile_on("bad", free_port(), "needs-weights", "");
    let good = folder.profile_on("good", free_port(), "", "");
    let backends = format!("sweep.backend=[\"{bad}\", \"{good}\"]");
    let args = [
        "record",
        "--profile",
        "sim",
        "--set",
        &backends,
        "--set",
        "sweep.clients=[1, 2]",
        "--requests",
        "6",
        "-o",
        "x.jsonl.zst",
    ];
    let output = folder.run(&args);
    assert_eq!(output.status.code(), Some(1), "{}", error(&output));
    assert_eq!(folder.pids().len(), 2, "each is tried once");

    // Still down: nothing is lost by trying.
    let resume = ["record", "--resume", "x.jsonl.zst", "--json"];
    let output = folder.run(&resume);
    assert_eq!(output.status.code(), Some(1), "{}", error(&output));
    assert!(error(&output).contains("2 of 4 stages failed"), "{}", error(&output));

    std::fs::write(folder.path().join("weights"), "").unwrap();
    let output = folder.run(&resume);
    assert!(output.status.success(), "{}", error(&output));
    assert_eq!(folder.pids().len(), 4, "the one that answered before is not needed");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let stages = report["stages"].as_array().unwrap().iter().map(|stage| {
        let completed = &stage["windows"]["measured"]["requests"]["completed"];
        (stage["name"].as_str().unwrap(), stage["ended"].as_str().unwrap(), completed.as_u64().unwrap())
    });
    let stages: Vec<_> = stages.collect();
    for name in ["backend=bad, clients=1", "backend=bad, clients=2", "backend=good, clients=1"] {
        assert!(stages.contains(&(name, "complete", 6)), "{stages:?}");
    }
    let output = folder.run(&resume);
    assert!(error(&output).contains("all of its 4 stages are finished"), "{}", error(&output));
}
