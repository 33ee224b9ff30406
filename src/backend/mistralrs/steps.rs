//! When the engine's steps began, derived from the calls of its sampler.
//!
//! The engine runs one step after the other: a prefill of a batch of prompts, or one token for a batch of
//! running sequences. At a step's end it samples for every sequence of the batch, then sends the batch's
//! chunks. It does not tell when a step begins; but a step begins when the one before it has ended, or when a
//! request arrives at an idle engine. So the first call of the sampler for a request ends its prefill, and the
//! last call of the step before marks its start.
//!
//! Two calls are of one step if they are of one kind (prefill or decode), of sequences of one length where
//! the scheduler only batches such, and if no chunk was sent between them. What is derived this way is too
//! late by the time from the last sampling to the end of the step before (well below a millisecond).

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::ledger::Ledger;

/// One engine's steps.
pub struct Steps {
    /// The scheduler batches sequences of different lengths (it does with PagedAttention only).
    mixed_lengths: bool,
    now: Mutex<Step>,
    /// Requests that have had their first token and still want more.
    pub running: AtomicU32,
}

/// The step under way.
#[derive(Default)]
struct Step {
    /// When it began: the last sampling of the step before.
    began_ns: u64,
    /// The last sampling in it so far.
    last_ns: u64,
    prefill: bool,
    length: usize,
    /// The request that was sampled last, and its chunks sent by then.
    witness: Weak<Ledger>,
    chunks: u32,
}

impl Steps {
    pub fn new(mixed_lengths: bool) -> Self {
        Self { mixed_lengths, now: Mutex::default(), running: AtomicU32::new(0) }
    }

    /// A sampling call of a request with so many `chunks` sent, for a step of this `kind` (a prefill?, tokens in
    /// the sequence). Gives when the step began.
    pub fn sampled(&self, request: &Arc<Ledger>, chunks: u32, kind: (bool, usize), now_ns: u64) -> u64 {
        let (prefill, length) = kind;
        let mut step = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = step.prefill == prefill && (self.mixed_lengths || step.length == length);
        let other = !std::ptr::eq(step.witness.as_ptr(), Arc::as_ptr(request));
        let unsent = || step.witness.upgrade().and_then(|w| w.sent()) == Some(step.chunks);
        if !(alike && other && unsent()) {
            step.began_ns = step.last_ns;
            step.prefill = prefill;
            step.length = length;
        }
        step.witness = Arc::downgrade(request);
        step.chunks = chunks;
        step.last_ns = step.last_ns.max(now_ns);
        step.began_ns
    }

    /// The last sampling call, on the run's clock; 0 before the first.
    pub fn last_ns(&self) -> u64 {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).last_ns
    }
}

#[cfg(test)]
mod tests {
    use mistralrs::Response;
    use tokio::sync::mpsc;

    use super::*;

    fn request() -> (Arc<Ledger>, mpsc::Sender<Response>, mpsc::Receiver<Response>) {
        let (tx, rx) = mpsc::channel(8);
        (Arc::new(Ledger::new(tx.downgrade())), tx, rx)
    }

    fn send(tx: &mpsc::Sender<Response>) {
        tx.try_send(Response::InternalError("a chunk".into())).unwrap();
    }

    #[test]
    fn prompts_of_one_batch_share_their_start_and_a_later_batch_begins_after_it() {
        let steps = Steps::new(false);
        let (a, a_tx, _a) = request();
        let (b, b_tx, _b) = request();
        let (c, _c_tx, _c) = request();
        // A step of the past ends at 10.
        let (past, past_tx, _past) = request();
        steps.sampled(&past, 0, (false, 7), 10);
        send(&past_tx);
        assert_eq!(steps.sampled(&a, 0, (true, 5), 100), 10);
        assert_eq!(steps.sampled(&b, 0, (true, 5), 101), 10);
        send(&a_tx);
        send(&b_tx);
        // Of the same length, but chunks were sent in between: another step.
        assert_eq!(steps.sampled(&c, 0, (true, 5), 200), 101);
    }

    #[test]
    fn a_decode_between_ends_the_step() {
        let steps = Steps::new(true);
        let (a, _a_tx, _a) = request();
        let (b, _b_tx, _b) = request();
        steps.sampled(&a, 0, (false, 5), 50);
        assert_eq!(steps.sampled(&b, 0, (true, 9), 80), 50);
        assert_eq!(steps.last_ns(), 80);
    }
}
