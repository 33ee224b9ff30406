//! Which loads are tried: a fixed choice, or those of a profile's traffic.

use std::time::Duration;

use serde::Serialize;

use crate::profile::{Profile, StagePlan};

/// Tokens of a request where no profile says.
const OUTPUT: u32 = 100;
/// Prompt tokens where no profile says.
const PROMPT: u32 = 32;
/// Streams of the fastest load, and of the paced ones.
const FLAT_OUT: [u32; 4] = [1, 16, 64, 256];
const PACED: [u32; 3] = [16, 64, 256];
/// Streams of more paced loads where time does not matter.
const THOROUGH: [u32; 2] = [512, 1024];
/// Tokens of a paced request: so that many of them begin within a load.
const PACED_OUTPUT: u32 = 30;
/// The pace where no profile says.
const TTFT: Duration = Duration::from_millis(50);
const ITL: Duration = Duration::from_millis(10);
/// The longest pace that is tried: a client's errors do not grow with the wait.
const TTFT_MOST: Duration = Duration::from_millis(200);
const ITL_MOST: Duration = Duration::from_millis(50);
/// A paced request lasts no longer, so that a load sees the beginnings of many.
const PACED_REQUEST: Duration = Duration::from_millis(700);
/// Streams of the paced load that a limit rests on: with few, most of a token's cost is the waking.
const LIMIT_STREAMS: u32 = 256;
/// A step of the simulated engine in that load. It takes in one request a step, so about as many run as a request has
/// tokens.
const LIMIT_STEP: Duration = Duration::from_millis(1);
/// Most different client counts of a profile that are tried.
const COUNTS: usize = 3;

/// How tokens get to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the built-in server, over loopback.
    Http,
    /// From the simulated engine, within the process.
    InProcess,
}

/// What a load is to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// The most tokens/s: nothing is waited for.
    Tokens,
    /// The most requests/s: of one token each.
    Requests,
    /// The errors, and what a token costs that comes alone: a token at a time.
    Paced,
}

/// One load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Load {
    pub way: Way,
    pub aim: Aim,
    /// Clients with a request each.
    pub streams: u32,
    pub prompt_tokens: u32,
    pub output_tokens: u32,
    /// The pace; 0 where nothing is waited for.
    pub ttft_s: f64,
    pub itl_s: f64,
    /// How long it is measured.
    pub seconds: f64,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// How long each load is measured; paced ones twice as long.
    pub time: Option<Duration>,
    /// More streams, and longer.
    pub thorough: bool,
}

/// All loads of a calibration.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The profile whose traffic it is.
    pub profile: Option<String>,
    /// The streams that the verdict is about.
    pub streams: u32,
    /// The shortest limit on TTFT and on ITL or TPOT in the profile's SLA, seconds.
    pub sla_ttft_s: Option<f64>,
    pub sla_itl_s: Option<f64>,
    pub loads: Vec<Load>,
}

/// What is alike in a plan's loads.
struct Traffic {
    flat_out: Vec<u32>,
    paced: Vec<u32>,
    /// For requests/s, and in process.
    streams: u32,
    prompt_tokens: u32,
    output_tokens: u32,
    paced_output: u32,
    ttft: Duration,
    itl: Duration,
}

impl Plan {
    /// Loads that suit no traffic in particular.
    pub fn general(wanted: Wanted) -> Self {
        let mut paced = PACED.to_vec();
        if wanted.thorough {
            paced.extend(THOROUGH);
        }
        let traffic = Traffic {
            flat_out: FLAT_OUT.to_vec(),
            paced,
            streams: 64,
            prompt_tokens: PROMPT,
            output_tokens: OUTPUT,
            paced_output: PACED_OUTPUT,
            ttft: TTFT,
            itl: ITL,
        };
        let loads = traffic.loads(wanted);
        Self { profile: None, streams: traffic.streams, sla_ttft_s: None, sla_itl_s: None, loads }
    }

    /// A profile's traffic: its clients, its mean lengths, and the pace that its SLA allows.
    pub fn of(profile: &Profile, stages: &[StagePlan], wanted: Wanted) -> Self {
        let counts = counts(stages);
        let most = counts.last().copied().unwrap_or(1);
        let busiest = stages.iter().map(|stage| &stage.profile).max_by_key(|p| p.load.clients);
        let workload = &busiest.unwrap_or(profile).workload;
        let tokens = |mean: f64| (mean.round() as u32).max(1);
        let output_tokens = tokens(workload.output_tokens.mean());
        let (sla_ttft, sla_itl) = (limit(profile, &["ttft"]), limit(profile, &["itl", "tpot"]));
        let ttft = sla_ttft.unwrap_or(TTFT).min(TTFT_MOST);
        // A server that waits for nothing is another load.
        let itl = sla_itl.unwrap_or(ITL).clamp(Duration::from_millis(1), ITL_MOST);
        let fits = 1 + (PACED_REQUEST.saturating_sub(ttft).as_nanos() / itl.as_nanos()) as u32;
        let traffic = Traffic {
            flat_out: counts.clone(),
            paced: counts,
            streams: most,
            prompt_tokens: tokens(workload.prompt_tokens.mean()),
            output_tokens,
            paced_output: output_tokens.min(fits),
            ttft,
            itl,
        };
        let loads = traffic.loads(wanted);
        let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64());
        Self {
            profile: Some(profile.profile.name.clone()),
            streams: most,
            sla_ttft_s: seconds(sla_ttft),
            sla_itl_s: seconds(sla_itl),
            loads,
        }
    }
}

/// The client counts of a profile's stages, a few of them: the fewest, the middle, the most.
fn counts(stages: &[StagePlan]) -> Vec<u32> {
    let mut counts: Vec<u32> = stages.iter().map(|stage| stage.profile.load.clients.max(1)).collect();
    counts.sort_unstable();
    counts.dedup();
    if counts.len() > COUNTS {
        counts = vec![counts[0], counts[counts.len() / 2], counts[counts.len() - 1]];
    }
    counts
}

/// The shortest limit of the SLA on these figures, whatever statistic of them.
fn limit(profile: &Profile, figures: &[&str]) -> Option<Duration> {
    let of = |key: &str| figures.contains(&key.split('_').next().unwrap_or(key));
    profile.sla.thresholds.iter().filter(|(key, _)| of(key)).map(|(_, limit)| *limit).min()
}

impl Traffic {
    fn loads(&self, wanted: Wanted) -> Vec<Load> {
        let usual = Duration::from_secs(if wanted.thorough { 5 } else { 1 });
        let seconds = wanted.time.unwrap_or(usual).as_secs_f64();
        let flat_out = |way, aim, streams, output_tokens| Load {
            way,
            aim,
            streams,
            prompt_tokens: self.prompt_tokens,
            output_tokens,
            ttft_s: 0.0,
            itl_s: 0.0,
            seconds,
        };
        // However short: in every stream a request must begin, whose first token is judged.
        let request = self.ttft.as_secs_f64() + self.itl.as_secs_f64() * f64::from(self.paced_output);
        let paced_seconds = (2.0 * seconds).max(1.25 * request);
        let paced = |way, streams| Load {
            ttft_s: self.ttft.as_secs_f64(),
            itl_s: self.itl.as_secs_f64(),
            seconds: paced_seconds,
            ..flat_out(way, Aim::Paced, streams, self.paced_output)
        };
        let mut loads = Vec::new();
        if super::HTTP {
            let tokens = |n: &u32| flat_out(Way::Http, Aim::Tokens, *n, self.output_tokens);
            loads.extend(self.flat_out.iter().map(tokens));
            loads.push(flat_out(Way::Http, Aim::Requests, self.streams, 1));
            loads.extend(self.paced.iter().map(|n| paced(Way::Http, *n)));
            if self.paced.iter().all(|n| *n < LIMIT_STREAMS) {
                loads.push(paced(Way::Http, LIMIT_STREAMS));
            }
        }
        loads.push(flat_out(Way::InProcess, Aim::Tokens, self.streams, self.output_tokens));
        loads.push(flat_out(Way::InProcess, Aim::Requests, self.streams, 1));
        loads.push(Load {
            itl_s: LIMIT_STEP.as_secs_f64(),
            seconds: 2.0 * seconds,
            ..flat_out(Way::InProcess, Aim::Paced, LIMIT_STREAMS, OUTPUT)
        });
        loads
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;
    use crate::profile::resolve_in;

    fn of(sets: &[&str]) -> Plan {
        let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
        let profile = resolve_in(None, "sim", &sets).unwrap().profile;
        Plan::of(&profile, &profile.stages().unwrap(), Wanted::default())
    }

    #[test]
    fn the_general_plan_is_done_within_half_a_minute() {
        let plan = Plan::general(Wanted::default());
        assert!(plan.loads.iter().map(|load| load.seconds).sum::<f64>() < 20.0);
        assert!(plan.loads.iter().any(|load| load.aim == Aim::Paced && load.streams == plan.streams));
        let thorough = Plan::general(Wanted { thorough: true, time: None });
        assert!(thorough.loads.iter().any(|load| load.streams == 1024) || !crate::calibrate::HTTP);
    }

    #[test]
    fn a_profiles_traffic_is_its_clients_lengths_and_sla() {
        let plan = of(&[
            "sweep.clients=[1, 2, 4, 8, 96]",
            "stop.duration=1s",
            "workload.prompt_tokens=700",
            "workload.output_tokens={ uniform = { min = 10, max = 31 } }",
            "sla.ttft_p99=100ms",
            "sla.tpot=20ms",
            "sla.itl_p99=30ms",
        ]);
        assert_eq!((plan.streams, plan.profile.as_deref()), (96, Some("sim")));
        assert_eq!((plan.sla_ttft_s, plan.sla_itl_s), (Some(0.1), Some(0.02)));
        let mut streams: Vec<u32> = plan.loads.iter().map(|load| load.streams).collect();
        streams.sort_unstable();
        streams.dedup();
        let http = crate::calibrate::HTTP;
        assert!(if http { streams == [1, 4, 96, 256] } else { streams == [96, 256] }, "{streams:?}");
        for load in plan.loads.iter().filter(|load| load.way == Way::Http && load.aim == Aim::Paced) {
            assert_eq!((load.prompt_tokens, load.output_tokens), (700, 21));
            assert!((load.itl_s - 0.02).abs() < 1e-12 && load.seconds > 0.1 + 21.0 * 0.02, "{load:?}");
        }
    }

    #[test]
    fn a_slow_sla_does_not_make_a_slow_calibration() {
        let plan = of(&["sla.ttft=1h", "sla.itl=1m", "workload.output_tokens=30000"]);
        for load in plan.loads.iter().filter(|load| load.aim == Aim::Paced) {
            assert!(load.ttft_s + f64::from(load.output_tokens) * load.itl_s < 2.0, "{load:?}");
        }
        assert!(of(&["sla.itl=1ns"]).loads.iter().all(|load| load.aim != Aim::Paced || load.itl_s >= 0.001));
    }
}
