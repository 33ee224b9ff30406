//! A profile as a list of stages: the sweep's grid, one whole profile a cell; and what of a profile this
//! version can't run.

use serde::Deserialize;
use serde_json::Value;

use super::check::{Check, check};
use super::de::hint;
use super::{BackendKind, Distribution, Length, LoadKind, Profile, ProfileError, Spread};

/// Sweep keys that differ only in what the clients ask for: one engine serves all cells.
const LOAD_KEYS: [&str; 3] = ["prompt_tokens", "output_tokens", "clients"];
/// Sweep keys that need another engine, or another kind of load, for each cell.
const ENGINE_KEYS: [&str; 7] =
    ["max_batch", "replicas", "tensor_parallel", "model", "quantization", "backend", "rate"];
/// Most cells a grid may have: more is a slip.
const MOST_CELLS: usize = 10_000;

/// One stage of a run: what is special in it, and the profile it runs by.
#[derive(Debug, Clone, PartialEq)]
pub struct StagePlan {
    /// `clients=8`, `prompt_tokens=512, clients=8`; `main` without a sweep.
    pub name: String,
    /// The sweep's values in this cell.
    pub sweep: Vec<(String, Value)>,
    /// The profile with these values in place, and no sweep.
    pub profile: Profile,
}

impl Profile {
    /// The stages of a run: one without a sweep, else one a cell, `clients` running fastest.
    ///
    /// # Errors
    /// [`ProfileError::NotInThisVersion`] if cells would need different engines.
    pub fn stages(&self) -> Result<Vec<StagePlan>, ProfileError> {
        if let Some(key) = self.sweep.keys().find(|k| ENGINE_KEYS.contains(&k.as_str())) {
            return Err(ProfileError::NotInThisVersion(format!(
                "a sweep over `{key}` needs another engine or load for each stage, which is not in this version; \
                 sweep over {}",
                LOAD_KEYS.join(", ")
            )));
        }
        let base = Self { sweep: std::collections::BTreeMap::new(), ..self.clone() };
        let mut plans = vec![StagePlan { name: "main".into(), sweep: Vec::new(), profile: base }];
        for key in LOAD_KEYS {
            let Some(values) = self.sweep.get(key) else { continue };
            let mut next = Vec::with_capacity(plans.len() * values.len());
            for plan in &plans {
                for value in values {
                    next.push(cell(plan, key, value)?);
                }
            }
            plans = next;
        }
        Ok(plans)
    }

    /// Whether this version can run it.
    ///
    /// # Errors
    /// [`ProfileError::NotInThisVersion`] with what it can't do, and what to do instead.
    pub fn check_runnable(&self) -> Result<(), ProfileError> {
        let refuse = |what: &str| Err(ProfileError::NotInThisVersion(what.to_owned()));
        if self.backend.kind == BackendKind::Openai {
            return refuse(
                "measuring servers over HTTP (backend.kind = \"openai\") is not in this version; \
                 use \"mistralrs\" or \"sim\"",
            );
        }
        if self.backend.kind == BackendKind::Imported {
            return refuse(
                "backend.kind = \"imported\" marks a recording of another tool's results and can't be run; to run \
                 the same load, set backend.kind to \"mistralrs\" or \"sim\"",
            );
        }
        if self.load.kind != LoadKind::Closed {
            return refuse("open-loop load is not in this version; set load.kind = \"closed\"");
        }
        self.stages()?;
        Ok(())
    }
}

fn cell(plan: &StagePlan, key: &str, value: &Value) -> Result<StagePlan, ProfileError> {
    let mut profile = plan.profile.clone();
    let wrong = |message: String| {
        ProfileError::NotInThisVersion(format!("the sweep's cell {key}={value} can't be run: {message}"))
    };
    match key {
        "clients" => profile.load.clients = count(value).map_err(wrong)?,
        "prompt_tokens" => scale(&mut profile.workload.prompt_tokens, value).map_err(wrong)?,
        _ => scale(&mut profile.workload.output_tokens, value).map_err(wrong)?,
    }
    if let Some(problem) = check(&profile).into_iter().next() {
        return Err(wrong(format!("{}: {}", problem.key, problem.message)));
    }
    let mut sweep = plan.sweep.clone();
    sweep.push((key.to_owned(), value.clone()));
    let name = sweep.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(", ");
    Ok(StagePlan { name, sweep, profile })
}

/// A whole number above 0.
fn count(value: &Value) -> Result<u32, String> {
    value
        .as_u64()
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| *n > 0)
        .ok_or_else(|| format!("expected a whole number above 0, found {value}"))
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
pub fn check_sweep(profile: &Profile, check: &mut Check) {
    let known: Vec<&str> = LOAD_KEYS.iter().chain(&ENGINE_KEYS).copied().collect();
    let mut cells = 1usize;
    for (name, values) in &profile.sweep {
        let key = format!("sweep.{name}");
        check.need(known.contains(&name.as_str()), &key, || {
            format!("nothing can be swept over `{name}`{}", hint(name, &known))
        });
        check.need(!values.is_empty(), &key, || "must hold at least one value".into());
        cells = cells.saturating_mul(values.len().max(1));
        for (i, value) in values.iter().enumerate() {
            let problem = match name.as_str() {
                "clients" => count(value).err(),
                "prompt_tokens" => scale(&mut profile.workload.prompt_tokens.clone(), value).err(),
                "output_tokens" => scale(&mut profile.workload.output_tokens.clone(), value).err(),
                _ => None,
            };
            check.need(problem.is_none(), &format!("{key}.{i}"), || problem.unwrap_or_default());
        }
    }
    check.need(cells <= MOST_CELLS, "sweep", || format!("{cells} stages are more than {MOST_CELLS}"));
}
