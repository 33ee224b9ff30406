//! Rough handling: storms of sizes, job control, a mouse, pasted text, and terminals that read slowly or not at all.

use std::process::Stdio;
use std::time::Duration;

use crate::harness::{Home, Terminal, assert_restored};

const ENDLESS: [&str; 4] = ["--profile", "sim", "--set", "stop={duration=\"1h\"}"];

fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// A run without an end that measures, in a terminal of so many columns and rows.
fn measuring(columns: u16, rows: u16) -> (Home, Terminal) {
    let home = Home::new();
    let terminal = Terminal::start(&home, &ENDLESS, columns, rows);
    terminal.wait_for("measuring");
    (home, terminal)
}

/// `q`, and once the run is over, `q` again; gives the screen.
fn leave(mut terminal: Terminal) {
    terminal.keys("q");
    terminal.wait_for("interrupted");
    terminal.keys("q");
    let (status, _, screen) = terminal.ended();
    assert_eq!(status.exit_code(), 0, "{status:?}");
    assert_restored(&screen);
}

#[test]
fn a_storm_of_sizes_ends_in_a_whole_screen() {
    let (_home, mut terminal) = measuring(100, 30);
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    let mut roll = |most: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (1 + dice % most) as u16
    };
    for round in 0..400 {
        let (columns, rows) = (roll(500), roll(200));
        terminal.resize(columns, rows);
        terminal.signal("-WINCH");
        if round % 40 == 0 {
            terminal.keys(&(1 + round / 40 % 7).to_string());
            pause(40);
        }
    }
    terminal.keys("1");
    terminal.resize(120, 40);
    terminal.wait_until("a whole screen of the last size", |text| {
        let lines: Vec<&str> = text.lines().collect();
        lines.len() == 40
            && text.contains("measuring")
            && lines[3].starts_with('╭')
            && lines[39].contains("? help")
    });
    leave(terminal);
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_gives_it_back() {
    let home = Home::new();
    let mut terminal = Terminal::shell(&home, 120, 30);
    terminal.keys(&format!("{} --profile sim --for 1h\n", env!("CARGO_BIN_EXE_fastgen-tui")));
    terminal.wait_for("measuring");
    for _ in 0..2 {
        terminal.keys("\x1a");
        terminal.wait_until("the shell's screen", |text| !text.contains("measuring"));
        terminal.keys("echo still $((40 + 2))\n");
        // Typed and answered: the terminal is in its normal modes.
        terminal.wait_for("still 42");
        assert!(!terminal.in_dashboard());
        assert_restored(&terminal.screen());
        pause(STOOD_MS);
        terminal.keys("fg\n");
        terminal.wait_until("a whole screen again", |text| {
            text.contains("measuring") && text.lines().next_back().is_some_and(|l| l.contains("? help"))
        });
        assert!(terminal.in_dashboard());
        // Something to measure behind it.
        pause(500);
    }
    terminal.keys("q");
    terminal.wait_for("interrupted");
    terminal.keys("q");
    terminal.wait_for("recorded: ");
    // Until it has ended it takes what is typed.
    terminal.wait_until("the shell's prompt", |text| text.trim_end().ends_with('$'));
    terminal.keys("exit\n");
    let (_, _, screen) = terminal.ended();
    assert_restored(&screen);
    stood_still_and_was_not_late(&home.recordings().pop().expect("a recording"), 2);
}

/// How long the process stands still at least, milliseconds.
const STOOD_MS: u64 = 1_500;

/// It was stopped so many times, which the run says, and no figure has it in it.
fn stood_still_and_was_not_late(recording: &std::path::Path, times: usize) {
    use fastgen_tui::event::Control;
    use fastgen_tui::report;
    let run = report::Run::read(recording).expect("it can be read");
    let of = |is: fn(&Control) -> bool| -> Vec<u64> {
        run.controls.iter().filter(|(_, control)| is(control)).map(|(at_ns, _)| *at_ns).collect()
    };
    let (began, ended) = (of(|c| matches!(c, Control::Suspended)), of(|c| matches!(c, Control::Continued)));
    assert_eq!((began.len(), ended.len()), (times, times), "{:?}", run.controls);
    let stood_ns = STOOD_MS * 1_000_000;
    assert!(began.iter().zip(&ended).all(|(began, ended)| began + stood_ns <= *ended), "{:?}", run.controls);
    let lag_ns = run.samples.iter().filter_map(|s| s.loop_lag_ns).max();
    assert!(lag_ns.is_some_and(|lag| lag < stood_ns), "{lag_ns:?}");
    let made = report::report(&run);
    let all = made.stages[0].windows.measured.as_ref().expect("something was measured");
    for figure in [&all.latency.itl_s, &all.latency.ttft_s, &all.latency.send_lag_s] {
        assert!(figure.count > 0 && figure.max < Some(STOOD_MS as f64 / 1e3), "{figure:?}");
    }
    let why = made.recording.verdicts.iter().find(|v| v.verdict == report::VerdictKind::Intervened);
    let said = format!("stopped with the whole process {times}×");
    assert!(why.is_some_and(|why| why.why.contains(&said)), "{:?}", made.recording.verdicts);
}

#[test]
fn a_stop_that_cannot_be_caught_is_found_out_and_a_load_without_a_screen_is_told_so_too() {
    let home = Home::new();
    let file = home.path().join("r.jsonl.zst");
    let path = file.to_str().expect("a path in UTF-8");
    let mut run = home.command(&["record", "--profile", "sim", "--for", "8s", "-o", path]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program");
    let measures = || {
        let entries = fastgen_tui::recording::open(&file).into_iter().flatten();
        entries.into_iter().any(|entry| format!("{entry:?}").contains("phase: Measuring"))
    };
    (0..600).take_while(|_| !measures()).for_each(|_| pause(100));
    let kill = |signal: &str| {
        let status = std::process::Command::new("kill").args([signal, &run.id().to_string()]).status();
        assert!(status.expect("kill").success());
    };
    kill("-STOP");
    // The time at which it was last alive is known to a twentieth of a second.
    pause(STOOD_MS + 100);
    kill("-CONT");
    run.wait().expect("its end");
    stood_still_and_was_not_late(&file, 1);
}

#[test]
fn a_stop_from_elsewhere_gives_the_terminal_to_the_shell_too() {
    let home = Home::new();
    let mut terminal = Terminal::shell(&home, 120, 30);
    let program = env!("CARGO_BIN_EXE_fastgen-tui");
    terminal.keys(&format!("sh -c 'echo $$ > pid; exec {program} --profile sim --for 1h'\n"));
    terminal.wait_for("measuring");
    let pid = std::fs::read_to_string(home.path().join("pid")).expect("its number");
    let kill = |signal: &str| {
        let status = std::process::Command::new("kill").args([signal, pid.trim()]).status();
        assert!(status.expect("kill").success());
    };
    for signal in ["-TSTP", "-TSTP"] {
        kill(signal);
        terminal.wait_until("the shell's screen", |text| !text.contains("measuring"));
        terminal.keys("echo still $((40 + 2))\n");
        terminal.wait_for("still 42");
        assert!(!terminal.in_dashboard());
        assert_restored(&terminal.screen());
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        assert!(stat.is_err() || stat.is_ok_and(|s| s.contains(") T ")), "it is stopped");
        terminal.keys("fg\n");
        terminal.wait_until("a whole screen again", |text| {
            text.contains("measuring") && text.lines().next_back().is_some_and(|l| l.contains("? help"))
        });
    }
    terminal.keys("q");
    terminal.wait_for("interrupted");
    // Esc closes what is open, and nothing is: it tells what leaves.
    terminal.keys("\x1b");
    terminal.wait_for("the run is over: q leaves");
    terminal.keys("q");
    terminal.wait_for("recorded: ");
    terminal.wait_until("the shell's prompt", |text| text.trim_end().ends_with('$'));
    terminal.keys("exit\n");
    let (_, _, screen) = terminal.ended();
    assert_restored(&screen);
}

#[test]
fn a_stop_that_nobody_could_undo_stops_nothing() {
    let (_home, mut terminal) = measuring(100, 30);
    terminal.signal("-TSTP");
    pause(300);
    terminal.keys("7");
    terminal.wait_for("info and above");
    leave(terminal);
}

#[test]
fn where_no_shell_could_continue_it_ctrl_z_stops_nothing() {
    let (_home, mut terminal) = measuring(100, 30);
    terminal.keys("\x1a");
    pause(300);
    terminal.keys("7");
    terminal.wait_for("info and above");
    leave(terminal);
}

#[test]
fn the_mouse_clicks_tabs_turns_the_wheel_and_selects_rows() {
    let (_home, mut terminal) = measuring(140, 40);
    let tabs = terminal.text();
    let line = tabs.lines().nth(1).expect("a row of tabs");
    let column = line[..line.find("3 Clients").expect("a tab")].chars().count() + 2;
    terminal.keys(&format!("\x1b[<0;{column};2M\x1b[<0;{column};2m"));
    terminal.wait_for("Client 0");
    // The sixth row of the list is client 4 or 5, as rows are spread; the wheel goes three further.
    terminal.keys("\x1b[<0;20;8M\x1b[<0;20;8m");
    let text =
        terminal.wait_until("another client", |text| !text.contains("Client 0 ") && text.contains("Client "));
    let of = |text: &str| {
        let at = text.find(" Client ").expect("a client") + 8;
        text[at..].split(' ').next().and_then(|n| n.parse::<u32>().ok()).expect("its number")
    };
    let clicked = of(&text);
    terminal.keys("\x1b[<65;20;8M");
    terminal.wait_for(&format!(" Client {} ", clicked + 3));
    terminal.keys("\x1b[<64;20;8M");
    terminal.wait_for(&format!(" Client {clicked} "));
    // Nonsense of a mouse: other buttons, places outside, releases, cut sequences.
    terminal.keys("\x1b[<2;5;5M\x1b[<0;9999;9999M\x1b[<35;3;3M\x1b[<0;0;0M\x1b[<;;M\x1b[<0;1");
    leave_after_cut(terminal);
}

/// The rest of a sequence that was cut, then the end.
fn leave_after_cut(mut terminal: Terminal) {
    pause(50);
    terminal.keys(";1M");
    pause(50);
    leave(terminal);
}

#[test]
fn pasted_text_is_no_keys_but_text_for_a_field() {
    let (_home, mut terminal) = measuring(120, 30);
    terminal.wait_until("pasted text told apart", |_| terminal.screen_has_bracketed_paste());
    // Two quits, a theme, an abort: all of it only text. Focus in and out are no keys either.
    terminal.keys("\x1b[200~qq\x03\r7tt\x1b[201~\x1b[I\x1b[O");
    pause(300);
    let text = terminal.text();
    assert!(text.contains("measuring") && text.contains("Output tokens/s"), "{text}");
    terminal.keys("m");
    terminal.wait_for("mark, with a note");
    terminal.keys("\x1b[200~a note\x1b[20");
    pause(50);
    terminal.keys("1~");
    terminal.wait_for("a note");
    terminal.keys("\r");
    terminal.wait_for("marked: a note");
    leave(terminal);
}

#[test]
fn a_terminal_that_stops_reading_stops_nothing_else() {
    let (home, mut terminal) = measuring(200, 60);
    terminal.block(true);
    // Whole frames, so that whatever stands between is full soon.
    for _ in 0..60 {
        terminal.keys("\x0c2\x0c1");
        pause(50);
    }
    // Keys are heard all the same.
    terminal.keys("e7");
    let exported = home.path().join("recordings");
    terminal.wait_until("an export while nobody reads", |_| {
        std::fs::read_dir(&exported)
            .is_ok_and(|mut d| d.any(|e| e.is_ok_and(|e| e.path().join("summary.csv").exists())))
    });
    terminal.block(false);
    terminal.wait_for("info and above");
    // The run went on and answers.
    terminal.keys("1");
    terminal.wait_for("Output tokens/s");
    leave(terminal);
    let report = home.report();
    let series = report["stages"][0]["windows"]["measured"]["throughput"]["output_tokens_per_s"].as_f64();
    assert!(series.expect("a rate") > 0.0);
    assert_eq!(report["recording"]["lost_events"], 0);
}

#[test]
fn a_blocked_terminal_does_not_keep_sigterm_from_ending_it() {
    let (home, mut terminal) = measuring(200, 60);
    terminal.block(true);
    for _ in 0..40 {
        terminal.keys("\x0c2\x0c1");
        pause(50);
    }
    terminal.signal("-TERM");
    // What it still has to say must find room without anybody reading.
    let status = terminal.wait_for_end();
    assert_eq!(status.exit_code(), 130);
    terminal.block(false);
    let (_, _, screen) = terminal.ended();
    assert_restored(&screen);
    assert_eq!(home.report()["recording"]["ended"], "interrupted");
}

#[test]
fn a_slow_terminal_gets_fewer_frames_and_the_newest() {
    let (_home, mut terminal) = measuring(200, 60);
    terminal.slow(true);
    for key in ["2", "3", "4", "5", "6", "7"] {
        terminal.keys(key);
        pause(100);
    }
    terminal.wait_for("info and above");
    terminal.slow(false);
    leave(terminal);
}
