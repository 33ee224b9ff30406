//! Takes a stage through its phases: warm-up, barrier, measuring, draining.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::client::Client;
use super::control::{Controls, StopLevel, Wish};
use super::open::{Dispatcher, announced};
use super::pulse::Pulse;
use super::tally::Tally;
use super::threads::Loops;
use super::turns::{Gate, Turns};
use crate::backend::{Backend, End};
use crate::clock::Clock;
use crate::collector::EventSink;
use crate::event::{ClientId, Event, Phase, RequestId, StageId, StageOutcome, StageStart};
use crate::profile::{Drain, Load, Stop};
use crate::workload::{Generator, Timetable, start_delay};

/// How often the engine's health is asked for.
const HEALTH_EVERY: Duration = Duration::from_millis(200);
/// How long requests in flight may take to notice that they were cancelled.
const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// One stage, ready to run.
pub struct StageRun {
    pub name: String,
    pub sweep: Vec<(String, serde_json::Value)>,
    pub load: Load,
    pub stop: Stop,
    pub requests: Generator,
    pub seed: u64,
    pub ignore_eos: bool,
}

/// Everything the driver needs.
#[derive(Clone)]
pub struct Driver {
    pub backend: Arc<dyn Backend>,
    pub sink: EventSink,
    pub clock: Clock,
    pub controls: Controls,
    pub pulse: Pulse,
    pub loops: Loops,
}

/// What came of a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct StageResult {
    pub how: StageOutcome,
    /// Completed requests a second over the measured window.
    pub requests_per_s: Option<f64>,
}

/// What a stage's clients share.
pub(super) struct Stage {
    pub number: StageId,
    pub backend: Arc<dyn Backend>,
    pub sink: EventSink,
    pub clock: Clock,
    pub turns: Turns,
    pub load: Load,
    pub generator: Generator,
    pub ignore_eos: bool,
    pub loops: Loops,
    wish: watch::Receiver<Wish>,
    tally: Tally,
    seed: u64,
    requests: Arc<AtomicU64>,
    warming_up: AtomicU32,
    all_at_barrier: Notify,
    failed: Notify,
}

impl Stage {
    pub fn next_request(&self) -> RequestId {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    pub fn at_barrier(&self) {
        if self.warming_up.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all_at_barrier.notify_one();
        }
    }

    /// A request has ended: measured ones decide whether the stage failed.
    pub fn count(&self, at_ns: u64, end: &End, warmup: bool) {
        if !warmup {
            self.tally.count(at_ns, end);
        }
    }

    /// A request failed: the driver looks at the engine's health at once.
    pub fn something_failed(&self) {
        self.failed.notify_one();
    }

    /// How long the process stood still between two times, nanoseconds; of several standstills the last one counts.
    pub fn stood_ns(&self, from_ns: u64, to_ns: u64) -> u64 {
        self.wish.borrow().stood_ns(from_ns, to_ns)
    }

    pub fn jitter(&self, client: ClientId) -> Duration {
        start_delay(self.seed, &self.load.start_jitter, client, self.load.clients)
    }

    fn phase(&self, phase: Phase) -> u64 {
        let at_ns = self.clock.now_ns();
        self.sink.send(Event::Phase { at_ns, stage: self.number, phase });
        at_ns
    }
}

impl Driver {
    /// Runs a stage through its phases; `requests` numbers the run's requests. Events go to the sink all along.
    pub async fn stage(&self, number: StageId, run: StageRun, requests: &Arc<AtomicU64>) -> StageResult {
        self.controls.begin_stage();
        let beat = |at: &Handle| at.spawn(self.pulse.clone().beat(self.clock, self.controls.clone()));
        let pulses: Vec<_> = self.loops.all().iter().map(beat).collect();
        let mut running = self.begin(number, run, requests.clone());
        let how = running.through_the_phases().await;
        let stage = &running.stage;
        let how = match (how, stage.tally.all_failed()) {
            (StageOutcome::Complete, Some(reason)) => StageOutcome::Failed { reason },
            (how, _) => how,
        };
        stage.phase(Phase::Done);
        pulses.iter().for_each(tokio::task::JoinHandle::abort);
        StageResult { how, requests_per_s: stage.tally.requests_per_s() }
    }

    fn begin(&self, number: StageId, run: StageRun, requests: Arc<AtomicU64>) -> Running {
        let clients = run.load.clients;
        let planned = run.stop.requests.map(|formula| formula.value(clients));
        let timetable = Timetable::new(&run.load, run.seed);
        // Of an open loop, one task answers for all that warm up.
        let at_barrier = if timetable.is_some() { 1 } else { clients };
        self.sink.send(Event::Stage(Box::new(StageStart {
            at_ns: self.clock.now_ns(),
            stage: number,
            name: run.name,
            sweep: run.sweep,
            clients: run.load.closed_clients(),
            open: announced(&run.load),
            planned_requests: planned,
            planned_ns: run.stop.duration.map(|d| d.as_nanos() as u64),
        })));
        let stage = Arc::new(Stage {
            number,
            backend: self.backend.clone(),
            sink: self.sink.clone(),
            clock: self.clock,
            turns: Turns::new(planned, clients, self.controls.recall()),
            load: run.load,
            generator: run.requests,
            ignore_eos: run.ignore_eos,
            loops: self.loops.clone(),
            wish: self.controls.watch(),
            tally: Tally::default(),
            seed: run.seed,
            requests,
            warming_up: AtomicU32::new(at_barrier),
            all_at_barrier: Notify::new(),
            failed: Notify::new(),
        });
        Running {
            stage,
            wish: self.controls.watch(),
            tasks: JoinSet::new(),
            spawned: 0,
            timetable,
            stop: run.stop,
            announced: false,
        }
    }
}

/// A stage under way.
struct Running {
    stage: Arc<Stage>,
    wish: watch::Receiver<Wish>,
    tasks: JoinSet<()>,
    spawned: u32,
    /// Of an open loop, until it is begun.
    timetable: Option<Timetable>,
    stop: Stop,
    announced: bool,
}

/// Why the driver woke.
enum Woke {
    BarrierReached,
    TimeUp,
    /// The gate moved, or a client is through.
    GateMoved,
    ClientsDone,
    WishChanged,
    Failure(String),
}

impl Running {
    async fn through_the_phases(&mut self) -> StageOutcome {
        self.stage.phase(Phase::Warmup);
        self.start();
        let mut deadline: Option<std::time::Instant> = None;
        let mut interrupted = false;
        loop {
            let woke = self.wait(deadline).await;
            self.announce_draining();
            match woke {
                Woke::BarrierReached => {
                    deadline = self.open_barrier();
                    // More may have been wished for during warm-up.
                    self.more_clients();
                }
                Woke::TimeUp => {
                    deadline = None;
                    self.close(self.stop.drain);
                }
                Woke::GateMoved => {}
                Woke::ClientsDone => break,
                Woke::WishChanged => interrupted |= self.follow_wish(),
                Woke::Failure(reason) => {
                    self.cancel_all().await;
                    return StageOutcome::Failed { reason };
                }
            }
            self.announce_draining();
        }
        if interrupted { StageOutcome::Interrupted } else { StageOutcome::Complete }
    }

    /// Starts the clients, or the one task of an open loop that starts its requests.
    fn start(&mut self) {
        let Some(timetable) = self.timetable.take() else {
            (0..self.stage.load.clients).for_each(|_| self.spawn(false));
            return;
        };
        let most = self.stage.load.open().map_or(1, |open| open.max_in_flight);
        let dispatcher = Dispatcher::new(self.stage.clone(), self.wish.clone(), most);
        self.tasks.spawn(dispatcher.run(timetable, self.stop.duration));
    }

    fn spawn(&mut self, late: bool) {
        let client = Client::new(self.stage.clone(), self.spawned, self.wish.clone());
        let at = self.stage.loops.of(self.spawned);
        self.spawned += 1;
        if late {
            self.tasks.spawn_on(client.run_late(), at);
        } else {
            self.tasks.spawn_on(client.run(), at);
        }
    }

    async fn wait(&mut self, deadline: Option<std::time::Instant>) -> Woke {
        let mut gate = self.stage.turns.gate();
        let at_gate = *gate.borrow_and_update();
        let time_up = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let stage = self.stage.clone();
        let sick = async {
            loop {
                let _ = tokio::time::timeout(HEALTH_EVERY, stage.failed.notified()).await;
                if let Err(error) = stage.backend.health() {
                    return error.to_string();
                }
            }
        };
        tokio::select! {
            reason = sick => Woke::Failure(reason),
            () = self.stage.all_at_barrier.notified(), if at_gate == Gate::Warmup => Woke::BarrierReached,
            () = time_up => Woke::TimeUp,
            changed = self.wish.changed() => match changed {
                Ok(()) => Woke::WishChanged,
                Err(_) => Woke::Failure("the run's controls are gone".into()),
            },
            _ = gate.changed() => Woke::GateMoved,
            done = self.tasks.join_next() => match done {
                None => Woke::ClientsDone,
                Some(Ok(())) => Woke::GateMoved,
                Some(Err(error)) => Woke::Failure(format!("a client's task failed: {error}")),
            },
        }
    }

    fn open_barrier(&self) -> Option<std::time::Instant> {
        let since_ns = self.stage.phase(Phase::Measuring);
        self.stage.tally.begin(since_ns);
        self.stage.turns.set_gate(Gate::Open { since_ns });
        self.stop.duration.map(|duration| self.stage.clock.instant(since_ns) + duration)
    }

    /// Ends the sending, and says what becomes of the requests in flight.
    fn close(&self, drain: Drain) {
        let (gate, note) = match drain {
            Drain::Finish => (Gate::Draining, "requests in flight are finished"),
            Drain::Cancel => (Gate::Cancelling, "requests in flight are cancelled"),
        };
        if self.stage.turns.set_gate(gate) {
            tracing::info!("no more requests are sent; {note}");
        }
    }

    /// Tells once that the gate has closed, whoever closed it: the clock, the count, the user.
    fn announce_draining(&mut self) {
        let closed = matches!(*self.stage.turns.gate().borrow(), Gate::Draining | Gate::Cancelling);
        if closed && !std::mem::replace(&mut self.announced, true) {
            self.stage.phase(Phase::Draining);
        }
    }

    /// Does what the user wishes; tells whether that is to end.
    fn follow_wish(&mut self) -> bool {
        let wish = *self.wish.borrow_and_update();
        match wish.stop {
            StopLevel::Abort => self.close(Drain::Cancel),
            StopLevel::Drain => self.close(self.stop.drain),
            StopLevel::Run if wish.left == Some(self.stage.number) => self.close(self.stop.drain),
            StopLevel::Run => self.more_clients(),
        }
        wish.stop > StopLevel::Run
    }

    /// Brings in the clients of a closed loop that are wished for beyond those that are there, once it is measured.
    fn more_clients(&mut self) {
        let wished = self.wish.borrow().clients.unwrap_or(0);
        let closed_loop = !self.stage.load.kind.is_open();
        let open = matches!(*self.stage.turns.gate().borrow(), Gate::Open { .. });
        while closed_loop && open && self.spawned < wished {
            self.spawn(true);
        }
    }

    async fn cancel_all(&mut self) {
        self.close(Drain::Cancel);
        self.announce_draining();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(CANCEL_GRACE, all).await.is_err() {
            tracing::warn!("some requests did not end within {CANCEL_GRACE:?} and were left");
            self.tasks.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests;
