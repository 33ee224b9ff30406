//! Servers that speak HTTP/2, with TLS and without, rightly and wrongly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fastgen_tui::event::Outcome;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::server::Server;
use crate::tls::{Shown, certificate};
use crate::{load, tell, try_load_apart};

/// What the server saw.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    most_streams: AtomicUsize,
    streams: AtomicUsize,
    cancelled: AtomicUsize,
}

struct Two {
    port: u16,
    seen: Arc<Seen>,
}

impl Two {
    /// `streams`: most on a connection; `tls`: the certificate it shows.
    fn start(streams: u32, tls: Option<&Shown>) -> Self {
        let acceptor = tls.map(|shown| TlsAcceptor::from(shown.config.clone()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let seen = Arc::new(Seen::default());
        let shared = seen.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((socket, _)) = listener.accept().await {
                    socket.set_nodelay(true).unwrap();
                    shared.connections.fetch_add(1, Ordering::Relaxed);
                    let (seen, acceptor) = (shared.clone(), acceptor.clone());
                    tokio::spawn(async move {
                        match acceptor {
                            None => serve(socket, streams, seen).await,
                            Some(acceptor) => {
                                if let Ok(socket) = acceptor.accept(socket).await {
                                    serve(socket, streams, seen).await;
                                }
                            }
                        }
                    });
                }
            });
        });
        Self { port, seen }
    }

    fn url(&self, scenario: &str) -> String {
        format!("http://localhost:{}/{scenario}/v1", self.port)
    }
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin, streams: u32, seen: Arc<Seen>) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(streams);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else { return };
    let mut answered = 0;
    while let Some(Ok((request, respond))) = connection.accept().await {
        let ends = request.uri().path().starts_with("/goes-away") && request.method() == "POST";
        tokio::spawn(answer(request, respond, seen.clone()));
        answered += usize::from(ends);
        if answered == 3 {
            connection.graceful_shutdown();
        }
    }
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, seen: Arc<Seen>) {
    let now = seen.streams.fetch_add(1, Ordering::Relaxed) + 1;
    seen.most_streams.fetch_max(now, Ordering::Relaxed);
    let path = request.uri().path().to_owned();
    let scenario = path.split('/').nth(1).unwrap_or_default();
    let _ = play(scenario, &path, request, &mut respond, &seen).await;
    seen.streams.fetch_sub(1, Ordering::Relaxed);
}

async fn play(
    scenario: &str,
    path: &str,
    request: Request<RecvStream>,
    respond: &mut SendResponse<Bytes>,
    seen: &Seen,
) -> Result<(), h2::Error> {
    if path.ends_with("/models") {
        let head = Response::builder().header("content-type", "application/json").body(()).unwrap();
        respond
            .send_response(head, false)?
            .send_data(Bytes::from_static(b"{\"data\":[{\"id\":\"m\"}]}"), true)?;
        return Ok(());
    }
    let mut body = request.into_body();
    let mut asked = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        asked.extend_from_slice(&data);
    }
    let asked: serde_json::Value = serde_json::from_slice(&asked).unwrap();
    let tokens = asked["max_tokens"].as_u64().unwrap();
    match scenario {
        "resets" => {
            respond.send_reset(Reason::ENHANCE_YOUR_CALM);
            return Ok(());
        }
        "busy" => {
            let head = Response::builder().status(429).header("retry-after", "3").body(()).unwrap();
            respond.send_response(head, false)?.send_data(Bytes::from_static(b"slow down"), true)?;
            return Ok(());
        }
        _ => {}
    }
    let head = Response::builder().header("content-type", "text/event-stream").body(()).unwrap();
    let mut out = respond.send_response(head, false)?;
    for n in 0..tokens {
        if scenario == "paced" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let token =
            format!("data: {{\"choices\":[{{\"index\":0,\"text\":\" w{n}\",\"finish_reason\":null}}]}}\n\n");
        out.send_data(token.into(), false)?;
        // A frame without data; `h2` puts up with 100 of them on a connection.
        if n == 0 {
            out.send_data(Bytes::new(), false)?;
        }
        if scenario == "breaks" {
            tokio::time::sleep(Duration::from_millis(10)).await;
            out.send_reset(Reason::INTERNAL_ERROR);
            return Ok(());
        }
        if scenario == "stalls" {
            let gone = std::future::poll_fn(|cx| out.poll_reset(cx)).await;
            seen.cancelled
                .fetch_add(usize::from(gone.is_ok_and(|why| why == Reason::CANCEL)), Ordering::Relaxed);
            return Ok(());
        }
    }
    out.send_data(Bytes::from_static(b"data: [DONE]\n\n"), true)
}

#[tokio::test]
async fn streams_share_connections_and_are_exact() {
    let shown = certificate("localhost", 2090, b"h2");
    for tls in [None, Some(&shown)] {
        for (room, more, connections) in [
            (100, "", 1),
            // 16 at once on connections of 4: three more are made.
            (4, "", 4),
            (4, "connections = 2", 2),
            (100, "connections = 3", 3),
            (100, "connection = \"per-request\"", 32),
        ] {
            let server = Two::start(room, tls);
            let url = server.url("paced");
            let url = if tls.is_some() { url.replace("http:", "https:") } else { url };
            let backend = load(&url, &format!("http = \"2\"\ntls_verify = false\n{more}"));
            let before = server.seen.connections.load(Ordering::Relaxed);
            let mut clients = tokio::task::JoinSet::new();
            for _ in 0..16 {
                let backend = backend.clone();
                clients.spawn(async move {
                    for _ in 0..2 {
                        let story = tell(&*backend, 5).await;
                        assert_eq!(story.end.outcome, Outcome::Completed, "{:?}", story.end.error);
                        assert_eq!((story.chunks.len(), story.end.output_tokens), (5, 5));
                        // On a busy machine two may be read at once, but not all.
                        let apart = story.at_ns.is_sorted() && story.at_ns[0] < story.at_ns[4];
                        assert!(apart, "each has its own time: {:?}", story.at_ns);
                    }
                });
            }
            clients.join_all().await;
            let made = server.seen.connections.load(Ordering::Relaxed) - before;
            assert_eq!(made, connections, "room {room}, {more}, TLS {}", tls.is_some());
        }
    }
}

#[tokio::test]
async fn faults_of_http_2_are_one_outcome_and_one_line() {
    let server = Two::start(100, None);
    for (scenario, outcome, tokens, words) in [
        ("resets", Outcome::FailedProtocol, 0, "reset the stream before it answered"),
        ("breaks", Outcome::FailedProtocol, 1, "reset the stream before the stream was whole"),
        ("busy", Outcome::FailedOverload, 0, "HTTP 429 Too Many Requests (Retry-After: 3): slow down"),
        ("plain", Outcome::Completed, 3, ""),
    ] {
        let backend = load(&server.url(scenario), "http = \"2\"");
        for _ in 0..3 {
            let story = tell(&*backend, 3).await;
            let error = story.end.error.as_deref().unwrap_or_default();
            assert_eq!((story.end.outcome, story.chunks.len()), (outcome, tokens), "{scenario}: {error}");
            assert!(error.contains(words), "{scenario}: {error}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_the_server_ends_is_replaced() {
    let server = Two::start(100, None);
    let backend = load(&server.url("goes-away"), "http = \"2\"");
    for turn in 0..20 {
        let end = tell(&*backend, 2).await.end;
        assert_eq!(end.outcome, Outcome::Completed, "turn {turn}: {:?}", end.error);
    }
    assert!(server.seen.connections.load(Ordering::Relaxed) > 3);
}

#[tokio::test]
async fn a_dropped_stream_is_cancelled_at_the_server_and_the_others_live_on() {
    let server = Two::start(100, None);
    let backend = load(&server.url("stalls"), "http = \"2\"");
    let mut held: Vec<_> = (0..8).map(|_| backend.generate(crate::ask(9))).collect();
    for generation in &mut held {
        generation.next().await;
    }
    held.truncate(3);
    for _ in 0..200 {
        if server.seen.cancelled.load(Ordering::Relaxed) == 5 {
            let next = tokio::time::timeout(Duration::from_millis(20), held[0].next()).await;
            assert!(next.is_err(), "it is still there: {next:?}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} of 5 saw it", server.seen.cancelled.load(Ordering::Relaxed));
}

#[test]
fn a_server_of_http_1_is_told_from_one_of_http_2() {
    let server = Server::start();
    for (url, more, words) in [
        (server.url("plain"), "http = \"2\"", "leave backend.http out to speak HTTP/1.1"),
        (Two::start(9, None).url("plain"), "", "no server to measure"),
    ] {
        let said = try_load_apart(&url, &format!("{more}\n[load]\nconnect_timeout = \"3s\""));
        assert!(said.contains(words), "{said}");
    }
}
