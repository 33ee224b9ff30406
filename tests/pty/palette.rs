//! Commands by name, the clipboard and pictures, as a terminal gets them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{Home, Terminal, assert_restored};

#[test]
fn commands_are_typed_figures_copied_and_pictures_written() {
    let home = Home::new();
    let mut terminal =
        Terminal::start(&home, &["--profile", "sim", "--set", "stop={duration=\"1h\"}"], 120, 40);
    terminal.wait_for("measuring");
    terminal.keys(":");
    terminal.wait_for("Enter runs");
    terminal.keys("seek 10\r");
    terminal.wait_for("`seek 10`: only in a replay");
    terminal.keys("\x15screen lat\t");
    terminal.wait_for(":screen latency");
    terminal.keys("\r");
    terminal.wait_for("Latency over time");
    terminal.keys(":clients 5\r3");
    // The one that is too many has nothing more to do.
    terminal.wait_for("   5  idle");
    terminal.keys("1y");
    terminal.wait_for("copied the latency table and the rates, 13 lines");
    terminal.keys("P");
    terminal.wait_for("picture: recordings/sim-");
    terminal.keys(":quit\r");
    terminal.wait_for("interrupted");
    terminal.keys("q");
    let (status, all, screen) = terminal.ended();
    assert_eq!(status.exit_code(), 0, "{status:?}");
    assert_restored(&screen);
    let sent = String::from_utf8_lossy(&all);
    let from = sent.find("\x1b]52;c;").expect("the sequence for the clipboard") + 7;
    let length = sent[from..].find('\x07').expect("its end");
    let copied = STANDARD.decode(&sent[from..from + length]).expect("base64");
    let copied = String::from_utf8(copied).expect("text");
    let mut lines = copied.lines();
    assert_eq!(lines.next(), Some("figure\tcount\tmean (s)\tp50 (s)\tp90 (s)\tp95 (s)\tp99 (s)\tmax (s)"));
    assert!(lines.next().is_some_and(|l| l.starts_with("TTFT\t")), "{copied}");
    assert!(copied.contains("\noutput tokens\t"), "{copied}");
    let folder = home.path().join("recordings");
    let names = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    let pictures: Vec<_> = names.filter(|p| p.extension().is_some_and(|e| e == "svg")).collect();
    assert_eq!(pictures.len(), 1, "{pictures:?}");
    let svg = std::fs::read_to_string(&pictures[0]).expect("a picture");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
}

#[test]
fn a_picture_finds_a_place_when_the_folder_of_recordings_is_gone() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home, &["--profile", "sim", "--for", "1h"], 120, 40);
    terminal.wait_for("measuring");
    let (there, away) = (home.path().join("recordings"), home.path().join("away"));
    std::fs::rename(&there, away).expect("renamed");
    std::fs::write(home.path().join("recordings"), "").expect("a file");
    terminal.keys("P");
    // Without the recording's folder the picture goes to where the program was started.
    terminal.wait_for("picture: sim-");
    terminal.keys("q");
    terminal.wait_for("interrupted");
    terminal.keys("q");
    let (_, _, screen) = terminal.ended();
    assert_restored(&screen);
}
