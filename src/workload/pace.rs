//! The pace of a timetable: how many requests are due at which time, while the rate ramps, is changed and is paused.
//!
//! Requests have places on a line that is measured in requests (a *count*, 0 at the start); the pace says when each
//! place is reached. So a change of the rate moves what is still ahead, and nothing that was due already.

use std::collections::VecDeque;

use crate::profile::{Open, Ramp};

/// How the count grows within a piece.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Speed {
    Still,
    Even(f64),
    Ramp(Ramp),
}

/// A stretch of time with one speed; it lasts until the next one begins.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    /// Seconds since the timetable's start.
    at_s: f64,
    /// The count by then.
    count: f64,
    speed: Speed,
}

impl Piece {
    fn count_at(&self, at_s: f64) -> f64 {
        let spent = (at_s - self.at_s).max(0.0);
        self.count
            + match self.speed {
                Speed::Still => 0.0,
                Speed::Even(rate) => rate * spent,
                Speed::Ramp(ramp) => ramp.requests(spent),
            }
    }

    fn reaches(&self, count: f64) -> Option<f64> {
        let more = (count - self.count).max(0.0);
        match self.speed {
            Speed::Still => (more <= 0.0).then_some(self.at_s),
            Speed::Even(rate) => Some(self.at_s + more / rate),
            Speed::Ramp(ramp) => Some(self.at_s + ramp.seconds(more)),
        }
    }
}

/// When which count is reached. Asked for counts that never fall.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// In the order of time; the last one has no end.
    pieces: VecDeque<Piece>,
    /// What goes on after a pause.
    resting: Option<Speed>,
}

impl Pace {
    /// The pace that a profile asks for.
    pub fn new(open: &Open) -> Self {
        let speed = open.ramp.map_or(Speed::Even(open.rate), Speed::Ramp);
        Self { pieces: VecDeque::from([Piece { at_s: 0.0, count: 0.0, speed }]), resting: None }
    }

    /// When a count is reached, seconds since the start; `None` while that is not known, because of a pause.
    pub fn reaches(&mut self, count: f64) -> Option<f64> {
        while self.pieces.get(1).is_some_and(|next| next.count <= count) {
            // Within a pause the count of the next piece is that of the pause, which so is passed over.
            self.pieces.pop_front();
        }
        self.pieces.front()?.reaches(count)
    }

    /// From a moment on the rate is another one: even, whatever it was. In a pause it holds once that is over.
    pub fn set_rate(&mut self, at_s: f64, rate: f64) {
        if self.resting.is_some() {
            self.resting = Some(Speed::Even(rate));
        } else {
            self.go_on(at_s, Speed::Even(rate));
        }
    }

    /// From a moment on nothing more is due.
    pub fn pause(&mut self, at_s: f64) {
        if self.resting.is_some() {
            return;
        }
        let Some(last) = self.pieces.back() else { return };
        let spent = (at_s - last.at_s).max(0.0);
        let rest = match last.speed {
            Speed::Ramp(ramp) if spent < ramp.seconds => {
                Speed::Ramp(Ramp { from: ramp.rate(spent), to: ramp.to, seconds: ramp.seconds - spent })
            }
            Speed::Ramp(ramp) => Speed::Even(ramp.to),
            other => other,
        };
        self.resting = Some(rest);
        self.go_on(at_s, Speed::Still);
    }

    /// The pause is over: what was ahead is as far ahead as it was when the pause began.
    pub fn resume(&mut self, at_s: f64) {
        if let Some(speed) = self.resting.take() {
            self.go_on(at_s, speed);
        }
    }

    fn go_on(&mut self, at_s: f64, speed: Speed) {
        let Some(last) = self.pieces.back() else { return };
        // Two changes at once may come in any order.
        let at_s = at_s.max(last.at_s);
        self.pieces.push_back(Piece { at_s, count: last.count_at(at_s), speed });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(rate: f64, ramp: Option<Ramp>) -> Pace {
        Pace::new(&Open { rate, burstiness: None, ramp, max_in_flight: 1 })
    }

    fn near(got: Option<f64>, want: f64) {
        let got = got.unwrap();
        assert!((got - want).abs() < 1e-9, "{got} is not {want}");
    }

    #[test]
    fn a_change_moves_what_is_ahead_and_nothing_that_was_due() {
        let mut pace = pace(2.0, None);
        near(pace.reaches(0.0), 0.0);
        // At 3.25 s the count is 6.5; 6 was due at 3 s, 7 is half a request ahead.
        pace.set_rate(3.25, 10.0);
        near(pace.reaches(6.0), 3.0);
        near(pace.reaches(7.0), 3.3);
        near(pace.reaches(8.0), 3.4);
    }

    #[test]
    fn a_pause_shifts_and_is_followed_by_no_burst() {
        let mut pace = pace(4.0, None);
        pace.pause(1.1);
        near(pace.reaches(4.0), 1.0);
        assert_eq!(pace.reaches(5.0), None);
        pace.pause(1.5);
        pace.resume(11.1);
        near(pace.reaches(5.0), 11.25);
        near(pace.reaches(6.0), 11.5);
        pace.resume(11.3);
        near(pace.reaches(7.0), 11.75);
        // A rate set within a pause holds behind it.
        pace.pause(11.75);
        pace.set_rate(12.0, 1.0);
        assert_eq!(pace.reaches(8.0), None);
        pace.resume(20.0);
        near(pace.reaches(8.0), 21.0);
    }

    #[test]
    fn a_place_exactly_at_a_pause_is_due_before_it() {
        let mut pace = pace(4.0, None);
        pace.pause(1.25);
        near(pace.reaches(5.0), 1.25);
    }

    #[test]
    fn a_paused_ramp_goes_on_where_it_was() {
        let ramp = Ramp { from: 0.0, to: 10.0, seconds: 10.0 };
        let mut whole = pace(10.0, Some(ramp));
        let mut paused = pace(10.0, Some(ramp));
        paused.pause(4.0);
        paused.resume(7.0);
        for count in [0.0, 1.0, 7.9, 8.1, 30.0, 49.0, 51.0, 80.0] {
            let want = whole.reaches(count).unwrap();
            near(paused.reaches(count), if want > 4.0 { want + 3.0 } else { want });
        }
        let mut late = pace(10.0, Some(ramp));
        late.pause(12.0);
        late.resume(13.0);
        near(late.reaches(80.0), 14.0);
    }
}
