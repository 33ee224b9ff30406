//! The channel of events: bounded, never waited for, and honest about what it had no room for.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, TrySendError};

use crate::event::{Event, RequestId};

/// Parcels the channel holds: events, or tokens that were gathered. At ten thousand tokens a second, none of them gathered,
/// that is 13 s of a collector that does nothing at all, and a [`Parcel`] with its slot takes at most 64 bytes, so the channel
/// takes 8 MiB.
pub const CAPACITY: usize = 1 << 17;
/// Gathered tokens that lie in it at most: 24 MiB, at a million tokens a second one second of such a collector.
const MOST_GATHERED: usize = 1 << 20;
/// Longest wait for room for the run's end. It must not get lost, since the collector ends by it: if there is no room
/// even then, it is laid beside the channel.
const END_WAIT: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(5) };

/// Tokens that a thread gathers at most before it hands them in.
const GATHERED: usize = 256;
/// So few are not worth memory of their own.
const FEW: usize = 4;

const _: () = assert!(size_of::<Parcel>() <= 56, "the channel would take more memory than CAPACITY says");
const _: () =
    assert!(size_of::<Token>() == 24, "gathered tokens would take more memory than MOST_GATHERED says");

/// What goes through the channel.
#[derive(Debug)]
pub(super) enum Parcel {
    Event(Event),
    /// What a thread has gathered, in its order.
    Tokens(Box<[Token]>),
}

/// [`Event::Token`]
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    at_ns: u64,
    request: RequestId,
    tokens: u32,
}

impl From<Token> for Event {
    fn from(Token { at_ns, request, tokens }: Token) -> Self {
        Self::Token { at_ns, request, tokens }
    }
}

thread_local! {
    static HERE: RefCell<Gathered> = const { RefCell::new(Gathered { hands_in: false, to: None, tokens: Vec::new() }) };
}

/// Tokens of this thread that nobody was handed yet.
struct Gathered {
    /// The thread hands in before it waits.
    hands_in: bool,
    /// Whom they are for, if there are any.
    to: Option<EventSink>,
    tokens: Vec<Token>,
}

impl Gathered {
    fn hand_in(&mut self) {
        let Some(sink) = self.to.take() else { return };
        if self.tokens.len() <= FEW {
            self.tokens.iter().for_each(|token| sink.put(Parcel::Event((*token).into())));
        } else {
            sink.put(Parcel::Tokens(self.tokens.as_slice().into()));
        }
        self.tokens.clear();
    }

    fn gather(&mut self, sink: &EventSink, token: Token) {
        if !self.to.as_ref().is_some_and(|to| Arc::ptr_eq(&to.shared, &sink.shared)) {
            self.hand_in();
            self.to = Some(sink.clone());
        }
        self.tokens.push(token);
        if self.tokens.len() >= GATHERED {
            self.hand_in();
        }
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.hand_in();
    }
}

/// Hands in what this thread has gathered. A thread that calls this before it waits has its tokens gathered between, as the
/// channel is dearer than a token; all its other events take what was gathered before them along.
pub fn hand_in() {
    HERE.with_borrow_mut(|here| {
        here.hands_in = true;
        here.hand_in();
    });
}

/// What both ends of a channel know.
#[derive(Debug, Default)]
struct Shared {
    /// Events that found no room.
    lost: AtomicU64,
    /// Gathered tokens in the channel.
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
        // Where a thread ends there may be nothing left to gather in.
        let gathered = HERE.try_with(|here| {
            let mut here = here.borrow_mut();
            match event {
                Event::Token { at_ns, request, tokens } if here.hands_in => {
                    here.gather(self, Token { at_ns, request, tokens });
                    true
                }
                _ => {
                    here.hand_in();
                    false
                }
            }
        });
        if gathered != Ok(true) {
            self.send_now(event);
        }
    }

    fn send_now(&self, event: Event) {
        if !matches!(event, Event::Ended { .. }) {
            return self.put(Parcel::Event(event));
        }
        if let Err(SendTimeoutError::Timeout(Parcel::Event(end))) =
            self.sender.send_timeout(Parcel::Event(event), END_WAIT)
        {
            *self.shared.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        }
    }

    fn put(&self, parcel: Parcel) {
        let tokens = if let Parcel::Tokens(tokens) = &parcel { tokens.len() } else { 0 };
        let before = self.shared.gathered.fetch_add(tokens, Ordering::Relaxed);
        let room = before + tokens <= MOST_GATHERED;
        // With the collector gone nobody counts any more.
        if tokens > 0 && !room || matches!(self.sender.try_send(parcel), Err(TrySendError::Full(_))) {
            self.shared.gathered.fetch_sub(tokens, Ordering::Relaxed);
            self.shared.lost.fetch_add(tokens.max(1) as u64, Ordering::Relaxed);
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
        let mut taken = match self.receiver.recv_timeout(wait) {
            Ok(parcel) => self.unpack(parcel, &mut each),
            Err(RecvTimeoutError::Timeout) => return Taken::All,
            Err(RecvTimeoutError::Disconnected) => return Taken::Last,
        };
        while taken < most {
            let Ok(parcel) = self.receiver.try_recv() else { return Taken::All };
            taken += self.unpack(parcel, &mut each);
        }
        Taken::Some
    }

    fn unpack(&self, parcel: Parcel, each: &mut impl FnMut(Event)) -> usize {
        match parcel {
            Parcel::Event(event) => {
                each(event);
                1
            }
            Parcel::Tokens(tokens) => {
                self.shared.gathered.fetch_sub(tokens.len(), Ordering::Relaxed);
                tokens.iter().for_each(|token| each((*token).into()));
                tokens.len()
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// There may be more.
    Some,
    /// All that was there.
    All,
    /// All that there ever will be: the sinks are gone.
    Last,
}

/// A channel for `capacity` parcels: [`CAPACITY`], but for tests.
pub fn channel(capacity: usize) -> (EventSink, Source) {
    let (sender, receiver) = crossbeam_channel::bounded(capacity);
    let shared = Arc::<Shared>::default();
    (EventSink { sender, shared: Arc::clone(&shared) }, Source { receiver, shared })
}
