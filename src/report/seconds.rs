//! A recording second by second: what `series.csv` and the timeline chart show.
//!
//! Like every figure it leaves warm-up requests out, so its counts add up to the report's.

use super::run::{Run, Stage};
use super::stats::{Pool, Sorted};
use crate::event::Outcome;
use crate::metrics::RequestRecord;

const SECOND: u64 = 1_000_000_000;
/// Most seconds that are told one by one: 24 days. A damaged time must not ask for all the memory there is.
const MOST: u64 = 1 << 21;

/// What happened in one second.
#[derive(Debug, Default)]
pub struct Second {
    /// Whole seconds since the run's start.
    pub at: u64,
    pub in_flight: u64,
    pub completed: u64,
    pub failed: u64,
    pub output: u64,
    pub input: u64,
    /// Requests sent less those finished: the change of requests in flight.
    change: i64,
    /// Of first tokens of completed requests in this second, nanoseconds.
    ttft_ns: Vec<u64>,
    /// Gaps that ended in this second, of completed requests: nanoseconds and tokens.
    gaps: Vec<(u64, u32)>,
}

impl Second {
    /// TTFT of completed requests whose first token came in this second.
    pub fn ttft(&self, tick_ns: u64) -> Sorted {
        let mut pool = Pool::new(tick_ns);
        self.ttft_ns.iter().for_each(|ns| pool.push_ns(*ns));
        pool.sorted()
    }

    /// Gaps that ended in this second.
    pub fn itl(&self, tick_ns: u64) -> Sorted {
        let mut pool = Pool::new(tick_ns);
        self.gaps.iter().for_each(|(ns, tokens)| pool.push_chunk(*ns, *tokens));
        pool.sorted()
    }
}

/// The second that a time belongs to.
pub fn index(at_ns: u64) -> u64 {
    at_ns / SECOND
}

/// Takes every second of a recording, from the run's start to its end, to `take`, with its stage; what is before
/// the first stage (loading) has none. Of a range: every second that it touches, each with all that happened in it.
/// After [`MOST`] seconds it ends, and what is later counts in the last one.
///
/// # Errors
/// The first of `take`'s.
pub fn each<E>(run: &Run, mut take: impl FnMut(Option<&Stage>, Second) -> Result<(), E>) -> Result<(), E> {
    let row = |at_ns| index(at_ns).min(MOST - 1);
    let end = row(run.last_ns);
    let looked_at = |at| run.range.is_none_or(|r| (index(r.start_ns)..=index(r.end_ns)).contains(&at));
    let mut rows = |stage: Option<&Stage>, seconds: std::ops::Range<u64>| {
        let mut counted = stage.map_or_else(Vec::new, |stage| count(stage, &seconds)).into_iter();
        let mut in_flight = 0i64;
        for at in seconds {
            let now = counted.next().unwrap_or_default();
            in_flight += now.change;
            if looked_at(at) {
                take(stage, Second { at, in_flight: u64::try_from(in_flight).unwrap_or(0), ..now })?;
            }
        }
        Ok(())
    };
    let mut from = 0;
    for (i, stage) in run.stages.iter().enumerate() {
        let next = run.stages.get(i + 1).map(|s| row(s.start.at_ns));
        let start = row(stage.start.at_ns).max(from);
        rows(None, from..start)?;
        let until = next.unwrap_or(end + 1).max(start);
        rows(Some(stage), start..until)?;
        from = until;
    }
    rows(None, from..end + 1)
}

/// A stage by seconds. What happened after the stage's last row (there is nothing, unless stages overlap in a
/// damaged recording) counts in that row, so that the sums stay right.
fn count(stage: &Stage, seconds: &std::ops::Range<u64>) -> Vec<Second> {
    let length = usize::try_from(seconds.end.saturating_sub(seconds.start)).unwrap_or(0);
    let mut counted: Vec<Second> = std::iter::repeat_with(Second::default).take(length).collect();
    if counted.is_empty() {
        return counted;
    }
    let slot = |at_ns: u64| {
        let second = index(at_ns).saturating_sub(seconds.start);
        usize::try_from(second).unwrap_or(usize::MAX).min(length - 1)
    };
    for r in stage.measured() {
        counted[slot(r.sent_ns)].change += 1;
        let end = &mut counted[slot(r.finished_ns)];
        end.change -= 1;
        end.completed += u64::from(r.outcome == Outcome::Completed);
        end.failed += u64::from(r.outcome.is_failure() || r.outcome.is_timeout());
        count_tokens(&mut counted, r, slot);
    }
    counted
}

fn count_tokens(counted: &mut [Second], r: &RequestRecord, slot: impl Fn(u64) -> usize) {
    let completed = r.outcome == Outcome::Completed;
    let Some(first) = r.chunk_at_ns.first() else {
        if r.output_tokens > 0 {
            let end = &mut counted[slot(r.finished_ns)];
            end.output += u64::from(r.output_tokens);
            end.input += u64::from(r.prompt_tokens);
        }
        return;
    };
    counted[slot(*first)].input += u64::from(r.prompt_tokens);
    if completed {
        counted[slot(*first)].ttft_ns.extend(r.ttft_ns());
    }
    let mut before = None;
    for (i, &at_ns) in r.chunk_at_ns.iter().enumerate() {
        let second = &mut counted[slot(at_ns)];
        second.output += u64::from(r.tokens_in(i));
        if let Some(before) = before.filter(|_| completed) {
            second.gaps.push((at_ns.saturating_sub(before), r.tokens_in(i)));
        }
        before = Some(at_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_time_out_of_all_reason_takes_no_memory_and_loses_nothing() {
        let mut run = fixture::run();
        let want = crate::report::report(&run).stages[0].requests.completed;
        run.stages[0].requests[1].finished_ns = u64::MAX;
        run.last_ns = u64::MAX;
        let (mut rows, mut completed) = (0, 0);
        let told = each(&run, |_, second| {
            rows += 1;
            completed += second.completed;
            Ok::<_, std::convert::Infallible>(())
        });
        assert!(told.is_ok());
        assert_eq!((rows, completed), (MOST, want));
    }
}
