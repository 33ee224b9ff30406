//! Labels beside points, where there is room: none lies on a point or on another label.

use super::canvas::Place;
use super::figure::Series;
use super::font;
use super::layout::Plot;
use super::paint::RADIUS;

pub const SIZE: f64 = 10.5;

/// A label's extent: left, top, right, bottom.
type Box4 = (f64, f64, f64, f64);

/// The labels that have room, and where their middles are.
pub fn place(plot: &Plot<'_>) -> Vec<(String, Place)> {
    let at = |(x, y)| (plot.x.at(x), plot.y.at(y));
    let points: Vec<Place> = plot.panel.series.iter().flat_map(Series::drawable).map(at).collect();
    let labelled = plot.panel.series.iter().flat_map(|s| &s.points);
    let labelled = labelled.filter(|p| p.drawable() && !p.label.is_empty());
    let mut taken: Vec<Box4> = Vec::new();
    let mut placed = Vec::new();
    for point in labelled {
        let center = at((point.x, point.y));
        if !plot.frame.has(center) {
            continue;
        }
        let text = font::fitted(&point.label, SIZE, 160.0);
        let half = (font::width(&text, SIZE) / 2.0, SIZE * 0.5);
        let fits = |place: &Place| {
            let area = (place.0 - half.0, place.1 - half.1, place.0 + half.0, place.1 + half.1);
            let frame = plot.frame;
            let inside = area.0 > frame.left + 1.0
                && area.2 < frame.right - 1.0
                && area.1 > frame.top + 1.0
                && area.3 < frame.bottom - 1.0;
            inside && !points.iter().any(|p| near(*p, area)) && !taken.iter().any(|b| meet(*b, area))
        };
        if let Some(place) = around(center, half).into_iter().find(fits) {
            taken.push((place.0 - half.0, place.1 - half.1, place.0 + half.0, place.1 + half.1));
            placed.push((text, place));
        }
    }
    placed
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

fn near((x, y): Place, (left, top, right, bottom): Box4) -> bool {
    let reach = RADIUS - 0.5;
    x + reach > left && x - reach < right && y + reach > top && y - reach < bottom
}

fn meet(a: Box4, b: Box4) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}
