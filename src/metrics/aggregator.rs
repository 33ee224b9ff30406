//! Takes events: the one place where figures are made while a run goes on. `view` makes snapshots of them.

use std::sync::Arc;

use super::curve::{CurveKeeper, CurveSla};
use super::fates::Fates;
use super::lanes::Lanes;
use super::latencies::Distributions;
use super::seconds::Seconds;
use super::spans::Spans;
use super::standstill::Standstills;
use super::tables::{Journal, Recent, Slowest};
use super::tracker::Tracker;
use super::{Counts, HeatMaps, Loading, RequestRecord, count_error};
use crate::event::{
    BackendInfo, Ended, Event, Finished, Outcome, Phase, RequestId, Sample, Sent, StageId, StageStart,
};

/// A request that is sent so much later than scheduled (nanoseconds) was not merely waited for by the timer.
const LATE_NS: u64 = 1_000_000;

/// What is known of the present stage.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) start: Option<Arc<StageStart>>,
    pub(super) id: StageId,
    pub(super) phase: Option<Phase>,
    pub(super) phase_at_ns: u64,
    pub(super) measuring_at_ns: Option<u64>,
    /// End of the last measured request so far.
    pub(super) last_end_ns: Option<u64>,
    pub(super) done: bool,
    /// Its end was told, and a run that is resumed goes on behind it.
    pub(super) counts_for_good: bool,
    /// The heat maps of the stages before it: what is left of them if the run breaks off, and this stage is void.
    pub(super) heat_before: HeatMaps,
    pub(super) counts: Counts,
    pub(super) worst_loop_lag_ns: u64,
    /// Clients, and requests/s of an open loop, as somebody set them since.
    pub(super) clients_set: Option<u32>,
    pub(super) rate_set: Option<f64>,
    /// As many requests were in flight as an open loop may have, and others were sent late for it.
    pub(super) at_limit: bool,
}

/// From events to figures.
pub struct Aggregator {
    pub(super) tracker: Tracker,
    pub(super) fates: Fates,
    pub(super) stage: Stage,
    pub(super) latency: Distributions,
    pub(super) spans: Spans,
    pub(super) stood: Standstills,
    pub(super) heat: HeatMaps,
    pub(super) curve: CurveKeeper,
    pub(super) seconds: Seconds,
    pub(super) lanes: Lanes,
    pub(super) recent: Recent,
    pub(super) slowest: Slowest,
    pub(super) journal: Journal,
    pub(super) newest_ns: u64,
    pub(super) loading: Option<Loading>,
    pub(super) info: Option<Arc<BackendInfo>>,
    pub(super) sample: Option<Arc<Sample>>,
    pub(super) ended: Option<Ended>,
    pub(super) paused: bool,
    pub(super) lost_events: u64,
    pub(super) stray_events: u64,
    pub(super) warmup_per_client: Option<u32>,
    /// Whether news of prefills come while they last; `None` before the first.
    pub(super) prefill_is_live: Option<bool>,
}

impl Default for Aggregator {
    fn default() -> Self {
        Self::new()
    }
}

impl Aggregator {
    pub fn new() -> Self {
        Self {
            tracker: Tracker::default(),
            fates: Fates::default(),
            stage: Stage::default(),
            latency: Distributions::new(),
            spans: Spans::default(),
            stood: Standstills::default(),
            heat: HeatMaps::default(),
            curve: CurveKeeper::default(),
            seconds: Seconds::new(),
            lanes: Lanes::default(),
            recent: Recent::default(),
            slowest: Slowest::default(),
            journal: Journal::default(),
            newest_ns: 0,
            loading: None,
            info: None,
            sample: None,
            ended: None,
            paused: false,
            lost_events: 0,
            stray_events: 0,
            warmup_per_client: None,
            prefill_is_live: None,
        }
    }

    /// Tells how many warm-up requests each client sends, which no event says; gives `warmup_planned`.
    pub fn expect_warmup(&mut self, requests_per_client: u32) {
        self.warmup_per_client = Some(requests_per_client);
        self.stage.counts.warmup_planned = self.warmup_planned();
    }

    /// Tells what the curve's requests are judged by.
    pub fn expect_sla(&mut self, sla: CurveSla) {
        self.curve.expect(sla);
    }

    /// Tells how many stages the run is to have, which no event says.
    pub fn expect_stages(&mut self, planned: u32) {
        self.fates.planned = Some(planned);
    }

    /// Time of the newest event so far, nanoseconds since the run's start.
    pub fn newest_ns(&self) -> u64 {
        self.newest_ns
    }

    /// Events that fitted nowhere (a token of a request that isn't in flight, a second end, …) and were left out.
    pub fn stray_events(&self) -> u64 {
        self.stray_events
    }

    /// Takes an event. Gives the record of the request that it ended, if it ended one.
    pub fn apply(&mut self, event: &Event) -> Option<Arc<RequestRecord>> {
        self.move_to(event.at_ns());
        match event {
            Event::Token { at_ns, request, tokens } => self.token(*request, *at_ns, *tokens),
            Event::Sent(sent) => self.sent(*sent),
            Event::Prefill { at_ns, request } => {
                let known = self.tracker.prefill(*request, *at_ns, self.newest_ns);
                self.stray_events += u64::from(!known);
            }
            Event::Finished(end) => return self.finished(end),
            Event::Loading { at_ns, step, fraction } => self.load(*at_ns, step, *fraction),
            Event::Ready { info, .. } => {
                self.loading = None;
                self.info = Some(Arc::new((**info).clone()));
            }
            Event::Stage(start) => self.start_stage(start),
            Event::StageEnd(end) => {
                self.stage.counts_for_good |= end.stage == self.stage.id && end.how.is_final();
                self.fates.end(end);
            }
            Event::Resumed(_) => self.resume(),
            Event::Phase { at_ns, stage, phase } => self.phase(*at_ns, *stage, *phase),
            Event::Sample(sample) => self.take_sample(sample),
            Event::Log(line) => self.journal.log(line),
            Event::Control { at_ns, control } => self.control(*at_ns, control),
            Event::Lost { events, .. } => self.lost_events = self.lost_events.saturating_add(*events),
            Event::Ended { how, .. } => {
                self.loading = None;
                self.curve.close();
                self.ended = Some(how.clone());
            }
        }
        None
    }

    #[inline]
    fn move_to(&mut self, at_ns: u64) {
        if at_ns > self.newest_ns || self.newest_ns == 0 {
            self.newest_ns = at_ns;
            self.seconds.advance(at_ns, self.tracker.in_flight(), self.stage.phase);
        }
    }

    /// Does a request of this kind enter the present stage's figures?
    fn counts_in(&self, stage: StageId, warmup: bool) -> bool {
        !warmup && stage == self.stage.id
    }

    fn sent(&mut self, sent: Sent) {
        if !self.tracker.send(sent) {
            self.stray_events += 1;
        } else if self.counts_in(sent.stage, sent.warmup) {
            self.stage.counts.sent += 1;
            // Late, and into the last place: it waited for that.
            let late = sent.at_ns.saturating_sub(sent.scheduled_ns) >= LATE_NS;
            let open = self.stage.start.as_ref().and_then(|start| start.open.as_ref()).filter(|_| late);
            self.stage.at_limit |= open.is_some_and(|open| self.tracker.in_flight() >= open.max_in_flight);
        }
    }

    #[inline]
    fn token(&mut self, request: RequestId, at_ns: u64, tokens: u32) {
        let tokens = tokens.max(1);
        let Some(arrival) = self.tracker.token(request, at_ns, tokens) else {
            self.stray_events += 1;
            return;
        };
        let Sent { stage, warmup, prompt_tokens, .. } = arrival.request.sent;
        let (at_ns, first) = (arrival.at_ns, arrival.first);
        if first && let Some(prefill_ns) = arrival.request.prefill_ns {
            // News that came in the later half of a prefill, or with the first token, show nothing live.
            let lasted = at_ns.saturating_sub(prefill_ns);
            self.prefill_is_live = Some(arrival.request.prefill_news_lag_ns <= lasted / 2);
        }
        if !self.counts_in(stage, warmup) {
            return;
        }
        if first {
            self.count_input(at_ns, prompt_tokens);
        }
        self.stage.counts.output_tokens += u64::from(tokens);
        self.seconds.add_output(at_ns, tokens);
    }

    fn count_input(&mut self, at_ns: u64, prompt_tokens: u32) {
        self.stage.counts.input_tokens += u64::from(prompt_tokens);
        self.seconds.add_input(at_ns, prompt_tokens);
    }

    /// A server counted another prompt than the one that was counted at its first token.
    fn correct_input(&mut self, at_ns: u64, tokens: i64) {
        let total = &mut self.stage.counts.input_tokens;
        *total = total.saturating_add_signed(tokens);
        self.seconds.correct_input(at_ns, tokens);
    }

    fn finished(&mut self, end: &Finished) -> Option<Arc<RequestRecord>> {
        let sent_with = end.prompt_tokens.and_then(|_| self.tracker.prompt_tokens(end.request));
        let Some((record, corrections)) = self.tracker.finish(end) else {
            self.stray_events += 1;
            return None;
        };
        if self.counts_in(record.stage, record.warmup) {
            for c in corrections {
                let total = &mut self.stage.counts.output_tokens;
                *total = total.saturating_add_signed(c.tokens);
                self.seconds.correct_output(c.at_ns, c.tokens);
            }
            if let (Some(sent_with), Some(first)) = (sent_with, record.chunk_at_ns.first()) {
                self.correct_input(*first, i64::from(record.prompt_tokens) - i64::from(sent_with));
            }
            self.count_whole(&record);
        }
        let record = Arc::new(record);
        self.close(&record);
        Some(record)
    }

    /// Counts a request that has ended, its tokens being counted already.
    fn close(&mut self, record: &Arc<RequestRecord>) {
        self.recent.push(record);
        if record.stage == self.stage.id {
            self.lanes.finish(record);
        }
        if record.warmup && record.stage == self.stage.id {
            self.stage.counts.warmup_done += 1;
        }
        if !self.counts_in(record.stage, record.warmup) {
            return;
        }
        let stage = &mut self.stage;
        stage.last_end_ns = Some(stage.last_end_ns.unwrap_or(0).max(record.finished_ns));
        let length = record.prompt_tokens.saturating_add(record.output_tokens);
        stage.counts.longest_tokens = stage.counts.longest_tokens.max(length);
        // The length of one that a standstill spoiled is none of its own.
        let spoiled = self.stood.spoil(record);
        if !spoiled {
            self.slowest.push(record);
        }
        self.count_outcome(record, spoiled);
    }

    fn count_outcome(&mut self, record: &RequestRecord, spoiled: bool) {
        let counts = &mut self.stage.counts;
        counts.retries += u64::from(record.retries);
        let outcome = record.outcome;
        if outcome == Outcome::Completed {
            counts.completed += 1;
            self.seconds.add_completed(record.finished_ns);
            if spoiled {
                return;
            }
            self.latency.record(record, &mut self.seconds);
            self.spans.record(record);
            self.heat.record(record);
            self.curve.take(record);
            return;
        }
        count_error(&mut counts.errors, record);
        if outcome == Outcome::Cancelled {
            counts.cancelled += 1;
            return;
        }
        if outcome.is_timeout() {
            counts.timed_out += 1;
        } else {
            counts.failed += 1;
        }
        self.seconds.add_failed(record.finished_ns);
    }

    fn start_stage(&mut self, start: &StageStart) {
        if self.stage.start.is_some() {
            self.fates.leave(self.stage.id, &self.stage.counts, start.stage);
        }
        self.stage = Stage {
            start: Some(Arc::new(start.clone())),
            id: start.stage,
            phase_at_ns: start.at_ns,
            heat_before: self.heat.clone(),
            ..Stage::default()
        };
        self.fates.begin(start.stage);
        self.spans.begin_stage(start);
        self.stage.counts.warmup_planned = self.warmup_planned();
        self.latency.clear();
        self.curve.start_stage(start);
        self.seconds.start_stage();
        self.lanes.clear();
        self.lanes.expect(start.clients.unwrap_or(0));
        self.slowest.clear();
    }

    /// Another engine is made ready behind a stage: its figures stay, but it is no longer what goes on.
    fn load(&mut self, at_ns: u64, step: &str, fraction: Option<f32>) {
        self.loading = Some(Loading { step: step.into(), fraction });
        if self.stage.done && self.stage.phase != Some(Phase::Loading) {
            self.stage.phase = Some(Phase::Loading);
            self.stage.phase_at_ns = at_ns;
        }
    }

    /// Requests that were in flight when the run broke off never end, and how it ended then is void.
    fn resume(&mut self) {
        self.tracker.clear();
        self.lanes.clear();
        if !self.stage.counts_for_good {
            self.heat = self.stage.heat_before.clone();
        }
        self.ended = None;
        self.paused = false;
        self.spans.resume();
        self.stood.end(self.newest_ns);
        self.stage.done = true;
    }

    fn warmup_planned(&self) -> Option<u64> {
        let start = self.stage.start.as_ref()?;
        let clients = start.clients.or(start.open.as_ref().map(|open| open.warmup_clients))?;
        Some(u64::from(clients) * u64::from(self.warmup_per_client?))
    }

    fn phase(&mut self, at_ns: u64, stage: StageId, phase: Phase) {
        if stage != self.stage.id {
            self.stray_events += 1;
            return;
        }
        self.stage.phase = Some(phase);
        self.stage.phase_at_ns = at_ns;
        self.stage.done = phase == Phase::Done;
        self.part(at_ns, phase);
        if phase == Phase::Measuring && self.stage.measuring_at_ns.is_none() {
            self.stage.measuring_at_ns = Some(at_ns);
            self.seconds.start_measuring(at_ns);
        }
    }

    fn take_sample(&mut self, sample: &Sample) {
        let sample = Arc::new(sample.clone());
        self.seconds.sample(&sample);
        if let (Some(Phase::Measuring | Phase::Draining), Some(lag)) = (self.stage.phase, sample.loop_lag_ns)
        {
            self.stage.worst_loop_lag_ns = self.stage.worst_loop_lag_ns.max(lag);
        }
        self.sample = Some(sample);
    }
}

mod packed;
#[cfg(test)]
mod tests;
mod whole;
