//! What is said before anything is started or recorded.

use crate::home::{Folder, KEY, error};

#[test]
fn what_can_be_seen_to_be_wrong_is_said_before_a_recording_is_made() {
    let folder = Folder::new();
    let profile = folder.profile("", "");
    for (set, words) in [
        ("command=[\"no-such-server\"]", "no program `no-such-server` in the folders of PATH"),
        ("command=[\"vllm serve x\"]", "texts of their own"),
        ("command=[\"./managed.toml\"]", "managed.toml can't be run"),
        ("command=[]", "must hold the program to start"),
        ("command=[\"sh\", \"{model}\"]", "set model.path or model.hub"),
        ("command=[\"sh\", \"--api-key\", \"x\"]", "env_from"),
        ("args=[\"--hf-token=x\"]", "a key must not stand in a profile"),
        ("cwd=/nowhere", "/nowhere: No such file"),
        ("env={HF_TOKEN=\"x\"}", "env_from = { HF_TOKEN = \"HF_TOKEN\" }"),
        (
            "env_from={HF_TOKEN=\"NO_SUCH_VARIABLE\"}",
            "NO_SUCH_VARIABLE, for the server's HF_TOKEN, is not set",
        ),
        ("env_from={HF_TOKEN=\"hf-x-y\"}", "must be the NAME"),
        ("log=\"{nothing}.log\"", "unknown placeholder `{nothing}`"),
        ("ready=\"127.0.0.1/health\"", "backend.launch.ready"),
        ("timeout=0s", "must be longer than no time"),
        ("comand=[\"x\"]", "did you mean `command`?"),
    ] {
        let set = format!("backend.launch.{set}");
        let output = folder.run(&["record", "--profile", &profile, "--set", &set, "--for", "1s"]);
        let said = error(&output);
        assert_eq!(output.status.code(), Some(2), "{set}: {said}");
        assert!(said.contains(words), "{set}: {said}");
    }
    assert!(!folder.path().join("recordings").exists() && folder.pids().is_empty());
}

#[test]
fn a_server_that_is_there_already_is_not_measured_by_mistake() {
    let folder = Folder::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let profile = folder.profile_on("managed", listener.local_addr().unwrap().port(), "", "");
    let output = folder.run(&["record", "--profile", &profile, "--for", "1s"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(error(&output).contains("something listens on 127.0.0.1:"), "{}", error(&output));
    assert!(error(&output).contains("urls = [\"http://127.0.0.1:"), "the line is shown: {}", error(&output));
    let plan = folder.run(&["record", "--profile", &profile, "--for", "1s", "--dry-run"]);
    assert_eq!(plan.status.code(), Some(2));
    assert!(error(&plan).contains("can't be run as it stands"), "{}", error(&plan));
    assert!(!folder.path().join("recordings").exists() && folder.pids().is_empty());
}

#[test]
fn a_sweep_over_backends_names_what_is_wrong_with_one() {
    let folder = Folder::new();
    let run = |backends: &str| {
        let set = format!("sweep.backend={backends}");
        let output =
            folder.run(&["record", "--profile", "sim", "--set", &set, "--requests", "2", "--dry-run"]);
        (output.status.code(), error(&output))
    };
    for (backends, words) in [
        ("[\"vlm\"]", "there is no profile `vlm`; did you mean `vllm`?"),
        ("[\"./nowhere.toml\"]", "can't read the profile ./nowhere.toml"),
        ("[7]", "expected a profile's name"),
        ("[{ name = \"x\", backend = { kind = \"openai\" } }]", "needs `urls`"),
        ("[{ name = \"x\", bakend = { kind = \"sim\" } }]", "bakend"),
        ("[{ name = \"\", backend = { kind = \"sim\" } }]", "must not be empty"),
    ] {
        let (status, said) = run(backends);
        assert_eq!(status, Some(2), "{backends}: {said}");
        assert!(said.contains(words), "{backends}: {said}");
    }
    let (status, said) = run("[\"sim\", \"vllm\"]");
    assert!(status == Some(2) && said.contains("can't be run as it stands"), "{said}");
    assert_eq!(
        run("[{ name = \"fast\", backend = { kind = \"sim\", sim = { step = \"1ms\" } } }]").0,
        Some(0)
    );
    assert!(!KEY.is_empty());
}
