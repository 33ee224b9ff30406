//! Snapshots of an [`Aggregator`]: everything bounded, and what did not change is shared, not copied.

use super::seconds::{Rates, Window};
use super::{Aggregator, DEGRADED_LOOP_LAG_NS, DEGRADED_SEND_LAG_NS, InFlight, Latencies, Snapshot};

impl Aggregator {
    /// A picture of the run at `at_ns`, nanoseconds since the run's start: now, or where a replay stands.
    pub fn snapshot(&mut self, at_ns: u64) -> Snapshot {
        let measured_end_ns =
            if self.stage.done || self.ended.is_some() { self.stage.last_end_ns } else { None };
        let [output_rate, input_rate, request_rate] = self.rates(at_ns, measured_end_ns);
        let latency = self.latency.summaries();
        let degraded = self.degraded(&latency);
        Snapshot {
            at_ns,
            loading: self.loading.clone(),
            info: self.info.clone(),
            stage: self.stage.start.clone(),
            stages: self.fates.stages(),
            phase: self.stage.phase,
            phase_at_ns: self.stage.phase_at_ns,
            measuring_at_ns: self.stage.measuring_at_ns,
            measured_end_ns,
            ended: self.ended.clone(),
            counts: self.stage.counts.clone(),
            in_flight: self.in_flight(),
            output_rate,
            input_rate,
            request_rate,
            series: self.seconds.series(),
            latency,
            spans: self.spans(),
            tools: self.latency.by_tool(),
            heat: self.heat.clone(),
            curve: self.curve.view(),
            sample: self.sample.clone(),
            lanes: self.lanes.refresh(self.tracker.iter().filter(|open| open.sent.stage == self.stage.id)),
            recent: self.recent.view(),
            slowest: self.slowest.view(),
            log: self.journal.lines(),
            controls: self.journal.controls(),
            paused: self.paused,
            lost_events: self.lost_events,
            degraded,
            clients_set: self.stage.clients_set,
            rate_set: self.stage.rate_set,
            rested_ns: self.spans.rested_ns(at_ns),
            at_limit: self.stage.at_limit,
        }
    }

    fn rates(&mut self, at_ns: u64, measured_end_ns: Option<u64>) -> Rates {
        let window = self.stage.measuring_at_ns.map(|start_ns| Window {
            start_ns,
            end_ns: measured_end_ns.map_or(at_ns, |end| end.min(at_ns)),
            closed: measured_end_ns.is_some(),
        });
        let counts = &self.stage.counts;
        self.seconds.rates(window, [counts.output_tokens, counts.input_tokens, counts.completed])
    }

    fn in_flight(&self) -> InFlight {
        let total = self.tracker.in_flight();
        let before_first_token = self.tracker.before_first_token();
        let prefill = (self.prefill_is_live == Some(true)).then(|| self.tracker.in_prefill());
        InFlight {
            total,
            before_first_token,
            queued: prefill.map(|p| before_first_token - p),
            prefill,
            decode: total - before_first_token,
        }
    }

    fn degraded(&self, latency: &Latencies) -> Vec<String> {
        let mut why = Vec::new();
        // At its limit an open loop sends late for want of places, not because the client is slow.
        if let Some(p99) = latency.send_lag.p99.filter(|p99| *p99 > DEGRADED_SEND_LAG_NS as f64 / 1e9)
            && !self.stage.at_limit
        {
            why.push(format!(
                "requests are sent late: send lag p99 is {:.1} ms, more than {:.0} ms",
                p99 * 1e3,
                DEGRADED_SEND_LAG_NS as f64 / 1e6
            ));
        }
        if self.stage.worst_loop_lag_ns > DEGRADED_LOOP_LAG_NS {
            why.push(format!(
                "the clients' event loop was held up for {:.0} ms, more than {:.0} ms",
                self.stage.worst_loop_lag_ns as f64 / 1e6,
                DEGRADED_LOOP_LAG_NS as f64 / 1e6
            ));
        }
        why
    }
}
