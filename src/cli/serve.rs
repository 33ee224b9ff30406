//! `serve start|stop|status|run`: the engine alone, behind an OpenAI-compatible API.
//!
//! `start` starts this program again as `serve run` in a session of its own, and waits until it takes requests; so
//! loading can be followed, and what goes wrong is told where it was asked for.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, Subcommand};
use rustix::process::{Pid, Signal, kill_process};

use super::failure::{Exit, Failure, Outcome};
use super::{output, signals};
use crate::backend;
use crate::event::BackendInfo;
use crate::profile::{Resolved, resolve};
use crate::progress::Progress;
use crate::serve::place::{Held, Place, Running, Served};
use crate::serve::{self, Options};

const DEFAULT_PORT: u16 = 8000;
/// How often a server in the background is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long one may take to end before it is killed.
const END_LOOKS: u32 = 150;
/// Most bytes of a log's end that an error shows.
const LOG_TAIL: usize = 2000;
/// The variable by which `start` hands the key to the server, so that it stands in no argument.
const KEY_VARIABLE: &str = "FASTGEN_SERVE_KEY";

#[derive(Debug, Subcommand)]
pub enum ServeCommand {
    /// Start a server in the background, and wait until it takes requests
    Start(StartArgs),
    /// Serve in the foreground, until Ctrl-C or SIGTERM
    Run(StartArgs),
    /// End servers in the background
    Stop(WhichArgs),
    /// Which servers run in the background; status 1 if there is none
    Status(WhichArgs),
}

#[derive(Debug, Args)]
pub struct StartArgs {
    /// The profile whose [backend] and [model] are served [default: demo]
    #[arg(short, long, value_name = "NAME|FILE", default_value = "demo", hide_default_value = true)]
    profile: String,
    /// Override a key of the profile, e.g. --set backend.max_batch=8; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    #[arg(long, default_value_t = DEFAULT_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The address to listen on; others than this machine's own make the server reachable from outside
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// The environment variable that holds the key that clients must send; default: none is asked for
    #[arg(long, value_name = "NAME")]
    api_key_env: Option<String>,
    /// Set by `start`: leave its session, and say through files that requests are taken
    #[arg(long, hide = true)]
    detached: bool,
}

#[derive(Debug, Args)]
pub struct WhichArgs {
    /// Only the server on this port [default: all]
    #[arg(long)]
    port: Option<u16>,
}

/// The command.
pub fn serve(command: &ServeCommand) -> Outcome {
    match command {
        ServeCommand::Start(args) => start(args),
        ServeCommand::Run(args) => run(args),
        ServeCommand::Stop(args) => stop(args.port),
        ServeCommand::Status(args) => status(args.port),
    }
}

fn checked(args: &StartArgs) -> Result<Resolved, Failure> {
    let resolved = resolve(&args.profile, &args.sets)?;
    let kind = resolved.profile.backend.kind;
    if matches!(kind, crate::profile::BackendKind::Openai | crate::profile::BackendKind::Imported) {
        let why = "only an engine of this program can be served: set kind = \"mistralrs\" or \"sim\"";
        return Err(resolved.error("backend.kind", why).into());
    }
    backend::check(&resolved.profile, 1).map_err(|(key, error)| resolved.error(key, &error.to_string()))?;
    Ok(resolved)
}

/// The key that clients must send.
fn key(args: &StartArgs) -> Result<Option<Arc<str>>, Failure> {
    let Some(name) = &args.api_key_env else { return Ok(None) };
    match std::env::var(name) {
        Ok(key) if !key.trim().is_empty() => Ok(Some(key.trim().into())),
        _ => Err(Failure::usage(format!(
            "--api-key-env: the environment variable {name} holds no key; put the server's key into it"
        ))),
    }
}

fn files(port: u16) -> Result<Place, Failure> {
    Place::of(port).map_err(|error| Failure::failed(format!("the server's files can't be kept: {error}")))
}

fn is_running(place: &Place) -> Result<Option<Running>, Failure> {
    place.running().map_err(|error| Failure::failed(format!("the server's files can't be read: {error}")))
}

fn start(args: &StartArgs) -> Outcome {
    checked(args)?;
    let key = key(args)?;
    let place = files(args.port)?;
    if let Some(running) = is_running(&place)? {
        return Err(Failure::failed(format!(
            "a server runs on port {} already (process {}); end it with `fastgen-tui serve stop --port {}`, or choose \
             another --port",
            args.port, running.pid, args.port
        )));
    }
    serve::is_free(SocketAddr::new(args.host, args.port)).map_err(Failure::failed)?;
    let log = place.log();
    let written = OpenOptions::new().create(true).write(true).truncate(true).open(&log);
    let file = written.map_err(|error| Failure::failed(format!("{}: {error}", log.display())))?;
    let mut child = spawn(args, key.as_deref(), file)?;
    let stop = Arc::new(AtomicBool::new(false));
    let _signals = signals::watch(&stop)?;
    let mut shown = Shown::new();
    loop {
        if let Some(Running { served: Some(served), pid }) = is_running(&place)? {
            shown.clear();
            return output::print(&format!("{}process {pid}, log: {}\n", describe(&served), log.display()));
        }
        if let Ok(Some(status)) = child.try_wait() {
            shown.clear();
            return Err(Failure::failed(format!("the server ended ({status}):\n{}", tail(&log))));
        }
        if stop.load(Ordering::Relaxed) {
            end_child(&mut child);
            return Ok(Exit::Interrupted);
        }
        shown.line(tail(&log).lines().last().unwrap_or("starting"));
        std::thread::sleep(LOOK);
    }
}

fn spawn(args: &StartArgs, key: Option<&str>, log: File) -> Result<Child, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("the server can't be started: {error}"));
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.args(["serve", "run", "--detached", "--profile", &args.profile]);
    command.args(["--port", &args.port.to_string(), "--host", &args.host.to_string()]);
    for set in &args.sets {
        command.args(["--set", set]);
    }
    if let Some(key) = key {
        command.args(["--api-key-env", KEY_VARIABLE]).env(KEY_VARIABLE, key);
    }
    let errors = log.try_clone().map_err(failed)?;
    command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().map_err(failed)
}

fn end_child(child: &mut Child) {
    let _ = Pid::from_child(child);
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
    for _ in 0..END_LOOKS {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(LOOK);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// A step of loading, overwritten by the next; on a terminal only.
struct Shown(bool);

impl Shown {
    fn new() -> Self {
        Self(std::io::stderr().is_terminal())
    }

    fn line(&self, text: &str) {
        if self.0 {
            let _ = write!(std::io::stderr(), "\r\x1b[K{}", crate::ui::harmless(text));
        }
    }

    fn clear(&mut self) {
        if self.0 {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// The end of a log.
fn tail(path: &PathBuf) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    let from = text.floor_char_boundary(text.len().saturating_sub(LOG_TAIL));
    text[from..].trim_end().to_owned()
}

/// Steps of loading, a line each.
struct Lines(Arc<AtomicBool>);

impl Progress for Lines {
    fn step(&self, step: &str, fraction: Option<f32>) {
        let percent = fraction.map_or_else(String::new, |f| format!(" {:.0} %", f * 100.0));
        output::say(&format!("{step}{percent}"));
    }

    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn run(args: &StartArgs) -> Outcome {
    let resolved = checked(args)?;
    let stop = Arc::new(AtomicBool::new(false));
    let _signals = signals::watch(&stop)?;
    if args.detached {
        // Fails if this process leads a group already; then it has been set apart by whoever started it.
        let _ = rustix::process::setsid();
    }
    let place = files(args.port)?;
    let held = place
        .hold()
        .map_err(|error| Failure::failed(format!("the server's files can't be kept: {error}")))?;
    let Some(held) = held else {
        return Err(Failure::failed(format!("a server runs on port {} already", args.port)));
    };
    let address = SocketAddr::new(args.host, args.port);
    let key = key(args)?;
    if !args.host.is_loopback() {
        let open = if key.is_some() { "to all who have the key" } else { "without a key" };
        output::say(&format!("listening on {}: reachable from other machines, {open}", args.host));
    }
    let options = Options { address, key: key.clone(), stop: stop.clone() };
    let progress: Arc<dyn Progress> = Arc::new(Lines(stop));
    let profile = &resolved.profile;
    let served = serve::run(profile, &options, &progress, |address, info| {
        say_ready(&held, &served(address, info, &profile.profile.name, key.is_some()));
    });
    match served {
        Ok(()) | Err(serve::ServeError::Backend(backend::BackendError::Interrupted)) => Ok(Exit::Done),
        Err(error) => Err(Failure::failed(error)),
    }
}

fn served(address: SocketAddr, info: &BackendInfo, profile: &str, key: bool) -> Served {
    Served {
        url: format!("http://{address}/v1"),
        profile: profile.to_owned(),
        model: info.model.clone(),
        device: info.device.clone(),
        started_at: jiff::Timestamp::now(),
        key,
    }
}

fn say_ready(held: &Held, served: &Served) {
    output::say(describe(served).trim_end());
    if let Err(error) = held.ready(served) {
        output::say(&format!("the server's files can't be written: {error}"));
    }
}

fn describe(served: &Served) -> String {
    let key = if served.key { ", with a key" } else { "" };
    format!(
        "serving {} ({}, profile {}) at {}{key}\n",
        served.model, served.device, served.profile, served.url
    )
}

/// The servers that run, all or the one on a port.
fn found(port: Option<u16>) -> Result<Vec<(Place, Running)>, Failure> {
    let places = match port {
        Some(port) => vec![files(port)?],
        None => Place::all()
            .map_err(|error| Failure::failed(format!("the servers' files can't be read: {error}")))?,
    };
    let mut found = Vec::new();
    for place in places {
        if let Some(running) = is_running(&place)? {
            found.push((place, running));
        }
    }
    Ok(found)
}

fn none(port: Option<u16>) -> Exit {
    let which = port.map_or_else(String::new, |port| format!(" on port {port}"));
    output::say(&format!("no server runs in the background{which}"));
    Exit::Failed
}

fn status(port: Option<u16>) -> Outcome {
    let found = found(port)?;
    if found.is_empty() {
        return Ok(none(port));
    }
    let mut text = String::new();
    for (place, running) in found {
        let what = match &running.served {
            Some(served) => describe(served),
            None => format!("loading, port {}\n", place.port),
        };
        let since =
            running.served.map_or_else(String::new, |served| format!(", since {:.0}", served.started_at));
        let log = place.log();
        let written = writeln!(text, "{what}  process {}{since}, log: {}", running.pid, log.display());
        debug_assert!(written.is_ok(), "writing to a string can't fail");
    }
    output::print(&text)
}

fn stop(port: Option<u16>) -> Outcome {
    let found = found(port)?;
    if found.is_empty() {
        return Ok(none(port));
    }
    for (place, running) in &found {
        let Some(pid) = i32::try_from(running.pid).ok().and_then(Pid::from_raw) else { continue };
        let ended = end(place, pid)?;
        output::say(&format!("the server on port {} {ended} (process {})", place.port, running.pid));
    }
    Ok(Exit::Done)
}

/// Ends a server: asks it to, and kills it if it doesn't.
fn end(place: &Place, pid: Pid) -> Result<&'static str, Failure> {
    let failed = |error| Failure::failed(format!("process {} can't be ended: {error}", pid.as_raw_nonzero()));
    for (signal, ended) in [(Signal::TERM, "ended"), (Signal::KILL, "did not end, and was killed")] {
        match kill_process(pid, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(failed(error)),
        }
        for _ in 0..END_LOOKS {
            if is_running(place)?.is_none() {
                return Ok(ended);
            }
            std::thread::sleep(LOOK);
        }
    }
    Err(Failure::failed(format!("the server on port {} does not end", place.port)))
}
