//! A recording that one can go to any place of: the figures at a time, wherever they stood before.

use std::path::Path;

use super::expand::Expander;
use super::index::{Index, Limits, Places};
use super::new_aggregator;
use super::origin::Origin;
use crate::metrics::{Aggregator, Snapshot};
use crate::recording::{Reader, RecordingError};

/// Events applied in a row before keys are looked after.
const BATCH: usize = 200_000;
/// A checkpoint is worth loading if it saves so much of the recording.
const WORTH_NS: u64 = 500_000_000;

/// The figures of a recording at its head, which can be moved anywhere.
pub struct Seeker {
    origin: Origin,
    /// The beginning, from which readers of other places are made.
    like: Reader,
    limits: Limits,
    index: Index,
    events: Expander<Reader>,
    aggregator: Aggregator,
    /// Where the figures are on their way to over a long stretch.
    target_ns: Option<u64>,
    /// Up to when all is applied, or being applied.
    applied_ns: u64,
    start_ns: u64,
    length_ns: u64,
}

impl Seeker {
    /// Opens a recording, and begins to index it in the background; `-` is standard input.
    ///
    /// # Errors
    /// As [`crate::recording::open`].
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        Self::of(Origin::of(path)?, Limits::default())
    }

    pub(super) fn of(origin: Origin, limits: Limits) -> Result<Self, RecordingError> {
        let (like, reader) = (origin.open()?, origin.open()?);
        let index = Index::of(&origin, limits);
        let length_ns = index.places().map_or_else(|| origin.last_ns(&like), |places| places.length_ns);
        Ok(Self {
            start_ns: origin.start_ns().min(length_ns),
            length_ns,
            aggregator: new_aggregator(like.header()),
            events: Expander::new(reader),
            origin,
            like,
            limits,
            index,
            target_ns: None,
            applied_ns: 0,
        })
    }

    /// When it begins to be worth looking, nanoseconds since the run's start.
    pub fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// The recording's length, nanoseconds: as its end tells until it is indexed.
    pub fn length_ns(&mut self) -> u64 {
        if let Some(places) = self.index.places() {
            self.length_ns = places.length_ns;
        }
        self.length_ns
    }

    /// How much of it is indexed, in percent; `None` once that is all.
    pub fn indexed(&self) -> Option<u8> {
        self.index.percent()
    }

    /// Its beginning.
    pub(super) fn like(&self) -> &Reader {
        &self.like
    }

    pub(super) fn places(&self) -> Option<&Places> {
        self.index.places()
    }

    /// Goes somewhere; [`Seeker::advance`] does the work. A file that has gone since leaves the figures as they are.
    pub fn seek(&mut self, at_ns: u64) {
        let back = at_ns < self.applied_ns;
        // To pass over text takes about a quarter of the time that applying it would.
        let saves = |(from_ns, skips): &(u64, bool)| {
            let price_ns = if *skips { *from_ns / 4 } else { 0 };
            back || *from_ns > self.applied_ns.saturating_add(WORTH_NS + price_ns)
        };
        if self.index.before(at_ns).as_ref().is_some_and(saves) {
            if let Some((events, aggregator)) = self.index.restore(at_ns, &self.origin, &self.like) {
                (self.events, self.aggregator) = (events, aggregator);
                (self.target_ns, self.applied_ns) = (Some(at_ns), at_ns);
                return;
            }
            if self.index.is_from_file() {
                self.index = Index::build(&self.origin, self.limits);
            }
        }
        if back {
            let Ok(reader) = self.origin.open() else { return };
            self.aggregator = new_aggregator(reader.header());
            self.events = Expander::new(reader);
        }
        (self.target_ns, self.applied_ns) = (Some(at_ns), at_ns);
    }

    /// Applies events up to a time, or some of them; `false` if there are more.
    pub fn advance(&mut self, at_ns: u64) -> bool {
        if let Some(target_ns) = self.target_ns {
            if !self.events.skip_to(target_ns, &mut self.aggregator) {
                return false;
            }
            self.target_ns = None;
        }
        self.applied_ns = self.applied_ns.max(at_ns);
        for _ in 0..BATCH {
            match self.events.peek_ns() {
                Some(next_ns) if next_ns <= at_ns => {}
                _ => return true,
            }
            if let Some(event) = self.events.next() {
                self.aggregator.apply(&event);
            }
        }
        false
    }

    #[cfg(test)]
    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// Whether a long stretch is still under way, so that a picture would be of no time at all.
    pub fn is_seeking(&self) -> bool {
        self.target_ns.is_some()
    }

    /// The picture at a time that all was applied up to.
    pub fn snapshot(&mut self, at_ns: u64) -> Snapshot {
        self.aggregator.snapshot(at_ns)
    }
}
