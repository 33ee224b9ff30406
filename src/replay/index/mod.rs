//! The index of a recording: what makes any place of it cheap to reach.
//!
//! At intervals of bytes the whole state of the figures is kept, together with where in the file to read on: a
//! [`Checkpoint`]. To go somewhere, the last checkpoint before it is taken, and only what lies between is applied. The
//! index is built in the background while the recording plays, and is of use as far as it has come. That of a large
//! recording is kept in a file beside it; where no file can be written it stays in memory.

mod build;
mod places;
mod sidecar;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use self::sidecar::Draft;
use super::expand::{Expander, Standing};
use super::origin::Origin;
use super::tell;
use crate::metrics::{Aggregator, Pack};
use crate::recording::{Boundary, Reader};

pub(super) use places::{Found, Outlier, Places};

/// Longest checkpoint that is read, bytes uncompressed: tables of requests are bounded at 16 MiB each, lanes by their
/// number.
const MAX_STATE: u64 = 512 << 20;

/// What the index may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Checkpoints in all.
    pub(super) checkpoints: u64,
    /// Bytes of the recording between two of them, at least.
    pub(super) least_spacing: u64,
    /// Bytes of a recording from which on its index is kept in a file: smaller ones are read in a moment.
    pub(super) kept_from: u64,
    /// Bytes of checkpoints in memory, where there is no file for them.
    pub(super) memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { checkpoints: 128, least_spacing: 1 << 20, kept_from: 8 << 20, memory: 128 << 20 }
    }
}

/// Where a checkpoint's bytes are.
#[derive(Clone)]
enum Blob {
    Memory(Arc<[u8]>),
    File { at: u64, length: u64 },
}

/// The state at a time, and where to read on from.
#[derive(Clone)]
struct Checkpoint {
    at_ns: u64,
    from: Boundary,
    blob: Blob,
}

/// What the builder fills and the player uses.
#[derive(Default)]
struct Inner {
    /// Ascending by time.
    checkpoints: Mutex<Vec<Checkpoint>>,
    /// The file of those that are in one.
    file: Mutex<Option<File>>,
    draft: Mutex<Option<Draft>>,
    places: OnceLock<Places>,
    done_bytes: AtomicU64,
    stop: AtomicBool,
}

/// Nothing is left half done by a thread that dies with a lock, so its data stay good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn keep_in(&self, draft: Draft) {
        *lock(&self.file) = draft.file.try_clone().ok();
        *lock(&self.draft) = Some(draft);
    }

    /// Adds one. In memory, where there are too many, every second one goes.
    fn push(&self, mut checkpoint: Checkpoint, limits: &Limits) {
        let mut draft = lock(&self.draft);
        let kept = match (&mut *draft, &checkpoint.blob) {
            (Some(draft), Blob::Memory(bytes)) => {
                // A seek must not move the file's place between this thread's seek and its writing.
                let _file = lock(&self.file);
                Some(draft.append(bytes))
            }
            _ => None,
        };
        match kept {
            Some(Ok(blob)) => checkpoint.blob = blob,
            // The disk is full: what is there stays of use, what follows is kept in memory.
            Some(Err(_)) => *draft = None,
            None => {}
        }
        drop(draft);
        let mut all = lock(&self.checkpoints);
        all.push(checkpoint);
        let size = |c: &Checkpoint| if let Blob::Memory(bytes) = &c.blob { bytes.len() } else { 0 };
        if all.iter().map(size).sum::<usize>() > limits.memory {
            let mut even = false;
            all.retain(|_| {
                even = !even;
                !even
            });
        }
    }

    /// All is read: the rest is known, and the file gets its name.
    fn complete(&self, identity: (u64, [u8; 32]), places: Places) {
        let mut draft = lock(&self.draft);
        if let Some(draft) = &mut *draft {
            let all = lock(&self.checkpoints).clone();
            let _file = lock(&self.file);
            // Not kept, then: it is built anew next time.
            let _ = draft.finish(identity, &all, &places);
        }
        *draft = None;
        let _ = self.places.set(places);
    }
}

/// A recording's index, as far as it is built. Dropping it ends the building.
pub(super) struct Index {
    inner: Arc<Inner>,
    length: u64,
    /// Read from a file, and not built.
    loaded: bool,
}

impl Drop for Index {
    fn drop(&mut self) {
        self.inner.stop.store(true, Ordering::Relaxed);
    }
}

impl Index {
    /// Of a recording: from the file beside it, or built in the background.
    pub(super) fn of(origin: &Origin, limits: Limits) -> Self {
        let found = origin.sidecar().and_then(|path| sidecar::load(&path, origin));
        let Some((file, checkpoints, places)) = found else { return Self::build(origin, limits) };
        let inner = Inner {
            checkpoints: Mutex::new(checkpoints),
            file: Mutex::new(Some(file)),
            places: OnceLock::from(places),
            ..Inner::default()
        };
        Self { inner: Arc::new(inner), length: origin.length(), loaded: true }
    }

    /// Built in the background, whatever file there is.
    pub(super) fn build(origin: &Origin, limits: Limits) -> Self {
        let inner = Arc::new(Inner::default());
        let (filled, origin_of) = (Arc::clone(&inner), origin.clone());
        let build = move || {
            // A file that can't be read any more can't be jumped in; the player goes on with what it has.
            if let Ok(reader) = origin_of.open() {
                build::build(&filled, &origin_of, reader, limits);
            }
            drop(lock(&filled.draft).take());
        };
        // Without a thread there is no index, and seeking is slow but right.
        let _ = std::thread::Builder::new().name("index".into()).spawn(build);
        Self { inner, length: origin.length(), loaded: false }
    }

    #[cfg(test)]
    fn checkpoint_count(&self) -> usize {
        lock(&self.inner.checkpoints).len()
    }

    #[cfg(test)]
    fn memory(&self) -> usize {
        let all = lock(&self.inner.checkpoints);
        all.iter().map(|c| if let Blob::Memory(bytes) = &c.blob { bytes.len() } else { 0 }).sum()
    }

    /// Places to jump to, once all is read.
    pub(super) fn places(&self) -> Option<&Places> {
        self.inner.places.get()
    }

    /// How much of the recording is indexed, in percent; `None` once that is all.
    pub(super) fn percent(&self) -> Option<u8> {
        let done = self.inner.done_bytes.load(Ordering::Relaxed);
        let percent = (done.saturating_mul(100) / self.length.max(1)).min(99) as u8;
        self.places().is_none().then_some(percent)
    }

    /// The time of the last checkpoint up to a time, and whether a long text must be passed over to go on from there.
    pub(super) fn before(&self, at_ns: u64) -> Option<(u64, bool)> {
        self.find(at_ns).map(|checkpoint| (checkpoint.at_ns, checkpoint.from.skip > 0))
    }

    fn find(&self, at_ns: u64) -> Option<Checkpoint> {
        let all = lock(&self.inner.checkpoints);
        all[..all.partition_point(|c| c.at_ns <= at_ns)].last().cloned()
    }

    /// Whether it was read from a file, and so may be damaged.
    pub(super) fn is_from_file(&self) -> bool {
        self.loaded
    }

    /// The state at the last checkpoint up to a time, and the entries from there on.
    pub(super) fn restore(
        &self,
        at_ns: u64,
        origin: &Origin,
        like: &Reader,
    ) -> Option<(Expander<Reader>, Aggregator)> {
        let checkpoint = self.find(at_ns)?;
        let (standing, mut aggregator) = self.read(&checkpoint)?;
        tell(&mut aggregator, like.header());
        let Boundary { offset, skip } = checkpoint.from;
        let reader = origin.source(offset).and_then(|source| like.moved(source, skip)).ok()?;
        Some((Expander::standing(reader, &standing), aggregator))
    }

    fn read(&self, checkpoint: &Checkpoint) -> Option<(Standing, Aggregator)> {
        let bytes = match &checkpoint.blob {
            Blob::Memory(bytes) => decompress(bytes)?,
            Blob::File { at, length } => {
                let mut bytes = vec![0; usize::try_from(*length).ok().filter(|n| *n as u64 <= MAX_STATE)?];
                let mut file = lock(&self.inner.file);
                let file = file.as_mut()?;
                file.seek(SeekFrom::Start(*at)).ok()?;
                file.read_exact(&mut bytes).ok()?;
                decompress(&bytes)?
            }
        };
        let mut from = &bytes[..];
        Some((Standing::unpack(&mut from)?, Aggregator::from_bytes(from)?))
    }
}

/// One frame with a checksum.
fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(1)?;
    compressor.include_checksum(true)?;
    compressor.compress(bytes)
}

fn decompress(frame: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(frame).ok()?;
    decoder.take(MAX_STATE).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests;
