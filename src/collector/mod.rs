//! The thread between the event channel and everybody who looks on.
//!
//! Clients hand events to an [`EventSink`], which never waits; the collector takes them out, applies them to
//! the figures, writes the recording, and publishes snapshots for the screen. It owns both, so neither needs
//! a lock, and neither the load nor the screen ever waits for a disk.

mod sink;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::clock::Clock;
use crate::event::{Event, Level, LogLine};
use crate::metrics::{Aggregator, CurveSla, Snapshot};
use crate::recording::{Writer, Written};

use sink::Left;
pub use sink::{CAPACITY, EventSink, Gather, Source, channel, hand_in};

/// Time between snapshots while somebody looks.
const PUBLISH_NS: u64 = 50_000_000;
/// Time between snapshots for progress lines.
const PUBLISH_HEADLESS_NS: u64 = 500_000_000;
/// Longest wait for an event; then the recorder gets its tick.
const WAIT: Duration = Duration::from_millis(25);
/// Longest rest after events were taken: more gather meanwhile, and no client pays for waking the collector.
const LULL: Duration = Duration::from_millis(10);
/// The shortest. Where clients share the collector's core, they wait while it works: so where many events come, it works
/// often and briefly…
const SHORT_LULL: Duration = Duration::from_millis(1);
/// …for fewer than so many events at a time, and for more than so many.
const MANY: usize = 1024;
const FEW: usize = 256;
/// Events taken in a row before snapshot and recorder are looked after.
const BATCH: usize = 4096;

/// Completes events on the collector's thread, with what would take a client too long to find out.
pub type Amend = Box<dyn FnMut(&mut Event) + Send>;

/// What the collector does beside making figures.
pub struct Options {
    /// Where to record; `None` for nowhere.
    pub writer: Option<Writer>,
    /// Nobody looks at snapshots but progress lines: fewer are made.
    pub headless: bool,
    /// Warm-up requests each client sends, for `warmup_planned`.
    pub warmup_per_client: u32,
    /// What the curve's requests are judged by.
    pub sla: CurveSla,
    /// Stages that the run is to have.
    pub stages: u32,
    /// Sees every event before anybody else does.
    pub amend: Option<Amend>,
}

/// State of the recording, readable from any thread.
#[derive(Debug, Default)]
pub struct RecordingStatus {
    bytes: AtomicU64,
    trouble: ArcSwapOption<String>,
    closed: AtomicBool,
}

impl RecordingStatus {
    /// Bytes in the file so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Why nothing more is written, once that is so.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.load_full().map(|reason| (*reason).clone())
    }

    /// The recording is complete and on disk.
    pub fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

/// What is left at the end.
#[derive(Debug)]
pub struct Outcome {
    /// The last picture, taken at the time of the last event.
    pub snapshot: Arc<Snapshot>,
    /// The recording; `None` if there was none, or if it has trouble.
    pub written: Option<Written>,
    /// Why the recording is not complete, or the figures are not.
    pub trouble: Option<String>,
}

/// Holds a running collector.
pub struct CollectorHandle {
    /// The newest snapshot.
    pub snapshots: Arc<ArcSwap<Snapshot>>,
    pub recording: Arc<RecordingStatus>,
    frozen: Arc<AtomicBool>,
    thread: JoinHandle<Outcome>,
}

impl CollectorHandle {
    /// While frozen no snapshots are taken; all else goes on.
    pub fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Relaxed);
    }

    /// The switch behind [`CollectorHandle::freeze`], to keep apart from the handle.
    pub fn freezer(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.frozen)
    }

    /// The collector has ended: the run is over and everything is written.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end: after [`Event::Ended`] was taken and the channel is empty, or all sinks are gone.
    pub fn join(self) -> Outcome {
        let Self { snapshots, thread, .. } = self;
        thread.join().unwrap_or_else(|_| Outcome {
            snapshot: snapshots.load_full(),
            written: None,
            trouble: Some("the collector thread panicked: figures and recording end there".into()),
        })
    }
}

/// The collector, on its own thread.
pub struct Collector {
    clock: Clock,
    aggregator: Aggregator,
    writer: Option<Writer>,
    amend: Option<Amend>,
    headless: bool,
    snapshots: Arc<ArcSwap<Snapshot>>,
    recording: Arc<RecordingStatus>,
    frozen: Arc<AtomicBool>,
    published_ns: u64,
    ended: bool,
}

impl Collector {
    /// Starts the collector.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(source: Source, clock: Clock, options: Options) -> std::io::Result<CollectorHandle> {
        let snapshots = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let recording = Arc::new(RecordingStatus::default());
        let frozen = Arc::new(AtomicBool::new(false));
        let mut aggregator = Aggregator::new();
        aggregator.expect_warmup(options.warmup_per_client);
        aggregator.expect_sla(options.sla);
        aggregator.expect_stages(options.stages);
        let collector = Self {
            clock,
            aggregator,
            writer: options.writer,
            amend: options.amend,
            headless: options.headless,
            snapshots: Arc::clone(&snapshots),
            recording: Arc::clone(&recording),
            frozen: Arc::clone(&frozen),
            published_ns: 0,
            ended: false,
        };
        let thread =
            std::thread::Builder::new().name("collector".into()).spawn(move || collector.run(&source))?;
        Ok(CollectorHandle { snapshots, recording, frozen, thread })
    }

    fn run(mut self, source: &Source) -> Outcome {
        let mut lull = LULL;
        loop {
            let taken = source.take(WAIT, BATCH, |event| self.take(event));
            self.note_losses(source.take_lost());
            if let Some(end) = source.take_end() {
                self.take(end);
            }
            let now_ns = self.clock.now_ns();
            self.tend_recorder(now_ns);
            if taken.left == Left::Never || (self.ended && source.is_empty()) {
                break;
            }
            self.publish(now_ns);
            if taken.left != Left::Some && !self.ended {
                std::thread::sleep(lull);
            }
            lull = next_lull(lull, taken.events);
        }
        self.finish()
    }

    fn take(&mut self, mut event: Event) {
        if let Some(amend) = &mut self.amend {
            amend(&mut event);
        }
        self.ended |= matches!(event, Event::Ended { .. });
        let finished = self.aggregator.apply(&event);
        if let Some(writer) = &mut self.writer {
            writer.write(&event, finished.as_deref());
        }
    }

    /// Turns the sinks' count of events without room into an event of its own.
    fn note_losses(&mut self, events: u64) {
        if events > 0 {
            self.take(Event::Lost { at_ns: self.clock.now_ns(), events });
        }
    }

    fn tend_recorder(&mut self, now_ns: u64) {
        let Some(writer) = &mut self.writer else { return };
        writer.tick(now_ns);
        self.recording.bytes.store(writer.bytes(), Ordering::Relaxed);
        if let Some(reason) = writer.trouble().map(str::to_owned) {
            self.note_trouble(now_ns, reason);
        }
    }

    /// Tells of the recorder's trouble, once: to the status and, loudly, to the log.
    fn note_trouble(&mut self, at_ns: u64, reason: String) {
        if self.recording.trouble.load().is_some() {
            return;
        }
        self.aggregator.apply(&Event::Log(Box::new(LogLine {
            at_ns,
            level: Level::Error,
            source: "fastgen".into(),
            message: format!("the recording can't be written any further: {reason}; the run goes on"),
        })));
        self.recording.trouble.store(Some(Arc::new(reason)));
    }

    fn publish(&mut self, now_ns: u64) {
        let pause = if self.headless { PUBLISH_HEADLESS_NS } else { PUBLISH_NS };
        let due = now_ns.saturating_sub(self.published_ns) >= pause;
        if due && !self.frozen.load(Ordering::Relaxed) {
            self.published_ns = now_ns;
            self.snapshots.store(Arc::new(self.aggregator.snapshot(now_ns)));
        }
    }

    fn finish(mut self) -> Outcome {
        let result = self.writer.take().map(Writer::finish);
        let (written, trouble) = match result {
            None => (None, None),
            Some(Ok(written)) => {
                self.recording.bytes.store(written.bytes, Ordering::Relaxed);
                self.recording.closed.store(true, Ordering::Relaxed);
                (Some(written), None)
            }
            Some(Err(error)) => {
                let reason = error.to_string();
                self.note_trouble(self.aggregator.newest_ns(), reason.clone());
                (None, Some(reason))
            }
        };
        let snapshot = Arc::new(self.aggregator.snapshot(self.aggregator.newest_ns()));
        self.snapshots.store(Arc::clone(&snapshot));
        Outcome { snapshot, written, trouble }
    }
}

/// How long to rest before the next batch, after a batch of so many events.
fn next_lull(lull: Duration, events: usize) -> Duration {
    match events {
        MANY.. => (lull / 2).max(SHORT_LULL),
        FEW.. => lull,
        _ => (lull * 2).min(LULL),
    }
}

#[cfg(test)]
mod tests;
