//! Two recordings at once: the second follows the first one's head, so that both are the same time after the moment when
//! their measuring began; where one never measured, after their starts.

use std::path::Path;

use super::session::ReplaySession;
use crate::clock::Clock;
use crate::event::{Event, Phase};
use crate::recording::{Entry, Reader, RecordingError};
use crate::ui::{Action, Other, Session as _};

/// The recording that follows.
pub(super) struct Follower {
    session: Box<ReplaySession>,
    /// What a time of the first has more than the same time of this one, nanoseconds.
    ahead_ns: i64,
}

impl ReplaySession {
    /// Plays another recording beside this one.
    ///
    /// # Errors
    /// As [`crate::recording::open`], or if the system gives no thread.
    pub fn play_beside(&mut self, path: &Path, clock: Clock) -> Result<(), RecordingError> {
        let session = Self::begin(path, clock, None)?;
        let ahead_ns = ahead(self.reader()?, session.reader()?);
        self.lead(session.commands(), ahead_ns);
        self.follower = Some(Follower { session: Box::new(session), ahead_ns });
        Ok(())
    }
}

impl Follower {
    pub(super) fn look(&self) -> Other {
        Other {
            snap: self.session.snapshot(),
            title: self.session.title(),
            recording: self.session.recording(),
            ahead_ns: self.ahead_ns,
        }
    }

    pub(super) fn freeze(&self, frozen: bool) {
        self.session.freeze(frozen);
    }

    pub(super) fn stop(&self) {
        self.session.act(Action::Stop);
    }
}

/// Where the other's head belongs while the first one's is here.
pub(super) fn followed_ns(head_ns: u64, ahead_ns: i64) -> u64 {
    head_ns.saturating_add_signed(ahead_ns.saturating_neg())
}

/// What the time of a moment of one recording has more than that of the same moment of another, nanoseconds: 0 unless
/// both measured.
///
/// # Errors
/// As [`crate::recording::open`].
pub fn ahead_ns(first: &Path, other: &Path) -> Result<i64, RecordingError> {
    Ok(ahead(crate::recording::open(first)?, crate::recording::open(other)?))
}

fn ahead(first: Reader, other: Reader) -> i64 {
    let began = measuring_ns(first).zip(measuring_ns(other));
    began.map_or(0, |(first, other)| first.cast_signed() - other.cast_signed())
}

/// When measuring began, in the first stage that did.
fn measuring_ns(reader: Reader) -> Option<u64> {
    reader.into_iter().find_map(|entry| match entry {
        Entry::Event(Event::Phase { at_ns, phase: Phase::Measuring, .. }) => Some(at_ns),
        _ => None,
    })
}
