//! A server that behaves as its URL says: `http://HOST:PORT/SCENARIO/v1`. Answers are written by hand, byte by
//! byte, because what is tested are the ways in which servers get them wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const KEY: &str = "sk-very-secret";

/// What the server saw.
#[derive(Default)]
pub struct Seen {
    pub connections: AtomicUsize,
    /// Bodies of POST requests.
    pub bodies: Mutex<Vec<serde_json::Value>>,
    /// Heads of all requests.
    pub heads: Mutex<Vec<String>>,
    /// Connections that the client closed while a stream was on.
    pub hung_up: AtomicUsize,
    /// Questions for metrics.
    pub metrics: AtomicUsize,
    turns: AtomicUsize,
}

pub struct Server {
    pub port: u16,
    pub seen: Arc<Seen>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let shared = seen.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let seen = shared.clone();
                std::thread::spawn(move || drop(serve(socket, &seen)));
            }
        });
        Self { port, seen }
    }

    pub fn url(&self, scenario: &str) -> String {
        format!("http://127.0.0.1:{}/{scenario}/v1", self.port)
    }
}

/// A request: its path, its JSON body.
fn request(
    input: &mut BufReader<TcpStream>,
    seen: &Seen,
) -> std::io::Result<Option<(String, serde_json::Value)>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if input.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    input.read_exact(&mut body)?;
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.heads.lock().unwrap().push(head);
    Ok(Some((path, serde_json::from_slice(&body).unwrap_or_default())))
}

fn serve(socket: TcpStream, seen: &Seen) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut output = socket.try_clone()?;
    let mut input = BufReader::new(socket);
    while let Some((path, body)) = request(&mut input, seen)? {
        let scenario = path.split('/').nth(1).unwrap_or_default().to_owned();
        if path.ends_with("/metrics") {
            if metrics(&mut output, &scenario, seen)? {
                continue;
            }
            return Ok(());
        }
        if path.ends_with("/models") {
            models(&mut output, &scenario)?;
            continue;
        }
        // What kind of server this is can't be found out but by the list of models.
        if body.is_null() {
            output.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        }
        seen.bodies.lock().unwrap().push(body.clone());
        let (scenario, slow) = match scenario.strip_prefix("slow-") {
            Some(rest) => (rest, true),
            None => (scenario.as_str(), false),
        };
        let mut out = Out { socket: &mut output, slow };
        let tokens = body["max_tokens"].as_u64().unwrap_or(1);
        let scenario = by_turns(scenario, seen);
        if !play(scenario, tokens, &mut out, seen)? {
            return Ok(());
        }
    }
    Ok(())
}

/// The engine's figures, as the scenario has them; `false` ends the connection.
fn metrics(out: &mut TcpStream, scenario: &str, seen: &Seen) -> std::io::Result<bool> {
    let asked = seen.metrics.fetch_add(1, Ordering::Relaxed);
    let body = match scenario {
        "hanging" => {
            out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n# HELP")?;
            std::thread::sleep(Duration::from_secs(30));
            return Ok(false);
        }
        "garbage" => "\u{1b}[2J<html>no metrics here</html>\0\0{{{{\nx{a=\"\n".to_owned(),
        "absent" => {
            out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(true);
        }
        _ => format!(
            "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{{engine=\"0\"}} 3.0\n\
             vllm:num_requests_running{{engine=\"1\"}} 4.0\nvllm:num_requests_waiting{{engine=\"0\"}} 2.0\n\
             vllm:kv_cache_usage_perc{{engine=\"0\"}} 0.5\nvllm:generation_tokens_total{{engine=\"0\"}} {}\n",
            asked * 100
        ),
    };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    out.write_all((head + &body).as_bytes())?;
    Ok(true)
}

/// Scenarios that are another one at each request.
fn by_turns<'a>(scenario: &'a str, seen: &Seen) -> &'a str {
    const MIXED: [&str; 12] = [
        "plain",
        "busy",
        "cut",
        "plain",
        "closes",
        "stalls",
        "full",
        "plain",
        "error-inside",
        "empty",
        "broken",
        "no-http",
    ];
    let turn = |n: usize| seen.turns.fetch_add(1, Ordering::Relaxed) % n;
    match scenario {
        "every-other-busy" => ["busy-now", "plain"][turn(2)],
        "by-turns" => ["plain", "busy", "full", "broken"][turn(4)],
        "mixed" => MIXED[turn(MIXED.len())],
        // Two answers of one kind, then the other.
        "ones-then-threes-vllm" => ["ones-vllm", "ones-vllm", "threes-vllm"][turn(usize::MAX).min(2)],
        other => other,
    }
}

fn models(out: &mut TcpStream, scenario: &str) -> std::io::Result<()> {
    let owner = if scenario.ends_with("vllm") { "vllm" } else { "nobody" };
    let list = format!(
        "{{\"object\":\"list\",\"data\":[{{\"id\":\"m\",\"owned_by\":\"{owner}\"}},{{\"id\":\"n\"}}]}}"
    );
    match scenario {
        "no-models" => out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        "locked" => {
            let body = format!("{{\"error\":{{\"message\":\"Incorrect API key provided: {KEY}\"}}}}");
            write!(out, "HTTP/1.1 401 Unauthorized\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        }
        "page" => {
            out.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 8\r\n\r\n<p>hi<p>")
        }
        _ => write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{list}", list.len()),
    }
}

/// Writes at once, or a few bytes at a time.
struct Out<'a> {
    socket: &'a mut TcpStream,
    slow: bool,
}

impl Out<'_> {
    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if !self.slow {
            return self.socket.write_all(bytes);
        }
        for piece in bytes.chunks(13) {
            self.socket.write_all(piece)?;
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok(())
    }

    fn head(&mut self, kind: &str) -> std::io::Result<()> {
        self.put(
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n")
                .as_bytes(),
        )
    }

    fn chunk(&mut self, data: &str) -> std::io::Result<()> {
        self.put(format!("{:x}\r\n{data}\r\n", data.len()).as_bytes())
    }

    fn last(&mut self) -> std::io::Result<()> {
        self.put(b"0\r\n\r\n")
    }
}

fn token(n: u64) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"text\":\" w{n}\",\"finish_reason\":null}}]}}\n\n")
}

const END: &str = "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const SSE: &str = "text/event-stream; charset=utf-8";

fn usage(tokens: u64) -> String {
    format!("data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":77,\"completion_tokens\":{tokens}}}}}\n\n")
}

/// Events of so many tokens, with counts in each if that was asked for.
fn counted(tokens: u64, in_each: u64, out: &mut Out<'_>, seen: &Seen) -> std::io::Result<()> {
    let asked = seen.bodies.lock().unwrap().last().cloned().unwrap_or_default();
    let counts = asked["stream_options"]["continuous_usage_stats"] == true;
    out.head(SSE)?;
    for so_far in (in_each..=tokens).step_by(in_each as usize) {
        let words = " w".repeat(in_each as usize);
        let usage = format!(",\"usage\":{{\"prompt_tokens\":77,\"completion_tokens\":{so_far}}}");
        let usage = if counts { usage } else { String::new() };
        out.chunk(&format!("data: {{\"choices\":[{{\"text\":\"{words}\"}}]{usage}}}\n\n"))?;
    }
    out.chunk(&usage(tokens))?;
    out.chunk(DONE)?;
    out.last()
}

/// A token every 150 ms.
fn paced(tokens: u64, out: &mut Out<'_>) -> std::io::Result<()> {
    out.head(SSE)?;
    for n in 0..tokens {
        std::thread::sleep(Duration::from_millis(150));
        out.chunk(&token(n))?;
    }
    out.chunk(&(END.to_owned() + DONE))?;
    out.last()
}

/// Plays a scenario; whether the connection lives on.
fn play(scenario: &str, tokens: u64, out: &mut Out<'_>, seen: &Seen) -> std::io::Result<bool> {
    match scenario {
        "plain" | "vllm" => {
            out.head(SSE)?;
            for n in 0..tokens {
                out.chunk(&token(n))?;
            }
            out.chunk(END)?;
            out.chunk(&usage(tokens))?;
            out.chunk(DONE)?;
            out.last()?;
        }
        "habits" => {
            out.head(SSE)?;
            out.chunk(": hello\r\n\r\ndata:{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\n")?;
            std::thread::sleep(Duration::from_millis(30));
            let all: String = (0..tokens).map(token).collect();
            out.chunk(&all.replace('\n', "\r\n"))?;
            out.chunk(&(END.to_owned() + DONE))?;
            out.last()?;
        }
        "ones-vllm" => counted(tokens, 1, out, seen)?,
        "threes-vllm" => counted(tokens, 3, out, seen)?,
        "paced" => paced(tokens.min(5), out)?,
        "no-done" => {
            out.head(SSE)?;
            (0..tokens).try_for_each(|n| out.chunk(&token(n)))?;
            out.last()?;
        }
        "late-rest" => {
            out.head(SSE)?;
            (0..tokens).try_for_each(|n| out.chunk(&token(n)))?;
            out.chunk(&(END.to_owned() + DONE))?;
            std::thread::sleep(Duration::from_millis(20));
            out.last()?;
        }
        "until-close" => {
            out.put(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")?;
            (0..tokens).try_for_each(|n| out.put(token(n).as_bytes()))?;
            out.put((END.to_owned() + DONE).as_bytes())?;
            return Ok(false);
        }
        "whole" => {
            let body = format!(
                "{{\"choices\":[{{\"message\":{{\"content\":\"all of it\"}},\"finish_reason\":\"length\"}}],\
                 \"usage\":{{\"prompt_tokens\":77,\"completion_tokens\":{tokens}}}}}"
            );
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            out.put((head + &body).as_bytes())?;
        }
        other => return wrong(other, out, seen),
    }
    Ok(true)
}

fn status(out: &mut Out<'_>, line: &str, headers: &str, body: &str) -> std::io::Result<bool> {
    let head = format!("HTTP/1.1 {line}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    out.put((head + body).as_bytes())?;
    Ok(true)
}

/// Servers that are at fault.
fn wrong(scenario: &str, out: &mut Out<'_>, seen: &Seen) -> std::io::Result<bool> {
    match scenario {
        "cut" => {
            out.head(SSE)?;
            out.chunk(&token(0))?;
            out.put(b"40\r\ndata: {\"cho")?;
        }
        "closes" => {}
        "stalls" => {
            out.head(SSE)?;
            out.chunk(&token(0))?;
            let mut nothing = [0; 1];
            let gone = matches!(out.socket.read(&mut nothing), Ok(0) | Err(_));
            seen.hung_up.fetch_add(usize::from(gone), Ordering::Relaxed);
        }
        "error-inside" => {
            out.head(SSE)?;
            out.chunk(&token(0))?;
            out.chunk("data: {\"error\":{\"message\":\"out\\u001b[31m of memory\"}}\n\n")?;
            out.last()?;
            return Ok(true);
        }
        "malformed" => {
            out.head(SSE)?;
            out.chunk("data: {\"choices\":oops}\n\n")?;
        }
        "no-http" => out.put(b"SSH-2.0-OpenSSH_9.9\r\n")?,
        "endless-head" => {
            out.put(b"HTTP/1.1 200 OK\r\nX: ")?;
            (0..200).try_for_each(|_| out.put(&[b'x'; 1024]))?;
        }
        "endless-line" => {
            out.head(SSE)?;
            let line = "x".repeat(1 << 16);
            (0..400).try_for_each(|_| out.chunk(&line))?;
        }
        "huge-chunk" => {
            out.head(SSE)?;
            out.put(b"6400000\r\ndata: ")?;
            (0..6400).try_for_each(|_| out.put(&[b'y'; 1 << 14]))?;
        }
        "empty" => {
            out.head(SSE)?;
            out.last()?;
            return Ok(true);
        }
        other => return refusal(other, out),
    }
    Ok(false)
}

/// Answers that are no 200, or no stream.
fn refusal(scenario: &str, out: &mut Out<'_>) -> std::io::Result<bool> {
    match scenario {
        "busy-now" => status(out, "429 Too Many Requests", "Retry-After: 0\r\n", ""),
        "busy" => status(
            out,
            "429 Too Many Requests",
            "Retry-After: 7\r\n",
            "{\"error\":{\"message\":\"slow down\"}}",
        ),
        "full" => status(out, "503 Service Unavailable", "", ""),
        "broken" => status(out, "500 Internal Server Error", "", "<html>\x1b[2J<h1>Oh no</h1></html>"),
        "echoes-key" => status(out, "400 Bad Request", "", &format!("what is {KEY}?")),
        "redirects" => status(out, "307 Temporary Redirect", "Location: http://elsewhere/v1\r\n", ""),
        "picture" => status(out, "200 OK", "Content-Type: image/png\r\n", "PNG"),
        "busy-for-long" => status(out, "429 Too Many Requests", "Retry-After: 3600\r\n", ""),
        "web-page" => status(out, "200 OK", "Content-Type: text/html\r\n", "<h1>Welcome</h1>"),
        other => panic!("no scenario {other}"),
    }
}
