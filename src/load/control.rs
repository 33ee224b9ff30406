//! What the user wishes of a running load: a value that anybody may set and all tasks watch.

use tokio::sync::watch;

use crate::clock::Clock;
use crate::collector::EventSink;
use crate::event::{Control, Event};

/// How urgently the run is to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopLevel {
    /// Not at all.
    #[default]
    Run,
    /// Send nothing new; what is in flight is drained as the profile says.
    Drain,
    /// Cancel what is in flight.
    Abort,
}

/// The user's wish.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Wish {
    pub stop: StopLevel,
    pub paused: bool,
    /// Clients of a closed loop to run, where they differ from the profile's.
    pub clients: Option<u32>,
    /// Requests a second of an open loop, where they differ from the profile's.
    pub rate: Option<f64>,
}

/// The handle that screens and signals hold. Every change goes into the recording, as a mark in time.
#[derive(Clone)]
pub struct Controls {
    wish: watch::Sender<Wish>,
    sink: EventSink,
    clock: Clock,
}

impl Controls {
    /// A handle that wishes for nothing yet.
    pub fn new(sink: EventSink, clock: Clock) -> Self {
        Self { wish: watch::Sender::new(Wish::default()), sink, clock }
    }

    /// For tasks that follow the wish.
    pub fn watch(&self) -> watch::Receiver<Wish> {
        self.wish.subscribe()
    }

    /// The present wish.
    pub fn wish(&self) -> Wish {
        *self.wish.borrow()
    }

    /// Raises the urgency to end; it is never lowered.
    pub fn stop(&self, level: StopLevel) {
        let raised = self.wish.send_if_modified(|wish| {
            let raised = level > wish.stop;
            wish.stop = wish.stop.max(level);
            raised
        });
        if raised {
            self.tell(if level == StopLevel::Abort { Control::Abort } else { Control::Stop });
        }
    }

    /// Pauses or resumes the load.
    pub fn toggle_pause(&self) {
        self.wish.send_modify(|wish| wish.paused = !wish.paused);
        self.tell(if self.wish().paused { Control::Paused } else { Control::Resumed });
    }

    /// Sets the number of clients, at least one.
    pub fn set_clients(&self, clients: u32) {
        let clients = clients.max(1);
        self.wish.send_modify(|wish| wish.clients = Some(clients));
        self.tell(Control::Clients { clients });
    }

    /// Sets the rate of an open loop, requests/s. What is no rate changes nothing.
    pub fn set_rate(&self, rate: f64) {
        if rate.is_finite() && rate > 0.0 {
            self.wish.send_modify(|wish| wish.rate = Some(rate));
            self.tell(Control::Rate { rate });
        }
    }

    /// A stage begins: with the load that it asks for, whatever was wished in the one before.
    pub(super) fn begin_stage(&self) {
        self.wish.send_if_modified(|wish| wish.clients.take().is_some() | wish.rate.take().is_some());
    }

    /// Marks this moment.
    pub fn mark(&self, note: String) {
        self.tell(Control::Mark { note });
    }

    fn tell(&self, control: Control) {
        self.sink.send(Event::Control { at_ns: self.clock.now_ns(), control });
    }
}
