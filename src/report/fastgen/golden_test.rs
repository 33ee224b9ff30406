//! Every figure against the original's outputs: `tests/golden/fastgen_analysis.json`.

use serde_json::Value;

use super::{
    FastgenReport, Figures, Percentiles, Rates, Skips, Tally, Target, Timeline, Validator, analyse,
    token_latencies,
};
use crate::metrics::RequestRecord;
use crate::report::{Run, fixture};

/// How the golden file calls the validators.
const VALIDATORS: [(&str, Validator); 2] = [("cum", Validator::Cumulative), ("ema16", Validator::Ema16)];
const RATES: [f64; 6] = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0];

/// A request of the golden file, its times as they stand there.
struct Request {
    prompt_tokens: u32,
    output_tokens: u32,
    start_s: f64,
    end_s: f64,
    entries_s: Vec<f64>,
}

impl Timeline for Request {
    fn prompt_tokens(&self) -> u32 {
        self.prompt_tokens
    }
    fn output_tokens(&self) -> u32 {
        self.output_tokens
    }
    fn start_s(&self) -> f64 {
        self.start_s
    }
    fn end_s(&self) -> f64 {
        self.end_s
    }
    fn entries(&self) -> usize {
        self.entries_s.len()
    }
    fn entry_s(&self, i: usize) -> f64 {
        self.entries_s[i]
    }
}

struct Case {
    name: String,
    clients: u32,
    requests: Vec<Request>,
    expected: Value,
}

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/fastgen_analysis.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {value}"))
}

fn cases() -> Vec<Case> {
    let request = |r: &Value| Request {
        prompt_tokens: number(r, "prompt_tokens") as u32,
        output_tokens: number(r, "output_tokens") as u32,
        start_s: number(r, "start_time"),
        end_s: number(r, "end_time"),
        entries_s: r["token_gen_time"].as_array().unwrap().iter().map(|e| e.as_f64().unwrap()).collect(),
    };
    let case = |c: &Value| Case {
        name: c["name"].as_str().unwrap().to_owned(),
        clients: number(c, "num_clients") as u32,
        requests: c["requests"].as_array().unwrap().iter().map(request).collect(),
        expected: c["expected"].clone(),
    };
    let cases: Vec<_> = golden()["cases"].as_array().unwrap().iter().map(case).collect();
    assert_eq!(cases.len(), 4);
    cases
}

/// Compares to a relative tolerance, and counts.
struct Compare {
    case: String,
    tolerance: f64,
    compared: usize,
}

impl Compare {
    fn new(case: &Case, tolerance: f64) -> Self {
        Self { case: case.name.clone(), tolerance, compared: 0 }
    }

    fn same(&mut self, what: &str, got: Option<f64>, want: &Value) {
        let (got, want) = (got.unwrap_or(f64::NAN), want.as_f64().unwrap());
        let near = (got - want).abs() <= self.tolerance * want.abs();
        assert!(near, "{}: {what} is {got}, the original's {want}", self.case);
        self.compared += 1;
    }

    fn figures(&mut self, got: &Figures, expected: &Value) {
        let summary = [
            ("throughput_qps_clients_over_mean_latency", got.query_throughput_rps),
            ("latency_s", got.latency_s),
            ("token_gen_latency_s", got.token_gen_latency_s),
            ("first_token_latency_s", got.first_token_latency_s),
            ("tokens_per_sec_generated", got.tokens_per_s_generated),
            ("tokens_per_sec_prompt_plus_generated", got.tokens_per_s_prompt_and_generated),
        ];
        assert_eq!(expected["summary"].as_object().unwrap().len(), summary.len());
        for (key, got) in summary {
            self.same(key, got, &expected["summary"][key]);
        }
        self.same("measured", got.measured_throughput_rps, &expected["measured_throughput_qps"]);
    }

    fn percentiles(&mut self, key: &str, got: Percentiles, expected: &Value) {
        for (name, got) in got.all() {
            self.same(&format!("{key} {name}"), got, &expected[name]);
        }
    }
}

/// `skip_head_tokens=2,skip_requests=3`
fn skips(key: &str) -> Skips {
    let numbers: Vec<usize> =
        key.split(',').map(|part| part.split_once('=').unwrap().1.parse().unwrap()).collect();
    Skips { head_tokens: numbers[0], requests: numbers[1] }
}

#[test]
fn every_figure_is_the_originals() {
    let mut compared = 0;
    for case in cases() {
        let mut compare = Compare::new(&case, 1e-9);
        let mut tally = Tally::default();
        case.requests.iter().for_each(|r| tally.push(r));
        compare.figures(&tally.figures(Some(case.clients)), &case.expected);
        let judge = tally.judge();
        for (name, validator) in VALIDATORS {
            let (effective, good) =
                (&case.expected["effective_throughput_qps"][name], &case.expected["good_requests"][name]);
            assert_eq!((effective.as_object().unwrap().len(), good.as_object().unwrap().len()), (6, 6));
            for rate in RATES {
                let target = Target { prompt_tokens_per_s: 512.0, generation_tokens_per_s: rate, validator };
                let want = good[rate.to_string()].as_u64();
                assert!(want.is_some());
                assert_eq!(judge.good(&target), want, "{}: {name} at {rate}", case.name);
                compare.same(name, judge.effective_rps(&target), &effective[rate.to_string()]);
            }
        }
        for (key, expected) in case.expected["token_latency_percentiles_s"].as_object().unwrap() {
            compare.percentiles(
                key,
                token_latencies(case.requests.iter().collect(), skips(key), 1),
                expected,
            );
        }
        compared += compare.compared;
    }
    // Seven figures, twelve effective throughputs and two times three percentiles in each of four cases.
    assert_eq!(compared, 4 * (7 + 12 + 6));
}

/// The case as a recording of whole nanoseconds. Requests that start at once stay in their order.
fn recording(case: &Case) -> Run {
    let ns = |seconds: f64| (seconds * 1e9).round() as u64;
    let first_s = case.requests.iter().map(|r| r.start_s).fold(f64::INFINITY, f64::min);
    let mut run = fixture::run();
    let mut stage = fixture::stage(case.clients, 0);
    for (number, r) in (0..).zip(&case.requests) {
        let sent = ns(r.start_s - first_s + 1.0);
        let mut at = sent;
        let chunk = |entry: &f64| {
            at += ns(*entry);
            (at, 1)
        };
        let chunks: Vec<_> = r.entries_s.iter().map(chunk).collect();
        let end = sent + ns(r.end_s - r.start_s);
        let mut made: RequestRecord = fixture::request(number, sent).chunks(&chunks).ends(end).into();
        (made.prompt_tokens, made.output_tokens) = (r.prompt_tokens, r.output_tokens);
        stage.requests.push(made);
    }
    // A warm-up request and a cancelled one change nothing.
    stage.requests.push(fixture::request(900, 0).chunks(&[(7, 1), (9, 1), (12, 1)]).warmup().into());
    let cancelled = fixture::request(901, 5).chunks(&[(8, 1)]).outcome(crate::event::Outcome::Cancelled, "");
    stage.requests.push(cancelled.into());
    stage.requests.rotate_right(2);
    run.stages = vec![stage];
    run
}

#[test]
fn a_recording_of_whole_nanoseconds_agrees_as_far_as_they_go() {
    for case in cases() {
        let run = recording(&case);
        // Half a nanosecond of a gap of a few milliseconds.
        let mut compare = Compare::new(&case, 1e-7);
        for (key, expected) in case.expected["token_latency_percentiles_s"].as_object().unwrap() {
            let report: FastgenReport = analyse(&run, &run.stages[0], skips(key));
            assert_eq!(report.requests as usize, case.requests.len());
            compare.figures(&report.figures, &case.expected);
            compare.percentiles(key, report.token_latency_percentiles_s, expected);
            for (name, validator) in VALIDATORS {
                let good: &Rates<u64> = report.good_requests.of(validator);
                for rate in RATES {
                    let want = case.expected["good_requests"][name][rate.to_string()].as_u64();
                    assert_eq!(good.at(rate), want, "{}: {name} at {rate}", case.name);
                }
            }
        }
    }
}

#[test]
fn moving_averages_are_the_originals() {
    let golden = golden();
    let series = golden["ema_adjusted"].as_array().unwrap();
    assert_eq!(series.len(), 5);
    for one in series {
        assert_eq!(one["span"], 16);
        let gaps: Vec<f64> = one["x"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        let averages = one["ema"].as_array().unwrap();
        // The highest average so far, of every beginning of the series.
        let mut highest = f64::NEG_INFINITY;
        for (n, average) in (1..).zip(averages) {
            highest = highest.max(average.as_f64().unwrap());
            let entries_s: Vec<f64> = std::iter::once(0.0).chain(gaps[..n].iter().copied()).collect();
            let request = Request { prompt_tokens: 1, output_tokens: 1, start_s: 0.0, end_s: 1.0, entries_s };
            let got = super::Pace::of(&request).ema_s;
            assert!((got - highest).abs() <= 1e-9 * highest, "{got} is not {highest} after {n}");
        }
    }
}
