//! When the whole process stood still, and with it the load and its clocks' readers: what was under way then tells nothing
//! of the engine.

use std::collections::VecDeque;

use super::RequestRecord;
use super::pack::pack;
use crate::event::Control;

/// Standstills that are remembered, the newest: far more than anybody's hands make.
const REMEMBERED: usize = 1024;

/// The standstills of a run, in the order of time, nanoseconds since the run's start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standstills {
    over: VecDeque<(u64, u64)>,
    /// Since when it stands still.
    since: Option<u64>,
}

pack!(Standstills { over, since });

impl Standstills {
    /// Those of a run with these interventions.
    pub fn of(controls: &[(u64, Control)]) -> Self {
        let mut all = Self::default();
        for (at_ns, control) in controls {
            all.take(*at_ns, control);
        }
        all
    }

    /// Takes an intervention.
    pub fn take(&mut self, at_ns: u64, control: &Control) {
        match control {
            Control::Suspended => _ = self.since.get_or_insert(at_ns),
            Control::Continued => self.end(at_ns),
            _ => {}
        }
    }

    /// If it stands still, that is over. A run that is resumed was not told so by the process that was stopped.
    pub fn end(&mut self, at_ns: u64) {
        let Some(since) = self.since.take() else { return };
        if self.over.len() == REMEMBERED {
            self.over.pop_front();
        }
        self.over.push_back((since, at_ns.max(since)));
    }

    /// Beginning and end of each; `u64::MAX` for the end of one that is not over.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + '_ {
        self.over.iter().copied().chain(self.since.map(|since| (since, u64::MAX)))
    }

    /// Whether one of them ended at this time.
    pub fn ends_at(&self, at_ns: u64) -> bool {
        self.over.iter().any(|(_, ended)| *ended == at_ns)
    }

    /// Whether it stood still between these times, if only in a part of them.
    #[inline]
    pub fn touch(&self, from_ns: u64, to_ns: u64) -> bool {
        self.all().rev().any(|(began, ended)| began < to_ns && from_ns < ended)
    }

    /// Whether a request was under way when it stood still: from when it was meant to be sent until its end was seen. Then
    /// none of its times can be taken for the engine's, for what came meanwhile was stamped when it went on.
    #[inline]
    pub fn spoil(&self, record: &RequestRecord) -> bool {
        (!self.over.is_empty() || self.since.is_some()) && self.touch(record.scheduled_ns, record.finished_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_under_way_is_told_from_what_was_not() {
        let all = [
            (5, Control::Continued),
            (10, Control::Suspended),
            (15, Control::Suspended),
            (20, Control::Continued),
            (30, Control::Paused),
            (40, Control::Suspended),
        ];
        let still = Standstills::of(&all);
        assert_eq!(still.all().collect::<Vec<_>>(), [(10, 20), (40, u64::MAX)]);
        for (from, to, touched) in [
            (0, 10, false),
            (0, 11, true),
            (12, 13, true),
            (19, 25, true),
            (20, 40, false),
            (39, 41, true),
            (50, 60, true),
        ] {
            assert_eq!(still.touch(from, to), touched, "{from} to {to}");
        }
    }

    #[test]
    fn of_very_many_the_newest_are_remembered() {
        let mut still = Standstills::default();
        for at in 0..5000 {
            still.take(2 * at, &Control::Suspended);
            still.take(2 * at + 1, &Control::Continued);
        }
        assert_eq!((still.all().count(), still.all().last()), (REMEMBERED, Some((9998, 9999))));
    }
}
