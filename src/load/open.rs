//! An open loop: one task keeps to the timetable and starts a task for each request that is due, whether earlier ones
//! are answered or not.
//!
//! Warm-up comes before the timetable. A request that is due while as many as may be are in flight waits for a place,
//! and is then sent late; its scheduled time stays. None is left out, but those that are due and unsent when somebody
//! ends the run.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::alarm::Alarm;
use super::client::Client;
use super::control::{StopLevel, Wish};
use super::driver::Stage;
use super::slots::{Slot, Slots};
use super::turns::Gate;
use crate::clock::TICK_NS;
use crate::event::OpenLoop;
use crate::profile::Load;
use crate::workload::{Stream, Timetable};

/// Unsent requests that are counted when the run is ended; more are "at least so many".
const MOST_COUNTED: u64 = 1_000_000;

/// What a stage says of its open loop; `None` for a closed one.
pub(super) fn announced(load: &Load) -> Option<OpenLoop> {
    let open = load.open()?;
    Some(OpenLoop {
        kind: load.kind.name().into(),
        rate: open.rate,
        burstiness: open.burstiness,
        ramp_from: open.ramp.map(|ramp| ramp.from),
        ramp_ns: load.ramp_time.filter(|_| open.ramp.is_some()).map(|time| time.as_nanos() as u64),
        max_in_flight: open.max_in_flight,
        warmup_clients: load.warmup_clients(),
    })
}

/// The task that keeps to the timetable.
pub(super) struct Dispatcher {
    stage: Arc<Stage>,
    wish: watch::Receiver<Wish>,
    gate: watch::Receiver<Gate>,
    slots: Arc<Slots>,
    requests: JoinSet<()>,
    /// Measured requests that were sent.
    sent: u64,
}

/// A timetable on the run's clock.
struct Times {
    table: Timetable,
    opened_ns: u64,
    /// Requests that would be due at this time or later are none any more.
    end_ns: u64,
    paused: bool,
    stood: Option<(u64, u64)>,
    rate: Option<f64>,
}

impl Times {
    /// When the next request is due: at the end, if it would be later or not at all.
    fn next_ns(&mut self) -> u64 {
        let due = self.table.next_s().map(|at_s| self.opened_ns.saturating_add((at_s * 1e9) as u64));
        // Whole ticks, as all stamps are.
        due.map_or(self.end_ns, |due| (due - due % TICK_NS).min(self.end_ns))
    }

    /// Does what the user wishes from now on.
    fn follow(&mut self, wish: Wish, now_ns: u64) {
        let at_s = |at_ns: u64| at_ns.saturating_sub(self.opened_ns) as f64 / 1e9;
        // The process stood still: whatever has come meanwhile, nothing was due.
        if let Some((from_ns, to_ns)) = wish.stood.filter(|_| wish.stood != self.stood) {
            self.table.pause(at_s(from_ns));
            if !self.paused {
                self.table.resume(at_s(to_ns));
            }
        }
        self.stood = wish.stood;
        if let Some(since_ns) = wish.suspended_ns {
            self.table.pause(at_s(since_ns));
        }
        let at_s = at_s(now_ns);
        if wish.rate != self.rate {
            self.rate = wish.rate;
            if let Some(rate) = wish.rate {
                self.table.set_rate(at_s, rate);
            }
        }
        if wish.paused != self.paused {
            self.paused = wish.paused;
            if wish.paused {
                self.table.pause(at_s);
            } else if wish.suspended_ns.is_none() {
                self.table.resume(at_s);
            }
        }
    }

    /// Requests that are due by now and were not sent.
    fn unsent(mut self, now_ns: u64) -> u64 {
        let mut unsent = 0;
        while unsent < MOST_COUNTED && self.next_ns() < now_ns.min(self.end_ns) {
            self.table.advance();
            unsent += 1;
        }
        unsent
    }
}

impl Dispatcher {
    pub fn new(stage: Arc<Stage>, wish: watch::Receiver<Wish>, max_in_flight: u32) -> Self {
        let gate = stage.turns.gate();
        let slots = Slots::new(max_in_flight);
        Self { stage, wish, gate, slots, requests: JoinSet::new(), sent: 0 }
    }

    /// From warm-up to the last request's end. The measured part lasts `duration` at most.
    pub async fn run(mut self, table: Timetable, duration: Option<Duration>) {
        self.warm_up().await;
        self.stage.at_barrier();
        if let Some(opened_ns) = self.stage.turns.opened().await {
            let stood = self.wish.borrow().stood;
            let end_ns =
                duration.map_or(u64::MAX, |length| opened_ns.saturating_add(length.as_nanos() as u64));
            self.keep_to(Times { table, opened_ns, end_ns, paused: false, stood, rate: None }).await;
        }
        while let Some(done) = self.requests.join_next().await {
            passed_on(done);
        }
    }

    async fn warm_up(&mut self) {
        let mut clients = JoinSet::new();
        for id in 0..self.stage.load.warmup_clients() {
            let mut client = Client::new(self.stage.clone(), id, self.wish.clone());
            clients.spawn_on(async move { client.warm_up().await }, self.stage.loops.of(id));
        }
        while let Some(done) = clients.join_next().await {
            passed_on(done);
        }
    }

    async fn keep_to(&mut self, mut times: Times) {
        let alarm = Alarm::new(self.stage.clock, self.stage.loops.due().clone());
        let wish = *self.wish.borrow_and_update();
        times.follow(wish, times.opened_ns);
        while self.stage.turns.left(self.sent) {
            // Made ahead, so that it makes no request late.
            let ask = self.stage.generator.request(Stream::Measured, self.sent);
            let due = self.due(&mut times, &alarm).await;
            let Some((scheduled_ns, slot)) = due else { break };
            times.table.advance();
            self.sent += 1;
            let client = Client::new(self.stage.clone(), slot.number, self.wish.clone());
            let number = slot.number;
            let request = async move {
                client.send_once(ask, scheduled_ns).await;
                drop(slot);
            };
            let at = self.stage.loops.of(number);
            self.requests.spawn_on(request, at);
            self.look_back();
            // A request that is late is not sent the sooner for it, but those before it are.
            tokio::task::yield_now().await;
        }
        if !self.stage.turns.left(self.sent) {
            self.stage.turns.set_gate(Gate::Draining);
            return;
        }
        let unsent = times.unsent(self.stage.clock.now_ns());
        if unsent > 0 {
            let least = if unsent == MOST_COUNTED { "at least " } else { "" };
            tracing::warn!("{least}{unsent} requests were due when the run was ended, and were never sent");
        }
    }

    /// Waits until the next request is due and has a place; gives its time. `None` if there is none any more.
    async fn due(&mut self, times: &mut Times, alarm: &Alarm) -> Option<(u64, Slot)> {
        loop {
            if self.ends() {
                return None;
            }
            if self.wish.has_changed().unwrap_or(false) {
                // Before anything is taken for due that is not.
                let wish = *self.wish.borrow_and_update();
                times.follow(wish, self.stage.clock.now_ns());
            }
            let (next_ns, now_ns) = (times.next_ns(), self.stage.clock.now_ns());
            let due = next_ns <= now_ns;
            if next_ns >= times.end_ns && due {
                return None;
            }
            if due && let Some(slot) = self.slots.take() {
                return Some((next_ns, slot));
            }
            if due {
                // It waits for a place, and not for a time.
                alarm.off();
            }
            tokio::select! {
                biased;
                changed = self.wish.changed() => {
                    changed.ok()?;
                    let wish = *self.wish.borrow_and_update();
                    times.follow(wish, self.stage.clock.now_ns());
                }
                changed = self.gate.changed() => changed.ok()?,
                () = alarm.until(next_ns), if !due => {}
                () = self.slots.freed(), if due => {}
            }
        }
    }

    /// Nothing more is to be sent, whatever is due.
    fn ends(&self) -> bool {
        let wish = *self.wish.borrow();
        let left = wish.stop > StopLevel::Run || wish.left == Some(self.stage.number);
        left || *self.gate.borrow() == Gate::Cancelling
    }

    /// Forgets requests that have ended.
    fn look_back(&mut self) {
        while let Some(done) = self.requests.try_join_next() {
            passed_on(done);
        }
    }
}

/// A task's panic is this one's.
fn passed_on(done: Result<(), tokio::task::JoinError>) {
    if let Err(error) = done
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::LoadKind;

    fn times(end_ns: u64) -> Times {
        let load = Load { kind: LoadKind::Constant, rate: Some(1000.0), ..Load::default() };
        let table = Timetable::new(&load, 1).unwrap();
        Times { table, opened_ns: 5_000_000_000, end_ns, paused: false, stood: None, rate: None }
    }

    #[test]
    fn times_are_on_the_runs_clock_and_end() {
        let mut t = times(5_002_500_000);
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(t.next_ns());
            t.table.advance();
        }
        assert_eq!(seen, [5_000_000_000, 5_001_000_000, 5_002_000_000, 5_002_500_000]);
        assert_eq!(times(5_002_500_000).unsent(6_000_000_000), 3, "none behind the end");
        assert_eq!(times(u64::MAX).unsent(5_000_000_500), 1);
    }

    #[test]
    fn nothing_is_due_while_the_process_stands_still() {
        // Sums of seconds round to a tick.
        let near = |t: &mut Times, due: u64| assert!(t.next_ns().abs_diff(due) <= TICK_NS, "{}", t.next_ns());
        let mut t = times(u64::MAX);
        t.table.advance();
        // Seen before it is stopped, or only afterwards, or found out by nobody but the pulse.
        let suspended = Wish { suspended_ns: Some(5_000_500_000), ..Wish::default() };
        t.follow(suspended, 5_000_600_000);
        assert_eq!(t.next_ns(), u64::MAX);
        let over = Wish { stood: Some((5_000_500_000, 9_000_500_000)), ..Wish::default() };
        t.follow(over, 9_000_700_000);
        near(&mut t, 9_001_000_000);
        t.table.advance();
        let again = Wish { stood: Some((9_001_500_000, 9_501_500_000)), ..Wish::default() };
        t.follow(again, 9_501_600_000);
        near(&mut t, 9_502_000_000);
        // In a pause it changes nothing.
        let paused = Wish { paused: true, ..again };
        t.follow(paused, 9_501_700_000);
        t.follow(Wish { stood: Some((9_600_000_000, 9_700_000_000)), ..paused }, 9_700_000_000);
        assert_eq!(t.next_ns(), u64::MAX);
        t.follow(Wish { paused: false, ..paused }, 9_801_700_000);
        near(&mut t, 9_802_000_000);
    }

    #[test]
    fn a_wish_counts_from_when_it_is_seen() {
        let mut t = times(u64::MAX);
        t.table.advance();
        t.follow(Wish { rate: Some(10.0), ..Wish::default() }, 5_000_500_000);
        assert_eq!(t.next_ns(), 5_050_500_000);
        let paused = Wish { rate: Some(10.0), paused: true, ..Wish::default() };
        t.follow(paused, 5_010_500_000);
        assert_eq!(t.next_ns(), u64::MAX);
        t.follow(Wish { paused: false, ..paused }, 6_010_500_000);
        assert_eq!(t.next_ns(), 6_050_500_000);
    }
}
