//! The client's stamps against the server's truth, request by request and token by token.

use std::collections::HashMap;

use super::answer::number;
use super::result::Errors;
use super::server::Served;
use crate::event::Outcome;
use crate::metrics::RequestRecord;
use crate::report::Pool;

/// What a comparison says.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Completed requests that have their tokens exactly once.
    pub alike: u64,
    /// Requests that the one side knows and the other does not, or with another count of tokens.
    pub unlike: u64,
    /// Of requests whose every token has a time at the server.
    pub errors: Errors,
}

/// Compares all requests of a load that both sides have seen to their end. Errors are those of requests that were
/// sent at `since_ns` or later; `tick_ns` is the clock's resolution.
pub fn compare(records: &[RequestRecord], served: &[Served], since_ns: u64, tick_ns: u64) -> Compared {
    let mut truths: HashMap<u64, &Served> = served.iter().map(|served| (served.number, served)).collect();
    let (mut alike, mut unlike) = (0, 0);
    let mut pools = [Pool::new(tick_ns), Pool::new(tick_ns), Pool::new(tick_ns)];
    for record in records {
        let truth = record.text.as_deref().and_then(number).and_then(|number| truths.remove(&number));
        if record.outcome != Outcome::Completed {
            // Cancelled at the load's end; nobody knows where the two were then.
            continue;
        }
        let Some(truth) = truth.filter(|truth| truth.tokens == record.output_tokens && is_whole(record))
        else {
            unlike += 1;
            continue;
        };
        alike += 1;
        if record.sent_ns >= since_ns && record.chunk_at_ns.len() == truth.written_ns.len() {
            errors(&mut pools, record, truth);
        }
    }
    let [ttft, itl, stamp] = pools;
    let errors = Errors { ttft_s: ttft.stats(), itl_s: itl.stats(), stamp_s: stamp.stats() };
    Compared { alike, unlike: unlike + truths.len() as u64, errors }
}

/// Every token came in a chunk of its own.
fn is_whole(record: &RequestRecord) -> bool {
    record.chunk_tokens.is_empty() && record.chunk_at_ns.len() as u64 == u64::from(record.output_tokens)
}

fn errors([ttft, itl, stamp]: &mut [Pool; 3], record: &RequestRecord, truth: &Served) {
    let (Some(seen), Some(written)) = (record.ttft_ns(), truth.written_ns.first()) else { return };
    ttft.push_ns(seen.abs_diff(written.saturating_sub(truth.received_ns)));
    let gaps = |times: &[u64]| times.windows(2).map(|t| t[1].saturating_sub(t[0])).collect::<Vec<_>>();
    for (seen, true_gap) in gaps(&record.chunk_at_ns).into_iter().zip(gaps(&truth.written_ns)) {
        itl.push_ns(seen.abs_diff(true_gap));
    }
    for (seen, written) in record.chunk_at_ns.iter().zip(&truth.written_ns) {
        stamp.push_ns(seen.saturating_sub(*written));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;
    use crate::event::CountedBy;

    const US: u64 = 1_000;

    fn record(number: u64, sent_us: u64, chunks_us: &[u64]) -> RequestRecord {
        RequestRecord {
            finished_ns: sent_us * US,
            prompt_tokens: 1,
            counted_by: CountedBy::Usage,
            text: Some(format!("{number:010} x x").into()),
            ..RequestRecord::completed(number, sent_us * US, chunks_us.iter().map(|t| t * US).collect())
        }
    }

    fn served(number: u64, received_us: u64, written_us: &[u64]) -> Served {
        Served {
            number,
            received_ns: received_us * US,
            written_ns: written_us.iter().map(|t| t * US).collect(),
            tokens: written_us.len() as u32,
        }
    }

    #[test]
    fn errors_are_differences_of_times_and_gaps() {
        let records = [record(7, 100, &[1_030, 2_020, 3_090])];
        let truth = [served(7, 110, &[1_000, 2_000, 3_000])];
        let compared = compare(&records, &truth, 0, US);
        assert_eq!((compared.alike, compared.unlike), (1, 0));
        let Errors { ttft_s, itl_s, stamp_s } = compared.errors;
        let near = |a: Option<f64>, us: f64| (a.unwrap() - us / 1e6).abs() < 1e-12;
        assert!(near(ttft_s.max, 40.0), "930 − 890");
        assert!(near(itl_s.min, 10.0) && near(itl_s.max, 70.0) && itl_s.count == 2, "{itl_s:?}");
        assert!(near(stamp_s.min, 20.0) && near(stamp_s.max, 90.0) && stamp_s.count == 3, "{stamp_s:?}");
    }

    #[test]
    fn what_only_one_side_knows_is_counted() {
        let mut lost = record(3, 0, &[5, 6]);
        lost.chunk_at_ns.pop();
        let mut silent = record(4, 0, &[5]);
        silent.text = Some("x".into());
        let records = [record(1, 0, &[5]), record(2, 0, &[5]), lost, silent, record(1, 0, &[5])];
        let truth = [served(1, 0, &[4]), served(3, 0, &[4, 5]), served(4, 0, &[4]), served(5, 0, &[4])];
        let compared = compare(&records, &truth, 0, US);
        assert_eq!(compared.alike, 1);
        assert_eq!(
            compared.unlike,
            4 + 2,
            "2 is not known, 3 lacks a token, 4 is silent, 1 came twice; 4, 5 unseen"
        );
    }

    #[test]
    fn the_time_before_the_window_gives_no_errors() {
        let (records, truth) = ([record(1, 10, &[20])], [served(1, 11, &[19])]);
        assert_eq!(compare(&records, &truth, 11 * US, US).errors.ttft_s.count, 0);
        let flat_out = [Served { written_ns: vec![19 * US], tokens: 2, ..truth[0].clone() }];
        let compared = compare(&[record(1, 10, &[20, 21])], &flat_out, 0, US);
        assert_eq!((compared.alike, compared.errors.stamp_s.count), (1, 0), "no time for each token");
    }
}
