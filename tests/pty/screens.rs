//! The screens in a terminal: every key, every size, replay.

use crate::harness::{Home, Terminal, assert_restored};

#[test]
fn every_key_does_what_the_help_says_and_nothing_breaks() {
    let home = Home::new();
    let mut terminal =
        Terminal::start(&home, &["--profile", "sim", "--set", "stop={duration=\"1h\"}"], 120, 40);
    terminal.wait_for("measuring");
    terminal.keys("?");
    terminal.wait_for("theme");
    // Keys that come at once after an Escape would be taken for Alt and a key.
    terminal.keys("\x1b");
    terminal.wait_until("the help to close", |text| !text.contains("any key closes"));
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
