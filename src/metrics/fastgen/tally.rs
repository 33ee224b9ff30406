//! The requests of a stage, taken one by one: FastGen's means, and the judge of its effective throughput.

use std::sync::Arc;

use serde::Serialize;

use super::{Pace, Target, Timeline};

/// A mean whose sum carries its rounding error along (Neumaier's summation): the original's mean is exact.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Mean {
    sum: f64,
    lost: f64,
    count: u64,
}

impl Mean {
    fn push(&mut self, value: f64) {
        let sum = self.sum + value;
        let (large, small) =
            if self.sum.abs() >= value.abs() { (self.sum, value) } else { (value, self.sum) };
        self.lost += (large - sum) + small;
        self.sum = sum;
        self.count += 1;
    }

    fn value(&self) -> Option<f64> {
        (self.count > 0).then(|| (self.sum + self.lost) / self.count as f64)
    }
}

/// Takes in the completed requests of a stage, without those of warm-up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    paces: Vec<Pace>,
    e2e_s: Mean,
    first_s: Mean,
    gap_s: Mean,
    generated_per_s: Mean,
    all_per_s: Mean,
    prompt_tokens: u64,
    output_tokens: u64,
    /// Earliest start and latest end.
    span_s: Option<(f64, f64)>,
}

/// FastGen's figures of a stage; `None` where there is nothing to compute one from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Clients / mean latency.
    pub query_throughput_rps: Option<f64>,
    /// Requests / (latest end − earliest start).
    pub measured_throughput_rps: Option<f64>,
    /// Mean of end − start.
    pub latency_s: Option<f64>,
    /// Mean of the first entries.
    pub first_token_latency_s: Option<f64>,
    /// Mean of all entries of all requests but each one's first and last.
    pub token_gen_latency_s: Option<f64>,
    /// Mean over requests of generated tokens / latency.
    pub tokens_per_s_generated: Option<f64>,
    /// Mean over requests of (prompt + generated tokens) / latency.
    pub tokens_per_s_prompt_and_generated: Option<f64>,
}

impl Tally {
    /// Takes in a request.
    pub fn push(&mut self, request: &impl Timeline) {
        let (start_s, end_s) = self.span_s.unwrap_or((f64::INFINITY, f64::NEG_INFINITY));
        self.span_s = Some((start_s.min(request.start_s()), end_s.max(request.end_s())));
        let e2e_s = request.e2e_s();
        self.e2e_s.push(e2e_s);
        let (prompt, generated) = (request.prompt_tokens(), request.output_tokens());
        self.prompt_tokens += u64::from(prompt);
        self.output_tokens += u64::from(generated);
        // A request that took no time at all has no rate.
        if e2e_s > 0.0 {
            self.generated_per_s.push(f64::from(generated) / e2e_s);
            self.all_per_s.push((f64::from(prompt) + f64::from(generated)) / e2e_s);
        }
        let entries = request.entries();
        if entries > 0 {
            self.first_s.push(request.entry_s(0));
        }
        for i in 1..entries.saturating_sub(1) {
            self.gap_s.push(request.entry_s(i));
        }
        self.paces.push(Pace::of(request));
    }

    /// Requests taken in.
    pub fn requests(&self) -> u64 {
        self.e2e_s.count
    }

    /// Mean prompt and generated tokens of a request.
    pub fn mean_tokens(&self) -> Option<(f64, f64)> {
        let requests = self.requests() as f64;
        (requests > 0.0).then(|| (self.prompt_tokens as f64 / requests, self.output_tokens as f64 / requests))
    }

    /// All figures, for a number of clients; an open loop has none, and no query throughput.
    pub fn figures(&self, clients: Option<u32>) -> Figures {
        let latency_s = self.e2e_s.value();
        let query = |clients: u32| latency_s.filter(|s| *s > 0.0).map(|s| f64::from(clients) / s);
        Figures {
            query_throughput_rps: clients.and_then(query),
            measured_throughput_rps: self.measured_rps(),
            latency_s,
            first_token_latency_s: self.first_s.value(),
            token_gen_latency_s: self.gap_s.value(),
            tokens_per_s_generated: self.generated_per_s.value(),
            tokens_per_s_prompt_and_generated: self.all_per_s.value(),
        }
    }

    fn measured_rps(&self) -> Option<f64> {
        let (start_s, end_s) = self.span_s?;
        (end_s > start_s).then(|| self.requests() as f64 / (end_s - start_s))
    }

    /// The judge over the requests taken in so far.
    pub fn judge(&self) -> Judge {
        self.clone().into_judge()
    }

    /// The judge over all requests.
    pub fn into_judge(self) -> Judge {
        let measured_rps = self.measured_rps();
        // Where no request tells of single tokens (a recording without streaming), nothing can be judged.
        let paces = if self.first_s.count > 0 { self.paces } else { Vec::new() };
        Judge { paces: paces.into(), measured_rps }
    }
}

/// Answers for any target how many requests meet it, with one comparison a request. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judge {
    paces: Arc<[Pace]>,
    measured_rps: Option<f64>,
}

impl Judge {
    /// Requests that meet the target; `None` where nothing is known of single tokens.
    pub fn good(&self, target: &Target) -> Option<u64> {
        (!self.paces.is_empty()).then(|| self.paces.iter().filter(|p| p.meets(target)).count() as u64)
    }

    /// The requests that it judges, each reduced to its pace.
    pub fn paces(&self) -> &[Pace] {
        &self.paces
    }

    /// Requests / (latest end − earliest start), of which good requests have their share.
    pub fn measured_rps(&self) -> Option<f64> {
        self.measured_rps
    }

    /// Effective throughput: measured throughput × share of requests that meet the target.
    pub fn effective_rps(&self, target: &Target) -> Option<f64> {
        let good = self.good(target)?;
        Some(self.measured_rps? * (good as f64 / self.paces.len() as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::RequestRecord;
    use crate::metrics::fastgen::Validator;

    const MS: u64 = 1_000_000;

    fn request(sent_ms: u64, chunks_ms: &[u64], finished_ms: u64) -> RequestRecord {
        RequestRecord {
            finished_ns: finished_ms * MS,
            prompt_tokens: 100,
            max_tokens: 8,
            ..RequestRecord::completed(0, sent_ms * MS, chunks_ms.iter().map(|ms| ms * MS).collect())
        }
    }

    fn near(got: Option<f64>, want: f64) {
        let got = got.unwrap();
        assert!((got - want).abs() <= 1e-12 * want.abs(), "{got} is not {want}");
    }

    const EASY: Target =
        Target { prompt_tokens_per_s: 512.0, generation_tokens_per_s: 1.0, validator: Validator::Ema16 };

    #[test]
    fn figures_worked_out_by_hand() {
        let mut tally = Tally::default();
        tally.push(&request(1000, &[1100, 1200, 1400, 1500], 2000));
        tally.push(&request(1500, &[1800, 1900], 2000));
        tally.push(&request(2000, &[2100], 2500));
        let f = tally.figures(Some(2));
        near(f.latency_s, 2.0 / 3.0);
        near(f.query_throughput_rps, 3.0);
        near(f.measured_throughput_rps, 2.0);
        near(f.first_token_latency_s, 0.5 / 3.0);
        // Of the first request the gaps of 100 and 200 ms; the last gap is dropped, and those of two entries.
        near(f.token_gen_latency_s, 0.15);
        near(f.tokens_per_s_generated, (4.0 + 4.0 + 2.0) / 3.0);
        near(f.tokens_per_s_prompt_and_generated, (104.0 + 204.0 + 202.0) / 3.0);
        assert_eq!(tally.mean_tokens(), Some((100.0, 7.0 / 3.0)));
        assert_eq!(tally.figures(None).query_throughput_rps, None);
        // A prompt of 100 tokens has 195 ms: the second request's first token is late.
        let judge = tally.judge();
        assert_eq!(judge.good(&EASY), Some(2));
        near(judge.effective_rps(&EASY), 2.0 * 2.0 / 3.0);
    }

    #[test]
    fn nothing_gives_nothing() {
        let empty = Tally::default();
        assert_eq!(empty.figures(Some(4)), Figures::default());
        assert_eq!((empty.mean_tokens(), empty.judge().good(&EASY)), (None, None));
        // Without token times there is a latency, and neither a first token nor a judgement.
        let mut silent = Tally::default();
        silent.push(&request(0, &[], 500));
        let f = silent.figures(Some(1));
        assert_eq!(
            (f.latency_s, f.query_throughput_rps, f.first_token_latency_s),
            (Some(0.5), Some(2.0), None)
        );
        assert_eq!((silent.judge().good(&EASY), silent.judge().effective_rps(&EASY)), (None, None));
        // Beside others, a request without a token is one that was never answered.
        silent.push(&request(0, &[10, 20, 30], 500));
        assert_eq!(silent.judge().good(&EASY), Some(1));
        // A request that took no time divides nothing by zero.
        let mut instant = Tally::default();
        instant.push(&request(7, &[], 7));
        let f = instant.figures(Some(1));
        assert_eq!(
            (f.query_throughput_rps, f.measured_throughput_rps, f.tokens_per_s_generated),
            (None, None, None)
        );
    }

    #[test]
    fn sums_keep_what_floats_would_lose() {
        let mut mean = Mean::default();
        mean.push(1e16);
        for _ in 0..1000 {
            mean.push(1.0);
        }
        mean.push(-1e16);
        assert_eq!(mean.value(), Some(1000.0 / 1002.0));
    }
}
