//! Other tools' figures while a run goes on, each in a histogram of bounded size.
//!
//! Most of them differ from ours for chunks of several tokens only. Until the first such chunk comes there is nothing
//! to keep for these; FastGen's gaps are all gaps less the last one of each request. So a token costs nothing more
//! where chunks hold one token each.

use super::distribution::Distribution;
use super::pack::{Pack, pack};
use super::{Definitions, RequestRecord, Snapshot, Summary};

/// What other tools' figures need beside ours.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolFigures {
    /// Gaps, a chunk counting once: vLLM.
    pub chunk_gap: Summary,
    /// Gaps over the chunk's tokens, a chunk counting once: GenAI-Perf.
    pub chunk_share: Summary,
    /// Gaps without the last one of each request: FastGen.
    pub fastgen_gap: Summary,
    /// The mean gap of a request, counting once a gap: GuideLLM.
    pub request_gap: Summary,
    /// E2E over tokens, counting once a token: GuideLLM.
    pub per_token: Summary,
    /// To the request's end.
    pub to_end: Summary,
    /// Of completed, measured requests.
    pub output_tokens: u64,
    pub input_tokens: u64,
    pub completed: u64,
    /// Earliest sending and latest end of these.
    pub span_ns: Option<(u64, u64)>,
}

/// The figures as one tool would tell them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told<'a> {
    pub ttft: &'a Summary,
    pub itl: &'a Summary,
    /// `None` where the tool has none.
    pub tpot: Option<&'a Summary>,
    pub e2e: &'a Summary,
    /// What rates are over, seconds.
    pub seconds: Option<f64>,
    pub requests_per_s: Option<f64>,
    pub output_tokens_per_s: Option<f64>,
    pub total_tokens_per_s: Option<f64>,
}

impl Snapshot {
    /// The stage's figures under a tool's definitions.
    pub fn told(&self, definitions: Definitions) -> Told<'_> {
        let (own, tools) = (&self.latency, &self.tools);
        let (itl, tpot, e2e) = match definitions {
            Definitions::Own => (&own.itl, Some(&own.tpot), &own.e2e),
            Definitions::Vllm => (&tools.chunk_gap, Some(&own.tpot), &own.e2e),
            Definitions::Aiperf => (&own.tpot, Some(&own.tpot), &own.e2e),
            Definitions::Guidellm => (&tools.request_gap, Some(&tools.per_token), &tools.to_end),
            Definitions::GenaiPerf => (&tools.chunk_share, None, &own.e2e),
            Definitions::Fastgen => (&tools.fastgen_gap, None, &tools.to_end),
        };
        let (seconds, requests, output, input) = self.throughput_of(definitions);
        let rate = |n: u64| seconds.filter(|s| *s > 0.0).map(|s| n as f64 / s);
        Told {
            ttft: &own.ttft,
            itl,
            tpot,
            e2e,
            seconds,
            requests_per_s: rate(requests),
            output_tokens_per_s: rate(output),
            total_tokens_per_s: rate(output + input),
        }
    }

    /// Seconds, requests, output and input tokens of a tool's throughput.
    fn throughput_of(&self, definitions: Definitions) -> (Option<f64>, u64, u64, u64) {
        let (tools, counts) = (&self.tools, &self.counts);
        let until_ns = self.measured_end_ns.map_or(self.at_ns, |end| end.min(self.at_ns));
        let window = self.measuring_at_ns.map(|from| until_ns.saturating_sub(from) as f64 / 1e9);
        let span = tools.span_ns.map(|(from, to)| to.saturating_sub(from) as f64 / 1e9);
        let completed = (tools.completed, tools.output_tokens, tools.input_tokens);
        let (seconds, (requests, output, input)) = match definitions.over() {
            super::Over::Window => (window, (counts.completed, counts.output_tokens, counts.input_tokens)),
            super::Over::WholeRun => (window, completed),
            super::Over::FirstStartToLastEnd => (span, completed),
        };
        (seconds, requests, output, input)
    }
}

/// Keeps them.
pub(super) struct ByTool {
    /// `None` while they are our ITL: no chunk held more than one token.
    chunks: Option<Box<[Distribution; 2]>>,
    last_gaps: Distribution,
    request_gaps: Distribution,
    per_token: Distribution,
    to_end: Distribution,
    fastgen: (u64, Summary),
    totals: ToolFigures,
}

impl ByTool {
    pub(super) fn new() -> Self {
        Self {
            chunks: None,
            last_gaps: Distribution::new(),
            request_gaps: Distribution::new(),
            per_token: Distribution::new(),
            to_end: Distribution::new(),
            fastgen: (0, Summary::default()),
            totals: ToolFigures::default(),
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Takes in a completed request; `itl` is our ITL before it was taken in.
    pub(super) fn record(&mut self, record: &RequestRecord, itl: &Distribution) {
        let sent = record.sent_ns;
        let (first, last) = self.totals.span_ns.unwrap_or((sent, 0));
        self.totals.span_ns = Some((first.min(sent), last.max(record.finished_ns)));
        self.totals.completed += 1;
        self.totals.output_tokens += u64::from(record.output_tokens);
        self.totals.input_tokens += u64::from(record.prompt_tokens);
        if self.chunks.is_none() && !record.chunk_tokens.is_empty() {
            self.chunks = Some(Box::new([itl.clone(), itl.clone()]));
        }
        if let Some(chunks) = &mut self.chunks {
            let [gaps, shares] = chunks.as_mut();
            Definitions::Vllm.itls(record, |value| gaps.record(value.total_ns));
            Definitions::GenaiPerf.itls(record, |value| shares.record(value.ns().round() as u64));
        }
        if let [.., before, last] = record.chunk_at_ns[..] {
            self.last_gaps.record(last.saturating_sub(before));
        }
        let weighted = |to: &mut Distribution, value: super::Value| {
            let total = value.total_ns as f64 / f64::from(value.parts) * f64::from(value.weight);
            to.record_n(value.ns().round() as u64, value.weight, total.round() as u64);
        };
        Definitions::Guidellm.itls(record, |value| weighted(&mut self.request_gaps, value));
        if let Some(value) = Definitions::Guidellm.tpot(record) {
            weighted(&mut self.per_token, value);
        }
        self.to_end.record(record.finished_ns.saturating_sub(sent));
    }

    pub(super) fn figures(&mut self, itl: &mut Distribution) -> ToolFigures {
        if self.fastgen.0 != self.last_gaps.count() {
            let all = self.chunks.as_ref().map_or(&*itl, |chunks| &chunks[0]);
            self.fastgen = (self.last_gaps.count(), all.without(&self.last_gaps).summary().clone());
        }
        let [chunk_gap, chunk_share] = match &mut self.chunks {
            Some(chunks) => chunks.each_mut().map(|d| d.summary().clone()),
            None => [itl.summary().clone(), itl.summary().clone()],
        };
        ToolFigures {
            chunk_gap,
            chunk_share,
            fastgen_gap: self.fastgen.1.clone(),
            request_gap: self.request_gaps.summary().clone(),
            per_token: self.per_token.summary().clone(),
            to_end: self.to_end.summary().clone(),
            ..self.totals.clone()
        }
    }
}

pack!(ByTool { chunks, last_gaps, request_gaps, per_token, to_end, totals; fastgen: (0, Summary::default()) });

/// The sums alone: the rest is made of the distributions for every picture.
impl Pack for ToolFigures {
    fn pack(&self, out: &mut Vec<u8>) {
        (self.output_tokens, self.input_tokens, self.completed).pack(out);
        self.span_ns.pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let (output_tokens, input_tokens, completed) = Pack::unpack(from)?;
        let span_ns = Pack::unpack(from)?;
        Some(Self { output_tokens, input_tokens, completed, span_ns, ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Event, Phase, StageStart};
    use crate::metrics::Aggregator;
    use crate::metrics::definitions::tests::chunky;

    /// Chunks of one token each: at 1100, 1110 and 1140 ms of a request sent at 1000 ms that ended at 1200 ms.
    fn plain() -> RequestRecord {
        let ms = |at: u64| at * 1_000_000;
        RequestRecord {
            request: 1,
            finished_ns: ms(1200),
            output_tokens: 3,
            chunk_at_ns: vec![ms(1100), ms(1110), ms(1140)],
            chunk_tokens: Vec::new(),
            ..chunky()
        }
    }

    fn snapshot(records: &[RequestRecord]) -> Snapshot {
        let mut aggregator = Aggregator::new();
        aggregator.apply(&Event::Stage(Box::new(StageStart::closed(0, "main", 2))));
        aggregator.apply(&Event::Phase { at_ns: 900_000_000, stage: 0, phase: Phase::Measuring });
        for record in records {
            aggregator.apply_record(&Arc::new(record.clone()));
        }
        aggregator.snapshot(aggregator.newest_ns())
    }

    fn near(got: Option<f64>, want: f64) {
        let got = got.unwrap();
        assert!((got / want - 1.0).abs() < 1e-3, "{got} is not {want}");
    }

    #[test]
    fn live_figures_follow_the_rules_before_and_after_the_first_large_chunk() {
        for records in [vec![plain()], vec![plain(), chunky()], vec![chunky(), plain(), plain()]] {
            let snap = snapshot(&records);
            for of in Definitions::ALL {
                let told = snap.told(of);
                let (mut sum, mut count, mut most) = (0.0, 0, 0.0_f64);
                for r in &records {
                    of.itls(r, |v| {
                        sum += v.ns() / 1e9 * f64::from(v.weight);
                        count += u64::from(v.weight);
                        most = most.max(v.ns() / 1e9);
                    });
                }
                assert_eq!(told.itl.count, count, "{}", of.name());
                near(told.itl.mean, sum / count as f64);
                near(told.itl.max, most);
                let tpots: Vec<_> = records.iter().filter_map(|r| of.tpot(r)).collect();
                assert_eq!(told.tpot.is_some(), of.has_tpot());
                if let Some(tpot) = told.tpot {
                    let weights: u64 = tpots.iter().map(|v| u64::from(v.weight)).sum();
                    let sum: f64 = tpots.iter().map(|v| v.ns() / 1e9 * f64::from(v.weight)).sum();
                    assert_eq!(tpot.count, weights);
                    near(tpot.mean, sum / weights as f64);
                }
                let e2e = records.iter().filter_map(|r| of.e2e_ns(r)).sum::<u64>() as f64 / 1e9;
                near(told.e2e.mean, e2e / records.len() as f64);
            }
        }
    }

    #[test]
    fn throughputs_by_hand() {
        // Both sent at 1000 ms; the last end is at 1350 ms; measured since 900 ms.
        let snap = snapshot(&[plain(), chunky()]);
        near(snap.told(Definitions::Own).seconds, 0.45);
        near(snap.told(Definitions::Vllm).requests_per_s, 2.0 / 0.45);
        near(snap.told(Definitions::Aiperf).seconds, 0.35);
        near(snap.told(Definitions::Aiperf).output_tokens_per_s, 10.0 / 0.35);
        near(snap.told(Definitions::Fastgen).total_tokens_per_s, 30.0 / 0.35);
        assert_eq!(Snapshot::default().told(Definitions::Fastgen).requests_per_s, None);
    }
}
