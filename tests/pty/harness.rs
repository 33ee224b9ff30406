//! A pseudo-terminal with the program in it, and a terminal emulator that knows what is on its screen.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// How long a screen may take to show what is waited for; generous, for busy machines.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A folder of the test's own, for home, caches, recordings.
pub struct Home(tempfile::TempDir);

impl Home {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Recordings that lie in the folder's `recordings`.
    pub fn recordings(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.path().join("recordings")) else { return Vec::new() };
        entries
            .map(|e| e.expect("a folder entry").path())
            .filter(|p| p.extension().is_some_and(|e| e == "zst"))
            .collect()
    }

    /// The program, not in a terminal.
    pub fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fastgen-tui"));
        command.args(args).current_dir(self.path());
        for (name, value) in self.environment() {
            command.env(name, value);
        }
        command
    }

    /// The JSON report of the one recording.
    pub fn report(&self) -> serde_json::Value {
        let recordings = self.recordings();
        assert_eq!(recordings.len(), 1, "{recordings:?}");
        let path = recordings[0].to_str().expect("a path in UTF-8");
        let output = self.command(&["report", "--format", "json", path]).output().expect("a report");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let at = |name: &str| self.path().join(name).display().to_string();
        vec![
            ("HOME", self.path().display().to_string()),
            ("XDG_CONFIG_HOME", at("config")),
            ("XDG_STATE_HOME", at("state")),
            ("XDG_DATA_HOME", at("data")),
            // Models are kept between tests: writing them again would only take time.
            ("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR").to_string()),
            ("TERM", "xterm-256color".into()),
            ("COLORTERM", "truecolor".into()),
        ]
    }
}

/// The program in a terminal.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    input: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    reader: Option<JoinHandle<Vec<u8>>>,
    /// How the reader reads: one of [`FAST`], [`SLOW`], [`BLOCKED`].
    pace: Arc<AtomicU32>,
    status: Option<ExitStatus>,
}

const FAST: u32 = 0;
/// A few hundred bytes every few milliseconds: 50 kB/s.
const SLOW: u32 = 1;
const BLOCKED: u32 = 2;

impl Terminal {
    /// Starts the program with these arguments in a terminal of this size.
    pub fn start(home: &Home, args: &[&str], columns: u16, rows: u16) -> Self {
        Self::start_in(home, args, (columns, rows), &[])
    }

    /// As [`Self::start`], with more variables in its environment.
    pub fn start_in(
        home: &Home,
        args: &[&str],
        (columns, rows): (u16, u16),
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_fastgen-tui"));
        command.args(args);
        Self::spawn(home, command, (columns, rows), environment)
    }

    /// Starts an interactive shell, with job control.
    pub fn shell(home: &Home, columns: u16, rows: u16) -> Self {
        let mut command = CommandBuilder::new("/bin/sh");
        command.arg("-i");
        command.env("PS1", "$ ");
        command.env_remove("ENV");
        Self::spawn(home, command, (columns, rows), &[])
    }

    fn spawn(
        home: &Home,
        mut command: CommandBuilder,
        (columns, rows): (u16, u16),
        environment: &[(&str, &str)],
    ) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        command.cwd(home.path());
        for (name, value) in home.environment() {
            command.env(name, value);
        }
        command.env_remove("NO_COLOR");
        command.env_remove("CI");
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().expect("a reader");
        let input = pair.master.take_writer().expect("a writer");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let (seen, pace) = (screen.clone(), Arc::new(AtomicU32::new(FAST)));
        let asked = pace.clone();
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            let mut buffer = [0; 8192];
            loop {
                let most = match asked.load(Ordering::Relaxed) {
                    FAST => buffer.len(),
                    pace => {
                        std::thread::sleep(Duration::from_millis(5));
                        if pace == BLOCKED {
                            continue;
                        }
                        256
                    }
                };
                let Ok(n @ 1..) = output.read(&mut buffer[..most]) else { return all };
                all.extend_from_slice(&buffer[..n]);
                seen.lock().expect("the screen").process(&buffer[..n]);
            }
        });
        Self { master: pair.master, child, input, screen, reader: Some(reader), pace, status: None }
    }

    /// Text of the screen.
    pub fn text(&self) -> String {
        self.screen.lock().expect("the screen").screen().contents()
    }

    /// The screen itself.
    pub fn screen(&self) -> Arc<Mutex<vt100::Parser>> {
        self.screen.clone()
    }

    /// Whether pasted text comes marked as such.
    pub fn screen_has_bracketed_paste(&self) -> bool {
        self.screen.lock().expect("the screen").screen().bracketed_paste()
    }

    /// The terminal stops reading, or reads again.
    pub fn block(&self, blocked: bool) {
        self.pace.store(if blocked { BLOCKED } else { FAST }, Ordering::Relaxed);
    }

    /// The terminal reads slowly, or as fast as it can again.
    pub fn slow(&self, slow: bool) {
        self.pace.store(if slow { SLOW } else { FAST }, Ordering::Relaxed);
    }

    /// Whether the program has the alternate screen.
    pub fn in_dashboard(&self) -> bool {
        self.screen.lock().expect("the screen").screen().alternate_screen()
    }

    /// Waits until the screen shows this text.
    pub fn wait_for(&self, what: &str) -> String {
        self.wait_until(&format!("`{what}`"), |text| text.contains(what))
    }

    /// Waits until the screen's text is as asked.
    pub fn wait_until(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let text = self.text();
            if is(&text) {
                return text;
            }
            assert!(start.elapsed() < PATIENCE, "never saw {what}; the screen shows:\n{text}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    pub fn keys(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.input.flush().expect("the terminal takes keys");
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        // The emulator can't be as small as a terminal can.
        self.screen.lock().expect("the screen").screen_mut().set_size(rows.max(2), columns.max(2));
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("the terminal resizes");
    }

    /// Sends a signal by its number.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.process_id().expect("the program runs").to_string();
        let sent = std::process::Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for the program's end, whether anybody reads what it writes or not.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.status.take() {
                self.status = Some(status.clone());
                return status;
            }
            self.status = self.child.try_wait().expect("the program can be waited for");
            if self.status.is_none() && start.elapsed() >= PATIENCE {
                let _ = self.child.kill();
                panic!("the program did not end; the screen shows:\n{}", self.text());
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Waits for the program's end; gives its status and everything it ever wrote.
    pub fn ended(mut self) -> (ExitStatus, Vec<u8>, Arc<Mutex<vt100::Parser>>) {
        let status = self.wait_for_end();
        drop(self.input);
        drop(self.master);
        let all = self.reader.take().expect("a reader").join().expect("the reader ends");
        (status, all, self.screen)
    }
}

/// Asserts that the terminal is as it was: main screen, cursor shown, no mouse reports.
pub fn assert_restored(screen: &Arc<Mutex<vt100::Parser>>) {
    let parser = screen.lock().expect("the screen");
    let screen = parser.screen();
    assert!(!screen.alternate_screen(), "the alternate screen was left on");
    assert!(!screen.hide_cursor(), "the cursor was left hidden");
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "mouse reports were left on");
}
