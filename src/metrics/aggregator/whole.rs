//! Finished requests as wholes: how recordings are read, many times as fast as event by event.

use std::sync::Arc;

use super::Aggregator;
use crate::metrics::RequestRecord;
use crate::metrics::seconds::SECOND_NS;

impl Aggregator {
    /// Takes a finished request as a whole, in place of its `Prefill`, `Token` and `Finished` events: the
    /// figures come out the same. Its `Sent` event may have been applied before, and should have.
    pub fn apply_record(&mut self, record: &Arc<RequestRecord>) {
        self.move_to(record.finished_ns);
        if self.tracker.take(record.request).is_none() && self.counts_in(record.stage, record.warmup) {
            self.stage.counts.sent += 1;
        }
        if self.counts_in(record.stage, record.warmup) {
            if let Some(first) = record.chunk_at_ns.first() {
                self.count_input(*first, record.prompt_tokens);
            }
            self.count_chunks(record);
            self.count_whole(record);
        }
        self.close(record);
    }

    /// Counts tokens where they came, a second at a time.
    fn count_chunks(&mut self, record: &RequestRecord) {
        let mut left = &record.chunk_at_ns[..];
        while let Some(first) = left.first() {
            let (second, from) = (first / SECOND_NS, record.chunk_at_ns.len() - left.len());
            let (begin_ns, end_ns) = (second * SECOND_NS, (second * SECOND_NS).saturating_add(SECOND_NS));
            let other = left.iter().position(|at_ns| !(begin_ns..end_ns).contains(at_ns));
            // In the last second that fits into a number, its own end is out of reach.
            let n = other.unwrap_or(left.len()).max(1);
            let tokens = if record.chunk_tokens.is_empty() {
                n as u64
            } else {
                (from..from + n).map(|i| u64::from(record.tokens_in(i))).sum()
            };
            self.stage.counts.output_tokens += tokens;
            self.seconds.add_outputs(*first, tokens);
            left = &left[n..];
        }
    }

    /// The tokens of an answer that came whole stand at its end.
    pub(super) fn count_whole(&mut self, record: &RequestRecord) {
        if record.chunk_at_ns.is_empty() && record.output_tokens > 0 {
            self.count_input(record.finished_ns, record.prompt_tokens);
            self.stage.counts.output_tokens += u64::from(record.output_tokens);
            self.seconds.add_output(record.finished_ns, record.output_tokens);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, StageStart};
    use crate::metrics::definitions::tests::chunky;

    fn started() -> Aggregator {
        let mut aggregator = Aggregator::new();
        aggregator.apply(&Event::Stage(Box::new(StageStart::closed(0, "main", 1))));
        aggregator
    }

    #[test]
    fn tokens_count_in_their_own_second_whatever_their_order() {
        let s = |at: f64| (at * 1e9) as u64;
        let times: Vec<u64> = [0.1, 0.9, 0.999_999_999, 1.0, 1.5, 4.2, 4.3, 2.0, 2.1, 9.5].map(s).to_vec();
        let tokens = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        for chunk_tokens in [tokens, Vec::new()] {
            let mut whole = started();
            let record = RequestRecord {
                chunk_at_ns: times.clone(),
                chunk_tokens,
                finished_ns: s(9.5),
                output_tokens: 10,
                ..chunky()
            };
            whole.apply_record(&Arc::new(record.clone()));
            whole.move_to(s(11.0));
            let mut want = [0; 11];
            for (i, at_ns) in times.iter().enumerate() {
                want[(at_ns / SECOND_NS) as usize] += u64::from(record.tokens_in(i));
            }
            let snapshot = whole.snapshot(s(11.0));
            assert_eq!(snapshot.counts.output_tokens, want.iter().sum::<u64>());
            for point in snapshot.series.iter() {
                assert_eq!(point.output_tokens, want[point.second as usize], "second {}", point.second);
            }
        }
    }

    #[test]
    fn the_end_of_time_is_survived() {
        let mut whole = started();
        let chunk_at_ns = vec![5, u64::MAX - 1, u64::MAX, u64::MAX];
        let record = RequestRecord {
            finished_ns: u64::MAX,
            chunk_at_ns,
            chunk_tokens: Vec::new(),
            output_tokens: 4,
            ..chunky()
        };
        whole.apply_record(&Arc::new(record));
        assert_eq!(whole.snapshot(u64::MAX).counts.output_tokens, 4);
    }
}
