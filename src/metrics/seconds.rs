//! The last whole seconds of a run: the series for the charts, and rates over sliding windows.
//!
//! Seconds are those of the run's clock. Rates use whole seconds inside the measured window only, so that a
//! first tiny interval can't make an absurd peak. A token counts in the second it arrived in, however late
//! its event comes here; that makes a live run and a replay by whole requests give the same figures.

use std::collections::VecDeque;
use std::sync::Arc;

use super::pack::Pack;
use super::steps::Steps;
use super::{Rate, SERIES_SECONDS, SeriesPoint};
use crate::event::{Phase, Sample};

/// Nanoseconds in a second.
pub(super) const SECOND_NS: u64 = 1_000_000_000;
/// Seconds kept to count late tokens in: a request replayed as a whole brings tokens as old as itself.
const KEPT_SECONDS: usize = 4096;

/// The stage's measured window as it is known just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// When measuring began.
    pub(super) start_ns: u64,
    /// Now, or the end of the last measured request once the stage is done.
    pub(super) end_ns: u64,
    /// The stage is done: the window grows no more.
    pub(super) closed: bool,
}

/// Output tokens, input tokens and requests, in this order.
pub(super) type Rates = [Rate; 3];

/// The seconds.
pub(super) struct Seconds {
    /// Consecutive; the last one is under way.
    points: VecDeque<SeriesPoint>,
    /// TTFT and ITL of what ended in the second under way.
    ttft: Steps,
    itl: Steps,
    /// Highest counts among seconds no longer kept, since the stage began.
    forgotten_peaks: [u64; 3],
    /// First second of the present stage's whole measured seconds.
    peaks_from: u64,
    /// Highest counts in the measured window up to second `.0`, exclusive; stale if `changed`.
    peaks: (u64, [u64; 3]),
    peaks_changed: bool,
    series: Arc<Vec<SeriesPoint>>,
    series_changed: bool,
}

impl Seconds {
    pub(super) fn new() -> Self {
        Self {
            points: VecDeque::new(),
            ttft: Steps::default(),
            itl: Steps::default(),
            forgotten_peaks: [0; 3],
            peaks_from: u64::MAX,
            peaks: (0, [0; 3]),
            peaks_changed: true,
            series: Arc::default(),
            series_changed: false,
        }
    }

    /// A stage begins: its peaks start afresh.
    pub(super) fn start_stage(&mut self) {
        self.forgotten_peaks = [0; 3];
        self.peaks_from = u64::MAX;
        self.peaks_changed = true;
    }

    /// Measuring begins at this time.
    pub(super) fn start_measuring(&mut self, at_ns: u64) {
        self.forgotten_peaks = [0; 3];
        self.peaks_from = at_ns.div_ceil(SECOND_NS);
        self.peaks_changed = true;
    }

    /// Time moves on to `at_ns`; seconds that end on the way are closed.
    #[inline]
    pub(super) fn advance(&mut self, at_ns: u64, in_flight: u32, phase: Option<Phase>) {
        let second = at_ns / SECOND_NS;
        match self.points.back() {
            Some(last) if last.second >= second => {}
            _ => self.close_until(second, in_flight, phase),
        }
    }

    #[cold]
    fn close_until(&mut self, second: u64, in_flight: u32, phase: Option<Phase>) {
        if let Some(last) = self.points.back_mut() {
            last.in_flight = in_flight;
            last.phase = phase;
            [last.ttft_p50_s, last.ttft_p99_s] = self.ttft.quantiles_s([0.5, 0.99]);
            [last.itl_p50_s, last.itl_p99_s] = self.itl.quantiles_s([0.5, 0.99]);
            self.ttft.clear();
            self.itl.clear();
        }
        let next = self.points.back().map_or(second, |last| last.second + 1);
        // A leap beyond all that is kept leaves nothing of it to show.
        let next = next.max(second.saturating_sub(KEPT_SECONDS as u64));
        for s in next..=second {
            if self.points.back().is_some_and(|last| last.second + 1 != s) {
                self.forget_all();
            }
            if self.points.len() == KEPT_SECONDS {
                self.forget_oldest();
            }
            self.points.push_back(SeriesPoint { second: s, in_flight, phase, ..SeriesPoint::default() });
        }
        self.series_changed = true;
        self.peaks_changed = true;
    }

    fn forget_all(&mut self) {
        while !self.points.is_empty() {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(point) = self.points.pop_front()
            && point.second >= self.peaks_from
        {
            raise(&mut self.forgotten_peaks, &point);
        }
    }

    /// The second of a time; `None` if it is no longer kept, or is yet to come.
    #[inline]
    fn point(&mut self, at_ns: u64) -> Option<&mut SeriesPoint> {
        let second = at_ns / SECOND_NS;
        let last = self.points.back()?.second;
        if second != last {
            self.peaks_changed = true;
            self.series_changed = true;
        }
        let first = self.points.front()?.second;
        let index = usize::try_from(second.checked_sub(first)?).ok()?;
        self.points.get_mut(index)
    }

    #[inline]
    pub(super) fn add_output(&mut self, at_ns: u64, tokens: u32) {
        self.add_outputs(at_ns, u64::from(tokens));
    }

    /// Counts tokens that all came in the second of a time.
    #[inline]
    pub(super) fn add_outputs(&mut self, at_ns: u64, tokens: u64) {
        if let Some(point) = self.point(at_ns) {
            point.output_tokens += tokens;
        }
    }

    /// Corrects the count of output tokens of a second.
    pub(super) fn correct_output(&mut self, at_ns: u64, tokens: i64) {
        if let Some(point) = self.point(at_ns) {
            point.output_tokens = point.output_tokens.saturating_add_signed(tokens);
        }
    }

    pub(super) fn add_input(&mut self, at_ns: u64, tokens: u32) {
        if let Some(point) = self.point(at_ns) {
            point.input_tokens += u64::from(tokens);
        }
    }

    pub(super) fn correct_input(&mut self, at_ns: u64, tokens: i64) {
        if let Some(point) = self.point(at_ns) {
            point.input_tokens = point.input_tokens.saturating_add_signed(tokens);
        }
    }

    pub(super) fn add_completed(&mut self, at_ns: u64) {
        if let Some(point) = self.point(at_ns) {
            point.completed += 1;
        }
    }

    pub(super) fn add_failed(&mut self, at_ns: u64) {
        if let Some(point) = self.point(at_ns) {
            point.failed += 1;
        }
    }

    /// A latency of a request that ended in the second under way.
    pub(super) fn record_ttft(&mut self, ns: u64) {
        self.ttft.add(ns, 1);
    }

    #[inline]
    pub(super) fn record_itl(&mut self, ns: u64, n: u32) {
        self.itl.add(ns, u64::from(n));
    }

    pub(super) fn sample(&mut self, sample: &Arc<Sample>) {
        if let Some(point) = self.point(sample.at_ns) {
            point.sample = Some(Arc::clone(sample));
        }
    }

    /// The whole seconds, oldest first; made anew only when one of them changed.
    pub(super) fn series(&mut self) -> Arc<Vec<SeriesPoint>> {
        if self.series_changed {
            self.series_changed = false;
            let whole = self.points.len().saturating_sub(1);
            let from = whole.saturating_sub(SERIES_SECONDS);
            self.series = Arc::new(self.points.range(from..whole).cloned().collect());
        }
        Arc::clone(&self.series)
    }

    /// Rates in a measured window; `totals` are the counts in all of it.
    pub(super) fn rates(&mut self, window: Option<Window>, totals: [u64; 3]) -> Rates {
        let Some(window) = window else { return Rates::default() };
        let from = window.start_ns.div_ceil(SECOND_NS);
        let until = window.end_ns / SECOND_NS;
        let windows = [1, 10, 60].map(|width| self.mean_over(from.max(until.saturating_sub(width)), until));
        let peaks = (until > from).then(|| self.peaks_until(from, until));
        let length_ns = window.end_ns.saturating_sub(window.start_ns);
        let long_enough = length_ns >= SECOND_NS || (window.closed && length_ns > 0);
        std::array::from_fn(|i| Rate {
            s1: windows[0].map(|w| w[i]),
            s10: windows[1].map(|w| w[i]),
            s60: windows[2].map(|w| w[i]),
            mean: long_enough.then(|| totals[i] as f64 / (length_ns as f64 / 1e9)),
            peak: peaks.map(|p| p[i] as f64),
        })
    }

    /// Counts a second over the seconds `from..until`; `None` if there are none.
    fn mean_over(&self, from: u64, until: u64) -> Option<[f64; 3]> {
        if until <= from {
            return None;
        }
        let mut sums = [0; 3];
        for point in self.points.iter().rev().skip_while(|p| p.second >= until) {
            if point.second < from {
                break;
            }
            for (sum, count) in sums.iter_mut().zip(counts(point)) {
                *sum += count;
            }
        }
        Some(sums.map(|sum| sum as f64 / (until - from) as f64))
    }

    fn peaks_until(&mut self, from: u64, until: u64) -> [u64; 3] {
        if self.peaks_changed || self.peaks.0 != until {
            self.peaks_changed = false;
            let mut peaks = self.forgotten_peaks;
            for point in self.points.iter().filter(|p| (from..until).contains(&p.second)) {
                raise(&mut peaks, point);
            }
            self.peaks = (until, peaks);
        }
        self.peaks.1
    }
}

fn counts(point: &SeriesPoint) -> [u64; 3] {
    [point.output_tokens, point.input_tokens, point.completed]
}

fn raise(peaks: &mut [u64; 3], point: &SeriesPoint) {
    for (peak, count) in peaks.iter_mut().zip(counts(point)) {
        *peak = (*peak).max(count);
    }
}

/// Readings of seconds that no series shows any more are left out.
impl Pack for Seconds {
    fn pack(&self, out: &mut Vec<u8>) {
        self.points.len().pack(out);
        let shown = self.points.len().saturating_sub(SERIES_SECONDS + 1);
        for (i, point) in self.points.iter().enumerate() {
            if i < shown {
                SeriesPoint { sample: None, ..point.clone() }.pack(out);
            } else {
                point.pack(out);
            }
        }
        self.ttft.pack(out);
        self.itl.pack(out);
        self.forgotten_peaks.pack(out);
        self.peaks_from.pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            points: Pack::unpack(from)?,
            ttft: Pack::unpack(from)?,
            itl: Pack::unpack(from)?,
            forgotten_peaks: Pack::unpack(from)?,
            peaks_from: Pack::unpack(from)?,
            series_changed: true,
            ..Self::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start_s: f64, end_s: f64) -> Window {
        Window { start_ns: (start_s * 1e9) as u64, end_ns: (end_s * 1e9) as u64, closed: false }
    }

    #[test]
    fn rates_use_whole_seconds_of_the_measured_window_only() {
        let mut s = Seconds::new();
        s.start_measuring(500_000_000);
        for (second, tokens) in [(0, 1000), (1, 10), (2, 30), (3, 999)] {
            let at = second * SECOND_NS + 600_000_000;
            s.advance(at, 1, None);
            s.add_output(at, tokens);
        }
        let [out, ..] = s.rates(Some(window(0.5, 3.7)), [2039, 0, 0]);
        assert_eq!(out.s1, Some(30.0));
        assert_eq!(out.s10, Some(20.0));
        assert_eq!(out.peak, Some(30.0), "the seconds at both ends are not whole");
        assert!((out.mean.unwrap() - 2039.0 / 3.2).abs() < 1e-9);
    }

    #[test]
    fn before_a_whole_second_there_is_no_rate() {
        let mut s = Seconds::new();
        s.start_measuring(100);
        s.advance(100, 1, None);
        s.add_output(100, 5);
        let [out, ..] = s.rates(Some(window(0.1, 0.9)), [5, 0, 0]);
        assert_eq!(out, Rate::default());
        assert_eq!(s.rates(None, [5, 0, 0]), Rates::default());
    }

    #[test]
    fn silent_seconds_count_as_zero_and_late_tokens_in_their_own() {
        let mut s = Seconds::new();
        s.start_measuring(0);
        s.advance(0, 1, None);
        s.advance(4 * SECOND_NS, 1, None);
        s.add_output(SECOND_NS, 8);
        let [out, ..] = s.rates(Some(window(0.0, 4.0)), [8, 0, 0]);
        assert_eq!((out.s1, out.s10, out.peak), (Some(0.0), Some(2.0), Some(8.0)));
        let series = s.series();
        assert_eq!(series.len(), 4);
        assert_eq!(series[1].output_tokens, 8);
    }

    #[test]
    fn the_series_is_bounded_and_shared_until_it_changes() {
        let mut s = Seconds::new();
        s.start_measuring(0);
        for second in 0..5000 {
            s.advance(second * SECOND_NS, 0, None);
            s.add_output(second * SECOND_NS, if second == 3 { 77 } else { 1 });
        }
        let series = s.series();
        assert_eq!(series.len(), SERIES_SECONDS);
        assert_eq!(series.last().unwrap().second, 4998);
        assert!(Arc::ptr_eq(&series, &s.series()));
        let [out, ..] = s.rates(Some(window(0.0, 4999.5)), [0, 0, 0]);
        assert_eq!(out.peak, Some(77.0), "a peak outlives its second");
    }

    #[test]
    fn a_leap_in_time_is_survived() {
        let mut s = Seconds::new();
        s.advance(5, 0, None);
        s.advance(u64::MAX, 0, None);
        s.add_output(5, 1);
        assert!(s.series().len() <= SERIES_SECONDS);
    }
}
