//! The throughput–latency curve of a run so far: one point a stage, of bounded size however many requests it has.
//!
//! The exact analysis keeps a few numbers of every request, so that it can be asked for any rate
//! ([`super::fastgen::Judge`]). A live run may have millions of requests: here each is judged once, against the
//! profile's rates, and counted.

use std::sync::Arc;

use serde_json::Value;

use super::RequestRecord;
use super::fastgen::{Pace, Target, Timeline, Validator};
use super::pack::pack;
use crate::event::{StageId, StageStart};

/// What requests are judged by: `[sla]` of the profile.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveSla {
    pub prompt_tokens_per_s: f64,
    /// Rates of generation that can be asked for, tokens/s.
    pub rates: Arc<[f64]>,
    /// The profile's thresholds.
    pub limits: Arc<[Limit]>,
}

/// A threshold of `[sla]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Its key, e.g. `ttft_p99`.
    pub key: String,
    pub limit_ns: u64,
}

impl Default for CurveSla {
    /// FastGen's.
    fn default() -> Self {
        Self {
            prompt_tokens_per_s: 512.0,
            rates: [1.0, 2.0, 3.0, 4.0, 6.0, 8.0].into(),
            limits: Arc::default(),
        }
    }
}

impl CurveSla {
    /// What a request's pace is judged by. Where no gap comes near what the highest rate allows a token, the sums and
    /// averages of gaps don't either, and their common bound stands for both: it is judged in the same way, and found
    /// several times as fast.
    fn pace(&self, record: &RequestRecord) -> Pace {
        let gaps = record.chunk_at_ns.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
        let longest_s = gaps.max().unwrap_or(0) as f64 / 1e9;
        // Far more than rounding can add, over however many gaps.
        let bound_s = longest_s * (1.0 + 1e-6);
        let allowed_s = self.rates.iter().map(|rate| 1.0 / rate).fold(f64::INFINITY, f64::min);
        match record.ttft_ns() {
            Some(_) if bound_s < allowed_s => Pace {
                prompt_tokens: record.prompt_tokens,
                first_s: record.entry_s(0),
                cumulative_s: bound_s,
                ema_s: bound_s,
            },
            _ => Pace::of(record),
        }
    }
}

/// One stage: under way, or over.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StagePoint {
    pub id: StageId,
    pub name: String,
    pub sweep: Vec<(String, Value)>,
    /// Clients of a closed loop.
    pub clients: Option<u32>,
    /// Requests/s that an open loop asks for.
    pub rate: Option<f64>,
    /// Completed, measured requests.
    pub requests: u64,
    /// Another stage has begun, or the run is over.
    pub over: bool,
    e2e_sum_s: f64,
    first_ns: u64,
    last_ns: u64,
    /// Some request told of its single tokens.
    streamed: bool,
    /// By rate, then by validator in the order of [`Validator::ALL`].
    good: Vec<[u64; 2]>,
}

impl StagePoint {
    /// What varies along a curve: clients, or the rate of an open loop.
    pub fn load(&self) -> Option<f64> {
        self.clients.map(f64::from).or(self.rate)
    }

    /// Mean time of a request to its end, seconds.
    pub fn latency_s(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.e2e_sum_s / self.requests as f64)
    }

    /// Queries/s as FastGen has them: clients / mean latency; of an open loop the measured ones.
    pub fn throughput_rps(&self) -> Option<f64> {
        let query = |clients: u32| self.latency_s().filter(|s| *s > 0.0).map(|s| f64::from(clients) / s);
        self.clients.map_or_else(|| self.measured_rps(), query)
    }

    /// Requests over the time from the first one's sending to the last one's end.
    pub fn measured_rps(&self) -> Option<f64> {
        let seconds = self.last_ns.saturating_sub(self.first_ns) as f64 / 1e9;
        (self.requests > 0 && seconds > 0.0).then(|| self.requests as f64 / seconds)
    }

    /// Share of requests that are fast enough at the SLA's rate of this number; `None` where nothing is known of
    /// single tokens.
    pub fn good_share(&self, rate: usize, validator: Validator) -> Option<f64> {
        let at = Validator::ALL.iter().position(|v| *v == validator)?;
        let good = self.good.get(rate)?[at];
        (self.requests > 0 && self.streamed).then(|| good as f64 / self.requests as f64)
    }

    /// Measured throughput × share of good requests.
    pub fn effective_rps(&self, rate: usize, validator: Validator) -> Option<f64> {
        Some(self.measured_rps()? * self.good_share(rate, validator)?)
    }

    fn take(&mut self, record: &RequestRecord, sla: &CurveSla) {
        let sent_ns = record.sent_ns;
        self.first_ns = if self.requests == 0 { sent_ns } else { self.first_ns.min(sent_ns) };
        self.last_ns = self.last_ns.max(record.finished_ns);
        self.requests += 1;
        self.e2e_sum_s += record.finished_ns.saturating_sub(sent_ns) as f64 / 1e9;
        self.streamed |= !record.chunk_at_ns.is_empty();
        let pace = sla.pace(record);
        self.good.resize(sla.rates.len(), [0; 2]);
        for (good, rate) in self.good.iter_mut().zip(sla.rates.iter()) {
            for (count, validator) in good.iter_mut().zip(Validator::ALL) {
                let target = Target {
                    prompt_tokens_per_s: sla.prompt_tokens_per_s,
                    generation_tokens_per_s: *rate,
                    validator,
                };
                *count += u64::from(pace.meets(&target));
            }
        }
    }
}

/// All stages so far, for the screen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CurveView {
    pub sla: CurveSla,
    /// Stages that are over, in the order of their start.
    pub over: Arc<Vec<StagePoint>>,
    /// The stage under way.
    pub current: Option<Arc<StagePoint>>,
}

impl CurveView {
    /// All stages with a completed request.
    pub fn points(&self) -> impl DoubleEndedIterator<Item = &StagePoint> {
        self.over.iter().chain(self.current.as_deref()).filter(|p| p.requests > 0)
    }
}

/// Keeps the curve while a run goes on.
#[derive(Default)]
pub(super) struct CurveKeeper {
    sla: CurveSla,
    over: Arc<Vec<StagePoint>>,
    current: Option<StagePoint>,
    /// The view of `current`, until it changes.
    shown: Option<Arc<StagePoint>>,
}

impl CurveKeeper {
    pub(super) fn expect(&mut self, sla: CurveSla) {
        self.sla = sla;
    }

    pub(super) fn start_stage(&mut self, start: &StageStart) {
        self.close();
        // A stage that begins once more is one that was cut: only its last run counts.
        if self.over.iter().any(|p| p.id == start.stage) {
            Arc::make_mut(&mut self.over).retain(|p| p.id != start.stage);
        }
        self.current = Some(StagePoint {
            id: start.stage,
            name: start.name.clone(),
            sweep: start.sweep.clone(),
            clients: start.clients,
            rate: start.open.as_ref().map(|open| open.rate),
            ..StagePoint::default()
        });
    }

    /// Takes a completed, measured request of the stage under way.
    pub(super) fn take(&mut self, record: &RequestRecord) {
        if let Some(point) = &mut self.current {
            point.take(record, &self.sla);
            self.shown = None;
        }
    }

    /// The stage under way is the last thing that happened to it.
    pub(super) fn close(&mut self) {
        self.shown = None;
        if let Some(mut point) = self.current.take() {
            point.over = true;
            Arc::make_mut(&mut self.over).push(point);
        }
    }

    pub(super) fn view(&mut self) -> CurveView {
        if self.shown.is_none() {
            self.shown = self.current.clone().map(Arc::new);
        }
        CurveView { sla: self.sla.clone(), over: Arc::clone(&self.over), current: self.shown.clone() }
    }
}

pack!(StagePoint {
    id,
    name,
    sweep,
    clients,
    rate,
    requests,
    over,
    e2e_sum_s,
    first_ns,
    last_ns,
    streamed,
    good,
});
pack!(CurveKeeper { over, current; sla: CurveSla::default(); shown: None });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::fastgen::Tally;

    const MS: u64 = 1_000_000;

    fn start(stage: StageId, clients: u32) -> StageStart {
        StageStart {
            sweep: vec![("clients".into(), clients.into())],
            ..StageStart::closed(stage, format!("clients={clients}"), clients)
        }
    }

    fn record(sent_ms: u64, first_ms: u64, gap_ms: u64) -> RequestRecord {
        let chunk_at_ns: Vec<u64> = (0..10).map(|i| (sent_ms + first_ms + i * gap_ms) * MS).collect();
        RequestRecord {
            finished_ns: chunk_at_ns[9] + MS,
            prompt_tokens: 256,
            ..RequestRecord::completed(0, sent_ms * MS, chunk_at_ns)
        }
    }

    proptest::proptest! {
        #[test]
        fn a_bound_judges_as_the_exact_pace_does(
            // Around the 125 ms of the highest rate, and right on it.
            gaps in proptest::collection::vec(proptest::prop_oneof![
                0..1000_u64, 20_000_000..80_000_000_u64, 124_999_000..125_001_000_u64,
                proptest::strategy::Just(125_000_000_u64),
            ], 0..60),
            first_ms in 0..700_u64,
        ) {
            let sla = CurveSla::default();
            let mut request = record(50, first_ms, 0);
            let mut at_ns = request.chunk_at_ns[0];
            request.chunk_at_ns = std::iter::once(0).chain(gaps).map(|gap| { at_ns += gap; at_ns }).collect();
            for request in [RequestRecord { chunk_at_ns: Vec::new(), ..request.clone() }, request] {
                let (quick, exact) = (sla.pace(&request), Pace::of(&request));
                for (rate, validator) in sla.rates.iter().flat_map(|r| Validator::ALL.map(|v| (*r, v))) {
                    let target = Target { prompt_tokens_per_s: 512.0, generation_tokens_per_s: rate, validator };
                    proptest::prop_assert_eq!(quick.meets(&target), exact.meets(&target));
                }
            }
        }
    }

    #[test]
    fn a_point_is_what_the_exact_analysis_says() {
        let records: Vec<_> = (0..40).map(|i| record(i * 50, 100 + i * 15, 90 + i * 10)).collect();
        let mut keeper = CurveKeeper::default();
        keeper.start_stage(&start(0, 4));
        let mut tally = Tally::default();
        for record in &records {
            keeper.take(record);
            tally.push(record);
        }
        let view = keeper.view();
        let point = view.points().next().unwrap();
        let (figures, judge) = (tally.figures(Some(4)), tally.judge());
        let near = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs() <= 1e-9 * b.unwrap();
        assert!(near(point.latency_s(), figures.latency_s));
        assert!(near(point.throughput_rps(), figures.query_throughput_rps));
        assert!(near(point.measured_rps(), figures.measured_throughput_rps));
        let mut shares = Vec::new();
        for (i, rate) in view.sla.rates.iter().enumerate() {
            for validator in Validator::ALL {
                let target = Target { prompt_tokens_per_s: 512.0, generation_tokens_per_s: *rate, validator };
                let (live, exact) = (point.effective_rps(i, validator), judge.effective_rps(&target));
                assert!(near(live, exact) || live == exact, "{rate} {validator:?}: {live:?} {exact:?}");
                shares.push(point.good_share(i, validator).unwrap());
            }
        }
        assert!(shares.iter().any(|s| *s > 0.0 && *s < 1.0), "the requests must differ: {shares:?}");
    }

    #[test]
    fn stages_follow_one_another_and_one_begun_again_counts_once() {
        let mut keeper = CurveKeeper::default();
        assert_eq!(keeper.view().points().count(), 0);
        keeper.start_stage(&start(0, 1));
        keeper.take(&record(0, 10, 10));
        keeper.start_stage(&start(1, 2));
        assert_eq!(keeper.view().points().count(), 1);
        keeper.take(&record(0, 10, 10));
        keeper.take(&record(10, 10, 10));
        let told = |keeper: &mut CurveKeeper| {
            keeper.view().points().map(|p| (p.id, p.requests, p.over)).collect::<Vec<_>>()
        };
        assert_eq!(told(&mut keeper), [(0, 1, true), (1, 2, false)]);
        keeper.start_stage(&start(1, 2));
        keeper.take(&record(0, 10, 10));
        assert_eq!(told(&mut keeper), [(0, 1, true), (1, 1, false)]);
        keeper.close();
        assert_eq!(told(&mut keeper), [(0, 1, true), (1, 1, true)]);
    }
}
