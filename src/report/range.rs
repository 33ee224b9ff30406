//! A part of a recording: its windows, counts and latencies are then those of a range of the run's clock.
//!
//! [`Run::narrow`] notes the range, and everything that takes its stretch of time from [`super::window`] or its requests
//! from [`super::Stage::judged`] keeps to it. Nothing is thrown away: what lies before the range still tells how many
//! requests are in flight when it begins, and another range can be looked at next.

use serde::Serialize;

use super::run::Run;
use super::table::at_most;
use super::window::{self, Span};

/// The range that figures are of, seconds since the run's start, both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RangePart {
    pub from_s: f64,
    pub to_s: f64,
    /// How long the whole recording is.
    pub recording_s: f64,
}

/// Why a recording can't be narrowed to a range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RangeError {
    /// It has no length.
    #[error("the range ends at {to}, which is not after its beginning at {from}")]
    Backwards { from: String, to: String },
    /// The recording is shorter.
    #[error("{end} of the range, {at}, lies beyond the end of {name}, which is {length} long")]
    Beyond { name: String, end: &'static str, at: String, length: String },
    /// No measured window reaches into it.
    #[error("nothing was measured in {name} from {from} to {to}{windows}")]
    Nothing { name: String, from: String, to: String, windows: String },
}

impl RangePart {
    /// The range of a run; `None` if all of it is looked at.
    pub(super) fn of(run: &Run) -> Option<Self> {
        let seconds = |ns: u64| ns as f64 / 1e9;
        run.range.map(|range| Self {
            from_s: seconds(range.start_ns),
            to_s: seconds(range.end_ns),
            recording_s: seconds(run.last_ns),
        })
    }

    /// It in a line, with what belongs to it.
    pub fn words(&self) -> String {
        format!(
            "only {} s to {} s of {} s: counts and tokens by their instant, a latency and a request judged as a whole \
             if all of it lies inside",
            at_most(self.from_s, 3),
            at_most(self.to_s, 3),
            at_most(self.recording_s, 3)
        )
    }
}

impl Run {
    /// Looks at a range of the run only: times in nanoseconds since the run's start, as replays show them; `None` is the
    /// recording's beginning or end. Stages that measured nothing in it are left out.
    ///
    /// # Errors
    /// If the range has no length, if an end of it lies beyond the recording's, or if nothing was measured in it; the run
    /// is then looked at as a whole.
    pub fn narrow(&mut self, from_ns: Option<u64>, to_ns: Option<u64>) -> Result<(), RangeError> {
        self.widen();
        let range = Span { start_ns: from_ns.unwrap_or(0), end_ns: to_ns.unwrap_or(self.last_ns) };
        for (end, at_ns) in [("the beginning", range.start_ns), ("the end", range.end_ns)] {
            if at_ns > self.last_ns {
                let (at, length) = (seconds(at_ns), seconds(self.last_ns));
                return Err(RangeError::Beyond { name: self.name.clone(), end, at, length });
            }
        }
        let (from, to) = (seconds(range.start_ns), seconds(range.end_ns));
        if range.start_ns >= range.end_ns {
            return Err(RangeError::Backwards { from, to });
        }
        let wholes: Vec<Span> = self.stages.iter().filter_map(window::whole).collect();
        if !wholes.iter().any(|whole| whole.start_ns < range.end_ns && whole.end_ns > range.start_ns) {
            return Err(RangeError::Nothing { name: self.name.clone(), from, to, windows: told(&wholes) });
        }
        self.range = Some(range);
        for stage in &mut self.stages {
            stage.range = Some(range);
        }
        for (place, stage) in std::mem::take(&mut self.stages).into_iter().enumerate() {
            if window::measured(&stage).is_some() {
                self.stages.push(stage);
            } else {
                self.aside.push((place, stage));
            }
        }
        Ok(())
    }

    /// Looks at all of it again.
    pub fn widen(&mut self) {
        self.range = None;
        for (place, stage) in self.aside.drain(..) {
            self.stages.insert(place.min(self.stages.len()), stage);
        }
        self.stages.iter_mut().for_each(|stage| stage.range = None);
    }
}

/// Where something was measured.
fn told(wholes: &[Span]) -> String {
    let (first, last) = (wholes.iter().map(|w| w.start_ns).min(), wholes.iter().map(|w| w.end_ns).max());
    match first.zip(last) {
        Some((first, last)) => format!("; it was measured from {} to {}", seconds(first), seconds(last)),
        None => "; nor in all of it".into(),
    }
}

fn seconds(ns: u64) -> String {
    format!("{:.3} s", ns as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Control;
    use crate::report::fixture::{self, MS};
    use crate::report::{Requests, Tokens, report};

    fn narrowed(from_ms: u64, to_ms: u64) -> Run {
        let mut run = fixture::run();
        run.narrow(Some(from_ms * MS), Some(to_ms * MS)).unwrap();
        run
    }

    #[test]
    fn a_range_by_hand() {
        // Of request 1 the chunks at 1160 (two tokens) and 1200 ms and its end at 1500; of 2 its sending at 1010 is
        // before, its only chunk at 1310 and its end at 2000 in it; 3 is wholly in it, without a token; 4 is sent at
        // 2000, its first token comes after the range; 5 is sent at 1801 and fails after it.
        let made = report(&narrowed(1150, 2000));
        let stage = &made.stages[0];
        let w = stage.windows.measured.as_ref().unwrap();
        assert_eq!((w.start_s, w.end_s, w.seconds), (1.15, 2.0, 0.85));
        let counts = Requests { scheduled: 3, completed: 3, ..Requests::default() };
        assert_eq!((w.requests, stage.requests), (counts, counts));
        assert_eq!(w.tokens, Tokens { input: 10, output: 4 });
        assert_eq!(w.throughput.requests_per_s, Some(3.0 / 0.85));
        assert_eq!(w.throughput.output_tokens_per_s, Some(4.0 / 0.85));
        // The gap from 1100 to 1160 begins before; that of 40 ms lies in it.
        assert_eq!((w.latency.itl_s.count, w.latency.itl_s.max), (1, Some(0.04)));
        let others = [&w.latency.ttft_s, &w.latency.tpot_s, &w.latency.e2e_s];
        assert_eq!(others.map(|stats| stats.count), [0, 0, 0]);
        // In flight: 350 + 850 + 299 + 0 + 199 ms of 850.
        let mean = w.concurrency_mean.unwrap();
        assert!((mean - 1.698 / 0.85).abs() < 1e-12, "{mean}");
        // Wholly in it is request 3 alone.
        assert_eq!((stage.fastgen.requests, stage.warmup_requests), (1, 0));
        let told = made.recording.range.unwrap();
        assert_eq!((told.from_s, told.to_s, told.recording_s), (1.15, 2.0, 3.0));
    }

    #[test]
    fn what_is_wholly_in_it_has_its_latencies() {
        let w = report(&narrowed(1005, 1600)).stages[0].windows.measured.clone().unwrap();
        // Request 2, sent at 1010, has its first and last token at 1310, though it ends after the range.
        assert_eq!((w.latency.ttft_s.count, w.latency.ttft_s.max), (1, Some(0.3)));
        assert_eq!(w.latency.e2e_s.max, Some(0.3));
        assert_eq!((w.requests.completed, w.requests.scheduled), (1, 1));
    }

    #[test]
    fn both_ends_belong_to_it() {
        let w = |from, to| report(&narrowed(from, to)).stages[0].windows.measured.clone().unwrap();
        assert_eq!(w(1160, 1200).tokens.output, 3);
        assert_eq!(w(1161, 1199).tokens.output, 0);
        assert_eq!(w(1400, 1500).requests.completed, 1);
    }

    #[test]
    fn the_whole_range_is_the_whole_report() {
        let mut sweep = fixture::sweep(&[("a", 1), ("b", 2)]);
        sweep.last_ns = 600 * MS;
        for run in [fixture::run(), fixture::closed_loop(4, 20), sweep] {
            let whole = report(&run);
            for (from, to) in [(None, None), (Some(0), Some(run.last_ns))] {
                let mut all = run.clone();
                all.narrow(from, to).unwrap();
                let mut narrowed = report(&all);
                assert!(narrowed.recording.range.take().is_some());
                assert_eq!(narrowed, whole);
            }
        }
    }

    #[test]
    fn steady_is_the_longest_stretch_of_the_range() {
        let mut run = fixture::run();
        run.narrow(Some(1500 * MS), None).unwrap();
        let w = report(&run).stages[0].windows.steady.clone().unwrap();
        assert_eq!((w.start_s, w.end_s), (1.5, 2.8));
        // Clients changed at 1.6 s: of what is left to either side within the range, the longer part.
        let mut run = fixture::run();
        run.controls.push((1600 * MS, Control::Clients { clients: 2 }));
        run.narrow(Some(1100 * MS), Some(1900 * MS)).unwrap();
        let made = report(&run);
        let w = made.stages[0].windows.steady.clone().unwrap();
        assert_eq!((w.start_s, w.end_s), (1.1, 1.6));
        assert!(made.is(crate::report::VerdictKind::Intervened));
        let mut run = fixture::run();
        run.controls.push((1600 * MS, Control::Clients { clients: 2 }));
        run.narrow(Some(1700 * MS), None).unwrap();
        assert!(!report(&run).is(crate::report::VerdictKind::Intervened), "what was before is no matter");
    }

    #[test]
    fn impossible_ranges_are_named() {
        let mut run = fixture::run();
        let untouched = report(&run);
        let mut wrong = |from: Option<u64>, to: Option<u64>| {
            run.narrow(from.map(|ms| ms * MS), to.map(|ms| ms * MS)).unwrap_err().to_string()
        };
        assert_eq!(
            wrong(Some(2000), Some(1000)),
            "the range ends at 1.000 s, which is not after its beginning at 2.000 s"
        );
        assert!(wrong(Some(2000), Some(2000)).contains("not after its beginning"));
        assert_eq!(
            wrong(Some(9000), None),
            "the beginning of the range, 9.000 s, lies beyond the end of hand.jsonl.zst, which is 3.000 s long"
        );
        assert!(wrong(None, Some(3001)).starts_with("the end of the range, 3.001 s, lies beyond"));
        assert_eq!(
            wrong(None, Some(900)),
            "nothing was measured in hand.jsonl.zst from 0.000 s to 0.900 s; it was measured from 1.000 s to 3.000 s"
        );
        assert_eq!(report(&run), untouched);
        run.stages.clear();
        assert!(run.narrow(None, None).unwrap_err().to_string().ends_with("; nor in all of it"));
    }

    #[test]
    fn stages_outside_are_left_out_and_the_series_keeps_to_it() {
        let mut run = fixture::sweep(&[("a", 1), ("b", 2)]);
        for stage in &mut run.stages[1..] {
            stage.start.at_ns = 2_000 * MS;
            stage.phases = vec![(2_000 * MS, crate::event::Phase::Measuring)];
            for r in &mut stage.requests {
                for at in [&mut r.sent_ns, &mut r.scheduled_ns, &mut r.finished_ns] {
                    *at += 2_000 * MS;
                }
                r.chunk_at_ns.iter_mut().for_each(|at| *at += 2_000 * MS);
            }
        }
        run.last_ns = 2_600 * MS;
        run.narrow(Some(2_100 * MS), None).unwrap();
        assert_eq!(run.stages.len(), 1);
        let mut seconds = Vec::new();
        let each = crate::report::seconds::each(&run, |_, second| {
            seconds.push((second.at, second.output));
            Ok::<_, std::convert::Infallible>(())
        });
        assert!(each.is_ok());
        assert_eq!(seconds, [(2, 100)], "the second that it touches, with all that is in it");
        run.narrow(None, Some(400 * MS)).unwrap();
        assert_eq!(run.stages.iter().map(|s| s.start.stage).collect::<Vec<_>>(), [0]);
        run.widen();
        assert_eq!(run.stages.iter().map(|s| s.start.stage).collect::<Vec<_>>(), [0, 1]);
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole(cut_ms in 1001_u64..2999) {
            // A token or an end at the very cut belongs to both; the cut is put between microseconds.
            let at = cut_ms * MS + 500;
            let part = |from, to| {
                let mut run = fixture::run();
                run.narrow(from, to).unwrap();
                report(&run).stages[0].windows.measured.clone().unwrap()
            };
            let (left, right) = (part(None, Some(at)), part(Some(at), None));
            let whole = report(&fixture::run()).stages[0].windows.measured.clone().unwrap();
            prop_assert_eq!(left.tokens.output + right.tokens.output, whole.tokens.output);
            prop_assert_eq!(left.tokens.input + right.tokens.input, whole.tokens.input);
            prop_assert_eq!(left.requests.ended() + right.requests.ended(), whole.requests.ended());
            let seconds = left.seconds + right.seconds;
            prop_assert!((seconds - whole.seconds).abs() < 1e-9);
        }
    }
}
