//! The windows of a stage: when figures are taken, and what is in flight meanwhile.

use super::run::Stage;
use crate::event::{Control, OpenLoop, Phase};
use crate::metrics::DEGRADED_SEND_LAG_NS;

/// Steady is a stage while this share of its clients has a request in flight.
pub const STEADY_SHARE: f64 = 0.95;
/// A client needs a moment between one request's end and the next one's start. A dip of in-flight requests up
/// to this long (nanoseconds) is such a moment and no end of steadiness; a client that needs longer is degraded.
pub const STEADY_DIP_NS: u64 = DEGRADED_SEND_LAG_NS;

/// A stretch of time, both ends in it, nanoseconds since the run's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start_ns: u64,
    pub end_ns: u64,
}

impl Span {
    /// Its length in seconds.
    pub fn seconds(self) -> f64 {
        self.end_ns.saturating_sub(self.start_ns) as f64 / 1e9
    }

    /// Whether an instant is in it.
    pub fn has(self, at_ns: u64) -> bool {
        (self.start_ns..=self.end_ns).contains(&at_ns)
    }
}

/// The measured window: [`whole`], as far as it lies in the range that is looked at.
pub fn measured(stage: &Stage) -> Option<Span> {
    clipped(whole(stage)?, stage.range)
}

/// What of a stretch lies in a range; `None` where that is nothing or a mere instant.
pub fn clipped(span: Span, range: Option<Span>) -> Option<Span> {
    let Some(range) = range else { return Some(span) };
    let both = Span { start_ns: span.start_ns.max(range.start_ns), end_ns: span.end_ns.min(range.end_ns) };
    (both.start_ns < both.end_ns).then_some(both)
}

/// From the end of warm-up to the last measured request's end, whatever the range. `None` without a measured request.
pub fn whole(stage: &Stage) -> Option<Span> {
    let end_ns = stage.measured().map(|r| r.finished_ns).max()?;
    let begin = stage.phases.iter().find(|(_, phase)| *phase == Phase::Measuring).map(|(at, _)| *at);
    // Where the phase's line is damaged, the first request tells nearly as well.
    let start_ns = begin.or_else(|| stage.measured().map(|r| r.sent_ns).min())?;
    Some(Span { start_ns: start_ns.min(end_ns), end_ns })
}

/// The longest stretch of the measured window in which at least [`STEADY_SHARE`] of a closed loop's clients
/// have a request in flight; it ends where somebody changes the number of clients. Of an open loop, the longest with
/// one rate: see [`open_steady`]. `None` where there is no such stretch. `measured` is the [`whole`] window; of a range
/// it is the stretch of which the longest part lies in it, cut to that part.
pub fn steady(stage: &Stage, controls: &[(u64, Control)], measured: Span) -> Option<Span> {
    if let Some(open) = &stage.start.open {
        return open_steady(stage, controls, measured, open);
    }
    let clients = stage.start.clients?;
    let mut search = Search::new(clients, stage.range);
    for (at_ns, step) in steps(stage, controls, measured) {
        search.step(at_ns, step);
    }
    search.close(measured.end_ns);
    search.longest.filter(|span| span.end_ns > span.start_ns)
}

/// Behind the ramp and the first request's end, before the last request came or the end was called: from then on
/// requests end as they come, if the server keeps up. A change of the rate or a pause parts it; the longest part counts.
fn open_steady(stage: &Stage, controls: &[(u64, Control)], measured: Span, open: &OpenLoop) -> Option<Span> {
    let first_end_ns = stage.measured().map(|r| r.finished_ns).min()?;
    let start_ns = first_end_ns.max(ramped_ns(stage, controls, measured, open.ramp_ns.unwrap_or(0)));
    let end_ns = arrivals_end(stage)?.max(start_ns);
    let mut longest: Option<Span> = None;
    let mut close = |since: Option<u64>, end_ns: u64| {
        let span = since.and_then(|start_ns| clipped(Span { start_ns, end_ns }, stage.range));
        if let Some(span) = span.filter(|s| longest.is_none_or(|longest| s.seconds() > longest.seconds())) {
            longest = Some(span);
        }
    };
    let mut since = Some(start_ns);
    let mut rest = Rest::default();
    for (at_ns, control) in controls {
        let at_ns = match control {
            // Of all that a damaged recording may hold, those that count.
            Control::Continued if stage.stood.ends_at(*at_ns) => over_ns(stage, *at_ns),
            _ => *at_ns,
        };
        let at_ns = at_ns.clamp(start_ns, end_ns);
        let next = match rest.take(control) {
            Some(true) => None,
            Some(false) => Some(at_ns),
            None if matches!(control, Control::Rate { .. }) => since.map(|_| at_ns),
            None => continue,
        };
        close(since, at_ns);
        since = next;
    }
    close(since, end_ns);
    longest.filter(|span| span.end_ns > span.start_ns)
}

/// When a ramp of this length is over: it stands still in a pause, and a rate that is set by hand ends it.
fn ramped_ns(stage: &Stage, controls: &[(u64, Control)], measured: Span, ramp_ns: u64) -> u64 {
    let mut left_ns = ramp_ns;
    // Since when it goes on.
    let mut since = Some(measured.start_ns);
    let mut rest = Rest::default();
    for (at, control) in controls {
        let at_ns = (*at).max(measured.start_ns);
        if let Some(over_ns) = since.map(|from| from.saturating_add(left_ns)).filter(|over| *over <= at_ns) {
            return over_ns;
        }
        match rest.take(control) {
            Some(true) => left_ns -= since.take().map_or(0, |from| at_ns - from),
            Some(false) => _ = since.get_or_insert(at_ns),
            None if matches!(control, Control::Rate { .. }) && *at >= stage.start.at_ns => return at_ns,
            None => {}
        }
    }
    since.map_or(u64::MAX, |from| from.saturating_add(left_ns))
}

/// What holds a load back: a pause, a process that stands still, or both.
#[derive(Default)]
struct Rest {
    paused: bool,
    suspended: bool,
}

impl Rest {
    /// Takes an intervention; tells whether the load rests from then on, if the intervention is about that.
    fn take(&mut self, control: &Control) -> Option<bool> {
        match control {
            Control::Paused => self.paused = true,
            Control::Resumed => self.paused = false,
            Control::Suspended => self.suspended = true,
            Control::Continued => self.suspended = false,
            _ => return None,
        }
        Some(self.paused || self.suspended)
    }
}

/// When a standstill that ended at a time is over for good: all requests that were under way have ended.
fn over_ns(stage: &Stage, at_ns: u64) -> u64 {
    let spoiled = stage.measured().filter(|r| r.scheduled_ns < at_ns && at_ns < r.finished_ns);
    spoiled.map(|r| r.finished_ns).max().unwrap_or(at_ns).max(at_ns)
}

/// When the last request of an open loop came, where their number ended it; else when the end was called.
fn arrivals_end(stage: &Stage) -> Option<u64> {
    let last_ns = stage.measured().map(|r| r.scheduled_ns).max()?;
    let draining = stage.phases.iter().find(|(_, phase)| *phase == Phase::Draining).map(|(at, _)| *at);
    let all = stage.start.planned_requests.is_some_and(|planned| stage.measured().count() as u64 >= planned);
    Some(draining.filter(|_| !all).unwrap_or(last_ns))
}

/// Time-average of measured requests in flight over a window; `None` for an empty one.
pub fn mean_in_flight(stage: &Stage, window: Span) -> Option<f64> {
    let busy: u128 = stage
        .measured()
        .map(|r| {
            let from = r.sent_ns.max(window.start_ns);
            u128::from(r.finished_ns.min(window.end_ns).saturating_sub(from))
        })
        .sum();
    let length = window.end_ns.saturating_sub(window.start_ns);
    (length > 0).then(|| busy as f64 / length as f64)
}

/// In the order in which steps at the same instant are taken: an end and a start at once are no dip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// The process stands still, until requests that were under way then have ended.
    Still,
    Moving,
    Clients(u32),
    Sent,
    Finished,
}

fn steps(stage: &Stage, controls: &[(u64, Control)], measured: Span) -> Vec<(u64, Step)> {
    let changes = controls.iter().filter_map(|(at, control)| match control {
        Control::Clients { clients } if *at >= stage.start.at_ns && *at <= measured.end_ns => {
            Some((*at, Step::Clients(*clients)))
        }
        _ => None,
    });
    let mut steps: Vec<_> = stage
        .measured()
        .flat_map(|r| [(r.sent_ns.max(measured.start_ns), Step::Sent), (r.finished_ns, Step::Finished)])
        .chain(changes)
        .chain(
            stage
                .stood
                .all()
                .flat_map(|(began, ended)| [(began, Step::Still), (over_ns(stage, ended), Step::Moving)]),
        )
        .filter(|(at_ns, _)| *at_ns <= measured.end_ns)
        .collect();
    steps.sort_unstable();
    steps
}

/// Walks through the steps and keeps the longest steady stretch.
struct Search {
    clients: u32,
    in_flight: u32,
    /// Standstills that are not over.
    still: u32,
    /// Since when it is steady.
    since: Option<u64>,
    /// Since when it dips, while that may still be a client's turn-around.
    dip: Option<u64>,
    /// What is looked at, if not all.
    range: Option<Span>,
    longest: Option<Span>,
}

impl Search {
    fn new(clients: u32, range: Option<Span>) -> Self {
        Self { clients, in_flight: 0, still: 0, since: None, dip: None, range, longest: None }
    }

    fn step(&mut self, at_ns: u64, step: Step) {
        if self.dip.is_some_and(|dip| at_ns - dip > STEADY_DIP_NS) {
            self.close(at_ns);
        }
        match step {
            Step::Still => {
                self.close(at_ns);
                self.still += 1;
            }
            Step::Moving => self.still = self.still.saturating_sub(1),
            Step::Clients(clients) => {
                self.close(at_ns);
                self.clients = clients;
            }
            Step::Sent => self.in_flight += 1,
            Step::Finished => self.in_flight = self.in_flight.saturating_sub(1),
        }
        let enough = self.still == 0
            && f64::from(self.in_flight) >= STEADY_SHARE * f64::from(self.clients)
            && self.in_flight > 0;
        match (enough, self.since) {
            (true, None) => self.since = Some(at_ns),
            (true, Some(_)) => self.dip = None,
            (false, Some(_)) => {
                self.dip.get_or_insert(at_ns);
            }
            (false, None) => {}
        }
    }

    /// Ends the present stretch, at its dip if it is in one.
    fn close(&mut self, at_ns: u64) {
        let end_ns = self.dip.take().unwrap_or(at_ns);
        let since = self.since.take();
        let span = since.and_then(|start_ns| clipped(Span { start_ns, end_ns }, self.range));
        if let Some(span) =
            span.filter(|s| self.longest.is_none_or(|longest| s.seconds() > longest.seconds()))
        {
            self.longest = Some(span);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{self, MS};

    #[test]
    fn measured_is_from_the_barrier_to_the_last_end() {
        let mut stage = fixture::stage(2, 100 * MS);
        stage.requests = vec![
            fixture::request(0, 10 * MS).ends(90 * MS).warmup().into(),
            fixture::request(1, 101 * MS).ends(300 * MS).into(),
            fixture::request(2, 102 * MS).ends(250 * MS).into(),
        ];
        assert_eq!(measured(&stage), Some(Span { start_ns: 100 * MS, end_ns: 300 * MS }));
        stage.phases.clear();
        assert_eq!(measured(&stage), Some(Span { start_ns: 101 * MS, end_ns: 300 * MS }));
        stage.requests.truncate(1);
        assert_eq!(measured(&stage), None);
    }

    #[test]
    fn steady_bridges_turn_arounds_and_not_lulls() {
        let mut stage = fixture::stage(2, 0);
        stage.requests = vec![
            fixture::request(0, 0).ends(400 * MS).into(),
            fixture::request(1, 50 * MS).ends(200 * MS).into(),
            // A turn-around of 4 ms, then a lull of 30 ms, then the drain.
            fixture::request(2, 204 * MS).ends(300 * MS).into(),
            fixture::request(3, 330 * MS).ends(380 * MS).into(),
        ];
        let whole = measured(&stage).unwrap();
        assert_eq!(steady(&stage, &[], whole), Some(Span { start_ns: 50 * MS, end_ns: 300 * MS }));
        let change = [(120 * MS, Control::Clients { clients: 2 })];
        assert_eq!(steady(&stage, &change, whole), Some(Span { start_ns: 120 * MS, end_ns: 300 * MS }));
        stage.start.clients = Some(3);
        assert_eq!(steady(&stage, &[], whole), None);
        stage.start.clients = None;
        assert_eq!(steady(&stage, &[], whole), None);
    }

    #[test]
    fn an_open_loop_is_steady_between_ramp_and_drain_at_one_rate() {
        let mut stage = fixture::open_stage("ramp", 20.0, 8);
        let made = |i: u64| fixture::request(i, i * 100 * MS).ends((i * 100 + 150) * MS).into();
        stage.requests = (0..20).map(made).collect();
        let whole = measured(&stage).unwrap();
        let span = |start: u64, end: u64| Some(Span { start_ns: start * MS, end_ns: end * MS });
        assert_eq!(steady(&stage, &[], whole), span(150, 1900), "from the first end to the last arrival");
        stage.phases.push((1980 * MS, Phase::Draining));
        assert_eq!(steady(&stage, &[], whole), span(150, 1980), "the end was called later");
        stage.start.planned_requests = Some(20);
        assert_eq!(steady(&stage, &[], whole), span(150, 1900), "the number ended it");
        let rate = (1500 * MS, Control::Rate { rate: 9.0 });
        assert_eq!(steady(&stage, std::slice::from_ref(&rate), whole), span(150, 1500));
        let mut changes = vec![(500 * MS, Control::Paused), (900 * MS, Control::Resumed), rate];
        assert_eq!(steady(&stage, &changes, whole), span(900, 1500), "not while it rests");
        changes.insert(0, (0, Control::Paused));
        changes.insert(1, (1, Control::Resumed));
        assert_eq!(steady(&stage, &changes, whole), span(900, 1500), "what was before has no part in it");
        if let Some(open) = &mut stage.start.open {
            open.ramp_ns = Some(1000 * MS);
        }
        assert_eq!(steady(&stage, &[], whole), span(1000, 1900));
        let rest = [(700 * MS, Control::Paused), (900 * MS, Control::Resumed)];
        assert_eq!(steady(&stage, &rest, whole), span(1200, 1900), "a ramp stands still in a pause");
        assert_eq!(steady(&stage, &rest[..1], whole), None, "nothing is sent any more");
        let rate = [(700 * MS, Control::Rate { rate: 9.0 })];
        assert_eq!(steady(&stage, &rate, whole), span(700, 1900), "from then on the rate is even");
        if let Some(open) = &mut stage.start.open {
            open.ramp_ns = Some(u64::MAX);
        }
        assert_eq!(steady(&stage, &[], whole), None, "all of it is ramp");
    }

    #[test]
    fn a_standstill_parts_what_is_steady_until_all_that_was_under_way_has_ended() {
        use crate::metrics::Standstills;
        let mut stage = fixture::open_stage("constant", 10.0, 8);
        let made = |i: u64| fixture::request(i, i * 100 * MS).ends((i * 100 + 150) * MS).into();
        stage.requests = (0..20).map(made).collect();
        let whole = measured(&stage).unwrap();
        let span = |start: u64, end: u64| Some(Span { start_ns: start * MS, end_ns: end * MS });
        let still = |from: u64, to: u64| vec![(from * MS, Control::Suspended), (to * MS, Control::Continued)];
        let mut steady = |controls: &[(u64, Control)]| {
            stage.stood = Standstills::of(controls);
            super::steady(&stage, controls, whole)
        };
        // The request that came at 600 ended at 750.
        assert_eq!(steady(&still(420, 610)), span(750, 1900));
        let mut paused = still(420, 610);
        paused.insert(0, (300 * MS, Control::Paused));
        assert_eq!(steady(&paused), span(150, 300), "it goes on into a pause");
        let mut closed = fixture::stage(1, 0);
        closed.requests =
            (0..20).map(|i| fixture::request(i, i * 100 * MS).ends((i + 1) * 100 * MS).into()).collect();
        let whole = measured(&closed).unwrap();
        closed.stood = Standstills::of(&still(420, 610));
        assert_eq!(super::steady(&closed, &[], whole), span(700, 2000));
        closed.stood = Standstills::of(&still(420, 610)[..1]);
        assert_eq!(super::steady(&closed, &[], whole), span(0, 420), "it never went on");
    }

    #[test]
    fn in_flight_is_averaged_over_the_window_only() {
        let mut stage = fixture::stage(2, 0);
        stage.requests = vec![
            fixture::request(0, 0).ends(100 * MS).into(),
            fixture::request(1, 50 * MS).ends(150 * MS).into(),
        ];
        let mean = |start, end| mean_in_flight(&stage, Span { start_ns: start * MS, end_ns: end * MS });
        assert_eq!(mean(0, 200), Some(1.0));
        assert_eq!(mean(50, 100), Some(2.0));
        assert_eq!(mean(50, 50), None);
    }
}
