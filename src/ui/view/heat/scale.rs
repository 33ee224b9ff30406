//! The two axes: time in cells, and latency in rows by its logarithm, both with round ticks.

use std::cmp::Ordering;

use super::super::Cx;
use super::sla::Limits;
use crate::metrics::{Bins, bucket_start_ns};
use crate::ui::state::{TimeAxis, ZOOMS};

/// Spans of time that are chosen by themselves, seconds: each holds up to half as much again as the one before.
const SPANS_S: [u64; 18] =
    [5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1200, 1800, 3600];
const S: u64 = 1_000_000_000;

/// The time axis: all that was measured, or the last stretch of it that is zoomed to.
pub fn time_axis(begin_ns: u64, cx: &Cx<'_>, cells: u16) -> TimeAxis {
    let now_ns = cx.snap.at_ns.max(begin_ns);
    let lasted_ns = now_ns - begin_ns;
    let chosen = u64::from(ZOOMS[cx.ui.zoom.min(ZOOMS.len() - 1)]) * S;
    let fitting = SPANS_S.iter().map(|s| s * S).find(|span| *span >= lasted_ns);
    let span_ns = match chosen {
        0 => fitting.unwrap_or_else(|| lasted_ns.div_ceil(3600 * S).saturating_mul(3600 * S)),
        chosen => chosen,
    };
    let cells = cells.max(1);
    let cell_ns = (span_ns / u64::from(cells)).max(1);
    let from_ns = if lasted_ns <= span_ns {
        begin_ns
    } else {
        // By whole cells, so that the picture moves and does not shimmer.
        now_ns
            .div_ceil(cell_ns)
            .saturating_mul(cell_ns)
            .saturating_sub(cell_ns.saturating_mul(u64::from(cells)))
    };
    let mut axis = TimeAxis { from_ns, cell_ns, cells, last: 0 };
    axis.last = axis.cell_of(now_ns.saturating_sub(1).max(from_ns)).unwrap_or(cells - 1);
    axis
}

/// Latency over rows, by its logarithm.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Logarithms of the ends, nanoseconds.
    low: f64,
    high: f64,
    pub rows: u16,
}

impl Scale {
    /// The scale that holds all values, and limits that are near them.
    pub fn of(bins: &Bins, limits: &Limits, rows: u16) -> Self {
        let (low, high) = bins.range().unwrap_or((500, 600));
        let (mut low, mut high) = (bucket_start_ns(low) as f64, bucket_start_ns(high + 1) as f64);
        for limit in limits.lines.iter().map(|line| line.ns) {
            if limit > high && limit < high * 5.0 {
                high = limit * 1.1;
            } else if limit < low && limit > low / 5.0 {
                low = limit / 1.1;
            }
        }
        let (mut low, mut high) = (round(low, false), round(high, true));
        while high / low < 4.0 {
            low = round(low * 0.99, false);
            high = round(high * 1.01, true);
        }
        Self { low: low.ln(), high: high.ln(), rows }
    }

    /// How far up a latency lies: 0 at the bottom, 1 at the top, maybe beyond.
    pub fn part(&self, ns: f64) -> f64 {
        (ns.max(1.0).ln() - self.low) / (self.high - self.low)
    }

    /// The latency at a part of the way up, nanoseconds.
    pub fn at_ns(&self, part: f64) -> f64 {
        (self.low + (self.high - self.low) * part).exp()
    }

    /// The row of a latency, from the top.
    pub fn row(&self, ns: f64) -> Option<u16> {
        let part = self.part(ns);
        let row = ((1.0 - part) * f64::from(self.rows)).floor().min(f64::from(self.rows - 1));
        (-1e-9..=1.0 + 1e-9).contains(&part).then_some(row.max(0.0) as u16)
    }

    /// Round latencies and their rows, at least two rows apart: powers of ten first, then halves, then fifths.
    pub fn ticks(&self) -> Vec<(u16, f64)> {
        let mut ticks: Vec<(u16, f64)> = Vec::new();
        let (from, to) = (
            (self.low / std::f64::consts::LN_10).floor() as i32,
            (self.high / std::f64::consts::LN_10).ceil() as i32,
        );
        for step in [1.0, 5.0, 2.0] {
            for ns in (from..=to).map(|power| step * 10f64.powi(power)) {
                if let Some(row) = self.row(ns)
                    && ticks.iter().all(|(taken, _)| taken.abs_diff(row) >= 2)
                {
                    ticks.push((row, ns));
                }
            }
        }
        ticks
    }
}

/// Rows for words that belong at these rows, from the top: each its own, in their order.
pub fn apart<const N: usize>(mut wanted: [u16; N], rows: u16) -> [u16; N] {
    for i in 1..N {
        wanted[i] = wanted[i].max(wanted[i - 1] + 1);
    }
    // What was pushed out at the bottom pushes the others up.
    let mut most = rows.saturating_sub(1);
    for row in wanted.iter_mut().rev() {
        *row = (*row).min(most);
        most = row.saturating_sub(1);
    }
    wanted
}

/// In front of a word that gave way to others: where the row is that it belongs to.
pub fn whither(wanted: u16, row: u16) -> char {
    match wanted.cmp(&row) {
        Ordering::Less => '↑',
        Ordering::Equal => ' ',
        Ordering::Greater => '↓',
    }
}

/// The next 1, 2 or 5 times a power of ten, up or down.
fn round(value: f64, up: bool) -> f64 {
    let power = 10f64.powf(value.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    if up {
        steps.into_iter().find(|step| *step >= value * 0.999_999).unwrap_or(steps[3])
    } else {
        steps.into_iter().rev().find(|step| *step <= value * 1.000_001).unwrap_or(steps[0])
    }
}

/// The next 1, 2 or 5 times a power of ten that is no less.
pub fn round_up(value: f64) -> f64 {
    round(value, true)
}

/// A round latency in as few characters as it takes: `20 ms`.
pub fn tick_label(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 999_999.0 => (ns / 1e3, "µs"),
        ns if ns < 999_999_999.0 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    let digits = format!("{value:.1}");
    format!("{} {unit}", digits.strip_suffix(".0").unwrap_or(&digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(low: f64, high: f64, rows: u16) -> Scale {
        Scale { low: low.ln(), high: high.ln(), rows }
    }

    #[test]
    fn ticks_are_round_and_apart() {
        let ticks = scale(1e6, 1e9, 30).ticks();
        let mut labels: Vec<(u16, String)> =
            ticks.into_iter().map(|(row, ns)| (row, tick_label(ns))).collect();
        labels.sort();
        let words: Vec<&str> = labels.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(
            words,
            ["1 s", "500 ms", "200 ms", "100 ms", "50 ms", "20 ms", "10 ms", "5 ms", "2 ms", "1 ms"]
        );
        assert_eq!((labels[0].0, labels[9].0), (0, 29));
        assert_eq!(scale(1e6, 1e9, 4).ticks().len(), 2);
    }

    #[test]
    fn words_keep_their_order() {
        assert_eq!(apart([3, 9, 12], 20), [3, 9, 12]);
        assert_eq!(apart([5, 5, 5], 20), [5, 6, 7]);
        assert_eq!(apart([8, 9, 9], 10), [7, 8, 9]);
        assert_eq!(apart([0, 0, 0], 2), [0, 0, 1]);
        let wanted = [8, 9, 9];
        let shown = apart(wanted, 10);
        let signs: Vec<char> = wanted.into_iter().zip(shown).map(|(w, row)| whither(w, row)).collect();
        assert_eq!(signs, ['↓', '↓', ' ']);
        assert_eq!(whither(3, 4), '↑');
    }

    #[test]
    fn rounding_goes_outward() {
        assert!((round(21.0, true) - 50.0).abs() < 1e-9);
        assert!((round(50.0, true) - 50.0).abs() < 1e-9);
        assert!((round(19.0, false) - 10.0).abs() < 1e-9);
        assert!((round(0.7, false) - 0.5).abs() < 1e-9);
        assert!((round_up(0.11) - 0.2).abs() < 1e-9);
    }
}
