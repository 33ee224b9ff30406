//! When requests are sent.
//!
//! Every arrival process answers one question: a sender is free since `free_ns`; when is its next request
//! *scheduled*? A closed loop answers "now"; an open loop answers from its own timetable, computed ahead from
//! the seed, whatever the sender's state: a late sender sends late and the lag is counted.

use std::time::Duration;

use super::random::Random;
use crate::profile::Jitter;

const ARRIVALS: u64 = 0x0061_7272_6976_616c;
const JITTER: u64 = 0x6a69_7474_6572;

/// An arrival process. Times are nanoseconds since the stage's measured part began.
#[derive(Debug, Clone)]
pub enum Arrivals {
    /// A sender's next request is due as soon as it is free.
    Closed,
    /// Request `i` is due at `i / rate`, with a rate in requests a second.
    Constant { rate: f64, sent: u64 },
    /// Gaps are exponential with mean `1 / rate`.
    Poisson { rate: f64, last_s: f64, random: Random },
}

impl Arrivals {
    /// Requests at even distances, `rate` (above 0) a second.
    pub fn constant(rate: f64) -> Self {
        Self::Constant { rate, sent: 0 }
    }

    /// A Poisson process of `rate` (above 0) requests a second.
    pub fn poisson(rate: f64, seed: u64) -> Self {
        Self::Poisson { rate, last_s: 0.0, random: Random::new(seed, ARRIVALS, 0) }
    }

    /// `true` if the timetable does not depend on when senders are free.
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Closed)
    }

    /// When the next request is scheduled, for a sender that is free since `free_ns`.
    pub fn next_ns(&mut self, free_ns: u64) -> u64 {
        match self {
            Self::Closed => free_ns,
            Self::Constant { rate, sent } => {
                let at_s = *sent as f64 / *rate;
                *sent += 1;
                (at_s * 1e9) as u64
            }
            Self::Poisson { rate, last_s, random } => {
                *last_s += random.exponential() / *rate;
                (*last_s * 1e9) as u64
            }
        }
    }
}

/// How long a client waits before its first request: uniform on 0..`fixed + per_client × clients`.
pub fn start_delay(seed: u64, jitter: &Jitter, client: u32, clients: u32) -> Duration {
    let most = jitter.fixed.saturating_add(jitter.per_client.saturating_mul(clients));
    let share = Random::new(seed, JITTER, u64::from(client)).unit();
    Duration::from_nanos((most.as_nanos() as f64 * share) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_loop_sends_when_free_and_an_open_one_by_its_timetable() {
        let mut closed = Arrivals::Closed;
        assert_eq!((closed.next_ns(5), closed.next_ns(900), closed.is_open()), (5, 900, false));
        let mut constant = Arrivals::constant(4.0);
        let times: Vec<u64> = (0..4).map(|_| constant.next_ns(u64::MAX)).collect();
        assert_eq!(times, [0, 250_000_000, 500_000_000, 750_000_000]);
    }

    #[test]
    fn poisson_gaps_have_their_rate_and_come_from_the_seed() {
        let times = |seed| {
            let mut arrivals = Arrivals::poisson(50.0, seed);
            (0..20_000).map(|_| arrivals.next_ns(0)).collect::<Vec<u64>>()
        };
        let first = times(1);
        assert!(first.is_sorted());
        let rate = first.len() as f64 / (*first.last().unwrap_or(&1) as f64 / 1e9);
        assert!((rate - 50.0).abs() < 1.5, "{rate}");
        assert_eq!(first, times(1));
        assert_ne!(first, times(2));
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
