//! Numbers as text of a fixed width, with their units. What isn't known is `–`.
//!
//! Which units is chosen once, before anything is shown, as a locale would be: no frame depends on when.

use std::sync::OnceLock;

/// What stands where a value isn't known.
pub const UNKNOWN: &str = "–";

/// Three significant digits, at most 4 characters for `0 ≤ value < 9999.5`: `0.52`, `12.3`, `312`, `1250`.
pub fn digits(value: f64) -> String {
    if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// A value and its unit's scale, from the smallest unit up; the value is shown in the largest that fits.
fn scaled(value: f64, units: &[(f64, &'static str)]) -> (String, &'static str) {
    let fitting = units.iter().rev().find(|(scale, _)| value >= scale * 0.9995).or(units.first());
    match fitting {
        Some((scale, unit)) => (digits(value / scale), unit),
        None => (digits(value), ""),
    }
}

/// Units of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ByteUnits {
    /// Powers of 1024: KiB, MiB.
    #[default]
    Binary,
    /// Powers of 1000: kB, MB.
    Decimal,
}

/// Units of times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimeUnits {
    /// The largest that leaves a whole number before the point.
    #[default]
    Auto,
    /// Milliseconds as far as four digits go, seconds beyond; microseconds where hardly a digit would be left.
    Milliseconds,
    /// Seconds; smaller units where fewer than three digits would be left.
    Seconds,
}

/// The least milliseconds, and the least seconds, that a column shows with enough digits.
const LEAST_MS: f64 = 0.000_099_5;
const LEAST_S: f64 = 0.099_95;

static UNITS: OnceLock<(ByteUnits, TimeUnits)> = OnceLock::new();

/// Chooses the units of everything that is shown; the first choice holds.
pub fn choose_units(bytes: ByteUnits, times: TimeUnits) {
    let _ = UNITS.set((bytes, times));
}

fn units() -> (ByteUnits, TimeUnits) {
    UNITS.get().copied().unwrap_or_default()
}

/// Seconds as 7 characters, number and unit each in their own column: ` 850 µs`, `12.3 ms`, `1.23 s `.
pub fn seconds(value: Option<f64>) -> String {
    seconds_in(units().1, value)
}

fn seconds_in(units: TimeUnits, value: Option<f64>) -> String {
    let value = value.filter(|v| v.is_finite() && *v >= 0.0);
    let least = if units == TimeUnits::Seconds { LEAST_S } else { LEAST_MS };
    let units = if value.is_some_and(|v| v > 0.0 && v < least) { TimeUnits::Auto } else { units };
    match value {
        Some(v) if units == TimeUnits::Milliseconds && v < 9.999_5 => {
            format!("{:>4} ms", digits(v * 1e3))
        }
        Some(v) if units != TimeUnits::Auto && v < 99_999.5 => {
            let places = [9.999_5, 99.995, 999.95].iter().filter(|top| v < **top).count();
            format!("{v:>5.places$} s")
        }
        Some(v) if v < 1e-6 => "   0 µs".to_owned(),
        Some(v) => {
            let (number, unit) = scaled(v, &[(1e-6, "µs"), (1e-3, "ms"), (1.0, "s"), (3600.0, "h")]);
            format!("{number:>4} {unit:<2}")
        }
        None => format!("{UNKNOWN:>4}   "),
    }
}

/// Nanoseconds, as [`seconds`].
pub fn nanos(value: Option<u64>) -> String {
    seconds(value.map(|ns| ns as f64 / 1e9))
}

/// A rate as 5 characters: ` 0.52`, ` 12.3`, `  312`, `12.5k`. Its unit stands in the title or the column's head.
pub fn rate(value: Option<f64>) -> String {
    match value.filter(|v| v.is_finite() && *v >= 0.0) {
        Some(v) if v < 999.5 => format!("{:>5}", digits(v)),
        Some(v) => {
            let (number, unit) = scaled(v, &[(1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")]);
            format!("{:>5}", format!("{number}{unit}"))
        }
        None => format!("{UNKNOWN:>5}"),
    }
}

/// A count with its thousands apart: `1,234,567`.
pub fn count(value: u64) -> String {
    let plain = value.to_string();
    let mut out = String::with_capacity(plain.len() + plain.len() / 3);
    for (i, digit) in plain.chars().enumerate() {
        if i > 0 && (plain.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes, in powers of 1024 unless others were chosen: `512 B`, `1.23 GiB`.
pub fn bytes(value: Option<u64>) -> String {
    bytes_in(units().0, value)
}

fn bytes_in(units: ByteUnits, value: Option<u64>) -> String {
    let Some(value) = value else { return UNKNOWN.to_owned() };
    let (k, names) = match units {
        ByteUnits::Binary => (1024.0_f64, ["KiB", "MiB", "GiB", "TiB"]),
        ByteUnits::Decimal => (1000.0, ["kB", "MB", "GB", "TB"]),
    };
    if (value as f64) < k {
        return format!("{value} B");
    }
    let units = [(k, names[0]), (k.powi(2), names[1]), (k.powi(3), names[2]), (k.powi(4), names[3])];
    let (number, unit) = scaled(value as f64, &units);
    format!("{number} {unit}")
}

/// A share of 100 as `  7 %`, 5 characters up to 999 %.
pub fn percent(value: Option<f32>) -> String {
    match value.filter(|v| v.is_finite()) {
        Some(v) => format!("{v:>3.0} %"),
        None => format!("{UNKNOWN:>3}  "),
    }
}

/// Time on the run's clock: `1:23`, `1:02:03`.
pub fn clock(ns: u64) -> String {
    let s = ns / 1_000_000_000;
    let (h, m, s) = (s / 3600, s / 60 % 60, s % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

/// Time on the run's clock with milliseconds: `1:23.456`.
pub fn clock_ms(ns: u64) -> String {
    format!("{}.{:03}", clock(ns), ns / 1_000_000 % 1000)
}

/// Round values between 0 and `top`, at most `most` steps of 1, 2 or 5 times a power of ten; also the step.
pub fn round_step(top: f64, most: usize) -> f64 {
    let rough = (top / most.max(1) as f64).max(1e-9);
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * power).find(|s| *s >= rough * 0.999_999).unwrap_or(10.0 * power)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_have_their_units() {
        assert_eq!(seconds(Some(0.000_85)), " 850 µs");
        assert_eq!(seconds(Some(0.0123)), "12.3 ms");
        assert_eq!(seconds(Some(0.999_9)), "1.00 s ");
        assert_eq!(seconds(Some(61.0)), "61.0 s ");
        assert_eq!(seconds(None), "   –   ");
        assert_eq!(rate(Some(312.4)), "  312");
        assert_eq!(rate(Some(999.7)), "1.00k");
        assert_eq!(rate(Some(12_500.0)), "12.5k");
        assert_eq!(rate(None), "    –");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!(bytes(Some(1_320_000_000)), "1.23 GiB");
        assert_eq!(bytes(None), "–");
        assert_eq!(bytes_in(ByteUnits::Decimal, Some(1_320_000_000)), "1.32 GB");
        assert_eq!(bytes_in(ByteUnits::Decimal, Some(999)), "999 B");
        assert_eq!(seconds_in(TimeUnits::Milliseconds, Some(0.000_85)), "0.85 ms");
        assert_eq!(seconds_in(TimeUnits::Milliseconds, Some(1.234)), "1234 ms");
        assert_eq!(seconds_in(TimeUnits::Milliseconds, Some(12.34)), "12.34 s");
        assert_eq!(seconds_in(TimeUnits::Milliseconds, Some(0.000_003)), "3.00 µs");
        assert_eq!(seconds_in(TimeUnits::Milliseconds, Some(0.0)), "0.00 ms");
        assert_eq!(seconds_in(TimeUnits::Seconds, Some(0.123)), "0.123 s");
        assert_eq!(seconds_in(TimeUnits::Seconds, Some(0.099_96)), "0.100 s");
        assert_eq!(seconds_in(TimeUnits::Seconds, Some(0.0123)), "12.3 ms");
        assert_eq!(seconds_in(TimeUnits::Seconds, Some(0.000_3)), " 300 µs");
        assert_eq!(seconds_in(TimeUnits::Seconds, Some(0.0)), "0.000 s");
        assert_eq!(seconds_in(TimeUnits::Seconds, Some(1234.5)), " 1234 s");
        assert_eq!(percent(Some(7.4)), "  7 %");
        assert_eq!(clock(3_723_000_000_000), "1:02:03");
        assert_eq!(clock_ms(83_456_000_000), "1:23.456");
        assert!((round_step(437.0, 4) - 200.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn seconds_keep_three_digits(exponent in -5.9f64..4.9) {
            let value = 10f64.powf(exponent);
            let shown = seconds_in(TimeUnits::Seconds, Some(value));
            let (number, unit) = shown.trim().split_once(' ').unwrap();
            let scale = match unit { "s" => 1.0, "ms" => 1e-3, "µs" => 1e-6, other => panic!("{other}") };
            let read = number.parse::<f64>().unwrap() * scale;
            prop_assert!((read / value - 1.0).abs() < 0.006, "{value} is {shown}");
        }

        #[test]
        fn columns_keep_their_width(v in 0.0f64..1e7) {
            let at_most_week = v.min(600_000.0);
            for units in [TimeUnits::Auto, TimeUnits::Milliseconds] {
                prop_assert_eq!(seconds_in(units, Some(at_most_week)).chars().count(), 7);
            }
            prop_assert_eq!(seconds_in(TimeUnits::Seconds, Some(at_most_week)).chars().count(), 7);
            prop_assert_eq!(rate(Some(v)).chars().count(), 5);
        }
    }
}
