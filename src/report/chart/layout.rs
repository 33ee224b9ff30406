//! Where everything of a figure goes, before anything is painted.
//!
//! From top to bottom: title, subtitle, and for each panel its legend, the names of marks, and the plot; below the
//! last one the x axis' ticks and label; then the notes. Legends have rows of their own, so that they never cover
//! data.

use super::clip::Frame;
use super::figure::{Figure, Panel, Series, Style};
use super::fit::range;
use super::font;
use super::scale::{self, Scale, Ticks};

pub const MARGIN: f64 = 20.0;
pub const TITLE: f64 = 19.0;
pub const SUBTITLE: f64 = 13.0;
pub const LABEL: f64 = 13.5;
pub const TICK: f64 = 12.0;
pub const LEGEND: f64 = 12.5;
pub const NOTE: f64 = 11.0;
/// Height of a row of the legend, and width of its samples.
pub const LEGEND_ROW: f64 = 19.0;
pub const SAMPLE: f64 = 30.0;

const SUBTITLE_ROW: f64 = 18.0;
const NOTE_ROW: f64 = 15.0;
const MARK_ROW: f64 = 17.0;
const GAP: f64 = 14.0;
/// Below the last plot: ticks and label.
const X_AXIS: f64 = 46.0;
/// Most rows, so that something is left for the plots.
const NOTE_ROWS: usize = 7;
const LEGEND_ROWS: usize = 7;
/// A plot is at least this high, even if it then leaves the picture.
const LOWEST: f64 = 30.0;
/// Room for a tick, in units.
const X_TICK_ROOM: f64 = 80.0;
const Y_TICK_ROOM: f64 = 34.0;

/// The places of a figure, in units.
pub struct Layout<'a> {
    /// Each line's text, and where its middle is.
    pub title: (String, f64),
    pub subtitle: Vec<(String, f64)>,
    pub notes: Vec<(String, f64)>,
    pub x_label: (String, f64),
    pub x_ticks: Ticks,
    pub plots: Vec<Plot<'a>>,
    /// Where the labels of y axes are.
    pub y_label: f64,
}

/// The places of a panel.
pub struct Plot<'a> {
    pub panel: &'a Panel,
    pub legend: Vec<Entry<'a>>,
    /// Where the names of marks are, in the first panel, if there are any.
    pub mark_names: Option<f64>,
    pub frame: Frame,
    pub x: Scale,
    pub y: Scale,
    pub y_label: String,
    pub y_ticks: Ticks,
}

/// A line of the legend: where its sample begins.
pub struct Entry<'a> {
    pub at: (f64, f64),
    pub text: String,
    /// `None` tells how many more there are.
    pub series: Option<&'a Series>,
}

/// Lays out a figure in a picture of this size.
pub fn layout(figure: &Figure, (width, height): (f64, f64)) -> Layout<'_> {
    let inner = width - 2.0 * MARGIN;
    let mut y = 14.0;
    let title = (font::fitted(&figure.title, TITLE, inner), y + 14.0);
    y += 29.0;
    let subtitle = rows(&font::wrapped(&figure.subtitle, SUBTITLE, inner, 2), y, SUBTITLE_ROW);
    y += subtitle.len() as f64 * SUBTITLE_ROW + 6.0;
    let mut notes: Vec<String> =
        figure.notes.iter().flat_map(|note| font::wrapped(note, NOTE, inner, 2)).collect();
    notes.truncate(NOTE_ROWS);
    let notes_top = height - 12.0 - notes.len() as f64 * NOTE_ROW;
    let notes = rows(&notes, notes_top, NOTE_ROW);
    let bottom = notes_top - X_AXIS;

    let (plots, x_ticks) = plots(figure, spans(figure, (y, bottom), inner), width);
    let across = plots.first().map_or(inner, |p| p.frame.right - p.frame.left);
    let x_label = (font::fitted(&named(&figure.x.label, &x_ticks.unit), LABEL, across), bottom + 34.0);
    Layout { title, subtitle, notes, x_label, x_ticks, plots, y_label: MARGIN + 4.0 }
}

/// Axes and frames of all panels: they share the x axis, and the room that the widest tick of any y axis takes.
fn plots<'a>(figure: &'a Figure, spans: Vec<Span<'a>>, width: f64) -> (Vec<Plot<'a>>, Ticks) {
    let x_ends = scale::ends(&figure.x, x_range(figure));
    let y_axis = |(panel, span): (&Panel, &Span<'_>)| {
        let ends = scale::ends(&panel.y, y_range(panel, x_ends));
        let most = ((span.bottom - span.top) / Y_TICK_ROOM).max(2.0) as usize;
        (ends, scale::ticks(&panel.y, ends, most))
    };
    let axes: Vec<_> = figure.panels.iter().zip(&spans).map(y_axis).collect();
    let widest = axes.iter().flat_map(|a| &a.1.marks).map(|m| font::width(&m.1, TICK)).fold(0.0, f64::max);
    let left = MARGIN + 20.0 + 8.0 + widest.min(width / 4.0);
    let right = width - MARGIN - 8.0;
    let made = figure.panels.iter().zip(spans).zip(axes).map(|((panel, span), (ends, y_ticks))| {
        let frame = Frame { left, top: span.top, right, bottom: span.bottom };
        let room = frame.bottom - frame.top + 10.0;
        Plot {
            panel,
            legend: span.legend,
            mark_names: span.mark_names,
            frame,
            x: Scale { low: x_ends.0, high: x_ends.1, from: left, to: right },
            y: Scale { low: ends.0, high: ends.1, from: frame.bottom, to: frame.top },
            y_label: font::fitted(&named(&panel.y.label, &y_ticks.unit), LABEL, room),
            y_ticks,
        }
    });
    (made.collect(), scale::ticks(&figure.x, x_ends, ((right - left) / X_TICK_ROOM) as usize))
}

/// `Latency (s)`.
fn named(label: &str, unit: &str) -> String {
    if unit.is_empty() { label.to_owned() } else { format!("{label} ({unit})") }
}

fn rows(lines: &[String], top: f64, row: f64) -> Vec<(String, f64)> {
    lines.iter().enumerate().map(|(i, line)| (line.clone(), top + (i as f64 + 0.5) * row)).collect()
}

/// A panel from top to bottom.
struct Span<'a> {
    legend: Vec<Entry<'a>>,
    mark_names: Option<f64>,
    top: f64,
    bottom: f64,
}

/// Divides the height among the panels: legends and names take what they need, plots the rest in equal parts.
fn spans(figure: &Figure, (top, bottom): (f64, f64), inner: f64) -> Vec<Span<'_>> {
    let count = figure.panels.len().max(1);
    let most = (LEGEND_ROWS / count).max(2);
    let legends: Vec<_> = figure.panels.iter().map(|panel| legend(panel, inner, most)).collect();
    let names = figure.marks.iter().any(|m| !m.label.is_empty());
    let taken: f64 = legends.iter().map(|l| l.1 + 4.0).sum::<f64>()
        + if names { MARK_ROW } else { 0.0 }
        + GAP * (count - 1) as f64;
    let each = ((bottom - top - taken) / count as f64).max(LOWEST);
    let mut y = top;
    let mut spans = Vec::with_capacity(count);
    for (i, (mut legend, rows)) in legends.into_iter().enumerate() {
        for entry in &mut legend {
            entry.at.1 += y;
        }
        y += rows + 4.0;
        let mark_names = (names && i == 0).then_some(y + MARK_ROW / 2.0 - 1.0);
        y += if mark_names.is_some() { MARK_ROW } else { 0.0 };
        spans.push(Span { legend, mark_names, top: y, bottom: y + each });
        y += each + GAP;
    }
    spans
}

/// The legend of a panel in rows, from (MARGIN, 0) on, and how high it is.
fn legend(panel: &Panel, inner: f64, most: usize) -> (Vec<Entry<'_>>, f64) {
    let named: Vec<&Series> = panel.series.iter().filter(|s| !s.label.is_empty()).collect();
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let (mut x, mut row) = (0.0, 0);
    for (i, series) in named.iter().enumerate() {
        let text = font::fitted(&series.label, LEGEND, inner - SAMPLE - 6.0);
        let width = SAMPLE + 6.0 + font::width(&text, LEGEND);
        if x > 0.0 && x + width > inner {
            (x, row) = (0.0, row + 1);
        }
        if row + 1 == most && i + 1 < named.len() && x + width + 90.0 > inner || row == most {
            let text = format!("and {} more", named.len() - i);
            entries.push(Entry { at: (MARGIN + x, middle(row.min(most - 1))), text, series: None });
            break;
        }
        entries.push(Entry { at: (MARGIN + x, middle(row)), text, series: Some(series) });
        x += width + 22.0;
    }
    let height = if entries.is_empty() { 0.0 } else { (row.min(most - 1) + 1) as f64 * LEGEND_ROW };
    (entries, height)
}

fn middle(row: usize) -> f64 {
    (row as f64 + 0.5) * LEGEND_ROW
}

fn x_range(figure: &Figure) -> Option<(f64, f64)> {
    let series = || figure.panels.iter().flat_map(|p| &p.series);
    let room = figure.panels.iter().map(|p| slot(p) / 2.0).fold(0.0, f64::max);
    let bars = series().filter(|s| s.style == Style::Bars).flat_map(Series::drawable);
    let bars = bars.flat_map(|(x, _)| [x - room, x + room]);
    range(series().flat_map(Series::drawable).map(|p| p.0).chain(bars))
}

/// Of what is between the ends of the x axis.
fn y_range(panel: &Panel, (low, high): (f64, f64)) -> Option<(f64, f64)> {
    let bars = panel.series.iter().any(|s| s.style == Style::Bars).then_some(0.0);
    let shown = panel.series.iter().flat_map(Series::drawable).filter(|(x, _)| (low..=high).contains(x));
    range(shown.map(|p| p.1).chain(bars))
}

/// The room on the x axis for all bars at one place; 0 without bars.
pub fn slot(panel: &Panel) -> f64 {
    let bars = panel.series.iter().filter(|s| s.style == Style::Bars);
    let mut xs: Vec<f64> = bars.flat_map(Series::drawable).map(|p| p.0).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let gaps = xs.windows(2).map(|w| w[1] - w[0]);
    if xs.is_empty() { 0.0 } else { gaps.reduce(f64::min).unwrap_or(1.0) }
}
