//! Readings of host, GPU and engine once a second, on a thread of their own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::pulse::Pulse;
use crate::backend::{Backend, Gauges, Place};
use crate::clock::Clock;
use crate::collector::EventSink;
use crate::event::{EngineSample, Event, Level, LogLine, Sample};
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
            let mut counters = Counters::default();
            let mut due = clock.now_ns();
            while !stop.load(Ordering::Relaxed) {
                let now_ns = clock.now_ns();
                if now_ns < due {
                    std::thread::sleep(SAMPLE_STEP);
                    continue;
                }
                due = next_due(due, now_ns);
                let mut sample = sampler.sample(clock.now_ns());
                let told = told(&watched);
                place(&mut sample, told.as_ref().map(|told| (told.place, &*told.device)));
                match told {
                    Some(told) => {
                        sample.engine = counters.read(sample.at_ns, &told.gauges);
                        sample.loop_lag_ns = Some(pulse.take_ns());
                    }
                    // The next engine counts from its own start.
                    None => counters = Counters::default(),
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

/// When readings are due next. Those that were missed, as while the process was stopped, are not made up for: many at
/// once would each be of no time at all.
fn next_due(due_ns: u64, now_ns: u64) -> u64 {
    let every = SAMPLE_EVERY.as_nanos() as u64;
    due_ns + (now_ns.saturating_sub(due_ns) / every + 1) * every
}

/// What an engine told.
struct Told {
    gauges: Gauges,
    place: Place,
    device: String,
}

fn told(engine: &Watched) -> Option<Told> {
    let engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
    let engine = engine.as_ref()?;
    Some(Told { gauges: engine.gauges(), place: engine.place(), device: engine.info().device.clone() })
}

/// Leaves of the machine's readings to the engine what is its own; `engine`: where it is, and on which device.
fn place(sample: &mut Sample, engine: Option<(Place, &str)>) {
    let in_process = engine.is_some_and(|(place, _)| place == Place::Process);
    sample.engine_cpu_percent = sample.engine_cpu_percent.filter(|_| in_process);
    sample.power_w = match engine {
        None | Some((Place::Elsewhere, _) | (_, "none")) => None,
        // Its GPUs are idle, or somebody else's.
        Some((_, device)) if device.starts_with("cpu") => sample.cpu_power_w,
        Some(_) if sample.gpus.is_empty() => sample.cpu_power_w,
        Some(_) => sample.gpu_power_w().map(|gpus| gpus + sample.cpu_power_w.unwrap_or(0.0)),
    };
}

/// Counters of an engine, made into counts since the run's first reading and rates since the last one.
#[derive(Debug, Default)]
struct Counters {
    queries: Counter,
    hits: Counter,
    preemptions: Counter,
    tokens: Counter,
    read_ns: Option<u64>,
}

impl Counters {
    fn read(&mut self, at_ns: u64, gauges: &Gauges) -> EngineSample {
        let seconds = self.read_ns.replace(at_ns).map(|before| at_ns.saturating_sub(before) as f64 / 1e9);
        let queries = self.queries.read(gauges.prefix_cache_queries);
        let hits = self.hits.read(gauges.prefix_cache_hits);
        let tokens = self.tokens.read(gauges.output_tokens);
        let rate = match (hits, queries) {
            (Some(hits), Some(queries)) if queries.more > 0 => {
                Some((hits.more as f64 / queries.more as f64).min(1.0) as f32)
            }
            (Some(_), Some(_)) => None,
            _ => gauges.prefix_cache_hit_rate,
        };
        let per_s = match (tokens, seconds) {
            (Some(tokens), Some(s)) if s > 0.0 && !tokens.first => Some((tokens.more as f64 / s) as f32),
            _ => gauges.tokens_per_s,
        };
        EngineSample {
            running: gauges.running,
            waiting: gauges.waiting,
            kv_cache_used: gauges.kv_cache_used,
            prefix_cache_queries: queries.map(|step| step.all),
            prefix_cache_hits: hits.map(|step| step.all),
            prefix_cache_hit_rate: rate,
            preemptions: self.preemptions.read(gauges.preemptions).map(|step| step.all),
            tokens_per_s: per_s,
        }
    }
}

/// A count that an engine began before the run, and may begin anew.
#[derive(Debug, Default)]
struct Counter {
    last: Option<u64>,
    all: u64,
}

/// How far a counter got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    /// Since the first reading, and since the last.
    all: u64,
    more: u64,
    /// There was no last one.
    first: bool,
}

impl Counter {
    fn read(&mut self, now: Option<u64>) -> Option<Step> {
        let now = now?;
        let last = self.last.replace(now);
        // A counter that went back was set to 0 by a restart.
        let more = last.map_or(0, |last| now.checked_sub(last).unwrap_or(now));
        self.all += more;
        Some(Step { all: self.all, more, first: last.is_none() })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::GpuSample;

    #[test]
    fn counts_are_the_runs_and_rates_the_last_seconds() {
        let mut counters = Counters::default();
        let gauges = |queries, hits, tokens| Gauges {
            prefix_cache_queries: Some(queries),
            prefix_cache_hits: Some(hits),
            output_tokens: Some(tokens),
            preemptions: Some(7),
            prefix_cache_hit_rate: Some(0.9),
            ..Gauges::default()
        };
        let first = counters.read(1_000_000_000, &gauges(1000, 500, 70));
        assert_eq!((first.prefix_cache_queries, first.prefix_cache_hits), (Some(0), Some(0)));
        assert_eq!(
            (first.prefix_cache_hit_rate, first.tokens_per_s, first.preemptions),
            (None, None, Some(0))
        );
        let second = counters.read(3_000_000_000, &gauges(1100, 525, 270));
        assert_eq!((second.prefix_cache_queries, second.prefix_cache_hits), (Some(100), Some(25)));
        assert_eq!((second.prefix_cache_hit_rate, second.tokens_per_s), (Some(0.25), Some(100.0)));
        // The server was started anew.
        let third = counters.read(4_000_000_000, &gauges(10, 10, 30));
        assert_eq!((third.prefix_cache_queries, third.prefix_cache_hit_rate), (Some(110), Some(1.0)));
        assert_eq!(third.tokens_per_s, Some(30.0));
    }

    #[test]
    fn readings_that_were_missed_are_not_made_up_for() {
        let s = 1_000_000_000;
        assert_eq!((next_due(5 * s, 5 * s), next_due(5 * s, 5 * s + 900)), (6 * s, 6 * s));
        assert_eq!(next_due(5 * s, 605 * s + 7), 606 * s);
    }

    #[test]
    fn an_engine_that_tells_rates_only_is_believed() {
        let mut counters = Counters::default();
        let gauges =
            Gauges { prefix_cache_hit_rate: Some(0.5), tokens_per_s: Some(80.0), ..Gauges::default() };
        let read = counters.read(1, &gauges);
        assert_eq!((read.prefix_cache_hit_rate, read.tokens_per_s), (Some(0.5), Some(80.0)));
        assert_eq!(counters.read(2, &Gauges::default()), EngineSample::default());
    }

    #[test]
    fn power_and_cpu_are_the_engines_only_where_it_is() {
        let gpu = |power_w| GpuSample { power_w, ..GpuSample::default() };
        let of = |gpus: Vec<GpuSample>, cpu_power_w, engine| {
            let mut sample =
                Sample { gpus, cpu_power_w, engine_cpu_percent: Some(150.0), ..Sample::default() };
            place(&mut sample, engine);
            (sample.power_w, sample.engine_cpu_percent)
        };
        let two = || vec![gpu(Some(200.0)), gpu(Some(100.0))];
        assert_eq!(of(two(), Some(50.0), Some((Place::Process, "cuda:0"))), (Some(350.0), Some(150.0)));
        assert_eq!(of(two(), None, Some((Place::Machine, "server"))), (Some(300.0), None));
        assert_eq!(of(two(), Some(50.0), Some((Place::Process, "cpu"))), (Some(50.0), Some(150.0)));
        assert_eq!(of(two(), Some(50.0), Some((Place::Elsewhere, "server"))), (None, None));
        assert_eq!(of(vec![gpu(None)], Some(50.0), Some((Place::Machine, "server"))), (None, None));
        assert_eq!(of(Vec::new(), Some(50.0), Some((Place::Machine, "server"))), (Some(50.0), None));
        assert_eq!(of(two(), Some(50.0), Some((Place::Process, "none"))).0, None);
        assert_eq!(of(two(), Some(50.0), None), (None, None));
    }
}
