//! A run from the first thread to the last: collector, backend, clients, telemetry, and the order in which
//! they end. Live and headless commands both start here and differ only in who looks on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::control::{Controls, StopLevel};
use super::driver::{Driver, StageRun};
use super::pulse::Pulse;
use crate::backend::{self, Backend, BackendError};
use crate::clock::Clock;
use crate::collector::{self, Collector, CollectorHandle, EventSink};
use crate::event::{Ended, Event, Level, LogLine};
use crate::metrics::CurveSla;
use crate::profile::{Profile, StagePlan};
use crate::progress::Progress;
use crate::recording::Writer;
use crate::telemetry::Sampler;
use crate::workload::{Generator, Target};

/// Time between readings of host, GPU and engine.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// How often the telemetry thread looks whether the run is over.
const SAMPLE_STEP: Duration = Duration::from_millis(50);

/// What a run needs.
pub struct Launch {
    pub profile: Profile,
    pub stages: Vec<StagePlan>,
    pub clock: Clock,
    pub writer: Option<Writer>,
    /// Nobody looks but progress lines.
    pub headless: bool,
}

/// A run under way.
pub struct Run {
    pub controls: Controls,
    pub collector: CollectorHandle,
    pub sink: EventSink,
    thread: JoinHandle<Ended>,
}

/// What a run left.
pub struct RunOutcome {
    pub ended: Ended,
    pub collected: collector::Outcome,
}

impl Run {
    /// Starts all threads and returns at once; the backend loads meanwhile.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn start(launch: Launch) -> std::io::Result<Self> {
        let Launch { profile, stages, clock, writer, headless } = launch;
        let (sink, source) = collector::channel(collector::CAPACITY);
        let warmup_per_client = profile.load.warmup_requests_per_client;
        let sla = CurveSla {
            prompt_tokens_per_s: profile.sla.prompt_tokens_per_s,
            rates: profile.sla.generation_tokens_per_s.clone().into(),
        };
        let options = collector::Options { writer, headless, warmup_per_client, sla };
        let collector = Collector::start(source, clock, options)?;
        let controls = Controls::new(sink.clone(), clock);
        let conduct = Conduct { profile, stages, clock, sink: sink.clone(), controls: controls.clone() };
        let thread = std::thread::Builder::new().name("client".into()).spawn(move || conduct.run())?;
        Ok(Self { controls, collector, sink, thread })
    }

    /// Whether everything is over and written.
    pub fn is_over(&self) -> bool {
        self.thread.is_finished() && self.collector.is_finished()
    }

    /// Waits for the end of everything.
    pub fn join(self) -> RunOutcome {
        let ended = self.thread.join().unwrap_or_else(|_| {
            let reason = "the thread of the clients panicked; the log says where".to_owned();
            // The conductor could not say it itself, and the collector waits for this event.
            Ended::Failed { reason }
        });
        RunOutcome { ended, collected: self.collector.join() }
    }
}

/// The thread that conducts a run.
struct Conduct {
    profile: Profile,
    stages: Vec<StagePlan>,
    clock: Clock,
    sink: EventSink,
    controls: Controls,
}

/// Tells the collector of the end whatever happens, even if the conductor panics: it waits for that.
struct EndNotice {
    sink: EventSink,
    clock: Clock,
    how: Option<Ended>,
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        let how = self.how.take().unwrap_or_else(|| Ended::Failed {
            reason: "a thread of the run panicked; the log says where".into(),
        });
        self.sink.send(Event::Ended { at_ns: self.clock.now_ns(), how });
    }
}

impl Conduct {
    fn run(self) -> Ended {
        let mut notice = EndNotice { sink: self.sink.clone(), clock: self.clock, how: None };
        let pulse = Pulse::default();
        let telemetry = Telemetry::start(self.sink.clone(), self.clock, pulse.clone());
        let loaded = self.load();
        let ended = match &loaded {
            Ok(backend) => {
                if let Some(telemetry) = &telemetry {
                    telemetry.watch(backend.clone());
                }
                self.drive(backend, pulse)
            }
            Err(BackendError::Interrupted) => Ended::Interrupted,
            Err(error) => Ended::Failed { reason: error.to_string() },
        };
        if let Ended::Failed { reason } = &ended {
            tracing::error!("the run failed: {reason}");
        }
        drop(telemetry);
        notice.how = Some(ended.clone());
        drop(notice);
        // After the end was told: an engine that takes its time to leave holds nobody up.
        if let Ok(backend) = loaded {
            backend.shutdown();
        }
        ended
    }

    fn load(&self) -> Result<Arc<dyn Backend>, BackendError> {
        let progress: Arc<dyn Progress> =
            Arc::new(Steps { sink: self.sink.clone(), clock: self.clock, controls: self.controls.clone() });
        progress.step("starting the engine", None);
        let backend = backend::load(&self.profile, self.clock, &progress)?;
        if progress.cancelled() {
            return Err(BackendError::Interrupted);
        }
        let info = Box::new(backend.info().clone());
        self.sink.send(Event::Ready { at_ns: self.clock.now_ns(), info });
        Ok(backend)
    }

    fn drive(&self, backend: &Arc<dyn Backend>, pulse: Pulse) -> Ended {
        let fail = |reason: String| Ended::Failed { reason };
        let mut stages = Vec::new();
        for plan in &self.stages {
            match stage(plan, backend.as_ref()) {
                Ok(stage) => stages.push(stage),
                Err(reason) => return fail(reason),
            }
        }
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => return fail(format!("the clients have no runtime: {error}")),
        };
        let driver = Driver {
            backend: backend.clone(),
            sink: self.sink.clone(),
            clock: self.clock,
            controls: self.controls.clone(),
            pulse,
        };
        runtime.block_on(driver.run(stages))
    }
}

/// A stage's plan, made ready for this backend.
fn stage(plan: &StagePlan, backend: &dyn Backend) -> Result<StageRun, String> {
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
}

impl Progress for Steps {
    fn step(&self, step: &str, fraction: Option<f32>) {
        self.sink.send(Event::Loading { at_ns: self.clock.now_ns(), step: step.into(), fraction });
    }

    fn cancelled(&self) -> bool {
        self.controls.wish().stop > StopLevel::Run
    }
}

/// The thread that takes readings.
struct Telemetry {
    over: Arc<AtomicBool>,
    backend: Arc<std::sync::OnceLock<Arc<dyn Backend>>>,
    thread: Option<JoinHandle<()>>,
}

impl Telemetry {
    fn start(sink: EventSink, clock: Clock, pulse: Pulse) -> Option<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let backend = Arc::new(std::sync::OnceLock::<Arc<dyn Backend>>::new());
        let (stop, engine, notice) = (over.clone(), backend.clone(), sink.clone());
        let spawned = std::thread::Builder::new().name("telemetry".into()).spawn(move || {
            let mut sampler = Sampler::new();
            let mut due = clock.now_ns();
            while !stop.load(Ordering::Relaxed) {
                if clock.now_ns() < due {
                    std::thread::sleep(SAMPLE_STEP);
                    continue;
                }
                due += SAMPLE_EVERY.as_nanos() as u64;
                let mut sample = sampler.sample(clock.now_ns());
                if let Some(engine) = engine.get() {
                    let gauges = engine.gauges();
                    sample.running = gauges.running;
                    sample.waiting = gauges.waiting;
                    sample.loop_lag_ns = Some(pulse.take_ns());
                }
                sink.send(Event::Sample(Box::new(sample)));
            }
        });
        match spawned {
            Ok(thread) => Some(Self { over, backend, thread: Some(thread) }),
            Err(error) => {
                notice.send(Event::Log(Box::new(LogLine {
                    at_ns: clock.now_ns(),
                    level: Level::Warn,
                    source: "fastgen".into(),
                    message: format!("no readings of the host: {error}"),
                })));
                None
            }
        }
    }

    fn watch(&self, backend: Arc<dyn Backend>) {
        // Set once a run: the first backend stays.
        let _ = self.backend.set(backend);
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
