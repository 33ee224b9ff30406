//! Whose turn is it, and with which request? The one place that decides when a stage stops sending.
//!
//! In a closed loop a client's turn comes whenever it is free. In an open loop `open` asks only whether there is
//! another turn: when it comes is the timetable's affair.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::control::{Recall, StopLevel, Wish};
use crate::clock::Clock;
use crate::event::{ClientId, RequestId};

/// Where a stage is, as its clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Warm-up: the barrier is closed.
    Warmup,
    /// The barrier is open since this time.
    Open { since_ns: u64 },
    /// Nothing new is sent; what is in flight is finished.
    Draining,
    /// What is in flight is cancelled.
    Cancelling,
}

/// One request to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Number of the measured request within its stage: picks prompt and length.
    pub number: u64,
    /// When it was meant to be sent.
    pub scheduled_ns: u64,
}

/// Hands out turns until the stage's count is reached or its gate closes.
#[derive(Debug)]
pub(super) struct Turns {
    next: AtomicU64,
    /// Measured requests in all; `u64::MAX` where only time or the user ends the stage.
    planned: u64,
    gate: watch::Sender<Gate>,
    recall: watch::Sender<Recall>,
    /// As it was when the stage began.
    before: watch::Receiver<Recall>,
    clients: u32,
}

impl Turns {
    pub fn new(planned: Option<u64>, clients: u32, recall: watch::Sender<Recall>) -> Self {
        Self {
            next: AtomicU64::new(0),
            planned: planned.unwrap_or(u64::MAX),
            gate: watch::Sender::new(Gate::Warmup),
            before: recall.subscribe(),
            recall,
            clients,
        }
    }

    pub fn gate(&self) -> watch::Receiver<Gate> {
        self.gate.subscribe()
    }

    /// Which requests in flight are cancelled.
    pub fn recall(&self) -> watch::Receiver<Recall> {
        self.recall.subscribe()
    }

    /// Whether any request was cancelled in this stage.
    #[inline]
    pub fn recalled(&self) -> bool {
        self.before.has_changed().unwrap_or(true)
    }

    /// Whether somebody cancelled this very request.
    pub fn called_back(&self, request: RequestId) -> bool {
        self.recall.borrow().named(request)
    }

    /// Nothing new is sent any more.
    pub fn closed(&self) -> bool {
        matches!(*self.gate.borrow(), Gate::Draining | Gate::Cancelling)
    }

    /// Moves the gate on; it never goes back. Tells whether it moved.
    pub fn set_gate(&self, to: Gate) -> bool {
        fn rank(gate: Gate) -> u8 {
            match gate {
                Gate::Warmup => 0,
                Gate::Open { .. } => 1,
                Gate::Draining => 2,
                Gate::Cancelling => 3,
            }
        }
        let moved = self.gate.send_if_modified(|gate| {
            let moves = rank(to) > rank(*gate);
            if moves {
                *gate = to;
            }
            moves
        });
        if moved && to == Gate::Cancelling {
            self.recall.send_modify(|recall| recall.all = true);
        }
        moved
    }

    /// Waits for the barrier; `None` if the stage ends before it opens.
    pub async fn opened(&self) -> Option<u64> {
        let mut gate = self.gate();
        let seen = gate.wait_for(|gate| *gate != Gate::Warmup).await.ok()?;
        match *seen {
            Gate::Open { since_ns } => Some(since_ns),
            _ => None,
        }
    }

    /// Whether there is a turn left in an open loop, once so many were taken.
    pub fn left(&self, taken: u64) -> bool {
        taken < self.planned
    }

    /// The client's next turn in a closed loop: as soon as it is free and allowed; `None` ends the client.
    pub async fn next(
        &self,
        client: ClientId,
        gate: &mut watch::Receiver<Gate>,
        wish: &mut watch::Receiver<Wish>,
        clock: Clock,
    ) -> Option<Turn> {
        let mut scheduled_ns = clock.now_ns();
        loop {
            if !matches!(*gate.borrow_and_update(), Gate::Open { .. }) {
                return None;
            }
            let now = *wish.borrow_and_update();
            if now.stop > StopLevel::Run {
                return None;
            }
            if !now.rests() && client < now.clients.unwrap_or(self.clients) {
                break;
            }
            tokio::select! {
                changed = wish.changed() => changed.ok()?,
                changed = gate.changed() => changed.ok()?,
            }
            // A client that was held back becomes free when it is let go, not when it was stopped.
            scheduled_ns = clock.now_ns();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.planned {
            self.set_gate(Gate::Draining);
            return None;
        }
        Some(Turn { number, scheduled_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_end_at_the_count_and_close_the_gate() {
        let turns = Turns::new(Some(2), 1, watch::Sender::default());
        let wish = watch::Sender::new(Wish::default());
        let (mut gate, mut watching) = (turns.gate(), wish.subscribe());
        assert!(turns.set_gate(Gate::Open { since_ns: 0 }));
        let clock = Clock::start();
        assert_eq!(turns.next(0, &mut gate, &mut watching, clock).await.map(|t| t.number), Some(0));
        assert_eq!(turns.next(0, &mut gate, &mut watching, clock).await.map(|t| t.number), Some(1));
        assert_eq!(turns.next(0, &mut gate, &mut watching, clock).await, None);
        assert_eq!(*turns.gate().borrow(), Gate::Draining);
        assert!(!turns.set_gate(Gate::Open { since_ns: 1 }), "a closed gate must not open again");
    }

    #[tokio::test]
    async fn a_paused_client_waits_and_is_scheduled_when_it_is_let_go() {
        let turns = Turns::new(None, 1, watch::Sender::default());
        let wish = watch::Sender::new(Wish { paused: true, ..Wish::default() });
        let (mut gate, mut watching) = (turns.gate(), wish.subscribe());
        turns.set_gate(Gate::Open { since_ns: 0 });
        let clock = Clock::start();
        let waiting = turns.next(0, &mut gate, &mut watching, clock);
        tokio::pin!(waiting);
        let early = tokio::time::timeout(std::time::Duration::from_millis(20), &mut waiting).await;
        assert!(early.is_err(), "a paused client must not get a turn");
        let resumed_ns = clock.now_ns();
        wish.send_modify(|w| w.paused = false);
        let turn = waiting.await.expect("a resumed client gets its turn");
        assert!(turn.scheduled_ns >= resumed_ns);
    }

    #[tokio::test]
    async fn requests_are_called_back_by_themselves_or_all_together() {
        let recall = watch::Sender::default();
        let turns = Turns::new(None, 1, recall.clone());
        let mut watching = turns.recall();
        assert!(!turns.recalled());
        recall.send_modify(|r: &mut Recall| r.name(7));
        recall.send_modify(|r: &mut Recall| r.name(8));
        // News that came in one go are both there.
        assert!(watching.wait_for(|r| r.has(7)).await.is_ok() && watching.borrow().has(8));
        assert!(!watching.borrow().has(9) && turns.called_back(7) && !turns.called_back(9));
        turns.set_gate(Gate::Cancelling);
        assert!(
            turns.recalled() && watching.borrow().has(9) && !turns.called_back(9),
            "that is the end's doing"
        );
        (100..3000).for_each(|request| recall.send_modify(|r: &mut Recall| r.name(request)));
        assert!(!turns.called_back(7) && turns.called_back(2999), "what is remembered is bounded");
    }

    #[tokio::test]
    async fn a_client_beyond_the_wished_number_waits() {
        let turns = Turns::new(None, 4, watch::Sender::default());
        let wish = watch::Sender::new(Wish { clients: Some(2), ..Wish::default() });
        let (mut gate, mut watching) = (turns.gate(), wish.subscribe());
        turns.set_gate(Gate::Open { since_ns: 0 });
        let clock = Clock::start();
        assert!(turns.next(1, &mut gate, &mut watching, clock).await.is_some());
        let held = tokio::time::timeout(
            std::time::Duration::from_millis(20),
            turns.next(2, &mut gate, &mut watching, clock),
        );
        assert!(held.await.is_err());
    }
}
