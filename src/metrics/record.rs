//! A finished request with all its times: what every figure is computed from.

use crate::event::{ClientId, CountedBy, Outcome, RequestId, StageId};

/// A finished request. Times are nanoseconds since the run's start.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestRecord {
    pub request: RequestId,
    pub client: ClientId,
    pub stage: StageId,
    pub warmup: bool,
    pub scheduled_ns: u64,
    pub sent_ns: u64,
    /// When the backend began on the prompt, where it can tell.
    pub prefill_ns: Option<u64>,
    pub finished_ns: u64,
    pub prompt_tokens: u32,
    /// Tokens asked for.
    pub max_tokens: u32,
    /// Tokens generated, exactly; equals the sum of `chunks`' tokens, unless there are no chunks at all.
    pub output_tokens: u32,
    pub counted_by: CountedBy,
    pub outcome: Outcome,
    pub error: Option<Box<str>>,
    pub text: Option<Box<str>>,
    /// The server's HTTP status, where it refused the request.
    pub status: Option<u16>,
    /// How often it was sent again after the first time.
    pub retries: u32,
    /// When each chunk came, ascending.
    pub chunk_at_ns: Vec<u64>,
    /// Tokens in each chunk, each ≥ 1; empty if every chunk held exactly one.
    pub chunk_tokens: Vec<u32>,
}

impl RequestRecord {
    /// A completed request of which nothing else is known: of the first client and stage, sent when it was scheduled, its
    /// prompt of no known length, with a token in each chunk, as many as were asked for, over with the last.
    pub fn completed(request: RequestId, sent_ns: u64, chunk_at_ns: Vec<u64>) -> Self {
        let tokens = u32::try_from(chunk_at_ns.len()).unwrap_or(u32::MAX);
        Self {
            request,
            client: 0,
            stage: 0,
            warmup: false,
            scheduled_ns: sent_ns,
            sent_ns,
            prefill_ns: None,
            finished_ns: chunk_at_ns.last().copied().unwrap_or(sent_ns),
            prompt_tokens: 0,
            max_tokens: tokens,
            output_tokens: tokens,
            counted_by: CountedBy::Engine,
            outcome: Outcome::Completed,
            error: None,
            text: None,
            status: None,
            retries: 0,
            chunk_at_ns,
            chunk_tokens: Vec::new(),
        }
    }

    /// Tokens in chunk `i`.
    pub fn tokens_in(&self, i: usize) -> u32 {
        self.chunk_tokens.get(i).copied().unwrap_or(1)
    }

    /// `sent − scheduled`.
    pub fn send_lag_ns(&self) -> u64 {
        self.sent_ns.saturating_sub(self.scheduled_ns)
    }

    /// `token[1] − sent`.
    pub fn ttft_ns(&self) -> Option<u64> {
        self.chunk_at_ns.first().map(|at| at.saturating_sub(self.sent_ns))
    }

    /// `token[1] − scheduled`.
    pub fn ttft_corrected_ns(&self) -> Option<u64> {
        self.chunk_at_ns.first().map(|at| at.saturating_sub(self.scheduled_ns))
    }

    /// `token[k]`: when the last chunk came. An answer that came whole has no chunks, and its last token came with its
    /// end; so much is known of it, and no more. None without tokens.
    pub fn last_token_ns(&self) -> Option<u64> {
        self.chunk_at_ns.last().copied().or((self.output_tokens > 0).then_some(self.finished_ns))
    }

    /// `token[k] − sent`.
    pub fn e2e_ns(&self) -> Option<u64> {
        self.last_token_ns().map(|at| at.saturating_sub(self.sent_ns))
    }

    /// `token[k] − scheduled`.
    pub fn e2e_corrected_ns(&self) -> Option<u64> {
        self.last_token_ns().map(|at| at.saturating_sub(self.scheduled_ns))
    }

    /// `(token[k] − token[1]) / (output tokens − 1)`, in nanoseconds; none below two tokens.
    pub fn tpot_ns(&self) -> Option<f64> {
        let first = *self.chunk_at_ns.first()?;
        let last = *self.chunk_at_ns.last()?;
        (self.output_tokens >= 2)
            .then(|| last.saturating_sub(first) as f64 / f64::from(self.output_tokens - 1))
    }

    /// Inter-token gaps: `(gap / n in nanoseconds, n)` for each chunk after the first, n its tokens.
    pub fn itls(&self) -> impl Iterator<Item = (f64, u32)> + '_ {
        self.chunk_at_ns.windows(2).enumerate().map(|(i, pair)| {
            let n = self.tokens_in(i + 1);
            (pair[1].saturating_sub(pair[0]) as f64 / f64::from(n), n)
        })
    }
}
