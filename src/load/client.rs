//! One simulated client: warm up, meet at the barrier, then take turns until there are none. In an open loop each
//! request is a client of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::control::{StopLevel, Wish};
use super::driver::Stage;
use super::follow::Follow;
use super::turns::{Gate, Turn};
use crate::backend::GenerateRequest;
use crate::event::{ClientId, Control, Event, Finished, Outcome, Sent};
use crate::workload::{Planned, Stream};

/// A client whose requests fail one after another waits before the next: this, doubled each time…
const BACKOFF: Duration = Duration::from_millis(10);
/// …up to this, so that a dead server isn't asked a million times a second.
const BACKOFF_LIMIT: Duration = Duration::from_secs(1);

/// A client's task.
pub(super) struct Client {
    pub stage: Arc<Stage>,
    pub id: ClientId,
    pub wish: watch::Receiver<Wish>,
    failures: u32,
}

impl Client {
    pub fn new(stage: Arc<Stage>, id: ClientId, wish: watch::Receiver<Wish>) -> Self {
        Self { stage, id, wish, failures: 0 }
    }

    /// The whole life of a client that is there from the start.
    pub async fn run(mut self) {
        self.warm_up().await;
        self.stage.at_barrier();
        let Some(opened_ns) = self.stage.turns.opened().await else { return };
        let start = self.stage.clock.instant(opened_ns) + self.stage.jitter(self.id);
        let mut gate = self.stage.turns.gate();
        let ends = gate.wait_for(|gate| matches!(gate, Gate::Draining | Gate::Cancelling));
        if tokio::time::timeout_at(start.into(), ends).await.is_err() {
            self.take_turns().await;
        }
    }

    /// A client that came in while the stage was running: no warm-up, no jitter.
    pub async fn run_late(mut self) {
        self.take_turns().await;
    }

    /// One measured request of an open loop.
    pub async fn send_once(self, ask: Planned, scheduled_ns: u64) {
        self.request(ask, scheduled_ns, false).await;
    }

    /// Sends the requests that enter no figure.
    pub async fn warm_up(&mut self) {
        let each = u64::from(self.stage.load.warmup_requests_per_client);
        for i in 0..each {
            if self.wish.borrow().stop > StopLevel::Run || self.stage.turns.closed() {
                return;
            }
            let ask = self.stage.generator.request(Stream::Warmup, u64::from(self.id) * each + i);
            let scheduled_ns = self.stage.clock.now_ns();
            let failed = self.request(ask, scheduled_ns, true).await;
            self.rest(failed).await;
        }
    }

    async fn take_turns(&mut self) {
        let mut gate = self.stage.turns.gate();
        loop {
            let turn = self.stage.turns.next(self.id, &mut gate, &mut self.wish, self.stage.clock).await;
            let Some(Turn { number, scheduled_ns }) = turn else { return };
            let ask = self.stage.generator.request(Stream::Measured, number);
            let failed = self.request(ask, scheduled_ns, false).await;
            self.rest(failed).await;
        }
    }

    /// Sends a request and follows it to its end; tells whether it failed.
    async fn request(&self, ask: Planned, scheduled_ns: u64, warmup: bool) -> bool {
        let stage = &self.stage;
        let request = stage.next_request();
        let sent_ns = stage.clock.now_ns();
        stage.sink.send(Event::Sent(Sent {
            at_ns: sent_ns,
            scheduled_ns,
            request,
            client: self.id,
            stage: stage.number,
            prompt_tokens: ask.prompt.len() as u32,
            max_tokens: ask.output_tokens,
            warmup,
        }));
        let ask = GenerateRequest {
            request,
            client: self.id,
            prompt: ask.prompt,
            max_tokens: ask.output_tokens,
            ignore_eos: stage.ignore_eos,
            text: ask.text,
        };
        let told = Follow { stage, request, sent_ns }.to_the_end(ask).await;
        let end = told.end;
        let (failed, at_ns) = (end.outcome.is_failure(), stage.clock.now_ns());
        if end.outcome == Outcome::Cancelled && stage.turns.called_back(request) {
            stage.sink.send(Event::Control { at_ns, control: Control::Cancel { request } });
        }
        stage.count(at_ns, &end, warmup);
        stage.sink.send(Event::Finished(Box::new(Finished {
            at_ns,
            request,
            outcome: end.outcome,
            output_tokens: end.output_tokens,
            counted_by: end.counted_by,
            prompt_tokens: end.prompt_tokens,
            error: end.error,
            text: (!told.text.is_empty()).then(|| told.text.into()),
            status: told.refusal.status,
            retries: told.retries,
        })));
        if failed {
            stage.something_failed();
        }
        failed
    }

    /// After a request that failed, a closed loop's client waits; the longer, the more have failed in a row.
    async fn rest(&mut self, failed: bool) {
        if !failed {
            self.failures = 0;
            return;
        }
        let wait = BACKOFF.saturating_mul(1 << self.failures.min(10)).min(BACKOFF_LIMIT);
        self.failures += 1;
        let mut gate = self.stage.turns.gate();
        let ends = gate.wait_for(|gate| matches!(gate, Gate::Draining | Gate::Cancelling));
        let _ = tokio::time::timeout(wait, ends).await;
    }
}
