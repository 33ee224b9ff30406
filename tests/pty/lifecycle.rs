//! How a run begins and ends in a terminal: start, quit, Ctrl-C, signals, kill, failure.

use std::io::Read;

use crate::harness::{Home, Terminal, assert_restored};

const ENDLESS: [&str; 4] = ["--profile", "sim", "--set", "stop={duration=\"1h\"}"];

#[test]
fn q_drains_the_run_restores_the_terminal_and_prints_the_report() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home, &ENDLESS, 100, 30);
    terminal.wait_for("measuring");
    assert!(terminal.in_dashboard());
    terminal.keys("q");
    terminal.wait_for("interrupted");
    terminal.keys("q");
    let (status, _, screen) = terminal.ended();
    assert_eq!(status.exit_code(), 0, "{status:?}");
    assert_restored(&screen);
    let text = screen.lock().expect("the screen").screen().contents();
    assert!(text.contains("recorded: recordings/sim-"), "{text}");
    assert_eq!(home.recordings().len(), 1);
}

#[test]
fn ctrl_c_twice_ends_at_once_with_status_130_and_a_closed_recording() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home, &ENDLESS, 100, 30);
    terminal.wait_for("measuring");
    terminal.keys("\x03");
    terminal.keys("\x03");
    terminal.wait_for("interrupted");
    terminal.keys("\x03");
    let (status, _, screen) = terminal.ended();
    assert_eq!(status.exit_code(), 130);
    assert_restored(&screen);
    let json = report(&home);
    assert_eq!(json["recording"]["ended"], "interrupted");
    assert_eq!(json["recording"]["lost_events"], 0);
}

#[test]
fn sigterm_ends_the_run_and_restores_the_terminal() {
    let home = Home::new();
    let terminal = Terminal::start(&home, &ENDLESS, 80, 24);
    terminal.wait_for("measuring");
    terminal.signal("-TERM");
    let (status, _, screen) = terminal.ended();
    assert_eq!(status.exit_code(), 130);
    assert_restored(&screen);
    assert_eq!(report(&home)["recording"]["ended"], "interrupted");
}

#[test]
fn a_killed_run_leaves_a_recording_that_can_be_read() {
    let home = Home::new();
    let terminal = Terminal::start(&home, &ENDLESS, 80, 24);
    terminal
        .wait_until("two completed requests", |text| !text.contains("0 req") && text.contains("measuring"));
    // Frames are closed once a second: give one the time.
    std::thread::sleep(std::time::Duration::from_secs(3));
    terminal.signal("-KILL");
    let (status, _, _) = terminal.ended();
    assert!(!status.success());
    let json = report(&home);
    assert_eq!(json["recording"]["ended"], "cut");
    assert!(json["stages"][0]["requests"]["completed"].as_u64().expect("a count") > 0);
}

#[test]
fn an_engine_that_dies_is_named_on_the_screen_and_in_the_exit_status() {
    let home = Home::new();
    let args = [
        "--profile",
        "sim",
        "--set",
        "backend.sim.die_after=40",
        "--set",
        "load.warmup_requests_per_client=0",
    ];
    let mut terminal = Terminal::start(&home, &args, 100, 30);
    terminal.wait_for("the engine died");
    terminal.keys("q");
    let (status, _, screen) = terminal.ended();
    assert_eq!(status.exit_code(), 1);
    assert_restored(&screen);
    let text = screen.lock().expect("the screen").screen().contents();
    assert!(text.contains("the engine died"), "{text}");
}

#[test]
fn a_wrong_profile_never_touches_the_screen() {
    let home = Home::new();
    let terminal = Terminal::start(&home, &["--profile", "demmo"], 80, 24);
    let (status, all, _) = terminal.ended();
    assert_eq!(status.exit_code(), 2);
    let text = String::from_utf8_lossy(&all);
    assert!(text.contains("did you mean `demo`?"), "{text}");
    assert!(!text.contains("\x1b[?1049h"), "the dashboard was opened");
}

#[test]
fn without_a_terminal_the_live_command_records_and_says_so() {
    let home = Home::new();
    let mut child = home
        .command(&["--profile", "sim", "--for", "1s"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    let mut report = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut report).expect("text");
    assert!(child.wait().expect("an end").success(), "{said}");
    assert!(said.contains("no terminal: running as `record`"), "{said}");
    assert!(report.contains("measured window"), "{report}");
}

#[test]
#[cfg(feature = "mistralrs")]
fn the_demo_serves_clients_on_the_real_engine() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home, &["--for", "2s"], 120, 40);
    terminal.wait_for("mistralrs 0.8.1 on cpu");
    terminal.wait_for("measuring");
    terminal.wait_for("done");
    terminal.keys("q");
    let (status, _, screen) = terminal.ended();
    assert_eq!(status.exit_code(), 0);
    assert_restored(&screen);
    let json = report(&home);
    assert!(json["stages"][0]["requests"]["completed"].as_u64().expect("a count") > 0);
    // Whatever the engine prints goes to the log: its words must not be on the user's own screen.
    let text = screen.lock().expect("the screen").screen().contents();
    assert!(!text.contains("Loading `tiny"), "{text}");
}

/// The JSON report of the one recording in a home.
fn report(home: &Home) -> serde_json::Value {
    home.report()
}
