//! From values to places: the extent of an axis, its round ticks, and how they are written.

use super::figure::{Axis, Extent, Unit};

/// Share of the data's extent that is left free at an end.
const ROOM: f64 = 0.05;
/// An axis is at least this wide, relative to its values: less can't be told apart by numbers of 64 bits.
const NARROWEST: f64 = 1e-9;

/// A linear axis with its place in the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub low: f64,
    pub high: f64,
    /// Where `low` and `high` are.
    pub from: f64,
    pub to: f64,
}

impl Scale {
    /// Where a value is; values far outside are kept near, so that no place is beyond any picture.
    pub fn at(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(-100.0, 100.0);
        let place = self.from + (self.to - self.from) * share;
        if place.is_finite() { place } else { self.from }
    }
}

/// The ends of an axis over these values.
pub fn ends(axis: &Axis, data: Option<(f64, f64)>) -> (f64, f64) {
    let (low, high) = data.unwrap_or((0.0, 1.0));
    let room = (high - low) * ROOM;
    let (low, high) = match axis.extent {
        Extent::FromZero => (if low < 0.0 { low - room } else { 0.0 }, high + (high - low.min(0.0)) * ROOM),
        Extent::FromBelowZero(below) => ((-below).min(low - room), high + (high - low.min(0.0)) * ROOM),
        Extent::Around => (low - room, high + room),
        Extent::Tight => (low, high),
    };
    let (low, high) = (axis.limits.0.unwrap_or(low), axis.limits.1.unwrap_or(high));
    let least = NARROWEST * low.abs().max(high.abs());
    if high - low > least && high > low {
        return (low, high);
    }
    // Nothing, or one value: an end that the user set stays.
    let wide = (low.abs().max(high.abs()) * 0.5).max(1e-9);
    let wide = if low == 0.0 && high == 0.0 { 1.0 } else { wide };
    match axis.limits {
        (_, Some(end)) if axis.limits.0.is_none() => (end - wide, end),
        (Some(_), _) => (low, low + wide),
        _ if matches!(axis.extent, Extent::FromZero) && low >= 0.0 => (0.0, high.max(wide)),
        _ => (low - wide, high.max(low) + wide),
    }
}

/// Ticks, and how their axis is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticks {
    /// Value and text, ascending.
    pub marks: Vec<(f64, String)>,
    /// The unit in which they are written; empty if there is none.
    pub unit: String,
}

/// Round ticks from `low` to `high`, about `most` of them at most.
pub fn ticks(axis: &Axis, (low, high): (f64, f64), most: usize) -> Ticks {
    let largest = low.abs().max(high.abs());
    let (factor, unit) = match axis.unit {
        Unit::Of(unit) => (1.0, unit),
        Unit::Time if largest < 1e-3 => (1e6, "µs"),
        Unit::Time if largest < 1.0 => (1e3, "ms"),
        Unit::Time => (1.0, "s"),
    };
    if !axis.names.is_empty() {
        let marks = axis.names.iter().filter(|(x, _)| (low..=high).contains(x)).cloned().collect();
        return Ticks { marks, unit: unit.to_owned() };
    }
    let (low, high) = (low * factor, high * factor);
    let mut step = round_step((high - low) / most.max(1) as f64);
    if axis.whole {
        step = step.max(1.0);
    }
    let first = (low / step - 1e-6).ceil();
    // No more than this, whatever rounding does to an axis far from zero.
    let values = (0..=2 * most as u32 + 2)
        .map(|i| (first + f64::from(i)) * step)
        .take_while(|v| *v <= high + step * 1e-6);
    let largest = low.abs().max(high.abs());
    let marks = values.map(|v| (v / factor, written(v, step, largest))).collect();
    Ticks { marks, unit: unit.to_owned() }
}

/// The next of 1, 2, 5, 10 … that is not below.
fn round_step(least: f64) -> f64 {
    if !(least.is_finite() && least > 0.0) {
        return 1.0;
    }
    let power = 10f64.powi(least.log10().floor() as i32);
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= least * (1.0 - 1e-9));
    step.filter(|s| s.is_finite() && *s > 0.0).unwrap_or(least)
}

/// A tick in as many digits as its step needs; thousands as k, millions as M, and so on.
fn written(value: f64, step: f64, largest: f64) -> String {
    // Nought is nought, without a sign and whatever rounding left of it.
    let value = if value.abs() < step * 1e-6 { 0.0 } else { value };
    let power = |step: f64| (step.log10() + 1e-9).floor() as i32;
    if largest >= 1e16 || step < 1e-6 {
        return if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") };
    }
    let (divisor, suffix) = match largest {
        l if l >= 1e12 => (1e12, "T"),
        l if l >= 1e9 => (1e9, "G"),
        l if l >= 1e6 => (1e6, "M"),
        l if l >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let digits = usize::try_from(-power(step / divisor)).unwrap_or(0);
    let suffix = if value == 0.0 { "" } else { suffix };
    let digits = if value == 0.0 && !suffix.is_empty() { 0 } else { digits };
    format!("{:.digits$}{suffix}", value / divisor).replacen('-', "\u{2212}", 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(axis: &Axis, ends: (f64, f64), most: usize) -> Vec<String> {
        ticks(axis, ends, most).marks.into_iter().map(|m| m.1).collect()
    }

    #[test]
    fn ticks_are_round_and_written_short() {
        let plain = Axis::new("x", Unit::Of("queries/s"));
        assert_eq!(texts(&plain, (0.0, 1.9), 8), ["0.0", "0.5", "1.0", "1.5"]);
        assert_eq!(texts(&plain, (-0.05, 1.0), 6), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(&plain, (-3.0, 3.0), 4), ["\u{2212}2", "0", "2"]);
        assert_eq!(texts(&plain, (0.0, 32000.0), 4), ["0", "10k", "20k", "30k"]);
        assert_eq!(texts(&plain, (0.0, 2.4e6), 3), ["0", "1M", "2M"]);
        assert_eq!(texts(&plain, (0.0, 3e-9), 3), ["0", "1.0e-9", "2.0e-9", "3.0e-9"]);
        assert_eq!(texts(&Axis::new("clients", Unit::Of("")).whole(), (0.0, 3.0), 8), ["0", "1", "2", "3"]);
        let mut named = Axis::new("x", Unit::Of(""));
        named.names = vec![(1.0, "P50".into()), (9.0, "out".into())];
        assert_eq!(texts(&named, (0.0, 3.0), 8), ["P50"]);
    }

    #[test]
    fn times_choose_their_unit() {
        let time = Axis::new("Latency", Unit::Time);
        let of = |ends, most| {
            let ticks = ticks(&time, ends, most);
            (ticks.unit, ticks.marks.into_iter().map(|m| m.1).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(of((0.0, 17.5), 4), ("s".into(), "0 5 10 15".into()));
        assert_eq!(of((0.0, 0.35), 4), ("ms".into(), "0 100 200 300".into()));
        assert_eq!(of((0.0, 0.00042), 5), ("µs".into(), "0 100 200 300 400".into()));
    }

    #[test]
    fn an_axis_is_laid_around_its_data() {
        let axis = |extent| Axis::new("x", Unit::Of("")).extent(extent);
        assert_eq!(ends(&axis(Extent::FromZero), Some((2.0, 10.0))), (0.0, 10.5));
        assert_eq!(ends(&axis(Extent::Around), Some((0.0, 10.0))), (-0.5, 10.5));
        assert_eq!(ends(&axis(Extent::Tight), Some((2.0, 10.0))), (2.0, 10.0));
        assert_eq!(ends(&axis(Extent::FromBelowZero(0.05)), Some((1.0, 10.0))), (-0.05, 10.5));
        // One value, or none.
        assert_eq!(ends(&axis(Extent::FromZero), Some((4.0, 4.0))), (0.0, 4.2));
        assert_eq!(ends(&axis(Extent::Tight), Some((4.0, 4.0))), (2.0, 6.0));
        assert_eq!(ends(&axis(Extent::FromZero), None), (0.0, 1.05));
        assert_eq!(ends(&axis(Extent::FromZero), Some((0.0, 0.0))), (0.0, 1.0));
        let set = |low, high| ends(&axis(Extent::Around).limits((low, high)), Some((2.0, 10.0)));
        assert_eq!(set(Some(1.0), Some(3.0)), (1.0, 3.0));
        assert_eq!(set(Some(20.0), None), (20.0, 30.0));
        let (low, high) = set(None, Some(1.0));
        assert!((low - 0.2).abs() < 1e-12 && (high - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn any_axis_has_finite_ascending_ticks_within(
            a in -1e30f64..1e30, width in 0.0f64..1e30, small in any::<bool>(), most in 1usize..12,
        ) {
            let (a, width) = if small { (a * 1e-35, width * 1e-35) } else { (a, width) };
            for extent in [Extent::FromZero, Extent::Around, Extent::Tight, Extent::FromBelowZero(0.05)] {
                let axis = Axis::new("x", Unit::Time).extent(extent);
                let (low, high) = ends(&axis, Some((a, a + width)));
                prop_assert!(low.is_finite() && high.is_finite() && low < high, "{} {}", low, high);
                let scale = Scale { low, high, from: 10.0, to: 900.0 };
                let ticks = ticks(&axis, (low, high), most);
                prop_assert!(ticks.marks.len() <= 2 * most + 3);
                prop_assert!(ticks.marks.windows(2).all(|w| w[0].0 < w[1].0), "{:?}", ticks);
                for (value, text) in &ticks.marks {
                    let place = scale.at(*value);
                    prop_assert!((9.0..=901.0).contains(&place), "{} at {}", text, place);
                    prop_assert!(text.len() < 24, "{}", text);
                }
            }
        }
    }
}
