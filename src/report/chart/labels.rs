//! Labels beside points, where there is room: none lies on a point or on another label.

use super::canvas::Place;
use super::figure::{Look, Series};
use super::font;
use super::layout::Plot;
use super::paint::{RADIUS, fitted};

pub const SIZE: f64 = 10.5;

/// A label's extent: left, top, right, bottom.
type Box4 = (f64, f64, f64, f64);

/// A label with room; `at` is its middle.
pub struct Label {
    pub text: String,
    pub at: Place,
    /// Of its series.
    pub look: Look,
}

/// The labels that have room: best where no curve passes either, else on a curve.
pub fn place(plot: &Plot<'_>) -> Vec<Label> {
    let at = |(x, y)| (plot.x.at(x), plot.y.at(y));
    let series = &plot.panel.series;
    let points: Vec<Place> = series.iter().flat_map(Series::drawable).map(at).collect();
    let curves: Vec<Place> = series.iter().flat_map(|s| fitted(plot, s)).collect();
    let labelled = series.iter().flat_map(|s| s.points.iter().map(move |p| (s.look, p)));
    let labelled = labelled.filter(|(_, p)| p.drawable() && !p.label.is_empty());
    let mut taken: Vec<Box4> = Vec::new();
    let mut placed = Vec::new();
    for (look, point) in labelled {
        let center = at((point.x, point.y));
        if !plot.frame.has(center) {
            continue;
        }
        let text = font::fitted(&point.label, SIZE, 160.0);
        let half = (font::width(&text, SIZE) / 2.0, SIZE * 0.5);
        let area = |(x, y): Place| (x - half.0, y - half.1, x + half.0, y + half.1);
        let free = |place: &Place| {
            let area = area(*place);
            inside(plot, area)
                && !points.iter().any(|p| near(*p, area, RADIUS - 0.5))
                && !taken.iter().any(|b| meet(*b, area))
        };
        let candidates: Vec<Place> = around(center, half).into_iter().filter(free).collect();
        let clear = |place: &&Place| !curves.iter().any(|p| near(*p, area(**place), 1.0));
        if let Some(at) = candidates.iter().find(clear).or(candidates.first()).copied() {
            taken.push(area(at));
            placed.push(Label { text, at, look });
        }
    }
    placed
}

fn inside(plot: &Plot<'_>, (left, top, right, bottom): Box4) -> bool {
    let frame = plot.frame;
    left > frame.left + 1.0
        && right < frame.right - 1.0
        && top > frame.top + 1.0
        && bottom < frame.bottom - 1.0
}

/// Places around a point, the best first: a rising curve leaves room above it to the left, and below to the right.
fn around((x, y): Place, (w, h): (f64, f64)) -> [Place; 6] {
    let (near, far) = (RADIUS + 2.0, RADIUS + 4.0);
    [
        (x - w - near, y - h - 2.0),
        (x + w + near, y + h + 2.0),
        (x, y - h - far),
        (x, y + h + far),
        (x + w + far, y),
        (x - w - far, y),
    ]
}

fn near((x, y): Place, (left, top, right, bottom): Box4, reach: f64) -> bool {
    x + reach > left && x - reach < right && y + reach > top && y - reach < bottom
}

fn meet(a: Box4, b: Box4) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}
