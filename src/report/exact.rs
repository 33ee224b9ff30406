//! From a recording to its exact figures.
//!
//! Which request, token or gap belongs to which window is decided in here, as `docs/measurement.md` tells it:
//! counts and tokens go by their instant, a latency by the whole stretch that it measures.

use super::client;
use super::fastgen::{self, Skips};
use super::figures::{
    EndedAs, ErrorReport, Latency, REPORT_VERSION, RecordingPart, Report, Requests, StageReport, Throughput,
    Tokens, Window, Windows,
};
use super::open;
use super::range::RangePart;
use super::run::{Run, Stage};
use super::segments::{self, SegmentReport};
use super::sla::Sla;
use super::stats::{Pool, Stats};
use super::system;
use super::verdict;
use super::window::{self, Span};
use crate::event::{BackendInfo, Ended, Outcome, StageOutcome};
use crate::metrics::{ErrorCount, ErrorKind, Errors, RequestRecord, count_error};

/// Computes the report of a recording.
pub fn report(run: &Run) -> Report {
    report_with(run, Skips::default())
}

/// Computes it with other tokens and requests left out of FastGen's token latency percentiles.
pub fn report_with(run: &Run, skips: Skips) -> Report {
    let sla = Sla::of(run);
    let stages: Vec<_> = run.stages.iter().map(|stage| stage_report(run, stage, &sla, skips)).collect();
    let client = client::client(run, &stages);
    let verdicts = verdict::verdicts(run, &stages, &client);
    let (ended, ended_reason) = match &run.ended {
        Some(Ended::Complete) => (EndedAs::Complete, None),
        Some(Ended::Interrupted) => (EndedAs::Interrupted, None),
        Some(Ended::Failed { reason }) => (EndedAs::Failed, Some(reason.clone())),
        None => (EndedAs::Cut, None),
    };
    let recording = RecordingPart {
        name: run.name.clone(),
        profile: run.profile_name().to_owned(),
        backend: run.header.engine.kind.clone(),
        started_at: run.header.started_at.to_string(),
        ended,
        ended_reason,
        lost_events: run.lost_events,
        damaged: run.losses.damaged_pieces(),
        unfinished_requests: run.losses.unfinished_requests,
        verdicts,
        client,
        seed: run.header.seed,
        engine: run.info.clone(),
        engines: engines(run),
        host: run.header.host.clone(),
        program: run.header.program.clone(),
        range: RangePart::of(run),
    };
    let references = fastgen::references(&run.header.profile);
    Report { report_version: REPORT_VERSION, recording, stages, references }
}

fn stage_report(run: &Run, stage: &Stage, sla: &Sla, skips: Skips) -> StageReport {
    let mut requests = Requests::default();
    for r in stage.measured() {
        requests.scheduled += 1;
        requests.count(r);
    }
    let tick_ns = run.header.tick_ns;
    let (whole, measured) = (window::whole(stage), window::measured(stage));
    let steady = whole.and_then(|span| window::steady(stage, &run.controls, span));
    // Most of the time goes into sorting the gaps, once a window and once for the SLA: a thread for each part, that
    // no core waits for the longest.
    let (mut windows, mut segments, sla, fastgen) = std::thread::scope(|scope| {
        let fastgen = scope.spawn(move || fastgen::analyse(run, stage, skips));
        let steady = steady.map(|span| scope.spawn(move || figures(stage, Bounds::within(span), tick_ns)));
        let bounds =
            measured.map(|span| if whole == measured { Bounds::whole(span) } else { Bounds::within(span) });
        let segments = scope.spawn(move || bounds.map_or_else(Vec::new, |all| parted(run, stage, all)));
        let measured = bounds.map(|bounds| figures(stage, bounds, tick_ns));
        // Of a stage that never was, nothing was missed.
        let judged = measured.is_some() || stage.ended.as_ref().is_none_or(|how| how.reason().is_none());
        let sla = if judged { sla.judge(stage, tick_ns) } else { None };
        (Windows { measured, steady: steady.map(finished) }, finished(segments), sla, finished(fastgen))
    });
    if !run.knows_schedule(stage) {
        let all = [&mut windows.measured, &mut windows.steady].into_iter().flatten();
        all.chain(segments.iter_mut().map(|segment| &mut segment.figures)).for_each(forget_schedule);
    }
    let system = measured.and_then(|span| system::system(&run.samples, span, output_tokens(&windows)));
    if let (Some(_), Some(window)) = (stage.range, &windows.measured) {
        requests = window.requests;
    }
    let warmup = stage.requests.iter().filter(|r| r.warmup);
    let in_range = |r: &&RequestRecord| stage.range.is_none_or(|range| range.has(r.finished_ns));
    StageReport {
        name: stage.start.name.clone(),
        sweep: stage.start.sweep.clone(),
        clients: stage.start.clients,
        open_loop: open::analyse(stage, steady),
        ended: stage.ended.as_ref().map(StageOutcome::name),
        ended_reason: stage.ended.as_ref().and_then(StageOutcome::reason).map(str::to_owned),
        windows,
        segments,
        requests,
        warmup_requests: warmup.filter(in_range).count() as u64,
        sla,
        fastgen,
        system,
    }
}

/// What served the run's stages. The same engine that was loaded again differs in how long that took.
fn engines(run: &Run) -> Vec<BackendInfo> {
    let same = |a: &BackendInfo, b: &BackendInfo| *a == BackendInfo { load_s: a.load_s, ..b.clone() };
    let mut all: Vec<BackendInfo> = Vec::new();
    for info in run.stages.iter().filter_map(|stage| stage.info.as_ref()) {
        if !all.iter().any(|known| same(known, info)) {
            all.push(info.clone());
        }
    }
    all
}

/// Where it isn't known when requests were meant to be sent, nothing is that counts from then.
fn forget_schedule(window: &mut Window) {
    let latency = &mut window.latency;
    for stats in [&mut latency.ttft_corrected_s, &mut latency.e2e_corrected_s, &mut latency.send_lag_s] {
        *stats = Stats::default();
    }
}

fn output_tokens(windows: &Windows) -> u64 {
    windows.measured.as_ref().map_or(0, |window| window.tokens.output)
}

/// The value of a thread; its panic goes on here.
fn finished<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The figures of a window's parts, from one intervention to the next.
fn parted(run: &Run, stage: &Stage, all: Bounds) -> Vec<SegmentReport> {
    let parts = segments::parts(run, stage, all.span).into_iter();
    parts
        .map(|(cut, span)| SegmentReport::new(cut, figures(stage, all.part(span), run.header.tick_ns)))
        .collect()
}

/// What belongs to a window.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    span: Span,
    /// The first and the last instant that are in it.
    from_ns: u64,
    to_ns: u64,
}

impl Bounds {
    /// The measured window takes in every measured request, whatever the rounding of its edges.
    fn whole(span: Span) -> Self {
        Self { span, from_ns: 0, to_ns: u64::MAX }
    }

    fn within(span: Span) -> Self {
        Self { span, from_ns: span.start_ns, to_ns: span.end_ns }
    }

    /// A part of it, whose end belongs to the next one: so each instant is in one part only.
    fn part(&self, part: Span) -> Self {
        let first = part.start_ns <= self.span.start_ns;
        let last = part.end_ns >= self.span.end_ns;
        let from_ns = if first { self.from_ns } else { part.start_ns };
        let to_ns = if last { self.to_ns } else { part.end_ns.saturating_sub(1) };
        Self { span: part, from_ns, to_ns }
    }

    /// Whether anything of a request may be in it.
    fn touches(&self, r: &RequestRecord) -> bool {
        r.scheduled_ns.min(r.sent_ns) <= self.to_ns && r.finished_ns >= self.from_ns
    }

    fn has(&self, at_ns: u64) -> bool {
        (self.from_ns..=self.to_ns).contains(&at_ns)
    }

    fn has_all(&self, from_ns: u64, to_ns: u64) -> bool {
        self.has(from_ns) && self.has(to_ns)
    }
}

fn figures(stage: &Stage, bounds: Bounds, tick_ns: u64) -> Window {
    let mut counted = Window {
        start_s: bounds.span.start_ns as f64 / 1e9,
        end_s: bounds.span.end_ns as f64 / 1e9,
        seconds: bounds.span.seconds(),
        concurrency_mean: window::mean_in_flight(stage, bounds.span),
        latency: latencies(stage, bounds, tick_ns),
        ..Window::default()
    };
    let mut in_flight_ns = 0u128;
    let mut kinds = Errors::new();
    for r in stage.measured().filter(|r| bounds.touches(r)) {
        counted.requests.scheduled += u64::from(bounds.has(r.scheduled_ns));
        if bounds.has(r.finished_ns) {
            counted.requests.count(r);
            in_flight_ns += u128::from(r.finished_ns.saturating_sub(r.sent_ns));
            if r.outcome.is_failure() || r.outcome.is_timeout() {
                *counted.errors.entry(r.outcome).or_default() += 1;
                count_error(&mut kinds, r);
            }
        }
        count_tokens(&mut counted.tokens, r, bounds);
    }
    counted.error_kinds = kinds.into_iter().map(error_report).collect();
    counted.throughput = throughput(&counted);
    counted.little_residual = counted.concurrency_mean.filter(|l| *l > 0.0).map(|l| {
        // λ·W = (ended / length) · (time in flight / ended): the count cancels out.
        1.0 - in_flight_ns as f64 / 1e9 / counted.seconds / l
    });
    counted
}

fn error_report((kind, count): (ErrorKind, ErrorCount)) -> ErrorReport {
    ErrorReport {
        outcome: kind.outcome,
        http_status: kind.status,
        requests: count.requests,
        first: count.first,
    }
}

fn count_tokens(tokens: &mut Tokens, r: &RequestRecord, bounds: Bounds) {
    let Some(first) = r.chunk_at_ns.first() else {
        // Tokens that came without a time of arrival were there at the end at the latest.
        if r.output_tokens > 0 && bounds.has(r.finished_ns) {
            tokens.output += u64::from(r.output_tokens);
            tokens.input += u64::from(r.prompt_tokens);
        }
        return;
    };
    if bounds.has(*first) {
        tokens.input += u64::from(r.prompt_tokens);
    }
    let inside = |(i, at): (usize, &u64)| bounds.has(*at).then(|| u64::from(r.tokens_in(i)));
    tokens.output += r.chunk_at_ns.iter().enumerate().filter_map(inside).sum::<u64>();
}

fn throughput(window: &Window) -> Throughput {
    let rate = |count: u64| (window.seconds > 0.0).then(|| count as f64 / window.seconds);
    Throughput {
        requests_per_s: rate(window.requests.completed),
        output_tokens_per_s: rate(window.tokens.output),
        input_tokens_per_s: rate(window.tokens.input),
        total_tokens_per_s: rate(window.tokens.input + window.tokens.output),
    }
}

fn latencies(stage: &Stage, bounds: Bounds, tick_ns: u64) -> Latency {
    let completed = || stage.unspoiled().filter(|r| r.outcome == Outcome::Completed && bounds.touches(r));
    let requests_of = |push: &dyn Fn(&mut Pool, &RequestRecord)| -> Stats {
        let mut pool = Pool::new(tick_ns);
        completed().for_each(|r| push(&mut pool, r));
        pool.stats()
    };
    // A latency that runs from `from` to the first (or last) token.
    let until = |from: fn(&RequestRecord) -> u64, to: fn(&RequestRecord) -> Option<u64>| {
        requests_of(&|pool, r| {
            if let Some(to) = to(r).filter(|to| bounds.has_all(from(r), *to)) {
                pool.push_ns(to.saturating_sub(from(r)));
            }
        })
    };
    let last_inside = |r: &RequestRecord, from: u64| last(r).is_some_and(|to| bounds.has_all(from, to));
    Latency {
        ttft_s: until(|r| r.sent_ns, first),
        ttft_corrected_s: until(|r| r.scheduled_ns, first),
        itl_s: itl(completed(), bounds, tick_ns),
        tpot_s: requests_of(&|pool, r| match (first(r), r.tpot_ns()) {
            (Some(from), Some(tpot)) if last_inside(r, from) => pool.push_f64(tpot),
            _ => {}
        }),
        e2e_s: until(|r| r.sent_ns, last),
        e2e_corrected_s: until(|r| r.scheduled_ns, last),
        send_lag_s: until(|r| r.scheduled_ns, |r| Some(r.sent_ns)),
        normalized_s: requests_of(&|pool, r| match r.e2e_ns() {
            Some(e2e) if r.output_tokens > 0 && last_inside(r, r.sent_ns) => {
                pool.push_f64(e2e as f64 / f64::from(r.output_tokens));
            }
            _ => {}
        }),
    }
}

fn itl<'a>(requests: impl Iterator<Item = &'a RequestRecord>, bounds: Bounds, tick_ns: u64) -> Stats {
    let mut pool = Pool::new(tick_ns);
    for r in requests {
        for (i, pair) in r.chunk_at_ns.windows(2).enumerate() {
            if bounds.has_all(pair[0], pair[1]) {
                pool.push_chunk(pair[1].saturating_sub(pair[0]), r.tokens_in(i + 1));
            }
        }
    }
    pool.stats()
}

fn first(r: &RequestRecord) -> Option<u64> {
    r.chunk_at_ns.first().copied()
}

fn last(r: &RequestRecord) -> Option<u64> {
    r.last_token_ns()
}

#[cfg(test)]
#[path = "exact_tests.rs"]
mod tests;
