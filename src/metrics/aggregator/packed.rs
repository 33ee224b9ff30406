//! The whole state as bytes, and what a replay tells that goes on from there.

use super::{Aggregator, Stage};
use crate::event::Event;
use crate::metrics::pack::{Pack, pack};

pack!(Stage {
    start,
    id,
    phase,
    phase_at_ns,
    measuring_at_ns,
    last_end_ns,
    done,
    counts,
    worst_loop_lag_ns,
    rate_set,
    clients_set,
    at_limit,
    counts_for_good,
    heat_before,
});

pack!(Aggregator {
    tracker,
    fates,
    stage,
    latency,
    heat,
    curve,
    seconds,
    lanes,
    spans,
    stood,
    recent,
    slowest,
    journal,
    newest_ns,
    loading,
    info,
    sample,
    ended,
    paused,
    lost_events,
    stray_events,
    warmup_per_client,
    prefill_is_live,
});

impl Aggregator {
    /// Everything in it as bytes, which only the same build reads, see `pack`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.pack(&mut out);
        out
    }

    /// Back from [`Aggregator::to_bytes`]; what the profile says must be told again. `None` if the bytes are none of
    /// its.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        Self::unpack(&mut bytes).filter(|_| bytes.is_empty())
    }

    /// Takes a prefill or a token of the past, of a request in flight whose end was read only now, as if it had come
    /// in time.
    pub fn catch_up(&mut self, event: &Event) {
        let newest_ns = std::mem::replace(&mut self.newest_ns, event.at_ns());
        self.apply(event);
        self.newest_ns = self.newest_ns.max(newest_ns);
    }

    /// A request was taken as a whole that had news of its prefill: played in order they come in time.
    pub fn saw_prefill(&mut self) {
        self.prefill_is_live = Some(true);
    }
}
