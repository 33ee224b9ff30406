//! What this process's threads cost, by whom they work for: CPU time of the client's and of the engine's.
//!
//! Threads are told apart by name: `client…` and `collector…` are ours, as is the main thread, which draws. Some
//! do neither (they take readings, read keys, write logs). All others (the engine and its helpers, many of them
//! without a name) are what is being measured. Linux only; unknown elsewhere.

use std::collections::HashMap;

/// Beginnings of the names of the client's threads.
const CLIENT: [&str; 2] = ["client", "collector"];
/// Beginnings of the names of threads that are neither the client's nor the engine's.
const NEITHER: [&str; 8] =
    ["telemetry", "server-metrics", "keys", "log-", "replay", "export", "picture", "calibrate"];
/// Clock ticks a second in `/proc`: fixed at 100 for programs on every CPU that Rust's Linux targets know.
const TICKS_PER_S: f64 = 100.0;

/// For whom a thread works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Engine,
    Neither,
}

/// By thread number, for whom it works and its CPU time in ticks.
type Ticks = HashMap<u32, (Side, u64)>;

/// CPU in % of one core.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    pub client: f32,
    pub engine: f32,
}

/// CPU time of the threads, with what it was before.
#[derive(Debug, Default)]
pub struct Threads {
    before: Option<(u64, Ticks)>,
}

impl Threads {
    /// Their CPU since the last call. `None` at first and where it can't be told.
    pub fn shares(&mut self, at_ns: u64) -> Option<Shares> {
        let now = ticks()?;
        let (before_ns, before) = self.before.replace((at_ns, now.clone()))?;
        let seconds = at_ns.checked_sub(before_ns).filter(|ns| *ns > 0)? as f64 / 1e9;
        let used = |wanted: Side| {
            let of_side = now.iter().filter(|(_, (side, _))| *side == wanted);
            let since =
                of_side.map(|(tid, (_, ticks))| ticks.saturating_sub(before.get(tid).map_or(0, |b| b.1)));
            (since.sum::<u64>() as f64 / TICKS_PER_S / seconds * 100.0) as f32
        };
        Some(Shares { client: used(Side::Client), engine: used(Side::Engine) })
    }
}

fn side(name: &str, main: bool) -> Side {
    let begins = |names: &[&str]| names.iter().any(|n| name.starts_with(n));
    if main || begins(&CLIENT) {
        Side::Client
    } else if begins(&NEITHER) {
        Side::Neither
    } else {
        Side::Engine
    }
}

/// CPU time in ticks of each thread, by thread number.
fn ticks() -> Option<Ticks> {
    let mut ticks = HashMap::new();
    for entry in std::fs::read_dir("/proc/self/task").ok()? {
        let Some(tid) = entry.ok().and_then(|e| e.file_name().to_str()?.parse::<u32>().ok()) else {
            continue;
        };
        // A thread may end between the listing and the reading.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")) else { continue };
        let Some((name, used)) = parse(&stat) else { continue };
        ticks.insert(tid, (side(name, tid == std::process::id()), used));
    }
    Some(ticks)
}

/// CPU time out of a `stat` line, nanoseconds.
pub(super) fn used_ns(stat: &str) -> Option<u64> {
    parse(stat).map(|(_, ticks)| (ticks as f64 / TICKS_PER_S * 1e9) as u64)
}

/// Name and CPU ticks (user and system) out of a `stat` line: see proc_pid_stat(5). The name stands in
/// parentheses and may hold some itself.
fn parse(stat: &str) -> Option<(&str, u64)> {
    let (open, close) = (stat.find('(')?, stat.rfind(')')?);
    let name = stat.get(open + 1..close)?;
    // Field 3 (state) is the first after the name; utime is 14, stime 15.
    let mut fields = stat.get(close + 1..)?.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((name, user + system))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "42 (client) (1) S 1 2 3 4 5 6 7 8 9 10 123 45 0 0 20 0 9 0";
        assert_eq!(parse(stat), Some(("client) (1", 168)));
        assert_eq!(parse("42 (cut"), None);
        assert_eq!(parse("42 (cut) S 1 2"), None);
    }

    #[test]
    fn readers_and_loggers_are_nobodys_cost() {
        for (name, wanted) in [
            ("collector", Side::Client),
            ("telemetry", Side::Neither),
            ("log-stderr", Side::Neither),
            ("server-metrics", Side::Neither),
            ("sim-engine", Side::Engine),
            ("engine-compute-", Side::Engine),
            ("fastgen-tui", Side::Engine),
        ] {
            assert_eq!(side(name, false), wanted, "{name}");
        }
        assert_eq!(side("fastgen-tui", true), Side::Client);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn threads_work_for_one_side() {
        let work = |name: &str| {
            let (tell, told) = std::sync::mpsc::sync_channel(1);
            let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(1);
            let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
                let tid = std::fs::read_link("/proc/thread-self").unwrap();
                tell.send(tid.file_name().unwrap().to_str().unwrap().parse::<u32>().unwrap()).unwrap();
                let _ = stopped.recv();
            });
            (thread.unwrap(), told.recv().unwrap(), stop)
        };
        let client = work("client-7");
        let engine = work("engine-7");
        let ticks = ticks().unwrap();
        assert_eq!((ticks[&client.1].0, ticks[&engine.1].0), (Side::Client, Side::Engine));
        assert_eq!(ticks[&std::process::id()].0, Side::Client);
        drop((client.2, engine.2));
        client.0.join().unwrap();
        engine.0.join().unwrap();
    }
}
