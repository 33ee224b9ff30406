//! What may come over one connection of HTTP/1.1, byte by byte as a server writes it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fastgen_tui::event::Outcome;

use super::{load, tell, tell_of};

const EVENTS: &str =
    "data: {\"choices\":[{\"text\":\" a\",\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n";
const MODELS: &str = "{\"data\":[{\"id\":\"m\"}]}";

/// A server that answers every POST with the same bytes, over connections that it keeps as the answer says.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
}

/// When it reads the body of a request.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    /// Before it answers.
    First,
    /// After the head of its answer.
    Amid,
    Never,
}

impl Server {
    fn start(answer: Vec<u8>, keeps: bool, reads: Reads) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::Relaxed);
                let answer = answer.clone();
                std::thread::spawn(move || drop(serve(socket, &answer, keeps, reads)));
            }
        });
        Self { port, connections }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }
}

fn serve(mut socket: TcpStream, answer: &[u8], keeps: bool, reads: Reads) -> std::io::Result<()> {
    let mut input = BufReader::new(socket.try_clone()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if input.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        if head.starts_with("GET") {
            let list = if head.contains("/models") { MODELS } else { "" };
            write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{list}", list.len())?;
            continue;
        }
        let length = head.to_ascii_lowercase();
        let length =
            length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        let head = answer.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |at| at + 4);
        match reads {
            Reads::First => input.read_exact(&mut body)?,
            Reads::Amid => {
                socket.write_all(&answer[..head])?;
                input.read_exact(&mut body)?;
            }
            Reads::Never => {
                socket.write_all(answer)?;
                // Long enough for the client to see the answer before the reset that unread bytes cause.
                std::thread::sleep(Duration::from_millis(300));
                return Ok(());
            }
        }
        socket.write_all(if reads == Reads::Amid { &answer[head..] } else { answer })?;
        if !keeps {
            return Ok(());
        }
    }
}

fn chunked(head: &str, chunks: &str) -> Vec<u8> {
    format!("{head}Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
        .into_bytes()
}

fn whole_chunk() -> String {
    format!("{:x}\r\n{EVENTS}\r\n0\r\n\r\n", EVENTS.len())
}

#[tokio::test]
async fn right_answers_are_understood_and_connections_kept_as_they_say() {
    const OK: &str = "HTTP/1.1 200 OK\r\n";
    let (first, rest) = EVENTS.split_at(9);
    let parts = format!(
        "{:X};ext=\"1\"\r\n{first}\r\n00{:x} \r\n{rest}\r\n0\r\nX-Sum: 1\r\n\r\n",
        first.len(),
        rest.len()
    );
    let sized = |head: &str, more: &str| {
        let kind = "Content-Type: text/event-stream";
        format!("{head}{kind}\r\nContent-Length: {}\r\n\r\n{EVENTS}{more}", EVENTS.len()).into_bytes()
    };
    for (what, answer, closes, connections) in [
        ("chunks", chunked(OK, &whole_chunk()), false, 1),
        ("chunks with extensions and a trailer", chunked(OK, &parts), false, 1),
        ("a length", sized(OK, ""), false, 1),
        (
            "early hints",
            chunked(&format!("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{OK}"), &whole_chunk()),
            false,
            1,
        ),
        ("HTTP/1.0", sized("HTTP/1.0 200 OK\r\n", ""), false, 3),
        ("HTTP/1.0 that stays", sized("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", ""), false, 1),
        ("no length", format!("{OK}Content-Type: text/event-stream\r\n\r\n{EVENTS}").into_bytes(), true, 3),
        ("bytes that nobody asked for", sized(OK, "HTTP/1.1 408 Request Timeout\r\n\r\n"), false, 3),
        ("a connection that closes", sized("HTTP/1.1 200 OK\r\nConnection: close\r\n", ""), false, 3),
    ] {
        let server = Server::start(answer, !closes, Reads::First);
        let backend = load(&server.url(), "");
        let before = server.connections.load(Ordering::Relaxed);
        for _ in 0..3 {
            let story = tell(&*backend, 1).await;
            assert_eq!(story.end.outcome, Outcome::Completed, "{what}: {:?}", story.end.error);
            assert_eq!((story.chunks.as_slice(), story.text.as_str()), (&[1][..], " a"), "{what}");
        }
        assert_eq!(server.connections.load(Ordering::Relaxed) - before, connections, "{what}");
    }
}

#[tokio::test]
async fn wrong_answers_are_told() {
    const OK: &str = "HTTP/1.1 200 OK\r\n";
    for (answer, why) in [
        (chunked(OK, "zz\r\n"), "breaks the rules of HTTP/1.1: a chunk's size is no hexadecimal number"),
        (chunked(OK, "2\r\nabcdef"), "breaks the rules of HTTP/1.1: a chunk is longer than it says"),
        (chunked(OK, "fffffffffffffffff\r\n"), "breaks the rules"),
        (format!("{OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\n").into_bytes(), "two of them differ"),
        (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80".to_vec(), "HTTP/2 only; set backend.http"),
        (b"\x15\x03\x01\0\x02\x02\x16".to_vec(), "does it want https://?"),
        (b"HTTP/1.1 2".to_vec(), "closed the connection before it answered"),
        (chunked(OK, "5\r\nda"), "closed the connection before the stream was whole"),
    ] {
        let said = String::from_utf8_lossy(&answer).into_owned();
        let server = Server::start(answer, false, Reads::First);
        let end = tell(&*load(&server.url(), ""), 2).await.end;
        let error = end.error.unwrap_or_default();
        assert_eq!(end.outcome, Outcome::FailedProtocol, "{said:?}: {error}");
        assert!(error.contains(why), "{said:?}: {error}");
    }
}

#[tokio::test]
async fn an_answer_before_all_is_sent_is_heard() {
    let body = "{\"error\":{\"message\":\"too long\"}}";
    let answer = format!("HTTP/1.1 413 Content Too Large\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let server = Server::start(answer.into_bytes(), true, Reads::Never);
    let backend = load(&server.url(), "");
    // More than both sides' kernels take in, so that the client is still writing.
    let text = "word ".repeat(4_000_000);
    let end = tell_of(&*backend, 1, Some(&text)).await.end;
    assert_eq!(end.outcome, Outcome::FailedHttp);
    assert_eq!(end.error.as_deref(), Some("HTTP 413 Payload Too Large: too long"));
}

#[tokio::test]
async fn a_server_may_begin_to_answer_before_it_has_read_all() {
    let server = Server::start(chunked("HTTP/1.1 200 OK\r\n", &whole_chunk()), true, Reads::Amid);
    let text = "word ".repeat(4_000_000);
    let story = tell_of(&*load(&server.url(), ""), 1, Some(&text)).await;
    assert_eq!(story.end.outcome, Outcome::Completed, "{:?}", story.end.error);
    assert_eq!(story.chunks, [1]);
}
