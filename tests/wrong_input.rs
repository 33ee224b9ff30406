//! Wrong input, as users give it to the real program: each a message that says what, where and what to do, the
//! right exit status, nothing left behind, and never a panic.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The shipped recording.
const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recordings/demo.jsonl.zst");
/// A short simulated run, without the name of its recording.
const SIM: [&str; 5] = ["record", "--profile", "sim", "--for", "1s"];

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, content: &[u8]) {
        std::fs::write(self.path().join(name), content).expect("a file");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastgen-tui"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        command.env("HOME", self.path()).env("HF_HUB_OFFLINE", "1");
        for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().expect("the program starts"))
    }

    /// Runs it, and asserts the exit status and that standard error says each of these.
    fn refuses(&self, args: &[&str], status: i32, words: &[&str]) {
        let said = self.run(args);
        assert_eq!(said.status, Some(status), "{args:?}: {}", said.error);
        for word in words {
            assert!(said.error.contains(word), "{args:?} does not say `{word}`:\n{}", said.error);
        }
        assert!(!said.error.contains("panicked"), "{args:?}: {}", said.error);
    }

    /// Nothing was recorded.
    fn is_clean(&self) {
        assert!(!self.path().join("recordings").exists(), "a recording was left behind");
    }
}

struct Said {
    status: Option<i32>,
    output: String,
    error: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self { status: output.status.code(), output: text(output.stdout), error: text(output.stderr) }
    }
}

#[test]
fn wrong_names_get_the_nearest_right_one() {
    let home = Home::new();
    home.refuses(&["record", "--profile", "demmo"], 2, &["no profile `demmo`", "did you mean `demo`?"]);
    home.refuses(&["record", "--profile", "smol"], 2, &["did you mean `smollm2-135m`?"]);
    home.refuses(
        &["record", "--set", "load.clint=4"],
        2,
        &["unknown key `clint`", "did you mean `clients`?"],
    );
    home.refuses(&["record", "--set", "sweep.client=[1]"], 2, &["client", "did you mean `clients`?"]);
    home.refuses(&["--theme", "dusc"], 2, &["dusc", "did you mean `dusk`?"]);
    home.refuses(&["replay", DEMO, "--theme", "dusc"], 2, &["did you mean `dusk`?"]);
    home.refuses(&["record", "--set", "ui.theme=dusc"], 2, &["did you mean `dusk`?"]);
    home.refuses(&["model", "dummy", "tini"], 2, &["no shape `tini`", "did you mean `tiny`?"]);
    home.refuses(&["replya", DEMO], 2, &["replya", "replay"]);
    home.is_clean();
}

#[test]
fn wrong_values_are_shown_where_they_stand() {
    let home = Home::new();
    home.file("p.toml", b"[profile]\nname = \"p\"\n[backend]\nkind = \"sim\"\n[load]\nclients = \"many\"\n");
    home.refuses(&["record", "--profile", "p.toml"], 2, &["p.toml:6:11", "load.clients", "a whole number"]);
    home.file("q.toml", b"[profile]\nname = \"q\"\n[backend]\nkind = \"sim\"\n[load]\nclients = 0\n");
    home.refuses(&["record", "--profile", "q.toml"], 2, &["q.toml:6:11", "load.clients"]);
    home.file("r.toml", b"[profile\nname = \"r\"\n");
    home.refuses(&["record", "--profile", "r.toml"], 2, &["r.toml:1:9"]);
    let big = "load.clients=5000000000";
    home.refuses(&["record", "--set", big], 2, &[big, "0 to 4294967295"]);
    home.refuses(&["record", "--for", "0s"], 2, &["--for"]);
    home.refuses(&["record", "--for", "soon"], 2, &["--for", "soon"]);
    home.refuses(&["record", "--set", "load"], 2, &["--set", "load"]);
    home.is_clean();
}

#[test]
#[cfg(feature = "mistralrs")]
fn a_model_that_cannot_be_used_is_named_before_anything_is_written() {
    let home = Home::new();
    home.file("no.gguf", b"not a model at all");
    home.file("cut.gguf", b"GGUF\x03\0\0\0\x10\0\0\0");
    let with = |key: &str, words: &[&str]| {
        home.refuses(&["record", "--set", key], 2, &[&[key][..], words].concat());
    };
    with("model.path=no.gguf", &["no GGUF file"]);
    with("model.path=cut.gguf", &["cut off", "fetch or write it again"]);
    with("model.path=nowhere.gguf", &["there is no model at nowhere.gguf"]);
    with("model.path=.", &["no config.json"]);
    with("model.hub=org/name", &["org/name", "huggingface/hub", "HF_HUB_OFFLINE"]);
    with("model.hub=name", &["no hub id"]);
    with("model.dummy=tini", &["did you mean `tiny`?"]);
    with("model.quantization=q9", &["model.quantization"]);
    with("backend.device=gpu", &["unknown device"]);
    let many = ["record", "--set", "backend.replicas=100000"];
    home.refuses(&many, 2, &["model.dummy", "of memory", "is available"]);
    if cfg!(not(feature = "cuda")) {
        with("backend.device=cuda:0", &["--features cuda"]);
    }
    home.is_clean();
    // A whole file of an architecture that the engine lacks: a good one with another word in it.
    let tiny = home.path().join("tiny.gguf");
    let made = home.run(&["model", "dummy", "tiny", "-o", "tiny.gguf"]);
    assert_eq!(made.status, Some(0), "{}", made.error);
    let mut bytes = std::fs::read(&tiny).expect("the model");
    let at = bytes.windows(5).position(|w| w == b"llama").expect("the architecture");
    bytes[at..at + 5].copy_from_slice(b"lemma");
    home.file("lemma.gguf", &bytes);
    with("model.path=lemma.gguf", &["the architecture `lemma`", "it has", "llama"]);
    home.file("short.gguf", &bytes[..bytes.len() / 2]);
    home.refuses(&["record", "--set", "model.path=short.gguf"], 2, &["short.gguf"]);
    home.is_clean();
}

#[test]
fn an_output_that_cannot_be_written_is_told_before_the_run() {
    let home = Home::new();
    home.file("taken.jsonl.zst", b"mine");
    home.file("plain", b"");
    let to = |path: &str, words: &[&str]| home.refuses(&[&SIM[..], &["-o", path]].concat(), 1, words);
    to("taken.jsonl.zst", &["exists already", "-o"]);
    to(".", &["can't create", "-o"]);
    to("plain/below", &["can't create the recording plain/below", "-o"]);
    to("/dev/full", &["can't create", "a device"]);
    assert_eq!(std::fs::read(home.path().join("taken.jsonl.zst")).expect("the file"), b"mine");
    home.refuses(&["export", DEMO, "--csv", "plain"], 1, &["can't write plain"]);
    home.refuses(&["replay", DEMO, "--shot", "5s", "-o", "plain/x.svg"], 1, &["plain/x.svg"]);
}

#[test]
fn tables_are_not_replaced_unasked_and_what_is_written_is_told() {
    let home = Home::new();
    let export = ["export", DEMO, "--csv", "new/out"];
    let said = home.run(&export);
    assert_eq!(said.status, Some(0), "{}", said.error);
    for word in ["made the folder new/out", "wrote new/out/requests.csv", "wrote new/out/summary.csv"] {
        assert!(said.error.contains(word), "{}", said.error);
    }
    home.file("new/out/requests.csv", b"mine");
    home.refuses(&export, 1, &["new/out/requests.csv exists already", "--force"]);
    assert_eq!(std::fs::read(home.path().join("new/out/requests.csv")).expect("the table"), b"mine");
    let forced = home.run(&[&export[..], &["--force"]].concat());
    assert!(forced.status == Some(0) && !forced.error.contains("made the folder"), "{}", forced.error);
    assert!(std::fs::read(home.path().join("new/out/requests.csv")).expect("the table").starts_with(b"run,"));
    let recorded = home.run(&[&SIM[..], &["-o", "slip/run.jsonl.zst"]].concat());
    assert!(recorded.error.contains("made the folder slip\n"), "{}", recorded.error);
}

#[test]
fn options_of_a_replay_that_would_have_no_effect_are_refused() {
    let home = Home::new();
    let refuses = |args: &[&str], words: &[&str]| home.refuses(&[&["replay", DEMO], args].concat(), 2, words);
    refuses(&["--headless", "--shot", "1s", "-o", "x.svg"], &["--headless", "--shot"]);
    refuses(&["--size", "80x24"], &["--shot"]);
    refuses(&["--plain-every", "1s"], &["goes with --plain"]);
    home.refuses(&["--plain-every", "1s"], 2, &["goes with --plain"]);
    refuses(&["--shot", "1s", "-o", "x.png"], &["is an SVG", "x.svg"]);
    refuses(&["--shot", "2h", "-o", "x.svg"], &["--shot 7200.000 s", "demo.jsonl.zst is only 46.911 s long"]);
    let left = ["x.svg", "x.png"].map(|name| home.path().join(name).exists());
    assert_eq!(left, [false, false], "a picture was left behind");
    let drawn = home.run(&["replay", DEMO, "--shot", "1s", "-o", "x.svg"]);
    assert_eq!((drawn.status, drawn.error.as_str()), (Some(0), "wrote x.svg\n"));
}

#[test]
fn the_profile_of_the_settings_is_checked_where_they_are_shown() {
    let home = Home::new();
    std::fs::create_dir_all(home.path().join(".config/fastgen-tui")).expect("a folder");
    home.file(".config/fastgen-tui/config.toml", b"fps = 9\nprofile = \"demmo\"\n");
    home.refuses(
        &["config", "show"],
        2,
        &["config.toml:2:11: profile: ", "did you mean `demo`?", "profiles list"],
    );
}

#[test]
#[cfg(unix)]
fn two_runs_cannot_write_one_file() {
    let home = Home::new();
    let args = [&SIM[..], &["-o", "one.jsonl.zst"]].concat();
    let mut first = home.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a run");
    while !home.path().join("one.jsonl.zst").exists() {
        assert!(first.try_wait().expect("a state").is_none(), "the first run ended without a file");
        std::thread::yield_now();
    }
    home.refuses(&args, 1, &["one.jsonl.zst", "-o"]);
    assert!(first.wait().expect("an end").success());
    assert_eq!(home.run(&["report", "one.jsonl.zst"]).status, Some(0));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_loudly_and_the_run_goes_on_to_its_end() {
    // A limit of a file's size stands in for the disk's: the program sees a failed write either way.
    let home = Home::new();
    let program = env!("CARGO_BIN_EXE_fastgen-tui");
    let mut shell = Command::new("bash");
    let line = format!("ulimit -f 4; exec {program} record --profile sim --for 4s -o full.jsonl.zst");
    shell.args(["-c", &line]).current_dir(home.path()).env("HOME", home.path()).stdin(Stdio::null());
    let said = Said::of(shell.output().expect("the program starts"));
    assert_eq!(said.status, Some(4), "{}", said.error);
    assert!(said.error.contains("File too large"), "{}", said.error);
    assert!(said.error.contains("were not written"), "{}", said.error);
    // What was written can be read, and is known to be a part.
    let said = home.run(&["report", "full.jsonl.zst", "--format", "json"]);
    assert_eq!(said.status, Some(4), "{}", said.error);
    let report: serde_json::Value = serde_json::from_str(&said.output).expect("JSON");
    assert_eq!(report["recording"]["ended"], "cut");
}

#[test]
fn what_is_no_whole_recording_is_told_apart() {
    let home = Home::new();
    let whole = std::fs::read(DEMO).expect("the shipped recording");
    home.file("empty", b"");
    home.file("text", b"hello\n");
    home.file("json", b"{\"a\":1}\n");
    home.file("newer", b"{\"fastgen_recording\":{\"major\":9,\"minor\":0}}\n");
    home.file("head", &whole[..20]);
    home.file("cut", &whole[..whole.len() / 2]);
    let mut damaged = whole.clone();
    damaged[whole.len() / 2..whole.len() / 2 + 64].fill(0xAA);
    home.file("damaged", &damaged);
    for command in ["report", "replay"] {
        let refuses = |file: &str, words: &[&str]| home.refuses(&[command, file], 1, words);
        refuses("nothing", &["can't read the recording nothing"]);
        refuses("empty", &["empty is empty"]);
        refuses("text", &["text is not a recording"]);
        refuses("json", &["json is not a recording"]);
        refuses("newer", &["format 9.0", "upgrade fastgen-tui"]);
        refuses("head", &["head is cut off within its first line"]);
        refuses(".", &["can't read the recording ."]);
        for (file, word) in [("cut", "cut"), ("damaged", "damaged")] {
            let said = home.run(&[command, file]);
            assert_eq!(said.status, Some(4), "{command} {file}: {}", said.error);
            assert!(said.output.contains(word), "{command} {file} does not say `{word}`:\n{}", said.output);
        }
    }
    let said = home.run(&["export", "cut", "--csv", "out"]);
    assert_eq!(said.status, Some(0), "{}", said.error);
    assert!(said.error.contains("cut"), "an export must say that its source is cut: {}", said.error);
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let home = Home::new();
    let mut child =
        home.command(&["report", DEMO]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a run");
    drop(child.stdout.take());
    let said = Said::of(child.wait_with_output().expect("an end"));
    assert_eq!((said.status, said.error.as_str()), (Some(0), ""));
}

#[test]
fn all_requests_failed_is_a_failure_of_the_run_and_of_its_report() {
    let home = Home::new();
    let dies = ["--set", "backend.sim.die_after=1", "--set", "load.warmup_requests_per_client=0"];
    home.refuses(&[&SIM[..], &dies, &["-o", "dead.jsonl.zst"]].concat(), 1, &["the engine died"]);
    home.refuses(&["report", "dead.jsonl.zst"], 1, &["dead.jsonl.zst", "all requests failed"]);
}

#[test]
fn a_range_that_is_not_in_the_recording_is_named_with_what_is() {
    let home = Home::new();
    for command in [&["report", DEMO][..], &["export", DEMO, "--csv", "tables"]] {
        let refuses = |range: &[&str], words: &[&str]| home.refuses(&[command, range].concat(), 2, words);
        refuses(&["--from", "30s", "--to", "10s"], &["--from 30s does not lie before --to 10s"]);
        refuses(&["--from", "10s", "--to", "10s"], &["does not lie before"]);
        refuses(
            &["--from", "2h"],
            &["the beginning of the range, 7200.000 s", "demo.jsonl.zst", "46.911 s long"],
        );
        refuses(&["--to", "2h"], &["the end of the range", "46.911 s long"]);
        refuses(&["--to", "1ms"], &["nothing was measured", "it was measured from 1.422 s to 46.873 s"]);
        refuses(&["--from", "10"], &["--from", "write e.g. 10s"]);
    }
    let whole = home.run(&["report", DEMO, "--format", "json"]);
    let range = home.run(&["report", DEMO, "--format", "json", "--from", "0s"]);
    let stages = |said: &Said| {
        let json: serde_json::Value = serde_json::from_str(&said.output).expect("a report");
        (json["stages"].clone(), json["recording"]["range"].clone())
    };
    let ((all, none), (ranged, told)) = (stages(&whole), stages(&range));
    assert_eq!(all, ranged);
    assert!(none.is_null() && told["from_s"] == 0.0, "{told}");
    let part = home.run(&["report", DEMO, "--from", "10s", "--to", "30s"]);
    assert!(part.output.contains("only 10 s to 30 s of 46.911 s"), "{}", part.output);
    let replayed = home.run(&["replay", DEMO, "--with", "nowhere.jsonl", "--shot", "1s", "-o", "x.svg"]);
    assert!(replayed.status == Some(1) && replayed.error.contains("nowhere.jsonl"), "{}", replayed.error);
}

#[test]
fn options_before_a_command_are_not_passed_over() {
    let home = Home::new();
    for args in [
        &["--profile", "sim", "record", "--dry-run"][..],
        &["--theme", "nope", "replay", DEMO],
        &["--no-record", "calibrate"],
    ] {
        home.refuses(args, 2, &["cannot be used with", args[0]]);
    }
    home.is_clean();
}
