//! The screens in a terminal: every key, every size, replay.

use crate::harness::{Home, Terminal, assert_restored};

#[test]
fn every_key_does_what_the_help_says_and_nothing_breaks() {
    let home = Home::new();
    let mut terminal =
        Terminal::start(&home, &["--profile", "sim", "--set", "stop={duration=\"1h\"}"], 120, 40);
    terminal.wait_for("measuring");
    terminal.keys("?");
    terminal.wait_for("key closes");
    // Keys that come at once after an Escape would be taken for Alt and a key.
    terminal.keys("\x1b");
    terminal.wait_until("the help to close", |text| !text.contains("key closes"));
    terminal.keys("2");
    terminal.wait_for("Latency over time");
    // There is no column to look at before the first request has completed.
    terminal.wait_for("lines over");
    terminal.keys("f[]wzZ\x1b[D\x1b[D\x1b[C\x1b[H\x1b[F");
    terminal.wait_for("TPOT, 0:");
    terminal.keys("\x1b");
    terminal.wait_for("TPOT, all shown");
    terminal.keys("d");
    terminal.wait_for("as vllm");
    terminal.keys("ddddd3");
    terminal.wait_for("prefill");
    terminal.keys("jjkkzZ");
    terminal.keys("4");
    terminal.wait_for("TTFT");
    terminal.keys("sSvj\r");
    terminal.keys("\x1b/completed\r");
    terminal.keys("7");
    terminal.wait_for("sim");
    terminal.keys("f1w");
    terminal.wait_for("Output tokens/s");
    terminal.keys(" ");
    terminal.wait_until("the pause", |text| text.to_lowercase().contains("paused"));
    terminal.keys(" +-mhello\r");
    terminal.keys("\t\x1b[Z\x1b[A\x1b[B\x1b[5~\x1b[6~\x1b[H\x1b[F");
    terminal.keys("tttt1pp");
    terminal.keys("e");
    terminal.wait_until("the export", |_| {
        std::fs::read_dir(home.path().join("recordings"))
            .is_ok_and(|mut d| d.any(|e| e.is_ok_and(|e| e.path().join("summary.csv").exists())))
    });
    terminal.keys("qq");
    terminal.wait_for("interrupted");
    terminal.keys("q");
    let (status, _, screen) = terminal.ended();
    assert!(status.success(), "{status:?}");
    assert_restored(&screen);
}

#[test]
fn resizes_of_all_kinds_leave_a_whole_screen() {
    let home = Home::new();
    let mut terminal =
        Terminal::start(&home, &["--profile", "sim", "--set", "stop={duration=\"1h\"}"], 80, 24);
    terminal.wait_for("measuring");
    for (columns, rows) in [(300, 80), (1, 1), (60, 15), (59, 14), (200, 60), (20, 70), (120, 40), (80, 24)] {
        terminal.resize(columns, rows);
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
    terminal.wait_until("header and footer at the last size", |text| {
        text.contains("measuring") && text.contains("? help") && text.lines().count() <= 24
    });
    terminal.resize(50, 10);
    terminal.wait_until("one line", |text| text.lines().filter(|l| !l.trim().is_empty()).count() == 1);
    terminal.keys("qq");
    terminal.keys("q");
    let (_, _, screen) = terminal.ended();
    assert_restored(&screen);
}

#[test]
fn a_recording_is_replayed_on_the_same_screens() {
    let home = Home::new();
    let recorded = home
        .command(&["record", "--profile", "sim", "--for", "2s", "-o", "run.jsonl.zst"])
        .output()
        .expect("a run");
    assert!(recorded.status.success(), "{}", String::from_utf8_lossy(&recorded.stderr));
    let mut terminal = Terminal::start(&home, &["replay", "run.jsonl.zst", "--speed", "4"], 120, 40);
    terminal.wait_for("run.jsonl.zst");
    terminal.wait_for("done");
    for screen in ["2", "3", "4", "7", "1"] {
        terminal.keys(screen);
    }
    terminal.wait_for("Output tokens/s");
    // From its end it starts again; then back and forth.
    terminal.keys(" <>,.{}\x1b[D\x1b[C");
    terminal.wait_for("Output tokens/s");
    terminal.keys("q");
    let (status, _, screen) = terminal.ended();
    assert!(status.success());
    assert_restored(&screen);
}

#[test]
fn keys_change_an_open_loops_rate_and_pause_its_timetable() {
    let home = Home::new();
    let sets = ["--profile", "sim-open", "--set", "stop={duration=\"1h\"}", "--set", "load.rate=20"];
    let mut terminal = Terminal::start(&home, &sets, 140, 40);
    terminal.wait_for("measuring");
    terminal.wait_for("poisson 20 req/s");
    terminal.keys("+");
    terminal.wait_for("poisson 22 req/s");
    terminal.keys("3");
    terminal.wait_for("Places: poisson 22 req/s");
    terminal.keys(" ");
    terminal.wait_until("the pause", |text| text.contains("paused"));
    std::thread::sleep(std::time::Duration::from_millis(700));
    terminal.keys(" ");
    terminal.wait_for("measuring");
    std::thread::sleep(std::time::Duration::from_millis(400));
    terminal.keys("--q");
    terminal.wait_for("interrupted");
    terminal.keys("q");
    let (_, _, screen) = terminal.ended();
    assert_restored(&screen);
    paused_without_a_burst(&home);
}

/// The recording holds what was done, and between pause and resumption no request was due, nor many at once after.
fn paused_without_a_burst(home: &Home) {
    use fastgen_tui::event::{Control, Event};
    use fastgen_tui::recording::{Entry, open};
    let path = home.recordings().pop().expect("a recording");
    let entries: Vec<Entry> = open(&path).expect("it can be read").collect();
    let controls: Vec<(u64, Control)> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Event(Event::Control { at_ns, control }) => Some((*at_ns, control.clone())),
            _ => None,
        })
        .collect();
    let told: Vec<Control> = controls.iter().map(|c| c.1.clone()).collect();
    let rate = |rate| Control::Rate { rate };
    let wanted = [rate(22.0), Control::Paused, Control::Resumed, rate(20.0), rate(18.2), Control::Stop];
    assert_eq!(told, wanted);
    let (paused, resumed) = (controls[1].0, controls[2].0);
    let due: Vec<u64> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Event(Event::Sent(sent)) if !sent.warmup => Some(sent.scheduled_ns),
            _ => None,
        })
        .collect();
    // The task that keeps the times sees a pause a moment after it was stamped.
    let moment = 20_000_000;
    assert!(due.iter().all(|at| *at < paused + moment || *at >= resumed), "{due:?} {paused} {resumed}");
    let after = due.iter().filter(|at| (resumed..resumed + 300_000_000).contains(at)).count();
    assert!((1..20).contains(&after), "{after} requests within 300 ms, at 22 a second");
}

#[test]
fn a_range_of_a_replay_has_figures_and_an_export_and_another_recording_plays_along() {
    let home = Home::new();
    for (name, clients) in [("run.jsonl.zst", "load.clients=8"), ("other.jsonl.zst", "load.clients=2")] {
        let args = ["record", "--profile", "sim", "--for", "2s", "--set", clients, "-o", name];
        let recorded = home.command(&args).output().expect("a run");
        assert!(recorded.status.success(), "{}", String::from_utf8_lossy(&recorded.stderr));
    }
    let args = ["replay", "run.jsonl.zst", "--with", "other.jsonl.zst", "--speed", "8"];
    let mut terminal = Terminal::start(&home, &args, 120, 40);
    terminal.wait_for("replay A: run.jsonl.zst");
    terminal.wait_for("done");
    terminal.wait_for("8 clients");
    assert!(terminal.text().contains("B p50"), "{}", terminal.text());
    terminal.keys("r");
    terminal.wait_for("no range yet");
    terminal.keys(",,,,,,,,,,,,");
    // The range's end is where the head is seen to be.
    std::thread::sleep(std::time::Duration::from_millis(700));
    terminal.keys(")r");
    terminal.wait_for("Range of A 0:00.000");
    terminal.wait_for("requests completed");
    terminal.keys("e");
    terminal.wait_for("exported to run-0.000s-");
    let exported = std::fs::read_dir(home.path()).expect("the folder").filter_map(Result::ok).find(|entry| {
        entry.file_name().to_string_lossy().starts_with("run-0.000s-")
            && entry.path().join("tokens.csv").exists()
    });
    assert!(exported.is_some());
    terminal.keys("r");
    terminal.wait_until("the panel to go", |text| !text.contains("Range of A"));
    terminal.keys("b");
    terminal.wait_for("replay B: other.jsonl.zst");
    terminal.wait_for("2 clients");
    terminal.keys("3");
    terminal.wait_for("Client 0");
    terminal.keys("b1\\");
    terminal.wait_for("replay A: run.jsonl.zst");
    terminal.keys("e");
    terminal.wait_for("exported to run-csv");
    terminal.keys("q");
    let (status, _, screen) = terminal.ended();
    assert!(status.success());
    assert_restored(&screen);
}
