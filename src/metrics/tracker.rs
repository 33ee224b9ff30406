//! Requests in flight: what is gathered about each until its end makes a [`RequestRecord`] of it.

use super::RequestRecord;
use super::hash::IdMap;
use super::pack::{Pack, pack};
use crate::event::{Finished, RequestId, Sent};

/// Most chunks that room is made for in advance; longer answers grow as they come.
const MAX_RESERVED_CHUNKS: u32 = 4096;

/// A request in flight.
pub(super) struct OpenRequest {
    pub(super) sent: Sent,
    pub(super) prefill_ns: Option<u64>,
    /// How late the news of the prefill came: the newest event's time then, minus the prefill's own.
    pub(super) prefill_news_lag_ns: u64,
    pub(super) chunk_at_ns: Vec<u64>,
    /// Empty while every chunk held one token.
    chunk_tokens: Vec<u32>,
    pub(super) tokens: u32,
}

impl OpenRequest {
    fn new(sent: Sent) -> Self {
        Self {
            sent,
            prefill_ns: None,
            prefill_news_lag_ns: 0,
            chunk_at_ns: Vec::with_capacity(sent.max_tokens.min(MAX_RESERVED_CHUNKS) as usize),
            chunk_tokens: Vec::new(),
            tokens: 0,
        }
    }

    /// Adds a chunk; gives the time it is counted at, which never lies before the chunk ahead of it.
    fn push(&mut self, at_ns: u64, tokens: u32) -> u64 {
        let floor = self.chunk_at_ns.last().copied().unwrap_or(self.sent.at_ns);
        let at_ns = at_ns.max(floor);
        if tokens != 1 && self.chunk_tokens.is_empty() {
            self.chunk_tokens.resize(self.chunk_at_ns.len(), 1);
        }
        if tokens != 1 || !self.chunk_tokens.is_empty() {
            self.chunk_tokens.push(tokens);
        }
        self.chunk_at_ns.push(at_ns);
        self.tokens = self.tokens.saturating_add(tokens);
        at_ns
    }

    fn finish(self, end: &Finished) -> RequestRecord {
        let floor = self.chunk_at_ns.last().copied().unwrap_or(self.sent.at_ns);
        let mut record = RequestRecord {
            request: self.sent.request,
            client: self.sent.client,
            stage: self.sent.stage,
            warmup: self.sent.warmup,
            scheduled_ns: self.sent.scheduled_ns,
            sent_ns: self.sent.at_ns,
            prefill_ns: self.prefill_ns,
            finished_ns: end.at_ns.max(floor),
            prompt_tokens: end.prompt_tokens.unwrap_or(self.sent.prompt_tokens),
            max_tokens: self.sent.max_tokens,
            output_tokens: end.output_tokens,
            counted_by: end.counted_by,
            outcome: end.outcome,
            error: end.error.clone(),
            text: end.text.clone(),
            status: end.status,
            retries: end.retries,
            chunk_at_ns: self.chunk_at_ns,
            chunk_tokens: self.chunk_tokens,
        };
        // A request that ended early would keep the room made for all it was asked for.
        if record.chunk_at_ns.capacity() > 2 * record.chunk_at_ns.len() + 16 {
            record.chunk_at_ns.shrink_to_fit();
        }
        record
    }
}

/// A change of one chunk's tokens, made so that the chunks add up to the exact count.
pub(super) struct Correction {
    pub(super) at_ns: u64,
    pub(super) tokens: i64,
}

/// What came of a token.
pub(super) struct Arrival<'a> {
    pub(super) request: &'a OpenRequest,
    /// The time it counts at.
    pub(super) at_ns: u64,
    pub(super) first: bool,
}

/// All requests in flight.
#[derive(Default)]
pub(super) struct Tracker {
    open: IdMap<OpenRequest>,
    before_first: u32,
    in_prefill: u32,
}

impl Tracker {
    /// A request was sent; `false` if one with its number is in flight already.
    pub(super) fn send(&mut self, sent: Sent) -> bool {
        if self.open.contains_key(&sent.request) {
            return false;
        }
        self.open.insert(sent.request, OpenRequest::new(sent));
        self.before_first += 1;
        true
    }

    /// Work on a prompt began; `false` if no such request waits for it.
    pub(super) fn prefill(&mut self, request: RequestId, at_ns: u64, newest_ns: u64) -> bool {
        match self.open.get_mut(&request) {
            Some(open) if open.prefill_ns.is_none() && open.chunk_at_ns.is_empty() => {
                open.prefill_ns = Some(at_ns.max(open.sent.at_ns));
                open.prefill_news_lag_ns = newest_ns.saturating_sub(at_ns);
                self.in_prefill += 1;
                true
            }
            _ => false,
        }
    }

    /// A chunk arrived; `None` if no such request is in flight.
    pub(super) fn token(&mut self, request: RequestId, at_ns: u64, tokens: u32) -> Option<Arrival<'_>> {
        let open = self.open.get_mut(&request)?;
        let first = open.chunk_at_ns.is_empty();
        let at_ns = open.push(at_ns, tokens.max(1));
        if first {
            self.before_first -= 1;
            self.in_prefill -= u32::from(open.prefill_ns.is_some());
        }
        Some(Arrival { request: open, at_ns, first })
    }

    /// Takes a request out, without its record.
    pub(super) fn take(&mut self, request: RequestId) -> Option<OpenRequest> {
        let open = self.open.remove(&request)?;
        if open.chunk_at_ns.is_empty() {
            self.before_first -= 1;
            self.in_prefill -= u32::from(open.prefill_ns.is_some());
        }
        Some(open)
    }

    /// The end of a request: its record, its chunks corrected to the exact count of tokens.
    pub(super) fn finish(&mut self, end: &Finished) -> Option<(RequestRecord, Vec<Correction>)> {
        let mut record = self.take(end.request)?.finish(end);
        let corrections = reconcile(&mut record);
        Some((record, corrections))
    }

    /// Forgets all: they will never end.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &OpenRequest> {
        self.open.values()
    }

    /// Tokens that a request in flight was sent with.
    pub(super) fn prompt_tokens(&self, request: RequestId) -> Option<u32> {
        self.open.get(&request).map(|open| open.sent.prompt_tokens)
    }

    pub(super) fn in_flight(&self) -> u32 {
        u32::try_from(self.open.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn before_first_token(&self) -> u32 {
        self.before_first
    }

    pub(super) fn in_prefill(&self) -> u32 {
        self.in_prefill
    }
}

/// Makes the chunks add up to the exact count of output tokens, and says what it changed.
///
/// An engine sends no chunk for half a character, so chunks can hold fewer tokens than were generated: what
/// is missing goes to the last chunk. What is too much is taken from the last chunks, down to one token each;
/// a chunk stands for at least one token, so a count below the number of chunks is raised to it.
fn reconcile(record: &mut RequestRecord) -> Vec<Correction> {
    let chunks = record.chunk_at_ns.len();
    if chunks == 0 {
        return Vec::new();
    }
    let least = u32::try_from(chunks).unwrap_or(u32::MAX);
    record.output_tokens = record.output_tokens.max(least);
    let sum: u64 = if record.chunk_tokens.is_empty() {
        chunks as u64
    } else {
        record.chunk_tokens.iter().map(|n| u64::from(*n)).sum()
    };
    let truth = u64::from(record.output_tokens);
    if sum == truth {
        return Vec::new();
    }
    if record.chunk_tokens.is_empty() {
        record.chunk_tokens.resize(chunks, 1);
    }
    let mut corrections = Vec::new();
    if truth > sum {
        let missing = truth - sum;
        // The truth fits in u32, so the last chunk's part of it does too.
        record.chunk_tokens[chunks - 1] += missing as u32;
        corrections.push(Correction { at_ns: record.chunk_at_ns[chunks - 1], tokens: missing.cast_signed() });
    } else {
        let mut surplus = sum - truth;
        for (n, at_ns) in record.chunk_tokens.iter_mut().zip(&record.chunk_at_ns).rev() {
            let taken = u64::from(*n - 1).min(surplus);
            if taken > 0 {
                *n -= taken as u32;
                surplus -= taken;
                corrections.push(Correction { at_ns: *at_ns, tokens: -taken.cast_signed() });
            }
        }
    }
    if record.chunk_tokens.iter().all(|n| *n == 1) {
        record.chunk_tokens = Vec::new();
    }
    corrections
}

pack!(OpenRequest { sent, prefill_ns, prefill_news_lag_ns, chunk_at_ns, chunk_tokens, tokens });

impl Pack for Tracker {
    fn pack(&self, out: &mut Vec<u8>) {
        self.open.len().pack(out);
        for open in self.open.values() {
            open.pack(out);
        }
        (self.before_first, self.in_prefill).pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let open = Vec::<OpenRequest>::unpack(from)?;
        let open = open.into_iter().map(|open| (open.sent.request, open)).collect();
        let (before_first, in_prefill) = Pack::unpack(from)?;
        Some(Self { open, before_first, in_prefill })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CountedBy, Outcome};

    fn sent(request: u64) -> Sent {
        Sent {
            at_ns: 1_000,
            scheduled_ns: 0,
            request,
            client: 0,
            stage: 0,
            prompt_tokens: 8,
            max_tokens: 4,
            warmup: false,
        }
    }

    fn end(output_tokens: u32) -> Finished {
        Finished {
            at_ns: 100_000,
            request: 1,
            outcome: Outcome::Completed,
            output_tokens,
            counted_by: CountedBy::Engine,
            prompt_tokens: None,
            error: None,
            text: None,
            status: None,
            retries: 0,
        }
    }

    fn finish_with(chunks: &[u32], truth: u32) -> (RequestRecord, i64) {
        let mut t = Tracker::default();
        assert!(t.send(sent(1)));
        for (i, n) in chunks.iter().enumerate() {
            assert!(t.token(1, 2_000 + i as u64 * 1_000, *n).is_some());
        }
        let (record, corrections) = t.finish(&end(truth)).unwrap();
        (record, corrections.iter().map(|c| c.tokens).sum())
    }

    #[test]
    fn missing_tokens_go_to_the_last_chunk() {
        let (record, delta) = finish_with(&[1, 1, 1], 5);
        assert_eq!(record.chunk_tokens, [1, 1, 3]);
        assert_eq!((record.output_tokens, delta), (5, 2));
    }

    #[test]
    fn surplus_is_taken_from_the_last_chunks_down_to_one_each() {
        let (record, delta) = finish_with(&[4, 2, 3], 5);
        assert_eq!(record.chunk_tokens, [3, 1, 1]);
        assert_eq!((record.output_tokens, delta), (5, -4));
    }

    #[test]
    fn a_count_below_the_number_of_chunks_is_raised() {
        let (record, delta) = finish_with(&[2, 2], 0);
        assert_eq!((record.output_tokens, delta), (2, -2));
        assert!(record.chunk_tokens.is_empty());
    }

    #[test]
    fn counts_of_one_take_no_room() {
        let (record, delta) = finish_with(&[1, 1], 2);
        assert!(record.chunk_tokens.is_empty());
        assert_eq!(delta, 0);
    }

    #[test]
    fn without_chunks_the_count_stays_as_told() {
        let (record, delta) = finish_with(&[], 3);
        assert_eq!((record.output_tokens, delta), (3, 0));
    }

    #[test]
    fn times_never_run_backwards() {
        let mut t = Tracker::default();
        assert!(t.send(sent(1)));
        assert_eq!(t.token(1, 10, 1).unwrap().at_ns, 1_000);
        assert_eq!(t.token(1, 5_000, 1).unwrap().at_ns, 5_000);
        assert_eq!(t.token(1, 4_000, 1).unwrap().at_ns, 5_000);
        let (record, _) = t.finish(&Finished { at_ns: 3, ..end(3) }).unwrap();
        assert_eq!(record.finished_ns, 5_000);
    }

    #[test]
    fn strangers_and_doubles_are_refused() {
        let mut t = Tracker::default();
        assert!(t.token(1, 10, 1).is_none());
        assert!(!t.prefill(1, 10, 10));
        assert!(t.finish(&end(1)).is_none());
        assert!(t.send(sent(1)));
        assert!(!t.send(sent(1)));
        assert_eq!((t.in_flight(), t.before_first_token()), (1, 1));
        assert!(t.finish(&end(0)).is_some());
        assert_eq!((t.in_flight(), t.before_first_token()), (0, 0));
    }
}
