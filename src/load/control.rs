//! What the user wishes of a running load: a value that anybody may set and all tasks watch.

use std::collections::VecDeque;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::collector::EventSink;
use crate::event::{Control, Event, RequestId, StageId};

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
    /// The stage that is to end before its time.
    pub left: Option<StageId>,
    /// Since when the process is being stopped, or stopped, nanoseconds since the run's start: nothing is sent.
    pub suspended_ns: Option<u64>,
    /// When it stood still last: beginning and end.
    pub stood: Option<(u64, u64)>,
}

impl Wish {
    /// How long the process stood still between two times, as far as its last standstill is concerned; nanoseconds.
    pub fn stood_ns(&self, from_ns: u64, to_ns: u64) -> u64 {
        let standstills = [self.stood, self.suspended_ns.map(|since| (since, to_ns))];
        let within = |(began, ended): (u64, u64)| ended.min(to_ns).saturating_sub(began.max(from_ns));
        standstills.into_iter().flatten().map(within).sum()
    }

    /// Whether nothing new is to be sent for the present.
    pub fn rests(&self) -> bool {
        self.paused || self.suspended_ns.is_some()
    }
}

/// Requests that are to be cancelled: what all that are in flight watch.
#[derive(Debug, Default)]
pub(super) struct Recall {
    /// All of them.
    pub all: bool,
    /// These; the newest few, for numbers are never used again.
    some: VecDeque<RequestId>,
}

/// Requests called back by themselves that are remembered: each is seen by its task within moments.
const CALLED_BACK: usize = 1024;

impl Recall {
    /// Whether a request is among them.
    pub fn has(&self, request: RequestId) -> bool {
        self.all || self.named(request)
    }

    /// Whether it was called back by itself.
    pub fn named(&self, request: RequestId) -> bool {
        self.some.contains(&request)
    }

    /// Calls one back.
    pub fn name(&mut self, request: RequestId) {
        if self.some.len() == CALLED_BACK {
            self.some.pop_front();
        }
        self.some.push_back(request);
    }
}

/// The handle that screens and signals hold. Every change goes into the recording, as a mark in time.
#[derive(Clone)]
pub struct Controls {
    wish: watch::Sender<Wish>,
    recall: watch::Sender<Recall>,
    sink: EventSink,
    clock: Clock,
}

impl Controls {
    /// A handle that wishes for nothing yet.
    pub fn new(sink: EventSink, clock: Clock) -> Self {
        let (wish, recall) = (watch::Sender::new(Wish::default()), watch::Sender::default());
        Self { wish, recall, sink, clock }
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

    /// The process is about to be stopped. What was under way is told from what was not by this, so nothing more is sent.
    pub fn suspend(&self) {
        let at_ns = self.clock.now_ns();
        let news = self.wish.send_if_modified(|wish| wish.suspended_ns.replace(at_ns).is_none());
        if news {
            self.sink.send(Event::Control { at_ns, control: Control::Suspended });
        }
    }

    /// It goes on.
    pub fn go_on(&self) {
        let at_ns = self.clock.now_ns();
        let news = self.wish.send_if_modified(|wish| {
            let since = wish.suspended_ns.take();
            wish.stood = since.map(|since| (since, at_ns)).or(wish.stood);
            since.is_some()
        });
        if news {
            self.sink.send(Event::Control { at_ns, control: Control::Continued });
        }
    }

    /// The process was found to have stood still, which nobody had told before.
    pub(super) fn stood_still(&self, from_ns: u64, to_ns: u64) {
        let news = self.wish.send_if_modified(|wish| {
            let known = wish.stood_ns(from_ns, to_ns) > 0;
            if !known {
                wish.stood = Some((from_ns, to_ns));
            }
            !known
        });
        if news {
            self.sink.send(Event::Control { at_ns: from_ns, control: Control::Suspended });
            self.sink.send(Event::Control { at_ns: to_ns, control: Control::Continued });
        }
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
        self.recall.send_if_modified(|recall| std::mem::take(&mut recall.all));
    }

    /// What cancels the requests of a stage.
    pub(super) fn recall(&self) -> watch::Sender<Recall> {
        self.recall.clone()
    }

    /// Cancels a request in flight; its client goes on with the next. The request's own task tells that it was done, for
    /// it may have ended meanwhile.
    pub fn cancel(&self, request: RequestId) {
        self.recall.send_modify(|recall| recall.name(request));
    }

    /// Ends a stage before its time, draining what is in flight; the run goes on with the next one. What is no stage
    /// under way changes nothing.
    pub fn next_stage(&self, stage: StageId) {
        let news = self.wish.send_if_modified(|wish| wish.left.replace(stage) != Some(stage));
        if news {
            self.tell(Control::NextStage { stage });
        }
    }

    /// Marks this moment.
    pub fn mark(&self, note: String) {
        self.tell(Control::Mark { note });
    }

    fn tell(&self, control: Control) {
        self.sink.send(Event::Control { at_ns: self.clock.now_ns(), control });
    }
}
