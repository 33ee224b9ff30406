//! From columns to what is drawn: how much falls on each cell and row, and percentiles along the time axis.

use super::scale::Scale;
use crate::metrics::{BUCKETS, Bins, HeatColumn, bucket_start_ns};
use crate::ui::state::TimeAxis;

/// Shares of the percentile lines.
pub const LINES: [f64; 3] = [0.5, 0.9, 0.99];

/// Which rows each bucket covers, from the top, and how much of it each of them gets. A bucket that is taller than a
/// row is spread over them, so that no row stays empty between two.
pub struct Spread {
    /// Where in `parts` a bucket's begin.
    starts: Vec<u32>,
    parts: Vec<(u16, f32)>,
    rows: u16,
}

impl Spread {
    /// Over so many rows, which may be finer than the scale's own.
    pub fn over(scale: &Scale, rows: u16) -> Self {
        let mut spread = Self { starts: Vec::with_capacity(BUCKETS + 1), parts: Vec::new(), rows };
        let place = |bucket: usize| (1.0 - scale.part(bucket_start_ns(bucket) as f64)) * f64::from(rows);
        for bucket in 0..BUCKETS {
            spread.starts.push(spread.parts.len() as u32);
            let (top, bottom) = (place(bucket + 1), place(bucket));
            let (from, to) = (top.max(0.0), bottom.min(f64::from(rows)));
            let mut at = from;
            while at < to - 1e-9 {
                let end = (at.floor() + 1.0).min(to);
                spread.parts.push((at as u16, ((end - at) / (bottom - top)) as f32));
                at = end;
            }
        }
        spread.starts.push(spread.parts.len() as u32);
        spread
    }

    fn parts(&self, bucket: usize) -> &[(u16, f32)] {
        &self.parts[self.starts[bucket] as usize..self.starts[bucket + 1] as usize]
    }

    /// A distribution by rows.
    pub fn rows(&self, bins: &Bins) -> Vec<f64> {
        let mut out = vec![0.0; usize::from(self.rows)];
        for (bucket, n) in bins.counts().iter().enumerate().filter(|(_, n)| **n > 0) {
            for (row, part) in self.parts(bucket) {
                out[usize::from(*row)] += *n as f64 * f64::from(*part);
            }
        }
        out
    }

    /// Counts by cell and row (`cell × rows + row`). What a column holds is spread evenly over its time.
    pub fn field(&self, columns: &[&HeatColumn], axis: TimeAxis) -> Vec<f32> {
        let rows = usize::from(self.rows);
        let mut field = vec![0.0; rows * usize::from(axis.cells)];
        let mut of_column: Vec<f32> = vec![0.0; rows];
        for column in columns {
            let (mut top, mut bottom) = (rows, 0);
            for (bucket, n) in column.counts() {
                for (row, part) in self.parts(bucket) {
                    let row = usize::from(*row);
                    of_column[row] += n as f32 * part;
                    (top, bottom) = (top.min(row), bottom.max(row + 1));
                }
            }
            let (from, to) = ends(column, axis);
            let mut at = from.max(0.0);
            while at < to.min(f64::from(axis.cells)) - 1e-9 {
                let end = (at.floor() + 1.0).min(to);
                let (cell, weight) = (at as usize, ((end - at) / (to - from)) as f32);
                for row in top..bottom {
                    field[cell * rows + row] += of_column[row] * weight;
                }
                at = end;
            }
            of_column[top.min(bottom)..bottom].fill(0.0);
        }
        field
    }
}

/// Where a column begins and ends, in cells.
fn ends(column: &HeatColumn, axis: TimeAxis) -> (f64, f64) {
    let place = |ns: u64| (ns as f64 - axis.from_ns as f64) / axis.cell_ns as f64;
    let from = place(column.start_ns);
    (from, place(column.end_ns()).max(from + 1e-6))
}

/// The lines' percentiles at each cell's end, nanoseconds, over the window before it (at least the cell and the
/// columns that make it). `None` where nothing came in that time.
pub fn lines(columns: &[&HeatColumn], axis: TimeAxis, window_ns: u64) -> Vec<Option<[f64; 3]>> {
    let middle = |c: &HeatColumn| c.start_ns.saturating_add(c.width_ns / 2);
    let window_ns = window_ns.max(axis.cell_ns);
    let mut bins = Bins::default();
    let (mut entered, mut left) = (0, 0);
    (0..=axis.last.min(axis.cells.saturating_sub(1)))
        .map(|cell| {
            let end_ns = axis.start_ns(cell + 1);
            while entered < columns.len() && middle(columns[entered]) < end_ns {
                bins.add(columns[entered]);
                entered += 1;
            }
            while left < entered
                && middle(columns[left]).saturating_add(window_ns.max(columns[left].width_ns)) <= end_ns
            {
                bins.remove(columns[left]);
                left += 1;
            }
            bins.percentiles_ns(LINES)
        })
        .collect()
}

/// Rows of peaks, most first: local maxima of a fifth of the highest one or more, with a valley between each two that
/// goes below six tenths of the lower one.
pub fn peaks(rows: &[f64]) -> Vec<usize> {
    let at = |i: isize| usize::try_from(i).ok().and_then(|i| rows.get(i)).copied().unwrap_or(0.0);
    let smooth: Vec<f64> =
        (0..rows.len().cast_signed()).map(|i| at(i - 1) / 4.0 + at(i) / 2.0 + at(i + 1) / 4.0).collect();
    let highest = smooth.iter().copied().fold(0.0, f64::max);
    let mut order: Vec<usize> =
        (0..rows.len()).filter(|i| smooth[*i] > 0.0 && smooth[*i] >= highest * 0.2).collect();
    order.sort_by(|a, b| smooth[*b].total_cmp(&smooth[*a]));
    let mut found: Vec<usize> = Vec::new();
    for i in order {
        let apart = |other: &usize| {
            let (from, to) = (i.min(*other), i.max(*other));
            smooth[from..=to].iter().copied().fold(f64::INFINITY, f64::min) < smooth[i] * 0.6
        };
        if found.iter().all(apart) {
            found.push(i);
        }
    }
    found.truncate(3);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Aggregator, HeatFigure, RequestRecord, Snapshot};

    /// A TTFT of 10 ms at each of so many steps of 125 ms, and one of 80 ms at the last.
    fn snapshot(steps: u64) -> Snapshot {
        let mut aggregator = Aggregator::new();
        let ms = |at: u64| at * 1_000_000;
        for i in 0..=steps {
            let wait = if i == steps { 80 } else { 10 };
            let first = 1_000 + i.min(steps - 1) * 125 + 60;
            let record = RequestRecord {
                prompt_tokens: 10,
                ..RequestRecord::completed(i, ms(first - wait), vec![ms(first)])
            };
            aggregator.apply_record(&std::sync::Arc::new(record));
        }
        aggregator.snapshot(aggregator.newest_ns())
    }

    fn axis(cells: u16, cell_ms: u64) -> TimeAxis {
        TimeAxis { from_ns: 1_000_000_000, cell_ns: cell_ms * 1_000_000, cells, last: cells - 1 }
    }

    #[test]
    fn nothing_is_lost_whatever_the_cells() {
        let snap = snapshot(16);
        let columns: Vec<_> = snap.heat.of(HeatFigure::Ttft).columns().collect();
        let mut bins = Bins::default();
        for column in &columns {
            bins.add(column);
        }
        let scale = Scale::of(&bins, &super::super::sla::Limits::default(), 20);
        for (cells, cell_ms, rows) in [(8, 250, 20), (40, 50, 40), (7, 300, 13)] {
            let spread = Spread::over(&scale, rows);
            let field = spread.field(&columns, axis(cells, cell_ms));
            let sum: f32 = field.iter().sum();
            assert!((sum - 17.0).abs() < 1e-3, "{sum}");
            assert!((spread.rows(&bins).iter().sum::<f64>() - 17.0).abs() < 1e-6);
            let first: f32 = field[..usize::from(rows)].iter().sum();
            assert!((first - cell_ms as f32 / 125.0).abs() < 1e-3, "{first}");
        }
    }

    #[test]
    fn lines_look_back_over_their_window() {
        let snap = snapshot(16);
        let columns: Vec<_> = snap.heat.of(HeatFigure::Ttft).columns().collect();
        let near = |got: f64, want: f64| (got / want - 1.0).abs() < 0.02;
        let narrow = lines(&columns, axis(20, 125), 1);
        let [p50, _, p99] = narrow[15].unwrap();
        assert!(near(p50, 10e6) && near(p99, 80e6), "two values");
        assert!(near(narrow[14].unwrap()[2], 10e6));
        assert_eq!((narrow.len(), narrow[16]), (20, None), "nothing came there");
        let wide = lines(&columns, axis(20, 125), 1_000_000_000);
        assert!(near(wide[19].unwrap()[0], 10e6) && near(wide[19].unwrap()[2], 80e6));
    }

    #[test]
    fn peaks_have_a_valley_between_them() {
        let two = [0.0, 1.0, 8.0, 1.0, 0.0, 0.0, 2.0, 4.0, 2.0, 0.0];
        assert_eq!(peaks(&two), [2, 7]);
        assert_eq!(peaks(&[1.0, 5.0, 4.5, 5.5, 1.0]).len(), 1);
        assert_eq!(peaks(&[0.0; 5]), [0; 0]);
        assert_eq!(peaks(&[]), [0; 0]);
    }
}
