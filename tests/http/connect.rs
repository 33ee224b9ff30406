//! Which server gets a request, over which connection; how long it is waited for, and how often it is tried.

use std::io::{BufRead as _, BufReader, Write as _};
use std::sync::atomic::Ordering;

use fastgen_tui::event::Outcome;

use crate::program::{program, record};
use crate::server::Server;
use crate::{ask_of, load, tell, try_load_apart};

#[tokio::test]
async fn requests_go_to_servers_as_the_profile_says() {
    for (dispatch, expected) in
        [("round-robin", [10, 10, 10]), ("per-client", [20, 10, 0]), ("least-loaded", [10, 10, 10])]
    {
        let servers = [Server::start(), Server::start(), Server::start()];
        let urls = servers.iter().map(|server| server.url("plain")).collect::<Vec<_>>().join("\", \"");
        let backend = load(&urls, &format!("dispatch = \"{dispatch}\""));
        for i in 0..30 {
            // Clients 0, 3 and 4: the first two have the first server in common.
            let mut generation = backend.generate(ask_of([0, 3, 4][i % 3], 2));
            while !matches!(generation.next().await, fastgen_tui::backend::Item::End(_)) {}
        }
        let asked = servers.each_ref().map(|server| server.seen.bodies.lock().unwrap().len());
        assert_eq!(asked, expected, "{dispatch}");
    }
}

#[tokio::test]
async fn a_connection_a_request_is_one_connection_a_request() {
    let server = Server::start();
    let backend = load(&server.url("plain"), "connection = \"per-request\"");
    let before = server.seen.connections.load(Ordering::Relaxed);
    for _ in 0..10 {
        assert_eq!(tell(&*backend, 2).await.end.outcome, Outcome::Completed);
    }
    assert_eq!(server.seen.connections.load(Ordering::Relaxed) - before, 10);
    assert!(server.seen.heads.lock().unwrap().last().unwrap().contains("connection: close"));
}

#[test]
fn a_name_without_an_address_is_said_before_any_load() {
    let said = try_load_apart("http://no-such-host.invalid:8000/v1", "");
    assert!(
        said.contains("the name \"no-such-host.invalid\"") && said.contains("check its spelling"),
        "{said}"
    );
}

/// A server that is well, and has its list of models at `/v1` or nowhere.
fn well(listed: bool) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let mut head = String::new();
            let mut lines = BufReader::new(socket.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head).is_ok_and(|n| n > 0) {}
            let (status, body) = match head.split(' ').nth(1) {
                Some("/v1/models") if listed => ("200 OK", "{\"data\":[{\"id\":\"m\"}]}"),
                Some("/health") => ("200 OK", ""),
                _ => ("404 Not Found", "{}"),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            let _ = socket.write_all(format!("{head}{body}").as_bytes());
        }
    });
    port
}

#[test]
fn a_path_that_is_not_there_is_told_with_the_usual_one() {
    let port = well(true);
    let said = try_load_apart(&format!("http://127.0.0.1:{port}/openai/api"), "");
    let at = format!("http://127.0.0.1:{port}");
    let found = format!(
        "GET /openai/api/models was not found (HTTP 404); the server has its models at {at}/v1: give"
    );
    assert!(said.contains(&found), "{said}");
    let port = well(false);
    let said = try_load_apart(&format!("http://127.0.0.1:{port}/api"), "");
    assert!(said.contains("GET /api/models was not found (HTTP 404); the usual path is /v1: http"), "{said}");
    assert!(said.contains("if the path is right") && said.contains("backend.model"), "{said}");
    let said = try_load_apart(&format!("http://127.0.0.1:{port}/v1"), "");
    assert!(said.contains("GET /v1/models was not found (HTTP 404); if the path is right"), "{said}");
}

/// Counts of a report: completed, failed, timed out, retries; and its kinds of errors.
fn counts(report: &serde_json::Value) -> ([u64; 4], Vec<serde_json::Value>) {
    let window = &report["stages"][0]["windows"]["measured"];
    let of = |key: &str| window["requests"][key].as_u64().unwrap();
    (
        ["completed", "failed", "timed_out", "retries"].map(of),
        window["error_kinds"].as_array().unwrap().clone(),
    )
}

#[test]
fn nothing_is_sent_again_unless_asked_and_then_it_is_counted() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    for (scenario, retries, expected) in [
        ("every-other-busy", 0, [6, 6, 0, 0]),
        ("every-other-busy", 2, [12, 0, 0, 12]),
        ("broken", 2, [0, 12, 0, 0]),
    ] {
        let set = [format!("load.retries={retries}"), "load.warmup_requests_per_client=0".into()];
        let (report, _) = record(
            folder.path(),
            &server.url(scenario),
            &["--requests", "12", "--set", "load.clients=1"],
            &set,
        );
        let (counted, kinds) = counts(&report);
        assert_eq!(counted, expected, "{scenario}, {retries} retries: {kinds:?}");
    }
}

#[test]
fn a_server_that_asks_for_a_long_wait_is_not_asked_again() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let set = ["load.retries=3".into(), "load.warmup_requests_per_client=0".into()];
    let (report, took) = record(folder.path(), &server.url("busy-for-long"), &["--requests", "2"], &set);
    let (counted, kinds) = counts(&report);
    assert_eq!(counted, [0, 2, 0, 0]);
    assert_eq!((&kinds[0]["outcome"], &kinds[0]["http_status"]), (&"failed_overload".into(), &429.into()));
    assert!(took.as_secs() < 20, "{took:?}");
}

#[test]
fn a_stream_that_stalls_is_given_up_by_the_idle_limit_alone() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let set = ["load.idle_timeout=300ms".into(), "load.warmup_requests_per_client=0".into()];
    let (report, _) = record(folder.path(), &server.url("stalls"), &["--requests", "4"], &set);
    let (counted, kinds) = counts(&report);
    assert_eq!(counted, [0, 0, 4, 0]);
    assert_eq!(kinds[0]["outcome"], "timed_out_idle");
    // Tokens 150 ms apart, over longer than the limit in all: nobody is idle.
    let (report, _) = record(folder.path(), &server.url("paced"), &["--requests", "2"], &set);
    assert_eq!(counts(&report).0, [2, 0, 0, 0]);
}

#[test]
fn refusals_are_told_apart_with_the_words_of_the_first() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let set = ["load.warmup_requests_per_client=0".into()];
    let (report, _) = record(
        folder.path(),
        &server.url("by-turns"),
        &["--requests", "64", "--set", "load.clients=16"],
        &set,
    );
    let ([completed, failed, timed_out, _], kinds) = counts(&report);
    assert_eq!((completed, failed, timed_out), (16, 48, 0));
    let told: Vec<_> = kinds.iter().map(|k| (k["http_status"].as_u64(), k["requests"].as_u64())).collect();
    assert_eq!(told, [(Some(500), Some(16)), (Some(429), Some(16)), (Some(503), Some(16))]);
    assert!(kinds[1]["first"].as_str().unwrap().contains("slow down"), "{kinds:?}");
    let text = program(folder.path(), &["report", "run.jsonl.zst"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("failed_overload 429 16, first: HTTP 429"), "{text}");
}

#[test]
fn sixty_four_clients_and_mixed_faults_add_up_to_the_requests_sent() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let set =
        ["load.idle_timeout=300ms", "load.ttft_timeout=2s", "load.request_timeout=10s", "load.retries=1"]
            .map(String::from);
    let (report, took) =
        record(folder.path(), &server.url("mixed"), &["--requests", "512", "--set", "load.clients=64"], &set);
    let ([completed, failed, timed_out, _], kinds) = counts(&report);
    assert_eq!(completed + failed + timed_out, 512);
    let by_kind: u64 = kinds.iter().map(|kind| kind["requests"].as_u64().unwrap()).sum();
    assert_eq!(failed + timed_out, by_kind);
    assert!(kinds.len() >= 5 && completed > 50, "{kinds:?}");
    assert_eq!(report["recording"]["unfinished_requests"], 0);
    assert!(took.as_secs() < 60, "{took:?}");
}

#[test]
fn a_key_from_a_file_is_sent_and_never_shown() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), format!("{}\n", crate::server::KEY)).unwrap();
    let url = server.url("echoes-key");
    let set = "backend.api_key_file=key";
    let output = program(
        folder.path(),
        &["record", "--url", &url, "--set", set, "--requests", "3", "-o", "run.jsonl.zst"],
    );
    let recorded =
        zstd::decode_all(std::fs::File::open(folder.path().join("run.jsonl.zst")).unwrap()).unwrap();
    for bytes in [&output.stdout, &output.stderr, &recorded] {
        assert!(!String::from_utf8_lossy(bytes).contains(crate::server::KEY));
    }
    assert!(String::from_utf8_lossy(&recorded).contains("others can read the server's key"));
    assert!(server.seen.heads.lock().unwrap().iter().all(|head| head.contains(crate::server::KEY)));
}
