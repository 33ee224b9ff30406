//! Reads a recording in a thread of its own, while what was read before is dealt with: each takes about half the time.

use crossbeam_channel::{Sender, bounded};

use crate::recording::{Entry, Reader};

/// Batches that may wait between the two threads.
const WAITING: usize = 8;
/// Entries of a batch: handing one over costs more than reading a line.
const BATCH: usize = 256;

/// Gives all that is left of a recording to `take`, in order.
pub(super) fn each(reader: &mut Reader, mut take: impl FnMut(Entry)) {
    let (to, from) = bounded(WAITING);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("replay-read".into());
        let ahead = &mut *reader;
        if thread.spawn_scoped(scope, move || read(ahead, &to)).is_ok() {
            from.into_iter().flatten().for_each(&mut take);
        }
    });
    // What nobody read ahead, where there was no other thread to be had.
    reader.for_each(take);
}

fn read(reader: &mut Reader, to: &Sender<Vec<Entry>>) {
    loop {
        let batch: Vec<Entry> = reader.take(BATCH).collect();
        if batch.is_empty() || to.send(batch).is_err() {
            return;
        }
    }
}
