//! One load: a run as any other, watched from outside, its recording kept in memory and read back.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::loopback::Loopback;
use super::plan::Load;
use super::result::Measured;
use super::{CalibrateError, SERVER_THREAD, Way};
use crate::clock::{Clock, TICK_NS};
use crate::event::{Ended, Event, Outcome, Phase};
use crate::load::{Launch, Run, StopLevel};
use crate::metrics::RequestRecord;
use crate::profile::{Backend, BackendKind, Length, Load as Clients, Meta, Profile, Record, Sim, Workload};
use crate::recording::{Entry, Header, Writer, from_reader};
use crate::telemetry::thread_cpu_ns;

/// Time between looks at the run.
const LOOK: Duration = Duration::from_millis(20);
/// Most time for a run to begin, and to end after its last request should have.
const BEGIN: Duration = Duration::from_secs(10);
const END: Duration = Duration::from_secs(3);
/// From the first requests to the measured window: connections are open then, and buffers have grown.
const SETTLE: Duration = Duration::from_millis(200);

/// What all loads share.
pub(super) struct Bench<'a> {
    pub clock: Clock,
    /// Needed for loads over HTTP.
    pub loopback: Option<&'a Loopback>,
    pub stop: &'a AtomicBool,
}

/// A recording in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// CPU time of everybody at a moment, nanoseconds.
struct Reading {
    at_ns: u64,
    client: Option<u64>,
    collector: Option<u64>,
    server: Option<u64>,
}

/// What a recording holds of a load.
#[derive(Default)]
struct Recorded {
    requests: Vec<RequestRecord>,
    lost_events: u64,
}

impl Load {
    /// In words.
    pub fn name(&self) -> String {
        let way = if self.way == Way::Http { "over HTTP" } else { "in process" };
        let pace = if self.itl_s > 0.0 {
            format!(", one each {} ms", self.itl_s * 1e3)
        } else {
            ", as fast as they come".to_owned()
        };
        let tokens = self.output_tokens;
        let tokens = if tokens == 1 { "1 token".into() } else { format!("{tokens} tokens") };
        let streams = if self.streams == 1 { "stream" } else { "streams" };
        format!("{way}: {} {streams}, requests of {tokens}{pace}", self.streams)
    }
}

impl Bench<'_> {
    /// Runs a load and measures a window of it.
    ///
    /// # Errors
    /// If it can't be run, its requests fail, or it is interrupted.
    pub fn measure(&self, load: &Load) -> Result<Measured, CalibrateError> {
        let failed = |why: String| CalibrateError::Load { load: load.name(), why };
        let profile = profile(load, self.loopback.map(|loopback| loopback.serve(load)));
        let memory = Memory::default();
        let writer = Writer::to(Box::new(memory.clone()), &header(self.clock), true);
        let writer = writer.map_err(|e| failed(e.to_string()))?;
        let stages = profile.stages().map_err(|e| failed(e.to_string()))?;
        let launch = Launch {
            profile,
            stages,
            clock: self.clock,
            writer: Some(writer),
            headless: false,
            resume: None,
        };
        let run = Run::start(launch).map_err(|e| failed(format!("no threads for the run: {e}")))?;
        let window = self.window(&run, load);
        self.end(&run, load);
        let left = run.join();
        if let Ended::Failed { reason } = left.ended {
            return Err(failed(reason));
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(CalibrateError::Interrupted);
        }
        let Some((before, after)) = window else {
            return Err(failed("it did not begin in time; is the machine busy with something else?".into()));
        };
        let bytes = std::mem::take(&mut *memory.0.lock().unwrap_or_else(PoisonError::into_inner));
        let recorded = read(bytes).map_err(&failed)?;
        if let Some(bad) = recorded.requests.iter().find(|r| r.outcome.is_failure()) {
            return Err(failed(bad.error.as_deref().unwrap_or(bad.outcome.name()).to_owned()));
        }
        Ok(self.figures(load, (&before, &after), &recorded))
    }

    /// Waits for the run to begin, and takes readings at both ends of the window; `None` if it did not begin.
    fn window(&self, run: &Run, load: &Load) -> Option<(Reading, Reading)> {
        let began = || run.collector.snapshots.load().phase == Some(Phase::Measuring);
        if !self.wait(BEGIN, &|| began() || run.is_over()) {
            return None;
        }
        self.wait(SETTLE, &|| run.is_over());
        let before = self.reading();
        self.wait(Duration::from_secs_f64(load.seconds), &|| run.is_over());
        let after = self.reading();
        (began() && !run.is_over()).then_some((before, after))
    }

    /// Waits until something is so, or the calibration is stopped; tells whether it is so. The clock decides when the
    /// time is up.
    fn wait(&self, time: Duration, until: &dyn Fn() -> bool) -> bool {
        let end_ns = self.clock.now_ns() + time.as_nanos() as u64;
        loop {
            let left_ns = end_ns.saturating_sub(self.clock.now_ns());
            if until() {
                return true;
            }
            if left_ns == 0 || self.stop.load(Ordering::Relaxed) {
                return false;
            }
            std::thread::sleep(LOOK.min(Duration::from_nanos(left_ns)));
        }
    }

    fn end(&self, run: &Run, load: &Load) {
        let stopped = self.stop.load(Ordering::Relaxed);
        run.controls.stop(if stopped { StopLevel::Abort } else { StopLevel::Drain });
        let request = Duration::from_secs_f64(load.ttft_s + load.itl_s * f64::from(load.output_tokens));
        self.wait(request + END, &|| run.is_over());
        run.controls.stop(StopLevel::Abort);
    }

    fn reading(&self) -> Reading {
        Reading {
            at_ns: self.clock.now_ns(),
            client: thread_cpu_ns("client"),
            collector: thread_cpu_ns("collector"),
            server: thread_cpu_ns(SERVER_THREAD),
        }
    }

    fn figures(&self, load: &Load, (before, after): (&Reading, &Reading), recorded: &Recorded) -> Measured {
        let seconds = (after.at_ns - before.at_ns).max(TICK_NS) as f64 / 1e9;
        let inside = |at_ns: u64| (before.at_ns..after.at_ns).contains(&at_ns);
        let (mut tokens, mut requests) = (0, 0);
        for request in &recorded.requests {
            let chunks = request.chunk_at_ns.iter().enumerate().filter(|(_, at)| inside(**at));
            tokens += chunks.map(|(i, _)| u64::from(request.tokens_in(i))).sum::<u64>();
            requests += u64::from(inside(request.finished_ns) && request.outcome == Outcome::Completed);
        }
        let used =
            |of: fn(&Reading) -> Option<u64>| Some(of(after)?.saturating_sub(of(before)?) as f64 / 1e9);
        let (client, collector) = (used(|r| r.client), used(|r| r.collector));
        let each = |used_s: Option<f64>| used_s.filter(|_| tokens > 0).map(|s| s * 1e6 / tokens as f64);
        let records = &recorded.requests;
        let compared = self.loopback.map(|loopback| loopback.compare(load, records, before.at_ns));
        Measured {
            load: *load,
            seconds,
            tokens,
            requests,
            tokens_per_s: tokens as f64 / seconds,
            requests_per_s: requests as f64 / seconds,
            client_busy: client.map(|s| s / seconds),
            collector_busy: collector.map(|s| s / seconds),
            server_busy: used(|r| r.server).map(|s| s / seconds),
            client_cpu_us_per_token: each(client),
            collector_cpu_us_per_token: each(collector),
            lost_events: recorded.lost_events,
            requests_alike: compared.as_ref().map(|c| c.0),
            requests_unlike: compared.as_ref().map(|c| c.1),
            error: compared.and_then(|c| c.2),
        }
    }
}

/// The load as a profile: over HTTP where there is a URL, else the simulated engine.
fn profile(load: &Load, url: Option<String>) -> Profile {
    let mut backend = Backend { max_batch: load.streams, ..Backend::default() };
    if let Some(url) = url {
        (backend.kind, backend.urls) = (BackendKind::Openai, vec![url]);
    } else {
        let step = Duration::from_secs_f64(load.itl_s);
        backend.kind = BackendKind::Sim;
        backend.sim =
            Sim { prefill_tokens_per_s: 0.0, step, step_per_sequence: Duration::ZERO, ..Sim::default() };
    }
    Profile {
        profile: Meta { name: "calibrate".into(), about: String::new() },
        backend,
        model: crate::profile::Model::default(),
        workload: Workload {
            prompt_tokens: Length::Fixed(load.prompt_tokens),
            output_tokens: Length::Fixed(load.output_tokens),
            ..Workload::default()
        },
        load: Clients { clients: load.streams, warmup_requests_per_client: 0, ..Clients::default() },
        stop: crate::profile::Stop::default(),
        sweep: BTreeMap::new(),
        sla: crate::profile::Sla::default(),
        reference: Vec::new(),
        // A text begins with the number by which the server knows the request.
        record: Record { text: true, ..Record::default() },
        ui: crate::profile::Ui::default(),
    }
}

fn header(clock: Clock) -> Header {
    Header::new(TICK_NS, serde_json::Value::Null, clock.started_at())
}

fn read(bytes: Vec<u8>) -> Result<Recorded, String> {
    let reader = from_reader(Box::new(Cursor::new(bytes)), "the calibration's recording".into());
    let mut recorded = Recorded::default();
    for entry in reader.map_err(|e| e.to_string())? {
        match entry {
            Entry::Request(request) => recorded.requests.push(request),
            Entry::Event(Event::Lost { events, .. }) => recorded.lost_events += events,
            Entry::Event(_) => {}
        }
    }
    Ok(recorded)
}
