//! A folder with a profile that starts the fake server, and the program in it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::fake::{HABITS, PIDS};

/// The value of `OUR_KEY` and of `OTHER_TOKEN`.
pub const KEY: &str = "sk-very-secret";
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(1);

pub struct Folder {
    path: PathBuf,
    /// Removed with this, if it is ours.
    _own: Option<tempfile::TempDir>,
}

/// A port that is free now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Folder {
    pub fn new() -> Self {
        let own = tempfile::tempdir().unwrap();
        Self { path: own.path().to_owned(), _own: Some(own) }
    }

    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), _own: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A profile `managed.toml` that starts the fake server with these habits, and has these keys in
    /// `[backend.launch]`.
    pub fn profile(&self, habits: &str, launch: &str) -> String {
        self.profile_on("managed", free_port(), habits, launch)
    }

    pub fn profile_on(&self, name: &str, port: u16, habits: &str, launch: &str) -> String {
        let exe = std::env::current_exe().unwrap().display().to_string();
        let text = format!(
            "[profile]\nname = \"{name}\"\n\
             [backend]\nkind = \"openai\"\nurls = [\"http://127.0.0.1:{port}/v1\"]\n\
             [backend.launch]\n\
             command = [\"{exe}\", \"--ignored\", \"--exact\", \"fake::serve\", \"--nocapture\"]\n\
             env = {{ {HABITS} = \"port={{port}} {habits}\" }}\n{launch}\n\
             [workload]\nprompt_tokens = 20\noutput_tokens = 5\n\
             [load]\nclients = 4\n"
        );
        let file = self.path.join(format!("{name}.toml"));
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastgen-tui"));
        command.args(args).current_dir(&self.path).env("HOME", &self.path).stdin(Stdio::null());
        command.env("OUR_KEY", KEY).env("OTHER_TOKEN", KEY);
        command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_STATE_HOME").env_remove("XDG_CACHE_HOME");
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Starts the program.
    pub fn start(&self, args: &[&str]) -> Run {
        let mut child = self.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stderr.take().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let heard = said.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                heard.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..n]));
            }
        });
        Run { child, said }
    }

    /// A recording's text.
    pub fn recorded(&self, name: &str) -> String {
        let file = std::fs::File::open(self.path.join(name)).unwrap();
        String::from_utf8(zstd::decode_all(file).unwrap()).unwrap()
    }

    /// What the fake server started, itself first.
    pub fn pids(&self) -> Vec<i32> {
        let text = std::fs::read_to_string(self.path.join(PIDS)).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Those of them that live.
    pub fn alive(&self) -> Vec<i32> {
        let lives = |pid: &i32| {
            rustix::process::test_kill_process(rustix::process::Pid::from_raw(*pid).unwrap()).is_ok()
        };
        self.pids().into_iter().filter(lives).collect()
    }

    /// Waits until all of them are gone.
    pub fn wait_gone(&self, most: Duration) {
        let start = Instant::now();
        while !self.alive().is_empty() {
            assert!(start.elapsed() < most, "{:?} are left", self.alive());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The program under way.
pub struct Run {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Run {
    pub fn id(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Waits until it has said this on standard error.
    pub fn wait_for(&mut self, words: &str) {
        let start = Instant::now();
        while !self.said.lock().unwrap().contains(words) {
            let said = self.said.lock().unwrap().clone();
            assert!(start.elapsed() < PATIENCE, "never said {words}: {said}");
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {said}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Waits for its end; gives what it said.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let said = self.said.lock().unwrap().clone();
        (status, said)
    }
}

/// Sends a signal.
pub fn signal(pid: i32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// A process's parent.
pub fn parent(pid: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What a program said on standard error.
pub fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
