//! Where one can jump to: ends of requests, marks and phases, outliers, the slowest request.

use crate::event::{Event, Outcome, Phase, StageId};
use crate::metrics::RequestRecord;
use crate::metrics::pack::{Pack, pack, pack_ascending, unpack_ascending};
use crate::recording::Entry;

/// Ends of requests kept for stepping: 128 MiB. Later ones are played, but not stepped to one by one.
const MAX_ENDS: usize = 1 << 24;
/// Places to jump to kept.
const MAX_JUMPS: usize = 1 << 16;

/// Times in a recording, nanoseconds since the run's start, ascending.
#[derive(Debug, Default, Clone, PartialEq)]
pub(in crate::replay) struct Places {
    pub(in crate::replay) length_ns: u64,
    ends: Times,
    /// Stages, phases, marks and other interventions.
    jumps: Times,
    /// Ends of requests whose TTFT or E2E is above the p99 of their stage.
    outliers: Times,
    /// The end of the request with the greatest E2E.
    pub(in crate::replay) slowest_ns: Option<u64>,
}

#[derive(Debug, Default, Clone, PartialEq)]
struct Times(Vec<u64>);

impl Pack for Times {
    fn pack(&self, out: &mut Vec<u8>) {
        pack_ascending(&self.0, out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        unpack_ascending(from).filter(|times| times.is_sorted()).map(Self)
    }
}

pack!(Places { length_ns, ends, jumps, outliers, slowest_ns });

impl Times {
    fn neighbour(&self, from_ns: u64, forward: bool) -> Option<u64> {
        if forward {
            self.0.get(self.0.partition_point(|t| *t <= from_ns)).copied()
        } else {
            self.0[..self.0.partition_point(|t| *t < from_ns)].last().copied()
        }
    }
}

impl Places {
    /// The end of a request after (or before) a time.
    pub(in crate::replay) fn step(&self, from_ns: u64, forward: bool) -> Option<u64> {
        self.ends.neighbour(from_ns, forward)
    }

    /// The mark, phase or intervention after (or before) a time.
    pub(in crate::replay) fn jump(&self, from_ns: u64, forward: bool) -> Option<u64> {
        self.jumps.neighbour(from_ns, forward)
    }

    /// The end of an outlier after (or before) a time.
    pub(in crate::replay) fn outlier(&self, from_ns: u64, forward: bool) -> Option<u64> {
        self.outliers.neighbour(from_ns, forward)
    }
}

/// A measured, completed request, in microseconds but for its end.
#[derive(Clone, Copy)]
struct Measured {
    end_ns: u64,
    e2e_us: u32,
    /// The greatest value stands for none: it is left out.
    ttft_us: u32,
}

/// Gathers them, entry by entry.
#[derive(Default)]
pub(super) struct Gatherer {
    places: Places,
    stage: StageId,
    /// Requests of the stage under way.
    measured: Vec<Measured>,
    slowest: Option<(u64, u64)>,
}

impl Gatherer {
    pub(super) fn look(&mut self, entry: &Entry) {
        let places = &mut self.places;
        places.length_ns = places.length_ns.max(entry.at_ns());
        match entry {
            Entry::Request(record) => self.request(record),
            Entry::Event(event) => {
                if is_jump(event) && places.jumps.0.len() < MAX_JUMPS {
                    places.jumps.0.push(event.at_ns());
                }
                if let Event::Stage(start) = event {
                    // What a stage that begins anew has measured before is void.
                    if start.stage == self.stage {
                        self.measured.clear();
                    } else {
                        self.judge();
                    }
                    self.stage = start.stage;
                }
            }
        }
    }

    fn request(&mut self, record: &RequestRecord) {
        if self.places.ends.0.len() < MAX_ENDS {
            self.places.ends.0.push(record.finished_ns);
        }
        let counts = !record.warmup && record.stage == self.stage && record.outcome == Outcome::Completed;
        let (true, Some(e2e_ns)) = (counts, record.e2e_ns()) else { return };
        if self.slowest.is_none_or(|(most, _)| e2e_ns > most) {
            self.slowest = Some((e2e_ns, record.finished_ns));
        }
        if self.measured.len() < MAX_ENDS {
            let us = |ns: u64| u32::try_from(ns / 1000).unwrap_or(u32::MAX);
            let ttft_us = record.ttft_ns().map_or(u32::MAX, us);
            self.measured.push(Measured { end_ns: record.finished_ns, e2e_us: us(e2e_ns), ttft_us });
        }
    }

    /// The stage under way is over: its outliers are known.
    fn judge(&mut self) {
        let measured = std::mem::take(&mut self.measured);
        let e2e = p99(measured.iter().map(|m| m.e2e_us));
        let ttft = p99(measured.iter().map(|m| m.ttft_us).filter(|us| *us < u32::MAX));
        let is_outlier = |m: &&Measured| m.e2e_us > e2e || (m.ttft_us > ttft && m.ttft_us < u32::MAX);
        self.places.outliers.0.extend(measured.iter().filter(is_outlier).map(|m| m.end_ns));
    }

    pub(super) fn finish(mut self) -> Places {
        self.judge();
        let mut places = self.places;
        for times in [&mut places.ends, &mut places.jumps, &mut places.outliers] {
            times.0.sort_unstable();
            times.0.dedup();
        }
        places.slowest_ns = self.slowest.map(|(_, end_ns)| end_ns);
        places
    }
}

/// The 99th percentile by nearest rank; the greatest value there can be where there are none.
fn p99(values: impl Iterator<Item = u32>) -> u32 {
    let mut values: Vec<u32> = values.collect();
    let Some(rank) = (values.len() * 99).div_ceil(100).checked_sub(1) else { return u32::MAX };
    *values.select_nth_unstable(rank).1
}

fn is_jump(event: &Event) -> bool {
    match event {
        Event::Stage(_) | Event::Resumed(_) | Event::Control { .. } => true,
        Event::Phase { phase, .. } => *phase != Phase::Loading,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_are_above_the_99th_percentile() {
        assert_eq!(p99(1..=200), 198);
        assert_eq!(p99(1..=100), 99);
        assert_eq!(p99(1..=99), 99, "below a hundred nothing is above it");
        assert_eq!(p99(std::iter::empty()), u32::MAX);
    }

    #[test]
    fn neighbours_lie_strictly_before_and_after() {
        let times = Times(vec![10, 20, 30]);
        assert_eq!((times.neighbour(20, true), times.neighbour(20, false)), (Some(30), Some(10)));
        assert_eq!((times.neighbour(30, true), times.neighbour(10, false)), (None, None));
    }
}
