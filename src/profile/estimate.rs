//! How long a run will take, as far as that can be known before it.

use std::time::Duration;

use super::{BackendKind, StagePlan};

/// Assumed of every engine but the simulated one: output tokens a second for each client of a closed loop. A 7B model on one GPU
/// gives between 3 (32 clients) and 35 (one).
pub const ASSUMED_TOKENS_PER_S: f64 = 10.0;

/// What is known of a stage before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Measured requests, where the stage stops by count.
    pub requests: Option<u64>,
    pub warmup_requests: u64,
    /// Warm-up and measuring, about; `None` for a stage that goes on until it is ended.
    pub time: Option<Duration>,
    /// Most time for measuring, where the profile sets one.
    pub limit: Option<Duration>,
}

impl StagePlan {
    /// How much the stage asks for, and how long that takes: by `[backend.sim]` for the simulated engine, by
    /// [`ASSUMED_TOKENS_PER_S`] for others, and never longer than `stop.duration`.
    pub fn estimate(&self) -> Estimate {
        let (load, stop) = (&self.profile.load, &self.profile.stop);
        let requests = stop.requests.map(|formula| formula.value(load.clients));
        let warmup_requests = u64::from(load.warmup_clients()) * u64::from(load.warmup_requests_per_client);
        let measuring = match (requests.map(|n| self.measured_seconds(n)), stop.duration) {
            (Some(by_count), Some(limit)) => Some(by_count.min(limit.as_secs_f64())),
            (by_count, limit) => by_count.or(limit.map(|d| d.as_secs_f64())),
        };
        let time = measuring.map(|seconds| {
            let all = (seconds + self.seconds(warmup_requests)).min(1e12);
            let jitter = load.closed_clients().map_or(Duration::ZERO, |_| load.start_jitter.fixed);
            Duration::from_secs_f64(all).saturating_add(jitter)
        });
        Estimate { requests, warmup_requests, time, limit: stop.duration }
    }

    /// Seconds until so many measured requests are through. Of an open loop: until they are due, or, with the simulated
    /// engine, until that has made them, whichever is later.
    fn measured_seconds(&self, requests: u64) -> f64 {
        let Some(open) = self.profile.load.open() else { return self.seconds(requests) };
        let due = open.seconds(requests as f64);
        match self.profile.backend.kind {
            BackendKind::Sim => due.max(self.seconds_of(requests, open.max_in_flight)),
            _ => due,
        }
    }

    /// Seconds that so many requests take with all clients.
    fn seconds(&self, requests: u64) -> f64 {
        self.seconds_of(requests, self.profile.load.warmup_clients())
    }

    /// Seconds that so many requests take, of which so many are in flight at once.
    fn seconds_of(&self, requests: u64, in_flight: u32) -> f64 {
        let (backend, workload) = (&self.profile.backend, &self.profile.workload);
        let clients = in_flight.max(1);
        let output = workload.output_tokens.mean();
        if backend.kind != BackendKind::Sim {
            let rounds = requests.div_ceil(u64::from(clients));
            return rounds as f64 * output / ASSUMED_TOKENS_PER_S;
        }
        // Each engine makes a token for all its sequences in a step, and prefills one prompt at a time.
        let engines = f64::from(backend.replicas.max(1));
        let at_once = (f64::from(clients) / engines).clamp(1.0, f64::from(backend.max_batch.max(1)));
        let sim = &backend.sim;
        let step = sim.step.as_secs_f64() + sim.step_per_sequence.as_secs_f64() * (at_once - 1.0);
        let prompt = workload.prompt_tokens.mean();
        let prefill = if sim.prefill_tokens_per_s > 0.0 { prompt / sim.prefill_tokens_per_s } else { 0.0 };
        let each = prefill + output * step / at_once;
        requests as f64 / engines * each / f64::from(backend.tensor_parallel.max(1))
    }
}
