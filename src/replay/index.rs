//! What the transport line needs to know of a whole recording: its length, and where one can jump to.

use crate::event::{Event, Phase};
use crate::recording::{Entry, Reader};

/// Ends of requests kept for stepping: 8 MiB. Later ones are played, but not stepped to one by one.
const MAX_ENDS: usize = 1 << 20;
/// Places to jump to kept.
const MAX_JUMPS: usize = 1 << 16;

/// Times in a recording, nanoseconds since the run's start.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// When it begins to be worth looking: the backend is ready, or the first request is sent.
    pub(super) start_ns: u64,
    pub(super) length_ns: u64,
    /// Ends of requests, ascending.
    ends: Vec<u64>,
    /// Stages, phases and marks, ascending.
    jumps: Vec<u64>,
}

impl Index {
    /// Reads a recording through.
    pub(super) fn of(reader: Reader) -> Self {
        let mut index = Self::default();
        let mut start_ns = None;
        for entry in reader {
            index.length_ns = index.length_ns.max(entry.at_ns());
            match &entry {
                Entry::Request(record) if index.ends.len() < MAX_ENDS => index.ends.push(record.finished_ns),
                Entry::Event(event) => {
                    if matches!(event, Event::Ready { .. } | Event::Sent(_)) {
                        start_ns.get_or_insert(event.at_ns());
                    }
                    if is_jump(event) && index.jumps.len() < MAX_JUMPS {
                        index.jumps.push(event.at_ns());
                    }
                }
                Entry::Request(_) => {}
            }
        }
        index.start_ns = start_ns.unwrap_or(0).min(index.length_ns);
        index.ends.sort_unstable();
        index.jumps.sort_unstable();
        index
    }

    /// The end of a request after (or before) a time.
    pub(super) fn step(&self, from_ns: u64, forward: bool) -> Option<u64> {
        neighbour(&self.ends, from_ns, forward)
    }

    /// The mark or phase after (or before) a time.
    pub(super) fn jump(&self, from_ns: u64, forward: bool) -> Option<u64> {
        neighbour(&self.jumps, from_ns, forward)
    }
}

fn is_jump(event: &Event) -> bool {
    match event {
        Event::Stage(_) | Event::Resumed(_) | Event::Control { .. } => true,
        Event::Phase { phase, .. } => *phase != Phase::Loading,
        _ => false,
    }
}

fn neighbour(times: &[u64], from_ns: u64, forward: bool) -> Option<u64> {
    if forward {
        times.get(times.partition_point(|t| *t <= from_ns)).copied()
    } else {
        times[..times.partition_point(|t| *t < from_ns)].last().copied()
    }
}
