//! What a server prints: read at once, whoever looks on, so that it never waits for us. Lines are made harmless and
//! go to the log, as many as it can bear, and to the server's own log file, all of them.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::profile::{Launch, Profile, names_a_secret};

/// Where lines are said: the source that the Log screen names.
const SOURCE: &str = "server";
/// Bytes of a line that are kept.
const LINE: usize = 16 * 1024;
/// Characters of a line that the log gets.
const SAID: usize = 1000;
/// Lines that the log gets at once, and each second: a recording holds them too.
const BURST: u64 = 500;
const EACH_SECOND: u64 = 50;
/// Last lines that are kept, and characters of each, for the message of an end.
const LAST: usize = 6;
const LAST_LENGTH: usize = 240;
/// The shortest value that is taken for a secret.
const SECRET: usize = 4;
/// The shortest value of a variable that nobody said to be secret.
const SUPPOSED_SECRET: usize = 8;

/// A server's output, as far as others want to know it.
#[derive(Clone, Default)]
pub struct Output {
    last: Arc<Mutex<VecDeque<String>>>,
    closed: Arc<AtomicBool>,
}

impl Output {
    /// The last line, or nothing.
    pub fn line(&self) -> String {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).back().cloned().unwrap_or_default()
    }

    /// The last lines, to add to a message of the end.
    pub fn told(&self) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.len() {
            0 => "; it said nothing".into(),
            1 => format!("; it said: {}", last[0]),
            _ => format!("; its last lines: {}", last.iter().cloned().collect::<Vec<_>>().join(" | ")),
        }
    }

    /// Waits a moment for what an ended server has printed.
    pub fn settle(&self, most: Duration) {
        let step = Duration::from_millis(5);
        let steps = most.as_millis() / step.as_millis();
        for _ in 0..steps {
            if self.closed.load(Ordering::Acquire) {
                return;
            }
            std::thread::sleep(step);
        }
    }

    /// Begins to read, on a thread of its own, until all writers have closed the pipe.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn read(
        &self,
        pipe: OwnedFd,
        log: Option<Log>,
        secrets: Vec<String>,
        clock: Clock,
    ) -> std::io::Result<()> {
        let mut pump = Pump {
            output: self.clone(),
            secrets,
            log,
            clock,
            tokens: BURST,
            filled_ns: clock.now_ns(),
            left_out: 0,
        };
        std::thread::Builder::new().name("server-log".into()).spawn(move || {
            pump.run(File::from(pipe));
            pump.output.closed.store(true, Ordering::Release);
        })?;
        Ok(())
    }
}

/// The server's own log file.
pub struct Log {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Log {
    /// Opens it, to append.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn open(profile: &Profile, launch: &Launch, clock: Clock) -> Result<Option<Self>, String> {
        let Some(pattern) = &launch.log else { return Ok(None) };
        let started = clock.started_at().strftime("%Y%m%dT%H%M%SZ").to_string();
        let name = pattern.replace("{profile}", &profile.profile.name).replace("{started}", &started);
        let path = PathBuf::from(name);
        let wrong = |error: std::io::Error| format!("the server's log {}: {error}", path.display());
        if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
            std::fs::create_dir_all(folder).map_err(wrong)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(wrong)?;
        Ok(Some(Self { path, file: BufWriter::new(file) }))
    }
}

/// Texts that must not be shown: the server's key, what `env_from` hands on, and what else of our environment has a
/// secret's name, since the server inherits that.
pub fn secrets(launch: &Launch, key: Option<&str>) -> Vec<String> {
    let handed = launch.env_from.values().filter_map(|from| std::env::var(from).ok());
    let known = handed.chain(key.map(ToOwned::to_owned)).filter(|value| value.len() >= SECRET);
    let inherited = std::env::vars_os().filter_map(|(name, value)| {
        let value = value.into_string().ok()?;
        (names_a_secret(name.to_str()?) && value.len() >= SUPPOSED_SECRET).then_some(value)
    });
    let mut secrets: Vec<String> = known.chain(inherited).collect();
    // The longest first: one may be part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.dedup();
    secrets
}

/// Reads a pipe to its end.
struct Pump {
    output: Output,
    secrets: Vec<String>,
    log: Option<Log>,
    clock: Clock,
    /// Lines that the log may still get.
    tokens: u64,
    filled_ns: u64,
    left_out: u64,
}

impl Pump {
    fn run(&mut self, mut pipe: File) {
        let mut buffer = vec![0; 64 * 1024];
        let mut line = Vec::new();
        loop {
            let read = match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let mut rest = &buffer[..read];
            // A lone carriage return ends a line, too: so do progress bars.
            while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                push(&mut line, &rest[..end]);
                self.line(&line);
                line.clear();
                rest = &rest[end + 1..];
            }
            push(&mut line, rest);
            self.flush();
        }
        self.line(&line);
        self.say_left_out();
        self.flush();
    }

    fn line(&mut self, bytes: &[u8]) {
        let mut text = clean(&String::from_utf8_lossy(bytes));
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), "***");
            }
        }
        let text = text.trim_end();
        if text.trim_start().is_empty() {
            return;
        }
        self.write(text);
        {
            let mut last = self.output.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.len() == LAST {
                last.pop_front();
            }
            last.push_back(clip(text.trim_start(), LAST_LENGTH));
        }
        if self.may_say() {
            self.say_left_out();
            tracing::info!(target: SOURCE, "{}", clip(text, SAID));
        } else {
            if self.left_out == 0 {
                self.warn_of_a_flood();
            }
            self.left_out += 1;
        }
    }

    fn may_say(&mut self) -> bool {
        let now_ns = self.clock.now_ns();
        let seconds = now_ns.saturating_sub(self.filled_ns) / 1_000_000_000;
        if seconds > 0 {
            self.filled_ns += seconds * 1_000_000_000;
            self.tokens = self.tokens.saturating_add(seconds.saturating_mul(EACH_SECOND)).min(BURST);
        }
        let may = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        may
    }

    /// At once, since the count is known only when the next line is said.
    fn warn_of_a_flood(&self) {
        let all = self.log.as_ref().map_or_else(
            || "backend.launch.log = \"FILE\" keeps all".to_owned(),
            |log| format!("all are in {}", log.path.display()),
        );
        tracing::info!(target: SOURCE, "… so many lines that some are left out here; {all}");
    }

    fn say_left_out(&mut self) {
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            tracing::info!(target: SOURCE, "… {left_out} lines left out");
        }
    }

    fn write(&mut self, text: &str) {
        let Some(log) = &mut self.log else { return };
        if let Err(error) = writeln!(log.file, "{text}") {
            tracing::warn!("the server's log {} can't be written any further: {error}", log.path.display());
            self.log = None;
        }
    }

    fn flush(&mut self) {
        if let Some(log) = &mut self.log {
            // What is wrong is said when the next line is written.
            let _ = log.file.flush();
        }
    }
}

/// Adds to a line, as far as it has room.
fn push(line: &mut Vec<u8>, more: &[u8]) {
    let room = LINE.saturating_sub(line.len());
    line.extend_from_slice(&more[..more.len().min(room)]);
}

fn clip(text: &str, most: usize) -> String {
    let mut out: String = text.chars().take(most).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}

/// The text without what a terminal would act upon: colours and other sequences are dropped, whatever else is no
/// character to see becomes a blank.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => match chars.next() {
                // Up to the final byte.
                Some('[') => drop(chars.by_ref().find(|c| matches!(c, '@'..='~'))),
                // A string, e.g. a title, up to BEL or ESC \.
                Some(']' | 'P' | '_' | '^' | 'X') => {
                    let end = chars.by_ref().find(|c| matches!(c, '\x07' | '\x1b'));
                    chars.next_if(|c| end == Some('\x1b') && *c == '\\');
                }
                _ => {}
            },
            c if c.is_control() => out.push(' '),
            '\u{061c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => {
                out.push(' ');
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    fn pump(secrets: &[&str]) -> Pump {
        Pump {
            output: Output::default(),
            secrets: secrets.iter().map(|s| (*s).to_owned()).collect(),
            log: None,
            clock: Clock::start(),
            tokens: BURST,
            filled_ns: 0,
            left_out: 0,
        }
    }

    /// The last lines of what is written into a pipe.
    fn last(bytes: &[u8], secrets: &[&str]) -> Vec<String> {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let bytes = bytes.to_vec();
        let writer = std::thread::spawn(move || File::from(write).write_all(&bytes).unwrap());
        let mut pump = pump(secrets);
        pump.run(File::from(read));
        writer.join().unwrap();
        let last = pump.output.last.lock().unwrap();
        last.iter().cloned().collect()
    }

    #[test]
    fn nothing_in_a_line_can_act_on_a_terminal() {
        let said =
            last(b"\x1b[1;31mred\x1b[0m\x1b]0;title\x07 and\tplain\x00\n\n10 %\r100 %\r\nrest \xff", &[]);
        assert_eq!(said, ["red and plain", "10 %", "100 %", "rest \u{fffd}"]);
        assert_eq!(last("a\u{202e}b\x1b[2J\x1b".as_bytes(), &[]), ["a b"]);
    }

    #[test]
    fn secrets_are_hidden_even_in_colours() {
        assert_eq!(last(b"key=s3\x1b[1mcret, s3cret!\n", &["s3cret"]), ["key=***, ***!"]);
    }

    #[test]
    fn long_lines_are_cut_and_the_last_are_kept() {
        let mut text = vec![b'x'; 3 * LINE];
        text.extend(b"\n1\n2\n3\n4\n5\n6\n");
        assert_eq!(last(&text, &[]), ["1", "2", "3", "4", "5", "6"]);
        let said = last(&vec![b'y'; 3 * LINE], &[]);
        assert_eq!(said[0].chars().count(), LAST_LENGTH + 1);
    }

    #[test]
    fn a_flood_reaches_the_log_in_part_only() {
        let mut pump = pump(&[]);
        (0..BURST).for_each(|_| assert!(pump.may_say()));
        assert!(!pump.may_say());
        pump.line(b"one more");
        assert_eq!(pump.left_out, 1);
    }
}
