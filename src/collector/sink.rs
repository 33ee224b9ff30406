//! The channel of events: bounded, never waited for, and honest about what it had no room for.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TrySendError};

use crate::event::{Event, RequestId};

/// Events the channel holds, and more if tokens were gathered. At ten thousand tokens a second that is 13 s of a collector that does nothing
/// at all, and an [`Event`] with its slot takes at most 64 bytes, so the channel takes 8 MiB.
pub const CAPACITY: usize = 1 << 17;
/// Longest wait for room for the run's end. It must not get lost, since the collector ends by it: if there is no room
/// even then, it is laid beside the channel.
const END_WAIT: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(5) };

/// Tokens that a thread gathers at most before it hands them in.
const GATHERED: usize = 256;
/// So few are not worth memory of their own.
const FEW: usize = 4;

const _: () = assert!(size_of::<Parcel>() <= 56, "the channel would take more memory than CAPACITY says");

/// What goes through the channel.
#[derive(Debug)]
pub(super) enum Parcel {
    Event(Event),
    /// What a thread has gathered, in its order.
    Tokens(Vec<Token>),
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
            self.tokens.drain(..).for_each(|token| sink.put(Parcel::Event(token.into()), 1));
            return;
        }
        let tokens = std::mem::replace(&mut self.tokens, Vec::with_capacity(GATHERED));
        let count = tokens.len() as u64;
        sink.put(Parcel::Tokens(tokens), count);
    }

    fn gather(&mut self, sink: &EventSink, token: Token) {
        if !self.to.as_ref().is_some_and(|to| Arc::ptr_eq(&to.lost, &sink.lost)) {
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

/// Where events are handed in. Cheap to clone, one for each client.
#[derive(Debug, Clone)]
pub struct EventSink {
    sender: Sender<Parcel>,
    lost: Arc<AtomicU64>,
    /// The end that found no room.
    end: Arc<Mutex<Option<Event>>>,
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
            return self.put(Parcel::Event(event), 1);
        }
        if let Err(SendTimeoutError::Timeout(Parcel::Event(end))) =
            self.sender.send_timeout(Parcel::Event(event), END_WAIT)
        {
            *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        }
    }

    /// Puts something into the channel that stands for so many events.
    fn put(&self, parcel: Parcel, events: u64) {
        // With the collector gone nobody counts any more.
        if matches!(self.sender.try_send(parcel), Err(TrySendError::Full(_))) {
            self.lost.fetch_add(events, Ordering::Relaxed);
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
    lost: Arc<AtomicU64>,
    end: Arc<Mutex<Option<Event>>>,
}

impl Source {
    /// Events that found no room since the last call.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// The run's end, if all that came before it was taken and it had found no room.
    pub(super) fn take_end(&self) -> Option<Event> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if self.receiver.is_empty() { end.take() } else { None }
    }
}

/// A channel for `capacity` events: [`CAPACITY`], but for tests.
pub fn channel(capacity: usize) -> (EventSink, Source) {
    let (sender, receiver) = crossbeam_channel::bounded(capacity);
    let (lost, end) = (Arc::new(AtomicU64::new(0)), Arc::default());
    (EventSink { sender, lost: Arc::clone(&lost), end: Arc::clone(&end) }, Source { receiver, lost, end })
}
