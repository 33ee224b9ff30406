//! A run from the first thread to the last: collector, backend, clients, telemetry, and the order in which
//! they end. Live and headless commands both start here and differ only in who looks on.

use std::thread::JoinHandle;

use super::control::Controls;
use super::count::counting;
use super::pulse::Pulse;
use super::readings::Telemetry;
use super::resume::Earlier;
use super::sweep::Sweep;
use crate::clock::Clock;
use crate::collector::{self, Collector, CollectorHandle, EventSink};
use crate::event::{Ended, Event, Resumed};
use crate::metrics::{CurveSla, Limit};
use crate::profile::{Profile, StagePlan};
use crate::recording::Writer;

/// What a run needs.
pub struct Launch {
    pub profile: Profile,
    pub stages: Vec<StagePlan>,
    pub clock: Clock,
    pub writer: Option<Writer>,
    /// Nobody looks but progress lines.
    pub headless: bool,
    /// What of the run is done already, and the event that says that it goes on.
    pub resume: Option<(Earlier, Resumed)>,
}

/// A run under way.
pub struct Run {
    pub controls: Controls,
    pub collector: CollectorHandle,
    pub sink: EventSink,
    thread: JoinHandle<Ended>,
}

fn limit((key, limit): (&String, &std::time::Duration)) -> Limit {
    Limit { key: key.clone(), limit_ns: u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX) }
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
        let Launch { profile, stages, clock, writer, headless, resume } = launch;
        let (sink, source) = collector::channel(collector::CAPACITY);
        let warmup_per_client = profile.load.warmup_requests_per_client;
        let sla = CurveSla {
            prompt_tokens_per_s: profile.sla.prompt_tokens_per_s,
            rates: profile.sla.generation_tokens_per_s.clone().into(),
            limits: profile.sla.thresholds.iter().map(limit).collect(),
        };
        let stages_planned = stages.len() as u32;
        let amend = counting(&stages);
        let options =
            collector::Options { writer, headless, warmup_per_client, stages: stages_planned, sla, amend };
        let collector = Collector::start(source, clock, options)?;
        let controls = Controls::new(sink.clone(), clock);
        let earlier = resume.map(|(earlier, resumed)| {
            // Before anything else of this part.
            sink.send(Event::Resumed(Box::new(resumed)));
            earlier
        });
        let conduct = Conduct {
            stages,
            clock,
            sink: sink.clone(),
            controls: controls.clone(),
            earlier: earlier.unwrap_or_default(),
        };
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

/// What the thread that conducts a run has.
pub(super) struct Conduct {
    pub stages: Vec<StagePlan>,
    pub clock: Clock,
    pub sink: EventSink,
    pub controls: Controls,
    pub earlier: Earlier,
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
        let _watch = pulse.watch();
        let telemetry = Telemetry::start(self.sink.clone(), self.clock, pulse.clone());
        let sweep = Sweep::new(self, pulse, telemetry);
        let (ended, engine) = sweep.run();
        if let Ended::Failed { reason } = &ended {
            tracing::error!("the run failed: {reason}");
        }
        notice.how = Some(ended.clone());
        drop(notice);
        // After the end was told: an engine that takes its time to leave holds nobody up.
        if let Some(engine) = engine {
            engine.shutdown();
        }
        ended
    }
}
