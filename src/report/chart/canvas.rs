//! What can be painted: lines, shapes and texts at places that are fractions of a unit, on any of plotters'
//! backends.
//!
//! Backends know whole places only. So they get a finer grid than the picture has: ten steps a unit in SVG,
//! several pixels a pixel in PNG. plotters writes texts into an SVG as texts; into pixels it would need fonts of
//! the system, so glyphs come from the embedded font.

use plotters::backend::DrawingBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color as _, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle,
};

use super::font;
use super::palette::{Marker, Rgb};

/// A place, in units from the upper left corner.
pub type Place = (f64, f64);

/// How texts get onto a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// The backend writes them.
    Written,
    /// Pixel by pixel.
    Drawn,
}

/// Which part of a text is at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Left,
    Middle,
    Right,
}

/// A text; its place is half-way up its small letters.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    pub text: &'a str,
    pub at: Place,
    pub size: f64,
    pub anchor: Anchor,
    pub color: Rgb,
    /// Read from below.
    pub upright: bool,
}

/// A backend with a finer grid. The first thing that can't be painted is kept and told at the end.
pub struct Canvas<B: DrawingBackend> {
    backend: B,
    texts: Texts,
    /// Steps of the backend a unit.
    steps: f64,
    failed: Option<String>,
}

impl<B: DrawingBackend> Canvas<B> {
    pub fn new(backend: B, texts: Texts, steps: f64) -> Self {
        Self { backend, texts, steps, failed: None }
    }

    /// Ends the picture.
    ///
    /// # Errors
    /// What the backend could not do.
    pub fn finish(mut self) -> Result<(), String> {
        let presented = self.backend.present().map_err(|e| e.to_string());
        self.failed.map_or(presented, Err)
    }

    fn spot(&self, (x, y): Place) -> (i32, i32) {
        // No place is far outside: scales see to that.
        ((x * self.steps).round() as i32, (y * self.steps).round() as i32)
    }

    fn keep<E: std::fmt::Display>(&mut self, painted: Result<(), E>) {
        if let Err(error) = painted {
            self.failed.get_or_insert_with(|| error.to_string());
        }
    }

    fn style(&self, color: Rgb, width: f64) -> ShapeStyle {
        let color = RGBColor(color.0, color.1, color.2);
        let style = ShapeStyle::from(&color).filled();
        style.stroke_width(((width * self.steps).round() as u32).max(1))
    }

    /// A line through these places.
    pub fn line(&mut self, places: &[Place], width: f64, color: Rgb) {
        let style = self.style(color, width);
        let spots: Vec<_> = places.iter().map(|p| self.spot(*p)).collect();
        if self.texts == Texts::Written {
            let painted = self.backend.draw_path(spots, &style);
            self.keep(painted);
            return;
        }
        // plotters turns a bent line into one outline, which goes wrong at sharp bends: so each piece by itself,
        // with round joints.
        for pair in spots.windows(2).filter(|pair| pair[0] != pair[1]) {
            let painted = self.backend.draw_path(pair.iter().copied(), &style);
            self.keep(painted);
        }
        // A joint wider than its line would show.
        let radius = style.stroke_width.saturating_sub(1) / 2;
        for spot in spots.iter().skip(1).take(spots.len().saturating_sub(2)) {
            let painted = self.backend.draw_circle(*spot, radius, &style, true);
            self.keep(painted);
        }
    }

    /// A line of dashes: `on` units drawn, `off` units left out.
    pub fn dashes(&mut self, places: &[Place], width: f64, (on, off): (f64, f64), color: Rgb) {
        for dash in dashes(places, on, off) {
            self.line(&dash, width, color);
        }
    }

    /// A filled shape.
    pub fn shape(&mut self, corners: &[Place], color: Rgb) {
        let style = self.style(color, 1.0);
        let spots: Vec<_> = corners.iter().map(|p| self.spot(*p)).collect();
        let painted = self.backend.fill_polygon(spots, &style);
        self.keep(painted);
    }

    /// A filled rectangle from one corner to the other.
    pub fn rectangle(&mut self, from: Place, to: Place, color: Rgb) {
        let style = self.style(color, 1.0);
        let (from, to) = (self.spot(from), self.spot(to));
        let painted = self.backend.draw_rect(from, to, &style, true);
        self.keep(painted);
    }

    fn circle(&mut self, at: Place, radius: f64, color: Rgb) {
        let style = self.style(color, 1.0);
        let radius = (radius * self.steps).round() as u32;
        let painted = self.backend.draw_circle(self.spot(at), radius, &style, true);
        self.keep(painted);
    }

    /// A marker whose circle would have this radius.
    pub fn marker(&mut self, marker: Marker, (x, y): Place, radius: f64, color: Rgb) {
        let corners = |shape: &[Place]| -> Vec<Place> {
            shape.iter().map(|(dx, dy)| (x + dx * radius, y + dy * radius)).collect()
        };
        let shape: &[Place] = match marker {
            Marker::Circle => return self.circle((x, y), radius, color),
            Marker::Cross | Marker::Plus => return self.strokes(marker, (x, y), radius, color),
            Marker::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Marker::Triangle => &[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
            Marker::TriangleDown => &[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)],
            Marker::Diamond => &[(0.0, -1.3), (1.1, 0.0), (0.0, 1.3), (-1.1, 0.0)],
            Marker::Pentagon => &[(0.0, -1.15), (1.1, -0.35), (0.68, 0.93), (-0.68, 0.93), (-1.1, -0.35)],
        };
        self.shape(&corners(shape), color);
    }

    fn strokes(&mut self, marker: Marker, (x, y): Place, radius: f64, color: Rgb) {
        let (a, b) = if marker == Marker::Cross { (0.85, 0.85) } else { (0.0, 1.1) };
        let (a, b) = (a * radius, b * radius);
        let width = radius * 0.55;
        self.line(&[(x - a, y - b), (x + a, y + b)], width, color);
        self.line(&[(x - b, y + a), (x + b, y - a)], width, color);
    }

    /// A text.
    pub fn text(&mut self, text: &Text<'_>) {
        match self.texts {
            Texts::Written => self.written(text),
            Texts::Drawn => self.drawn(text),
        }
    }

    fn written(&mut self, text: &Text<'_>) {
        // plotters divides by this to get from a font's height to its em.
        let size = text.size * self.steps * 1.24;
        let turned = if text.upright { FontTransform::Rotate270 } else { FontTransform::None };
        let font = FontDesc::new(FontFamily::Name(font::FAMILY), size, FontStyle::Normal).transform(turned);
        let horizontal = match text.anchor {
            Anchor::Left => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        let color = RGBColor(text.color.0, text.color.1, text.color.2);
        let style = TextStyle::from(font).color(&color).pos(Pos::new(horizontal, VPos::Center));
        let painted = self.backend.draw_text(text.text, &style, self.spot(text.at));
        self.keep(painted);
    }

    fn drawn(&mut self, text: &Text<'_>) {
        let em = text.size * self.steps;
        let back = match text.anchor {
            Anchor::Left => 0.0,
            Anchor::Middle => font::width(text.text, em) / 2.0,
            Anchor::Right => font::width(text.text, em),
        };
        let (x, y) = self.spot(text.at);
        let (back, down) = (back.round() as i32, (font::HALF_X_HEIGHT * em).round() as i32);
        let color = RGBColor(text.color.0, text.color.1, text.color.2);
        let (backend, mut failed) = (&mut self.backend, None);
        font::pixels(text.text, em, |px, py, covered| {
            let (dx, dy) = (px - back, py + down);
            let spot = if text.upright { (x + dy, y - dx) } else { (x + dx, y + dy) };
            if let Err(error) = backend.draw_pixel(spot, color.mix(covered).to_backend_color()) {
                failed.get_or_insert_with(|| error.to_string());
            }
        });
        if self.failed.is_none() {
            self.failed = failed;
        }
    }
}

/// The dashes of a line.
fn dashes(places: &[Place], on: f64, off: f64) -> Vec<Vec<Place>> {
    let mut out = Vec::new();
    let mut dash: Vec<Place> = Vec::new();
    // What is left of the present dash, or of the present gap.
    let (mut drawing, mut left) = (true, on);
    for pair in places.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let along = |way: f64| {
            let share = if length > 0.0 { way / length } else { 0.0 };
            (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share)
        };
        let mut way = 0.0;
        if drawing && dash.is_empty() {
            dash.push(from);
        }
        while length - way > left {
            way += left;
            if drawing {
                dash.push(along(way));
                out.push(std::mem::take(&mut dash));
            } else {
                dash.push(along(way));
            }
            drawing = !drawing;
            left = if drawing { on } else { off };
        }
        left -= length - way;
        if drawing {
            dash.push(to);
        }
    }
    if dash.len() > 1 {
        out.push(dash);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_round_corners() {
        let line = [(0.0, 0.0), (5.0, 0.0), (5.0, 5.0)];
        let got = dashes(&line, 4.0, 2.0);
        assert_eq!(got, [vec![(0.0, 0.0), (4.0, 0.0)], vec![(5.0, 1.0), (5.0, 5.0)]]);
        assert_eq!(dashes(&line, 7.0, 2.0)[0], [(0.0, 0.0), (5.0, 0.0), (5.0, 2.0)]);
        assert_eq!(dashes(&[(1.0, 1.0)], 4.0, 2.0), Vec::<Vec<Place>>::new());
        assert!(dashes(&[(1.0, 1.0), (1.0, 1.0)], 4.0, 2.0).iter().flatten().all(|p| *p == (1.0, 1.0)));
    }
}
