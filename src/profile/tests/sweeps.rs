//! Grids: which cells they have, in which order, on which engines, and what is refused.

use serde_json::json;

use super::*;

fn stages(name: &str, list: &[&str]) -> Vec<StagePlan> {
    resolve_in(None, name, &sets(list)).unwrap().profile.stages().unwrap()
}

fn refused(name: &str, list: &[&str]) -> String {
    let resolved = match resolve_in(None, name, &sets(list)) {
        Ok(resolved) => resolved,
        Err(error) => return error.to_string(),
    };
    let error = resolved.profile.check_runnable().err();
    error.map_or_else(|| "no error".into(), |e| resolved.locate(e).to_string())
}

#[test]
fn cells_of_one_engine_come_together_in_the_profiles_order() {
    let plans = stages("sim", &["sweep.clients=[4, 1]", "sweep.max_batch=[8, 2]", "sweep.replicas=[1, 2]"]);
    let names: Vec<&str> = plans.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(
        names[..3],
        [
            "replicas=1, max_batch=8, clients=4",
            "replicas=1, max_batch=8, clients=1",
            "replicas=1, max_batch=2, clients=4",
        ]
    );
    let engines: Vec<u32> = plans.iter().map(|p| p.engine).collect();
    assert_eq!(engines, [0, 0, 1, 1, 2, 2, 3, 3]);
    assert_eq!(plans[7].profile.backend.replicas, 2);
}

#[test]
fn equal_engines_are_loaded_once_wherever_their_cells_stand() {
    let plans =
        stages("sim", &["sweep.max_batch=[8, 2, 8]", "sweep.prompt_tokens=[{uniform={min=1,max=9}}]"]);
    let order: Vec<_> = plans.iter().map(|p| (p.engine, p.profile.backend.max_batch)).collect();
    assert_eq!(order, [(0, 8), (0, 8), (1, 2)]);
    let plans = stages("demo", &["sweep.output_tokens=[8, 16]", "sweep.clients=[1, 2]"]);
    assert!(plans.iter().all(|p| p.engine == 0), "lengths and clients need no other engine");
}

#[test]
fn cells_that_come_again_are_told_apart() {
    let names = |list: &[&str]| stages("sim", list).into_iter().map(|p| p.name).collect::<Vec<_>>();
    assert_eq!(
        names(&["sweep.clients=[1, 2, 1, 1]"]),
        ["clients=1", "clients=2", "clients=1 (2)", "clients=1 (3)"]
    );
    // They may be written differently.
    assert_eq!(names(&["sweep.clients=[4, \"4*replicas\"]"]), ["clients=4", "clients=4 (2)"]);
}

#[test]
fn weights_are_named_as_the_profile_does_or_by_a_table() {
    let models =
        "sweep.model=[\"tiny\", {dummy=\"smollm2-135m\", quantization=\"q4_0\"}, {path=\"/x.gguf\"}]";
    let plans = stages("demo", &[models]);
    let told: Vec<_> =
        plans.iter().map(|p| (p.name.as_str(), p.profile.model.quantization.as_str())).collect();
    assert_eq!(
        told,
        [("model=tiny", "q8_0"), ("model=smollm2-135m q4_0", "q4_0"), ("model=/x.gguf", "none")]
    );
    assert_eq!(plans[2].profile.model.dummy, None);
    let plans = stages("demo", &["sweep.quantization=[\"f16\", \"q8_0\"]"]);
    assert_eq!(plans[0].profile.model.quantization, "f16");
}

#[test]
fn clients_may_be_counted_by_replica() {
    let plans = stages("llama2-7b-replicas-fastgen", &[]);
    let told: Vec<_> = plans.iter().map(|p| (p.profile.backend.replicas, p.profile.load.clients)).collect();
    assert_eq!(told, [(1, 16), (2, 32), (4, 64), (8, 128)]);
    assert_eq!(plans[3].sweep, [("replicas".to_owned(), json!(8)), ("clients".to_owned(), json!(128))]);
    let requests = plans[3].profile.stop.requests.unwrap();
    assert_eq!(requests.value(plans[3].profile.load.clients), 2048);
}

#[test]
fn fastgens_profiles_have_its_grid() {
    for name in ["llama2-7b-fastgen", "llama2-13b-fastgen", "llama2-70b-fastgen"] {
        let plans = stages(name, &[]);
        assert_eq!(plans.len(), 2 * 2 * 11, "{name}");
        let last = &plans[43].profile;
        assert_eq!((last.load.clients, last.backend.max_batch), (32, 768));
        assert!((last.workload.prompt_tokens.mean() - 1200.0).abs() < 1e-9);
        let Length::Of(Distribution::Normal(spread)) = last.workload.output_tokens else { panic!() };
        assert!((spread.mean - 128.0).abs() < 1e-9 && (spread.std - 38.4).abs() < 1e-9);
    }
    let mini = stages("fastgen-mini", &[]);
    assert_eq!(mini.iter().map(|p| p.profile.load.clients).collect::<Vec<_>>(), [1, 2, 4, 8, 16]);
}

#[test]
fn wrong_grids_are_refused_where_they_stand() {
    let cases: [(&str, &str); 14] = [
        ("sweep.cleints=[1]", "sweep.cleints: nothing can be swept over `cleints`; did you mean `clients`?"),
        ("sweep.clients=[]", "sweep.clients: must hold at least one value"),
        ("sweep.clients=[1, \"16*replica\"]", "sweep.clients.1: expected a number of clients, or a formula"),
        ("sweep.clients=[\"0*replicas\"]", "sweep.clients.0: expected a number of clients"),
        ("sweep.max_batch=[0]", "sweep.max_batch.0: expected a whole number above 0"),
        ("sweep.tensor_parallel=[1.5]", "sweep.tensor_parallel.0: expected a whole number above 0"),
        ("sweep.backend=[\"simm\"]", "sweep.backend.0: there is no profile `simm`; did you mean `sim`?"),
        ("sweep.backend=[\"openai\"]", "the cell backend=openai can't be run"),
        ("sweep.model=[3]", "sweep.model.0: expected a text"),
        ("sweep.model=[{dumy=\"tiny\"}]", "sweep.model.0: unknown field `dumy`"),
        ("sweep.rate=[-1]", "sweep.rate.0: expected requests a second"),
        ("sweep.rate=[1]", "sweep.rate: a rate belongs to an open loop"),
        ("sweep.quantization=[\"q4k\"]", "sweep.quantization: the simulated engine has no weights"),
        (
            "sweep.clients=[200000]",
            "the cell clients=200000 can't be run: load.clients: can be 100000 at most",
        ),
    ];
    for (set, wanted) in cases {
        let error = refused("sim", &[set]);
        let place = format!("--set {set}: ");
        assert!(error.contains(wanted) && error.starts_with(&place), "{set}\ngives {error}\nwanted {wanted}");
    }
    let many: Vec<String> = (1..=101).map(|n| n.to_string()).collect();
    let many = many.join(",");
    let huge = [format!("sweep.clients=[{many}]"), format!("sweep.output_tokens=[{many}]")];
    let error = refused("demo", &[&huge[0], &huge[1]]);
    assert!(error.contains("sweep: the grid has 10201 cells, more than 10000"), "{error}");
    let endless = refused("sim", &["stop={}", "sweep.clients=[1, 2]"]);
    assert_eq!(endless, "no error", "an empty table changes nothing: {endless}");
    let endless = "[backend]\nkind = \"sim\"\n[sweep]\nclients = [1, 2]\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.toml");
    std::fs::write(&path, endless).unwrap();
    let error = refused(path.to_str().unwrap(), &[]);
    assert!(error.contains("e.toml:3:1: sweep: a stage without an end"), "{error}");
    assert!(
        refused("sim", &["stop.when_flat=1.5"]).contains("stop.when_flat: must be a gain from 0 up to 1")
    );
    assert!(
        refused("sim", &["load.stage_pause=\"500d\""]).contains("load.stage_pause: is longer than a year")
    );
}

#[test]
fn a_big_grid_is_made_quickly() {
    let list: Vec<String> = (1..=100).map(|n| n.to_string()).collect();
    let list = list.join(",");
    let grid = [format!("sweep.clients=[{list}]"), format!("sweep.max_batch=[{list}]")];
    let plans = stages("sim", &[&grid[0], &grid[1]]);
    assert_eq!((plans.len(), plans[9_999].engine), (10_000, 99));
}

#[test]
fn a_stage_is_estimated_by_its_count_and_never_beyond_its_limit() {
    let one = |list: &[&str]| stages("sim", list)[0].estimate();
    let sets = |stop| {
        [
            stop,
            "load.clients=4",
            "load.warmup_requests_per_client=2",
            "workload.output_tokens=100",
            "backend.max_batch=4",
        ]
    };
    let limit = one(&sets("stop={duration=\"10s\"}"));
    assert_eq!(
        (limit.requests, limit.warmup_requests, limit.limit),
        (None, 8, Some(Duration::from_secs(10)))
    );
    assert!(limit.time.unwrap() > Duration::from_secs(10));
    let both = one(&sets("stop={duration=\"10s\", requests=1000000}"));
    assert_eq!(both.time, limit.time, "the limit comes first");
    let demo = stages("demo", &["stop.requests=\"2*clients\"", "workload.output_tokens=50"])[0].estimate();
    // 2 rounds and 1 to warm up, of 50 tokens at 10 tokens/s.
    assert_eq!((demo.requests, demo.time), (Some(16), Some(Duration::from_secs(15))));
}

#[test]
fn a_layer_that_says_how_requests_arrive_drops_what_others_have() {
    let load = |name: &str, list: &[&str]| resolve_in(None, name, &sets(list)).unwrap().profile;
    let closed = load("sim-open", &["load.kind=closed"]);
    assert_eq!((closed.load.rate, closed.load.max_in_flight, closed.load.clients), (None, None, 4));
    let gamma = load("sim-open", &["load.kind=gamma", "load.burstiness=0.5"]);
    assert_eq!((gamma.load.rate, gamma.load.burstiness), (Some(8.0), Some(0.5)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bursts.toml");
    let bursts = "[backend]\nkind = \"sim\"\n[load]\nkind = \"gamma\"\nrate = 3\nburstiness = 0.5\n";
    std::fs::write(&path, bursts).unwrap();
    let poisson = load(path.to_str().unwrap(), &["load.kind=poisson"]);
    assert_eq!((poisson.load.rate, poisson.load.burstiness), (Some(3.0), None));
    let both = resolve_in(None, "sim-open", &sets(&["load.kind=closed", "load.rate=3"])).unwrap_err();
    assert!(both.to_string().contains("load.rate: belongs to an open loop"), "{both}");
    let swept = load("fastgen-mini", &["load.kind=poisson", "sweep.rate=[1, 2.5]", "stop.requests=9"]);
    let names: Vec<String> = swept.stages().unwrap().into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["rate=1", "rate=2.5"]);
    assert_eq!(swept.load.open(), None, "the rate is the cells'");
    assert_eq!(swept.stages().unwrap()[1].profile.load.open().unwrap().rate.to_string(), "2.5");
}

#[test]
fn backends_of_other_profiles_come_with_their_own_weights_or_serve_the_profiles() {
    let backends =
        "sweep.backend=[\"mistralrs\", \"vllm\", \"demo\", {name=\"fast\", backend={kind=\"sim\"}}]";
    let resolved =
        resolve_in(None, "sim", &sets(&[backends, "model.hub=org/name", "stop={requests=1}"])).unwrap();
    let plans = resolved.profile.stages().unwrap();
    let told: Vec<_> = plans
        .iter()
        .map(|p| (p.name.as_str(), p.profile.backend.kind, p.profile.model.hub.is_some(), p.engine))
        .collect();
    assert_eq!(
        told,
        [
            ("backend=mistralrs", BackendKind::Mistralrs, true, 0),
            ("backend=vllm", BackendKind::Openai, true, 1),
            ("backend=demo", BackendKind::Mistralrs, false, 2),
            ("backend=fast", BackendKind::Sim, true, 3),
        ]
    );
    assert_eq!(plans[1].profile.backend.launch.as_ref().unwrap().command[0], "vllm");
    assert_eq!(plans[2].profile.model.dummy.as_deref(), Some("tiny"));
    // Written out, and as a recording has it, it is the same run, without a look at the other profiles.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.toml");
    std::fs::write(&path, resolved.to_toml().unwrap()).unwrap();
    let again = resolve_in(None, path.to_str().unwrap(), &[]).unwrap().profile;
    assert_eq!(again.stages().unwrap(), plans);
    let json = serde_json::to_value(&resolved.profile).unwrap();
    assert_eq!(serde_json::from_value::<Profile>(json).unwrap().stages().unwrap(), plans);
}

#[test]
fn a_profile_that_only_compares_backends_needs_no_weights_and_may_name_itself() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[sweep]\nbackend = [\"sim\", \"both\"]\n[stop]\nrequests = 1\n[backend]\nkind = \"sim\"\n";
    std::fs::write(folder.path().join("both.toml"), text).unwrap();
    std::fs::write(folder.path().join("bare.toml"), text.replace("[backend]\nkind = \"sim\"\n", "")).unwrap();
    let stages = |name: &str| resolve_in(Some(folder.path()), name, &[]).unwrap().profile.stages();
    let names: Vec<_> = stages("both").unwrap().into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["backend=sim", "backend=both"]);
    assert_eq!(stages("bare").unwrap().len(), 2);
}
