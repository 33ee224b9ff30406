//! Readings of host, GPU and engine once a second, on a thread of their own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::pulse::Pulse;
use crate::backend::{Backend, Gauges};
use crate::clock::Clock;
use crate::collector::EventSink;
use crate::event::{Event, Level, LogLine};
use crate::telemetry::Sampler;

/// Time between readings of host, GPU and engine.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// How often the thread looks whether the run is over.
const SAMPLE_STEP: Duration = Duration::from_millis(50);

/// The engine that is read just now.
type Watched = Arc<Mutex<Option<Arc<dyn Backend>>>>;

/// The thread that takes readings.
pub(super) struct Telemetry {
    over: Arc<AtomicBool>,
    engine: Watched,
    thread: Option<JoinHandle<()>>,
}

impl Telemetry {
    /// Starts the thread; without one, the run goes on without readings.
    pub fn start(sink: EventSink, clock: Clock, pulse: Pulse) -> Option<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let engine = Watched::default();
        let (stop, watched, notice) = (over.clone(), engine.clone(), sink.clone());
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
                if let Some(gauges) = gauges(&watched) {
                    sample.running = gauges.running;
                    sample.waiting = gauges.waiting;
                    sample.loop_lag_ns = Some(pulse.take_ns());
                }
                sink.send(Event::Sample(Box::new(sample)));
            }
        });
        match spawned {
            Ok(thread) => Some(Self { over, engine, thread: Some(thread) }),
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

    /// From now on the readings are of this engine; of none between two.
    pub fn watch(&self, engine: Option<Arc<dyn Backend>>) {
        // A lock that a panic left behind holds a value all the same.
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = engine;
    }
}

fn gauges(engine: &Watched) -> Option<Gauges> {
    let engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
    engine.as_ref().map(|engine| engine.gauges())
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
