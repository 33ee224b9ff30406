//! A server that plays a recorded exchange from `tests/data/http`: what each project's documentation and sources say
//! that its server answers, and what it must be asked.
//!
//! A file has a part `>>> METHOD /path` for each endpoint: the body that must be sent (`*` stands for anything),
//! `<<<`, and the answer with its head. A GET has its answer only. `---` is where a chunk ends, `\0` a NUL, `!cut` where a
//! connection breaks off. What has no part is 404.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

/// One endpoint.
struct Part {
    method: String,
    path: String,
    wanted: Option<Value>,
    head: String,
    chunks: Vec<String>,
    cut: bool,
}

pub struct Replay {
    pub port: u16,
    /// Bodies that were not as the file says, and heads of all requests.
    pub wrong: Arc<Mutex<Vec<String>>>,
    pub heads: Arc<Mutex<Vec<String>>>,
}

impl Replay {
    pub fn start(name: &str) -> Self {
        let path = format!("{}/tests/data/http/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let parts: Arc<Vec<Part>> = Arc::new(text.split(">>> ").skip(1).map(part).collect());
        assert!(!parts.is_empty(), "{path}");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (wrong, heads) = (Arc::default(), Arc::default());
        let played = Self { port, wrong: Arc::clone(&wrong), heads: Arc::clone(&heads) };
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (parts, wrong, heads) = (parts.clone(), wrong.clone(), heads.clone());
                std::thread::spawn(move || drop(serve(socket, &parts, &wrong, &heads)));
            }
        });
        played
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

fn part(text: &str) -> Part {
    let (first, rest) = text.split_once('\n').unwrap();
    let (method, path) = first.split_once(' ').unwrap();
    let (wanted, answer) = match rest.split_once("<<<\n") {
        Some((wanted, answer)) => {
            let wanted = wanted.trim();
            (if wanted == "*" { None } else { Some(serde_json::from_str(wanted).unwrap()) }, answer)
        }
        None => (None, rest),
    };
    let (head, body) = answer.split_once("\n\n").unwrap();
    let cut = body.ends_with("!cut\n");
    let body = body.trim_end_matches("!cut\n").replace("\\0\n", "\0");
    let chunks = body.split("---\n").map(str::to_owned).collect();
    Part { method: method.into(), path: path.into(), wanted, head: head.replace('\n', "\r\n"), chunks, cut }
}

fn serve(
    socket: TcpStream,
    parts: &[Part],
    wrong: &Mutex<Vec<String>>,
    heads: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut out = socket.try_clone()?;
    let mut input = BufReader::new(socket);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if input.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let length = head.to_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length:").and_then(|n| n.trim().parse::<usize>().ok())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        input.read_exact(&mut body)?;
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let Some(part) = parts.iter().find(|part| part.method == method && part.path == path) else {
            out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        heads.lock().unwrap().push(head.clone());
        if let Some(wanted) = &part.wanted {
            let sent = serde_json::from_slice(&body).unwrap_or_default();
            if !fits(wanted, &sent) {
                wrong.lock().unwrap().push(format!("{path}: {sent}, not {wanted}"));
            }
        }
        answer(&mut out, part)?;
        if part.cut {
            return Ok(());
        }
    }
}

/// Whether a body is as wanted: the same keys, the same values, and any text for `"*"`.
fn fits(wanted: &Value, sent: &Value) -> bool {
    match (wanted, sent) {
        (Value::String(any), Value::String(_)) if any == "*" => true,
        (Value::Object(wanted), Value::Object(sent)) => {
            wanted.len() == sent.len()
                && wanted.iter().all(|(key, value)| sent.get(key).is_some_and(|sent| fits(value, sent)))
        }
        (Value::Array(wanted), Value::Array(sent)) => {
            wanted.len() == sent.len() && wanted.iter().zip(sent).all(|(wanted, sent)| fits(wanted, sent))
        }
        (wanted, sent) => wanted == sent,
    }
}

fn answer(out: &mut TcpStream, part: &Part) -> std::io::Result<()> {
    if !part.head.contains("Transfer-Encoding") {
        let body = part.chunks.concat();
        let body = body.trim_end();
        let length = if part.head.contains("Content-Length") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        return write!(out, "{}\r\n{length}\r\n{body}", part.head);
    }
    write!(out, "{}\r\n\r\n", part.head)?;
    for chunk in &part.chunks {
        write!(out, "{:x}\r\n{chunk}\r\n", chunk.len())?;
        std::thread::sleep(Duration::from_millis(5));
    }
    if part.cut { Ok(()) } else { out.write_all(b"0\r\n\r\n") }
}
