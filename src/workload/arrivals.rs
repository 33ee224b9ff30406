//! When requests are sent.
//!
//! A closed loop's client sends as soon as it is free, after a start delay from the seed. An open loop has a
//! [`Timetable`]: request `i` is due at a time that follows from the seed alone, whatever becomes of the requests
//! before it. A sender that is late sends late, and the lag is counted.

use std::time::Duration;

use super::pace::Pace;
use super::random::Random;
use crate::profile::{Jitter, Load, LoadKind};

const ARRIVALS: u64 = 0x0061_7272_6976_616c;
const JITTER: u64 = 0x6a69_7474_6572;

/// Gaps between requests, with a mean of 1.
#[derive(Debug, Clone)]
enum Gaps {
    /// All alike; the first request is due at once.
    Even,
    /// Exponential: a Poisson process.
    Exponential(Random),
    /// Of a gamma distribution of this shape: its standard deviation is `1 / √shape`.
    Gamma(Random, f64),
}

impl Gaps {
    fn first(&mut self) -> f64 {
        match self {
            Self::Even => 0.0,
            _ => self.draw(),
        }
    }

    fn draw(&mut self) -> f64 {
        match self {
            Self::Even => 1.0,
            Self::Exponential(random) => random.exponential(),
            Self::Gamma(random, shape) => random.gamma(*shape) / *shape,
        }
    }
}

/// An open loop's times, in seconds since the stage's measured part began.
#[derive(Debug, Clone)]
pub struct Timetable {
    gaps: Gaps,
    pace: Pace,
    /// The next request's place: the sum of gaps up to it.
    next: f64,
}

impl Timetable {
    /// The times that a profile asks for; `None` for a closed loop.
    pub fn new(load: &Load, seed: u64) -> Option<Self> {
        let open = load.open()?;
        let random = Random::new(seed, ARRIVALS, 0);
        let mut gaps = match load.kind {
            LoadKind::Poisson => Gaps::Exponential(random),
            LoadKind::Gamma => Gaps::Gamma(random, open.burstiness.unwrap_or(1.0)),
            _ => Gaps::Even,
        };
        let next = gaps.first();
        Some(Self { gaps, pace: Pace::new(&open), next })
    }

    /// When the next request is due; `None` while the timetable is paused before it.
    pub fn next_s(&mut self) -> Option<f64> {
        self.pace.reaches(self.next)
    }

    /// The next request is taken: the one behind it is the next.
    pub fn advance(&mut self) {
        self.next += self.gaps.draw();
    }

    /// From a moment on requests come at this even rate, requests/s; gaps keep their distribution.
    pub fn set_rate(&mut self, at_s: f64, rate: f64) {
        self.pace.set_rate(at_s, rate);
    }

    /// From a moment on no request is due.
    pub fn pause(&mut self, at_s: f64) {
        self.pace.pause(at_s);
    }

    /// Goes on after a pause: all times ahead are later by its length.
    pub fn resume(&mut self, at_s: f64) {
        self.pace.resume(at_s);
    }
}

/// How long a closed loop's client waits before its first request: uniform on 0..`fixed + per_client × clients`.
pub fn start_delay(seed: u64, jitter: &Jitter, client: u32, clients: u32) -> Duration {
    let most = jitter.fixed.saturating_add(jitter.per_client.saturating_mul(clients));
    let share = Random::new(seed, JITTER, u64::from(client)).unit();
    Duration::from_nanos((most.as_nanos() as f64 * share) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(kind: LoadKind, rate: f64) -> Load {
        Load { kind, rate: Some(rate), ..Load::default() }
    }

    fn times(load: &Load, seed: u64, count: usize) -> Vec<f64> {
        let mut table = Timetable::new(load, seed).unwrap();
        let next = |_| {
            let at = table.next_s().unwrap();
            table.advance();
            at
        };
        (0..count).map(next).collect()
    }

    /// Mean and variance of the gaps, the first from 0.
    fn moments(times: &[f64]) -> (f64, f64) {
        let gaps: Vec<f64> =
            std::iter::once(times[0]).chain(times.windows(2).map(|pair| pair[1] - pair[0])).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        (mean, gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64)
    }

    #[test]
    fn a_closed_loop_has_no_timetable_and_constant_rates_have_even_gaps() {
        assert!(Timetable::new(&Load { rate: None, ..load(LoadKind::Closed, 1.0) }, 1).is_none());
        let got = times(&load(LoadKind::Constant, 4.0), 1, 4);
        assert_eq!(got, [0.0, 0.25, 0.5, 0.75]);
    }

    #[test]
    fn random_gaps_have_the_moments_of_their_law_and_come_from_the_seed() {
        let n = 60_000;
        let gamma = |shape| Load { burstiness: Some(shape), ..load(LoadKind::Gamma, 50.0) };
        let cases =
            [(load(LoadKind::Poisson, 50.0), 1.0), (gamma(0.2), 0.2), (gamma(1.0), 1.0), (gamma(4.0), 4.0)];
        for (load, shape) in cases {
            let first = times(&load, 7, n);
            assert!(first.is_sorted());
            let (mean, variance) = moments(&first);
            // Standard error of the mean, and of the variance by the fourth moment 3 + 6/shape, five of them.
            let law = 0.02_f64.powi(2) / shape;
            let mean_error = 5.0 * (law / n as f64).sqrt();
            let error = 5.0 * law * ((2.0 + 6.0 / shape) / n as f64).sqrt();
            assert!((mean - 0.02).abs() < mean_error, "{:?} {shape}: mean {mean}", load.kind);
            assert!(
                (variance - law).abs() < error,
                "{:?} {shape}: variance {variance}, not {law}",
                load.kind
            );
            assert_eq!(first, times(&load, 7, n));
            assert_ne!(first, times(&load, 8, n));
        }
    }

    #[test]
    fn a_gamma_process_of_shape_one_is_a_poisson_process() {
        let n = 20_000;
        let gamma = times(&Load { burstiness: Some(1.0), ..load(LoadKind::Gamma, 1.0) }, 3, n);
        let poisson = times(&load(LoadKind::Poisson, 1.0), 3, n);
        // Shares of gaps below the exponential distribution's quartiles.
        for quartile in [0.25, 0.5, 0.75] {
            let bound = -libm::log(1.0 - quartile);
            for times in [&gamma, &poisson] {
                let below = times.windows(2).filter(|pair| pair[1] - pair[0] < bound).count();
                let share = below as f64 / (n - 1) as f64;
                assert!((share - quartile).abs() < 0.018, "{share} is not {quartile}");
            }
        }
    }

    #[test]
    fn a_ramp_sends_its_rates_integral() {
        let ramp = Load {
            ramp_from: Some(2.0),
            ramp_time: Some(Duration::from_secs(10)),
            ..load(LoadKind::Ramp, 20.0)
        };
        let got = times(&ramp, 1, 400);
        let by = |at_s: f64| got.iter().filter(|t| **t < at_s).count();
        // 2·t + 0.9·t²: 10 + 22.5 by 5 s, 110 by 10 s, then 20 a second; and the one at 0.
        assert_eq!((by(5.0), by(10.0), by(12.0)), (33, 110, 150));
        assert!(got.windows(2).all(|pair| pair[1] > pair[0]));
        let from_nothing = times(&Load { ramp_from: None, ..ramp }, 1, 2);
        assert!(from_nothing[0].abs() < 1e-12 && (from_nothing[1] - 1.0).abs() < 1e-12, "{from_nothing:?}");
    }

    #[test]
    fn start_delays_fill_their_range_and_grow_with_clients() {
        let jitter = Jitter { fixed: Duration::from_millis(5), per_client: Duration::from_millis(10) };
        let delays: Vec<Duration> = (0..400).map(|c| start_delay(9, &jitter, c, 400)).collect();
        let most = Duration::from_millis(4005);
        assert!(delays.iter().all(|d| *d < most));
        let mean = delays.iter().sum::<Duration>() / 400;
        assert!((mean.as_secs_f64() - 2.0).abs() < 0.2, "{mean:?}");
        assert_eq!(start_delay(9, &Jitter::default(), 3, 8), Duration::ZERO);
    }
}
