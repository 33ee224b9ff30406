//! The latency figures of a stage, each with its distribution.

use super::by_tool::{ByTool, ToolFigures};
use super::distribution::Distribution;
use super::pack::pack;
use super::seconds::Seconds;
use super::{Latencies, RequestRecord};

/// Latencies of a stage's measured, completed requests.
pub(super) struct Distributions {
    ttft: Distribution,
    ttft_corrected: Distribution,
    itl: Distribution,
    tpot: Distribution,
    e2e: Distribution,
    e2e_corrected: Distribution,
    send_lag: Distribution,
    by_tool: ByTool,
}

impl Distributions {
    pub(super) fn new() -> Self {
        Self {
            ttft: Distribution::new(),
            ttft_corrected: Distribution::new(),
            itl: Distribution::new(),
            tpot: Distribution::new(),
            e2e: Distribution::new(),
            e2e_corrected: Distribution::new(),
            send_lag: Distribution::new(),
            by_tool: ByTool::new(),
        }
    }

    /// Forgets all: a stage begins.
    pub(super) fn clear(&mut self) {
        let all = [
            &mut self.ttft,
            &mut self.ttft_corrected,
            &mut self.itl,
            &mut self.tpot,
            &mut self.e2e,
            &mut self.e2e_corrected,
            &mut self.send_lag,
        ];
        all.into_iter().for_each(Distribution::clear);
        self.by_tool.clear();
    }

    /// Other tools' figures of the same requests.
    pub(super) fn by_tool(&mut self) -> ToolFigures {
        self.by_tool.figures(&mut self.itl)
    }

    pub(super) fn record(&mut self, record: &RequestRecord, seconds: &mut Seconds) {
        self.by_tool.record(record, &self.itl);
        self.send_lag.record(record.send_lag_ns());
        if let Some(ns) = record.ttft_ns() {
            self.ttft.record(ns);
            seconds.record_ttft(ns);
        }
        if let Some(ns) = record.ttft_corrected_ns() {
            self.ttft_corrected.record(ns);
        }
        if let Some(ns) = record.tpot_ns() {
            self.tpot.record(ns.round() as u64);
        }
        if let Some(ns) = record.e2e_ns() {
            self.e2e.record(ns);
        }
        if let Some(ns) = record.e2e_corrected_ns() {
            self.e2e_corrected.record(ns);
        }
        self.itl.record_gaps(record, |each_ns, n| seconds.record_itl(each_ns, n));
    }

    pub(super) fn summaries(&mut self) -> Latencies {
        Latencies {
            ttft: self.ttft.summary().clone(),
            ttft_corrected: self.ttft_corrected.summary().clone(),
            itl: self.itl.summary().clone(),
            tpot: self.tpot.summary().clone(),
            e2e: self.e2e.summary().clone(),
            e2e_corrected: self.e2e_corrected.summary().clone(),
            send_lag: self.send_lag.summary().clone(),
        }
    }
}

pack!(Distributions { ttft, ttft_corrected, itl, tpot, e2e, e2e_corrected, send_lag, by_tool });
