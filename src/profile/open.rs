//! Open loops: the keys of `[load]` that say how requests arrive by a timetable, and the rules they must keep.

use std::time::Duration;

use super::check::Check;
use super::{Load, LoadKind, Profile};

/// Requests in flight that an open loop may have where the profile doesn't say.
pub const USUAL_MAX_IN_FLIGHT: u32 = 1024;
/// Most requests/s that a profile may ask for: more is a slip.
pub const MOST_RATE: f64 = 1e6;
/// The gamma distribution's shapes that can be drawn from without running out of digits.
const BURSTINESS: std::ops::RangeInclusive<f64> = 0.01..=10_000.0;
const OPEN_KINDS: &str = "\"constant\", \"poisson\", \"gamma\" or \"ramp\"";

/// How requests arrive in an open loop, with all that the profile left out filled in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Open {
    /// Requests a second; of a ramp those that it goes to.
    pub rate: f64,
    /// Shape of the gamma distribution that gaps are drawn from, of `kind = "gamma"`.
    pub burstiness: Option<f64>,
    pub ramp: Option<Ramp>,
    pub max_in_flight: u32,
}

/// A rate that changes evenly from one value to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    /// Requests a second at its start, 0 or more.
    pub from: f64,
    /// Requests a second at its end, above 0.
    pub to: f64,
    /// Its length.
    pub seconds: f64,
}

impl Ramp {
    /// Requests a second, `at_s` seconds after its start; behind its end that of the end.
    pub fn rate(&self, at_s: f64) -> f64 {
        self.from + (self.to - self.from) * (at_s / self.seconds).clamp(0.0, 1.0)
    }

    /// Requests up to `at_s` seconds after its start: the rate's integral.
    pub fn requests(&self, at_s: f64) -> f64 {
        let inside = at_s.clamp(0.0, self.seconds);
        let ramped = f64::midpoint(self.from, self.rate(inside)) * inside;
        ramped + (at_s - inside).max(0.0) * self.to
    }

    /// When so many requests are due, seconds after its start: the inverse of [`Self::requests`].
    pub fn seconds(&self, requests: f64) -> f64 {
        let in_all = self.requests(self.seconds);
        if requests >= in_all {
            return self.seconds + (requests - in_all) / self.to;
        }
        if requests <= 0.0 {
            return 0.0;
        }
        // from·t + slope·t²/2 = requests, solved so that no two like numbers are subtracted.
        let slope = (self.to - self.from) / self.seconds;
        2.0 * requests / (self.from + (self.from * self.from + 2.0 * slope * requests).max(0.0).sqrt())
    }
}

impl Open {
    /// Seconds until so many requests are due, on the average.
    pub fn seconds(&self, requests: f64) -> f64 {
        self.ramp.map_or_else(|| requests / self.rate, |ramp| ramp.seconds(requests))
    }
}

impl LoadKind {
    /// Its name in profiles.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Constant => "constant",
            Self::Poisson => "poisson",
            Self::Gamma => "gamma",
            Self::Ramp => "ramp",
            Self::Trace => "trace",
        }
    }

    /// Requests are sent by a timetable, whether earlier ones are answered or not.
    pub fn is_open(self) -> bool {
        self != Self::Closed
    }
}

impl Load {
    /// The open loop that it asks for; `None` for a closed one, and without a rate.
    pub fn open(&self) -> Option<Open> {
        let rate = self.rate.filter(|_| self.kind.is_open())?;
        let ramp = self.ramp_time.filter(|_| self.kind == LoadKind::Ramp).map(|time| Ramp {
            from: self.ramp_from.unwrap_or(0.0),
            to: rate,
            seconds: time.as_secs_f64(),
        });
        Some(Open {
            rate,
            burstiness: self.burstiness.filter(|_| self.kind == LoadKind::Gamma),
            ramp,
            max_in_flight: self.max_in_flight.unwrap_or(USUAL_MAX_IN_FLIGHT),
        })
    }

    /// Clients of a closed loop; an open one has none.
    pub fn closed_clients(&self) -> Option<u32> {
        (!self.kind.is_open()).then_some(self.clients)
    }

    /// Clients that warm up side by side: all of a closed loop; of an open one `clients` too, as far as they may be in
    /// flight at once.
    pub fn warmup_clients(&self) -> u32 {
        self.open().map_or(self.clients, |open| self.clients.min(open.max_in_flight))
    }
}

/// The rules of an open loop's keys, and that a closed loop has none of them.
pub(super) fn check_open(profile: &Profile, check: &mut Check) {
    let load = &profile.load;
    if load.kind.is_open() {
        check_rate(profile, check);
        check_shape(load, check);
    } else {
        check_closed(profile, check);
    }
    check.need(load.max_in_flight != Some(0), "load.max_in_flight", || "must be 1 or more, and is 0".into());
}

fn check_closed(profile: &Profile, check: &mut Check) {
    let load = &profile.load;
    let given = [
        ("load.rate", load.rate.is_some()),
        ("load.burstiness", load.burstiness.is_some()),
        ("load.ramp_from", load.ramp_from.is_some()),
        ("load.ramp_time", load.ramp_time.is_some()),
        ("load.max_in_flight", load.max_in_flight.is_some()),
    ];
    for (key, given) in given {
        check.need(!given, key, || {
            format!(
                "belongs to an open loop, and load.kind is \"closed\"; set load.kind to {OPEN_KINDS}, or leave the \
                 key out"
            )
        });
    }
    check.need(!profile.sweep.contains_key("rate"), "sweep.rate", || {
        format!(
            "a rate belongs to an open loop, and load.kind is \"closed\"; set load.kind to {OPEN_KINDS}, or sweep over \
             `clients`"
        )
    });
}

fn check_rate(profile: &Profile, check: &mut Check) {
    let load = &profile.load;
    let kind = load.kind.name();
    let swept = profile.sweep.contains_key("rate");
    check.need(load.rate.is_some() || swept || load.kind == LoadKind::Trace, "load.kind", || {
        format!("\"{kind}\" needs a rate: set load.rate, in requests a second, or sweep over `rate`")
    });
    let rate = load.rate.unwrap_or(1.0);
    check.need(rate.is_finite() && rate > 0.0 && rate <= MOST_RATE, "load.rate", || {
        format!("must be requests a second, above 0 and up to {MOST_RATE}, and is {rate}")
    });
    check.need(!profile.sweep.contains_key("clients"), "sweep.clients", || {
        format!(
            "an open loop sends by its rate and has no clients to sweep over (load.kind is \"{kind}\"); sweep over \
             `rate`"
        )
    });
}

/// What only some kinds have.
fn check_shape(load: &Load, check: &mut Check) {
    let (kind, name) = (load.kind, load.kind.name());
    let of = |wanted: LoadKind, given: bool, key: &str, check: &mut Check| {
        check.need(kind == wanted || !given, key, || {
            format!("belongs to load.kind = \"{}\", and the kind is \"{name}\"", wanted.name())
        });
    };
    of(LoadKind::Gamma, load.burstiness.is_some(), "load.burstiness", check);
    of(LoadKind::Ramp, load.ramp_from.is_some(), "load.ramp_from", check);
    of(LoadKind::Ramp, load.ramp_time.is_some(), "load.ramp_time", check);
    check.need(kind != LoadKind::Gamma || load.burstiness.is_some(), "load.kind", || {
        "\"gamma\" needs load.burstiness, the distribution's shape: 1 is a Poisson process, less comes in bursts, \
         more is more even"
            .into()
    });
    let shape = load.burstiness.unwrap_or(1.0);
    check.need(BURSTINESS.contains(&shape), "load.burstiness", || {
        format!("must be from {} to {}, and is {shape}", BURSTINESS.start(), BURSTINESS.end())
    });
    check.need(kind != LoadKind::Ramp || load.ramp_time.is_some(), "load.kind", || {
        "\"ramp\" needs load.ramp_time, the time that it takes from load.ramp_from (0 if left out) to load.rate"
            .into()
    });
    check.need(load.ramp_time.is_none_or(|time| time >= Duration::from_millis(1)), "load.ramp_time", || {
        "must be 1ms or longer; for one rate from the start set load.kind = \"constant\"".into()
    });
    let from = load.ramp_from.unwrap_or(0.0);
    check.need(from.is_finite() && (0.0..=MOST_RATE).contains(&from), "load.ramp_from", || {
        format!("must be requests a second, from 0 to {MOST_RATE}, and is {from}")
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramps_requests_are_its_rates_integral() {
        for ramp in [
            Ramp { from: 0.0, to: 10.0, seconds: 4.0 },
            Ramp { from: 12.0, to: 2.0, seconds: 5.0 },
            Ramp { from: 3.0, to: 3.0, seconds: 2.0 },
        ] {
            let mut sum = 0.0;
            let step = 1e-4;
            for i in 0..80_000 {
                let at = f64::from(i) * step;
                sum += ramp.rate(at + step / 2.0) * step;
                let want = ramp.requests(at + step);
                assert!((sum - want).abs() < 1e-6 * (1.0 + want), "{ramp:?} at {at}: {sum}, {want}");
            }
            for requests in [0.0, 0.1, 1.0, 7.5, 20.0, 60.0] {
                let again = ramp.requests(ramp.seconds(requests));
                assert!((again - requests).abs() < 1e-9, "{ramp:?}: {requests} became {again}");
            }
        }
        let ramp = Ramp { from: 0.0, to: 10.0, seconds: 4.0 };
        // Half of 10 requests/s over 4 s, then 10 a second.
        assert!((ramp.requests(4.0) - 20.0).abs() < 1e-12 && (ramp.requests(6.0) - 40.0).abs() < 1e-12);
        assert!((ramp.seconds(5.0) - 2.0).abs() < 1e-12);
    }
}
