//! A profile as a list of stages: the sweep's grid, one whole profile a cell, in the order of running; and what of
//! a profile this version can't run.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::check::check;
use super::sweep::{SWEEP_KEYS, apply};
use super::{BackendKind, LoadKind, Profile, ProfileError};

/// One stage of a run: what is special in it, and the profile it runs by.
#[derive(Debug, Clone, PartialEq)]
pub struct StagePlan {
    /// `clients=8`, `prompt_tokens=512, clients=8`; `main` without a sweep.
    pub name: String,
    /// The sweep's values in this cell.
    pub sweep: Vec<(String, Value)>,
    /// The profile with these values in place, and no sweep.
    pub profile: Profile,
    /// Number of the engine that serves it, from 0 in the order of loading: stages with equal engines share one.
    pub engine: u32,
}

impl Profile {
    /// The stages of a run in the order of running: one without a sweep, else one a cell. All cells that one
    /// engine can serve come one after another, so that no engine is loaded twice; else the order is the
    /// profile's, `clients` or `rate` running fastest.
    ///
    /// # Errors
    /// [`ProfileError::Cell`] if a cell can't be run.
    pub fn stages(&self) -> Result<Vec<StagePlan>, ProfileError> {
        let base = Self { sweep: BTreeMap::new(), ..self.clone() };
        let mut plans = vec![StagePlan { name: "main".into(), sweep: Vec::new(), profile: base, engine: 0 }];
        for key in SWEEP_KEYS {
            let Some(values) = self.sweep.get(key) else { continue };
            let mut next = Vec::with_capacity(plans.len() * values.len());
            for plan in &plans {
                for (i, value) in values.iter().enumerate() {
                    next.push(
                        cell(plan, key, value)
                            .map_err(|message| wrong(&format!("sweep.{key}.{i}"), message))?,
                    );
                }
            }
            plans = next;
        }
        for plan in plans.iter_mut().filter(|plan| !plan.sweep.is_empty()) {
            plan.name = name(&plan.sweep);
            if let Some(problem) = check(&plan.profile).into_iter().next() {
                let why =
                    format!("the cell {} can't be run: {}: {}", plan.name, problem.key, problem.message);
                return Err(wrong("sweep", why));
            }
        }
        share_engines(&mut plans);
        tell_apart(&mut plans);
        Ok(plans)
    }

    /// Whether this version can run it.
    ///
    /// # Errors
    /// [`ProfileError::NotInThisVersion`] or [`ProfileError::Cell`] with what it can't do, and what to do instead.
    pub fn check_runnable(&self) -> Result<(), ProfileError> {
        let refuse = |what: &str| Err(ProfileError::NotInThisVersion(what.to_owned()));
        if self.load.kind == LoadKind::Trace {
            let why = "arrivals from a recorded trace are not in this version; set load.kind to \"closed\", \"constant\", \
                       \"poisson\", \"gamma\" or \"ramp\"";
            return Err(wrong("load.kind", why.into()));
        }
        let stages = self.stages()?;
        if self.backend.kind == BackendKind::Imported {
            return refuse(
                "backend.kind = \"imported\" marks a recording of another tool's results and can't be run; to run \
                 the same load, set backend.kind to \"mistralrs\" or \"sim\"",
            );
        }
        for stage in &stages {
            stage.check_meaning(stages.len())?;
        }
        Ok(())
    }
}

impl StagePlan {
    /// Whether the cell measures what it says, and ends.
    fn check_meaning(&self, stages: usize) -> Result<(), ProfileError> {
        let stop = &self.profile.stop;
        let formula = stop.requests.filter(|formula| formula.per_client > 0);
        if let Some(formula) = formula.filter(|_| self.profile.load.kind.is_open()) {
            let why = format!(
                "an open loop has no clients to count by, so \"{formula}\" is no number; give one, e.g. 200, or --for or \
                 --requests"
            );
            return Err(wrong("stop.requests", why));
        }
        if stages > 1 && stop.requests.is_none() && stop.duration.is_none() {
            let why = "a stage without an end would be the only one: set stop.requests or stop.duration, or give \
                       --for or --requests";
            return Err(wrong("sweep", why.into()));
        }
        let server = ["model", "quantization", "tensor_parallel", "replicas", "max_batch"];
        let fixed = self.sweep.iter().find(|(key, _)| server.contains(&key.as_str()));
        let weights = fixed.filter(|(key, _)| key == "model" || key == "quantization");
        if let Some((key, _)) = fixed.filter(|_| self.profile.backend.kind == BackendKind::Openai) {
            let why =
                "a server has its weights and settings by itself, so all these cells would measure the same";
            return Err(wrong(&format!("sweep.{key}"), why.into()));
        }
        match weights {
            Some((key, _)) if self.profile.backend.kind == BackendKind::Sim => {
                let why = "the simulated engine has no weights, so all these cells would measure the same";
                Err(wrong(&format!("sweep.{key}"), why.into()))
            }
            _ => Ok(()),
        }
    }
}

fn wrong(key: &str, message: String) -> ProfileError {
    ProfileError::Cell { key: key.to_owned(), message }
}

fn cell(plan: &StagePlan, key: &str, value: &Value) -> Result<StagePlan, String> {
    let mut made = plan.clone();
    let shown = apply(&mut made.profile, key, value)?;
    made.sweep.push((key.to_owned(), shown));
    Ok(made)
}

fn name(sweep: &[(String, Value)]) -> String {
    let parts = sweep.iter().map(|(key, value)| match value {
        Value::String(text) => format!("{key}={text}"),
        other => format!("{key}={other}"),
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// A cell that comes again, to see how far figures vary, has its number behind the name: `clients=8 (2)`.
fn tell_apart(plans: &mut [StagePlan]) {
    let mut seen: HashMap<String, u32> = HashMap::new();
    for plan in plans.iter_mut() {
        let times = seen.entry(plan.name.clone()).or_default();
        *times += 1;
        if *times > 1 {
            plan.name = format!("{} ({times})", plan.name);
        }
    }
}

/// Numbers the engines by their first cell, and brings the cells of each together.
fn share_engines(plans: &mut [StagePlan]) {
    let mut known: HashMap<String, u32> = HashMap::new();
    for plan in plans.iter_mut() {
        let next = known.len() as u32;
        // Equal settings have equal JSON; a setting without any would only cost a load more.
        let key = serde_json::to_string(&(&plan.profile.backend, &plan.profile.model))
            .unwrap_or_else(|_| format!("{next}"));
        plan.engine = *known.entry(key).or_insert(next);
    }
    plans.sort_by_key(|plan| plan.engine);
}
