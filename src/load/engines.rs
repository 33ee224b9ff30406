//! The engines of a run, one after another: at most one is in memory.

use std::sync::Arc;

use super::control::{Controls, StopLevel};
use super::driver::StageRun;
use super::readings::Telemetry;
use crate::backend::{self, Backend, BackendError};
use crate::clock::Clock;
use crate::collector::EventSink;
use crate::event::Event;
use crate::profile::{Profile, StagePlan};
use crate::progress::Progress;
use crate::workload::{Generator, Target};

/// The engine that is loaded, and how to load others.
pub(super) struct Engines {
    pub clock: Clock,
    pub sink: EventSink,
    pub controls: Controls,
    pub telemetry: Option<Telemetry>,
    /// How many the whole run needs.
    pub planned: u32,
    /// Its number, and the engine.
    pub loaded: Option<(u32, Arc<dyn Backend>)>,
}

impl Engines {
    /// The engine of this number, loaded if it isn't; `profile` says how.
    pub fn get(&mut self, number: u32, profile: &Profile) -> Result<Arc<dyn Backend>, BackendError> {
        if let Some((loaded, engine)) = &self.loaded
            && *loaded == number
        {
            return Ok(engine.clone());
        }
        // The old one's memory must be free before the new one asks for its own.
        self.let_go();
        let engine = self.load(number, profile)?;
        if let Some(telemetry) = &self.telemetry {
            telemetry.watch(Some(engine.clone()));
        }
        self.loaded = Some((number, engine.clone()));
        Ok(engine)
    }

    fn load(&self, number: u32, profile: &Profile) -> Result<Arc<dyn Backend>, BackendError> {
        let which = match self.planned {
            1 => String::new(),
            all => format!("engine {} of {all}: ", number + 1),
        };
        let steps =
            Steps { sink: self.sink.clone(), clock: self.clock, controls: self.controls.clone(), which };
        let progress: Arc<dyn Progress> = Arc::new(steps);
        progress.step("starting the engine", None);
        let engine = backend::load(profile, self.clock, &progress)?;
        if progress.cancelled() {
            engine.shutdown();
            return Err(BackendError::Interrupted);
        }
        let info = Box::new(engine.info().clone());
        self.sink.send(Event::Ready { at_ns: self.clock.now_ns(), info });
        Ok(engine)
    }

    /// Ends the engine and gives its memory back.
    pub fn let_go(&mut self) {
        if let Some(telemetry) = &self.telemetry {
            telemetry.watch(None);
        }
        if let Some((_, engine)) = self.loaded.take() {
            engine.shutdown();
            if Arc::strong_count(&engine) > 1 {
                tracing::warn!(
                    "something still holds on to the engine that was ended; its memory may not be free"
                );
            }
        }
    }
}

/// The most demanding load of an engine's stages, as one profile: what is checked against the machine's memory.
pub(super) fn demand(stages: &[StagePlan], engine: u32) -> Option<Profile> {
    let of_engine = || stages.iter().filter(|stage| stage.engine == engine).map(|stage| &stage.profile);
    let tokens = |p: &Profile| p.workload.prompt_tokens.mean() + p.workload.output_tokens.mean();
    let mut profile = of_engine().max_by(|a, b| tokens(a).total_cmp(&tokens(b)))?.clone();
    profile.load.clients = of_engine().map(|p| p.load.clients).max()?;
    Some(profile)
}

/// A stage's plan, made ready for this backend.
pub(super) fn stage(plan: &StagePlan, backend: &dyn Backend) -> Result<StageRun, String> {
    let profile = &plan.profile;
    let text = match &profile.workload.prompt_text {
        Some(text) => Some(backend.encode(text).map_err(|e| e.to_string())?.into()),
        None => None,
    };
    let target = Target {
        vocabulary: backend.vocabulary(),
        reserved: backend.reserved_tokens(),
        context: backend.info().context_tokens,
    };
    let requests = Generator::new(&profile.workload, target, text).map_err(|e| e.to_string())?;
    Ok(StageRun {
        name: plan.name.clone(),
        sweep: plan.sweep.clone(),
        load: profile.load.clone(),
        stop: profile.stop.clone(),
        requests,
        seed: profile.workload.seed,
        ignore_eos: profile.workload.ignore_eos,
    })
}

/// Turns loading steps into events.
struct Steps {
    sink: EventSink,
    clock: Clock,
    controls: Controls,
    /// Which engine it is, where there are several.
    which: String,
}

impl Progress for Steps {
    fn step(&self, step: &str, fraction: Option<f32>) {
        let step = format!("{}{step}", self.which).into();
        self.sink.send(Event::Loading { at_ns: self.clock.now_ns(), step, fraction });
    }

    fn cancelled(&self) -> bool {
        self.controls.wish().stop > StopLevel::Run
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::{CAPACITY, channel};
    use crate::profile::resolve_in;

    fn engines() -> (Engines, crate::collector::Source) {
        let (sink, source) = channel(CAPACITY);
        let clock = Clock::start();
        let controls = Controls::new(sink.clone(), clock);
        (Engines { clock, sink, controls, telemetry: None, planned: 2, loaded: None }, source)
    }

    #[test]
    fn the_old_engine_is_gone_before_the_new_one_is_there() {
        let (mut engines, _source) = engines();
        let profile = resolve_in(None, "sim", &[]).unwrap().profile;
        let first = engines.get(0, &profile).unwrap();
        let again = engines.get(0, &profile).unwrap();
        assert!(Arc::ptr_eq(&first, &again), "the same number is the same engine");
        let seen = Arc::downgrade(&first);
        drop((first, again));
        let _second = engines.get(1, &profile).unwrap();
        assert!(seen.upgrade().is_none());
    }

    #[test]
    fn an_end_while_loading_is_no_failure() {
        let (mut engines, _source) = engines();
        let sets = ["backend.sim.load=1h".to_owned()];
        let profile = resolve_in(None, "sim", &sets).unwrap().profile;
        engines.controls.stop(StopLevel::Drain);
        assert!(matches!(engines.get(0, &profile), Err(BackendError::Interrupted)));
    }

    #[test]
    fn the_most_demanding_cell_is_what_an_engine_is_loaded_for() {
        let sets = [
            "sweep.clients=[2, 16]",
            "sweep.prompt_tokens=[500, 20]",
            "sweep.max_batch=[4, 8]",
            "stop.duration=1s",
        ];
        let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
        let stages = resolve_in(None, "sim", &sets).unwrap().profile.stages().unwrap();
        let profile = demand(&stages, 1).unwrap();
        assert_eq!((profile.backend.max_batch, profile.load.clients), (8, 16));
        assert!((profile.workload.prompt_tokens.mean() - 500.0).abs() < 1e-9);
        assert!(demand(&stages, 2).is_none());
    }
}
