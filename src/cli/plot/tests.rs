//! The command on the recording that is shipped.

use std::path::Path;

use clap::Parser as _;

use super::plot;
use crate::cli::args::{Cli, Command};
use crate::cli::failure::{Exit, Outcome};

fn demo() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/recordings/demo.jsonl.zst").to_owned()
}

fn run(kind: &str, files: &[&str], out: &Path, more: &[&str]) -> Outcome {
    let mut line = vec!["fastgen-tui", "plot", kind];
    line.extend(files);
    let out = out.display().to_string();
    line.extend(["-o", &out]);
    line.extend(more);
    let Some(Command::Plot(args)) = Cli::try_parse_from(line).unwrap().command else { panic!("no plot") };
    plot(&args)
}

#[test]
fn the_demo_becomes_pictures() {
    let dir = tempfile::tempdir().unwrap();
    for (kind, panels) in
        [("throughput-latency", 1), ("effective-throughput", 1), ("latency-percentiles", 1), ("timeline", 3)]
    {
        let out = dir.path().join(kind).with_extension("svg");
        let more =
            ["--label", "a <b>", "--title", "The title", "--xlim", "-1:99", "--dark", "--size", "700x500"];
        assert_eq!(run(kind, &[&demo()], &out, &more).unwrap(), Exit::Done);
        let svg = std::fs::read_to_string(&out).unwrap();
        assert!(svg.starts_with("<svg width=\"700\" height=\"500\"") && svg.contains("The title"), "{kind}");
        assert!(!svg.contains("<b>"));
        // Each panel's y axis has a label that is read from below.
        assert_eq!(svg.matches("rotate(270").count(), panels, "{kind}");
    }
    let out = dir.path().join("a.png");
    assert_eq!(run("timeline", &[&demo(), &demo()], &out, &["--size", "200x150"]).unwrap(), Exit::Done);
    assert!(std::fs::read(&out).unwrap().starts_with(b"\x89PNG\r\n"));
}

/// Kind, files, target and flags; then the exit status and a part of the message.
type Case<'a> = (&'a str, &'a [&'a str], &'a Path, &'a [&'a str], Exit, &'a str);

#[test]
fn what_cant_be_done_says_so_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a.svg");
    let missing = dir.path().join("missing.jsonl.zst").display().to_string();
    let demo = demo();
    let cases: [Case<'_>; 6] = [
        ("replica-scale", &[&demo], &out, &[], Exit::Failed, "different numbers of replicas"),
        ("tp-sizes", &[&missing], &out, &[], Exit::Failed, "missing.jsonl.zst"),
        ("timeline", &[&demo], Path::new("a.pdf"), &[], Exit::Usage, "OUT.svg or OUT.png"),
        (
            "timeline",
            &[&demo],
            Path::new("/no/such/folder/a.svg"),
            &[],
            Exit::Failed,
            "/no/such/folder/a.svg",
        ),
        ("timeline", &[&demo, &demo], &out, &["--label", "one"], Exit::Usage, "1 times for 2 files"),
        ("timeline", &["-", "-"], &out, &[], Exit::Usage, "only once"),
    ];
    for (kind, files, out, more, exit, told) in cases {
        let failure = run(kind, files, out, more).unwrap_err();
        assert_eq!(failure.exit, exit, "{}", failure.message);
        assert!(failure.message.contains(told), "{}", failure.message);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
