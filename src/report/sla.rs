//! The thresholds of a profile's `[sla]`: judged for a stage, and for one request.
//!
//! A bare key (`ttft`) is a limit on every request (`itl`: on every gap); one with a statistic (`ttft_p99`) is a
//! limit on that statistic. Failed and timed-out requests miss every limit: in a statistic they stand as
//! infinitely late. Cancelled requests are not judged; nobody waited for them.

use std::time::Duration;

use serde::Serialize;

use super::run::{Run, Stage};
use super::stats::Pool;
use crate::event::Outcome;
use crate::metrics::RequestRecord;

/// The thresholds of `[sla]`, judged over the measured window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlaReport {
    /// All of them are met.
    pub met: bool,
    pub thresholds: Vec<ThresholdReport>,
}

/// One threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThresholdReport {
    /// Its key in the profile, e.g. `ttft_p99`.
    pub threshold: String,
    pub limit_s: f64,
    /// What was measured; for a limit on each request the worst one. `null` is unknown or never.
    pub value_s: Option<f64>,
    /// For a limit on each request: the share of requests that keep it.
    pub share: Option<f64>,
    pub met: bool,
}

/// The thresholds of a recording's profile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sla {
    thresholds: Vec<Threshold>,
}

#[derive(Debug, Clone, PartialEq)]
struct Threshold {
    key: String,
    figure: Figure,
    statistic: Statistic,
    limit: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    Ttft,
    Itl,
    Tpot,
    E2e,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Statistic {
    /// Every request by itself.
    Each,
    Mean,
    Percentile(f64),
}

impl Threshold {
    /// `None` for a key that this version doesn't know: a newer one may have written the recording.
    fn parse(key: &str, limit: Duration) -> Option<Self> {
        let (figure, statistic) = key.split_once('_').unwrap_or((key, ""));
        let figure = match figure {
            "ttft" => Figure::Ttft,
            "itl" => Figure::Itl,
            "tpot" => Figure::Tpot,
            "e2e" => Figure::E2e,
            _ => return None,
        };
        let statistic = match statistic {
            "" => Statistic::Each,
            "mean" => Statistic::Mean,
            "p50" => Statistic::Percentile(0.5),
            "p90" => Statistic::Percentile(0.9),
            "p95" => Statistic::Percentile(0.95),
            "p99" => Statistic::Percentile(0.99),
            _ => return None,
        };
        Some(Self { key: key.to_owned(), figure, statistic, limit })
    }

    fn limit_ns(&self) -> f64 {
        self.limit.as_nanos() as f64
    }

    fn judge(&self, stage: &Stage, tick_ns: u64) -> ThresholdReport {
        let (limit_s, threshold) = (self.limit.as_secs_f64(), self.key.clone());
        if self.statistic == Statistic::Each {
            return self.judge_each(stage);
        }
        let (pool, late) = self.pool(stage, tick_ns);
        let sorted = pool.sorted();
        let value_s = match self.statistic {
            Statistic::Percentile(q) => sorted.percentile_with_late(q, late),
            Statistic::Mean | Statistic::Each => sorted.mean().filter(|_| late == 0),
        };
        // Where nothing was measured and nothing failed there is nothing to miss.
        let nothing = sorted.count() + late == 0;
        let met = value_s.map_or(nothing, |value| value <= limit_s);
        ThresholdReport { threshold, limit_s, value_s, share: None, met }
    }

    fn judge_each(&self, stage: &Stage) -> ThresholdReport {
        let judged = || stage.judged().filter(|r| r.outcome != Outcome::Cancelled);
        let (mut all, mut kept) = (0u64, 0u64);
        for r in judged() {
            all += 1;
            kept += u64::from(self.keeps(r));
        }
        let worst = judged().filter_map(|r| self.worst_ns(r)).max_by(f64::total_cmp);
        ThresholdReport {
            threshold: self.key.clone(),
            limit_s: self.limit.as_secs_f64(),
            value_s: worst.filter(|_| judged().all(|r| r.outcome == Outcome::Completed)).map(|ns| ns / 1e9),
            share: (all > 0).then(|| kept as f64 / all as f64),
            met: kept == all,
        }
    }

    /// All values of the figure, and how many never came.
    fn pool(&self, stage: &Stage, tick_ns: u64) -> (Pool, u64) {
        let mut pool = Pool::new(tick_ns);
        let mut late = 0;
        for r in stage.judged() {
            match r.outcome {
                Outcome::Cancelled => {}
                Outcome::Completed => self.push(&mut pool, r),
                _ => {
                    late += match self.figure {
                        // The gaps that it still owed.
                        Figure::Itl => u64::from(r.max_tokens.saturating_sub(1).max(1)),
                        _ => 1,
                    }
                }
            }
        }
        (pool, late)
    }

    fn push(&self, pool: &mut Pool, r: &RequestRecord) {
        match self.figure {
            Figure::Itl => {
                for (i, pair) in r.chunk_at_ns.windows(2).enumerate() {
                    pool.push_chunk(pair[1].saturating_sub(pair[0]), r.tokens_in(i + 1));
                }
            }
            Figure::Tpot => r.tpot_ns().into_iter().for_each(|ns| pool.push_f64(ns)),
            Figure::Ttft => r.ttft_ns().into_iter().for_each(|ns| pool.push_ns(ns)),
            Figure::E2e => r.e2e_ns().into_iter().for_each(|ns| pool.push_ns(ns)),
        }
    }

    /// The figure of one request, nanoseconds; of gaps the longest. `None` where it has none.
    fn worst_ns(&self, r: &RequestRecord) -> Option<f64> {
        match self.figure {
            Figure::Ttft => r.ttft_ns().map(|ns| ns as f64),
            Figure::E2e => r.e2e_ns().map(|ns| ns as f64),
            Figure::Tpot => r.tpot_ns(),
            Figure::Itl => r.itls().map(|(ns, _)| ns).max_by(f64::total_cmp),
        }
    }

    /// A figure that a completed request doesn't have can't miss.
    fn keeps(&self, r: &RequestRecord) -> bool {
        r.outcome == Outcome::Completed && self.worst_ns(r).is_none_or(|ns| ns <= self.limit_ns())
    }
}

impl Sla {
    /// Reads the thresholds out of the recording's profile. What can't be read sets none.
    pub fn of(run: &Run) -> Self {
        let sla = run.header.profile.get("sla").cloned().unwrap_or_default();
        let sla: crate::profile::Sla = serde_json::from_value(sla).unwrap_or_default();
        let thresholds = sla.thresholds.iter().filter_map(|(key, limit)| Threshold::parse(key, *limit));
        Self { thresholds: thresholds.collect() }
    }

    /// Judges a stage's measured requests. `None` if there are no thresholds, or nothing was measured.
    pub fn judge(&self, stage: &Stage, tick_ns: u64) -> Option<SlaReport> {
        if self.thresholds.is_empty() || stage.judged().next().is_none() {
            return None;
        }
        let thresholds: Vec<_> = self.thresholds.iter().map(|t| t.judge(stage, tick_ns)).collect();
        Some(SlaReport { met: thresholds.iter().all(|t| t.met), thresholds })
    }

    /// Whether a request keeps all limits on single requests. `None` if there are none, or it isn't judged.
    pub fn keeps(&self, r: &RequestRecord) -> Option<bool> {
        let mut limits = self.thresholds.iter().filter(|t| t.statistic == Statistic::Each).peekable();
        let judged = !r.warmup && r.outcome != Outcome::Cancelled && limits.peek().is_some();
        judged.then(|| limits.all(|t| t.keeps(r)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{self, MS};

    fn sla(text: &serde_json::Value) -> Sla {
        let mut run = fixture::run();
        run.header.profile = serde_json::json!({ "profile": { "name": "p" }, "sla": text });
        Sla::of(&run)
    }

    fn stage() -> Stage {
        let mut stage = fixture::stage(1, 0);
        stage.requests = vec![
            fixture::request(0, 0).chunks(&[(100 * MS, 1), (110 * MS, 1)]).ends(110 * MS).into(),
            fixture::request(1, 200 * MS).chunks(&[(500 * MS, 1), (540 * MS, 1)]).ends(540 * MS).into(),
        ];
        stage
    }

    #[test]
    fn bare_keys_bind_each_request() {
        let sla = sla(&serde_json::json!({ "ttft": "200ms", "itl": "40ms" }));
        let mut stage = stage();
        assert_eq!(sla.keeps(&stage.requests[0]), Some(true));
        assert_eq!(sla.keeps(&stage.requests[1]), Some(false));
        let judged = sla.judge(&stage, 1_000).unwrap();
        let by_key = |key: &str| judged.thresholds.iter().find(|t| t.threshold == key).unwrap().clone();
        let (ttft, itl) = (by_key("ttft"), by_key("itl"));
        assert!(!judged.met && !ttft.met && itl.met);
        assert_eq!((ttft.value_s, ttft.share, ttft.limit_s), (Some(0.3), Some(0.5), 0.2));
        stage.requests[1].outcome = Outcome::Cancelled;
        assert_eq!(sla.keeps(&stage.requests[1]), None);
        assert!(sla.judge(&stage, 1_000).unwrap().met);
        stage.requests[1].outcome = Outcome::FailedEngine;
        let failed = sla.judge(&stage, 1_000).unwrap();
        assert!(failed.thresholds.iter().all(|t| !t.met && t.value_s.is_none() && t.share == Some(0.5)));
    }

    #[test]
    fn statistics_count_failures_as_never() {
        let sla = sla(&serde_json::json!({ "ttft_p50": "250ms", "e2e_mean": "1s" }));
        let mut stage = stage();
        let judged = sla.judge(&stage, 1_000).unwrap();
        let values: Vec<_> = judged.thresholds.iter().map(|t| (t.threshold.as_str(), t.value_s)).collect();
        assert_eq!(values, [("e2e_mean", Some(0.225)), ("ttft_p50", Some(0.2))]);
        assert!(judged.met);
        assert_eq!(sla.keeps(&stage.requests[0]), None);
        stage.requests[1].outcome = Outcome::TimedOutTotal;
        let judged = sla.judge(&stage, 1_000).unwrap();
        assert!(judged.thresholds.iter().all(|t| !t.met && t.value_s.is_none()));
    }

    #[test]
    fn no_thresholds_no_judgement() {
        assert_eq!(sla(&serde_json::json!({})).judge(&stage(), 1_000), None);
        assert_eq!(sla(&serde_json::Value::Null), Sla::default());
    }
}
