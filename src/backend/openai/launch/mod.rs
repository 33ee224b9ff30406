//! A server of our own: `[backend.launch]`. It is started for the run, waited for, watched, and ended with everything
//! that it started, however the run ends.
//!
//! [`order`] says what to start, [`supervisor`] is the process in between that survives us, [`output`] takes what the
//! server prints, [`ready`] asks whether it is there.

mod order;
mod output;
mod ready;
mod supervisor;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use self::order::Order;
use self::output::{Log, Output};
use self::ready::Ready;
pub use self::supervisor::supervise;
use crate::backend::{BackendError, Progress};
use crate::clock::Clock;
use crate::profile::Profile;

/// Most time for a supervisor to start a program.
const START: Duration = Duration::from_secs(20);
/// Time for an ended server's last words to arrive.
const LAST_WORDS: Duration = Duration::from_millis(150);
/// Between looks at whether a supervisor is through.
const LOOK: Duration = Duration::from_millis(10);

/// Looks at what can be seen to be wrong without starting anything.
///
/// # Errors
/// The profile's key that is to blame, and what is wrong.
pub fn check(profile: &Profile) -> Result<(), (&'static str, BackendError)> {
    let Some(launch) = &profile.backend.launch else { return Ok(()) };
    let unavailable = |(key, why)| (key, BackendError::Unavailable(why));
    Order::of(profile, launch).map_err(unavailable)?;
    Ready::of(profile, launch, Clock::start()).map_err(|why| unavailable(("backend.launch.ready", why)))?;
    ready::nobody_at(profile, launch).map_err(unavailable)
}

/// A server that runs for us. Dropping it ends it.
pub struct Launched {
    output: Output,
    clock: Clock,
    fate: Arc<Fate>,
    process: Mutex<Option<Process>>,
}

/// The supervisor, and the line to it.
struct Process {
    supervisor: Child,
    socket: UnixStream,
}

/// What has become of a server.
#[derive(Default)]
struct Fate {
    /// How it ended by itself.
    ended: Mutex<Option<String>>,
    group: Mutex<Option<Pid>>,
    /// We are ending it.
    stopping: AtomicBool,
}

impl Launched {
    /// Starts the server of a profile and waits until it is ready. Blocks; `None` if the profile starts none.
    ///
    /// # Errors
    /// It can't be started, ends, or is not ready in time; or the user wants no more. Nothing of it is left then.
    pub fn start(
        profile: &Profile,
        key: Option<&str>,
        clock: Clock,
        progress: &dyn Progress,
    ) -> Result<Option<Self>, BackendError> {
        let Some(launch) = &profile.backend.launch else { return Ok(None) };
        let unavailable = BackendError::Unavailable;
        let order = Order::of(profile, launch).map_err(|(_, why)| unavailable(why))?;
        let ready = Ready::of(profile, launch, clock).map_err(unavailable)?;
        ready::nobody_at(profile, launch).map_err(|(_, why)| unavailable(why))?;
        let log = Log::open(profile, launch, clock).map_err(unavailable)?;
        progress.step("starting the server", None);
        let secrets = output::secrets(launch, key);
        let launched = Self::spawn(&order, log, secrets, clock)?;
        ready::wait(&launched, &ready, launch, progress)?;
        Ok(Some(launched))
    }

    fn spawn(
        order: &Order,
        log: Option<Log>,
        secrets: Vec<String>,
        clock: Clock,
    ) -> Result<Self, BackendError> {
        let wrong = |error: std::io::Error| {
            BackendError::Unavailable(format!("the server can't be started: {error}"))
        };
        let (mut ours, theirs) = UnixStream::pair().map_err(wrong)?;
        let flags = rustix::pipe::PipeFlags::CLOEXEC;
        let (read, write) = rustix::pipe::pipe_with(flags).map_err(|error| wrong(error.into()))?;
        let output = Output::default();
        let supervisor = {
            // The command holds the pipe's writing end, which must be the server's alone.
            let mut command = myself().map_err(wrong)?;
            command.arg0("fastgen-tui").arg(supervisor::ARGUMENT).stdin(OwnedFd::from(theirs));
            command.stdout(write.try_clone().map_err(wrong)?).stderr(Stdio::from(write));
            command.spawn().map_err(wrong)?
        };
        let fate = Arc::new(Fate::default());
        let socket = ours.try_clone().map_err(wrong)?;
        // From here on the end of this value is the server's.
        let process = Mutex::new(Some(Process { supervisor, socket }));
        let launched = Self { output, clock, fate, process };
        launched.output.read(read, log, secrets, clock).map_err(wrong)?;
        let (told, hears) = sync_channel(1);
        launched.listen(&ours, told).map_err(wrong)?;
        let order = serde_json::to_string(order).map_err(|error| wrong(error.into()))?;
        writeln!(ours, "{order}").map_err(wrong)?;
        match hears.recv_timeout(START) {
            Ok(Ok(())) => Ok(launched),
            Ok(Err(why)) => Err(BackendError::Unavailable(format!("the server can't be started: {why}"))),
            Err(_) => {
                Err(BackendError::Unavailable("the server can't be started: its supervisor is silent".into()))
            }
        }
    }

    /// Hears what the supervisor tells, on a thread of its own.
    fn listen(&self, socket: &UnixStream, told: SyncSender<Result<(), String>>) -> std::io::Result<()> {
        let lines = BufReader::new(socket.try_clone()?).lines();
        let (fate, output) = (self.fate.clone(), self.output.clone());
        std::thread::Builder::new().name("server-watch".into()).spawn(move || {
            let mut over = false;
            for line in lines.map_while(Result::ok) {
                match line.split_once(' ') {
                    Some(("started", pid)) => {
                        let pid = pid.parse().ok().and_then(Pid::from_raw);
                        *fate.group.lock().unwrap_or_else(PoisonError::into_inner) = pid;
                        let _ = told.try_send(Ok(()));
                    }
                    Some(("failed", why)) => {
                        over = true;
                        let _ = told.try_send(Err(why.to_owned()));
                    }
                    Some(("ended", how)) => {
                        over = true;
                        fate.end(how, &output);
                    }
                    _ => {}
                }
            }
            if !over {
                // The supervisor was killed, and can't do it any more.
                fate.kill();
                fate.end("was killed, since its supervisor ended", &output);
            }
        })?;
        Ok(())
    }

    /// How it ended, if it did by itself.
    fn ended(&self) -> Option<String> {
        if self.fate.stopping.load(Ordering::Acquire) {
            return None;
        }
        self.fate.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// [`BackendError::Died`] with how it ended and its last lines.
    pub fn health(&self) -> Result<(), BackendError> {
        match self.ended() {
            Some(how) => Err(BackendError::Died(format!("the server {how}{}", self.output.told()))),
            None => Ok(()),
        }
    }

    /// Ends it with everything that it started, and waits for that, a few seconds at most.
    pub fn stop(&self) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut process) = process else { return };
        let alive = self.ended().is_none();
        self.fate.stopping.store(true, Ordering::Release);
        if alive {
            tracing::info!("ending the server");
        }
        let begun_ns = self.clock.now_ns();
        let spent = || Duration::from_nanos(self.clock.now_ns().saturating_sub(begun_ns));
        let _ = process.socket.shutdown(Shutdown::Write);
        let most = supervisor::GRACE + supervisor::KILLED + Duration::from_secs(1);
        while matches!(process.supervisor.try_wait(), Ok(None)) {
            if spent() >= most {
                tracing::warn!("the server's supervisor hangs and is killed");
                let _ = process.supervisor.kill();
                self.fate.kill();
                let _ = process.supervisor.wait();
                break;
            }
            std::thread::sleep(LOOK);
        }
        if alive {
            tracing::info!("the server has ended after {:.1} s", spent().as_secs_f64());
        }
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Fate {
    fn end(&self, how: &str, output: &Output) {
        output.settle(LAST_WORDS);
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| how.to_owned());
    }

    fn kill(&self) {
        if let Some(group) = *self.group.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// This program once more, even if its file was replaced meanwhile.
fn myself() -> std::io::Result<Command> {
    let running = Path::new("/proc/self/exe");
    Ok(if running.exists() { Command::new(running) } else { Command::new(std::env::current_exe()?) })
}
