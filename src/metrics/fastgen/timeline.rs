//! What FastGen's figures need to know of a request.

use crate::metrics::RequestRecord;

const NS_PER_S: f64 = 1e9;

/// A request as FastGen's result files tell it. Times are seconds on any one clock.
///
/// Its *entries* are the original's `token_gen_time`: the time to the first chunk, then the gap before each
/// further one. A chunk is one entry however many tokens it holds, as in the original.
pub trait Timeline {
    fn prompt_tokens(&self) -> u32;
    /// Tokens generated.
    fn output_tokens(&self) -> u32;
    /// When it was sent.
    fn start_s(&self) -> f64;
    /// When its end was seen.
    fn end_s(&self) -> f64;
    /// From its sending to its end.
    fn e2e_s(&self) -> f64 {
        self.end_s() - self.start_s()
    }
    /// How many entries there are; 0 where nothing is known of single tokens.
    fn entries(&self) -> usize;
    /// Entry `i` of them.
    fn entry_s(&self, i: usize) -> f64;
    /// The same in whole nanoseconds, where that is known exactly.
    fn entry_ns(&self, _: usize) -> Option<u64> {
        None
    }
}

impl Timeline for RequestRecord {
    fn prompt_tokens(&self) -> u32 {
        self.prompt_tokens
    }

    fn output_tokens(&self) -> u32 {
        self.output_tokens
    }

    fn start_s(&self) -> f64 {
        self.sent_ns as f64 / NS_PER_S
    }

    fn end_s(&self) -> f64 {
        self.finished_ns as f64 / NS_PER_S
    }

    /// From whole nanoseconds: late in a long run the difference of two floats would be coarser.
    fn e2e_s(&self) -> f64 {
        self.finished_ns.saturating_sub(self.sent_ns) as f64 / NS_PER_S
    }

    fn entries(&self) -> usize {
        self.chunk_at_ns.len()
    }

    fn entry_s(&self, i: usize) -> f64 {
        entry(self, i) as f64 / NS_PER_S
    }

    fn entry_ns(&self, i: usize) -> Option<u64> {
        Some(entry(self, i))
    }
}

fn entry(r: &RequestRecord, i: usize) -> u64 {
    let before = i.checked_sub(1).map_or(r.sent_ns, |before| r.chunk_at_ns[before]);
    r.chunk_at_ns[i].saturating_sub(before)
}
