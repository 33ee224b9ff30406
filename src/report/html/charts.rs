//! A chart in the page: its picture in two sizes, its legend, its values as a table, and its data for the script.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::write::{escaped, short, table, time};
use crate::report::chart::{Axis, Figure, Look, Panel, Point, Series, Style, Unit, harmless, web};
use crate::report::table::Table;

/// A line of more points is thinned out.
pub const MOST_POINTS: usize = 1200;
/// A chart's table of more rows shows some of them.
pub const MOST_ROWS: usize = 240;

/// Units of a chart on a wide and on a narrow page, and how many columns of the grid it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    wide: (f64, f64),
    narrow: (f64, f64),
    class: &'static str,
}

impl Size {
    pub const HALF: Self = Self { wide: (560.0, 330.0), narrow: (350.0, 280.0), class: "half" };
    pub const TALL: Self = Self { wide: (560.0, 540.0), narrow: (350.0, 480.0), class: "half" };
    pub const FULL: Self = Self { wide: (900.0, 460.0), narrow: (350.0, 460.0), class: "full" };
}

/// A chart, or why there is none.
pub struct Card {
    pub id: &'static str,
    size: Size,
    figure: Result<Figure, String>,
    /// What places of the x axis are called.
    pub x_names: Vec<(f64, String)>,
    /// What the numbers beside points are.
    pub beside: &'static str,
}

/// What a series is called, and which entry of the legend turns it on and off.
struct Key {
    name: String,
    toggle: Option<(usize, usize)>,
}

impl Card {
    pub fn new(id: &'static str, size: Size, figure: Result<Figure, String>) -> Self {
        let figure = figure.map(thinned);
        let x_names = figure.as_ref().map_or_else(|_| Vec::new(), |f| f.x.names.clone());
        Self { id, size, figure, x_names, beside: "clients" }
    }

    /// Writes the whole card.
    pub fn push(&self, out: &mut String) {
        let (id, class) = (self.id, self.size.class);
        let _ = writeln!(out, "<section class=\"card {class}\" aria-labelledby=\"h-{id}\">");
        let title = match &self.figure {
            Ok(figure) => figure.title.clone(),
            Err(_) => id.replace('-', " "),
        };
        let _ = writeln!(out, "<h3 id=\"h-{id}\">{}</h3>", escaped(&title));
        match &self.figure {
            Ok(figure) => {
                paragraph(out, "sub", &figure.subtitle);
                self.picture(out);
                figure.notes.iter().for_each(|note| paragraph(out, "note", note));
                self.values(out);
            }
            Err(why) => paragraph(out, "empty", why),
        }
        out.push_str("</section>\n");
    }

    /// Writes legend and picture.
    pub fn picture(&self, out: &mut String) {
        let Ok(figure) = &self.figure else { return };
        legend(out, figure, self.id);
        let label = format!("Chart: {}. Its values are in the table that follows.", figure.title);
        let _ = writeln!(
            out,
            "<div class=\"plot\" data-figure=\"{}\" role=\"img\" aria-label=\"{}\">",
            self.id,
            escaped(&label)
        );
        out.push_str(&web::part(figure, self.size.wide, "chart wide"));
        out.push_str(&web::part(figure, self.size.narrow, "chart narrow"));
        out.push_str("</div>\n");
    }

    fn x_text(&self, axis: &Axis, x: f64) -> String {
        let named = self.x_names.iter().find(|(at, _)| at.total_cmp(&x).is_eq());
        named.map_or_else(|| told(axis, x), |(_, name)| name.clone())
    }

    /// Writes the values as a table, folded away.
    fn values(&self, out: &mut String) {
        let Ok(figure) = &self.figure else { return };
        let (made, all) = self.as_table(figure);
        let shown = made.rows.len();
        let caption = if shown < all {
            format!("{}: {shown} of {all} rows, evenly spread; CSV files have all", figure.title)
        } else {
            figure.title.clone()
        };
        out.push_str("<details class=\"values\"><summary>Values as a table</summary>\n");
        table(out, &caption, &made);
        out.push_str("</details>\n");
    }

    /// A column a series where they share their x, else a row a point; and how many rows there would be.
    fn as_table(&self, figure: &Figure) -> (Table, usize) {
        let keys = keys(figure);
        let shown: Vec<(&Panel, &Series, &Key)> = figure
            .panels
            .iter()
            .zip(&keys)
            .flat_map(|(panel, keys)| panel.series.iter().zip(keys).map(move |(s, k)| (panel, s, k)))
            .filter(|(_, s, _)| s.drawable().next().is_some())
            .collect();
        let mut xs: Vec<f64> = shown.iter().flat_map(|s| s.1.drawable()).map(|p| p.0).collect();
        let points = xs.len();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let shared =
            shown.len() == 1 || xs.len() * shown.len() <= points * 2 && figure.x.label != "Throughput";
        if shared { self.by_x(figure, &shown, &xs) } else { self.by_point(figure, &shown) }
    }

    fn by_x(&self, figure: &Figure, shown: &[(&Panel, &Series, &Key)], xs: &[f64]) -> (Table, usize) {
        let name = if figure.x.label.is_empty() { "Percentile" } else { &figure.x.label };
        let heads = shown.iter().map(|(panel, _, key)| headed(panel, key));
        let mut table = Table::new(std::iter::once(name.to_owned()).chain(heads));
        let every = xs.len().div_ceil(MOST_ROWS).max(1);
        for x in xs.iter().step_by(every) {
            let value = |(panel, series, _): &(&Panel, &Series, &Key)| {
                // Points of a line ascend in x; those of others are few.
                let point = series.drawable().find(|p| p.0.total_cmp(x).is_eq());
                point.map_or_else(|| "-".to_owned(), |p| told(&panel.y, p.1))
            };
            table.row(std::iter::once(self.x_text(&figure.x, *x)).chain(shown.iter().map(value)).collect());
        }
        (table, xs.len())
    }

    fn by_point(&self, figure: &Figure, shown: &[(&Panel, &Series, &Key)]) -> (Table, usize) {
        let y = shown.first().map_or(String::new(), |s| s.0.y.label.clone());
        let labelled = shown.iter().any(|s| s.1.points.iter().any(|p| !p.label.is_empty()));
        let heads = [String::new(), figure.x.label.clone(), y];
        let mut table = Table::new(heads.into_iter().chain(labelled.then(|| self.beside.to_owned())));
        let all: Vec<_> = shown
            .iter()
            .flat_map(|(panel, series, key)| series.points.iter().map(move |p| (panel, key, p)))
            .filter(|(_, _, p)| p.drawable())
            .collect();
        for (panel, key, point) in all.iter().step_by(all.len().div_ceil(MOST_ROWS).max(1)) {
            let mut cells = vec![key.name.clone(), self.x_text(&figure.x, point.x), told(&panel.y, point.y)];
            cells.extend(labelled.then(|| point.label.clone()));
            table.row(cells);
        }
        (table, all.len())
    }

    /// What the script needs: names, points, axes.
    pub fn to_json(&self) -> Option<Value> {
        let figure = self.figure.as_ref().ok()?;
        let keys = keys(figure);
        let panels = figure.panels.iter().zip(&keys).map(|(panel, keys)| {
            let series = panel.series.iter().zip(keys).map(|(series, key)| {
                json!({
                    "name": harmless(&key.name),
                    "toggle": key.toggle.map(|(panel, series)| format!("{panel}-{series}")),
                    "look": look(series.look),
                    "points": series.points.iter().filter(|p| p.drawable()).map(point).collect::<Vec<_>>(),
                })
            });
            json!({
                "label": harmless(&panel.y.label), "unit": unit(&panel.y),
                "across": panel.series.iter().any(|s| matches!(s.style, Style::Line | Style::Dashed | Style::Bars)),
                "series": series.collect::<Vec<_>>(),
            })
        });
        Some(json!({
            "x": { "label": harmless(&figure.x.label), "unit": unit(&figure.x), "names": self.x_names },
            "panels": panels.collect::<Vec<_>>(), "beside": self.beside,
        }))
    }
}

fn point(p: &Point) -> Value {
    if p.label.is_empty() { json!([p.x, p.y]) } else { json!([p.x, p.y, harmless(&p.label)]) }
}

fn look(look: Look) -> String {
    match look {
        Look::Number(n) => format!("c{}", n % 7),
        Look::Plain => "plain".to_owned(),
    }
}

/// `time`, or the unit as it is.
fn unit(axis: &Axis) -> &'static str {
    match axis.unit {
        Unit::Time => "time",
        Unit::Of(unit) => unit,
    }
}

fn told(axis: &Axis, value: f64) -> String {
    match axis.unit {
        Unit::Time => time(value),
        Unit::Of(_) => short(value),
    }
}

fn headed(panel: &Panel, key: &Key) -> String {
    let unit = match panel.y.unit {
        Unit::Of(unit) if !unit.is_empty() => format!(" ({unit})"),
        _ => String::new(),
    };
    let label = &panel.y.label;
    if key.name.is_empty() || key.name == *label {
        format!("{label}{unit}")
    } else {
        format!("{}, {label}{unit}", key.name)
    }
}

fn paragraph(out: &mut String, class: &str, text: &str) {
    if !text.is_empty() {
        let _ = writeln!(out, "<p class=\"{class}\">{}</p>", escaped(text));
    }
}

/// The keys of all series, by panel. An entry of the first panel's legend stands for what has its look in the others
/// and no entry of its own.
fn keys(figure: &Figure) -> Vec<Vec<Key>> {
    let first = figure.panels.first();
    let named = |look: Look| {
        let at = first?.series.iter().position(|s| s.look == look && !s.label.is_empty())?;
        Some((at, first?.series[at].label.clone()))
    };
    let key = |at: usize, i: usize, panel: &Panel| {
        let series = &panel.series[i];
        if !series.label.is_empty() {
            return Key { name: series.label.clone(), toggle: Some((at, i)) };
        }
        // An entry without points tells what a stroke means.
        let meaning = panel
            .series
            .iter()
            .find(|s| s.points.is_empty() && !s.label.is_empty() && s.style == series.style);
        match (named(series.look), meaning) {
            (Some((of, name)), Some(stroke)) => {
                Key { name: format!("{name}, {}", stroke.label), toggle: Some((0, of)) }
            }
            (Some((of, name)), None) => Key { name, toggle: Some((0, of)) },
            (None, _) => Key { name: panel.y.label.clone(), toggle: None },
        }
    };
    let panels = figure.panels.iter().enumerate();
    panels.map(|(at, panel)| (0..panel.series.len()).map(|i| key(at, i, panel)).collect()).collect()
}

fn legend(out: &mut String, figure: &Figure, id: &str) {
    if figure.panels.iter().flat_map(|p| &p.series).all(|s| s.label.is_empty()) {
        return;
    }
    let _ = writeln!(out, "<ul class=\"legend\" data-legend=\"{id}\">");
    for (at, panel) in figure.panels.iter().enumerate() {
        let marked = web::has_markers(&panel.series);
        for (i, series) in panel.series.iter().enumerate().filter(|(_, s)| !s.label.is_empty()) {
            // What has no points can't be switched off.
            let toggle =
                if series.points.is_empty() { String::new() } else { format!(" data-toggle=\"{at}-{i}\"") };
            let _ = writeln!(
                out,
                "<li><span class=\"key\"{toggle}>{}{}</span></li>",
                web::sample(series, marked),
                escaped(&series.label)
            );
        }
    }
    out.push_str("</ul>\n");
}

/// The figure with no line longer than [`MOST_POINTS`]: of each stretch its lowest and its highest point are kept, so
/// that it looks the same and every point is true.
fn thinned(mut figure: Figure) -> Figure {
    let mut most = 0;
    for series in figure.panels.iter_mut().flat_map(|p| &mut p.series) {
        if matches!(series.style, Style::Line | Style::Dashed) && series.points.len() > MOST_POINTS {
            most = most.max(series.points.len());
            let stretch = series.points.len().div_ceil(MOST_POINTS / 2);
            series.points = series.points.chunks(stretch).flat_map(ends).collect();
        }
    }
    if most > 0 {
        figure.notes.push(format!(
            "Of {most} points, the lowest and the highest of each stretch are drawn; the CSV files have all."
        ));
    }
    figure
}

fn ends(stretch: &[Point]) -> Vec<Point> {
    let drawable = || stretch.iter().enumerate().filter(|(_, p)| p.drawable());
    let by_y = |a: &(usize, &Point), b: &(usize, &Point)| a.1.y.total_cmp(&b.1.y);
    match (drawable().min_by(by_y), drawable().max_by(by_y)) {
        (Some((low, _)), Some((high, _))) => {
            let mut kept = vec![low.min(high), low.max(high)];
            kept.dedup();
            kept.into_iter().map(|i| stretch[i].clone()).collect()
        }
        // A gap stays one.
        _ => stretch.first().cloned().into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(series: Vec<Series>) -> Figure {
        Figure {
            title: "T".into(),
            subtitle: String::new(),
            x: Axis::new("Time", Unit::Of("s")),
            panels: vec![Panel { y: Axis::new("TTFT", Unit::Time), series }],
            marks: Vec::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_long_line_keeps_its_peaks() {
        let height = |i: u32| if i == 77_777 { 9.0 } else { f64::from(i % 7) * 0.1 };
        let points = (0..100_000).map(|i| (f64::from(i), height(i)));
        let thin = thinned(figure(vec![Series::new("a", Style::Line, Look::Number(0)).points(points)]));
        let kept: Vec<_> = thin.panels[0].series[0].drawable().collect();
        assert!(kept.len() <= MOST_POINTS && kept.contains(&(77_777.0, 9.0)));
        assert!(kept.windows(2).all(|w| w[0].0 < w[1].0) && thin.notes[0].contains("100000"));
        let (table, all) = Card::new("t", Size::HALF, Ok(thin)).as_table(&figure(Vec::new()));
        assert_eq!((table.rows.len(), all), (0, 0));
    }

    #[test]
    fn a_stroke_without_points_names_the_lines_of_its_kind() {
        let line =
            |label: &str, style, look| Series::new(label, style, look).points([(0.0, 1.0), (1.0, 2.0)]);
        let mut two = figure(vec![line("run", Style::Line, Look::Number(0))]);
        let stroke = Series::new("p99", Style::Dashed, Look::Plain);
        two.panels.push(Panel {
            y: Axis::new("TTFT", Unit::Time),
            series: vec![line("", Style::Dashed, Look::Number(0)), stroke],
        });
        let keys = keys(&two);
        assert_eq!((keys[1][0].name.as_str(), keys[1][0].toggle), ("run, p99", Some((0, 0))));
        let mut out = String::new();
        legend(&mut out, &two, "x");
        assert_eq!(out.matches("data-toggle").count(), 1, "{out}");
    }
}
