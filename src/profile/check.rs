//! Rules that a profile must keep beyond its types: values that can't be, names that nothing answers to.

use std::time::Duration;

use super::check_openai::check_openai;
use super::de::hint;
use super::open::check_open;
use super::sweep::check_sweep;
use super::{BackendKind, Distribution, Length, Profile, Spread};

/// Devices that `backend.device` may name; `cuda:N` with any N.
pub const DEVICES: [&str; 4] = ["auto", "cpu", "cuda:0", "metal"];
/// Types of weights that a dummy model can be written in; `none` means `f16`.
pub const DUMMY_QUANTIZATIONS: [&str; 5] = ["none", "f16", "q8_0", "q4_0", "q4k"];
/// In-situ quantizations of the engine for other models.
pub const IN_SITU_QUANTIZATIONS: [&str; 23] = [
    "none", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q8_1", "q2k", "q3k", "q4k", "q5k", "q6k", "q8k", "hqq8",
    "hqq4", "fp8", "afq8", "afq6", "afq4", "afq3", "afq2", "f8q8", "mxfp4",
];
const VALIDATORS: [&str; 2] = ["cumulative", "ema16"];
const PLACEHOLDERS: [&str; 2] = ["profile", "started"];
/// Longest time that a profile may name: more is a slip, and a day's nanoseconds must fit everywhere.
const LONGEST: Duration = Duration::from_hours(8784);

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The dotted key whose value breaks it.
    pub key: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Collects what is wrong.
#[derive(Default)]
pub struct Check {
    problems: Vec<Problem>,
}

impl Check {
    /// Notes a problem unless `right`.
    pub fn need(&mut self, right: bool, key: &str, message: impl FnOnce() -> String) {
        if !right {
            self.problems.push(Problem { key: key.to_owned(), message: message() });
        }
    }

    fn at_least_one(&mut self, value: u32, key: &str) {
        self.need(value >= 1, key, || "must be 1 or more, and is 0".into());
    }

    pub(super) fn time(&mut self, value: Option<Duration>, key: &str) {
        let Some(value) = value else { return };
        self.need(!value.is_zero(), key, || {
            "must be longer than no time; leave the key out for no limit".into()
        });
        self.short(value, key);
    }

    fn short(&mut self, value: Duration, key: &str) {
        self.need(value <= LONGEST, key, || "is longer than a year".into());
    }

    /// A file's name with placeholders.
    pub(super) fn pattern(&mut self, path: &str, key: &str) {
        self.need(!path.is_empty(), key, || "must not be empty".into());
        for part in path.split('{').skip(1) {
            let name = part.split('}').next().unwrap_or_default();
            self.need(part.contains('}') && PLACEHOLDERS.contains(&name), key, || {
                format!("unknown placeholder `{{{name}}}`; there is {{profile}} and {{started}}")
            });
        }
    }

    fn one_of(&mut self, value: &str, known: &[&str], key: &str) {
        self.need(known.contains(&value), key, || format!("unknown value \"{value}\"{}", hint(value, known)));
    }
}

/// Everything that is wrong with a profile whose types are right; empty if it is good.
pub fn check(profile: &Profile) -> Vec<Problem> {
    let mut check = Check::default();
    check_meta(profile, &mut check);
    check_backend(profile, &mut check);
    check_model(profile, &mut check);
    check_workload(profile, &mut check);
    check_load(profile, &mut check);
    check_sla(profile, &mut check);
    check_reference(profile, &mut check);
    check_sweep(profile, &mut check);
    check_open(profile, &mut check);
    check_files(profile, &mut check);
    check.problems
}

fn check_meta(profile: &Profile, check: &mut Check) {
    let name = &profile.profile.name;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    check.need(!name.trim().is_empty() && name.chars().all(plain), "profile.name", || {
        "a name is letters, digits, `-`, `_`, `.` and spaces, since files are named after it".into()
    });
}

fn check_backend(profile: &Profile, check: &mut Check) {
    let backend = &profile.backend;
    check.at_least_one(backend.max_batch, "backend.max_batch");
    check.at_least_one(backend.replicas, "backend.replicas");
    check.at_least_one(backend.tensor_parallel, "backend.tensor_parallel");
    let device = backend.device.as_str();
    let nth_cuda = device.strip_prefix("cuda:").is_some_and(|n| n.parse::<u16>().is_ok());
    check.need(nth_cuda || DEVICES.contains(&device), "backend.device", || {
        format!("unknown device \"{device}\"{}", hint(device, &DEVICES))
    });
    check_openai(profile, check);
    let speed = backend.sim.prefill_tokens_per_s;
    check.need(speed.is_finite() && speed >= 0.0, "backend.sim.prefill_tokens_per_s", || {
        format!("must be 0 or more, and is {speed}")
    });
    check.at_least_one(backend.sim.vocabulary, "backend.sim.vocabulary");
    check.short(backend.sim.step, "backend.sim.step");
    check.short(backend.sim.step_per_sequence, "backend.sim.step_per_sequence");
    check.short(backend.sim.load, "backend.sim.load");
}

fn check_model(profile: &Profile, check: &mut Check) {
    let model = &profile.model;
    let path = model.path.as_ref().map(|p| p.as_os_str().is_empty());
    let given: Vec<(&str, bool)> = [
        ("model.hub", model.hub.as_ref().map(String::is_empty)),
        ("model.path", path),
        ("model.dummy", model.dummy.as_ref().map(String::is_empty)),
    ]
    .into_iter()
    .filter_map(|(key, empty)| empty.map(|empty| (key, empty)))
    .collect();
    for (key, empty) in &given {
        check.need(!empty, key, || "must not be empty".into());
    }
    if let [(first, _), .., (last, _)] = given[..] {
        check
            .need(false, last, || format!("`{first}` is set too; weights come from one of hub, path, dummy"));
    }
    // With backends to sweep over, every cell is checked by itself.
    let needed = profile.backend.kind == BackendKind::Mistralrs && !profile.sweep.contains_key("backend");
    check.need(!given.is_empty() || !needed, "model", || {
        "the engine needs weights: set one of model.path = \"FILE.gguf\", model.hub = \"org/name\", \
         model.dummy = \"tiny\""
            .into()
    });
    let known = if model.dummy.is_some() { &DUMMY_QUANTIZATIONS[..] } else { &IN_SITU_QUANTIZATIONS[..] };
    check.one_of(&model.quantization, known, "model.quantization");
}

fn check_workload(profile: &Profile, check: &mut Check) {
    let workload = &profile.workload;
    check_length(&workload.prompt_tokens, "workload.prompt_tokens", check);
    check_length(&workload.output_tokens, "workload.output_tokens", check);
    let prefix = workload.shared_prefix_tokens;
    if workload.prompt_text.is_none() {
        let (shortest, _) = workload.prompt_tokens.bounds();
        check.need(prefix <= shortest, "workload.shared_prefix_tokens", || {
            format!(
                "prompts can be as short as {shortest} tokens, which is less than the shared prefix of {prefix}; \
                 raise the prompts' min or shorten the prefix"
            )
        });
    }
    check.need(workload.prompt_text.as_deref() != Some(""), "workload.prompt_text", || {
        "must not be empty; leave the key out for random tokens".into()
    });
}

fn check_length(length: &Length, key: &str, check: &mut Check) {
    match length {
        Length::Fixed(tokens) => check.at_least_one(*tokens, key),
        Length::Of(Distribution::Uniform(range)) => {
            check_bounds(range.min, range.max, &format!("{key}.uniform"), check);
            check.need(range.max < Spread::UNBOUNDED, &format!("{key}.uniform.max"), || "is too big".into());
        }
        Length::Of(Distribution::Normal(spread)) => check_spread(spread, &format!("{key}.normal"), check),
        Length::Of(Distribution::Lognormal(spread)) => {
            check_spread(spread, &format!("{key}.lognormal"), check);
        }
    }
}

fn check_spread(spread: &Spread, key: &str, check: &mut Check) {
    let (mean, std) = (spread.mean, spread.std);
    check.need(mean.is_finite() && mean > 0.0, &format!("{key}.mean"), || {
        format!("a mean length must be above 0, and is {mean}")
    });
    check.need(std.is_finite() && std >= 0.0, &format!("{key}.std"), || {
        format!("a standard deviation can't be below 0, and is {std}")
    });
    check_bounds(spread.min, spread.max, key, check);
}

/// Most clients of a closed loop, and requests in flight of an open one: each is a task with its own state.
const MOST_CLIENTS: u32 = 100_000;
/// Most times that a request is sent again.
const MOST_RETRIES: u32 = 100;

fn check_bounds(min: u32, max: u32, key: &str, check: &mut Check) {
    check.at_least_one(min, &format!("{key}.min"));
    check.need(min <= max, &format!("{key}.min"), || format!("min = {min} is more than max = {max}"));
}

fn check_load(profile: &Profile, check: &mut Check) {
    let (load, stop) = (&profile.load, &profile.stop);
    check.at_least_one(load.clients, "load.clients");
    check.need(load.clients <= MOST_CLIENTS, "load.clients", || {
        format!("can be {MOST_CLIENTS} at most, and is {}", load.clients)
    });
    let most = load.max_in_flight.unwrap_or(1);
    check.need(most <= MOST_CLIENTS, "load.max_in_flight", || {
        format!("can be {MOST_CLIENTS} at most, and is {most}")
    });
    check.time(load.ramp_time, "load.ramp_time");
    check.short(load.start_jitter.fixed, "load.start_jitter");
    check.short(load.start_jitter.per_client, "load.start_jitter");
    check.time(load.ttft_timeout, "load.ttft_timeout");
    check.time(load.request_timeout, "load.request_timeout");
    check.time(load.idle_timeout, "load.idle_timeout");
    check.time(load.connect_timeout, "load.connect_timeout");
    check.need(load.retries <= MOST_RETRIES, "load.retries", || {
        format!("can be {MOST_RETRIES} at most, and is {}", load.retries)
    });
    check.short(load.stage_pause, "load.stage_pause");
    check.time(stop.duration, "stop.duration");
    check.need(stop.when_flat.is_none_or(|gain| (0.0..1.0).contains(&gain)), "stop.when_flat", || {
        "must be a gain from 0 up to 1, e.g. 0.02 for two percent".into()
    });
    check.need(stop.requests.is_none_or(|r| r.value(load.clients) > 0), "stop.requests", || {
        "must be 1 or more; leave the key out for no limit".into()
    });
}

fn check_sla(profile: &Profile, check: &mut Check) {
    let sla = &profile.sla;
    let rate = |x: f64| x.is_finite() && x > 0.0;
    check.need(rate(sla.prompt_tokens_per_s), "sla.prompt_tokens_per_s", || "must be above 0".into());
    for (i, value) in sla.generation_tokens_per_s.iter().enumerate() {
        check.need(rate(*value), &format!("sla.generation_tokens_per_s.{i}"), || "must be above 0".into());
    }
    for (i, name) in sla.validators.iter().enumerate() {
        check.one_of(name, &VALIDATORS, &format!("sla.validators.{i}"));
    }
    for (name, time) in &sla.thresholds {
        check.time(Some(*time), &format!("sla.{name}"));
    }
}

fn check_reference(profile: &Profile, check: &mut Check) {
    for (i, reference) in profile.reference.iter().enumerate() {
        let lists = [
            ("throughput_rps", &reference.throughput_rps),
            ("latency_s", &reference.latency_s),
            ("effective_rps_4tps", &reference.effective_rps_4tps),
        ];
        for (name, list) in lists {
            let key = format!("reference.{i}.{name}");
            let points = reference.clients.len();
            check.need(list.is_empty() || list.len() == points, &key, || {
                format!("has {} values, but `clients` has {points}", list.len())
            });
            check.need(list.iter().all(|x| x.is_finite() && *x >= 0.0), &key, || {
                "holds a value that is no number of 0 or more".into()
            });
        }
    }
}

fn check_files(profile: &Profile, check: &mut Check) {
    let path = &profile.record.path;
    check.pattern(path, "record.path");
    check.need(!profile.ui.theme.is_empty(), "ui.theme", || "must not be empty".into());
    check.need((1..=60).contains(&profile.ui.fps), "ui.fps", || {
        format!("must be 1 to 60 frames a second, and is {}", profile.ui.fps)
    });
}
