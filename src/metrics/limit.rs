//! What the client can measure, and whether an open loop's backlog grows: rules that screens and reports share.

use super::SeriesPoint;
use crate::event::Phase;

/// The backlog grows if it is larger in each third of a stretch than in the one before, and in the last third by more
/// than this share of the requests that came in it…
pub const BACKLOG_SHARE: f64 = 0.05;
/// …and by more than this many square roots of itself, which chance alone may make.
pub const BACKLOG_DEVIATIONS: f64 = 2.0;
/// Fewest seconds over which a live run says that the backlog grows.
const LEAST_SECONDS: usize = 15;

/// The client's limits on one machine and one way to an engine, as `calibrate` finds them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClientLimit {
    /// Most tokens/s that were seen.
    pub seen_tokens_per_s: f64,
    /// CPU time of a token that comes alone, and of a request without its tokens, microseconds.
    pub token_cpu_us: f64,
    pub request_cpu_us: f64,
}

impl ClientLimit {
    /// That of so many threads, each of which does nothing else: so many times as much.
    #[must_use]
    pub fn of_threads(self, threads: u32) -> Self {
        let n = f64::from(threads.max(1));
        Self {
            seen_tokens_per_s: self.seen_tokens_per_s * n,
            token_cpu_us: self.token_cpu_us / n,
            request_cpu_us: self.request_cpu_us / n,
        }
    }

    /// The most tokens/s that one thread can measure if every token comes alone and a request has `tokens` of them:
    /// the thread does nothing else then. Never more than was seen.
    pub fn tokens_per_s(&self, tokens: f64) -> f64 {
        let each_us = self.token_cpu_us + self.request_cpu_us / tokens.max(1.0);
        if each_us > 0.0 { self.seen_tokens_per_s.min(1e6 / each_us) } else { self.seen_tokens_per_s }
    }
}

/// Threads of clients in the stages of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientThreads {
    /// As the profile's own backend asks for.
    pub usual: u32,
    /// As backends of a sweep ask for, by the name that their stages have under `backend`.
    pub by_backend: Vec<(String, u32)>,
}

impl ClientThreads {
    /// Those of a stage with these values of the sweep; at least one.
    pub fn in_stage(&self, sweep: &[(String, serde_json::Value)]) -> u32 {
        let backend = sweep.iter().find(|(key, _)| key == "backend").and_then(|(_, name)| name.as_str());
        let own = self.by_backend.iter().find(|(name, _)| Some(name.as_str()) == backend);
        own.map_or(self.usual, |(_, threads)| *threads).max(1)
    }
}

/// The client's limits in the stages of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientLimits {
    /// Those of one thread.
    pub of_one: ClientLimit,
    pub threads: ClientThreads,
}

impl ClientLimits {
    /// Those of a stage with these values of the sweep.
    pub fn in_stage(&self, sweep: &[(String, serde_json::Value)]) -> ClientLimit {
        self.of_one.of_threads(self.threads.in_stage(sweep))
    }
}

/// Whether the backlog grows, by its means over the thirds of a stretch and the requests that came in the last one.
pub fn backlog_grows(means: [f64; 3], came: f64) -> bool {
    let [first, middle, last] = means;
    let growth = last - middle;
    first < middle && growth > BACKLOG_SHARE * came && growth > BACKLOG_DEVIATIONS * last.sqrt()
}

/// Whether requests in flight grow, of the seconds measured from `since_s` on (seconds since the run's start): their
/// means over the first and the last third, if so. Of the seconds that are kept; requests that wait unsent are not in it.
pub fn falls_behind(series: &[SeriesPoint], since_s: f64) -> Option<(f64, f64)> {
    let from = series.iter().position(|p| p.second as f64 >= since_s)?;
    let measured = &series[from..];
    let length = measured.iter().take_while(|p| p.phase == Some(Phase::Measuring)).count();
    if length < LEAST_SECONDS {
        return None;
    }
    let third = length / 3;
    let thirds = [0, 1, 2].map(|i| &measured[length - (3 - i) * third..length - (2 - i) * third]);
    let mean = |part: &[SeriesPoint]| part.iter().map(|p| f64::from(p.in_flight)).sum::<f64>() / third as f64;
    let means = thirds.map(mean);
    let ended: u64 = thirds[2].iter().map(|p| p.completed + p.failed).sum();
    let in_flight = |part: &[SeriesPoint]| part.last().map_or(0.0, |p| f64::from(p.in_flight));
    let came = ended as f64 + in_flight(thirds[2]) - in_flight(thirds[1]);
    backlog_grows(means, came).then_some((means[0], means[2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(in_flight: impl Fn(u32) -> u32, seconds: u32) -> Vec<SeriesPoint> {
        let point = |s: u32| SeriesPoint {
            second: s.into(),
            completed: 10,
            in_flight: in_flight(s),
            phase: Some(if s < 5 { Phase::Warmup } else { Phase::Measuring }),
            ..SeriesPoint::default()
        };
        (0..seconds).map(point).collect()
    }

    #[test]
    fn growing_in_flight_is_told_after_a_while() {
        let grows = |s| s * 3;
        assert_eq!(falls_behind(&series(grows, 19), 5.0), None, "too short to tell");
        let (first, last) = falls_behind(&series(grows, 35), 5.0).unwrap();
        assert!((first - 28.5).abs() < 1e-9 && (last - 88.5).abs() < 1e-9, "{first} {last}");
        assert_eq!(falls_behind(&series(|s| 4 + s % 3, 60), 5.0), None);
        assert_eq!(falls_behind(&series(|s| s.min(20), 60), 5.0), None, "it has settled");
        assert_eq!(falls_behind(&[], 0.0), None);
    }
}
