//! Sweeps, driven through the real program with the simulated engine: plans, engines, failures, resuming.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![allow(clippy::disallowed_methods, reason = "a test waits by the clock on the wall")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use fastgen_tui::event::{Event, Phase};
use fastgen_tui::recording::{self, Entry};
use serde_json::Value;

/// How long a run may take to get somewhere; generous, for busy machines.
const PATIENCE: Duration = Duration::from_mins(1);
/// One request after another takes about 60 ms.
const QUICK: [&str; 5] = [
    "workload.prompt_tokens=4",
    "workload.output_tokens=6",
    "load.start_jitter=0s",
    "stop.requests=6",
    "load.warmup_requests_per_client=0",
];

/// A folder of the test's own.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("run.jsonl.zst")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastgen-tui"));
        command.args(args).current_dir(self.0.path()).env("HOME", self.0.path());
        for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
            command.env(name, self.0.path().join(name));
        }
        command.stdin(Stdio::null());
        command
    }

    /// `record` of the simulated engine with these keys, into the folder's file.
    fn record(&self, sets: &[&str]) -> Command {
        let mut command = self.command(&["record", "--profile", "sim", "--json", "-o", "run.jsonl.zst"]);
        for set in QUICK.iter().chain(sets) {
            command.args(["--set", set]);
        }
        command
    }

    fn report(&self) -> Value {
        let output = self.command(&["report", "run.jsonl.zst", "--format", "json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn entries(&self) -> Vec<Entry> {
        entries(&self.file())
    }
}

fn entries(path: &Path) -> Vec<Entry> {
    recording::open(path).map(Iterator::collect).unwrap_or_default()
}

fn events(entries: &[Entry]) -> impl Iterator<Item = &Event> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Event(event) => Some(event),
        Entry::Request(_) => None,
    })
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stages(report: &Value) -> Vec<(String, Option<String>, u64)> {
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let stages = report["stages"].as_array().unwrap().iter();
    stages
        .map(|s| {
            let completed = s["requests"]["completed"].as_u64().unwrap();
            (text(&s["name"]).unwrap(), text(&s["ended"]), completed)
        })
        .collect()
}

fn complete(name: &str, requests: u64) -> (String, Option<String>, u64) {
    (name.to_owned(), Some("complete".to_owned()), requests)
}

#[test]
fn a_dry_run_shows_the_cells_and_runs_nothing() {
    let home = Home::new();
    let mut command = home.record(&["sweep.clients=[1,2]", "sweep.max_batch=[4,1]"]);
    let output = command.arg("--dry-run").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let cells: Vec<&str> = text.lines().filter(|l| l.contains("clients=")).collect();
    assert_eq!(cells.len(), 4, "{text}");
    assert!(
        cells[0].contains("max_batch=4, clients=1") && cells[2].contains("max_batch=1, clients=1"),
        "{text}"
    );
    assert!(text.contains("4 stages on 2 engine loads") && text.contains("about "), "{text}");
    assert!(!home.file().exists());
    let live = home.command(&["--profile", "fastgen-mini", "--dry-run"]).output().unwrap();
    assert!(
        live.status.success() && stdout(&live).contains("5 stages on 1 engine load\n"),
        "{}",
        stdout(&live)
    );
    let tp = home.command(&["record", "--profile", "llama2-70b-fastgen", "--dry-run"]).output().unwrap();
    assert!(stdout(&tp).contains("44 stages"), "{}", stderr(&tp));
    let runs = !stderr(&tp).contains("can't be run as it stands");
    assert_eq!(tp.status.code(), Some(if runs { 0 } else { 2 }), "{}", stderr(&tp));
    let incomplete = home.command(&["record", "--profile", "vllm", "--dry-run"]).output().unwrap();
    assert_eq!(incomplete.status.code(), Some(2), "the plan is shown, and that it can't be run");
    assert!(stdout(&incomplete).contains("1 stage on 1 engine load"), "{}", stdout(&incomplete));
    assert!(
        stderr(&incomplete).contains("as it stands: bundled profile \"vllm\":"),
        "{}",
        stderr(&incomplete)
    );
    let url = ["record", "--url", "http://127.0.0.1:9/v1", "--dry-run"];
    let unasked = home.command(&url).output().unwrap();
    assert!(unasked.status.success() && stdout(&unasked).contains("servers were not asked"));
}

#[test]
fn cells_that_share_an_engine_load_it_once_in_one_recording() {
    let home = Home::new();
    let sets =
        ["sweep.clients=[1,2]", "sweep.replicas=[1,2]", "backend.sim.load=60ms", "load.stage_pause=300ms"];
    let output = home.record(&sets).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names =
        ["replicas=1, clients=1", "replicas=1, clients=2", "replicas=2, clients=1", "replicas=2, clients=2"];
    assert_eq!(stages(&report), names.map(|name| complete(name, 6)));
    assert_eq!(report["recording"]["ended"], "complete");
    let entries = home.entries();
    let ready: Vec<u32> = events(&entries)
        .filter_map(|e| match e {
            Event::Ready { info, .. } => Some(info.replicas),
            _ => None,
        })
        .collect();
    assert_eq!(ready, [1, 2], "two engines, in this order");
    let loading = events(&entries).filter(|e| matches!(e, Event::Loading { .. })).count();
    assert!(loading >= 2, "each load is shown and recorded");
    let times = |wanted: Phase| {
        let at = |e: &Event| match e {
            Event::Phase { at_ns, phase, .. } if *phase == wanted => Some(*at_ns),
            _ => None,
        };
        events(&entries).filter_map(at).collect::<Vec<u64>>()
    };
    for (done, next) in times(Phase::Done).iter().zip(&times(Phase::Warmup)[1..]) {
        assert!(next - done >= 300_000_000, "stages rest in between");
    }
    let played = home.command(&["replay", "run.jsonl.zst", "--headless", "--json"]).output().unwrap();
    let replayed: Value = serde_json::from_slice(&played.stdout).unwrap();
    assert_eq!(replayed["stages"], report["stages"]);
}

#[test]
fn a_dead_engine_costs_its_cell_and_is_loaded_again() {
    let home = Home::new();
    let output = home.record(&["sweep.clients=[1,2,3]", "backend.sim.die_after=9"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("1 of 3 stages failed, e.g. clients=2: the engine died"),
        "{}",
        stderr(&output)
    );
    let report = home.report();
    let ends: Vec<_> = stages(&report).into_iter().map(|s| s.1.unwrap()).collect();
    assert_eq!(ends, ["complete", "failed", "complete"]);
    assert!(report["stages"][1]["ended_reason"].as_str().unwrap().contains("the engine died"));
    assert_eq!(report["recording"]["ended"], "complete", "the sweep went on to its end");
    let entries = home.entries();
    assert_eq!(events(&entries).filter(|e| matches!(e, Event::Ready { .. })).count(), 2);
}

#[test]
fn a_cell_whose_requests_all_fail_is_failed_and_the_sweep_goes_on() {
    let home = Home::new();
    // A request of 60 tokens takes 600 ms, one of 6 takes 60.
    let sets = ["sweep.output_tokens=[60,6]", "load.request_timeout=300ms", "load.clients=2"];
    let output = home.record(&sets).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report = home.report();
    assert_eq!(stages(&report)[1], complete("output_tokens=6", 6));
    assert_eq!(report["stages"][0]["ended"], "failed");
    let reason = report["stages"][0]["ended_reason"].as_str().unwrap();
    assert!(reason.contains("all 6 requests failed") && reason.contains("timed_out_total"), "{reason}");
    assert_eq!(report["recording"]["verdicts"][0]["verdict"], "failed");
}

/// Only without the embedded engine does asking for it fail.
#[cfg(not(feature = "mistralrs"))]
#[test]
fn an_engine_that_does_not_load_fails_its_cells_and_no_others() {
    let home = Home::new();
    let sets = [
        "sweep.backend=[\"mistralrs\",\"sim\"]",
        "sweep.clients=[1,2]",
        "model.dummy=tiny",
        "backend.device=cpu",
    ];
    let output = home.record(&sets).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report = home.report();
    let told: Vec<_> = stages(&report).into_iter().map(|s| (s.1.unwrap(), s.2)).collect();
    let told: Vec<_> = told.iter().map(|(how, n)| (how.as_str(), *n)).collect();
    assert_eq!(told, [("failed", 0), ("failed", 0), ("complete", 6), ("complete", 6)]);
    assert!(report["stages"][0]["ended_reason"].as_str().unwrap().contains("no embedded engine"));
    assert_eq!(report["stages"][0]["sweep"]["backend"], "mistralrs");
    let none = Home::new();
    let output =
        none.record(&["sweep.clients=[1,2]", "backend.kind=mistralrs", "model.dummy=tiny"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("all 2 stages failed, the first clients=1: "), "{}", stderr(&output));
    assert!(!none.file().exists(), "a recording without a request is in the way of the next try");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["recording"]["ended"], "failed");
    assert_eq!(report["stages"].as_array().unwrap().len(), 2, "each cell's reason is told");
}

#[test]
fn more_clients_are_skipped_once_they_no_longer_help() {
    let home = Home::new();
    // One sequence at a time: more clients only wait longer. The first gain may be chance on a busy machine.
    let sets =
        ["sweep.clients=[1,2,4,8,16]", "backend.max_batch=1", "stop.when_flat=0.6", "stop.requests=16"];
    let output = home.record(&sets).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let report = home.report();
    let ends: Vec<_> = stages(&report).into_iter().map(|s| s.1.unwrap()).collect();
    assert_eq!(ends, ["complete", "complete", "complete", "skipped", "skipped"]);
    assert!(report["stages"][4]["ended_reason"].as_str().unwrap().contains("stop.when_flat = 0.6"));
    assert_eq!(report["recording"]["ended"], "complete");
}

/// Waits until the recording is as asked.
fn wait_until(path: &Path, is: impl Fn(&[Entry]) -> bool) {
    let start = Instant::now();
    while !is(&entries(path)) {
        assert!(start.elapsed() < PATIENCE, "the recording never got so far");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The first stage is done, and the second one has measured requests.
fn in_the_second_stage(entries: &[Entry]) -> bool {
    let done = events(entries).any(|e| matches!(e, Event::StageEnd(end) if end.stage == 0));
    done && entries.iter().any(|e| matches!(e, Entry::Request(r) if r.stage == 1 && !r.warmup))
}

/// Twenty requests of 300 ms with one client: a stage takes some seconds.
const SLOW: [&str; 4] = [
    "sweep.clients=[1,2,3]",
    "workload.output_tokens=30",
    "stop.requests=10",
    "load.warmup_requests_per_client=1",
];

/// While it runs, nobody else may go on with it.
fn kill_in_the_second_stage(home: &Home) {
    let mut child = home.record(&SLOW).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until(&home.file(), in_the_second_stage);
    let busy = home.command(&["record", "--resume", "run.jsonl.zst"]).output().unwrap();
    assert!(stderr(&busy).contains("is being written by another run"), "{}", stderr(&busy));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_sweep_is_resumed_at_the_stage_that_was_cut() {
    let home = Home::new();
    kill_in_the_second_stage(&home);
    let before = std::fs::read(home.file()).unwrap();
    let cut = home.report();
    assert_eq!((&cut["recording"]["ended"], cut["stages"].as_array().unwrap().len()), (&"cut".into(), 2));
    // A frame that the crash left half written.
    std::fs::write(home.file(), [&before[..], &before[..40]].concat()).unwrap();

    let plan = home.command(&["record", "--resume", "run.jsonl.zst", "--dry-run"]).output().unwrap();
    let text = stdout(&plan);
    assert!(text.contains("2 stages on 1 engine load\n1 stage finished already"), "{text}");
    let output = home.command(&["record", "--resume", "run.jsonl.zst", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        stages(&report),
        [complete("clients=1", 10), complete("clients=2", 10), complete("clients=3", 10)]
    );
    for stage in report["stages"].as_array().unwrap() {
        assert_eq!(stage["requests"]["scheduled"], 10, "the cut attempt isn't counted");
        assert_eq!(stage["warmup_requests"], stage["clients"]);
    }
    let told = &report["recording"];
    assert_eq!(
        (&told["ended"], &told["damaged"], &told["unfinished_requests"]),
        (&"complete".into(), &0.into(), &0.into())
    );
    assert_eq!(report["stages"][0], cut["stages"][0], "what was finished stays as it was");
    let after = std::fs::read(home.file()).unwrap();
    assert_eq!(after[..before.len()], before[..], "appended, never rewritten");
    in_order_and_unique(&home.entries());

    let again = home.command(&["record", "--resume", "run.jsonl.zst"]).output().unwrap();
    assert!(again.status.success() && stderr(&again).contains("nothing to resume"), "{}", stderr(&again));
    let export = home.command(&["export", "run.jsonl.zst", "--csv", "out"]).output().unwrap();
    assert!(export.status.success(), "{}", stderr(&export));
    let requests = std::fs::read_to_string(home.0.path().join("out/requests.csv")).unwrap();
    assert_eq!(requests.lines().count(), 1 + 30);
}

/// Times go on across the parts, and no number is given twice.
fn in_order_and_unique(entries: &[Entry]) {
    let resumed = events(entries).find_map(|e| match e {
        Event::Resumed(resumed) => Some(resumed.at_ns),
        _ => None,
    });
    let resumed = resumed.unwrap();
    let (earlier, later): (Vec<_>, Vec<_>) = entries.iter().partition(|e| e.at_ns() < resumed);
    assert!(!earlier.is_empty() && later.len() > 20);
    let last = earlier.iter().map(|e| e.at_ns()).max().unwrap();
    assert!(resumed - last <= 1_000_000_000, "no gap in time");
    let mut sent: Vec<u64> = events(entries)
        .filter_map(|e| match e {
            Event::Sent(sent) => Some(sent.request),
            _ => None,
        })
        .collect();
    let all = sent.len();
    sent.sort_unstable();
    sent.dedup();
    assert_eq!(sent.len(), all);
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_is_resumed_too() {
    let home = Home::new();
    let child = home.record(&SLOW).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until(&home.file(), in_the_second_stage);
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    let report = home.report();
    assert_eq!(report["recording"]["ended"], "interrupted");
    assert_eq!(report["stages"][1]["ended"], "interrupted");
    let output = home.command(&["record", "--resume", "run.jsonl.zst"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let report = home.report();
    assert_eq!(
        stages(&report),
        [complete("clients=1", 10), complete("clients=2", 10), complete("clients=3", 10)]
    );
    assert_eq!(
        (&report["recording"]["ended"], &report["recording"]["verdicts"]),
        (&"complete".into(), &Value::Array(vec![]))
    );
}

#[test]
fn wrong_input_is_told_before_anything_runs() {
    let home = Home::new();
    std::fs::write(
        home.0.path().join("p.toml"),
        "[backend]\nkind = \"sim\"\n[stop]\nrequests = 4\n[sweep]\ncleints = [1]\n",
    )
    .unwrap();
    std::fs::write(home.0.path().join("empty.jsonl.zst"), "").unwrap();
    let cases: [(&[&str], i32, &str); 9] = [
        (
            &["record", "--profile", "./p.toml"],
            2,
            "p.toml:6:11: sweep.cleints: nothing can be swept over `cleints`; did you mean `clients`?",
        ),
        (&["record", "--profile", "sim", "--set", "sweep.clients=[]"], 2, "must hold at least one value"),
        (&["record", "--profile", "sim", "--set", "sweep.rate=[1]"], 2, "a rate belongs to an open loop"),
        (
            &["record", "--profile", "sim", "--set", "sweep.clients=[1,2,4]", "--for", "30m"],
            2,
            "give --yes to run them all the same",
        ),
        (&["record", "--profile", "llama2-70b-fastgen", "--yes"], 2, "4 GPUs for one engine: "),
        (&["record", "--resume", "x.jsonl.zst", "--profile", "sim"], 2, "cannot be used with"),
        (&["record", "--resume", "nowhere.jsonl.zst"], 1, "nowhere.jsonl.zst can't be gone on with: "),
        (&["record", "--resume", "empty.jsonl.zst"], 1, "empty.jsonl.zst is empty"),
        (&["record", "--resume", "p.toml"], 1, "p.toml is not a recording"),
    ];
    for (args, status, wanted) in cases {
        let output = home.command(args).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
        assert!(said.contains(wanted), "{args:?} says {said}\nwanted {wanted}");
    }
    assert!(!home.0.path().join("recordings").exists());
}

#[test]
fn the_example_scripts_name_profiles_that_there_are() {
    let home = Home::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let scripts = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut seen = 0;
    for path in scripts.filter(|p| p.extension().is_some_and(|e| e == "sh")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for profile in text.split("--profile ").skip(1).filter_map(|rest| rest.split_whitespace().next()) {
            let output = home.command(&["record", "--profile", profile, "--dry-run"]).output().unwrap();
            // Whether this machine can run it is told by the status, and is another question.
            let planned = stdout(&output).contains(" engine load");
            assert!(planned, "{}: {profile}: {}", path.display(), stderr(&output));
            seen += 1;
        }
    }
    assert!(seen >= 5);
}
