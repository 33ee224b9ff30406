//! The user's settings, the environment, plain lines: what they change in a real terminal.

use std::path::PathBuf;

use crate::harness::{Home, Terminal, assert_restored};

const LONG: &str = "stop={duration=\"1h\"}";

fn write(home: &Home, file: &str, text: &str) -> PathBuf {
    let path = home.path().join("config/fastgen-tui").join(file);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(&path, text).expect("a file");
    path
}

fn demo() -> String {
    format!("{}/recordings/demo.jsonl.zst", env!("CARGO_MANIFEST_DIR"))
}

/// Whether bytes hold an escape sequence with this beginning.
fn has(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|w| w == what.as_bytes())
}

#[test]
fn settings_choose_profile_theme_and_keys() {
    let home = Home::new();
    let settings = "profile = \"sim\"\ntheme = \"paper\"\n[keys]\nhelp = \"H\"\nquit = [\"Q\", \"ctrl-x\"]\n";
    write(&home, "config.toml", settings);
    let mut terminal = Terminal::start(&home, &["--set", LONG], 120, 40);
    terminal.wait_for("measuring");
    assert!(terminal.text().contains("H help"), "{}", terminal.text());
    terminal.keys("?q");
    terminal.keys("H");
    let help = terminal.wait_for("key closes");
    assert!(help.contains("Q ^X ^C"), "{help}");
    terminal.keys("Q");
    terminal.wait_for("interrupted");
    terminal.keys("\x18");
    let (status, bytes, screen) = terminal.ended();
    assert!(status.success(), "{status:?}");
    assert_restored(&screen);
    assert!(has(&bytes, "48;2;251;250;246"), "the background is that of `paper`");
}

#[test]
fn a_flag_wins_over_the_settings_and_a_slip_stops_before_anything() {
    let home = Home::new();
    write(&home, "config.toml", "theme = \"paper\"\n");
    let mut terminal = Terminal::start(&home, &["replay", &demo(), "--theme", "ink"], 100, 30);
    terminal.wait_for("Output tokens/s");
    terminal.keys("q");
    let (_, bytes, _) = terminal.ended();
    assert!(has(&bytes, "48;2;255;255;255") && !has(&bytes, "48;2;251;250;246"));
    for (text, place, part) in [
        ("fps = 15\ntheem = \"ink\"\n", ":2:1:", "did you mean `theme`?"),
        ("theme = \"inc\"\n", ":1:9:", "did you mean `ink`?"),
        ("[keys]\npause = \"q\"\n", ":2:9:", "`quit` already"),
        ("profile = \"smi\"\n", ":1:11:", "did you mean `sim`?"),
    ] {
        write(&home, "config.toml", text);
        let out = home.command(&["record", "--for", "1s"]).output().expect("it runs");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("config.toml{place}")) && said.contains(part), "{said}");
        assert!(home.recordings().is_empty());
    }
}

#[test]
fn a_theme_that_is_edited_is_read_again_and_a_wrong_one_is_told() {
    let home = Home::new();
    let shown = home.command(&["themes", "show", "dusk"]).output().expect("it runs").stdout;
    let dusk = String::from_utf8(shown).expect("text");
    write(&home, "themes/mine.toml", &dusk);
    let mut terminal = Terminal::start(&home, &["replay", &demo(), "--theme", "mine"], 160, 40);
    terminal.wait_for("Output tokens/s");
    write(&home, "themes/mine.toml", &dusk.replace("accent =", "acent ="));
    let told = terminal.wait_for("did you mean `accent`?");
    assert!(told.contains("mine.toml:"), "{told}");
    write(&home, "themes/mine.toml", &dusk.replace("#15171f", "#000102"));
    terminal.wait_for("theme mine, read again");
    terminal.keys("q");
    let (status, bytes, _) = terminal.ended();
    assert!(status.success() && has(&bytes, "48;2;0;1;2"));
}

#[test]
fn the_environment_says_how_many_colours() {
    let home = Home::new();
    let shown = |environment: &[(&str, &str)]| {
        let mut terminal = Terminal::start_in(&home, &["replay", &demo()], (100, 30), environment);
        terminal.wait_for("Output tokens/s");
        terminal.keys("q");
        terminal.ended().1
    };
    let bare = shown(&[("NO_COLOR", "1")]);
    assert!(!has(&bare, "38;2;") && !has(&bare, "38;5;"), "no colour at all");
    let few = shown(&[("COLORTERM", ""), ("TERM", "xterm-256color")]);
    assert!(has(&few, "38;5;") && !has(&few, "38;2;"));
    let sixteen = shown(&[("COLORTERM", ""), ("TERM", "xterm")]);
    assert!(!has(&sixteen, "38;2;"));
    assert!(has(&shown(&[("COLORTERM", "truecolor"), ("TERM", "xterm")]), "38;2;"));
}

#[test]
fn a_dumb_terminal_gets_lines_and_takes_commands() {
    let home = Home::new();
    let args = ["--profile", "sim", "--set", LONG, "--plain-every", "1s"];
    let mut terminal = Terminal::start_in(&home, &args, (200, 60), &[("TERM", "dumb")]);
    terminal.wait_for("measuring begins");
    terminal.wait_for("TTFT p50");
    terminal.keys("mark half way\r");
    terminal.wait_for("mark: half way");
    terminal.keys("frezze\r");
    terminal.wait_for("did you mean `freeze`?");
    terminal.keys("?\r");
    terminal.wait_for("pause (space)");
    terminal.keys("q\r");
    let (status, bytes, _) = terminal.ended();
    assert!(status.success(), "{status:?}");
    let text = String::from_utf8_lossy(&bytes);
    assert!(!bytes.contains(&0x1b), "no escape sequence: {text}");
    assert!(text.contains("draining"), "{text}");
    assert_eq!(home.recordings().len(), 1);
}

#[test]
fn a_replay_is_told_in_lines_to_its_end() {
    let home = Home::new();
    let terminal = Terminal::start(&home, &["replay", &demo(), "--plain", "--speed", "64"], 200, 60);
    let (status, bytes, _) = terminal.ended();
    let text = String::from_utf8_lossy(&bytes);
    assert!(status.success() && !bytes.contains(&0x1b), "{text}");
    assert!(text.contains("measuring begins") && text.contains("done, "), "{text}");
    let last = text.lines().last().unwrap_or_default();
    assert!(last.contains("requests done") && last.contains("ITL p50"), "{text}");
    // The rate of the whole measured window, which the report tells with a decimal more.
    let report = home.command(&["report", "--format", "json", &demo()]).output().expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).expect("JSON");
    let rate = &report["stages"][0]["windows"]["measured"]["throughput"]["output_tokens_per_s"];
    let rate = format!("{:.0} tokens/s on the average", rate.as_f64().expect("a rate"));
    assert!(last.contains(&rate), "{last}: {rate}");
}

#[test]
fn ctrl_c_ends_plain_lines_gracefully() {
    let home = Home::new();
    write(&home, "config.toml", "plain = true\n");
    let mut terminal = Terminal::start(&home, &["--profile", "sim", "--set", LONG], 200, 60);
    terminal.wait_for("measuring begins");
    terminal.keys("\x03");
    let (status, bytes, _) = terminal.ended();
    assert_eq!(status.exit_code(), 130, "{}", String::from_utf8_lossy(&bytes));
    assert!(String::from_utf8_lossy(&bytes).contains("the run was asked to end"));
}

#[test]
fn ctrl_c_in_a_replays_plain_lines_is_an_interruption_and_q_is_none() {
    let home = Home::new();
    for (keys, code) in [("\x03", 130), ("q\r", 0)] {
        let mut terminal = Terminal::start(&home, &["replay", &demo(), "--plain"], 200, 60);
        terminal.wait_for("measuring begins");
        terminal.keys(keys);
        let (status, bytes, _) = terminal.ended();
        assert_eq!(status.exit_code(), code, "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_report_is_as_wide_as_its_terminal() {
    let home = Home::new();
    let widest = |columns: u16| {
        let terminal = Terminal::start(&home, &["report", &demo()], columns, 200);
        let (_, bytes, _) = terminal.ended();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.lines().map(|line| line.trim_end().chars().count()).max().unwrap_or(0)
    };
    let (narrow, wide) = (widest(60), widest(120));
    assert!(narrow <= 60, "{narrow}");
    assert!((81..=120).contains(&wide), "{wide}");
}

#[test]
fn progress_is_not_redrawn_in_ci() {
    let home = Home::new();
    let args = ["record", "--profile", "sim", "--for", "2s"];
    let redrawn = |environment: &[(&str, &str)]| {
        let (status, bytes, _) = Terminal::start_in(&home, &args, (120, 40), environment).ended();
        assert!(status.success(), "{}", String::from_utf8_lossy(&bytes));
        has(&bytes, "\r\x1b[K")
    };
    assert!(redrawn(&[]));
    assert!(!redrawn(&[("CI", "true")]));
    assert!(!redrawn(&[("TERM", "dumb")]));
}
