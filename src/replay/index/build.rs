//! Makes the index: one thread reads the recording, another applies it and packs the state at intervals, a third one
//! compresses and keeps what was packed.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::places::{Gatherer, Places};
use super::sidecar::Draft;
use super::{Blob, Checkpoint, Inner, Limits, compress};
use crate::metrics::{Aggregator, Pack};
use crate::recording::{Boundary, Entry, Reader};
use crate::replay::expand::Expander;
use crate::replay::new_aggregator;
use crate::replay::origin::Origin;

/// Batches that may wait between the two threads.
const WAITING: usize = 8;
/// Entries of a batch: at least, so that small frames cost little, and at most, where frames are huge.
const BATCH: std::ops::Range<usize> = 256..8192;

/// Entries in a row, where a reader can begin with the next one if it can, and how much of the file they end.
struct Batch {
    entries: Vec<Entry>,
    next: Option<Boundary>,
    passed_bytes: u64,
}

/// Reads all, until nobody listens.
fn read(mut reader: Reader, to: &Sender<Batch>) {
    let mut entries = Vec::new();
    while let Some(entry) = reader.next() {
        entries.push(entry);
        if entries.len() < BATCH.start {
            continue;
        }
        let next = reader.boundary();
        if next.is_some() || entries.len() >= BATCH.end {
            let (entries, passed_bytes) = (std::mem::take(&mut entries), reader.passed_bytes());
            if to.send(Batch { entries, next, passed_bytes }).is_err() {
                return;
            }
        }
    }
    let _ = to.send(Batch { entries, next: None, passed_bytes: reader.passed_bytes() });
}

/// The state at a time as bytes, and where in the recording to go on from there.
struct Packed {
    at_ns: u64,
    from: Boundary,
    bytes: Vec<u8>,
}

/// Compresses and keeps all that comes.
fn keep(all: &Receiver<Packed>, inner: &Inner, limits: &Limits) {
    for Packed { at_ns, from, bytes } in all {
        // With no memory to compress it there is one checkpoint less.
        if let Ok(bytes) = compress(&bytes) {
            inner.push(Checkpoint { at_ns, from, blob: Blob::Memory(bytes.into()) }, limits);
        }
    }
}

/// Nothing to read by itself: entries are given to it.
type Fed = Expander<std::iter::Empty<Entry>>;

struct Builder<'a> {
    inner: &'a Inner,
    to_keep: Sender<Packed>,
    expander: Fed,
    aggregator: Aggregator,
    gatherer: Gatherer,
    /// Where reading can begin: number of the first entry (from 1) there, and the place in the recording.
    begins: VecDeque<(u64, Boundary)>,
    /// Place in the recording of the next checkpoint.
    due: u64,
    spacing: u64,
    /// Bytes of the last state that was packed: the next one will be about as long.
    state_bytes: usize,
}

/// Builds it; `false` if it was told to stop. What can't be kept in a file is kept in memory.
pub(super) fn build(inner: &Inner, origin: &Origin, reader: Reader, limits: Limits) -> bool {
    let Ok(identity) = origin.identity() else { return false };
    let spacing = (identity.0 / limits.checkpoints).max(limits.least_spacing);
    if identity.0 >= limits.kept_from
        && let Some(path) = origin.sidecar()
        && let Ok(draft) = Draft::begin(path)
    {
        inner.keep_in(draft);
    }
    let ((to, from), (to_keep, packed)) = (bounded(WAITING), bounded(1));
    let builder = Builder {
        inner,
        to_keep,
        expander: Expander::new(std::iter::empty()),
        aggregator: new_aggregator(reader.header()),
        gatherer: Gatherer::default(),
        begins: VecDeque::new(),
        due: spacing,
        spacing,
        state_bytes: 0,
    };
    let places = std::thread::scope(|scope| {
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        // Without more threads there is no index, and seeking is slow but right.
        thread("index-read").spawn_scoped(scope, move || read(reader, &to)).ok()?;
        thread("index-keep").spawn_scoped(scope, move || keep(&packed, inner, &limits)).ok()?;
        builder.take_all(from)
    });
    places.map(|places| inner.complete(identity, places)).is_some()
}

impl Builder<'_> {
    /// Applies all that comes; `None` if it was told to stop. Both ends of channels go with it, so that the other
    /// threads end too.
    fn take_all(mut self, from: Receiver<Batch>) -> Option<Places> {
        for batch in from {
            if self.inner.stop.load(Ordering::Relaxed) {
                return None;
            }
            self.take(batch);
        }
        Some(self.gatherer.finish())
    }

    fn take(&mut self, batch: Batch) {
        for entry in batch.entries {
            self.gatherer.look(&entry);
            self.expander.accept(entry);
        }
        let settled_ns = self.expander.settled_ns();
        self.expander.settle(settled_ns, &mut self.aggregator);
        self.inner.done_bytes.store(batch.passed_bytes, Ordering::Relaxed);
        if let Some(next) = batch.next {
            self.begins.push_back((self.expander.read_entries() + 1, next));
            if batch.passed_bytes >= self.due {
                self.due = batch.passed_bytes + self.spacing;
                self.keep(settled_ns);
            }
        }
        self.forget_begins();
    }

    /// Number of the oldest entry that a reader would have to see again.
    fn oldest(&self) -> u64 {
        self.expander.oldest_held().unwrap_or(self.expander.read_entries() + 1)
    }

    /// Forgets beginnings that are older than needed.
    fn forget_begins(&mut self) {
        let oldest = self.oldest();
        while self.begins.get(1).is_some_and(|(first, _)| *first <= oldest) {
            self.begins.pop_front();
        }
    }

    /// Keeps the state as it stands.
    fn keep(&mut self, at_ns: u64) {
        self.forget_begins();
        let Some((first, from)) = self.begins.front().copied().filter(|(first, _)| *first <= self.oldest())
        else {
            return;
        };
        let mut bytes = Vec::with_capacity(self.state_bytes + self.state_bytes / 4);
        self.expander.standing_at(first, at_ns).pack(&mut bytes);
        self.aggregator.pack(&mut bytes);
        self.state_bytes = bytes.len();
        // There is somebody to take it for as long as this thread runs.
        let _ = self.to_keep.send(Packed { at_ns, from, bytes });
    }
}
