//! Latencies over time: how many of which length, for the heat map on the screen Latency.
//!
//! Time is cut into columns, latency into buckets of equal ratio, 32 to an octave, so that a percentile read from
//! them is off by 1.6 % at most. Columns are fine at first and grow coarse with age: the newest 256 hold 125 ms
//! each, those before them 250 ms, and so on. Hence a run of any length takes a few thousand columns at most, and
//! any stretch that ends now is resolved into a hundred columns or more.
//!
//! A snapshot shares all columns. What a run changes after it is copied then, column by column.

mod column;

use std::sync::Arc;

use super::RequestRecord;
use super::pack::pack;

pub use column::{BUCKETS, Bins, HeatColumn, bucket_of, bucket_start_ns};

/// Width of the finest columns, nanoseconds.
pub const FINEST_NS: u64 = 125_000_000;
/// Columns of one width.
const TIER: usize = 256;
/// Widths, each twice the one before it; the last one is 18 hours.
const TIERS: usize = 20;

/// A latency figure that there is a heat map of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HeatFigure {
    Ttft,
    #[default]
    Itl,
    Tpot,
    E2e,
}

impl HeatFigure {
    /// All of them, in the order of the screen.
    pub const ALL: [Self; 4] = [Self::Ttft, Self::Itl, Self::Tpot, Self::E2e];

    /// What it is called on screens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ttft => "TTFT",
            Self::Itl => "ITL",
            Self::Tpot => "TPOT",
            Self::E2e => "E2E",
        }
    }

    /// What is counted: ITL has one value a token, the others one a request.
    pub fn unit(self) -> &'static str {
        if self == Self::Itl { "tokens" } else { "requests" }
    }

    /// The next one, around the end.
    #[must_use]
    pub fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }
}

/// The heat maps of a run, over all its stages, of measured and completed requests.
#[derive(Debug, Clone, Default)]
pub struct HeatMaps {
    figures: [Heat; 4],
    /// Prompt tokens of the shortest and of the longest prompt.
    pub prompt_tokens: Option<(u32, u32)>,
}

impl HeatMaps {
    /// When the first column of any figure begins; `None` while there is none.
    pub fn begin_ns(&self) -> Option<u64> {
        self.figures.iter().filter_map(|heat| heat.columns().next()).map(|column| column.start_ns).min()
    }

    /// The map of a figure.
    pub fn of(&self, figure: HeatFigure) -> &Heat {
        &self.figures[figure as usize]
    }

    /// Counts a completed request: TTFT where its first token came, a gap where it ended, the others where its last
    /// token came.
    pub(super) fn record(&mut self, record: &RequestRecord) {
        let prompt = record.prompt_tokens;
        let (shortest, longest) = self.prompt_tokens.unwrap_or((prompt, prompt));
        self.prompt_tokens = Some((shortest.min(prompt), longest.max(prompt)));
        // An answer that came whole has neither first token nor gaps, but an end.
        let values = [
            (HeatFigure::Ttft, record.chunk_at_ns.first().copied(), record.ttft_ns()),
            (HeatFigure::Tpot, record.last_token_ns(), record.tpot_ns().map(|ns| ns.round() as u64)),
            (HeatFigure::E2e, record.last_token_ns(), record.e2e_ns()),
        ];
        for (figure, at_ns, value) in values {
            if let (Some(at_ns), Some(ns)) = (at_ns, value) {
                self.figures[figure as usize].column(at_ns).add(bucket_of(ns), 1);
            }
        }
        self.figures[HeatFigure::Itl as usize].record_gaps(record);
    }
}

/// Counts of one figure by time and length. Cheap to clone: everything is shared.
#[derive(Debug, Clone, Default)]
pub struct Heat {
    /// By width, finest (and newest) first; columns in the order of time.
    tiers: Vec<Arc<Vec<Arc<HeatColumn>>>>,
}

impl Heat {
    /// All columns that hold something, in the order of time. Neighbours of different width may overlap a little.
    pub fn columns(&self) -> impl Iterator<Item = &HeatColumn> {
        self.tiers.iter().rev().flat_map(|tier| tier.iter().map(Arc::as_ref))
    }

    fn record_gaps(&mut self, record: &RequestRecord) {
        let times = &record.chunk_at_ns;
        let mut i = 1;
        while i < times.len() {
            let (tier, place) = self.place(times[i]);
            i = self.record_row(record, i, (tier, place));
        }
    }

    /// Counts gaps from the `i`th on, the first of them in the column at a place, and gives the first one that does not
    /// end there or in one of the columns right behind it: to look for each column would cost more than to count.
    fn record_row(&mut self, record: &RequestRecord, mut i: usize, at: (usize, usize)) -> usize {
        let (tier, mut place) = at;
        let times = &record.chunk_at_ns;
        let begin = |columns: &Arc<Vec<Arc<HeatColumn>>>| columns.first().map(|c| c.start_ns);
        // What comes later than that belongs to a finer tier.
        let finer_ns = self.tiers[..tier].iter().filter_map(begin).min().unwrap_or(u64::MAX);
        let columns = Arc::make_mut(&mut self.tiers[tier]);
        loop {
            let column = Arc::make_mut(&mut columns[place]);
            let end_ns = column.end_ns();
            while i < times.len() && (times[i] < end_ns || end_ns == u64::MAX) {
                let (gap, n) = (times[i].saturating_sub(times[i - 1]), record.tokens_in(i));
                column.add(bucket_of(if n == 1 { gap } else { gap / u64::from(n.max(1)) }), n);
                i += 1;
            }
            let Some(next_ns) = times.get(i).copied().filter(|at_ns| *at_ns < finer_ns) else { return i };
            place += 1;
            if !columns.get(place).is_some_and(|c| c.holds(next_ns)) {
                return i;
            }
        }
    }

    /// The column of a time, made if there is none.
    fn column(&mut self, at_ns: u64) -> &mut HeatColumn {
        let (tier, place) = self.place(at_ns);
        Arc::make_mut(&mut Arc::make_mut(&mut self.tiers[tier])[place])
    }

    /// Tier and place of the column of a time, which is made if there is none.
    fn place(&mut self, at_ns: u64) -> (usize, usize) {
        let mut found = self.find(at_ns);
        if found.1.is_err() {
            // Whose place it is may change with the room that is made.
            self.make_room();
            found = self.find(at_ns);
        }
        let (tier, place) = found;
        if self.tiers.is_empty() {
            self.tiers.push(Arc::default());
        }
        let width_ns = FINEST_NS << tier;
        let place = place.unwrap_or_else(|place| {
            let column = HeatColumn::new(at_ns / width_ns * width_ns, width_ns);
            Arc::make_mut(&mut self.tiers[tier]).insert(place, Arc::new(column));
            place
        });
        (tier, place)
    }

    /// The tier of a time, and its column's place there, or the place where it would be.
    fn find(&self, at_ns: u64) -> (usize, Result<usize, usize>) {
        let begun =
            |columns: &Arc<Vec<Arc<HeatColumn>>>| columns.first().is_some_and(|c| c.start_ns <= at_ns);
        // What is older than all there is belongs to the oldest.
        let oldest = self.tiers.iter().rposition(|columns| !columns.is_empty()).unwrap_or(0);
        let tier = self.tiers.iter().position(begun).unwrap_or(oldest);
        let Some(columns) = self.tiers.get(tier) else { return (0, Err(0)) };
        let holds = |place: &usize| columns.get(*place).is_some_and(|c| c.holds(at_ns));
        if let Some(place) = guess(columns, at_ns).filter(holds) {
            return (tier, Ok(place));
        }
        let after = columns.partition_point(|column| column.start_ns <= at_ns);
        (tier, after.checked_sub(1).filter(holds).ok_or(after))
    }

    /// Where a tier is full, its oldest column goes into one of twice the width.
    fn make_room(&mut self) {
        let mut tier = 0;
        while self.tiers.get(tier).is_some_and(|columns| columns.len() >= TIER) {
            let oldest = Arc::make_mut(&mut self.tiers[tier]).remove(0);
            if tier + 1 == TIERS {
                // Nothing is wider: its neighbour takes it.
                let next = &mut Arc::make_mut(&mut self.tiers[tier])[0];
                Arc::make_mut(next).absorb(&oldest);
                return;
            }
            tier += 1;
            if self.tiers.len() == tier {
                self.tiers.push(Arc::default());
            }
            let columns = Arc::make_mut(&mut self.tiers[tier]);
            if let Some(last) = columns.last_mut().filter(|last| oldest.start_ns < last.end_ns()) {
                Arc::make_mut(last).absorb(&oldest);
            } else {
                let width_ns = FINEST_NS << tier;
                let mut wide = HeatColumn::new(oldest.start_ns / width_ns * width_ns, width_ns);
                wide.absorb(&oldest);
                columns.push(Arc::new(wide));
            }
        }
    }
}

/// Where a time's column is in a tier in which none is missing since.
fn guess(columns: &[Arc<HeatColumn>], at_ns: u64) -> Option<usize> {
    let last = columns.last()?;
    let back = last.start_ns.saturating_sub(at_ns).div_ceil(last.width_ns.max(1));
    (columns.len() - 1).checked_sub(usize::try_from(back).ok()?)
}

pack!(HeatMaps { figures, prompt_tokens });
pack!(Heat { tiers });

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn total(heat: &Heat) -> u64 {
        heat.columns().map(HeatColumn::total).sum()
    }

    #[test]
    fn any_length_of_run_is_bounded_and_nothing_is_lost() {
        let mut heat = Heat::default();
        let (mut at, mut n) = (0, 0);
        while at < 50_000 * S {
            heat.column(at).add(bucket_of(20_000_000 + at % 7_000_000), 1);
            at += FINEST_NS;
            n += 1;
        }
        assert_eq!(total(&heat), n);
        let columns = heat.columns().count();
        assert!(columns <= TIER * 12, "{columns} columns");
        let starts: Vec<u64> = heat.columns().map(|c| c.start_ns).collect();
        assert!(starts.is_sorted());
        // The last minute, five minutes, hour: each in a hundred columns or more.
        for stretch in [32 * S, 300 * S, 3600 * S] {
            let seen = starts.iter().filter(|start| **start + stretch >= at).count();
            assert!(seen >= 100, "{seen} columns in the last {} s", stretch / S);
        }
    }

    #[test]
    fn late_and_early_values_find_their_columns() {
        let mut heat = Heat::default();
        for i in 0..2000 {
            heat.column(100 * S + i * FINEST_NS).add(5, 1);
        }
        heat.column(0).add(5, 1);
        heat.column(101 * S).add(9, 2);
        heat.column(u64::MAX).add(7, 3);
        assert_eq!(total(&heat), 2006);
        let of_101 = heat.columns().find(|c| c.start_ns <= 101 * S && 101 * S < c.end_ns()).unwrap();
        assert!(of_101.counts().any(|(bucket, n)| bucket == 9 && n == 2));
        assert_eq!(heat.columns().last().unwrap().total(), 3);
    }

    #[test]
    fn leaps_that_never_share_a_column_are_bounded_too() {
        let mut heat = Heat::default();
        for i in 0..40_000_u64 {
            heat.column(i * 100_000 * S).add(1, 1);
        }
        assert_eq!(total(&heat), 40_000);
        assert!(heat.columns().count() <= TIER * TIERS);
    }

    #[test]
    fn a_snapshot_keeps_what_it_showed() {
        let mut heat = Heat::default();
        for i in 0..300 {
            heat.column(i * FINEST_NS).add(3, 1);
        }
        let shown = heat.clone();
        heat.column(299 * FINEST_NS).add(3, 5);
        assert_eq!((total(&shown), total(&heat)), (300, 305));
        let same = shown.columns().zip(heat.columns()).filter(|(a, b)| std::ptr::eq(*a, *b)).count();
        assert_eq!(same, heat.columns().count() - 1, "only what changed is copied");
    }

    /// A request with chunks at these times.
    fn request(chunk_at_ns: Vec<u64>, chunk_tokens: Vec<u32>) -> RequestRecord {
        RequestRecord { chunk_at_ns, chunk_tokens, ..crate::metrics::definitions::tests::chunky() }
    }

    #[test]
    fn gaps_in_a_row_are_counted_where_each_would_be() {
        let (mut rows, mut single) = (Heat::default(), Heat::default());
        let mut random = 7_u64;
        let mut below = |n: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % n
        };
        for i in 0..3000_u64 {
            // Long and short gaps, times far back, and now and then some that stand still or run backwards.
            let mut at = (i * 400_000_000).saturating_sub(below(5) * below(200) * S);
            let slow = [1, 40, 900][below(3) as usize];
            let times: Vec<u64> = (0..below(80))
                .map(|_| {
                    at = (at + below(30_000_000) * slow).saturating_sub(if below(90) == 0 {
                        3 * S
                    } else {
                        0
                    });
                    at
                })
                .collect();
            let tokens =
                if below(2) == 0 { Vec::new() } else { times.iter().map(|_| 1 + below(3) as u32).collect() };
            let record = request(times, tokens);
            rows.record_gaps(&record);
            for i in 1..record.chunk_at_ns.len() {
                let (before, at) = (record.chunk_at_ns[i - 1], record.chunk_at_ns[i]);
                let n = record.tokens_in(i);
                // What runs backwards is counted with what stands before it.
                let column_of = record.chunk_at_ns[1..=i].iter().copied().max().unwrap();
                single.column(column_of).add(bucket_of(at.saturating_sub(before) / u64::from(n)), n);
            }
        }
        assert!(rows.tiers.len() > 3);
        for at_ns in (0..1_300 * S).step_by(77_000_001) {
            let (tier, place) = rows.find(at_ns);
            let with = rows.tiers[tier].iter().position(|c| c.holds(at_ns));
            assert_eq!(place.ok(), with, "the column of {at_ns} in tier {tier}");
        }
        assert!(rows.columns().eq(single.columns()));
    }
}
