//! The client for servers over HTTP, against servers that do it right and servers that don't: every request ends
//! with exactly one outcome, and what went wrong is a line that says so.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod connect;
mod dialects;
mod metrics;
mod program;
mod replay;
mod server;
mod tls;
mod two;
mod wire;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastgen_tui::backend::{Backend, BackendError, End, GenerateRequest, Item, Progress};
use fastgen_tui::clock::Clock;
use fastgen_tui::event::{CountedBy, Outcome};
use fastgen_tui::profile::Profile;

use server::Server;

struct Quiet;

impl Progress for Quiet {
    fn step(&self, _: &str, _: Option<f32>) {}
}

fn try_load(url: &str, more: &str) -> Result<Arc<dyn Backend>, BackendError> {
    // Questions for metrics would be among the connections that are counted.
    let quiet = if more.contains("metrics_url") { "" } else { "metrics_url = \"\"\n" };
    let profile: Profile = toml::from_str(&format!(
        "profile = {{ name = \"t\" }}\n[backend]\nkind = \"openai\"\nurls = [\"{url}\"]\n{quiet}{more}"
    ))
    .unwrap();
    let progress: Arc<dyn Progress> = Arc::new(Quiet);
    fastgen_tui::backend::load(&profile, Clock::start(), &progress)
}

/// Loads on a thread of its own, as a run does: loading blocks.
fn load(url: &str, more: &str) -> Arc<dyn Backend> {
    let (url, more) = (url.to_owned(), more.to_owned());
    std::thread::spawn(move || try_load(&url, &more)).join().unwrap().unwrap()
}

fn ask(max_tokens: u32) -> GenerateRequest {
    ask_of(0, max_tokens)
}

fn ask_of(client: u32, max_tokens: u32) -> GenerateRequest {
    GenerateRequest {
        request: 0,
        client,
        prompt: vec![11, 12, 13].into(),
        max_tokens,
        ignore_eos: true,
        text: None,
    }
}

/// A request's chunks, their times, its text and its end.
struct Story {
    chunks: Vec<u32>,
    at_ns: Vec<u64>,
    text: String,
    end: End,
}

async fn tell(backend: &dyn Backend, max_tokens: u32) -> Story {
    tell_of(backend, max_tokens, None).await
}

async fn tell_of(backend: &dyn Backend, max_tokens: u32, text: Option<&str>) -> Story {
    let mut generation = backend.generate(GenerateRequest { text: text.map(Into::into), ..ask(max_tokens) });
    let (mut chunks, mut at_ns) = (Vec::new(), Vec::new());
    loop {
        match tokio::time::timeout(Duration::from_secs(20), generation.next()).await.expect("it hangs") {
            Item::Chunk { at_ns: at, tokens, .. } => {
                chunks.push(tokens);
                at_ns.push(at.expect("read times are known"));
            }
            Item::Prefill { .. } => panic!("nobody can tell"),
            Item::End(end) => return Story { chunks, at_ns, text: generation.take_text(), end },
        }
    }
}

#[tokio::test]
async fn right_streams_of_every_habit_are_exact() {
    let server = Server::start();
    for (scenario, chunks, counted_by) in [
        ("plain", 5, CountedBy::Usage),
        ("habits", 5, CountedBy::Chunks),
        ("no-done", 5, CountedBy::Chunks),
        ("late-rest", 5, CountedBy::Chunks),
        ("until-close", 5, CountedBy::Chunks),
        ("whole", 0, CountedBy::Usage),
    ] {
        for scenario in [scenario.to_owned(), format!("slow-{scenario}")] {
            let backend = load(&server.url(&scenario), "");
            for _ in 0..3 {
                let story = tell(&*backend, 5).await;
                assert_eq!(story.end.outcome, Outcome::Completed, "{scenario}: {:?}", story.end.error);
                assert_eq!((story.chunks.len(), story.end.output_tokens), (chunks, 5), "{scenario}");
                assert_eq!(story.end.counted_by, counted_by, "{scenario}");
                assert!(!story.text.is_empty(), "{scenario}");
                assert!(
                    story.at_ns.is_sorted() && story.at_ns.first() != Some(&0),
                    "{scenario}: {:?}",
                    story.at_ns
                );
            }
        }
    }
}

#[tokio::test]
async fn a_role_is_no_token_and_tokens_of_one_read_share_its_time() {
    let server = Server::start();
    let backend = load(&server.url("habits"), "endpoint = \"chat\"");
    let clock = Clock::start();
    let story = tell(&*backend, 4).await;
    assert!(clock.now_ns() >= 30_000_000, "the role came 30 ms before the first token");
    assert_eq!(story.chunks, [1; 4]);
    assert_eq!(story.at_ns, [story.at_ns[0]; 4]);
}

#[tokio::test]
async fn connections_are_kept_and_counts_of_the_server_are_told() {
    let server = Server::start();
    for scenario in ["plain", "late-rest"] {
        let before = server.seen.connections.load(Ordering::Relaxed);
        let backend = load(&server.url(scenario), "");
        for _ in 0..20 {
            let end = tell(&*backend, 3).await.end;
            assert_eq!(end.outcome, Outcome::Completed);
            if scenario == "plain" {
                assert_eq!(end.prompt_tokens, Some(77));
            }
            // The end of a body may come behind `[DONE]`, and on a busy machine far behind.
            tokio::time::sleep(Duration::from_millis(if scenario == "plain" { 5 } else { 30 })).await;
        }
        let made = server.seen.connections.load(Ordering::Relaxed) - before;
        assert!(made <= 4, "{scenario}: {made} connections");
    }
}

#[tokio::test]
async fn what_is_asked_fits_the_server() {
    let server = Server::start();
    let last = || server.seen.bodies.lock().unwrap().pop().unwrap();
    tell(&*load(&server.url("vllm"), ""), 3).await;
    let body = last();
    assert_eq!(body["prompt"], serde_json::json!([11, 12, 13]));
    assert_eq!(
        (&body["ignore_eos"], &body["min_tokens"], &body["model"]),
        (&true.into(), &3.into(), &"m".into())
    );
    let more =
        "model = \"n\"\nprompt_as = \"text\"\nheaders = { X-Team = \"blue\" }\nbody = { top_p = 0.5 }\n";
    tell(&*load(&server.url("plain"), more), 3).await;
    let body = last();
    assert!(body["prompt"].is_string() && body.get("ignore_eos").is_none(), "{body}");
    assert_eq!((&body["top_p"], &body["model"]), (&0.5.into(), &"n".into()));
    assert!(server.seen.heads.lock().unwrap().last().unwrap().to_lowercase().contains("x-team: blue"));
}

#[tokio::test]
async fn counts_in_each_event_are_asked_for_as_long_as_they_are_needed() {
    let server = Server::start();
    for (scenario, more, asked, chunks) in [
        ("ones-vllm", "", [true, false, false, false], [6, 6, 6, 6]),
        ("threes-vllm", "", [true; 4], [2; 4]),
        // The third answer gives it away that it holds more; from the fourth on each event tells.
        ("ones-then-threes-vllm", "", [true, false, false, true], [6, 6, 2, 2]),
        ("ones-vllm", "usage = \"each\"", [true; 4], [6; 4]),
        ("threes-vllm", "usage = \"end\"", [false; 4], [2; 4]),
        ("ones-vllm", "body = { stream_options = { include_usage = true } }", [false; 4], [6; 4]),
        // A server that is not known to count in each event isn't asked to.
        ("plain", "", [false; 4], [6; 4]),
    ] {
        let backend = load(&server.url(scenario), more);
        for (asked, chunks) in asked.into_iter().zip(chunks) {
            let story = tell(&*backend, 6).await;
            let body = server.seen.bodies.lock().unwrap().pop().unwrap();
            let in_each = body["stream_options"]["continuous_usage_stats"] == true;
            assert_eq!(in_each, asked, "{scenario} {more}: {body}");
            assert_eq!(body["stream_options"]["include_usage"], true);
            assert_eq!(story.chunks.len(), chunks, "{scenario} {more}");
            assert_eq!((story.end.output_tokens, story.end.counted_by), (6, CountedBy::Usage), "{scenario}");
            let all: u32 = story.chunks.iter().sum();
            assert_eq!(all == 6, asked || chunks == 6, "{scenario} {more}: {:?}", story.chunks);
        }
    }
    let backend = load(&server.url("ones-vllm"), "");
    tell(&*backend, 1).await;
    let body = server.seen.bodies.lock().unwrap().pop().unwrap();
    let none = serde_json::json!({ "include_usage": true });
    assert_eq!(body["stream_options"], none, "a single token needs no count of its own");
}

/// Scenario, outcome, tokens, words of the message.
const FAULTS: [(&str, Outcome, u32, &str); 17] = [
    ("cut", Outcome::FailedProtocol, 1, "closed the connection before the stream was whole"),
    ("closes", Outcome::FailedProtocol, 0, "closed the connection before it answered"),
    ("error-inside", Outcome::FailedEngine, 1, "broke off: out [31m of memory"),
    ("malformed", Outcome::FailedProtocol, 0, "no JSON object: {\"choices\":oops}"),
    ("busy", Outcome::FailedOverload, 0, "HTTP 429 Too Many Requests (Retry-After: 7): slow down"),
    ("full", Outcome::FailedOverload, 0, "HTTP 503"),
    ("broken", Outcome::FailedHttp, 0, "HTTP 500 Internal Server Error: [2J Oh no"),
    ("echoes-key", Outcome::FailedHttp, 0, "what is ***?"),
    ("redirects", Outcome::FailedHttp, 0, "redirects to http://elsewhere/v1"),
    ("web-page", Outcome::FailedProtocol, 0, "web page; is the URL right? It says: Welcome"),
    ("picture", Outcome::FailedProtocol, 0, "answers with image/png, which is no event stream"),
    ("no-http", Outcome::FailedProtocol, 0, "does not speak HTTP/1.1"),
    ("endless-head", Outcome::FailedProtocol, 0, "head is too long"),
    ("endless-line", Outcome::FailedProtocol, 0, "longer than 4 MiB"),
    ("huge-chunk", Outcome::FailedProtocol, 0, "longer than 4 MiB"),
    ("empty", Outcome::FailedProtocol, 0, "without a token"),
    ("plain", Outcome::Completed, 3, ""),
];

/// The key is known to the program's own tests only; here its scenario is looked at for its status.
fn assert_fault(story: &Story, (scenario, outcome, tokens, words): (&str, Outcome, u32, &str)) {
    let error = story.end.error.as_deref().unwrap_or_default();
    assert_eq!(story.end.outcome, outcome, "{scenario}: {error}");
    assert_eq!(story.chunks.iter().sum::<u32>(), tokens, "{scenario}");
    let redacted = words.contains("***");
    assert!(redacted || error.contains(words), "{scenario}: {error}");
    assert!(error.len() < 600 && !error.chars().any(char::is_control), "{scenario}: {error:?}");
}

#[tokio::test]
async fn every_fault_is_one_outcome_and_one_line() {
    let server = Server::start();
    for fault in FAULTS {
        for slow in ["", "slow-"] {
            let large = ["endless-line", "huge-chunk", "endless-head"].contains(&fault.0);
            if large && !slow.is_empty() {
                continue;
            }
            let backend = load(&server.url(&format!("{slow}{}", fault.0)), "");
            assert_fault(&tell(&*backend, 3).await, fault);
        }
    }
}

#[tokio::test]
async fn sixty_four_clients_and_all_faults_at_once() {
    let server = Server::start();
    let backends: Vec<_> = FAULTS.iter().map(|fault| load(&server.url(fault.0), "")).collect();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..64 {
        let backends = backends.clone();
        clients.spawn(async move {
            for turn in 0..8 {
                let which = (client * 5 + turn) % FAULTS.len();
                assert_fault(&tell(&*backends[which], 3).await, FAULTS[which]);
            }
            8
        });
    }
    assert_eq!(clients.join_all().await.into_iter().sum::<u32>(), 64 * 8);
}

#[tokio::test]
async fn a_dropped_request_closes_its_connection() {
    let server = Server::start();
    let backend = load(&server.url("stalls"), "");
    let mut held: Vec<_> = (0..8).map(|_| backend.generate(ask(9))).collect();
    for generation in &mut held {
        assert!(matches!(generation.next().await, Item::Chunk { .. }));
        let next = tokio::time::timeout(Duration::from_millis(5), generation.next()).await;
        assert!(next.is_err(), "it stalls: {next:?}");
    }
    drop(held);
    for _ in 0..200 {
        if server.seen.hung_up.load(Ordering::Relaxed) == 8 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} of 8 saw it", server.seen.hung_up.load(Ordering::Relaxed));
}

#[tokio::test]
async fn nobody_there_is_a_refused_connection() {
    let server = Server::start();
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let said = try_load_apart(&format!("http://127.0.0.1:{gone}/v1"), "");
    assert!(said.contains("no server to measure") && said.contains("no connection to"), "{said}");
    for (scenario, more, words) in [
        ("plain", "model = \"llama\"", "has no model \"llama\" (backend.model); it has m, n"),
        ("no-models", "", "GET /no-models/v1/models: HTTP 404"),
        // The server's own list is where lists usually are.
        ("no-models", "", "/v1: give that URL"),
        ("locked", "", "refuses the key (HTTP 401)"),
        ("page", "", "is no OpenAI-compatible server"),
        (
            "plain",
            "api_key_env = \"FASTGEN_TEST_NO_SUCH\"",
            "the environment variable FASTGEN_TEST_NO_SUCH is not set",
        ),
    ] {
        let said = try_load_apart(&server.url(scenario), more);
        assert!(said.contains(words), "{scenario}: {said}");
    }
}

fn try_load_apart(url: &str, more: &str) -> String {
    let (url, more) = (url.to_owned(), more.to_owned());
    let tried = std::thread::spawn(move || try_load(&url, &more).map(|_| ())).join().unwrap();
    tried.unwrap_err().to_string()
}

#[tokio::test]
async fn a_server_that_is_stuck_gets_nothing_more_while_another_is_free() {
    let servers = [Server::start(), Server::start()];
    let asked = || servers.each_ref().map(|server| server.seen.bodies.lock().unwrap().len());
    let backend = load(&format!("{}\", \"{}", servers[0].url("stalls"), servers[1].url("plain")), "");
    let mut stuck = backend.generate(ask(2));
    assert!(matches!(stuck.next().await, Item::Chunk { .. }));
    for _ in 0..10 {
        assert_eq!(tell(&*backend, 2).await.end.outcome, Outcome::Completed);
    }
    assert_eq!(asked(), [1, 10]);
    drop(stuck);
    assert_eq!(tell(&*backend, 2).await.end.outcome, Outcome::Completed);
    let mut again = backend.generate(ask(2));
    assert!(matches!(again.next().await, Item::Chunk { .. }));
    assert_eq!(asked(), [2, 11], "of equals the next in turn");
}
