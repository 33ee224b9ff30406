//! The header of an imported recording: a profile made up from the files' `args`, which can be read, compared and
//! plotted, and which is refused if somebody tries to run it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::args::Args;
use crate::event::BackendInfo;
use crate::profile::{
    Backend, BackendKind, Distribution, Formula, Jitter, Length, Load, Meta, Model, Profile, Record, Sla,
    Spread, Stop, Ui, Workload,
};
use crate::recording::{Engine, Header, Program};

/// The original draws prompts with this seed.
const SEED: u64 = 42;
/// The files' times are floats of seconds: whole microseconds would be coarser than they are.
const TICK_NS: u64 = 1;
/// The original delays each client's start by up to this, times the number of clients.
const JITTER_MS: u64 = 10;

/// Reads one value of a file's args.
type Read = fn(&Args) -> Value;

/// Values of the sweep in one file, in the order of a profile's keys; only those that differ between files.
pub fn sweep(all: &[&Args], one: &Args) -> Vec<(String, Value)> {
    let keys: [(&str, Read); 8] = [
        ("backend", |a| a.backend.clone().into()),
        ("model", |a| a.model.clone().into()),
        ("max_batch", |a| a.max_batch.into()),
        ("replicas", |a| a.replicas.into()),
        ("tensor_parallel", |a| a.tensor_parallel.into()),
        ("prompt_tokens", |a| a.prompt_tokens.into()),
        ("output_tokens", |a| a.output_tokens.into()),
        ("clients", |a| a.clients.into()),
    ];
    let differs = |value: Read| all.iter().any(|other| value(other) != value(one));
    keys.into_iter().filter(|(_, v)| differs(*v)).map(|(k, v)| (k.to_owned(), v(one))).collect()
}

/// The profile of all files together; the first one's `args` stand for what is the same in all.
pub fn profile(all: &[&Args]) -> Profile {
    let first = all[0];
    let mut grid: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for args in all {
        for (key, value) in sweep(all, args) {
            let values = grid.entry(key).or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    Profile {
        profile: Meta {
            name: name(first),
            about: "Imported from result files of DeepSpeed-FastGen's benchmark".into(),
        },
        backend: Backend {
            kind: BackendKind::Imported,
            max_batch: first.max_batch,
            replicas: first.replicas,
            tensor_parallel: first.tensor_parallel,
            ..Backend::default()
        },
        model: model(first),
        workload: workload(first),
        load: load(first),
        stop: Stop { requests: requests(all), ..Stop::default() },
        sweep: grid,
        sla: Sla::default(),
        reference: Vec::new(),
        record: Record::default(),
        ui: Ui::default(),
    }
}

/// A name as profiles may have one: what served, and the model.
fn name(args: &Args) -> String {
    let served = if args.backend == "vllm" { "vllm" } else { "fastgen" };
    let named = if args.model.is_empty() { &args.backend } else { &args.model };
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let model: String = named.rsplit('/').next().unwrap_or_default().chars().map(plain).collect();
    format!("{served}-{model}")
}

fn load(args: &Args) -> Load {
    let per_client = std::time::Duration::from_millis(JITTER_MS);
    Load {
        clients: args.clients,
        warmup_requests_per_client: args.warmup,
        start_jitter: Jitter { per_client, ..Jitter::default() },
        ..Load::default()
    }
}

/// Exports of this program name random weights by their shape.
fn model(args: &Args) -> Model {
    let dummy = args.model.strip_prefix("dummy/").map(str::to_owned);
    let hub = Some(args.model.clone()).filter(|_| args.hub && dummy.is_none());
    Model { hub, dummy, ..Model::default() }
}

/// The formula that gives every file's count of requests, if it is one of FastGen's two kinds.
fn requests(all: &[&Args]) -> Option<Formula> {
    let formulas = [
        Formula { per_client: 4, fixed: 32 },
        Formula { per_client: 0, fixed: all[0].requests.unwrap_or_default() },
    ];
    let fits = |f: &Formula| all.iter().all(|a| a.requests == Some(f.value(a.clients)));
    formulas.into_iter().find(fits)
}

fn workload(args: &Args) -> Workload {
    let length = |mean: Option<u32>, variation: f64, max: Option<u32>| {
        let mean = mean.map(f64::from)?;
        let max = max.unwrap_or(Spread::UNBOUNDED);
        Some(Length::Of(Distribution::Normal(Spread { mean, std: mean * variation, min: 1, max })))
    };
    let usual = Workload::default();
    Workload {
        prompt_tokens: length(args.prompt_tokens, args.prompt_variation, args.max_prompt_tokens)
            .unwrap_or(usual.prompt_tokens),
        output_tokens: length(args.output_tokens, args.output_variation, None).unwrap_or(usual.output_tokens),
        ignore_eos: false,
        seed: SEED,
        ..usual
    }
}

/// What served, as far as the files tell.
pub fn info(all: &[&Args], files: usize) -> BackendInfo {
    let first = all[0];
    BackendInfo {
        kind: engine(all),
        model: first.model.clone(),
        max_batch: Some(first.max_batch),
        replicas: first.replicas,
        notes: vec![
            format!("imported from {files} result files of DeepSpeed-FastGen's benchmark"),
            "clients are made up: the files don't tell which one sent a request".into(),
        ],
        ..BackendInfo::default()
    }
}

/// All backends, each once.
fn engine(all: &[&Args]) -> String {
    let mut names: Vec<&str> = all.iter().map(|a| a.backend.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join("+")
}

/// Line 1.
///
/// # Errors
/// None that can happen with a profile; handed on all the same.
pub fn header(
    all: &[&Args],
    started_at: jiff::Timestamp,
    program: Program,
    command: Vec<String>,
) -> serde_json::Result<Header> {
    Ok(Header {
        seed: SEED,
        engine: Engine { kind: engine(all), version: String::new() },
        program,
        command,
        ..Header::new(TICK_NS, serde_json::to_value(profile(all))?, started_at)
    })
}
