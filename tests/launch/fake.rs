//! A server that a run can start: this test program once more, told by its environment how to behave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How it behaves: words, some with a number behind `=`.
pub const HABITS: &str = "FAKE_HABITS";
/// The file that gets the process ids of everything that is started, a line each.
pub const PIDS: &str = "pids";

struct Habits(String);

impl Habits {
    fn has(&self, word: &str) -> bool {
        self.0.split(' ').any(|w| w == word)
    }

    fn number(&self, word: &str) -> Option<u64> {
        self.0.split(' ').find_map(|w| w.strip_prefix(word)?.strip_prefix('=')?.parse().ok())
    }
}

/// Serves until it is ended, if this process was started to.
#[test]
#[ignore = "a server for the other tests, which start it themselves"]
fn serve() {
    let Ok(habits) = std::env::var(HABITS) else { return };
    let habits = Habits(habits);
    note_pid(std::process::id());
    if habits.has("stubborn") {
        let heard = Arc::new(std::sync::atomic::AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGTERM, heard).unwrap();
    }
    if habits.has("family") {
        use std::os::unix::process::CommandExt as _;
        let sleep = || {
            let mut command = Command::new("sleep");
            command.arg("600").stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        note_pid(sleep().spawn().unwrap().id());
        // Not in the server's group any more.
        note_pid(sleep().process_group(0).spawn().unwrap().id());
    }
    talk(&habits);
    if let Some(ms) = habits.number("die") {
        std::thread::sleep(Duration::from_millis(ms));
        eprintln!("Traceback: no such\x1b[31m weights\x1b[0m");
        std::process::exit(7);
    }
    if habits.has("needs-weights") && !std::path::Path::new("weights").exists() {
        eprintln!("weights: no such file");
        std::process::exit(7);
    }
    std::thread::sleep(Duration::from_millis(habits.number("late").unwrap_or(0)));
    listen(habits);
}

fn note_pid(pid: u32) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(PIDS).unwrap();
    writeln!(file, "{pid}").unwrap();
}

fn talk(habits: &Habits) {
    println!("serving, \x1b]0;a title\x07\x1b[2Jin \x1b[32mgreen\x1b[0m");
    if habits.has("indiscreet") {
        println!("my key is {}", std::env::var("SERVER_KEY").unwrap_or_default());
        eprintln!("inherited {}", std::env::var("OTHER_TOKEN").unwrap_or_default());
    }
    if habits.has("chatty") {
        for i in 0..80_000 {
            println!("line {i} {}", "x".repeat(100));
        }
        println!("{}", "one endless line ".repeat(200_000));
        println!("said it all");
    }
}

fn listen(habits: Habits) {
    let listener = TcpListener::bind(("127.0.0.1", habits.number("port").unwrap() as u16)).unwrap();
    println!("ready");
    let habits = Arc::new(habits);
    let asked = Arc::new(AtomicU64::new(0));
    for socket in listener.incoming().map_while(Result::ok) {
        let (habits, asked) = (habits.clone(), asked.clone());
        std::thread::spawn(move || drop(answer(socket, &habits, &asked)));
    }
}

fn answer(socket: TcpStream, habits: &Habits, asked: &AtomicU64) -> std::io::Result<()> {
    let mut out = socket.try_clone()?;
    let mut input = BufReader::new(socket);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if input.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let lower = head.to_ascii_lowercase();
        let length =
            lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        input.read_exact(&mut body)?;
        match head.split(' ').nth(1).unwrap_or_default() {
            "/health" if habits.has("no-health") => whole(&mut out, "404 Not Found", "")?,
            "/health" if habits.has("never") => whole(&mut out, "503 Service Unavailable", "")?,
            "/health" => whole(&mut out, "200 OK", "{}")?,
            "/v1/models" => whole(&mut out, "200 OK", "{\"data\":[{\"id\":\"fake\"}]}")?,
            _ if head.starts_with("GET ") => whole(&mut out, "404 Not Found", "")?,
            _ => {
                if habits.number("die-after") == Some(asked.fetch_add(1, Ordering::Relaxed)) {
                    eprintln!("out of memory");
                    std::process::exit(9);
                }
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                stream(&mut out, body["max_tokens"].as_u64().unwrap_or(1))?;
            }
        }
    }
}

fn whole(out: &mut TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    write!(out, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn stream(out: &mut TcpStream, tokens: u64) -> std::io::Result<()> {
    let mut text = String::from("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    text = text.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = |data: &str| format!("{:x}\r\n{data}\r\n", data.len());
    for n in 0..tokens {
        text += &chunk(&format!("data: {{\"choices\":[{{\"text\":\" w{n}\",\"finish_reason\":null}}]}}\n\n"));
    }
    text += &chunk("data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}\n\n");
    text += &chunk("data: [DONE]\n\n");
    text += "0\r\n\r\n";
    std::thread::sleep(Duration::from_millis(20));
    out.write_all(text.as_bytes())
}
