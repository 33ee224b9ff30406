//! A rate over time: the figure of the chosen window, mean and peak in the title, the line below.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Cx, header, pair, range};
use crate::metrics::{Rate, SeriesPoint, Snapshot};
use crate::ui::format::rate;
use crate::ui::state::Window;
use crate::ui::theme::Role;
use crate::ui::widget::{Chart, Mark, big_number, big_width, low_panel, text};

/// Which rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Output,
    Input,
    Requests,
}

impl Which {
    fn title(self) -> &'static str {
        match self {
            Self::Output => "Output tokens/s",
            Self::Input => "Input tokens/s",
            Self::Requests => "Requests/s",
        }
    }

    fn role(self) -> Role {
        match self {
            Self::Output => Role::Output,
            Self::Input => Role::Input,
            Self::Requests => Role::Requests,
        }
    }

    fn rate(self, snap: &Snapshot) -> Rate {
        match self {
            Self::Output => snap.output_rate,
            Self::Input => snap.input_rate,
            Self::Requests => snap.request_rate,
        }
    }

    fn value(self, point: &SeriesPoint) -> f64 {
        match self {
            Self::Output => point.output_tokens as f64,
            Self::Input => point.input_tokens as f64,
            Self::Requests => point.completed as f64,
        }
    }
}

fn windowed(rate: Rate, window: Window) -> Option<f64> {
    match window {
        Window::S1 => rate.s1,
        Window::S10 => rate.s10,
        Window::S60 => rate.s60,
    }
}

/// The series averaged over the window; a point stands at its second's end.
fn smoothed(series: &[SeriesPoint], which: Which, window: usize) -> Vec<(f64, Option<f64>)> {
    let mut sum = 0.0;
    (0..series.len())
        .map(|i| {
            sum += which.value(&series[i]);
            if i >= window {
                sum -= which.value(&series[i - window]);
            }
            let mean = sum / window.min(i + 1) as f64;
            ((series[i].second + 1) as f64, Some(mean.max(0.0)))
        })
        .collect()
}

/// Draws the panel; `big` puts the present figure in large digits beside the line.
pub(super) fn draw(buf: &mut Buffer, area: Rect, which: Which, big: bool, cx: &Cx<'_>) {
    let theme = cx.theme;
    let rates = which.rate(cx.snap);
    let now = windowed(rates, cx.ui.window);
    let inner = low_panel(buf, area, which.title(), &values(rates, now, area.width, which, cx), theme);
    let ink = theme.fg(which.role());
    let number = rate(now);
    let mut plot = inner;
    if big && inner.height >= 5 && inner.width >= 60 {
        let width = big_width("8888k") + 3;
        let from = width.saturating_sub(2 + big_width(number.trim()));
        let place = Rect { x: inner.x + from, y: inner.y + (inner.height - 5) / 2, width, height: 5 };
        big_number(buf, place, number.trim(), ink);
        let label = format!("tok/s, {} s", cx.ui.window.seconds());
        let at = width.saturating_sub(2 + label.len() as u16);
        text(buf, Rect { x: inner.x, ..place }, (at, 4), &label, theme.fg(Role::Muted));
        plot = Rect { x: inner.x + width, width: inner.width - width, ..inner };
    }
    let points = smoothed(&cx.snap.series, which, cx.ui.window.seconds());
    let to_s = cx.snap.series.last().map_or(0.0, |p| (p.second + 1) as f64);
    let start = cx.snap.series.first().map_or(0.0, |p| p.second as f64);
    let span = f64::from(cx.ui.span_s(to_s - start));
    let from_s = (to_s - span).max(start.min(to_s));
    let visible = points.partition_point(|(t, _)| *t < from_s);
    let marks: Vec<Mark> =
        header::marks(cx).into_iter().map(|(at_s, glyph, style)| Mark { at_s, glyph, style }).collect();
    let others =
        cx.pic.other.map(|other| other.shifted(smoothed(&other.snap.series, which, cx.ui.window.seconds())));
    let others = others.unwrap_or_default();
    let behind = others.partition_point(|(t, _)| *t < from_s);
    let chart = Chart {
        points: &points[visible..],
        behind: &others[behind..],
        from_s,
        to_s: to_s.max(from_s + 10.0),
        marks: &marks,
        shaded: range::stretch_s(cx),
        ink,
    };
    chart.draw(buf, plot, theme);
}

/// `312 now · 298 mean · 360 peak`, as much as fits.
fn values(rates: Rate, now: Option<f64>, width: u16, which: Which, cx: &Cx<'_>) -> Line<'static> {
    let muted = cx.theme.fg(Role::Muted);
    let window = cx.ui.window.seconds();
    let mut spans = vec![
        Span::styled(rate(now), cx.theme.bold(which.role())),
        Span::styled(format!(" {window} s"), muted),
    ];
    let other = cx.pic.other.zip(cx.letters());
    if let Some((other, [_, letter])) = other.filter(|_| width >= 44) {
        let its = windowed(which.rate(other.snap), cx.ui.window);
        let (value, part) = (rate(its), pair::difference(its, now));
        spans.push(Span::styled(
            format!("  {} {letter} {value} {part:>7}", pair::GLYPH),
            cx.theme.fg(Role::Text),
        ));
    }
    if width >= if other.is_some() { 80 } else { 50 } {
        spans.push(Span::styled(format!(" {} mean", rate(rates.mean)), muted));
        spans.push(Span::styled(format!(" {} peak", rate(rates.peak)), muted));
    }
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_averages_whole_seconds() {
        let series: Vec<SeriesPoint> = [10, 20, 60]
            .iter()
            .enumerate()
            .map(|(i, n)| SeriesPoint { second: i as u64, output_tokens: *n, ..SeriesPoint::default() })
            .collect();
        let got = smoothed(&series, Which::Output, 2);
        assert_eq!(got, [(1.0, Some(10.0)), (2.0, Some(15.0)), (3.0, Some(40.0))]);
    }
}
