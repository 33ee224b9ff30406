//! Figures as parts of a page: SVG whose colours, letters and strokes are left to the page's style sheet, so that one
//! picture does by day, by night and on paper, and whose series are groups that a script can find.
//!
//! The places of everything are those of the other pictures ([`layout`]). What a page says in its own words (title,
//! notes, legend) is left out: it reads better as text.

use std::fmt::Write as _;

use super::canvas::Place;
use super::figure::{Figure, Look, Series, Style};
use super::layout::{self, Layout, Plot};
use super::paint::{RADIUS, fitted, marked};
use super::palette::{DARK, LIGHT, Marker, Palette, marker};
use super::{font, labels};

/// What the layout keeps free for a title above, and for notes below.
const NO_TITLE: f64 = 38.0;
const NO_NOTES: f64 = 6.0;
/// A line with several looks gets so many markers.
const MARKERS_A_LINE: f64 = 7.0;

/// The figure as an `<svg>` element, so many units wide and high. It is hidden from screen readers: whoever places it
/// says beside it what it shows.
pub fn part(figure: &Figure, (width, height): (f64, f64), class: &str) -> String {
    let mut bare = figure.clone();
    bare.title.clear();
    bare.subtitle.clear();
    bare.notes.clear();
    for series in bare.panels.iter_mut().flat_map(|p| &mut p.series) {
        series.label.clear();
    }
    let layout = layout::layout(&bare, (width, height + NO_TITLE + NO_NOTES));
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg class=\"{class}\" viewBox=\"0 {NO_TITLE} {width} {height}\" aria-hidden=\"true\" focusable=\"false\">"
    );
    for (i, plot) in layout.plots.iter().enumerate() {
        let _ = write!(out, "<g class=\"panel\" {}>", extents(plot));
        grid(&mut out, plot, &layout, i + 1 == layout.plots.len());
        marks(&mut out, plot, figure);
        data(&mut out, plot);
        out.push_str("</g>");
    }
    if let Some(plot) = layout.plots.first() {
        let at = (f64::midpoint(plot.frame.left, plot.frame.right), layout.x_label.1);
        text(&mut out, &layout.x_label.0, at, "name mid");
    }
    out.push_str("</svg>\n");
    out
}

/// The colours of both palettes as custom properties: `--c0` … for looks, `--plain`, `--grid`, `--axis`.
pub fn properties(dark: bool) -> String {
    let palette = if dark { &DARK } else { &LIGHT };
    let mut out = String::new();
    for n in 0..Palette::LOOKS {
        let _ = write!(out, "--c{n}:{};", hex(palette.color(Look::Number(n))));
    }
    let named = [("plain", palette.faint), ("grid", palette.grid), ("axis", palette.axis)];
    for (name, color) in named {
        let _ = write!(out, "--{name}:{};", hex(color));
    }
    out
}

/// A series' line of the legend as a little picture: its stroke and its marker.
pub fn sample(series: &Series, marked: bool) -> String {
    let mut out =
        format!("<svg class=\"sample {}\" viewBox=\"0 0 30 14\" aria-hidden=\"true\">", look(series));
    match series.style {
        Style::Bars => out.push_str("<rect class=\"bar\" x=\"8\" y=\"1\" width=\"14\" height=\"12\"/>"),
        Style::Measured { joined: false } if series.fit.is_none() => {}
        _ => {
            let _ = write!(out, "<path class=\"{}\" d=\"M1 7H29\"/>", stroke(series));
        }
    }
    let by_line = series.style == Style::Line && marked && series.look != Look::Plain;
    if matches!(series.style, Style::Measured { .. } | Style::Reference) || by_line {
        point(&mut out, series, (15.0, 7.0));
    }
    out.push_str("</svg>");
    out
}

/// Whether lines of these series have markers.
pub fn has_markers(series: &[Series]) -> bool {
    marked(series)
}

fn hex((r, g, b): (u8, u8, u8)) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// The class of a series' look.
fn look(series: &Series) -> String {
    look_class(series.look)
}

fn look_class(look: Look) -> String {
    match look {
        Look::Number(n) => format!("c{}", n % Palette::LOOKS),
        Look::Plain => "plain".to_owned(),
    }
}

/// Where the plot is, and what its axes reach: what a script needs to turn values into places.
fn extents(plot: &Plot<'_>) -> String {
    let f = plot.frame;
    format!(
        "data-frame=\"{:.2} {:.2} {:.2} {:.2}\" data-x=\"{} {}\" data-y=\"{} {}\"",
        f.left, f.top, f.right, f.bottom, plot.x.low, plot.x.high, plot.y.low, plot.y.high
    )
}

fn text(out: &mut String, text: &str, (x, y): Place, class: &str) {
    if !text.is_empty() {
        let _ = write!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(text));
    }
}

fn escaped(text: &str) -> String {
    font::harmless(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn grid(out: &mut String, plot: &Plot<'_>, layout: &Layout<'_>, last: bool) {
    let f = plot.frame;
    let mut lines = String::new();
    for (value, _) in &layout.x_ticks.marks {
        let _ = write!(lines, "M{:.1} {:.1}V{:.1}", plot.x.at(*value), f.top, f.bottom);
    }
    for (value, _) in &plot.y_ticks.marks {
        let _ = write!(lines, "M{:.1} {:.1}H{:.1}", f.left, plot.y.at(*value), f.right);
    }
    let _ = write!(out, "<path class=\"grid\" d=\"{lines}\"/>");
    let _ = write!(
        out,
        "<path class=\"axis\" d=\"M{:.1} {:.1}V{:.1}H{:.1}\"/>",
        f.left, f.top, f.bottom, f.right
    );
    for (value, told) in &plot.y_ticks.marks {
        text(out, told, (f.left - 7.0, plot.y.at(*value)), "tick end");
    }
    for (value, told) in layout.x_ticks.marks.iter().filter(|_| last) {
        text(out, told, (plot.x.at(*value), f.bottom + 14.0), "tick mid");
    }
    let (x, y) = (layout.y_label, f64::midpoint(f.top, f.bottom));
    if !plot.y_label.is_empty() {
        let _ = write!(
            out,
            "<text class=\"name mid\" transform=\"translate({x:.1} {y:.1}) rotate(-90)\">{}</text>",
            escaped(&plot.y_label)
        );
    }
}

/// Lines at marks, and their names above the first plot, each as far as there is room.
fn marks(out: &mut String, plot: &Plot<'_>, figure: &Figure) {
    let f = plot.frame;
    let mut inside: Vec<_> = figure
        .marks
        .iter()
        .filter(|m| m.x.is_finite())
        .map(|m| (plot.x.at(m.x), m))
        .filter(|(x, _)| f.has((*x, f.top)))
        .collect();
    inside.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (i, (x, mark)) in inside.iter().enumerate() {
        let _ = write!(
            out,
            "<path class=\"mark {}\" d=\"M{x:.1} {:.1}V{:.1}\"/>",
            look_class(mark.look),
            f.top,
            f.bottom
        );
        let Some(y) = plot.mark_names else { continue };
        let next = inside[i + 1..].iter().find(|(_, m)| !m.label.is_empty());
        let name = font::fitted(&mark.label, layout::NOTE, next.map_or(f.right, |(x, _)| *x) - x - 8.0);
        // A name that lost nearly everything tells nothing.
        if name.chars().count() >= mark.label.chars().count().min(4) {
            text(out, &name, (x + 3.0, y), "tick");
        }
    }
}

fn data(out: &mut String, plot: &Plot<'_>) {
    let bars = Bars::of(plot);
    let marked = marked(&plot.panel.series);
    let mut bar = 0;
    for (i, series) in plot.panel.series.iter().enumerate() {
        let _ = write!(out, "<g class=\"series {}\" data-series=\"{i}\">", look(series));
        line_of(out, "fit", series, &plot.frame.clip(&fitted(plot, series)));
        match series.style {
            Style::Bars => {
                bars.draw(out, plot, series, bar);
                bar += 1;
            }
            Style::Measured { joined: false } => {}
            _ => line(out, plot, series),
        }
        match series.style {
            Style::Measured { .. } | Style::Reference => {
                let places = series.drawable().map(|(x, y)| (plot.x.at(x), plot.y.at(y)));
                places.filter(|at| plot.frame.has(*at)).for_each(|at| point(out, series, at));
            }
            Style::Line if marked => some_points(out, plot, series),
            _ => {}
        }
        out.push_str("</g>");
    }
    for label in labels::place(plot) {
        let of = plot.panel.series.iter().position(|s| s.look == label.look).unwrap_or(0);
        let _ = write!(
            out,
            "<text class=\"beside mid {}\" data-of=\"{of}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            look_class(label.look),
            label.at.0,
            label.at.1,
            escaped(&label.text)
        );
    }
}

/// The class of a series' stroke.
fn stroke(series: &Series) -> &'static str {
    match series.style {
        Style::Reference => "line reference",
        Style::Dashed => "line dashed",
        Style::Measured { .. } if series.fit.is_some() => "fit",
        _ => "line",
    }
}

fn line(out: &mut String, plot: &Plot<'_>, series: &Series) {
    let place = |p: &super::figure::Point| (plot.x.at(p.x), plot.y.at(p.y));
    let mut pieces = Vec::new();
    for run in series.points.split(|p| !p.drawable()).filter(|run| !run.is_empty()) {
        let places: Vec<Place> = run.iter().map(place).collect();
        match places[..] {
            [alone] if !matches!(series.style, Style::Measured { .. } | Style::Reference) => {
                if plot.frame.has(alone) {
                    // A stroke without a length, whose round ends make it a dot.
                    pieces.push(vec![alone, alone]);
                }
            }
            _ => pieces.extend(plot.frame.clip(&places)),
        }
    }
    line_of(out, stroke(series), series, &pieces);
}

fn line_of(out: &mut String, class: &str, series: &Series, pieces: &[Vec<Place>]) {
    if pieces.is_empty() {
        return;
    }
    let dashed = if class == "fit" && series.style == Style::Reference { " reference" } else { "" };
    let _ = write!(out, "<path class=\"{class}{dashed}\" d=\"");
    for piece in pieces {
        for (i, (x, y)) in piece.iter().enumerate() {
            let _ = write!(out, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
        }
    }
    out.push_str("\"/>");
}

/// Some markers along a line, so that it can be told apart without colours.
fn some_points(out: &mut String, plot: &Plot<'_>, series: &Series) {
    let every = (plot.frame.right - plot.frame.left) / MARKERS_A_LINE;
    let shift = match series.look {
        Look::Number(n) => (n % 7) as f64 / 7.0,
        Look::Plain => return,
    };
    let mut next = plot.frame.left + every * shift;
    for (x, y) in series.drawable() {
        let at = (plot.x.at(x), plot.y.at(y));
        if at.0 >= next && plot.frame.has(at) {
            point(out, series, at);
            next = at.0 + every;
        }
    }
}

/// A marker, drawn around nothing and moved to its place, so that a script can move it on.
fn point(out: &mut String, series: &Series, (x, y): Place) {
    let hollow = if series.style == Style::Reference { " hollow" } else { "" };
    let _ = write!(
        out,
        "<path class=\"point{hollow}\" transform=\"translate({x:.1} {y:.1})\" d=\"{}\"/>",
        outline(marker(series.look))
    );
}

/// A marker's outline, whose circle has the radius of all pictures.
fn outline(marker: Marker) -> String {
    let corners: &[Place] = match marker {
        Marker::Circle => {
            return format!(
                "M-{RADIUS} 0a{RADIUS} {RADIUS} 0 1 1 {0} 0a{RADIUS} {RADIUS} 0 1 1 -{0} 0z",
                2.0 * RADIUS
            );
        }
        Marker::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        Marker::Triangle => &[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
        Marker::TriangleDown => &[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)],
        Marker::Diamond => &[(0.0, -1.3), (1.1, 0.0), (0.0, 1.3), (-1.1, 0.0)],
        Marker::Pentagon => &[(0.0, -1.15), (1.1, -0.35), (0.68, 0.93), (-0.68, 0.93), (-1.1, -0.35)],
        Marker::Plus => &PLUS,
        Marker::Cross => return polygon(&PLUS.map(turned)),
    };
    polygon(corners)
}

const PLUS: [Place; 12] = [
    (-0.3, -1.1),
    (0.3, -1.1),
    (0.3, -0.3),
    (1.1, -0.3),
    (1.1, 0.3),
    (0.3, 0.3),
    (0.3, 1.1),
    (-0.3, 1.1),
    (-0.3, 0.3),
    (-1.1, 0.3),
    (-1.1, -0.3),
    (-0.3, -0.3),
];

/// By an eighth of a full turn.
fn turned((x, y): Place) -> Place {
    let half = std::f64::consts::FRAC_1_SQRT_2;
    ((x - y) * half, (x + y) * half)
}

fn polygon(corners: &[Place]) -> String {
    let mut out = String::new();
    for (i, (x, y)) in corners.iter().enumerate() {
        let _ = write!(out, "{}{:.2} {:.2}", if i == 0 { 'M' } else { 'L' }, x * RADIUS, y * RADIUS);
    }
    out + "z"
}

/// The room that bars share at each place of the x axis.
struct Bars {
    slot: f64,
    each: f64,
}

impl Bars {
    fn of(plot: &Plot<'_>) -> Self {
        let count = plot.panel.series.iter().filter(|s| s.style == Style::Bars).count();
        let slot = layout::slot(plot.panel) * 0.8;
        Self { slot, each: slot / count.max(1) as f64 }
    }

    fn draw(&self, out: &mut String, plot: &Plot<'_>, series: &Series, number: usize) {
        let f = plot.frame;
        let floor = plot.y.at(0.0).clamp(f.top, f.bottom);
        for (x, y) in series.drawable() {
            let left = x - self.slot / 2.0 + self.each * number as f64;
            let place = |x: f64| plot.x.at(x).clamp(f.left, f.right);
            let (from, to) = (place(left + self.each * 0.03), place(left + self.each * 0.97));
            let top = plot.y.at(y).clamp(f.top, f.bottom);
            let _ = write!(
                out,
                "<rect class=\"bar\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                top.min(floor),
                to - from,
                (top - floor).abs()
            );
        }
    }
}
