//! A served engine, as its users meet it: the real program in the background, asked over HTTP.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// A folder in place of the user's, and a port for one server; the server ends with it.
struct Home {
    folder: tempfile::TempDir,
    port: u16,
}

impl Home {
    fn new() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder: tempfile::tempdir().unwrap(), port }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastgen-tui"));
        command.args(words).current_dir(self.path()).stdin(Stdio::null());
        command.env("HOME", self.path()).env("HF_HUB_OFFLINE", "1");
        for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, words: &[&str]) -> (i32, String, String) {
        said(&self.command(words).output().unwrap())
    }

    fn serve(&self, word: &str, more: &[&str]) -> (i32, String, String) {
        let port = self.port.to_string();
        self.run(&[&["serve", word, "--port", &port], more].concat())
    }

    fn start(&self, more: &[&str]) -> String {
        let (status, out, errors) = self.serve("start", more);
        assert_eq!(status, 0, "{out}{errors}");
        out
    }

    /// The status and the body of an answer. One connection a request, so the answer ends with it.
    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let length = body.len();
        write!(
            socket,
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{headers}\r\n{body}"
        )
        .unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn post(&self, path: &str, body: &Value) -> (u16, String) {
        self.ask("POST", path, "", &body.to_string())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.serve("stop", &[]);
    }
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// The JSON objects in a stream of events, whatever chunks it came in.
fn events(body: &str) -> Vec<Value> {
    let lines = body.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn process(out: &str) -> u32 {
    out.split_once("process ")
        .unwrap()
        .1
        .split(|c: char| !c.is_ascii_digit())
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_server_is_started_asked_measured_and_stopped() {
    let home = Home::new();
    let (status, _, errors) = home.serve("status", &[]);
    assert_eq!((status, errors.contains("no server runs")), (1, true), "{errors}");
    let out = home.start(&[]);
    let url = format!("http://127.0.0.1:{}/v1", home.port);
    assert!(out.contains(&url) && out.contains("tiny"), "{out}");
    assert_eq!(home.serve("status", &[]).0, 0);

    let (status, body) = home.ask("GET", "/v1/models", "", "");
    let model = &serde_json::from_str::<Value>(&body).unwrap()["data"][0];
    assert_eq!((status, model["id"].as_str()), (200, Some("tiny")));
    let asked = json!({ "prompt": [5, 6, 7], "max_tokens": 40, "ignore_eos": true, "stream": true,
        "stream_options": { "include_usage": true, "continuous_usage_stats": true } });
    let (status, body) = home.post("/v1/completions", &asked);
    let events = events(&body);
    let last = events.last().unwrap();
    assert_eq!((status, &last["usage"]["completion_tokens"]), (200, &json!(40)), "{body}");
    assert_eq!(last["usage"]["prompt_tokens"], 3);
    assert!(body.contains("data: [DONE]"));
    let whole = json!({ "prompt": [5, 6, 7], "max_tokens": 40, "ignore_eos": true });
    let whole: Value = serde_json::from_str(&home.post("/v1/completions", &whole).1).unwrap();
    let streamed: String = events.iter().filter_map(|e| e["choices"][0]["text"].as_str()).collect();
    assert_eq!(whole["choices"][0]["text"], streamed.as_str(), "the engine is greedy");
    assert_eq!(whole["usage"]["total_tokens"], 43);

    let words = [
        "record",
        "--url",
        &url,
        "--requests",
        "6",
        "--set",
        "load.clients=2",
        "--json",
        "-o",
        "x.jsonl.zst",
    ];
    let (status, out, errors) = home.run(&words);
    assert_eq!(status, 0, "{errors}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let window = &report["stages"][0]["windows"]["measured"];
    assert_eq!(window["requests"]["completed"], 6, "{errors}");
    let (_, metrics) = home.ask("GET", "/metrics", "", "");
    // Two requests above, two of warm-up.
    assert!(metrics.contains("fastgen_requests_completed_total 10\n"), "{metrics}");
    assert!(metrics.contains("fastgen_requests_in_flight 0\n"), "{metrics}");

    let (status, _, errors) = home.serve("start", &[]);
    assert!(status == 1 && errors.contains("runs on port"), "{errors}");
    assert_eq!(home.serve("stop", &[]).0, 0);
    assert!(TcpStream::connect(("127.0.0.1", home.port)).is_err());
    assert_eq!(home.serve("stop", &[]).0, 1);
}

#[test]
fn a_key_is_asked_for_and_shown_nowhere() {
    let home = Home::new();
    let port = home.port.to_string();
    let words = ["serve", "start", "--profile", "sim", "--port", &port, "--api-key-env", "SERVER_KEY"];
    let (status, _, errors) = home.run(&words);
    assert!(status == 2 && errors.contains("SERVER_KEY holds no key"), "{errors}");
    let started = home.command(&words).env("SERVER_KEY", "s3cr3t-k3y").output().unwrap();
    let (status, out, errors) = said(&started);
    assert_eq!(status, 0, "{errors}");
    let arguments = std::fs::read(format!("/proc/{}/cmdline", process(&out))).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&arguments).contains("s3cr3t"));
    for (headers, expected) in [
        ("", 401),
        ("authorization: Bearer s3cr3t-k3x\r\n", 401),
        ("authorization: s3cr3t-k3y\r\n", 401),
        ("authorization: Bearer s3cr3t-k3y\r\n", 200),
    ] {
        let (status, body) = home.ask("GET", "/v1/models", headers, "");
        assert_eq!(status, expected, "{headers} {body}");
        assert!(!body.contains("s3cr3t"));
    }
    assert_eq!(home.ask("GET", "/health", "", "").0, 200);
    for entry in std::fs::read_dir(home.path().join(".local/state/fastgen-tui")).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("s3cr3t"));
    }
}

#[test]
fn wrong_requests_are_answered_in_a_line() {
    let home = Home::new();
    home.start(&[]);
    for (path, body, expected, why) in [
        ("/v1/completions", json!({ "prompt": [5, 99999] }), 400, "not in the vocabulary"),
        ("/v1/completions", json!({ "prompt": [] }), 400, "empty"),
        ("/v1/completions", json!({ "prompt": [5], "max_tokens": 100_000 }), 400, "too long"),
        ("/v1/completions", json!({ "prompt": [5], "temperature": 0.7 }), 400, "greedy"),
        ("/v1/completions", json!({ "prompt": [5], "n": 2 }), 400, "`n`"),
        ("/v1/completions", json!({ "prompt": [5], "model": "gpt-5" }), 400, "`tiny`"),
        ("/v1/completions", json!({ "max_tokens": 1 }), 422, "prompt"),
        ("/v1/chat/completions", json!({ "messages": [] }), 400, "no chat template"),
        ("/v1/nothing", json!({}), 404, "no such endpoint"),
    ] {
        let (status, answer) = home.post(path, &body);
        assert_eq!(status, expected, "{body}: {answer}");
        assert!(answer.contains(why), "{body}: {answer}");
    }
    assert_eq!(home.ask("POST", "/v1/completions", "", "{").0, 400);
    // A client that goes away takes its request with it.
    let mut socket = TcpStream::connect(("127.0.0.1", home.port)).unwrap();
    let body = r#"{"prompt":[5],"max_tokens":4000,"stream":true,"ignore_eos":true}"#;
    let length = body.len();
    write!(socket, "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .unwrap();
    socket.read_exact(&mut [0; 200]).unwrap();
    drop(socket);
    let gone = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        home.ask("GET", "/metrics", "", "").1.contains("fastgen_requests_in_flight 0\n")
    });
    assert!(gone, "the request goes on without its client");
}

#[test]
fn what_stands_in_the_way_of_a_server_is_told_before_it_is_started() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (status, _, errors) = home.run(&["serve", "start", "--profile", "sim", "--port", &port]);
    assert!(status == 1 && errors.contains("something else has this port"), "{errors}");
    let (status, _, errors) = home.run(&["serve", "run", "--profile", "sim", "--port", &port]);
    assert!(status == 1 && errors.contains("something else has this port"), "{errors}");
    let (status, _, errors) = home.serve("start", &["--profile", "nope"]);
    assert!(status == 2 && errors.contains("nope"), "{errors}");
    let (status, _, errors) =
        home.serve("start", &["--set", "model.path=\"missing.gguf\"", "--set", "model.dummy=\"\""]);
    assert!(status == 2, "{errors}");
    let (status, _, errors) =
        home.serve("start", &["--set", "backend.kind=\"openai\"", "--set", "backend.urls=[\"http://x/v1\"]"]);
    assert!(status == 2 && errors.contains("only an engine of this program"), "{errors}");
    assert_eq!(home.serve("status", &[]).0, 1);
}

#[test]
fn a_server_that_was_killed_leaves_its_port_free_for_the_next() {
    let home = Home::new();
    let out = home.start(&["--profile", "sim"]);
    let pid = rustix::process::Pid::from_raw(process(&out).cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let free = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        home.serve("status", &[]).0 == 1
    });
    assert!(free);
    home.start(&["--profile", "sim"]);
}
