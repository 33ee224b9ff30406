//! The real program against a server.

use std::process::{Command, Output, Stdio};

use crate::server::{KEY, Server};

pub fn program(folder: &std::path::Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastgen-tui"));
    command.args(args).current_dir(folder).env("HOME", folder).env("TEST_KEY", KEY).stdin(Stdio::null());
    command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_STATE_HOME").env_remove("XDG_CACHE_HOME");
    command.output().unwrap()
}

/// Records into `run.jsonl.zst`; gives the JSON report, and how long it took.
pub fn record(
    folder: &std::path::Path,
    url: &str,
    more: &[&str],
    set: &[String],
) -> (serde_json::Value, std::time::Duration) {
    let clock = fastgen_tui::clock::Clock::start();
    let _ = std::fs::remove_file(folder.join("run.jsonl.zst"));
    let mut args = vec!["record", "--url", url, "--json", "-o", "run.jsonl.zst"];
    args.extend(more);
    for set in set {
        args.extend(["--set", set]);
    }
    let output = program(folder, &args);
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (report, std::time::Duration::from_nanos(clock.now_ns()))
}

#[test]
fn a_url_is_all_it_takes() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let url = server.url("plain");
    let args = ["record", "--url", &url, "--for", "1s", "--json", "-o", "run.jsonl.zst"];
    let output = program(folder.path(), &args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let window = &report["stages"][0]["windows"]["measured"];
    let completed = window["requests"]["completed"].as_u64().unwrap();
    assert!(completed > 10, "{completed}");
    assert_eq!(window["tokens"]["output"].as_u64().unwrap(), completed * 48);
    assert_eq!(window["tokens"]["input"].as_u64().unwrap(), completed * 77, "as the server counts");
    assert_eq!(report["recording"]["backend"], "openai");
    let report = program(folder.path(), &["report", "run.jsonl.zst"]);
    assert!(report.status.success());
}

#[test]
fn the_key_is_sent_and_never_shown() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    for (scenario, status) in [("plain", 0), ("echoes-key", 1), ("locked", 1)] {
        let (url, file) = (server.url(scenario), format!("{scenario}.jsonl.zst"));
        let set = "backend.api_key_env=TEST_KEY";
        let args = ["record", "--url", &url, "--set", set, "--requests", "5", "-o", &file];
        let output = program(folder.path(), &args);
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        // Where no request was sent, nothing is left.
        let recorded = std::fs::File::open(folder.path().join(&file)).ok();
        assert_eq!(recorded.is_some(), scenario != "locked");
        let recorded = recorded.map_or_else(Vec::new, |file| zstd::decode_all(file).unwrap());
        for bytes in [&output.stdout, &output.stderr, &recorded] {
            assert!(!String::from_utf8_lossy(bytes).contains(KEY), "{scenario}: the key is in there");
        }
    }
    let heads = server.seen.heads.lock().unwrap();
    assert!(heads.iter().all(|head| head.contains(KEY)), "every request bears it");
}

#[test]
fn what_can_be_seen_to_be_wrong_is_said_before_any_load() {
    let folder = tempfile::tempdir().unwrap();
    for (args, words) in [
        (vec!["--url", "127.0.0.1:8000"], "--url: a base URL needs its scheme"),
        (vec!["--url", "https://h", "--set", "backend.ca_file=none.pem"], "none.pem: can't be read"),
        (vec!["--url", "http://h", "--set", "backend.api_key_file=none"], "none: can't be read"),
        (vec!["--url", "http://h", "--set", "backend.http=3"], "expected \"1.1\" or \"2\""),
        (vec!["--url", "http://h", "--set", "backend.connections=2"], "needs http = \"2\""),
        (vec!["--url", "http://h", "--set", "load.retries=1000"], "can be 100 at most"),
        (vec!["--url", "http://me:pw@host/v1"], "no user or password"),
        (
            vec!["--url", "http://host", "--set", "backend.dialect=mii", "--set", "backend.endpoint=chat"],
            "the dialect \"mii\" has no chat",
        ),
        (vec!["--url", "http://host", "--set", "backend.dialect=azure-ml"], "tells no counts"),
        (
            vec!["--url", "http://host", "--set", "backend.stream=false", "--set", "load.ttft_timeout=1s"],
            "no first token is seen",
        ),
        (
            vec!["--url", "http://host", "--set", "backend.tokenizer=no/such/tokenizer.json"],
            "can't use the tokenizer no/such/tokenizer.json: No such file",
        ),
        (vec!["--url", "http://host", "--set", "backend.body={n=2}"], "set by the load"),
        (vec!["--url", "http://host", "--set", "backend.body={best_of=2}"], "set by the load"),
        (vec!["--url", "http://host", "--set", "backend.api_key_env=NO_SUCH_KEY"], "NO_SUCH_KEY is not set"),
        (vec!["--url", "http://host", "--set", "backend.api_key_env=sk-abc"], "must be the NAME"),
        (
            vec!["--url", "http://host", "--set", "backend.headers={Authorization=\"x\"}"],
            "must not stand in a profile",
        ),
        (vec!["--url", "http://host", "--set", "backend.body={stream=false}"], "set by the load"),
        (vec!["--url", "http://host", "--set", "backend.client_threads=65"], "must be from 1 to 64"),
        (
            vec!["--url", "http://host", "--set", "sweep.replicas=[1,2]", "--for", "1s"],
            "would measure the same",
        ),
    ] {
        let args: Vec<&str> = ["record"].into_iter().chain(args).collect();
        let output = program(folder.path(), &args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(words), "{args:?}: {error}");
        assert!(!error.contains(":pw@"), "{error}");
    }
    assert!(!folder.path().join("recordings").exists());
}

#[test]
fn a_server_that_is_not_there_ends_the_run_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["record", "--url", "http://127.0.0.1:9/v1", "--for", "1s", "-o", "x.jsonl.zst"];
    let output = program(folder.path(), &args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("there is no server to measure at http://127.0.0.1:9/v1"), "{error}");
    assert!(!error.contains("recorded:") && output.stdout.is_empty(), "there is nothing to see");
    assert!(
        !folder.path().join("x.jsonl.zst").exists(),
        "an empty recording would be in the way of the next try"
    );
    let made = ["record", "--url", "http://127.0.0.1:9/v1", "--for", "1s", "--json"];
    let output = program(folder.path(), &made);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["recording"]["ended"], "failed", "scripts are told all the same");
    assert!(!folder.path().join("recordings").exists(), "nor a folder that was made for it");
    let mine = folder.path().join("mine.jsonl.zst");
    std::fs::write(&mine, "mine").unwrap();
    let args = ["record", "--url", "http://127.0.0.1:9/v1", "--for", "1s", "-o", "mine.jsonl.zst"];
    assert_eq!(program(folder.path(), &args).status.code(), Some(1));
    assert_eq!(std::fs::read(&mine).unwrap(), b"mine");
}

#[test]
fn clients_on_several_threads_are_the_same_clients() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    for (scenario, load) in [("plain", "closed"), ("mixed", "closed"), ("mixed", "poisson")] {
        let mut set = vec!["backend.client_threads=3".to_owned(), "load.clients=7".into()];
        set.extend(["load.ttft_timeout=300ms".into(), "load.idle_timeout=300ms".into()]);
        if load == "poisson" {
            set.extend(["load.kind=poisson".into(), "load.rate=100".into()]);
        }
        let more = ["--requests", "70", "--set", "load.warmup_requests_per_client=1"];
        let (report, _) = record(folder.path(), &server.url(scenario), &more, &set);
        let window = &report["stages"][0]["windows"]["measured"];
        let of = |key: &str| window["requests"][key].as_u64().unwrap();
        assert_eq!(of("scheduled"), 70, "{scenario}: {window}");
        let ended = of("completed") + of("failed") + of("timed_out") + of("cancelled");
        assert_eq!(ended, 70, "{scenario}: each has one outcome");
        if scenario == "plain" {
            assert_eq!(of("completed"), 70);
            assert_eq!(window["tokens"]["output"].as_u64().unwrap(), 70 * 48);
        }
    }
}
