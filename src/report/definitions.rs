//! A report's latencies and throughput under another tool's definitions, exactly, from every token's time.
//!
//! The rules are [`Definitions`]'s; in here they are applied to the requests of a window. Those tools know whole
//! requests and whole runs only. So the steady window, and the measured one that a range cuts, has the latencies of the
//! requests that lie wholly in it, and its throughput stays ours.

use serde::Serialize;

use super::figures::{Report, Throughput, Window};
use super::run::{Run, Stage};
use super::stats::{Pool, Stats};
use super::window::{self, Span};
use crate::event::Outcome;
use crate::metrics::{Definitions, Over, RequestRecord, Value};

/// A window as a tool would tell it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Redefined {
    /// The tool's name.
    pub name: &'static str,
    /// What its throughput is over.
    pub seconds: f64,
    pub throughput: Throughput,
    pub latency: RedefinedLatency,
}

/// The latencies that tools agree on by name, seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RedefinedLatency {
    pub ttft_s: Stats,
    pub itl_s: Stats,
    /// `null` where the tool has none.
    pub tpot_s: Option<Stats>,
    pub e2e_s: Stats,
}

impl RedefinedLatency {
    /// Name for people, and statistics.
    pub fn all(&self) -> [(&'static str, Option<&Stats>); 4] {
        [
            ("TTFT", Some(&self.ttft_s)),
            ("ITL", Some(&self.itl_s)),
            ("TPOT", self.tpot_s.as_ref()),
            ("E2E", Some(&self.e2e_s)),
        ]
    }
}

/// Adds a tool's figures to every window of a run's report.
pub fn redefine(report: &mut Report, run: &Run, definitions: Definitions) {
    if definitions == Definitions::Own {
        return;
    }
    let tick_ns = run.header.tick_ns;
    for (told, stage) in report.stages.iter_mut().zip(&run.stages) {
        let Some(whole) = window::whole(stage) else { continue };
        if let Some(window) = &mut told.windows.measured {
            let requests: Vec<_> = completed(stage).collect();
            // Over a part of the run whole requests would leave out what its edges cut.
            let over = if window::measured(stage) == Some(whole) {
                throughput(definitions, &requests, window)
            } else {
                (window.seconds, window.throughput)
            };
            window.definitions = Some(redefined(definitions, &requests, over, tick_ns));
        }
        let steady = window::steady(stage, &run.controls, whole);
        if let (Some(window), Some(span)) = (&mut told.windows.steady, steady) {
            let requests: Vec<_> = completed(stage).filter(|r| inside(r, span)).collect();
            window.definitions =
                Some(redefined(definitions, &requests, (window.seconds, window.throughput), tick_ns));
        }
    }
}

fn completed(stage: &Stage) -> impl Iterator<Item = &RequestRecord> {
    stage.judged().filter(|r| r.outcome == Outcome::Completed)
}

fn inside(r: &RequestRecord, span: Span) -> bool {
    span.has(r.sent_ns) && span.has(r.finished_ns)
}

fn redefined(
    of: Definitions,
    requests: &[&RequestRecord],
    (seconds, throughput): (f64, Throughput),
    tick_ns: u64,
) -> Redefined {
    let stats = |take: &dyn Fn(&mut Pool, &RequestRecord)| {
        let mut pool = Pool::new(tick_ns);
        for r in requests {
            take(&mut pool, r);
        }
        pool.stats()
    };
    let latency = RedefinedLatency {
        ttft_s: stats(&|pool, r| r.ttft_ns().into_iter().for_each(|ns| pool.push_ns(ns))),
        itl_s: stats(&|pool, r| of.itls(r, |value| push(pool, value))),
        tpot_s: of
            .has_tpot()
            .then(|| stats(&|pool, r| of.tpot(r).into_iter().for_each(|value| push(pool, value)))),
        e2e_s: stats(&|pool, r| of.e2e_ns(r).into_iter().for_each(|ns| pool.push_ns(ns))),
    };
    Redefined { name: of.name(), seconds, throughput, latency }
}

fn push(pool: &mut Pool, value: Value) {
    if value.parts == value.weight {
        pool.push_chunk(value.total_ns, value.weight);
    } else {
        // No tool weighs a share by anything but its parts or by one.
        (0..value.weight).for_each(|_| pool.push_f64(value.ns()));
    }
}

fn throughput(of: Definitions, requests: &[&RequestRecord], window: &Window) -> (f64, Throughput) {
    let seconds = match of.over() {
        Over::Window => return (window.seconds, window.throughput),
        Over::WholeRun => window.seconds,
        Over::FirstStartToLastEnd => {
            let first = requests.iter().map(|r| r.sent_ns).min().unwrap_or(0);
            let last = requests.iter().map(|r| r.finished_ns).max().unwrap_or(0);
            last.saturating_sub(first) as f64 / 1e9
        }
    };
    let rate = |count: u64| (seconds > 0.0).then(|| count as f64 / seconds);
    let sum = |tokens: fn(&RequestRecord) -> u32| requests.iter().map(|r| u64::from(tokens(r))).sum::<u64>();
    let (output, input) = (sum(|r| r.output_tokens), sum(|r| r.prompt_tokens));
    let throughput = Throughput {
        requests_per_s: rate(requests.len() as u64),
        output_tokens_per_s: rate(output),
        input_tokens_per_s: rate(input),
        total_tokens_per_s: rate(output + input),
    };
    (seconds, throughput)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Show, fixture, markdown, report, text};

    fn told(definitions: Definitions) -> (Redefined, Report) {
        let run = fixture::run();
        let mut report = report(&run);
        redefine(&mut report, &run, definitions);
        (report.stages[0].windows.measured.clone().unwrap().definitions.unwrap(), report)
    }

    fn near(got: Option<f64>, want: f64) {
        let got = got.unwrap();
        assert!((got - want).abs() <= 1e-12 * want.abs().max(1.0), "{got} is not {want}");
    }

    // Completed are: 1, sent at 1000, chunks of 1, 2, 1 tokens at 1100, 1160, 1200, end at 1500; 2, sent at 1010, a
    // token at 1310, end at 2000; 3, sent at 1501, no token, end at 1800. Measured from 1 s to 3 s.

    #[test]
    fn vllm_by_hand() {
        let (told, _) = told(Definitions::Vllm);
        assert_eq!((told.latency.itl_s.count, told.latency.itl_s.max), (2, Some(0.06)));
        near(told.latency.itl_s.mean, 0.05);
        near(told.latency.tpot_s.unwrap().mean, 0.1 / 3.0);
        near(told.latency.e2e_s.max, 0.3);
        near(Some(told.seconds), 2.0);
        // Five tokens: 4 and 1. Those of the cancelled request don't count.
        near(told.throughput.output_tokens_per_s, 2.5);
        near(told.throughput.total_tokens_per_s, 17.5);
    }

    #[test]
    fn aiperf_by_hand() {
        let (told, _) = told(Definitions::Aiperf);
        assert_eq!(told.latency.itl_s, *told.latency.tpot_s.as_ref().unwrap());
        near(told.latency.itl_s.p50, 0.1 / 3.0);
        near(Some(told.seconds), 1.0);
        near(told.throughput.requests_per_s, 3.0);
    }

    #[test]
    fn guidellm_by_hand() {
        let (told, report) = told(Definitions::Guidellm);
        assert_eq!(told.latency.itl_s.count, 3);
        near(told.latency.itl_s.mean, 0.1 / 3.0);
        // 200 ms for four tokens, 300 ms for one: weighted, a fifth of the sum.
        let tpot = told.latency.tpot_s.unwrap();
        assert_eq!((tpot.count, tpot.p50, tpot.max), (5, Some(0.05), Some(0.3)));
        near(tpot.mean, 0.1);
        near(told.latency.e2e_s.mean, (0.5 + 0.99 + 0.299) / 3.0);
        assert_eq!(told.throughput, report.stages[0].windows.measured.as_ref().unwrap().throughput);
    }

    #[test]
    fn genai_perf_and_fastgen_by_hand() {
        let (genai, _) = told(Definitions::GenaiPerf);
        assert_eq!((genai.latency.itl_s.count, genai.latency.tpot_s), (2, None));
        near(genai.latency.itl_s.mean, 0.035);
        let (fastgen, _) = told(Definitions::Fastgen);
        assert_eq!((fastgen.latency.itl_s.count, fastgen.latency.itl_s.max), (1, Some(0.06)));
        near(fastgen.latency.e2e_s.max, 0.99);
        near(fastgen.throughput.requests_per_s, 3.0);
    }

    #[test]
    fn reports_say_whose_definitions_hold() {
        for of in Definitions::ALL {
            let run = fixture::run();
            let mut report = report(&run);
            let own = report.to_json().unwrap();
            redefine(&mut report, &run, of);
            let named = format!("as {}", of.name());
            let shown = text(std::slice::from_ref(&report), Show::Both);
            let marked = markdown(std::slice::from_ref(&report), Show::Measured);
            let json = report.to_json().unwrap();
            if of == Definitions::Own {
                assert!(!shown.contains("as own") && json == own);
                continue;
            }
            assert!(shown.contains(&named), "{shown}");
            assert!(marked.contains(&named), "{marked}");
            assert!(json.contains(&format!("\"name\": \"{}\"", of.name())));
            assert!(!shown.contains("TTFT corrected"), "{shown}");
            assert_eq!(
                shown.lines().any(|l| l.trim_start().starts_with("TPOT -  ")),
                !of.has_tpot(),
                "{shown}"
            );
        }
    }

    #[test]
    fn in_the_steady_window_requests_lie_wholly_in_it() {
        let run = fixture::closed_loop(8, 200);
        let mut report = report(&run);
        redefine(&mut report, &run, Definitions::Aiperf);
        let windows = &report.stages[0].windows;
        let count =
            |w: &Option<Window>| w.as_ref().unwrap().definitions.as_ref().unwrap().latency.ttft_s.count;
        assert_eq!(count(&windows.measured), 1600);
        assert!(count(&windows.steady) < 1600 && count(&windows.steady) > 1500);
        let steady = windows.steady.as_ref().unwrap();
        let told = steady.definitions.as_ref().unwrap();
        near(Some(told.seconds), steady.seconds);
        assert_eq!(told.throughput, steady.throughput);
    }
}
