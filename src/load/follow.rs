//! Follows one request to its end: stamps what comes, gives up where the profile or the user says so, and sends it
//! again where the profile allows that.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::coop;
use tokio::time::Sleep;

use super::driver::Stage;
use super::pulse::LATE_NS;
use crate::backend::{End, GenerateRequest, Generation, Item, Refusal};
use crate::event::{CountedBy, Event, Outcome, RequestId};

/// Most bytes of generated text kept of one request.
const TEXT_LIMIT: usize = 64 * 1024;
/// A text of this length may have been cut; bytes of the longest character less one.
pub(super) const CUT: usize = TEXT_LIMIT - 3;
/// The wait before a request is sent again where the server names none: this, doubled each time…
const AGAIN: Duration = Duration::from_millis(100);
/// …up to this.
const AGAIN_LIMIT: Duration = Duration::from_secs(5);
/// A server that asks for a longer wait than this isn't asked again.
const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(30);

/// How long an alarm that rang late waits to be told whether the process stood still.
const DOUBT: Duration = Duration::from_millis(20);

/// What became of a request.
pub(super) struct Told {
    pub end: End,
    pub text: String,
    pub refusal: Refusal,
    /// How often it was sent again.
    pub retries: u32,
}

impl Told {
    /// It ended while it waited to be sent again, by something else than the server that had refused it.
    fn ended_by(mut self, outcome: Outcome) -> Self {
        self.refusal = Refusal::default();
        self.end.outcome = outcome;
        // That somebody cancelled it is no fault. A limit of time was passed because of what was wrong before.
        let refused = self.end.error.take().filter(|_| outcome != Outcome::Cancelled);
        self.end.error = refused.map(|why| format!("while it waited to be sent again, after: {why}").into());
        self
    }
}

/// One request under way.
pub(super) struct Follow<'a> {
    pub stage: &'a Stage,
    pub request: RequestId,
    pub sent_ns: u64,
}

impl Follow<'_> {
    /// Sends it, again if it must be. All limits of time count from the first sending.
    pub async fn to_the_end(&self, ask: GenerateRequest) -> Told {
        let mut retries = 0;
        let (mut ask, mut again) = (ask, None);
        loop {
            if self.stage.load.retries > 0 {
                again = Some(ask.clone());
            }
            let generation = self.stage.backend.generate(ask);
            let told = Told { retries, ..self.attempt(generation).await };
            let (Some(wait), Some(next)) = (self.wait_before_next(&told), again.take()) else { return told };
            if let Some(outcome) = self.rest(wait).await {
                return told.ended_by(outcome);
            }
            retries += 1;
            ask = next;
        }
    }

    async fn attempt(&self, mut generation: Box<dyn Generation>) -> Told {
        let mut seen = Seen { follow: self, text: String::new(), output_tokens: 0 };
        let mut recall = self.stage.turns.recall();
        let mut cancelled = pin!(recall.wait_for(|recall| recall.has(self.request)));
        let mut alarm = Alarm::set(self.stage, self.sent_ns);
        // Who wakes when it is cancelled or late: nearly always a token woke, and asking costs more than looking.
        let mut waits: Option<usize> = None;
        let end = poll_fn(|cx| {
            while let Poll::Ready(item) = generation.poll_item(cx) {
                if let Some(end) = seen.take(item, &mut alarm) {
                    return Poll::Ready(end);
                }
            }
            let task = cx.waker().data() as usize;
            let waiting = waits == Some(task);
            // A task that has used up its turn asks in vain, and must ask again.
            waits = coop::has_budget_remaining().then_some(task);
            if (!waiting || self.stage.turns.recalled()) && cancelled.as_mut().poll(cx).is_ready() {
                return Poll::Ready(seen.given_up(Outcome::Cancelled));
            }
            if waiting && alarm.is_quiet() {
                return Poll::Pending;
            }
            alarm.poll_rung(cx).map(|outcome| seen.given_up(outcome))
        })
        .await;
        // Dropping the generation, on return, frees its slot in the engine.
        told(end, seen.text, &mut *generation)
    }

    /// How long to wait before it is sent again; `None` if it is not.
    fn wait_before_next(&self, told: &Told) -> Option<Duration> {
        let again = matches!(
            told.end.outcome,
            Outcome::FailedConnect | Outcome::TimedOutConnect | Outcome::FailedOverload
        );
        if !again || told.end.output_tokens > 0 || told.retries >= self.stage.load.retries {
            return None;
        }
        match told.refusal.retry_after {
            Some(asked) => (asked <= RETRY_AFTER_LIMIT).then_some(asked),
            None => Some(AGAIN.saturating_mul(1 << told.retries.min(10)).min(AGAIN_LIMIT)),
        }
    }

    /// Waits; gives the outcome if the request ends meanwhile.
    async fn rest(&self, wait: Duration) -> Option<Outcome> {
        let mut recall = self.stage.turns.recall();
        let mut alarm = Alarm::set(self.stage, self.sent_ns);
        tokio::select! {
            biased;
            _ = recall.wait_for(|recall| recall.has(self.request)) => Some(Outcome::Cancelled),
            outcome = poll_fn(|cx| alarm.poll_rung(cx)) => Some(outcome),
            () = tokio::time::sleep(wait) => None,
        }
    }
}

/// What came of a request so far.
struct Seen<'a> {
    follow: &'a Follow<'a>,
    text: String,
    output_tokens: u32,
}

impl Seen<'_> {
    /// Takes an item in; gives the end if it is that.
    #[inline]
    fn take(&mut self, item: Item, alarm: &mut Alarm<'_>) -> Option<End> {
        let Follow { stage, request, .. } = *self.follow;
        match item {
            Item::Chunk { at_ns, tokens, text } => {
                let at_ns = at_ns.unwrap_or_else(|| stage.clock.now_ns());
                stage.sink.send(Event::Token { at_ns, request, tokens });
                self.output_tokens = self.output_tokens.saturating_add(tokens);
                alarm.token(at_ns);
                if let Some(piece) = text {
                    keep(&mut self.text, &piece);
                }
                None
            }
            Item::Prefill { at_ns } => {
                stage.sink.send(Event::Prefill { at_ns, request });
                None
            }
            Item::End(end) => Some(end),
        }
    }

    /// The end of one that was not waited for.
    fn given_up(&self, outcome: Outcome) -> End {
        End {
            outcome,
            output_tokens: self.output_tokens,
            counted_by: CountedBy::Chunks,
            prompt_tokens: None,
            error: None,
        }
    }
}

/// Adds a piece to what is kept of a text. Behind a cut comes nothing more: it would hide the gap.
fn keep(text: &mut String, piece: &str) {
    if text.len() < CUT {
        text.push_str(&piece[..piece.floor_char_boundary(TEXT_LIMIT - text.len())]);
    }
}

fn told(end: End, mut text: String, generation: &mut dyn Generation) -> Told {
    let rest = generation.take_text();
    if text.is_empty() {
        text = rest;
        text.truncate(text.floor_char_boundary(TEXT_LIMIT));
    } else {
        keep(&mut text, &rest);
    }
    Told { end, text, refusal: generation.refusal(), retries: 0 }
}

/// A request's limits of time, in one timer. A token only notes its time; the timer is set anew when it rings and the
/// limit has moved meanwhile.
struct Alarm<'a> {
    stage: &'a Stage,
    sent_ns: u64,
    /// The last token's time.
    token_ns: Option<u64>,
    /// `None` if there is no limit.
    sleep: Option<Pin<Box<Sleep>>>,
    /// It was set since it was last looked at, so that it may wake nobody yet.
    fresh: bool,
    /// It rang so late that the process may have stood still, which it waits a moment to be told.
    doubts: bool,
}

impl<'a> Alarm<'a> {
    fn set(stage: &'a Stage, sent_ns: u64) -> Self {
        let mut alarm = Self { stage, sent_ns, token_ns: None, sleep: None, fresh: false, doubts: false };
        alarm.arm();
        alarm
    }

    /// The limit that comes first, on the run's clock, and what it makes of the request. While the process stands still,
    /// nobody could keep to it.
    fn due(&self) -> Option<(u64, Outcome)> {
        let load = &self.stage.load;
        load.request_timeout.or(load.ttft_timeout).or(load.idle_timeout)?;
        let now_ns = self.stage.clock.now_ns();
        let after = |from_ns: u64, limit: Option<Duration>| {
            limit.map(|limit| {
                let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
                from_ns.saturating_add(limit_ns).saturating_add(self.stage.stood_ns(from_ns, now_ns))
            })
        };
        let total = after(self.sent_ns, load.request_timeout).map(|at| (at, Outcome::TimedOutTotal));
        let next = match self.token_ns {
            None => after(self.sent_ns, load.ttft_timeout).map(|at| (at, Outcome::TimedOutTtft)),
            Some(token_ns) => after(token_ns, load.idle_timeout).map(|at| (at, Outcome::TimedOutIdle)),
        };
        total.into_iter().chain(next).min_by_key(|(at, _)| *at)
    }

    fn arm(&mut self) {
        self.fresh = true;
        let Some((at_ns, _)) = self.due() else {
            self.sleep = None;
            return;
        };
        let until = self.stage.clock.instant(at_ns).into();
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(until),
            None => self.sleep = Some(Box::pin(tokio::time::sleep_until(until))),
        }
    }

    #[inline]
    fn token(&mut self, at_ns: u64) {
        // From the first token on another limit holds, which may come sooner.
        if self.token_ns.replace(at_ns).is_none() {
            self.arm();
        }
    }

    /// It will wake its task, and has not rung.
    #[inline]
    fn is_quiet(&self) -> bool {
        !self.fresh && self.sleep.as_ref().is_none_or(|sleep| !sleep.is_elapsed())
    }

    fn poll_rung(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        // As above: what is asked in vain wakes nobody.
        self.fresh = !coop::has_budget_remaining();
        while let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
            let now_ns = self.stage.clock.now_ns();
            match self.due() {
                Some((at_ns, _)) if at_ns.saturating_add(LATE_NS) <= now_ns && !self.doubts => {
                    self.doubts = true;
                    let until = self.stage.clock.instant(now_ns) + DOUBT;
                    self.sleep = Some(Box::pin(tokio::time::sleep_until(until.into())));
                }
                Some((at_ns, outcome)) if at_ns <= now_ns => return Poll::Ready(outcome),
                _ => {
                    self.doubts = false;
                    self.arm();
                }
            }
            self.fresh = !coop::has_budget_remaining();
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_between_two_tries_is_not_the_servers_refusal() {
        let refused = || Told {
            end: End {
                outcome: Outcome::FailedOverload,
                output_tokens: 0,
                counted_by: CountedBy::Chunks,
                prompt_tokens: None,
                error: Some("HTTP 503".into()),
            },
            text: String::new(),
            refusal: Refusal { status: Some(503), retry_after: Some(AGAIN) },
            retries: 2,
        };
        let cancelled = refused().ended_by(Outcome::Cancelled);
        assert_eq!((cancelled.end.outcome, cancelled.end.error), (Outcome::Cancelled, None));
        assert_eq!((cancelled.refusal, cancelled.retries), (Refusal::default(), 2));
        let late = refused().ended_by(Outcome::TimedOutTotal);
        assert_eq!((late.end.outcome, late.refusal), (Outcome::TimedOutTotal, Refusal::default()));
        assert_eq!(late.end.error.as_deref(), Some("while it waited to be sent again, after: HTTP 503"));
    }

    #[test]
    fn what_is_kept_of_a_text_is_its_beginning_and_shows_that_it_was_cut() {
        let mut text = String::new();
        keep(&mut text, &"a".repeat(TEXT_LIMIT / 2));
        // Cut within it, at a character's beginning.
        keep(&mut text, &"\u{1F600}".repeat(TEXT_LIMIT / 4));
        assert_eq!(text.len(), TEXT_LIMIT);
        let mut text = "b".repeat(TEXT_LIMIT - 5);
        keep(&mut text, "\u{1F600}\u{1F600}");
        assert!(text.len() >= CUT && text.ends_with('\u{1F600}'), "{}", text.len());
        keep(&mut text, "c");
        assert!(!text.ends_with('c'), "a gap within");
    }
}
