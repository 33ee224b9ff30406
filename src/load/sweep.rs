//! The cells of a grid, one after another: loads what each needs, goes on where one fails, passes over what more
//! load would not improve, and says how each ended.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::control::StopLevel;
use super::driver::{Driver, StageResult};
use super::engines::{Engines, demand, stage};
use super::flat::Flat;
use super::launch::Conduct;
use super::pulse::Pulse;
use super::readings::Telemetry;
use super::threads::{ClientThreads, EventLoop};
use crate::backend::rounds::Due;
use crate::backend::{Backend, BackendError};
use crate::collector::Gather;
use crate::event::{Ended, Event, StageEnd, StageId, StageOutcome};
use crate::profile::StagePlan;

/// A run of one stage or many.
pub(super) struct Sweep {
    conduct: Conduct,
    pulse: Pulse,
    threads: Option<ClientThreads>,
    engines: Engines,
    flat: Flat,
    /// An engine that could not be loaded, and why: its other stages fail without another try.
    broken: Option<(u32, String)>,
    requests: Arc<AtomicU64>,
    /// A stage has run, so that the next one begins after the pause.
    begun: bool,
    failed: u32,
    first_failure: Option<String>,
    /// The engine was what failed, not the requests alone.
    engine_failed: bool,
}

/// Threads that a stage's clients run on.
fn client_threads(plan: &StagePlan) -> u32 {
    plan.profile.backend.client_threads.unwrap_or(1)
}

/// The run can't go on behind this.
struct Over(Ended);

impl Sweep {
    pub fn new(conduct: Conduct, pulse: Pulse, telemetry: Option<Telemetry>) -> Self {
        let engines = Engines {
            clock: conduct.clock,
            sink: conduct.sink.clone(),
            controls: conduct.controls.clone(),
            telemetry,
            planned: conduct.stages.iter().map(|stage| stage.engine + 1).max().unwrap_or(1),
            loaded: None,
        };
        let requests = Arc::new(AtomicU64::new(conduct.earlier.next_request));
        Self {
            conduct,
            pulse,
            threads: None,
            engines,
            flat: Flat::default(),
            broken: None,
            requests,
            begun: false,
            failed: 0,
            first_failure: None,
            engine_failed: false,
        }
    }

    /// Runs all stages that are not done; tells how the run ended, and hands over the engine that is still loaded.
    /// Readings end with it.
    pub fn run(mut self) -> (Ended, Option<Arc<dyn Backend>>) {
        let most = self.conduct.stages.iter().map(client_threads).max().unwrap_or(1);
        let (clock, due) = (self.conduct.clock, Due::default());
        // What several threads tell at once must not be overtaken by what one of them tells later.
        let gather = if most == 1 { Gather::Requests } else { Gather::Tokens };
        let started = EventLoop::new(clock, &due, gather).and_then(|own| {
            self.threads = Some(ClientThreads::start(own.handle(), clock, due, most)?);
            Ok(own)
        });
        let ended = match started {
            Ok(own) => self.stages(&own),
            Err(error) => Ended::Failed { reason: format!("the clients have no runtime: {error}") },
        };
        (ended, self.engines.loaded.take().map(|(_, engine)| engine))
    }

    fn stages(&mut self, own: &EventLoop) -> Ended {
        for number in 0..self.conduct.stages.len() {
            let plan = self.conduct.stages[number].clone();
            let number = number as StageId;
            if let Some(done) = self.conduct.earlier.done.get(&number) {
                self.flat.note(&plan, done.requests_per_s);
                let how = done.how.clone();
                self.count(&plan, &how);
                continue;
            }
            let result = match self.cell(number, &plan, own) {
                Ok(result) => result,
                Err(Over(ended)) => return ended,
            };
            self.flat.note(&plan, result.requests_per_s);
            self.end(number, &plan, &result.how);
            if result.how == StageOutcome::Interrupted {
                return Ended::Interrupted;
            }
        }
        self.ended()
    }

    /// Does what there is to do for one cell.
    fn cell(&mut self, number: StageId, plan: &StagePlan, own: &EventLoop) -> Result<StageResult, Over> {
        let none = |how| Ok(StageResult { how, requests_per_s: None });
        if let Some(reason) = self.flat.needless(plan) {
            return none(StageOutcome::Skipped { reason });
        }
        if let Some((_, reason)) = self.broken.as_ref().filter(|(engine, _)| *engine == plan.engine) {
            return none(StageOutcome::Failed { reason: reason.clone() });
        }
        if std::mem::replace(&mut self.begun, true) {
            own.block_on(self.pause(plan.profile.load.stage_pause));
        }
        if self.stopped() {
            return Err(Over(Ended::Interrupted));
        }
        let profile = demand(&self.conduct.stages, plan.engine).unwrap_or_else(|| plan.profile.clone());
        let backend = match self.engines.get(plan.engine, &profile) {
            Ok(backend) => backend,
            Err(BackendError::Interrupted) => return Err(Over(Ended::Interrupted)),
            Err(error) => {
                let reason = error.to_string();
                self.broken = Some((plan.engine, reason.clone()));
                self.engine_failed = true;
                return none(StageOutcome::Failed { reason });
            }
        };
        match self.drive(number, plan, backend, own) {
            Ok(result) => Ok(result),
            Err(reason) => none(StageOutcome::Failed { reason }),
        }
    }

    fn drive(
        &mut self,
        number: StageId,
        plan: &StagePlan,
        backend: Arc<dyn Backend>,
        own: &EventLoop,
    ) -> Result<StageResult, String> {
        let run = stage(plan, backend.as_ref()).inspect_err(|_| self.engine_failed = true)?;
        let threads = self.threads.as_ref().ok_or("the clients have no threads")?;
        let driver = Driver {
            backend: backend.clone(),
            sink: self.conduct.sink.clone(),
            clock: self.conduct.clock,
            controls: self.conduct.controls.clone(),
            pulse: self.pulse.clone(),
            loops: threads.of_stage(client_threads(plan)),
        };
        let result = own.block_on(driver.stage(number, run, &self.requests));
        drop(driver);
        if backend.health().is_err() {
            // A dead engine serves nobody: the next stage gets a new one.
            drop(backend);
            self.engine_failed = true;
            self.engines.let_go();
        }
        Ok(result)
    }

    fn stopped(&self) -> bool {
        self.conduct.controls.wish().stop > StopLevel::Run
    }

    async fn pause(&self, time: Duration) {
        let mut wish = self.conduct.controls.watch();
        let stopped = wish.wait_for(|wish| wish.stop > StopLevel::Run);
        let _ = tokio::time::timeout(time, stopped).await;
    }

    /// Says how a stage ended.
    fn end(&mut self, number: StageId, plan: &StagePlan, how: &StageOutcome) {
        self.count(plan, how);
        match how {
            StageOutcome::Failed { reason } if self.conduct.stages.len() > 1 => {
                tracing::error!("the stage {} failed: {reason}", plan.name);
            }
            StageOutcome::Skipped { reason } => {
                tracing::info!("the stage {} was skipped: {reason}", plan.name);
            }
            _ => {}
        }
        // Where the only engine of the only stage did not load, no stage ever was.
        if self.conduct.stages.len() == 1 && self.broken.is_some() {
            return;
        }
        self.conduct.sink.send(Event::StageEnd(Box::new(StageEnd {
            at_ns: self.conduct.clock.now_ns(),
            stage: number,
            name: plan.name.clone(),
            sweep: plan.sweep.clone(),
            clients: plan.profile.load.closed_clients(),
            how: how.clone(),
        })));
    }

    fn count(&mut self, plan: &StagePlan, how: &StageOutcome) {
        if let StageOutcome::Failed { reason } = how {
            self.failed += 1;
            let sole = self.conduct.stages.len() == 1;
            let said = if sole { reason.clone() } else { format!("{}: {reason}", plan.name) };
            self.first_failure.get_or_insert(said);
        }
    }

    /// How a run ended that came to its end.
    fn ended(&self) -> Ended {
        let all = self.conduct.stages.len();
        match &self.first_failure {
            Some(reason) if all == 1 && self.engine_failed => Ended::Failed { reason: reason.clone() },
            Some(reason) if all > 1 && self.failed as usize == all => {
                Ended::Failed { reason: format!("all {all} stages failed, the first {reason}") }
            }
            _ => Ended::Complete,
        }
    }
}
