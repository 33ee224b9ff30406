//! Finished requests back into their events, in the order of time.
//!
//! A request stands in a recording where it ended, so its tokens lie before what was read already. How far
//! must be read ahead is known from the `sent` lines: nothing that is still to come can lie before the oldest
//! request whose end was not read yet.

mod whole;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, btree_map};
use std::hash::BuildHasherDefault;

pub(super) use whole::Standing;

use crate::event::{Event, Finished, RequestId, Sent};
use crate::metrics::{IdHasher, RequestRecord};
use crate::recording::Entry;

/// Events of different threads may stand in a recording this much out of order, nanoseconds.
const DISORDER_NS: u64 = 100_000_000;
/// Most bytes held back. Beyond it the oldest open request is no longer waited for: its end is missing, as after lost
/// events, or it is longer than anything a screen could show.
const HELD_BYTES: usize = 64 << 20;

/// A request on its way back into events.
struct Cursor {
    record: RequestRecord,
    /// Its `Sent` event is still to be made, since the line of it is missing.
    sent_due: bool,
    prefill_due: bool,
    chunk: usize,
    /// Tokens in the prompt as its `sent` line has them, where a server counted others.
    sent_with: Option<u32>,
    /// Bytes of its text and of what went wrong, as they came.
    words: usize,
}

impl Cursor {
    fn at_ns(&self) -> u64 {
        let r = &self.record;
        if self.sent_due {
            r.sent_ns
        } else if let (true, Some(at_ns)) = (self.prefill_due, r.prefill_ns) {
            at_ns
        } else {
            r.chunk_at_ns.get(self.chunk).copied().unwrap_or(r.finished_ns)
        }
    }

    /// The next event, and whether it is the last.
    fn next(&mut self) -> (Event, bool) {
        let request = self.record.request;
        if std::mem::take(&mut self.sent_due) {
            return (self.sent(), false);
        }
        if std::mem::take(&mut self.prefill_due)
            && let Some(at_ns) = self.record.prefill_ns
        {
            return (Event::Prefill { at_ns, request }, false);
        }
        let Some(at_ns) = self.record.chunk_at_ns.get(self.chunk).copied() else {
            return (self.finished(), true);
        };
        let tokens = self.record.tokens_in(self.chunk);
        self.chunk += 1;
        (Event::Token { at_ns, request, tokens }, false)
    }

    /// About how much memory it takes. Words are counted though they may be given away already.
    fn bytes(&self) -> usize {
        let r = &self.record;
        size_of::<Self>() + size_of_val(&r.chunk_at_ns[..]) + size_of_val(&r.chunk_tokens[..]) + self.words
    }

    fn sent(&self) -> Event {
        let record = &self.record;
        Event::Sent(Sent {
            at_ns: record.sent_ns,
            scheduled_ns: record.scheduled_ns,
            request: record.request,
            client: record.client,
            stage: record.stage,
            prompt_tokens: record.prompt_tokens,
            max_tokens: record.max_tokens,
            warmup: record.warmup,
        })
    }

    fn finished(&mut self) -> Event {
        let record = &mut self.record;
        Event::Finished(Box::new(Finished {
            at_ns: record.finished_ns,
            request: record.request,
            outcome: record.outcome,
            output_tokens: record.output_tokens,
            counted_by: record.counted_by,
            prompt_tokens: self.sent_with.map(|_| record.prompt_tokens),
            error: record.error.take(),
            text: record.text.take(),
            status: record.status,
            retries: record.retries,
        }))
    }
}

/// Requests are large and few events are: boxed, they are moved about at the same small price.
enum Held {
    Event(Event),
    Request(Box<Cursor>),
}

/// What its place costs, beside what is in it: in the queue and in the list, twice as much for what they leave free.
const PLACE_BYTES: usize = 2 * (size_of::<(u64, u64)>() + size_of::<(u64, Held)>());

impl Held {
    /// About how much memory it takes as long as it is held back. It doesn't change meanwhile.
    fn bytes(&self) -> usize {
        PLACE_BYTES
            + match self {
                Self::Event(Event::Log(line)) => {
                    size_of_val(&**line) + line.source.len() + line.message.len()
                }
                Self::Event(Event::Sample(sample)) => size_of_val(&**sample),
                Self::Event(_) => 0,
                Self::Request(cursor) => cursor.bytes(),
            }
    }
}

/// An iterator over a recording's events, in the order of time.
pub struct Expander<I> {
    entries: I,
    /// Time and place in the file of what is held back; the place finds it in `held`.
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    held: BTreeMap<u64, Held>,
    held_bytes: usize,
    /// Requests sent and not ended, by time of sending.
    open: BTreeSet<(u64, RequestId)>,
    /// When they were sent, and with how many prompt tokens.
    sent: HashMap<RequestId, (u64, u32), BuildHasherDefault<IdHasher>>,
    place: u64,
    newest_ns: u64,
    read_all: bool,
}

impl<I: Iterator<Item = Entry>> Expander<I> {
    pub fn new(entries: I) -> Self {
        Self {
            entries,
            queue: BinaryHeap::new(),
            held: BTreeMap::new(),
            held_bytes: 0,
            open: BTreeSet::new(),
            sent: HashMap::default(),
            place: 0,
            newest_ns: 0,
            read_all: false,
        }
    }

    /// Time of the next event without taking it, nanoseconds; `None` at the end.
    pub fn peek_ns(&mut self) -> Option<u64> {
        loop {
            let next = self.queue.peek().map(|Reverse((at_ns, _))| *at_ns);
            if self.read_all || next.is_some_and(|at_ns| at_ns <= self.horizon_ns()) {
                return next;
            }
            self.read();
        }
    }

    /// Everything up to this time has been read.
    fn horizon_ns(&self) -> u64 {
        let settled = self.newest_ns.saturating_sub(DISORDER_NS);
        self.open.first().map_or(settled, |(sent_ns, _)| settled.min(*sent_ns))
    }

    fn read(&mut self) {
        let Some(entry) = self.entries.next() else {
            self.read_all = true;
            return;
        };
        self.accept(entry);
    }

    /// Takes in an entry that was read.
    pub(super) fn accept(&mut self, entry: Entry) {
        self.newest_ns = self.newest_ns.max(entry.at_ns());
        let held = match entry {
            Entry::Event(event) => {
                match &event {
                    Event::Sent(sent) => {
                        self.open.insert((sent.at_ns, sent.request));
                        self.sent.insert(sent.request, (sent.at_ns, sent.prompt_tokens));
                    }
                    // Nobody waits for ends that a run which broke off never saw.
                    Event::Resumed(_) => {
                        self.open.clear();
                        self.sent.clear();
                    }
                    _ => {}
                }
                Held::Event(event)
            }
            Entry::Request(record) => self.hold(record),
        };
        self.place += 1;
        self.held_bytes += held.bytes();
        while self.held_bytes > HELD_BYTES && self.open.pop_first().is_some() {}
        self.queue.push(Reverse((held.at_ns(), self.place)));
        self.held.insert(self.place, held);
    }

    fn hold(&mut self, record: RequestRecord) -> Held {
        let sent = self.sent.remove(&record.request);
        if let Some((sent_ns, _)) = sent {
            self.open.remove(&(sent_ns, record.request));
        }
        let prefill_due = record.prefill_ns.is_some();
        let sent_with = sent.map(|(_, tokens)| tokens).filter(|tokens| *tokens != record.prompt_tokens);
        let words = [&record.text, &record.error].into_iter().flatten().map(|words| words.len()).sum();
        let sent_due = sent.is_none();
        Held::Request(Box::new(Cursor { sent_due, prefill_due, chunk: 0, sent_with, words, record }))
    }
}

impl<I: Iterator<Item = Entry>> Iterator for Expander<I> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.peek_ns()?;
        let Reverse((_, place)) = self.queue.pop()?;
        let btree_map::Entry::Occupied(mut held) = self.held.entry(place) else { return None };
        let Held::Request(cursor) = held.get_mut() else {
            let held = held.remove();
            self.held_bytes -= held.bytes();
            return if let Held::Event(event) = held { Some(event) } else { None };
        };
        let (event, last) = cursor.next();
        if last {
            self.held_bytes -= held.remove().bytes();
        } else {
            self.queue.push(Reverse((cursor.at_ns(), place)));
        }
        Some(event)
    }
}
