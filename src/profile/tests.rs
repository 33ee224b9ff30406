//! Tests of the whole room: layers in, profile or error text out.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::layers::list_in;
use super::*;

mod sweeps;

fn sets(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

fn demo(list: &[&str]) -> Result<Resolved, ProfileError> {
    resolve_in(None, "demo", &sets(list))
}

fn message(result: Result<Resolved, ProfileError>) -> String {
    result.err().map_or_else(|| "no error".into(), |e| e.to_string())
}

/// A file `p.toml` with this text, resolved; the folder's path is cut from the error.
fn file_error(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    std::fs::write(&path, text).unwrap();
    let error = message(resolve_in(None, path.to_str().unwrap(), &[]));
    error.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn bundled_profiles_are_good_and_named_after_themselves() {
    for (name, _) in BUNDLED {
        let resolved = resolve_in(None, name, &[]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(resolved.profile.profile.name, name);
        assert!(!resolved.profile.profile.about.is_empty());
        assert_eq!(resolved.layers(), [format!("bundled profile \"{name}\"")]);
    }
}

#[test]
fn the_effective_profile_reads_back_as_the_same_profile() {
    let folder = tempfile::tempdir().unwrap();
    for (name, _) in BUNDLED {
        let resolved = resolve_in(None, name, &sets(&["workload.seed=7"])).unwrap();
        let path = folder.path().join("other.toml");
        std::fs::write(&path, resolved.to_toml().unwrap()).unwrap();
        let again = resolve_in(None, path.to_str().unwrap(), &[]).unwrap();
        assert_eq!(again.profile, resolved.profile, "{}", resolved.to_toml().unwrap());
    }
}

#[test]
fn a_profile_survives_json_as_in_a_recordings_header() {
    for (name, _) in BUNDLED {
        let profile = resolve_in(None, name, &[]).unwrap().profile;
        let json = serde_json::to_value(&profile).unwrap();
        assert_eq!(serde_json::from_value::<Profile>(json).unwrap(), profile);
    }
}

#[test]
fn the_published_curve_is_complete() {
    let profile = resolve_in(None, "llama2-7b-a6000", &[]).unwrap().profile;
    let stages = profile.stages().unwrap();
    assert_eq!(stages.len(), 11);
    assert_eq!((stages[3].name.as_str(), stages[3].profile.load.clients), ("clients=6", 6));
    assert_eq!(stages[10].sweep, [("clients".to_owned(), serde_json::json!(32))]);
    let requests = stages[10].profile.stop.requests.unwrap();
    assert_eq!(requests.value(stages[10].profile.load.clients), 160);
    assert_eq!(profile.reference[0].effective_rps_4tps.last(), Some(&0.087));
    assert_eq!(profile.workload.output_tokens.bounds(), (1, Spread::UNBOUNDED));
}

#[test]
fn an_unknown_key_is_shown_with_the_nearest_right_one() {
    assert_eq!(
        file_error("[model]\ndummy = \"tiny\"\n\n[load]\ncleints = 4\n"),
        "p.toml:5:1: load: unknown key `cleints`; did you mean `clients`?\n  |\n5 | cleints = 4\n  | ^^^^^^^"
    );
    assert!(file_error("[laod]\n").starts_with("p.toml:1:2: unknown key `laod`; did you mean `load`?"));
    assert!(
        file_error("workload.prompt_tokens = { normal = { mean = 3, std = 1, mim = 1 } }").starts_with(
            "p.toml:1:58: workload.prompt_tokens.normal: unknown key `mim`; did you mean `min`?"
        )
    );
    assert!(
        file_error("[sla]\nttft_p98 = \"1s\"").contains("p.toml:2:1: sla: unknown key `ttft_p98`; did you")
    );
}

#[test]
fn a_wrong_type_is_shown_with_what_is_wanted() {
    let cases = [
        (
            "[load]\nclients = \"8\"",
            "p.toml:2:11: load.clients: expected a whole number, 0 or more, found the text \"8\"",
        ),
        ("[load]\nclients = -1", "p.toml:2:11: load.clients: expected a whole number, 0 or more, found -1"),
        ("load = 3", "p.toml:1:8: load: expected a table, found 3"),
        ("[stop]\nduration = 10", "p.toml:2:12: stop.duration: expected a duration such as \"500ms\""),
        ("[stop]\nduration = \"10 parsecs\"", "p.toml:2:12: stop.duration: `10 parsecs` is no duration"),
        (
            "[stop]\nrequests = \"4*users\"",
            "p.toml:2:12: stop.requests: `4*users` is no number and no formula",
        ),
        (
            "[load]\nkind = \"close\"",
            "p.toml:2:8: load.kind: unknown value \"close\"; did you mean `closed`?",
        ),
        ("[sla]\nttft = 2", "p.toml:2:8: sla.ttft: expected a duration"),
        (
            "[workload]\nprompt_tokens = true",
            "p.toml:2:17: workload.prompt_tokens: expected a number of tokens",
        ),
        ("[sweep]\nclients = 3", "p.toml:2:11: sweep.clients: expected a list"),
        ("[load]\nclients = 8 8", "p.toml:2:11: string values must be quoted"),
        ("[profile]\nname = 2020-01-01", "p.toml:2:8: a date has no meaning"),
        ("[[reference]]\nclients = [1]", "p.toml:1:1: reference.0: the key `label` is missing"),
    ];
    for (text, wanted) in cases {
        let error = file_error(text);
        assert!(error.starts_with(wanted), "{text}\ngives {error}\nwanted {wanted}");
    }
}

#[test]
fn an_impossible_value_is_shown_where_it_stands() {
    let cases = [
        ("[load]\nclients = 0", "p.toml:4:11: load.clients: must be 1 or more, and is 0"),
        ("[ui]\nfps = 0", "p.toml:4:7: ui.fps: must be 1 to 60"),
        ("[backend]\nmax_batch = 0", "p.toml:4:13: backend.max_batch: must be 1"),
        ("[backend]\nreplicas = 0", "p.toml:4:12: backend.replicas: must be 1"),
        (
            "[backend]\ndevice = \"cdua:0\"",
            "p.toml:4:10: backend.device: unknown device \"cdua:0\"; did you mean `cuda:0`?",
        ),
        (
            "[workload]\noutput_tokens = { normal = { mean = 5, std = -1 } }",
            "p.toml:4:46: workload.output_tokens.normal.std: a standard deviation can't be below 0",
        ),
        (
            "[workload]\noutput_tokens = { uniform = { min = 5, max = 4 } }",
            "p.toml:4:37: workload.output_tokens.uniform.min: min = 5 is more than max = 4",
        ),
        (
            "[workload]\noutput_tokens = { uniform = { min = 1, max = 4 }, normal = { mean = 1, std = 0 } }",
            "p.toml:4:17: workload.output_tokens: a length is exactly one of",
        ),
        (
            "[workload]\nprompt_tokens = 8\nshared_prefix_tokens = 9",
            "p.toml:5:24: workload.shared_prefix_tokens: prompts can be as short as 8",
        ),
        (
            "[sla]\nvalidators = [\"ema16\", \"ema17\"]",
            "p.toml:4:24: sla.validators.1: unknown value \"ema17\"; did",
        ),
        ("[sla]\nttft = \"0s\"", "p.toml:4:8: sla.ttft: must be longer"),
        ("[stop]\nrequests = 0", "p.toml:4:12: stop.requests: must be 1 or more"),
        (
            "[sweep]\ncleints = [1]",
            "p.toml:4:11: sweep.cleints: nothing can be swept over `cleints`; did you",
        ),
        ("[sweep]\nclients = [1, 0]", "p.toml:4:15: sweep.clients.1: expected a whole number above 0"),
        ("[record]\npath = \"{name}.zst\"", "p.toml:4:8: record.path: unknown placeholder `{name}`"),
        (
            "[[reference]]\nlabel = \"x\"\nclients = [1, 2]\nlatency_s = [1.0]",
            "p.toml:6:13: reference.0.latency_s: has 1 values, but `clients` has 2",
        ),
    ];
    for (text, wanted) in cases {
        let error = file_error(&format!("[model]\ndummy = \"tiny\"\n{text}"));
        assert!(error.starts_with(wanted), "{text}\ngives {error}\nwanted {wanted}");
    }
    let both = file_error("[model]\nhub = \"a/b\"\ndummy = \"tiny\"");
    assert!(both.starts_with("p.toml:3:9: model.dummy: `model.hub` is set too"), "{both}");
    let neither = file_error("[load]\nclients = 1");
    assert!(neither.contains("model: the engine needs weights"), "{neither}");
    let quantization = file_error("[model]\ndummy = \"tiny\"\nquantization = \"Q4K\"");
    assert!(
        quantization.contains("p.toml:3:16: model.quantization: unknown value \"Q4K\"; did you mean `q4k`?")
    );
}

#[test]
fn flags_come_last_and_their_errors_name_them() {
    let profile = demo(&["load.clients=16", "backend.device=auto", "stop.duration = 30s"]).unwrap().profile;
    assert_eq!((profile.load.clients, profile.backend.device.as_str()), (16, "auto"));
    assert_eq!(profile.stop.duration, Some(Duration::from_secs(30)));
    let nested = demo(&["workload.output_tokens={normal={mean=99,std=3,max=128}}"]).unwrap().profile;
    let Length::Of(Distribution::Normal(spread)) = nested.workload.output_tokens else {
        panic!("{nested:?}")
    };
    assert_eq!((spread.mean, spread.max), (99.0, 128));
    let fixed =
        demo(&["workload.prompt_tokens=5", "workload.output_tokens={ uniform = { min = 1, max = 2 } }"]);
    assert_eq!(fixed.unwrap().profile.workload.output_tokens.bounds(), (1, 2));

    let cases = [
        ("load.clients=0", "--set load.clients=0: load.clients: must be 1 or more"),
        ("load.cleints=4", "--set load.cleints=4: load: unknown key `cleints`; did you mean `clients`?"),
        ("load.clients", "--set load.clients: a setting is written key=value"),
        ("load..clients=1", "--set load..clients=1: `load..clients` is no key"),
        ("=1", "--set =1: `` is no key"),
        ("sweep.clients=[1,", "--set sweep.clients=[1,: "),
        ("load.clients=many", "--set load.clients=many: load.clients: expected a whole number"),
    ];
    for (flag, wanted) in cases {
        let error = message(demo(&[flag]));
        assert!(error.starts_with(wanted), "{flag} gives {error}");
    }
}

#[test]
fn other_weights_in_a_later_layer_replace_the_earlier_ones() {
    let model = demo(&["model.path=/weights/x.gguf"]).unwrap().profile.model;
    assert_eq!((model.dummy, model.quantization.as_str()), (None, "none"));
    let model = demo(&["model.quantization=q4k", "model.path=/weights/x.gguf"]).unwrap().profile.model;
    assert_eq!(model.quantization, "q4k");
    let model = demo(&["model.dummy=llama2-7b"]).unwrap().profile.model;
    assert_eq!(model.quantization, "q8_0");
    let error = message(demo(&["model.path=/x", "model.hub=a/b"]));
    assert!(error.contains("is set too"), "{error}");
}

#[test]
fn the_users_own_file_is_laid_over_the_bundled_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("demo.toml"), "[load]\nclients = 3\n").unwrap();
    std::fs::write(folder.path().join("own.toml"), "[profile]\nabout = \"mine\"\n[model]\ndummy = \"tiny\"")
        .unwrap();
    std::fs::write(folder.path().join("worse.toml"), "x = 1").unwrap();
    let resolve = |name: &str, flags: &[&str]| resolve_in(Some(folder.path()), name, &sets(flags));

    let resolved = resolve("demo", &["load.clients=5"]).unwrap();
    assert_eq!((resolved.profile.load.clients, resolved.layers().len()), (5, 3));
    assert_eq!(resolve("demo", &[]).unwrap().profile.load.clients, 3);
    assert_eq!(resolve("own", &[]).unwrap().profile.profile.name, "own");

    let named = folder.path().join("elsewhere.toml");
    std::fs::write(&named, "[profile]\nname = \"demo\"\n[load]\nstart_jitter = \"1ms\"\n").unwrap();
    let resolved = resolve(named.to_str().unwrap(), &[]).unwrap();
    assert_eq!((resolved.profile.load.clients, resolved.layers().len()), (3, 3));

    let listed = list_in(Some(folder.path()));
    let find = |name: &str| listed.iter().find(|l| l.name == name).unwrap();
    assert!(find("demo").origin.starts_with("bundled + "));
    assert_eq!(find("own").about, "mine");
    assert!(find("worse").about.starts_with("(broken) "));
    assert!(listed.len() >= BUNDLED.len() + 2);
}

#[test]
fn an_unknown_profile_gets_the_nearest_name_and_a_missing_file_its_reason() {
    assert!(message(resolve_in(None, "deom", &[])).contains("no profile `deom`; did you mean `demo`?"));
    assert!(
        message(resolve_in(None, "./nowhere.toml", &[]))
            .starts_with("can't read the profile ./nowhere.toml: ")
    );
    assert!(list_in(Some(Path::new("/nowhere"))).len() == BUNDLED.len());
}

#[test]
fn other_rooms_can_point_at_a_key_too() {
    let resolved = demo(&["ui.theme=dsuk"]).unwrap();
    assert_eq!(
        resolved.error("ui.theme", "there is no theme `dsuk`").to_string(),
        "--set ui.theme=dsuk: ui.theme: there is no theme `dsuk`"
    );
    assert!(
        resolved
            .error("model.dummy", "x")
            .to_string()
            .starts_with("bundled profile \"demo\":20:9: model.dummy: x\n")
    );
}

#[test]
fn what_this_version_cannot_run_is_read_and_refused() {
    let openai = "[profile]\nname = \"s\"\n[backend]\nkind = \"openai\"\nurls = [\"http://127.0.0.1:8000/v1\"]\n\
                  dialect = \"llama.cpp\"\nclient_threads = 1\n[backend.launch]\ncommand = [\"llama-server\"]\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    std::fs::write(&path, openai).unwrap();
    let resolved = resolve_in(None, path.to_str().unwrap(), &[]).unwrap();
    assert!(resolved.to_toml().unwrap().contains("dialect = \"llama.cpp\""));
    let refusal =
        |profile: &Profile| profile.check_runnable().err().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(refusal(&resolved.profile), "", "whether its program is here is for the backend to say");
    assert!(refusal(&demo(&["load.kind=trace"]).unwrap().profile).contains("arrivals from a recorded trace"));
    assert_eq!(refusal(&demo(&["load.kind=poisson", "load.rate=2"]).unwrap().profile), "");
    let curve = |flag: &str| resolve_in(None, "llama2-7b-a6000", &sets(&[flag])).unwrap().profile;
    assert_eq!(refusal(&curve("load.clients=8")), "");
    assert_eq!(refusal(&curve("sweep.clients=[8]")), "");
    assert_eq!(curve("sweep={}").stages().unwrap()[0].name, "main");
}

#[test]
fn parts_of_a_jitter_add_up() {
    let jitter = demo(&["load.start_jitter=5ms + 3ms + 10ms/client"]).unwrap().profile.load.start_jitter;
    assert_eq!(jitter, Jitter { fixed: Duration::from_millis(8), per_client: Duration::from_millis(10) });
}

#[test]
fn a_grid_has_a_cell_for_every_pair() {
    let spread = "workload.prompt_tokens={ normal = { mean = 50, std = 15 } }";
    let profile = demo(&[spread, "sweep.clients=[1, 2]", "sweep.prompt_tokens=[32, 128]"]).unwrap().profile;
    let stages = profile.stages().unwrap();
    let names: Vec<&str> = stages.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "prompt_tokens=32, clients=1",
            "prompt_tokens=32, clients=2",
            "prompt_tokens=128, clients=1",
            "prompt_tokens=128, clients=2"
        ]
    );
    let Length::Of(Distribution::Normal(spread)) = stages[3].profile.workload.prompt_tokens else { panic!() };
    assert!((spread.mean - 128.0).abs() < 1e-9 && (spread.std - 38.4).abs() < 1e-9);
}

fn any_length() -> impl Strategy<Value = Length> {
    let spread = (0.5f64..5000.0, 0.0f64..900.0, 1u32..50, 50u32..4000, any::<bool>()).prop_map(
        |(mean, std, min, max, bounded)| Spread {
            mean,
            std,
            min,
            max: if bounded { max } else { Spread::UNBOUNDED },
        },
    );
    prop_oneof![
        (1u32..9000).prop_map(Length::Fixed),
        (1u32..50, 50u32..4000).prop_map(|(min, max)| Length::Of(Distribution::Uniform(Range { min, max }))),
        spread.clone().prop_map(|s| Length::Of(Distribution::Normal(s))),
        spread.prop_map(|s| Length::Of(Distribution::Lognormal(s))),
    ]
}

proptest! {
    #[test]
    fn any_good_profile_reads_back_equal(
        lengths in (any_length(), any_length()),
        seed in 0u64..=i64::MAX as u64,
        times in (1u64..1 << 50, 1u64..1 << 50, 0u64..1 << 40, 0u64..1 << 40),
        counts in (1u32..5000, 0u32..9, 0u64..9, 1u64..99),
        thresholds in proptest::collection::btree_map(proptest::sample::select(SLA_KEYS[3..].to_vec()), 1u64..1 << 45, 0..6),
        text in proptest::option::of("\\PC{1,40}"),
    ) {
        let mut profile = demo(&["profile.name=any"]).unwrap().profile;
        (profile.workload.prompt_tokens, profile.workload.output_tokens) = lengths;
        profile.workload.seed = seed;
        profile.workload.prompt_text = text;
        profile.stop.duration = Some(Duration::from_nanos(times.0));
        profile.load.request_timeout = Some(Duration::from_nanos(times.1));
        profile.load.start_jitter =
            Jitter { fixed: Duration::from_nanos(times.2), per_client: Duration::from_nanos(times.3) };
        profile.load.clients = counts.0;
        profile.load.warmup_requests_per_client = counts.1;
        profile.stop.requests = Some(Formula { per_client: counts.2, fixed: counts.3 });
        profile.backend.threads = if counts.1 == 0 { Threads::Auto } else { Threads::Count(counts.1) };
        profile.sla.thresholds =
            thresholds.into_iter().map(|(k, ns)| (k.to_owned(), Duration::from_nanos(ns))).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any.toml");
        std::fs::write(&path, toml::to_string(&profile).unwrap()).unwrap();
        let again = resolve_in(None, path.to_str().unwrap(), &[]).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(again.profile, profile);
    }

    #[test]
    fn no_text_and_no_flag_makes_a_panic(text in "\\PC{0,80}", flag in "[a-z.=\\[{\" ]{0,30}") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("junk.toml");
        std::fs::write(&path, text).unwrap();
        let _ = resolve_in(None, path.to_str().unwrap(), std::slice::from_ref(&flag));
        let _ = demo(&[&flag]);
    }
}
