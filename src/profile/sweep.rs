//! `[sweep]`: which keys a grid may have, what their values do to a profile, and the rules they must keep.

use serde::Deserialize;
use serde_json::Value;

use super::check::Check;
use super::contenders::set_backend;
use super::de::hint;
use super::open::MOST_RATE;
use super::{Distribution, Length, Model, Profile, Spread};

/// Keys of a grid, the outermost first: what needs another engine changes least often, the load most often.
pub const SWEEP_KEYS: [&str; 10] = [
    "backend",
    "model",
    "quantization",
    "tensor_parallel",
    "replicas",
    "max_batch",
    "prompt_tokens",
    "output_tokens",
    "rate",
    "clients",
];
/// Most cells a grid may have: more is a slip.
pub const MOST_CELLS: usize = 10_000;

/// Puts a value into a profile; gives it as it is to be shown and recorded.
///
/// # Errors
/// What is wrong with the value.
pub(super) fn apply(profile: &mut Profile, key: &str, value: &Value) -> Result<Value, String> {
    match key {
        "backend" => return set_backend(profile, value),
        "model" => return set_model(&mut profile.model, value),
        "quantization" => text(value)?.clone_into(&mut profile.model.quantization),
        "tensor_parallel" => profile.backend.tensor_parallel = count(value)?,
        "replicas" => profile.backend.replicas = count(value)?,
        "max_batch" => profile.backend.max_batch = count(value)?,
        "prompt_tokens" => scale(&mut profile.workload.prompt_tokens, value)?,
        "output_tokens" => scale(&mut profile.workload.output_tokens, value)?,
        "clients" => {
            profile.load.clients = clients(value, profile.backend.replicas)?;
            return Ok(profile.load.clients.into());
        }
        _ => {
            let rate = rate(value)?;
            profile.load.rate = Some(rate);
            // `rate=4`, however it was written.
            return Ok(if rate.fract() == 0.0 { (rate as u64).into() } else { rate.into() });
        }
    }
    Ok(value.clone())
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().filter(|text| !text.is_empty()).ok_or_else(|| format!("expected a text, found {value}"))
}

/// A whole number above 0.
fn count(value: &Value) -> Result<u32, String> {
    value
        .as_u64()
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| *n > 0)
        .ok_or_else(|| format!("expected a whole number above 0, found {value}"))
}

/// Requests a second. What is no number at all (`nan`, `inf`) comes as `null`.
fn rate(value: &Value) -> Result<f64, String> {
    value.as_f64().filter(|rate| *rate > 0.0 && *rate <= MOST_RATE).ok_or_else(|| {
        let found = if value.is_null() { "no finite number".into() } else { value.to_string() };
        format!("expected requests a second, a number above 0 and up to {MOST_RATE}, found {found}")
    })
}

/// A number of clients, or `"16*replicas"`: so many for each engine.
fn clients(value: &Value, replicas: u32) -> Result<u32, String> {
    let Some(formula) = value.as_str() else { return count(value) };
    let each = match formula.trim() {
        "replicas" => Some(1),
        formula => formula
            .strip_suffix("replicas")
            .and_then(|rest| rest.trim_end().strip_suffix('*'))
            .and_then(|n| n.trim().parse::<u32>().ok())
            .filter(|n| *n > 0),
    };
    each.and_then(|each| each.checked_mul(replicas)).ok_or_else(|| {
        format!("expected a number of clients, or a formula such as \"16*replicas\", found {value}")
    })
}

/// Other weights: a name of the kind that the profile has already, or a table such as `{ dummy = "tiny" }`.
fn set_model(model: &mut Model, value: &Value) -> Result<Value, String> {
    if value.is_object() {
        let other = Model::deserialize(value).map_err(|e| e.to_string())?;
        let path = other.path.as_ref().map(|p| p.display().to_string());
        let name = [other.hub.clone(), path, other.dummy.clone()].into_iter().flatten().next();
        let name = name.ok_or("a model is one of hub, path, dummy")?;
        let typed = value.get("quantization").is_some();
        let shown = if typed { format!("{name} {}", other.quantization) } else { name };
        *model = other;
        return Ok(shown.into());
    }
    let name = text(value)?.to_owned();
    if model.hub.is_some() {
        model.hub = Some(name);
    } else if model.path.is_some() {
        model.path = Some(name.into());
    } else {
        model.dummy = Some(name);
    }
    Ok(value.clone())
}

/// A number sets a length's mean, and its standard deviation in the same ratio; a table replaces the length.
fn scale(length: &mut Length, value: &Value) -> Result<(), String> {
    if value.is_object() {
        *length = Length::deserialize(value).map_err(|e| e.to_string())?;
        return Ok(());
    }
    let mean = count(value)?;
    let set = |spread: &mut Spread| {
        spread.std *= f64::from(mean) / spread.mean;
        spread.mean = f64::from(mean);
    };
    match length {
        Length::Fixed(tokens) => *tokens = mean,
        Length::Of(Distribution::Normal(spread) | Distribution::Lognormal(spread)) => set(spread),
        Length::Of(Distribution::Uniform(_)) => {
            return Err("a uniform length has no mean to set; sweep over tables, \
                        e.g. { uniform = { min = 1, max = 64 } }"
                .into());
        }
    }
    Ok(())
}

/// The rules of `[sweep]`: known keys, values, a grid that isn't endless.
pub(super) fn check_sweep(profile: &Profile, check: &mut Check) {
    let mut cells = 1usize;
    for (name, values) in &profile.sweep {
        let key = format!("sweep.{name}");
        let known = SWEEP_KEYS.contains(&name.as_str());
        check.need(known, &key, || format!("nothing can be swept over `{name}`{}", hint(name, &SWEEP_KEYS)));
        check.need(!values.is_empty(), &key, || {
            "must hold at least one value; leave the key out to sweep over nothing".into()
        });
        cells = cells.saturating_mul(values.len().max(1));
        if !known || values.len() > MOST_CELLS {
            continue;
        }
        for (i, value) in values.iter().enumerate() {
            let problem = apply(&mut profile.clone(), name, value).err();
            check.need(problem.is_none(), &format!("{key}.{i}"), || problem.unwrap_or_default());
        }
    }
    check.need(cells <= MOST_CELLS, "sweep", || {
        format!(
            "the grid has {cells} cells, more than {MOST_CELLS}; sweep over fewer values, or in several runs"
        )
    });
}
