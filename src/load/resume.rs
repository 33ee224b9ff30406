//! What an interrupted recording holds of its run: which stages are done, and where numbers and times go on.

use std::collections::{BTreeMap, HashMap};

use crate::event::{Event, Outcome, Phase, RequestId, StageEnd, StageId, StageOutcome};
use crate::metrics::RequestRecord;
use crate::profile::StagePlan;
use crate::recording::Entry;

/// The part of a run that is recorded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Earlier {
    /// Stages that need no further run.
    pub done: BTreeMap<StageId, Done>,
    /// The first number that no request has.
    pub next_request: RequestId,
    /// Time of the last thing in it, nanoseconds since the run's start.
    pub last_ns: u64,
}

/// A stage that is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    pub name: String,
    /// The sweep's values in it.
    pub sweep: Vec<(String, serde_json::Value)>,
    pub how: StageOutcome,
    /// Completed requests a second over the measured window.
    pub requests_per_s: Option<f64>,
}

/// A stage's measured part so far.
#[derive(Default)]
struct Measured {
    began_ns: Option<u64>,
    last_end_ns: u64,
    completed: u64,
}

impl Measured {
    fn take(&mut self, record: &RequestRecord) {
        if !record.warmup {
            self.completed += u64::from(record.outcome == Outcome::Completed);
            self.last_end_ns = self.last_end_ns.max(record.finished_ns);
        }
    }

    fn requests_per_s(&self) -> Option<f64> {
        let ns = self.last_end_ns.checked_sub(self.began_ns?).filter(|ns| *ns > 0)?;
        Some(self.completed as f64 / (ns as f64 / 1e9))
    }
}

impl Earlier {
    /// Reads it from a recording. Of a stage with several attempts, the last one counts.
    pub fn read(entries: impl Iterator<Item = Entry>) -> Self {
        let mut earlier = Self::default();
        let mut measured: HashMap<StageId, Measured> = HashMap::new();
        for entry in entries {
            earlier.last_ns = earlier.last_ns.max(entry.at_ns());
            match entry {
                Entry::Request(record) => {
                    earlier.saw(record.request);
                    measured.entry(record.stage).or_default().take(&record);
                }
                Entry::Event(Event::Sent(sent)) => earlier.saw(sent.request),
                Entry::Event(Event::Stage(start)) => {
                    earlier.done.remove(&start.stage);
                    measured.insert(start.stage, Measured::default());
                }
                Entry::Event(Event::Phase { at_ns, stage, phase: Phase::Measuring }) => {
                    measured.entry(stage).or_default().began_ns = Some(at_ns);
                }
                Entry::Event(Event::StageEnd(end)) if end.how.is_final() => {
                    let requests_per_s = measured.remove(&end.stage).and_then(|m| m.requests_per_s());
                    let StageEnd { stage, name, sweep, how, .. } = *end;
                    earlier.done.insert(stage, Done { name, sweep, how, requests_per_s });
                }
                Entry::Event(_) => {}
            }
        }
        earlier
    }

    fn saw(&mut self, request: RequestId) {
        self.next_request = self.next_request.max(request.saturating_add(1));
    }

    /// Whether these stages are the ones that were begun: with the same values of the sweep, if there is one. What they
    /// are called may differ, for once cells that come again had no number behind their names.
    ///
    /// # Errors
    /// Which one is not.
    pub fn check(&self, stages: &[StagePlan]) -> Result<(), String> {
        for (number, done) in &self.done {
            let stage = stages.get(*number as usize);
            let planned = stage.map_or("none", |stage| stage.name.as_str());
            let same_cell = stage.is_some_and(|stage| !done.sweep.is_empty() && stage.sweep == done.sweep);
            if planned != done.name && !same_cell {
                return Err(format!(
                    "its stage {} is {}, and its profile now makes {planned} of it: another version of fastgen-tui \
                     recorded it",
                    number + 1,
                    done.name
                ));
            }
        }
        Ok(())
    }

    /// Whether nothing is left to run.
    pub fn is_complete(&self, stages: &[StagePlan]) -> bool {
        (0..stages.len()).all(|number| self.done.contains_key(&(number as StageId)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::StageStart;

    fn start(stage: StageId, at_ns: u64) -> Entry {
        Entry::Event(Event::Stage(Box::new(StageStart {
            at_ns,
            ..StageStart::closed(stage, format!("clients={stage}"), 1)
        })))
    }

    fn end(stage: StageId, at_ns: u64, how: StageOutcome) -> Entry {
        let name = format!("clients={stage}");
        let end = StageEnd { at_ns, stage, name, sweep: Vec::new(), clients: Some(1), how };
        Entry::Event(Event::StageEnd(Box::new(end)))
    }

    fn request(request: RequestId, stage: StageId, finished_ns: u64) -> Entry {
        Entry::Request(RequestRecord {
            stage,
            finished_ns,
            prompt_tokens: 1,
            max_tokens: 1,
            output_tokens: 1,
            ..RequestRecord::completed(request, 0, Vec::new())
        })
    }

    #[test]
    fn cells_that_come_again_are_known_by_their_values_whatever_they_were_called() {
        let grid = crate::profile::resolve_in(None, "sim", &["sweep.clients=[8, 8, 4, 8]".to_owned()]);
        let stages = grid.unwrap().profile.stages().unwrap();
        let of = |names: &[&str], clients: &[u64]| {
            let all = names.iter().zip(clients).enumerate().map(|(i, (name, clients))| {
                let sweep = vec![("clients".to_owned(), serde_json::Value::from(*clients))];
                let done =
                    Done { name: (*name).into(), sweep, how: StageOutcome::Complete, requests_per_s: None };
                (i as StageId, done)
            });
            Earlier { done: all.collect(), ..Earlier::default() }.check(&stages)
        };
        assert_eq!(of(&["clients=8", "clients=8 (2)", "clients=4"], &[8, 8, 4]), Ok(()));
        assert_eq!(of(&["clients=8", "clients=8", "clients=4", "clients=8"], &[8, 8, 4, 8]), Ok(()));
        let other = of(&["clients=8", "clients=16"], &[8, 16]).unwrap_err();
        assert!(other.contains("its stage 2 is clients=16"), "{other}");
        assert!(of(&["clients=8"; 5], &[8, 8, 4, 8, 8]).is_err(), "there is no fifth");
    }

    #[test]
    fn only_final_ends_are_done_and_the_last_attempt_counts() {
        let measuring = |stage, at_ns| Entry::Event(Event::Phase { at_ns, stage, phase: Phase::Measuring });
        let skipped = StageOutcome::Skipped { reason: "flat".into() };
        let entries = vec![
            start(0, 1),
            request(0, 0, 5),
            start(0, 10),
            measuring(0, 1_000_000_000),
            request(4, 0, 3_000_000_000),
            end(0, 3_000_000_001, StageOutcome::Complete),
            start(1, 3_000_000_002),
            end(1, 3_000_000_003, StageOutcome::Interrupted),
            end(2, 3_000_000_004, skipped.clone()),
        ];
        let earlier = Earlier::read(entries.into_iter());
        assert_eq!((earlier.next_request, earlier.last_ns), (5, 3_000_000_004));
        let done: Vec<_> = earlier.done.iter().map(|(n, d)| (*n, &d.how, d.requests_per_s)).collect();
        assert_eq!(done, [(0, &StageOutcome::Complete, Some(0.5)), (2, &skipped, None)]);
    }
}
