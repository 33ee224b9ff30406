//! The channel of events: bounded, never waited for, and honest about what it had no room for.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, TrySendError};

use crate::event::Event;

/// Parcels the channel holds: events, or several that were gathered. At ten thousand tokens a second, none of them gathered,
/// that is 13 s of a collector that does nothing at all, and a [`Parcel`] with its slot takes at most 64 bytes, so the channel
/// takes 8 MiB.
pub const CAPACITY: usize = 1 << 17;
/// Gathered events that lie in it at most: 28 MiB, at half a million tokens a second one second of such a collector.
const MOST_GATHERED: usize = 1 << 19;
/// Longest wait for room for the run's end. It must not get lost, since the collector ends by it: if there is no room
/// even then, it is laid beside the channel.
const END_WAIT: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(5) };

/// Events that a thread gathers at most before it hands them in.
const GATHERED: usize = 256;
/// So few are not worth memory of their own.
const FEW: usize = 4;

const _: () = assert!(size_of::<Parcel>() <= 56, "the channel would take more memory than CAPACITY says");
const _: () =
    assert!(size_of::<Event>() <= 56, "gathered events would take more memory than MOST_GATHERED says");

/// What goes through the channel.
#[derive(Debug)]
pub(super) enum Parcel {
    Event(Event),
    /// What a thread has gathered, in its order.
    Several(Box<[Event]>),
}

/// Which of its events a thread gathers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gather {
    Nothing,
    Tokens,
    /// All that there is of requests: where a thread is the only one that tells of any, and of their stages.
    Requests,
}

impl Gather {
    #[inline]
    fn takes(self, event: &Event) -> bool {
        match event {
            Event::Token { .. } => self != Self::Nothing,
            Event::Sent(_) | Event::Prefill { .. } | Event::Finished(_) => self == Self::Requests,
            _ => false,
        }
    }
}

thread_local! {
    static HERE: RefCell<Gathered> =
        const { RefCell::new(Gathered { gather: Gather::Nothing, to: None, events: Vec::new() }) };
}

/// Events of this thread that nobody was handed yet.
struct Gathered {
    gather: Gather,
    /// Whom they are for, if there are any.
    to: Option<EventSink>,
    events: Vec<Event>,
}

impl Gathered {
    fn hand_in(&mut self) {
        let Some(sink) = self.to.take() else { return };
        if self.events.len() <= FEW {
            self.events.drain(..).for_each(|event| sink.put(event));
        } else {
            sink.put_several(self.events.drain(..).collect());
        }
    }

    fn gather(&mut self, sink: &EventSink, event: Event) {
        if !self.to.as_ref().is_some_and(|to| Arc::ptr_eq(&to.shared, &sink.shared)) {
            self.hand_in();
            self.to = Some(sink.clone());
        }
        self.events.push(event);
        if self.events.len() >= GATHERED {
            self.hand_in();
        }
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.hand_in();
    }
}

/// Hands in what this thread has gathered, and tells what it gathers from now on. A thread that calls this before it waits
/// has its events gathered between, as the channel is dearer than an event; all others take what was gathered before them
/// along.
pub fn hand_in(then: Gather) {
    HERE.with_borrow_mut(|here| {
        here.gather = then;
        here.hand_in();
    });
}

/// What both ends of a channel know.
#[derive(Debug, Default)]
struct Shared {
    /// Events that found no room.
    lost: AtomicU64,
    /// Gathered events in the channel.
    gathered: AtomicUsize,
    /// The end that found no room.
    end: Mutex<Option<Event>>,
}

/// Where events are handed in. Cheap to clone, one for each client.
#[derive(Debug, Clone)]
pub struct EventSink {
    sender: Sender<Parcel>,
    shared: Arc<Shared>,
}

impl EventSink {
    /// Hands an event in; never waits (but a moment for [`Event::Ended`], if there is no room). An event that
    /// finds no room is lost and counted: the run is then tainted.
    #[inline]
    pub fn send(&self, event: Event) {
        let mut event = Some(event);
        // Where a thread ends there may be nothing left to gather in.
        let _ = HERE.try_with(|here| {
            let mut here = here.borrow_mut();
            match event.take_if(|event| here.gather.takes(event)) {
                Some(event) => here.gather(self, event),
                None => here.hand_in(),
            }
        });
        if let Some(event) = event {
            self.send_now(event);
        }
    }

    fn send_now(&self, event: Event) {
        if !matches!(event, Event::Ended { .. }) {
            return self.put(event);
        }
        if let Err(SendTimeoutError::Timeout(Parcel::Event(end))) =
            self.sender.send_timeout(Parcel::Event(event), END_WAIT)
        {
            *self.shared.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        }
    }

    fn put(&self, event: Event) {
        // With the collector gone nobody counts any more.
        if matches!(self.sender.try_send(Parcel::Event(event)), Err(TrySendError::Full(_))) {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn put_several(&self, events: Box<[Event]>) {
        let (several, gathered) = (events.len(), &self.shared.gathered);
        let room = gathered.fetch_add(several, Ordering::Relaxed) + several <= MOST_GATHERED;
        if !room || matches!(self.sender.try_send(Parcel::Several(events)), Err(TrySendError::Full(_))) {
            gathered.fetch_sub(several, Ordering::Relaxed);
            self.shared.lost.fetch_add(several as u64, Ordering::Relaxed);
        }
    }

    /// There is no room just now.
    pub fn is_full(&self) -> bool {
        self.sender.is_full()
    }
}

/// The collector's end of the channel.
#[derive(Debug)]
pub struct Source {
    pub(super) receiver: Receiver<Parcel>,
    shared: Arc<Shared>,
}

impl Source {
    /// Takes at least so many events, if there are that many, waiting a little for the first; tells what there was.
    pub(super) fn take(&self, wait: Duration, most: usize, mut each: impl FnMut(Event)) -> Taken {
        let mut events = match self.receiver.recv_timeout(wait) {
            Ok(parcel) => self.unpack(parcel, &mut each),
            Err(RecvTimeoutError::Timeout) => return Taken { events: 0, left: Left::Nothing },
            Err(RecvTimeoutError::Disconnected) => return Taken { events: 0, left: Left::Never },
        };
        while events < most {
            let Ok(parcel) = self.receiver.try_recv() else { return Taken { events, left: Left::Nothing } };
            events += self.unpack(parcel, &mut each);
        }
        Taken { events, left: Left::Some }
    }

    fn unpack(&self, parcel: Parcel, each: &mut impl FnMut(Event)) -> usize {
        match parcel {
            Parcel::Event(event) => {
                each(event);
                1
            }
            Parcel::Several(events) => {
                let several = events.len();
                self.shared.gathered.fetch_sub(several, Ordering::Relaxed);
                events.into_iter().for_each(each);
                several
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// Events that found no room since the last call.
    pub(super) fn take_lost(&self) -> u64 {
        self.shared.lost.swap(0, Ordering::Relaxed)
    }

    /// The run's end, if all that came before it was taken and it had found no room.
    pub(super) fn take_end(&self) -> Option<Event> {
        let mut end = self.shared.end.lock().unwrap_or_else(PoisonError::into_inner);
        if self.receiver.is_empty() { end.take() } else { None }
    }
}

/// What was taken out of the channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub events: usize,
    pub left: Left,
}

/// What is still in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// There may be more.
    Some,
    Nothing,
    /// Nor will there ever be anything: the sinks are gone.
    Never,
}

/// A channel for `capacity` parcels: [`CAPACITY`], but for tests.
pub fn channel(capacity: usize) -> (EventSink, Source) {
    let (sender, receiver) = crossbeam_channel::bounded(capacity);
    let shared = Arc::<Shared>::default();
    (EventSink { sender, shared: Arc::clone(&shared) }, Source { receiver, shared })
}
