//! Open loops, driven through the real program with the simulated engine: every kind of arrivals, sweeps over rates,
//! the limit of requests in flight, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::process::{Command, Output, Stdio};

use fastgen_tui::event::{Event, Phase};
use fastgen_tui::profile::resolve_in;
use fastgen_tui::recording::{self, Entry};
use fastgen_tui::workload::Timetable;
use serde_json::Value;

/// A request takes about 60 ms. The rates are high, so that runs are short.
const QUICK: [&str; 4] = [
    "workload.prompt_tokens=4",
    "workload.output_tokens=6",
    "load.clients=2",
    "load.warmup_requests_per_client=2",
];
const MS: u64 = 1_000_000;

/// A folder of the test's own.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastgen-tui"));
        command.args(args).current_dir(self.0.path()).env("HOME", self.0.path()).stdin(Stdio::null());
        for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
            command.env(name, self.0.path().join(name));
        }
        command.output().unwrap()
    }

    /// Records the simulated engine with these keys; gives the report.
    fn record(&self, sets: &[&str]) -> Value {
        let mut args = vec!["record", "--profile", "sim", "--json", "-o", "run.jsonl.zst"];
        args.extend(QUICK.iter().chain(sets).flat_map(|set| ["--set", set]));
        let output = self.run(&args);
        // On a busy machine the client may be late; that is a verdict, and no failure.
        assert!(matches!(output.status.code(), Some(0 | 4)), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn entries(&self) -> Vec<Entry> {
        recording::open(&self.0.path().join("run.jsonl.zst")).unwrap().collect()
    }

    /// Scheduled times of measured requests of a stage since its measuring began.
    fn scheduled_ns(&self, stage: u32) -> Vec<u64> {
        let entries = self.entries();
        let began = entries.iter().find_map(|entry| match entry {
            Entry::Event(Event::Phase { at_ns, stage: of, phase: Phase::Measuring }) if *of == stage => {
                Some(*at_ns)
            }
            _ => None,
        });
        let sent = entries.iter().filter_map(|entry| match entry {
            Entry::Event(Event::Sent(sent)) if sent.stage == stage && !sent.warmup => Some(sent),
            _ => None,
        });
        sent.map(|sent| sent.scheduled_ns - began.unwrap()).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The times that a profile's seed gives, in whole microseconds.
fn planned_ns(sets: &[&str], count: usize) -> Vec<u64> {
    let sets: Vec<String> = QUICK.iter().chain(sets).map(|s| (*s).to_owned()).collect();
    let profile = resolve_in(None, "sim", &sets).unwrap().profile;
    let mut table = Timetable::new(&profile.load, profile.workload.seed).unwrap();
    let next = |_| {
        let at_ns = (table.next_s().unwrap() * 1e9) as u64;
        table.advance();
        at_ns / 1000 * 1000
    };
    (0..count).map(next).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

#[test]
fn every_kind_keeps_to_the_times_of_its_seed_and_replays_alike() {
    let kinds: [&[&str]; 4] = [
        &["load.kind=constant"],
        &["load.kind=poisson"],
        &["load.kind=gamma", "load.burstiness=0.5"],
        &["load.kind=ramp", "load.ramp_from=10", "load.ramp_time=400ms"],
    ];
    for kind in kinds {
        let home = Home::new();
        let sets = [kind, &["load.rate=50", "stop={requests=60}", "workload.seed=7"]].concat();
        let report = home.record(&sets);
        let stage = &report["stages"][0];
        assert_eq!((&stage["requests"]["completed"], &stage["warmup_requests"]), (&60.into(), &4.into()));
        let got = home.scheduled_ns(0);
        let want = planned_ns(&sets, 60);
        let near = got.iter().zip(&want).all(|(got, want)| got.abs_diff(*want) <= 1000);
        assert!(near && got.len() == 60, "{kind:?}: {got:?}, not {want:?}");

        let open = &stage["open_loop"];
        assert_eq!(format!("load.kind={}", open["kind"].as_str().unwrap()), kind[0]);
        assert_eq!((number(&open["rate"]), &open["max_in_flight"]), (50.0, &1024.into()));
        assert!(number(&open["peak_in_flight"]) >= 1.0 && open["held_back"] == 0, "{open}");
        assert!(stage["clients"].is_null() && stage["fastgen"]["query_throughput_rps"].is_null());
        assert!(number(&stage["fastgen"]["measured_throughput_rps"]) > 5.0);
        if kind[0] == "load.kind=constant" {
            assert!((number(&open["offered_per_s"]) - 50.0).abs() < 1.5, "{open}");
        }
        let played = home.run(&["replay", "run.jsonl.zst", "--headless", "--json"]);
        let replayed: Value = serde_json::from_slice(&played.stdout).unwrap();
        assert_eq!(replayed["stages"], report["stages"]);
        let told = text(&home.run(&["report", "run.jsonl.zst"]).stdout);
        assert!(told.contains(" 50 req/s") && told.contains("offered "), "{told}");
        home.run(&["export", "run.jsonl.zst", "--csv", "out"]);
        let summary = std::fs::read_to_string(home.0.path().join("out/summary.csv")).unwrap();
        assert!(summary.contains("open_loop_offered_per_s"), "{summary}");
    }
}

#[test]
fn warm_up_comes_before_the_timetable_and_a_time_ends_it_exactly() {
    let home = Home::new();
    let report = home.record(&["load.kind=constant", "load.rate=40", "stop={duration=\"500ms\"}"]);
    // At 0, 25, …, 475 ms.
    assert_eq!(report["stages"][0]["requests"]["completed"], 20);
    let entries = home.entries();
    let measuring = entries.iter().find_map(|entry| match entry {
        Entry::Event(Event::Phase { at_ns, phase: Phase::Measuring, .. }) => Some(*at_ns),
        _ => None,
    });
    let requests = entries.iter().filter_map(|entry| match entry {
        Entry::Request(request) => Some(request),
        Entry::Event(_) => None,
    });
    let (warmup, measured): (Vec<_>, Vec<_>) = requests.partition(|request| request.warmup);
    assert!(warmup.len() == 4 && warmup.iter().all(|r| r.finished_ns <= measuring.unwrap()));
    assert!(measured.iter().all(|r| r.sent_ns >= r.scheduled_ns && r.scheduled_ns >= measuring.unwrap()));
    // The lowest free place: with 60 ms each and one every 25 ms, never more than a few.
    assert!(measured.iter().all(|r| r.client < 12), "{:?}", measured.iter().map(|r| r.client).max());
}

#[test]
fn at_the_limit_requests_go_out_late_and_none_is_left_out() {
    let home = Home::new();
    let sets = [
        "load.kind=constant",
        "load.rate=200",
        "load.max_in_flight=1",
        "stop={duration=\"1s\"}",
        "workload.output_tokens=2",
    ];
    let report = home.record(&sets);
    let stage = &report["stages"][0];
    // 20 ms each, one at a time: 4 s for what came within one.
    assert_eq!(stage["requests"]["completed"], 200, "sent late, and never skipped");
    let open = &stage["open_loop"];
    assert_eq!((&open["peak_in_flight"], &open["keeps_up"]), (&1.into(), &false.into()), "{open}");
    assert!(number(&open["held_back"]) > 150.0 && number(&open["held_back_longest_s"]) > 1.0, "{open}");
    let lag = &stage["windows"]["measured"]["latency"]["send_lag_s"];
    assert!(number(&lag["max"]) > 1.0, "{lag}");
    let verdicts = report["recording"]["verdicts"].as_array().unwrap();
    let kinds: Vec<&str> = verdicts.iter().map(|v| v["verdict"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"held_back") && kinds.contains(&"overloaded"), "{kinds:?}");
    assert_eq!(home.scheduled_ns(0).last(), Some(&(995 * MS)), "scheduled times stay");
}

#[test]
fn rates_are_swept_over_and_plotted() {
    let home = Home::new();
    let report = home.record(&["load.kind=poisson", "sweep.rate=[20.0,40]", "stop={requests=20}"]);
    let stages = report["stages"].as_array().unwrap();
    let told: Vec<_> =
        stages.iter().map(|s| (s["name"].as_str().unwrap(), number(&s["sweep"]["rate"]))).collect();
    assert_eq!(told, [("rate=20", 20.0), ("rate=40", 40.0)]);
    assert!(stages.iter().all(|s| s["requests"]["completed"] == 20 && s["ended"] == "complete"));
    // The same seed: the same gaps, at twice the rate.
    let (slow, fast) = (home.scheduled_ns(0), home.scheduled_ns(1));
    assert!(slow.iter().zip(&fast).all(|(slow, fast)| slow.abs_diff(fast * 2) <= 4000), "{slow:?} {fast:?}");
    for (kind, words) in [
        ("throughput-latency", "Numbers beside points: requests/s offered."),
        ("effective-throughput", "Offered load"),
        ("latency-percentiles", "Offered load"),
    ] {
        let output = home.run(&["plot", kind, "run.jsonl.zst", "-o", "chart.svg"]);
        assert!(output.status.success(), "{kind}: {}", text(&output.stderr));
        let svg = std::fs::read_to_string(home.0.path().join("chart.svg")).unwrap();
        assert!(svg.contains(words), "{kind} says no `{words}`");
        std::fs::remove_file(home.0.path().join("chart.svg")).unwrap();
    }
    let fastgen = home.run(&["export", "run.jsonl.zst", "--fastgen", "out"]);
    assert_eq!(fastgen.status.code(), Some(1));
    assert!(text(&fastgen.stderr).contains("an open loop has no clients"), "{}", text(&fastgen.stderr));
}

#[test]
fn a_plan_knows_rates() {
    let home = Home::new();
    let plan = |args: &[&str]| {
        let output = home.run(&[&["record", "--dry-run"], args].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let told = plan(&["--profile", "sim-open"]);
    assert!(told.contains("for 1m") && told.contains("about 1m 1s"), "{told}");
    let told = plan(&["--profile", "sim-open", "--set", "sweep.rate=[2,4]", "--requests", "40"]);
    let row = |name: &str| told.lines().find(|l| l.contains(name)).unwrap_or("").to_owned();
    assert!(row("rate=2").ends_with(" 21s") && row("rate=4").ends_with(" 11s"), "{told}");
    // From nothing to 4 a second within 10 s are 20, then 20 more in 5 s.
    let ramp = ["load.kind=ramp", "load.rate=4", "load.ramp_time=10s"];
    let sets: Vec<&str> = ramp.iter().flat_map(|set| ["--set", *set]).collect();
    let told = plan(&[&["--profile", "sim-open", "--requests", "40"], &sets[..]].concat());
    assert!(told.contains("about 16s"), "{told}");
}

/// Asserts that `record` of a profile with these keys is refused in these words.
fn refused(home: &Home, profile: &str, sets: &[&str], words: &str) {
    let mut args = vec!["record", "--profile", profile];
    args.extend(sets.iter().flat_map(|set| ["--set", *set]));
    let output = home.run(&args);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
    assert!(said.contains(words), "{args:?} says {said}\nwanted {words}");
    assert!(!home.0.path().join("recordings").exists());
}

#[test]
fn wrong_rates_are_refused_where_they_stand() {
    let home = Home::new();
    let file =
        "[backend]\nkind = \"sim\"\n[load]\nkind = \"poisson\"\nrate = 0\n[stop]\nrequests = \"4*clients\"\n";
    std::fs::write(home.0.path().join("p.toml"), file).unwrap();
    refused(&home, "./p.toml", &[], "p.toml:5:8: load.rate: must be requests a second, above 0");
    refused(
        &home,
        "./p.toml",
        &["load.rate=3"],
        "p.toml:7:12: stop.requests: an open loop has no clients to count by, so \"4*clients\" is no number",
    );
    let poisson = "load.kind=poisson";
    let cases: [(&[&str], &str); 13] = [
        (
            &[poisson, "load.rate=-1"],
            "load.rate: must be requests a second, above 0 and up to 1000000, and is -1",
        ),
        (
            &[poisson, "load.rate=nan"],
            "load.rate: must be requests a second, above 0 and up to 1000000, and is NaN",
        ),
        (&[poisson, "load.rate=inf"], "load.rate: must be requests a second"),
        (&[poisson, "load.rate=1e7"], "load.rate: must be requests a second"),
        (&[poisson, "load.rate=\"fast\""], "load.rate: expected a number"),
        (&[poisson], "load.kind: \"poisson\" needs a rate: set load.rate"),
        (&["load.rate=3"], "load.rate: belongs to an open loop, and load.kind is \"closed\""),
        (&["load.max_in_flight=3"], "load.max_in_flight: belongs to an open loop"),
        (&["sweep.rate=[3]"], "sweep.rate: a rate belongs to an open loop"),
        (&[poisson, "load.rate=3", "sweep.clients=[1]"], "sweep.clients: an open loop sends by its rate"),
        (&[poisson, "sweep.rate=[3, 0]"], "sweep.rate.1: expected requests a second, a number above 0"),
        (&[poisson, "sweep.rate=[nan]"], "sweep.rate.0: expected requests a second"),
        (&[poisson, "sweep.rate=[\"x\"]"], "found \"x\""),
    ];
    for (sets, words) in cases {
        refused(&home, "sim", sets, words);
    }
}

#[test]
fn wrong_kinds_of_arrivals_are_refused_where_they_stand() {
    let home = Home::new();
    let rate = "load.rate=3";
    let (gamma, ramp) = ("load.kind=gamma", "load.kind=ramp");
    let cases: [(&[&str], &str); 11] = [
        (
            &["load.kind=poisson", rate, "load.burstiness=2"],
            "load.burstiness: belongs to load.kind = \"gamma\"",
        ),
        (&[gamma, rate], "load.kind: \"gamma\" needs load.burstiness"),
        (&[gamma, rate, "load.burstiness=0"], "load.burstiness: must be from 0.01 to 10000, and is 0"),
        (&[gamma, rate, "load.burstiness=nan"], "load.burstiness: must be from 0.01 to 10000, and is NaN"),
        (&[ramp, rate], "load.kind: \"ramp\" needs load.ramp_time"),
        (&[ramp, rate, "load.ramp_time=0s"], "load.ramp_time: must be longer than no time"),
        (&[ramp, rate, "load.ramp_time=9s", "load.ramp_from=-2"], "load.ramp_from: must be requests"),
        (
            &["load.kind=constant", rate, "load.ramp_time=9s"],
            "load.ramp_time: belongs to load.kind = \"ramp\"",
        ),
        (&["load.kind=poisson", rate, "load.max_in_flight=0"], "load.max_in_flight: must be 1 or more"),
        (&["load.kind=trace"], "load.kind: arrivals from a recorded trace are not in this version"),
        (&["load.kind=posson"], "did you mean `poisson`?"),
    ];
    for (sets, words) in cases {
        refused(&home, "sim", sets, words);
    }
}
