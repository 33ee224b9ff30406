//! What parts a stage into spans with figures of their own: changes of the load by hand, marks, and the drain.
//!
//! Reports and the live run both follow interventions by [`Interventions`], so that their spans are the same. The rules
//! are in `docs/measurement.md`.

use super::pack::{pack, pack_enum};
use crate::event::{Control, OpenLoop, StageStart};

/// Changes of the clients, or of the rate, that follow one another within this time (nanoseconds) are one.
pub const JOINED_NS: u64 = 1_000_000_000;

/// What a span begins with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Began {
    /// The measured window's beginning.
    #[default]
    Start,
    Clients,
    Rate,
    Paused,
    Resumed,
    /// The whole process stood still.
    Suspended,
    Continued,
    Mark,
    Cancel,
    /// Nothing more was sent.
    Drain,
}

impl Began {
    /// The name used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Clients => "clients",
            Self::Rate => "rate",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Suspended => "suspended",
            Self::Continued => "continued",
            Self::Mark => "mark",
            Self::Cancel => "cancel",
            Self::Drain => "drain",
        }
    }
}

/// The load that was asked for from some time on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Asked {
    /// Clients of a closed loop.
    pub clients: Option<u32>,
    /// Requests/s of an open loop.
    pub rate: Option<f64>,
    pub paused: bool,
}

pack_enum!(Began { Start, Clients, Rate, Paused, Resumed, Suspended, Continued, Mark, Cancel, Drain });
pack!(Asked { clients, rate, paused });
pack!(Cut { at_ns, began, words, asked });
pack!(Interventions { clients, rate, paused, suspended, open, measuring_ns, rested_ns, rests_since, last });

/// A span begins.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cut {
    /// Nanoseconds since the run's start.
    pub at_ns: u64,
    pub began: Began,
    /// What was done, e.g. `16 to 24 clients`.
    pub words: String,
    /// What holds from then on.
    pub asked: Asked,
}

impl Cut {
    /// Another intervention is joined to it.
    pub fn goes_on(&mut self, with: Self) {
        *self = Self { at_ns: self.at_ns, ..with };
    }
}

/// An intervention, as far as spans are concerned.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A span begins.
    Begins(Cut),
    /// The span that began last begins with this, too: its words and what was asked are these now.
    GoesOn(Cut),
}

/// Follows the interventions of a run, in the order of time.
#[derive(Debug, Clone, Default)]
pub struct Interventions {
    clients: Option<u32>,
    /// Set by hand.
    rate: Option<f64>,
    paused: bool,
    suspended: bool,
    open: Option<OpenLoop>,
    measuring_ns: Option<u64>,
    /// How long the load has rested since then, but for the pause under way…
    rested_ns: u64,
    /// …and since when that lasts.
    rests_since: Option<u64>,
    /// The last change of clients or rate: when, what, and what held before the first of those that are joined.
    last: Option<(u64, Began, Asked)>,
}

impl Interventions {
    /// A stage begins, with the load that it asks for. A pause goes on.
    pub fn begin_stage(&mut self, start: &StageStart) {
        let Self { paused, suspended, .. } = *self;
        *self =
            Self { clients: start.clients, open: start.open.clone(), paused, suspended, ..Self::default() };
    }

    /// Its measured window begins.
    pub fn begin_measuring(&mut self, at_ns: u64) {
        self.measuring_ns = Some(at_ns);
        (self.rested_ns, self.rests_since) = (0, (self.paused || self.suspended).then_some(at_ns));
        self.last = None;
    }

    /// Is looked at from here on: nothing from before is joined to what comes.
    pub fn look_from_here(&mut self) {
        self.last = None;
    }

    /// How long the load has rested since measuring began, nanoseconds. A timetable stood still meanwhile.
    pub fn rested_ns(&self, at_ns: u64) -> u64 {
        self.rested_ns + self.rests_since.map_or(0, |since| at_ns.saturating_sub(since))
    }

    /// An interrupted run goes on: nobody has paused it yet.
    pub fn resume(&mut self) {
        (self.paused, self.suspended) = (false, false);
        self.rests_since = None;
    }

    fn rest(&mut self, at_ns: u64) {
        self.rests_since = self.rests_since.or(self.measuring_ns.map(|_| at_ns));
    }

    /// Unless something else still holds the load back.
    fn go_on(&mut self, at_ns: u64) {
        if !self.paused && !self.suspended {
            self.rested_ns = self.rested_ns(at_ns);
            self.rests_since = None;
        }
    }

    /// What is asked for at a time.
    pub fn asked(&self, at_ns: u64) -> Asked {
        let since_ns = at_ns.saturating_sub(self.measuring_ns.unwrap_or(at_ns));
        let since_ns = since_ns.saturating_sub(self.rested_ns(at_ns));
        let rate = self.rate.or_else(|| self.open.as_ref().map(|open| open.rate_at(since_ns)));
        Asked { clients: self.clients, rate, paused: self.paused }
    }

    /// The span that the measured window begins with, or the drain's.
    pub fn cut(&self, at_ns: u64, began: Began) -> Cut {
        Cut { at_ns, began, words: began.name().into(), asked: self.asked(at_ns) }
    }

    /// Takes an intervention; `None` if it begins no span.
    pub fn take(&mut self, at_ns: u64, control: &Control) -> Option<Step> {
        let before = self.asked(at_ns);
        let began = match control {
            Control::Clients { clients } => {
                let known = self.open.is_none() && self.clients.replace(*clients) != Some(*clients);
                known.then_some(Began::Clients)?
            }
            Control::Rate { rate } => {
                self.rate = Some(*rate);
                (self.open.is_some() && before.rate != self.rate).then_some(Began::Rate)?
            }
            Control::Paused => {
                (!std::mem::replace(&mut self.paused, true)).then_some(())?;
                self.rest(at_ns);
                Began::Paused
            }
            Control::Resumed => {
                std::mem::take(&mut self.paused).then_some(())?;
                self.go_on(at_ns);
                Began::Resumed
            }
            Control::Suspended => {
                (!std::mem::replace(&mut self.suspended, true)).then_some(())?;
                self.rest(at_ns);
                Began::Suspended
            }
            Control::Continued => {
                std::mem::take(&mut self.suspended).then_some(())?;
                self.go_on(at_ns);
                Began::Continued
            }
            Control::Mark { .. } => Began::Mark,
            Control::Cancel { .. } => Began::Cancel,
            Control::NextStage { .. } | Control::Stop | Control::Abort => return None,
        };
        let mut words = words(control);
        let mut joined = false;
        if matches!(began, Began::Clients | Began::Rate) {
            let same = self
                .last
                .filter(|(last_ns, what, _)| *what == began && at_ns.saturating_sub(*last_ns) <= JOINED_NS);
            let first = same.map_or(before, |(_, _, first)| first);
            joined = same.is_some();
            self.last = Some((at_ns, began, first));
            words = match (began, first.clients, first.rate) {
                (Began::Clients, Some(from), _) => format!("{from} to {words}"),
                (Began::Rate, _, Some(from)) => format!("{} to {words}", (from * 1000.0).round() / 1000.0),
                _ => words,
            };
        } else {
            self.last = None;
        }
        let cut = Cut { at_ns, began, words, asked: self.asked(at_ns) };
        Some(if joined { Step::GoesOn(cut) } else { Step::Begins(cut) })
    }
}

/// So many clients, in words.
pub fn clients(n: u32) -> String {
    if n == 1 { "1 client".into() } else { format!("{n} clients") }
}

/// An intervention in words, e.g. `24 clients`.
pub fn words(control: &Control) -> String {
    match control {
        Control::Paused => "paused".into(),
        Control::Resumed => "resumed".into(),
        Control::Suspended => "process stopped".into(),
        Control::Continued => "process goes on".into(),
        Control::Clients { clients: n } => clients(*n),
        Control::Rate { rate } => format!("{rate} req/s"),
        Control::Mark { note } if note.is_empty() => "mark".into(),
        Control::Mark { note } => note.clone(),
        Control::Cancel { request } => format!("#{request} cancelled"),
        Control::NextStage { .. } => "next stage".into(),
        Control::Stop => "stop".into(),
        Control::Abort => "abort".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(clients: Option<u32>, rate: Option<f64>) -> StageStart {
        let open = rate.map(|rate| OpenLoop {
            kind: "ramp".into(),
            rate,
            burstiness: None,
            ramp_from: Some(0.0),
            ramp_ns: Some(100),
            max_in_flight: 9,
            warmup_clients: 1,
        });
        StageStart {
            at_ns: 0,
            stage: 0,
            name: "main".into(),
            sweep: Vec::new(),
            clients,
            open,
            planned_requests: None,
            planned_ns: None,
        }
    }

    fn told(step: Option<Step>) -> String {
        match step {
            Some(Step::Begins(cut)) => cut.words,
            Some(Step::GoesOn(cut)) => format!("+{}", cut.words),
            None => "-".into(),
        }
    }

    #[test]
    fn presses_of_a_key_are_one_intervention() {
        let mut hand = Interventions::default();
        hand.begin_stage(&start(Some(16), None));
        let s = 1_000_000_000;
        let set = |n| Control::Clients { clients: n };
        assert_eq!(told(hand.take(s, &set(17))), "16 to 17 clients");
        assert_eq!(told(hand.take(s + s / 2, &set(18))), "+16 to 18 clients");
        assert_eq!(told(hand.take(5 * s, &set(18))), "-", "nothing was changed");
        assert_eq!(told(hand.take(6 * s, &set(1))), "18 to 1 client");
        assert_eq!(told(hand.take(6 * s, &Control::Mark { note: "x".into() })), "x");
        assert_eq!(told(hand.take(6 * s, &set(2))), "1 to 2 clients", "a mark parts them");
        assert_eq!(hand.asked(0).clients, Some(2));
    }

    #[test]
    fn a_ramp_stands_still_in_a_pause() {
        let mut hand = Interventions::default();
        hand.begin_stage(&start(None, Some(8.0)));
        assert_eq!(told(hand.take(900, &Control::Paused)), "paused");
        hand.begin_measuring(1000);
        assert_eq!(hand.asked(1040).rate, Some(0.0), "it has not begun");
        assert_eq!(told(hand.take(1040, &Control::Resumed)), "resumed");
        assert_eq!(hand.asked(1090).rate, Some(4.0));
        assert_eq!(told(hand.take(1090, &Control::Paused)), "paused");
        assert_eq!((hand.asked(9000).rate, hand.rested_ns(1100)), (Some(4.0), 50));
        assert_eq!(told(hand.take(2000, &Control::Resumed)), "resumed");
        assert_eq!(hand.asked(2025).rate, Some(6.0));
    }

    #[test]
    fn a_process_that_stood_still_rests_in_a_pause_or_out_of_it() {
        let mut hand = Interventions::default();
        hand.begin_stage(&start(None, Some(8.0)));
        hand.begin_measuring(1000);
        assert_eq!(told(hand.take(1010, &Control::Suspended)), "process stopped");
        assert_eq!(told(hand.take(1011, &Control::Suspended)), "-");
        assert_eq!(told(hand.take(1030, &Control::Continued)), "process goes on");
        assert_eq!(told(hand.take(1031, &Control::Continued)), "-");
        assert_eq!(hand.rested_ns(1050), 20);
        hand.take(1100, &Control::Paused);
        hand.take(1110, &Control::Suspended);
        hand.take(1120, &Control::Continued);
        assert_eq!((hand.rested_ns(1130), hand.asked(1130).paused), (50, true));
        hand.take(1140, &Control::Resumed);
        assert_eq!(hand.rested_ns(9000), 60);
    }

    #[test]
    fn a_pause_outlasts_its_stage_and_a_rate_does_not() {
        let mut hand = Interventions::default();
        hand.begin_stage(&start(None, Some(8.0)));
        hand.begin_measuring(1000);
        assert_eq!(hand.asked(1050).rate, Some(4.0));
        assert_eq!(told(hand.take(1050, &Control::Rate { rate: 5.0 })), "4 to 5 req/s");
        assert_eq!(told(hand.take(2000, &Control::Paused)), "paused");
        assert_eq!(told(hand.take(2000, &Control::Paused)), "-");
        assert_eq!(told(hand.take(2000, &Control::Stop)), "-");
        hand.begin_stage(&start(None, Some(8.0)));
        assert_eq!(hand.asked(5000), Asked { clients: None, rate: Some(0.0), paused: true });
        hand.resume();
        assert_eq!(told(hand.take(9, &Control::Resumed)), "-");
    }
}
