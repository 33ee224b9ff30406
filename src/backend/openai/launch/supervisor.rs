//! The small process between us and a server that we started: this program once more, under another first argument.
//!
//! It exists because a process that is killed with `kill -9` can end nothing any more. The supervisor's standard
//! input is a socket to us. It reads what to start from it, tells over it what becomes of the server, and takes its
//! end, whatever the cause, for the word to stop. It makes a session of its own, so that neither Ctrl-C in our
//! terminal nor the terminal itself reaches the server; the server gets a process group of its own, and what leaves
//! that group falls to the supervisor on Linux, as its subreaper.
//!
//! To stop is SIGTERM to all of them, [`GRACE`], and SIGKILL to what is still there.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, kill_process_group, test_kill_process_group, wait,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::order::Order;
use crate::clock::Clock;

/// The first argument that makes this program a supervisor.
pub const ARGUMENT: &str = "__supervise";
/// Time that a server has to end by itself.
pub const GRACE: Duration = Duration::from_secs(5);
/// Time that the killed have to be gone.
pub const KILLED: Duration = Duration::from_secs(2);
/// Between looks at what is left while stopping.
const LOOK: Duration = Duration::from_millis(50);

/// What happens to a supervisor.
enum Note {
    /// We want the server's end, or are gone.
    Stop,
    Ended(Pid, WaitStatus),
    /// No child is left.
    Childless,
}

/// Supervises, if this process was started for that.
pub fn supervise() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    (arguments.next()? == ARGUMENT && arguments.next().is_none()).then(|| match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

fn run() -> std::io::Result<()> {
    // Fails only for the leader of a process group, who is none of ours.
    let _ = rustix::process::setsid();
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let mut socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let mut input = BufReader::new(socket.try_clone()?);
    let mut line = String::new();
    input.read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)?;
    let (notes, heard) = sync_channel(64);
    watch_signals(&notes)?;
    let server = match start(&order) {
        Ok(server) => server,
        Err(error) => return writeln!(socket, "failed {}: {error}", order.program),
    };
    writeln!(socket, "started {}", server.as_raw_nonzero())?;
    quiet()?;
    let reaper = notes.clone();
    std::thread::spawn(move || reap(&reaper));
    std::thread::spawn(move || {
        let _ = input.read_to_end(&mut Vec::new());
        let _ = notes.send(Note::Stop);
    });
    Watch { server, socket, clock: Clock::start(), stopping_since_ns: None, childless: false }.watch(&heard);
    Ok(())
}

fn start(order: &Order) -> std::io::Result<Pid> {
    let mut command = Command::new(&order.program);
    command.args(&order.args).envs(order.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(&order.cwd).stdin(Stdio::null()).process_group(0);
    let child = command.spawn()?;
    Pid::from_raw(child.id().cast_signed()).ok_or_else(|| std::io::Error::other("it has no process id"))
}

/// Leaves the server's output to the server alone, so that its end can be seen.
fn quiet() -> std::io::Result<()> {
    let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stderr(&nowhere)?;
    Ok(())
}

/// Whoever asks a supervisor to end means its server.
fn watch_signals(notes: &SyncSender<Note>) -> std::io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let notes = notes.clone();
    std::thread::spawn(move || {
        for _ in signals.forever() {
            let _ = notes.send(Note::Stop);
        }
    });
    Ok(())
}

/// Waits for one child after the other, and for those that it inherits.
fn reap(notes: &SyncSender<Note>) {
    loop {
        let note = match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) => Note::Ended(pid, status),
            Ok(None) | Err(rustix::io::Errno::INTR) => continue,
            Err(_) => Note::Childless,
        };
        let last = matches!(note, Note::Childless);
        if notes.send(note).is_err() || last {
            return;
        }
    }
}

/// A server under watch.
struct Watch {
    server: Pid,
    socket: UnixStream,
    clock: Clock,
    stopping_since_ns: Option<u64>,
    childless: bool,
}

impl Watch {
    /// Until nothing of the server is left, or all that could be done is done.
    fn watch(mut self, notes: &Receiver<Note>) {
        let mut told = HashSet::new();
        loop {
            let pause = if self.stopping_since_ns.is_some() { LOOK } else { Duration::from_hours(1) };
            match notes.recv_timeout(pause) {
                Ok(Note::Stop) => self.stop(),
                Ok(Note::Ended(pid, status)) if pid == self.server => {
                    // Nobody may be there any more to hear it.
                    let _ = writeln!(self.socket, "ended {}", in_words(status));
                    self.stop();
                }
                Ok(Note::Ended(..)) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Note::Childless) | Err(RecvTimeoutError::Disconnected) => {
                    self.childless = true;
                    self.stop();
                }
            }
            let Some(since_ns) = self.stopping_since_ns else { continue };
            if self.childless && test_kill_process_group(self.server).is_err() {
                return;
            }
            let spent = Duration::from_nanos(self.clock.now_ns().saturating_sub(since_ns));
            if spent >= GRACE + KILLED {
                return;
            }
            if spent >= GRACE {
                self.signal(Signal::KILL, &mut HashSet::new());
            } else {
                strays(self.server, Signal::TERM, &mut told);
            }
        }
    }

    fn stop(&mut self) {
        if self.stopping_since_ns.is_none() {
            self.stopping_since_ns = Some(self.clock.now_ns());
            self.signal(Signal::TERM, &mut HashSet::new());
            // One that was stopped can't heed SIGTERM.
            let _ = kill_process_group(self.server, Signal::CONT);
        }
    }

    fn signal(&self, signal: Signal, told: &mut HashSet<Pid>) {
        let _ = kill_process_group(self.server, signal);
        strays(self.server, signal, told);
    }
}

/// Signals those children who are not in the server's group, each once: they left it, and lost their parent since.
#[cfg(target_os = "linux")]
fn strays(server: Pid, signal: Signal, told: &mut HashSet<Pid>) {
    let own = std::process::id().to_string();
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    for process in processes.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else { continue };
        // `PID (NAME) STATE PPID PGRP …`, where the name may hold anything.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(1);
        let ours = fields.next() == Some(own.as_str());
        let group = fields.next().and_then(|group| group.parse().ok()).and_then(Pid::from_raw);
        if ours && group != Some(server) && told.insert(pid) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

/// Elsewhere what leaves its group goes its own way.
#[cfg(not(target_os = "linux"))]
fn strays(_: Pid, _: Signal, _: &mut HashSet<Pid>) {}

/// How a process ended.
fn in_words(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => {
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("unknown");
            format!("was killed by signal {signal} ({name})")
        }
        (None, None) => "ended".into(),
    }
}
