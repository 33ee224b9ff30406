//! Where one can jump to: ends of requests, marks and phases, outliers, the slowest request.

use crate::event::{Control, Event, Outcome, Phase, RequestId, StageId};
use crate::metrics::pack::{Pack, pack, pack_ascending, unpack_ascending};
use crate::metrics::{RequestRecord, Standstills, interventions};
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
    jumps: Vec<Jump>,
    /// Requests whose TTFT or E2E is above the p99 of their stage, by their ends.
    outliers: Vec<Found>,
    /// The request with the greatest E2E; the limit says nothing.
    pub(in crate::replay) slowest: Option<Found>,
}

/// A place between requests, and what it is: `stage 2: clients=8, warm-up begins`.
#[derive(Debug, Default, Clone, PartialEq)]
pub(in crate::replay) struct Jump {
    pub(in crate::replay) at_ns: u64,
    pub(in crate::replay) what: String,
}

pack!(Jump { at_ns, what });

/// A request worth going to, and why.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(in crate::replay) struct Found {
    pub(in crate::replay) end_ns: u64,
    pub(in crate::replay) request: RequestId,
    /// It is its TTFT that stands out, and not its E2E.
    pub(in crate::replay) by_ttft: bool,
    pub(in crate::replay) value_us: u32,
    /// The p99 of that in its stage.
    pub(in crate::replay) p99_us: u32,
}

pack!(Found { end_ns, request, by_ttft, value_us, p99_us });

/// The one of all outliers that was gone to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::replay) struct Outlier {
    pub(in crate::replay) found: Found,
    /// From 1, in the order of time.
    pub(in crate::replay) nth: usize,
    pub(in crate::replay) of: usize,
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

pack!(Places { length_ns, ends, jumps, outliers, slowest });

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
    pub(in crate::replay) fn jump(&self, from_ns: u64, forward: bool) -> Option<&Jump> {
        if forward {
            self.jumps.get(self.jumps.partition_point(|jump| jump.at_ns <= from_ns))
        } else {
            self.jumps[..self.jumps.partition_point(|jump| jump.at_ns < from_ns)].last()
        }
    }

    /// The outlier that ends next after (or before) a time.
    pub(in crate::replay) fn outlier(&self, from_ns: u64, forward: bool) -> Option<Outlier> {
        let all = &self.outliers;
        let at = if forward {
            all.partition_point(|found| found.end_ns <= from_ns)
        } else {
            all.partition_point(|found| found.end_ns < from_ns).checked_sub(1)?
        };
        let found = *all.get(at)?;
        Some(Outlier { found, nth: at + 1, of: all.len() })
    }

    /// Whether there is any outlier.
    pub(in crate::replay) fn has_outliers(&self) -> bool {
        !self.outliers.is_empty()
    }
}

/// A measured, completed request, in microseconds but for its end.
#[derive(Clone, Copy)]
struct Measured {
    end_ns: u64,
    request: RequestId,
    e2e_us: u32,
    /// The greatest value stands for none: it is left out.
    ttft_us: u32,
}

impl Measured {
    /// Why it is an outlier at these 99th percentiles, if it is: by its E2E first.
    fn outlier(&self, e2e_us: u32, ttft_us: u32) -> Option<Found> {
        let found = |by_ttft, value_us, p99_us| Found {
            end_ns: self.end_ns,
            request: self.request,
            by_ttft,
            value_us,
            p99_us,
        };
        if self.e2e_us > e2e_us {
            return Some(found(false, self.e2e_us, e2e_us));
        }
        (self.ttft_us > ttft_us && self.ttft_us < u32::MAX).then(|| found(true, self.ttft_us, ttft_us))
    }
}

/// Whole microseconds, as many as fit.
fn us(ns: u64) -> u32 {
    u32::try_from(ns / 1000).unwrap_or(u32::MAX)
}

/// Gathers them, entry by entry.
#[derive(Default)]
pub(super) struct Gatherer {
    places: Places,
    stage: StageId,
    /// Requests of the stage under way.
    measured: Vec<Measured>,
    slowest: Slowest,
    /// The slowest of the stages before.
    before: Slowest,
    standstills: Standstills,
}

/// A request and its E2E in nanoseconds.
type Slowest = Option<(Found, u64)>;

impl Gatherer {
    pub(super) fn look(&mut self, entry: &Entry) {
        let places = &mut self.places;
        places.length_ns = places.length_ns.max(entry.at_ns());
        match entry {
            Entry::Request(record) => self.request(record),
            Entry::Event(event) => {
                if let Some(what) = jump_to(event).filter(|_| places.jumps.len() < MAX_JUMPS) {
                    places.jumps.push(Jump { at_ns: event.at_ns(), what });
                }
                match event {
                    Event::Control { at_ns, control } => self.standstills.take(*at_ns, control),
                    Event::Resumed(resumed) => self.standstills.end(resumed.at_ns),
                    Event::Stage(start) => self.begin(start.stage),
                    _ => {}
                }
            }
        }
    }

    fn begin(&mut self, stage: StageId) {
        // What a stage that begins anew has measured before is void.
        if stage == self.stage {
            self.measured.clear();
            self.slowest = self.before;
        } else {
            self.judge();
        }
        self.stage = stage;
    }

    fn request(&mut self, record: &RequestRecord) {
        if self.places.ends.0.len() < MAX_ENDS {
            self.places.ends.0.push(record.finished_ns);
        }
        let counts = !record.warmup && record.stage == self.stage && record.outcome == Outcome::Completed;
        // What a standstill spoiled is no length of a request's.
        let counts = counts && !self.standstills.spoil(record);
        let (true, Some(e2e_ns)) = (counts, record.e2e_ns()) else { return };
        let (end_ns, request, took_us) = (record.finished_ns, record.request, us(e2e_ns));
        if self.slowest.is_none_or(|(_, slowest_ns)| e2e_ns > slowest_ns) {
            let found = Found { end_ns, request, value_us: took_us, ..Found::default() };
            self.slowest = Some((found, e2e_ns));
        }
        if self.measured.len() < MAX_ENDS {
            let ttft_us = record.ttft_ns().map_or(u32::MAX, us);
            self.measured.push(Measured { end_ns, request, e2e_us: took_us, ttft_us });
        }
    }

    /// The stage under way is over: its outliers are known.
    fn judge(&mut self) {
        self.before = self.slowest;
        let measured = std::mem::take(&mut self.measured);
        let e2e = p99(measured.iter().map(|m| m.e2e_us));
        let ttft = p99(measured.iter().map(|m| m.ttft_us).filter(|us| *us < u32::MAX));
        self.places.outliers.extend(measured.iter().filter_map(|m| m.outlier(e2e, ttft)));
    }

    pub(super) fn finish(mut self) -> Places {
        self.judge();
        let mut places = self.places;
        places.slowest = self.slowest.map(|(found, _)| found);
        places.ends.0.sort_unstable();
        places.ends.0.dedup();
        join(&mut places.jumps);
        places.outliers.sort_unstable_by_key(|found| (found.end_ns, found.request));
        places.outliers.dedup_by_key(|found| found.end_ns);
        places
    }
}

/// The 99th percentile by nearest rank; the greatest value there can be where there are none.
fn p99(values: impl Iterator<Item = u32>) -> u32 {
    let mut values: Vec<u32> = values.collect();
    let Some(rank) = (values.len() * 99).div_ceil(100).checked_sub(1) else { return u32::MAX };
    *values.select_nth_unstable(rank).1
}

/// In the order of time; what happens at once is one place.
fn join(jumps: &mut Vec<Jump>) {
    jumps.sort_by_key(|jump| jump.at_ns);
    jumps.dedup_by(|later, first| {
        let same = later.at_ns == first.at_ns;
        if same {
            first.what = format!("{}, {}", first.what, later.what);
        }
        same
    });
}

/// What an event is called as a place to jump to; `None`: it is none.
fn jump_to(event: &Event) -> Option<String> {
    Some(match event {
        Event::Stage(start) => format!("stage {}: {}", start.stage + 1, start.name),
        Event::Resumed(_) => "the run is resumed".into(),
        Event::Control { control: Control::Mark { note }, .. } if !note.is_empty() => format!("mark: {note}"),
        Event::Control { control, .. } => interventions::words(control),
        Event::Phase { phase, .. } => match phase {
            Phase::Loading => return None,
            Phase::Warmup => "warm-up begins".into(),
            Phase::Measuring => "measuring begins".into(),
            Phase::Draining => "draining begins".into(),
            Phase::Done => "the stage is done".into(),
        },
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
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
    fn an_outlier_tells_what_it_is_by() {
        let measured = Measured { end_ns: 9, request: 4, e2e_us: 30, ttft_us: 8 };
        let by = |e2e, ttft| measured.outlier(e2e, ttft).map(|f| (f.by_ttft, f.value_us, f.p99_us));
        assert_eq!(by(29, 7), Some((false, 30, 29)));
        assert_eq!(by(30, 7), Some((true, 8, 7)));
        assert_eq!(by(30, 8), None);
        assert_eq!(Measured { ttft_us: u32::MAX, ..measured }.outlier(30, 7), None, "it has no first token");
    }

    #[test]
    fn outliers_are_gone_through_in_the_order_of_time() {
        let found = |end_ns| Found { end_ns, request: end_ns, ..Found::default() };
        let places = Places { outliers: vec![found(10), found(20), found(30)], ..Places::default() };
        let go = |from, forward| places.outlier(from, forward).map(|o| (o.found.request, o.nth, o.of));
        assert_eq!((go(0, true), go(10, true), go(30, true)), (Some((10, 1, 3)), Some((20, 2, 3)), None));
        assert_eq!((go(99, false), go(20, false), go(10, false)), (Some((30, 3, 3)), Some((10, 1, 3)), None));
    }

    fn request(request: RequestId, stage: StageId, took_ns: u64) -> Entry {
        Entry::Request(RequestRecord {
            stage,
            prompt_tokens: 1,
            ..RequestRecord::completed(request, 0, vec![took_ns])
        })
    }

    #[test]
    fn nothing_is_slow_because_the_process_stood_still() {
        let control = |at_ns, control| Entry::Event(Event::Control { at_ns, control });
        let mut gatherer = Gatherer::default();
        gatherer.look(&request(1, 0, 300));
        gatherer.look(&control(400, Control::Suspended));
        gatherer.look(&control(800, Control::Continued));
        gatherer.look(&request(2, 0, 900));
        assert_eq!(gatherer.measured.len(), 1, "nor is it an outlier");
        assert_eq!(gatherer.finish().slowest.map(|found| found.request), Some(1));
    }

    #[test]
    fn the_slowest_is_not_one_of_a_void_beginning() {
        let mut gatherer = Gatherer::default();
        let stage = |stage| {
            let start = serde_json::json!({ "t": 0, "stage": stage, "name": "s", "clients": 1 });
            Entry::Event(Event::Stage(Box::new(serde_json::from_value(start).unwrap())))
        };
        for entry in
            [stage(0), request(1, 0, 500), stage(1), request(2, 1, 900), stage(1), request(3, 1, 400)]
        {
            gatherer.look(&entry);
        }
        assert_eq!(gatherer.finish().slowest.map(|found| found.request), Some(1));
    }

    #[test]
    fn neighbours_lie_strictly_before_and_after() {
        let times = Times(vec![10, 20, 30]);
        assert_eq!((times.neighbour(20, true), times.neighbour(20, false)), (Some(30), Some(10)));
        assert_eq!((times.neighbour(30, true), times.neighbour(10, false)), (None, None));
    }
}
