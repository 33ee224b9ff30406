//! Other tools' words for the same things: what each means by ITL, TPOT, E2E and throughput.
//!
//! One request is put into a tool's values here; `by_tool` keeps them live in histograms, [`crate::report`] exactly.
//! Sources, as of 2025: vLLM's `benchmark_serving`, AIPerf's metrics, GuideLLM's `StatusDistributionSummary`,
//! GenAI-Perf's LLM metrics, DeepSpeed-FastGen's `postprocess_results`. `docs/measurement.md` has the table.

use super::RequestRecord;

/// Whose definitions figures follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Definitions {
    /// This project's.
    #[default]
    Own,
    Vllm,
    Aiperf,
    Guidellm,
    GenaiPerf,
    Fastgen,
}

/// What a tool divides its requests and tokens by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The window as measured, all tokens that came in it.
    Window,
    /// The window with ramp and drain; completed requests and their tokens.
    WholeRun,
    /// From the first completed request's start to the last one's end; completed requests and their tokens.
    FirstStartToLastEnd,
}

/// One value of a latency: `total_ns / parts`, counted `weight` times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    pub total_ns: u64,
    pub parts: u32,
    pub weight: u32,
}

impl Value {
    /// In nanoseconds.
    pub fn ns(self) -> f64 {
        self.total_ns as f64 / f64::from(self.parts.max(1))
    }
}

impl Definitions {
    /// All, in the order of the key that goes through them.
    pub const ALL: [Self; 6] =
        [Self::Own, Self::Vllm, Self::Aiperf, Self::Guidellm, Self::GenaiPerf, Self::Fastgen];

    /// The name in commands and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Vllm => "vllm",
            Self::Aiperf => "aiperf",
            Self::Guidellm => "guidellm",
            Self::GenaiPerf => "genai-perf",
            Self::Fastgen => "fastgen",
        }
    }

    /// The next ones, around the end.
    #[must_use]
    pub fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }

    /// What throughput is over.
    pub fn over(self) -> Over {
        match self {
            Self::Own | Self::Guidellm | Self::GenaiPerf => Over::Window,
            Self::Vllm => Over::WholeRun,
            Self::Aiperf | Self::Fastgen => Over::FirstStartToLastEnd,
        }
    }

    /// Whether there is a TPOT beside the ITL.
    pub fn has_tpot(self) -> bool {
        !matches!(self, Self::GenaiPerf | Self::Fastgen)
    }

    /// Hands every value that a request adds to the ITL to `each`.
    pub fn itls(self, r: &RequestRecord, mut each: impl FnMut(Value)) {
        if matches!(self, Self::Aiperf | Self::Guidellm) {
            // One value a request.
            if let Some(value) = after_first(r) {
                let weight = if self == Self::Guidellm { value.parts } else { 1 };
                each(Value { weight, ..value });
            }
            return;
        }
        let gaps = r.chunk_at_ns.len().saturating_sub(1);
        let dropped = usize::from(self == Self::Fastgen);
        for i in 1..=gaps.saturating_sub(dropped) {
            let total_ns = r.chunk_at_ns[i].saturating_sub(r.chunk_at_ns[i - 1]);
            let n = r.tokens_in(i);
            let (parts, weight) = match self {
                Self::Own => (n, n),
                Self::GenaiPerf => (n, 1),
                _ => (1, 1),
            };
            each(Value { total_ns, parts, weight });
        }
    }

    /// The value that a request adds to the TPOT.
    pub fn tpot(self, r: &RequestRecord) -> Option<Value> {
        match self {
            Self::Own | Self::Vllm | Self::Aiperf => after_first(r),
            Self::Guidellm => {
                let n = r.output_tokens.max(1);
                Some(Value { total_ns: r.e2e_ns()?, parts: n, weight: n })
            }
            Self::GenaiPerf | Self::Fastgen => None,
        }
    }

    /// From sending to what the tool takes for the end.
    pub fn e2e_ns(self, r: &RequestRecord) -> Option<u64> {
        match self {
            Self::Own | Self::Vllm | Self::Aiperf | Self::GenaiPerf => r.e2e_ns(),
            Self::Guidellm | Self::Fastgen => Some(r.finished_ns.saturating_sub(r.sent_ns)),
        }
    }
}

/// The time after the first token, over the tokens after it; counted once.
fn after_first(r: &RequestRecord) -> Option<Value> {
    let (first, last) = (*r.chunk_at_ns.first()?, *r.chunk_at_ns.last()?);
    let parts = r.output_tokens.checked_sub(1).filter(|parts| *parts > 0)?;
    Some(Value { total_ns: last.saturating_sub(first), parts, weight: 1 })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Sent at 1000 ms; chunks of 1, 3, 2 and 1 tokens at 1200, 1260, 1300 and 1330 ms; ended at 1350 ms.
    pub fn chunky() -> RequestRecord {
        let ms = |at: u64| at * 1_000_000;
        RequestRecord {
            finished_ns: ms(1350),
            prompt_tokens: 10,
            max_tokens: 7,
            output_tokens: 7,
            chunk_tokens: vec![1, 3, 2, 1],
            ..RequestRecord::completed(0, ms(1000), vec![ms(1200), ms(1260), ms(1300), ms(1330)])
        }
    }

    /// Values in milliseconds and their weights.
    fn itls(of: Definitions, r: &RequestRecord) -> Vec<(f64, u32)> {
        let mut out = Vec::new();
        of.itls(r, |v| out.push((v.ns() / 1e6, v.weight)));
        out
    }

    #[test]
    fn inter_token_latencies_by_hand() {
        let r = chunky();
        assert_eq!(itls(Definitions::Own, &r), [(20.0, 3), (20.0, 2), (30.0, 1)]);
        assert_eq!(itls(Definitions::Vllm, &r), [(60.0, 1), (40.0, 1), (30.0, 1)]);
        // (1330 − 1200) / (7 − 1)
        assert_eq!(itls(Definitions::Aiperf, &r), [(130.0 / 6.0, 1)]);
        assert_eq!(itls(Definitions::Guidellm, &r), [(130.0 / 6.0, 6)]);
        assert_eq!(itls(Definitions::GenaiPerf, &r), [(20.0, 1), (20.0, 1), (30.0, 1)]);
        assert_eq!(itls(Definitions::Fastgen, &r), [(60.0, 1), (40.0, 1)]);
    }

    #[test]
    fn time_per_output_token_and_end_by_hand() {
        let r = chunky();
        let ms = |total: u64, parts, weight| Some(Value { total_ns: total * 1_000_000, parts, weight });
        for of in [Definitions::Own, Definitions::Vllm, Definitions::Aiperf] {
            assert_eq!(of.tpot(&r), ms(130, 6, 1));
        }
        // 330 ms for 7 tokens, the first one's wait in it.
        assert_eq!(Definitions::Guidellm.tpot(&r), ms(330, 7, 7));
        for of in Definitions::ALL {
            assert_eq!(of.tpot(&r).is_some(), of.has_tpot());
            let ends_late = matches!(of, Definitions::Guidellm | Definitions::Fastgen);
            let want = if ends_late { 350_000_000 } else { 330_000_000 };
            assert_eq!(of.e2e_ns(&r), Some(want), "{}", of.name());
        }
    }

    #[test]
    fn short_requests_have_what_the_tool_gives_them() {
        let mut one = chunky();
        one.chunk_at_ns.truncate(1);
        one.chunk_tokens.clear();
        one.output_tokens = 1;
        let mut none = one.clone();
        none.chunk_at_ns.clear();
        none.output_tokens = 0;
        for of in Definitions::ALL {
            assert_eq!(itls(of, &one), [], "{}", of.name());
            assert_eq!((itls(of, &none).len(), of.tpot(&none)), (0, None));
        }
        assert_eq!(Definitions::Vllm.tpot(&one), None);
        assert_eq!(Definitions::Guidellm.tpot(&one).map(Value::ns), Some(200e6));
        assert_eq!(Definitions::Vllm.e2e_ns(&none), None);
        assert_eq!(Definitions::Fastgen.e2e_ns(&none), Some(350_000_000));
    }

    #[test]
    fn the_key_goes_through_all() {
        let seen: Vec<_> =
            std::iter::successors(Some(Definitions::Own), |of| Some(of.next())).take(7).collect();
        assert_eq!(seen[..6], Definitions::ALL);
        assert_eq!(seen[6], Definitions::Own);
    }
}
