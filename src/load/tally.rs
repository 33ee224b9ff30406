//! What became of a stage's measured requests, as far as the sweep must know: did any complete, and how fast?

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::backend::End;
use crate::event::Outcome;

/// Counts of measured requests. Taken at a request's end only, so a token costs nothing more.
#[derive(Debug, Default)]
pub(super) struct Tally {
    completed: AtomicU64,
    failed: AtomicU64,
    began_ns: AtomicU64,
    last_end_ns: AtomicU64,
    error: Mutex<Option<String>>,
}

impl Tally {
    /// Measuring begins.
    pub fn begin(&self, at_ns: u64) {
        self.began_ns.store(at_ns, Ordering::Relaxed);
    }

    /// A measured request has ended.
    pub fn count(&self, at_ns: u64, end: &End) {
        self.last_end_ns.fetch_max(at_ns, Ordering::Relaxed);
        if end.outcome == Outcome::Completed {
            self.completed.fetch_add(1, Ordering::Relaxed);
        } else if end.outcome != Outcome::Cancelled {
            self.failed.fetch_add(1, Ordering::Relaxed);
            if let Ok(mut error) = self.error.lock() {
                let why = end.error.as_deref().unwrap_or(end.outcome.name());
                *error = Some(why.lines().next().unwrap_or_default().to_owned());
            }
        }
    }

    /// Why the stage failed, if requests ended and none of them completed.
    pub fn all_failed(&self) -> Option<String> {
        let failed = self.failed.load(Ordering::Relaxed);
        if failed == 0 || self.completed.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let last = self.error.lock().ok().and_then(|error| error.clone()).unwrap_or_default();
        Some(format!("all {failed} requests failed, the last with: {last}"))
    }

    /// Completed requests a second, from the barrier to the last measured request's end.
    pub fn requests_per_s(&self) -> Option<f64> {
        let ns =
            self.last_end_ns.load(Ordering::Relaxed).checked_sub(self.began_ns.load(Ordering::Relaxed))?;
        (ns > 0).then(|| self.completed.load(Ordering::Relaxed) as f64 / (ns as f64 / 1e9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::CountedBy;

    fn end(outcome: Outcome) -> End {
        End {
            outcome,
            output_tokens: 1,
            counted_by: CountedBy::Engine,
            prompt_tokens: None,
            error: Some("no\nroom".into()),
        }
    }

    #[test]
    fn one_completed_request_is_enough() {
        let tally = Tally::default();
        assert_eq!((tally.all_failed(), tally.requests_per_s()), (None, None));
        tally.begin(1_000_000_000);
        tally.count(2_000_000_000, &end(Outcome::Cancelled));
        assert_eq!(tally.all_failed(), None, "cancelled requests did not fail");
        tally.count(3_000_000_000, &end(Outcome::FailedEngine));
        tally.count(3_000_000_000, &end(Outcome::TimedOutTotal));
        assert_eq!(tally.all_failed().unwrap(), "all 2 requests failed, the last with: no");
        tally.count(5_000_000_000, &end(Outcome::Completed));
        assert_eq!((tally.all_failed(), tally.requests_per_s()), (None, Some(0.25)));
    }
}
