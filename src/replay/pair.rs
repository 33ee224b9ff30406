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
    // No difference of two that are 0 or more is beyond what there is.
    let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    began.map_or(0, |(first, other)| signed(first) - signed(other))
}

/// When measuring began, in the first stage that did.
fn measuring_ns(reader: Reader) -> Option<u64> {
    reader.into_iter().find_map(|entry| match entry {
        Entry::Event(Event::Phase { at_ns, phase: Phase::Measuring, .. }) => Some(at_ns),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::recording::tests::{record, run};
    use crate::ui::Session;

    fn wait_for(session: &ReplaySession, what: impl Fn(&ReplaySession) -> bool) {
        for _ in 0..400 {
            if what(session) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{:?} and {:?}", session.transport(), session.other().map(|other| other.snap.at_ns));
    }

    #[test]
    fn the_other_goes_where_the_first_one_goes_and_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a.jsonl.zst", "b.jsonl.zst"].map(|name| folder.path().join(name));
        let recorded = [record(&run(21, 30)), record(&run(4, 12))];
        for (path, (bytes, _)) in paths.iter().zip(&recorded) {
            std::fs::write(path, bytes).unwrap();
        }
        let mut session = ReplaySession::start(&paths[0], Clock::start(), 1.0).unwrap();
        assert!(session.other().is_none());
        session.play_beside(&paths[1], Clock::start()).unwrap();
        session.act(Action::TogglePause);
        let began = recorded.each_ref().map(|(_, live)| live.measuring_at_ns.unwrap());
        let ahead = session.other().unwrap().ahead_ns;
        assert_eq!(ahead, began[0].cast_signed() - began[1].cast_signed());
        assert_eq!(ahead_ns(&paths[0], &paths[1]).unwrap(), ahead);
        let length_ns = recorded[1].1.at_ns;
        for after_ns in [2_000_000, 900_000, 1_500_000] {
            session.act(Action::Seek(began[0] + after_ns));
            let wanted = (began[1] + after_ns).min(length_ns);
            wait_for(&session, |s| s.other().is_some_and(|other| other.snap.at_ns == wanted));
        }
        session.act(Action::Seek(u64::MAX));
        wait_for(&session, |s| s.transport().unwrap().at_ns == recorded[0].1.at_ns);
        let at = followed_ns(recorded[0].1.at_ns, ahead).min(length_ns);
        wait_for(&session, |s| s.other().is_some_and(|other| other.snap.at_ns == at));
        session.act(Action::Stop);
        wait_for(&session, Session::over);
        wait_for(&session, |s| s.follower.as_ref().is_some_and(|follower| follower.session.over()));
    }

    #[test]
    fn no_time_is_too_late_to_be_compared() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| folder.path().join(name));
        for (path, at_ns) in paths.iter().zip([u64::MAX, 7000]) {
            let events = [Event::Phase { at_ns, stage: 0, phase: Phase::Measuring }];
            std::fs::write(path, record(&events).0).unwrap();
        }
        let ahead = ahead_ns(&paths[0], &paths[1]).unwrap();
        assert!(ahead > 1 << 62, "{ahead}");
        assert_eq!(ahead_ns(&paths[1], &paths[0]).unwrap(), -ahead);
    }

    #[test]
    fn before_its_start_the_other_stands_at_its_start() {
        assert_eq!(followed_ns(5, 7), 0);
        assert_eq!(followed_ns(5, -7), 12);
        assert_eq!(followed_ns(5, i64::MIN), 5 + i64::MAX.cast_unsigned());
    }
}
