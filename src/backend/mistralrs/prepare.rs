//! From a profile to a loaded backend: checks first, then the long work, on a thread that may panic.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::device::{self, Chosen};
use super::engine::{self, Engine};
use super::{MistralrsBackend, panics};
use crate::backend::{Backend, BackendError, Progress};
use crate::clock::Clock;
use crate::event::BackendInfo;
use crate::model::{self, ModelSource, Need, Prepared};
use crate::profile::{Distribution, Length, LoadKind, Profile};

/// The engine's version: Cargo.toml pins it.
const VERSION: &str = "0.8.1";
/// How often a load under way looks whether it is to be given up.
const POLL: Duration = Duration::from_millis(20);

/// Looks for what this build and machine lack, without loading anything.
///
/// # Errors
/// The profile's key that asks for it, and what is missing.
pub fn check(profile: &Profile) -> Result<(), (&'static str, BackendError)> {
    let chosen = device::choose(&profile.backend.device).map_err(|e| ("backend.device", e))?;
    check_parallel(profile).map_err(|e| ("backend.tensor_parallel", e))?;
    let source = ModelSource::resolve(&profile.model).map_err(|e| (e.key("model"), e.into()))?;
    check_dummy(profile, &source, &chosen).map_err(|e| ("model.dummy", e))
}

/// Whether a dummy model fits into memory. Before it is written: a file that could not be loaded would only fill
/// the disk.
fn check_dummy(profile: &Profile, source: &ModelSource, chosen: &Chosen) -> Result<(), BackendError> {
    if let (ModelSource::Dummy(dummy), true) = (source, chosen.device.is_cpu()) {
        let (sequences, tokens) = at_once(profile);
        let one = Need::of_dummy(dummy, sequences, tokens);
        replicated(profile, one).check(dummy.shape.name, model::available_memory())?;
    }
    Ok(())
}

/// Loads the model of a profile into as many engines as it asks for.
///
/// # Errors
/// What the profile asks for and this build, machine or model does not have; the engine's own complaint.
pub fn load(
    profile: &Profile,
    clock: Clock,
    progress: &Arc<dyn Progress>,
) -> Result<Arc<dyn Backend>, BackendError> {
    let began_ns = clock.now_ns();
    let chosen = Arc::new(device::choose(&profile.backend.device)?);
    check_parallel(profile)?;
    let source = ModelSource::resolve(&profile.model)?;
    check_dummy(profile, &source, &chosen)?;
    let prepared = Arc::new(source.prepare(&**progress)?);
    let weights = check_model(profile, &prepared, &chosen)?;
    let sha256 = match &*prepared {
        Prepared::Gguf(info) => {
            Some(model::sha256(&info.path, &model::cache_folder()?.join(".sha256"), &**progress)?)
        }
        _ => None,
    };
    let threads = device::set_threads(profile.backend.threads, weights);
    panics::watch();
    let replicas = profile.backend.replicas.max(1);
    let mut engines = Vec::new();
    for number in 1..=replicas {
        let step = if replicas == 1 {
            format!("loading {}", name(&prepared))
        } else {
            format!("loading {} into engine {number} of {replicas}", name(&prepared))
        };
        progress.step(&step, None);
        engines.push(Arc::new(load_one(profile, &prepared, &chosen, clock, &**progress)?));
    }
    let Some(facts) = engines.first().map(|engine| engine.facts.clone()) else {
        return Err(BackendError::Load("no engine was asked for".into()));
    };
    let (vocabulary, reserved) = vocabulary(&prepared, &facts);
    let info = BackendInfo {
        kind: "mistralrs".into(),
        version: VERSION.into(),
        device: chosen.name.clone(),
        model: name(&prepared),
        quantization: quantization(profile, &prepared, &facts),
        model_sha256: sha256,
        context_tokens: Some(facts.context),
        threads: Some(threads),
        max_batch: Some(profile.backend.max_batch.max(1)),
        replicas,
        notes: notes(profile, &facts),
        load_s: (clock.now_ns() - began_ns) as f64 / 1e9,
    };
    Ok(Arc::new(MistralrsBackend { info, engines, clock, vocabulary, reserved }))
}

fn check_parallel(profile: &Profile) -> Result<(), BackendError> {
    if profile.backend.tensor_parallel > 1 && !cfg!(feature = "nccl") {
        return Err(BackendError::Unavailable(format!(
            "{} GPUs for one engine need NCCL, and this build has none; build with `--features nccl`, or use \
             backend.replicas",
            profile.backend.tensor_parallel
        )));
    }
    Ok(())
}

/// Quantization and memory; gives the bytes of the weights where they are known.
fn check_model(profile: &Profile, prepared: &Prepared, device: &Chosen) -> Result<Option<u64>, BackendError> {
    let Prepared::Gguf(info) = prepared else { return Ok(None) };
    let wanted = &profile.model.quantization;
    let same = |a: &str, b: &str| a.replace('_', "").eq_ignore_ascii_case(&b.replace('_', ""));
    if profile.model.dummy.is_none() && wanted != "none" && !same(wanted, &info.quantization) {
        return Err(BackendError::Model(format!(
            "model.quantization = \"{wanted}\": the weights of a GGUF file have their type already ({}); leave \
             it out, or use a folder or hub id, which can be quantized when loaded",
            info.quantization
        )));
    }
    if device.device.is_cpu() {
        let (sequences, tokens) = at_once(profile);
        let need = replicated(profile, Need::of(info, sequences, tokens));
        need.check(&info.name, model::available_memory())?;
    }
    Ok(Some(info.tensor_bytes))
}

/// Sequences that the profile's load keeps in the engine at once, and their mean length in tokens.
fn at_once(profile: &Profile) -> (u32, u32) {
    let sequences = match profile.load.kind {
        LoadKind::Closed => profile.backend.max_batch.min(profile.load.clients),
        _ => profile.backend.max_batch,
    };
    (sequences.max(1), mean(profile.workload.prompt_tokens) + mean(profile.workload.output_tokens))
}

/// What all replicas need in memory for the profile's load, from what one needs. The load is shared out: its KV
/// cache is needed once.
fn replicated(profile: &Profile, one: Need) -> Need {
    let replicas = u64::from(profile.backend.replicas.max(1));
    Need {
        weights: one.weights.saturating_mul(replicas),
        embeddings: one.embeddings.saturating_mul(replicas),
        overhead: one.overhead.saturating_mul(replicas),
        ..one
    }
}

fn mean(length: Length) -> u32 {
    match length {
        Length::Fixed(n) => n,
        Length::Of(Distribution::Uniform(range)) => range.min / 2 + range.max / 2,
        Length::Of(Distribution::Normal(spread) | Distribution::Lognormal(spread)) => {
            spread.mean.clamp(f64::from(spread.min), f64::from(spread.max.max(spread.min))) as u32
        }
    }
}

/// Loads one engine on a thread of its own: a panic of the engine's code is an error here, and the user can
/// give up (the thread is then left behind; the process is about to end).
fn load_one(
    profile: &Profile,
    prepared: &Arc<Prepared>,
    device: &Arc<Chosen>,
    clock: Clock,
    progress: &dyn Progress,
) -> Result<Engine, BackendError> {
    let (profile, prepared, device) = (profile.clone(), prepared.clone(), device.clone());
    let loading = thread::Builder::new()
        .name("engine-load".into())
        .spawn(move || engine::load(&profile, &prepared, &device, clock))
        .map_err(|e| BackendError::Load(e.to_string()))?;
    while !loading.is_finished() {
        if progress.cancelled() {
            return Err(BackendError::Interrupted);
        }
        thread::sleep(POLL);
    }
    match loading.join() {
        Ok(engine) => engine.map_err(|e| BackendError::Load(one_line(&e))),
        Err(panic) => {
            Err(BackendError::Load(format!("it panicked: {}", one_line(&panics::message(&*panic)))))
        }
    }
}

/// Without the backtrace that the engine's errors carry.
fn one_line(error: &str) -> String {
    let lines = error.lines().take_while(|l| !l.trim_start().starts_with("0:") && !l.contains("backtrace"));
    lines.map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ")
}

fn name(prepared: &Prepared) -> String {
    match prepared {
        Prepared::Gguf(info) => info.name.clone(),
        Prepared::Folder(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        Prepared::Hub(id) => id.clone(),
    }
}

fn quantization(profile: &Profile, prepared: &Prepared, facts: &engine::Facts) -> String {
    match prepared {
        Prepared::Gguf(info) => info.quantization.clone(),
        _ if profile.model.quantization == "none" => facts.dtype.clone(),
        _ => profile.model.quantization.to_uppercase(),
    }
}

/// Size of the vocabulary, and the ids that prompts must not hold.
pub(super) fn vocabulary(prepared: &Prepared, facts: &engine::Facts) -> (u32, Vec<u32>) {
    match prepared {
        Prepared::Gguf(info) => (info.vocabulary, info.reserved.clone()),
        _ => (facts.tokenizer_tokens, facts.special_tokens.clone()),
    }
}

fn notes(profile: &Profile, facts: &engine::Facts) -> Vec<String> {
    let scheduler = if facts.paged_attention {
        "PagedAttention"
    } else {
        "default scheduler: batches only sequences of equal length"
    };
    let cache = if profile.backend.prefix_cache { "prefix cache" } else { "no prefix cache" };
    let activations = format!("activations {}", facts.dtype);
    let mut notes = vec![scheduler.into(), cache.into(), activations, "greedy sampling".into()];
    if profile.backend.replicas > 1 {
        notes.push("replicas share the compute threads, requests go to the least loaded".into());
    }
    notes.push("start of prefill derived from the engine's steps".into());
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_loses_its_backtrace() {
        let error = "cannot find tensor info for output_norm.weight\n   0: candle_core::error\n   1: more";
        assert_eq!(one_line(error), "cannot find tensor info for output_norm.weight");
    }
}
