//! From a stage's requests to its FastGen report.

use super::figures::{FastgenReport, FastgenSla, PerValidator, Rates, Skips};
use super::setting::Setting;
use super::{Tally, flops, percentiles};
use crate::event::Outcome;
use crate::metrics::RequestRecord;
use crate::report::run::{Run, Stage};

/// Computes FastGen's figures over the completed requests of a stage, without those of warm-up. The time it
/// takes grows with the tokens, whatever the number of rates.
pub fn analyse(run: &Run, stage: &Stage, skips: Skips) -> FastgenReport {
    let requests: Vec<&RequestRecord> = stage.judged().filter(|r| r.outcome == Outcome::Completed).collect();
    let mut tally = Tally::default();
    for request in &requests {
        tally.push(*request);
    }
    let profile = &run.header.profile;
    let said = stage.info.as_ref().or(run.info.as_ref()).map_or("", |info| info.model.as_str());
    let setting = Setting::of(profile, &stage.start.sweep, said);
    let sla = FastgenSla::of(profile);
    let figures = tally.figures(stage.start.clients);
    let queries_per_s = figures.query_throughput_rps.or(figures.measured_throughput_rps);
    let tflops = flops::tflops(&setting, queries_per_s, tally.mean_tokens());
    let count = tally.requests();
    let judge = tally.into_judge();
    let rates = |validator| sla.generation_tokens_per_s.iter().map(move |rate| (validator, *rate));
    FastgenReport {
        requests: count,
        figures,
        effective_throughput_rps: PerValidator::each(|validator| {
            Rates(
                rates(validator).map(|(v, rate)| (rate, judge.effective_rps(&sla.target(v, rate)))).collect(),
            )
        }),
        good_requests: PerValidator::each(|validator| {
            Rates(rates(validator).map(|(v, rate)| (rate, judge.good(&sla.target(v, rate)))).collect())
        }),
        token_latency_percentiles_s: percentiles::token_latencies(requests, skips, run.header.tick_ns),
        skips,
        replicas: setting.replicas,
        tensor_parallel: setting.tensor_parallel,
        parameters: flops::parameters(&setting.model),
        tflops_per_gpu: tflops.measured,
        tflops_per_gpu_nominal: tflops.nominal,
        sla,
        judge,
        setting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn near(got: Option<f64>, want: f64) {
        let got = got.unwrap();
        assert!((got - want).abs() <= 1e-12 * want.abs(), "{got} is not {want}");
    }

    #[test]
    fn completed_requests_without_warm_up_are_what_counts() {
        let run = fixture::run();
        let f = analyse(&run, &run.stages[0], Skips { head_tokens: 1, requests: 0 });
        // Requests 1, 2 and 3: 500, 990 and 299 ms to their ends, from 1.0 s to 2.0 s.
        assert_eq!(f.requests, 3);
        near(f.figures.latency_s, 1.789 / 3.0);
        near(f.figures.query_throughput_rps, 2.0 * 3.0 / 1.789);
        near(f.figures.measured_throughput_rps, 3.0);
        near(f.figures.first_token_latency_s, 0.2);
        near(f.figures.token_gen_latency_s, 0.06);
        near(f.token_latency_percentiles_s.p95, 0.06);
        near(f.figures.tokens_per_s_generated, (4.0 / 0.5 + 1.0 / 0.99) / 3.0);
        // Prompts of 10 tokens have 19.5 ms: no request makes that.
        assert_eq!(f.good_requests.cumulative.at(1.0), Some(0));
        near(Some(f.effective_throughput_rps.ema16.at(8.0).unwrap() + 1.0), 1.0);
        assert_eq!(f.good_requests.ema16.at(5.0), None);
    }

    #[test]
    fn the_profiles_rates_are_used() {
        let mut run = fixture::run();
        run.header.profile["sla"] =
            serde_json::json!({ "prompt_tokens_per_s": 50, "generation_tokens_per_s": [20, 16.5] });
        let f = analyse(&run, &run.stages[0], Skips::default());
        // Prompts have 200 ms: request 1 (100 ms, gaps of 60 and 40 ms), not 2 (300 ms), nor 3 (no token).
        let good = f.good_requests;
        assert_eq!((good.cumulative.at(20.0), good.cumulative.at(16.5)), (Some(0), Some(1)));
        assert_eq!((good.ema16.at(20.0), good.ema16.at(16.5)), (Some(0), Some(1)));
        near(f.effective_throughput_rps.cumulative.at(16.5), 1.0);
        let json = serde_json::to_string(&f.effective_throughput_rps).unwrap();
        assert!(json.starts_with(r#"{"cumulative":{"20":0.0,"16.5":1.0}"#), "{json}");
    }

    #[test]
    fn a_stage_without_requests_has_no_figures() {
        let mut run = fixture::run();
        run.stages[0].requests.clear();
        let f = analyse(&run, &run.stages[0], Skips::default());
        assert_eq!((f.requests, f.figures), (0, super::super::Figures::default()));
        assert_eq!(f.good_requests.cumulative.0.len(), 6);
        assert!(f.good_requests.cumulative.0.iter().all(|(_, good)| good.is_none()));
        assert_eq!(
            (f.token_latency_percentiles_s, f.tflops_per_gpu),
            (percentiles::Percentiles::default(), None)
        );
    }
}
