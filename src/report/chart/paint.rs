//! Paints a figure: first what lies behind, then lines, then points, then texts.

use plotters::backend::DrawingBackend;

use super::canvas::{Anchor, Canvas, Place, Text};
use super::figure::{Figure, Look, Series, Style};
use super::fit::{Polynomial, range};
use super::labels;
use super::layout::{self, Entry, Layout, Plot};
use super::palette::{Marker, Palette, Rgb, marker};

/// Radius of a marker.
pub const RADIUS: f64 = 4.6;
const DASH: (f64, f64) = (7.0, 4.5);
const DOTS: (f64, f64) = (3.0, 3.5);
/// Pieces that a fitted curve is drawn in.
const PIECES: u32 = 200;
/// How strong a fitted curve is beside its points.
const FAINT: f64 = 0.62;
/// A line gets so many markers.
const MARKERS_A_LINE: f64 = 7.0;

/// Paints a figure onto a canvas of this size, in units.
pub fn paint<B: DrawingBackend>(
    canvas: &mut Canvas<B>,
    figure: &Figure,
    palette: &Palette,
    size: (f64, f64),
) {
    canvas.rectangle((0.0, 0.0), size, palette.ground);
    let layout = layout::layout(figure, size);
    let mut painter = Painter { canvas, palette };
    painter.frame_texts(&layout);
    for (i, plot) in layout.plots.iter().enumerate() {
        painter.grid(plot, &layout);
        painter.marks(plot, figure);
        painter.data(plot);
        painter.axes(plot, &layout, i + 1 == layout.plots.len());
        for entry in &plot.legend {
            painter.entry(entry, marked(&plot.panel.series));
        }
    }
}

struct Painter<'a, B: DrawingBackend> {
    canvas: &'a mut Canvas<B>,
    palette: &'a Palette,
}

impl<B: DrawingBackend> Painter<'_, B> {
    fn text(&mut self, text: &str, at: Place, size: f64, (anchor, color): (Anchor, Rgb)) {
        if !text.is_empty() {
            self.canvas.text(&Text { text, at, size, anchor, color, upright: false });
        }
    }

    fn frame_texts(&mut self, layout: &Layout<'_>) {
        let (ink, faint) = (self.palette.ink, self.palette.faint);
        let left = layout::MARGIN;
        self.text(&layout.title.0, (left, layout.title.1), layout::TITLE, (Anchor::Left, ink));
        for (line, y) in &layout.subtitle {
            self.text(line, (left, *y), layout::SUBTITLE, (Anchor::Left, faint));
        }
        for (line, y) in &layout.notes {
            self.text(line, (left, *y), layout::NOTE, (Anchor::Left, faint));
        }
        if let Some(plot) = layout.plots.first() {
            let middle = f64::midpoint(plot.frame.left, plot.frame.right);
            self.text(&layout.x_label.0, (middle, layout.x_label.1), layout::LABEL, (Anchor::Middle, ink));
        }
    }

    fn grid(&mut self, plot: &Plot<'_>, layout: &Layout<'_>) {
        let frame = plot.frame;
        for (value, _) in &layout.x_ticks.marks {
            let x = plot.x.at(*value);
            self.canvas.line(&[(x, frame.top), (x, frame.bottom)], 0.8, self.palette.grid);
        }
        for (value, _) in &plot.y_ticks.marks {
            let y = plot.y.at(*value);
            self.canvas.line(&[(frame.left, y), (frame.right, y)], 0.8, self.palette.grid);
        }
    }

    fn axes(&mut self, plot: &Plot<'_>, layout: &Layout<'_>, last: bool) {
        let (frame, axis) = (plot.frame, self.palette.axis);
        self.canvas.line(
            &[(frame.left, frame.top), (frame.left, frame.bottom), (frame.right, frame.bottom)],
            1.0,
            axis,
        );
        for (value, text) in &plot.y_ticks.marks {
            let y = plot.y.at(*value);
            self.canvas.line(&[(frame.left - 4.0, y), (frame.left, y)], 1.0, axis);
            self.text(text, (frame.left - 8.0, y), layout::TICK, (Anchor::Right, self.palette.faint));
        }
        for (value, text) in &layout.x_ticks.marks {
            let x = plot.x.at(*value);
            self.canvas.line(&[(x, frame.bottom), (x, frame.bottom + 4.0)], 1.0, axis);
            if last {
                let at = (x, frame.bottom + 14.0);
                self.text(text, at, layout::TICK, (Anchor::Middle, self.palette.faint));
            }
        }
        let at = (layout.y_label, f64::midpoint(frame.top, frame.bottom));
        let (text, color) = (plot.y_label.as_str(), self.palette.ink);
        if !text.is_empty() {
            let size = layout::LABEL;
            self.canvas.text(&Text { text, at, size, anchor: Anchor::Middle, color, upright: true });
        }
    }

    /// Lines at marks, and their names above the first plot, each as far as there is room.
    fn marks(&mut self, plot: &Plot<'_>, figure: &Figure) {
        let frame = plot.frame;
        let mut marks: Vec<_> = figure.marks.iter().filter(|m| m.x.is_finite()).collect();
        marks.sort_by(|a, b| a.x.total_cmp(&b.x));
        let inside: Vec<_> = marks
            .into_iter()
            .map(|mark| (plot.x.at(mark.x), mark))
            .filter(|(x, _)| frame.has((*x, frame.top)))
            .collect();
        for (i, (x, mark)) in inside.iter().enumerate() {
            let color = self.palette.over_ground(self.palette.color(mark.look), 0.75);
            let top = plot
                .mark_names
                .map_or(frame.top, |y| if mark.label.is_empty() { frame.top } else { y - 6.0 });
            self.canvas.dashes(&[(*x, top), (*x, frame.bottom)], 1.0, DOTS, color);
            let next = inside[i + 1..].iter().find(|(_, m)| !m.label.is_empty());
            let room = next.map_or(frame.right, |(x, _)| *x) - x - 8.0;
            if let Some(y) = plot.mark_names {
                let name = super::font::fitted(&mark.label, layout::NOTE, room);
                // A name that lost nearly everything tells nothing.
                if name.chars().count() >= mark.label.chars().count().min(4) {
                    self.text(&name, (x + 4.0, y), layout::NOTE, (Anchor::Left, self.palette.faint));
                }
            }
        }
    }

    fn data(&mut self, plot: &Plot<'_>) {
        self.bars(plot);
        let series = &plot.panel.series;
        for s in series {
            self.fit(plot, s);
        }
        let marked = marked(series);
        for s in series {
            match s.style {
                Style::Line => self.line(plot, s, marked),
                Style::Dashed | Style::Reference | Style::Measured { joined: true } => {
                    self.line(plot, s, false);
                }
                Style::Measured { joined: false } | Style::Bars => {}
            }
        }
        for s in series {
            if matches!(s.style, Style::Measured { .. } | Style::Reference) {
                let color = self.palette.color(s.look);
                for (x, y) in s.drawable() {
                    let at = (plot.x.at(x), plot.y.at(y));
                    if plot.frame.has(at) {
                        self.point(at, s, color);
                    }
                }
            }
        }
        for label in labels::place(plot) {
            let color = self.palette.color(label.look);
            self.text(&label.text, label.at, labels::SIZE, (Anchor::Middle, color));
        }
    }

    /// A marker with a rim of the ground's colour, so that points on each other can be told apart.
    fn point(&mut self, at: Place, series: &Series, color: Rgb) {
        let (shape, ground) = (marker(series.look), self.palette.ground);
        self.canvas.marker(shape, at, RADIUS + 1.1, ground);
        self.canvas.marker(shape, at, RADIUS, color);
        let hollow = !matches!(shape, Marker::Cross | Marker::Plus);
        if series.style == Style::Reference && hollow {
            self.canvas.marker(shape, at, RADIUS - 1.6, ground);
        }
    }

    fn stroke(&mut self, style: Style, places: &[Place], color: Rgb) {
        match style {
            Style::Reference => self.canvas.dashes(places, 1.6, DASH, color),
            Style::Dashed => self.canvas.dashes(places, 1.5, (4.0, 3.0), color),
            _ => self.canvas.line(places, 1.7, color),
        }
    }

    /// Straight lines from point to point; they end where a point can't be drawn.
    fn line(&mut self, plot: &Plot<'_>, series: &Series, markers: bool) {
        let color = self.palette.color(series.look);
        let place = |p: &super::figure::Point| (plot.x.at(p.x), plot.y.at(p.y));
        for run in series.points.split(|p| !p.drawable()).filter(|run| !run.is_empty()) {
            let places: Vec<Place> = run.iter().map(place).collect();
            for piece in plot.frame.clip(&places) {
                self.stroke(series.style, &piece, color);
            }
            if let [alone] = places[..]
                && matches!(series.style, Style::Line | Style::Dashed)
                && plot.frame.has(alone)
            {
                self.canvas.marker(Marker::Circle, alone, 1.6, color);
            }
        }
        if markers {
            self.markers(plot, series, color);
        }
    }

    /// Some markers along a line, so that it can be told apart without colours.
    fn markers(&mut self, plot: &Plot<'_>, series: &Series, color: Rgb) {
        let every = (plot.frame.right - plot.frame.left) / MARKERS_A_LINE;
        let shift = match series.look {
            Look::Number(n) => (n % 7) as f64 / 7.0,
            Look::Plain => 0.0,
        };
        let mut next = plot.frame.left + every * shift;
        for (x, y) in series.drawable() {
            let at = (plot.x.at(x), plot.y.at(y));
            if at.0 >= next && plot.frame.has(at) {
                self.point(at, series, color);
                next = at.0 + every;
            }
        }
    }

    fn fit(&mut self, plot: &Plot<'_>, series: &Series) {
        let places = fitted(plot, series);
        let color = self.palette.over_ground(self.palette.color(series.look), FAINT);
        for piece in plot.frame.clip(&places) {
            match series.style {
                Style::Reference => self.canvas.dashes(&piece, 1.8, DASH, color),
                _ => self.canvas.line(&piece, 2.0, color),
            }
        }
    }

    fn bars(&mut self, plot: &Plot<'_>) {
        let bars: Vec<_> = plot.panel.series.iter().filter(|s| s.style == Style::Bars).collect();
        let slot = layout::slot(plot.panel) * 0.8;
        let each = slot / bars.len().max(1) as f64;
        let frame = plot.frame;
        let inside = |x: f64| x.clamp(frame.left, frame.right);
        let floor = plot.y.at(0.0).clamp(frame.top, frame.bottom);
        for (i, series) in bars.iter().enumerate() {
            for (x, y) in series.drawable() {
                let left = x - slot / 2.0 + each * i as f64;
                // A hair of room between bars.
                let (from, to) = (plot.x.at(left + each * 0.03), plot.x.at(left + each * 0.97));
                let top = plot.y.at(y).clamp(frame.top, frame.bottom);
                let (from, to) = (inside(from), inside(to));
                if to > from && (top - floor).abs() > 0.05 {
                    let color = self.palette.color(series.look);
                    self.canvas.rectangle((from, top.min(floor)), (to, top.max(floor)), color);
                }
            }
        }
    }

    fn entry(&mut self, entry: &Entry<'_>, marked: bool) {
        let (x, y) = entry.at;
        let Some(series) = entry.series else {
            return self.text(&entry.text, (x, y), layout::LEGEND, (Anchor::Left, self.palette.faint));
        };
        let color = self.palette.color(series.look);
        let (from, to) = ((x, y), (x + layout::SAMPLE, y));
        match series.style {
            Style::Bars => self.canvas.rectangle((x + 8.0, y - 6.0), (x + 22.0, y + 6.0), color),
            Style::Measured { joined: false } if series.fit.is_none() => {}
            Style::Measured { .. } if series.fit.is_some() => {
                let faint = self.palette.over_ground(color, FAINT);
                self.canvas.line(&[from, to], 2.0, faint);
            }
            style => self.stroke(style, &[from, to], color),
        }
        let told_by_marker = matches!(series.style, Style::Measured { .. } | Style::Reference)
            || series.style == Style::Line && marked && series.look != Look::Plain;
        if told_by_marker {
            self.point((x + layout::SAMPLE / 2.0, y), series, color);
        }
        let at = (x + layout::SAMPLE + 6.0, y);
        self.text(&entry.text, at, layout::LEGEND, (Anchor::Left, self.palette.ink));
    }
}

/// Whether lines get markers: where there are several that only colours would tell apart.
pub fn marked(series: &[Series]) -> bool {
    let lines = series.iter().filter(|s| s.style == Style::Line && s.look != Look::Plain);
    let mut looks: Vec<Look> = lines.map(|s| s.look).collect();
    looks.sort_unstable();
    looks.dedup();
    looks.len() > 1
}

/// The places of a series' fitted curve; none without one.
pub fn fitted(plot: &Plot<'_>, series: &Series) -> Vec<Place> {
    let points: Vec<_> = series.drawable().collect();
    let ends = range(points.iter().map(|p| p.0)).filter(|(low, high)| low < high);
    let Some(((low, high), degree)) = ends.zip(series.fit) else { return Vec::new() };
    let Some(curve) = Polynomial::fit(&points, degree) else { return Vec::new() };
    let at = |i: u32| low + (high - low) * f64::from(i) / f64::from(PIECES);
    (0..=PIECES).map(|i| (plot.x.at(at(i)), plot.y.at(curve.at(at(i))))).collect()
}
