//! Two recordings at once: which of them is shown, and the other one's figures beside its own.
//!
//! The one that the replay was asked for is A, the one beside it B; whichever is not shown is drawn with a glyph of its
//! own, [`GLYPH`], so that they are told apart without colours.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Cx, Picture};
use crate::metrics::{Snapshot, Summary};
use crate::ui::Other;
use crate::ui::format::seconds;
use crate::ui::theme::Role;
use crate::ui::widget::{CROSS, text_right};

/// What the other's lines are made of.
pub(super) const GLYPH: &str = CROSS;
/// Columns of the other's percentiles: value and difference, twice.
pub(super) const COLUMNS: u16 = 2 * (VALUE + DIFFERENCE);
const VALUE: u16 = 9;
const DIFFERENCE: u16 = 8;

/// A recording that plays along and is not shown.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    pub snap: &'a Snapshot,
    /// What is to be added to its times to get those of what is shown, nanoseconds.
    shift_ns: i64,
    /// It is A.
    first: bool,
}

/// What a session says, as the footer has it: of two recordings it speaks of A, whichever is shown.
pub fn of_first(word: String, pair: bool) -> String {
    if pair { format!("A: {word}") } else { word }
}

impl<'a> Picture<'a> {
    /// The same with another recording beside it, or, `switched`, that one with this beside it.
    #[must_use]
    pub fn beside(self, other: Option<&'a Other>, switched: bool) -> Self {
        match other {
            None => self,
            Some(other) if switched => Self {
                snap: &other.snap,
                title: &other.title,
                recording: &other.recording,
                other: Some(Beside { snap: self.snap, shift_ns: -other.ahead_ns, first: true }),
                ..self
            },
            Some(other) => {
                let beside = Beside { snap: &other.snap, shift_ns: other.ahead_ns, first: false };
                Self { other: Some(beside), ..self }
            }
        }
    }
}

impl Cx<'_> {
    /// The letters of what is shown and of the other; `None` where there is one only.
    pub(super) fn letters(&self) -> Option<[&'static str; 2]> {
        self.pic.other.map(|other| if other.first { ["B", "A"] } else { ["A", "B"] })
    }

    /// What is to be added to A's times, which are those of the transport, to get those of what is shown.
    pub(super) fn shift_ns(&self) -> i64 {
        self.pic.other.filter(|other| other.first).map_or(0, |other| other.shift_ns)
    }

    /// A time of A on the clock of what is shown; `None` before that one's start.
    pub(super) fn shown_ns(&self, at_ns: u64) -> Option<u64> {
        at_ns.checked_add_signed(self.shift_ns())
    }
}

impl Beside<'_> {
    /// What is to be added to its times to get those of what is shown, nanoseconds.
    pub(super) fn shift_ns(&self) -> i64 {
        self.shift_ns
    }

    /// Points over time, seconds, on the axis of what is shown.
    pub(super) fn shifted(&self, points: Vec<(f64, Option<f64>)>) -> Vec<(f64, Option<f64>)> {
        let shift_s = self.shift_ns as f64 / 1e9;
        points.into_iter().map(|(at_s, value)| (at_s + shift_s, value)).collect()
    }
}

/// By how much the other's value is higher than the shown one's, in percent of that, or how many times that
/// from eleven times on; 6 columns at most.
pub(super) fn difference(other: Option<f64>, shown: Option<f64>) -> String {
    let part = other.zip(shown.filter(|s| *s > 0.0)).map(|(other, shown)| (other - shown) / shown * 100.0);
    match part.filter(|p| p.is_finite()) {
        None => "–".into(),
        Some(p) if p.abs() < 0.05 => "±0 %".into(),
        Some(p) if p > 999.0 => match p / 100.0 + 1.0 {
            times if times > 9999.0 => ">×9999".into(),
            times => format!("×{times:.0}"),
        },
        Some(p) => {
            let sign = if p < 0.0 { "−" } else { "+" };
            let decimals = usize::from(p.abs() < 9.95);
            format!("{sign}{:.decimals$} %", p.abs())
        }
    }
}

/// The heads of the other's percentiles, from column `x` on.
pub(super) fn heads(buf: &mut Buffer, area: Rect, x: u16, cx: &Cx<'_>) {
    let Some([shown, other]) = cx.letters() else { return };
    let muted = cx.theme.fg(Role::Muted);
    for (i, percentile) in (0u16..).zip(["p50", "p99"]) {
        let x = x + i * (VALUE + DIFFERENCE);
        text_right(buf, area, (x + VALUE - 3, 0), &format!("{other} {percentile}"), muted);
        text_right(buf, area, (x + VALUE + DIFFERENCE - 2, 0), &format!("to {shown}"), muted);
    }
}

/// The other's p50 and p99 of a row, each with its difference.
pub(super) fn row(
    buf: &mut Buffer,
    area: Rect,
    (x, y): (u16, u16),
    (shown, other): (Option<&Summary>, Option<&Summary>),
    cx: &Cx<'_>,
) {
    let percentiles: [fn(&Summary) -> Option<f64>; 2] = [|s| s.p50, |s| s.p99];
    for (i, of) in (0u16..).zip(percentiles) {
        let x = x + i * (VALUE + DIFFERENCE);
        let (shown, other) = (shown.and_then(of), other.and_then(of));
        text_right(buf, area, (x + VALUE, y), &seconds(other), cx.theme.fg(Role::Muted));
        let style = cx.theme.fg(Role::Text);
        text_right(buf, area, (x + VALUE + DIFFERENCE - 1, y), &difference(other, shown), style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_replay_says_is_of_its_first_recording() {
        assert_eq!(of_first("the slowest request: #3".into(), true), "A: the slowest request: #3");
        assert_eq!(of_first("the slowest request: #3".into(), false), "the slowest request: #3");
    }

    #[test]
    fn differences_are_of_the_shown_ones() {
        assert_eq!(difference(Some(3.0), Some(2.0)), "+50 %");
        assert_eq!(difference(Some(1.9), Some(2.0)), "−5.0 %");
        assert_eq!(difference(Some(2.0), Some(2.0)), "±0 %");
        assert_eq!(difference(Some(200.0), Some(2.0)), "×100");
        assert_eq!(difference(Some(2e9), Some(2.0)), ">×9999");
        for (other, shown) in [(None, Some(1.0)), (Some(1.0), None), (Some(1.0), Some(0.0))] {
            assert_eq!(difference(other, shown), "–");
        }
    }
}
