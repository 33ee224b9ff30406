//! What a chart is made of: pure data, without a word about pixels.

/// Values beyond this are not drawn: they are no measurements, and their differences would overflow.
const DRAWABLE: f64 = 1e30;

/// A chart: panels one below the other that share the x axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub title: String,
    pub subtitle: String,
    pub x: Axis,
    pub panels: Vec<Panel>,
    /// Vertical lines through all panels.
    pub marks: Vec<Mark>,
    /// Small print below the chart.
    pub notes: Vec<String>,
}

/// A plot with a y axis of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    pub y: Axis,
    pub series: Vec<Series>,
}

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    pub label: String,
    pub unit: Unit,
    pub extent: Extent,
    /// What the user set; it goes before `extent`.
    pub limits: Limits,
    /// Ticks at whole numbers only.
    pub whole: bool,
    /// Names at places instead of numbers.
    pub names: Vec<(f64, String)>,
}

/// The lower and the upper end of an axis, where they are set.
pub type Limits = (Option<f64>, Option<f64>);

/// What an axis is measured in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// Values are seconds; shown as s, ms or µs, whatever fits.
    Time,
    /// Shown as it is; may be empty.
    Of(&'static str),
}

/// How an axis is laid around its data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extent {
    /// From 0, with some room at the other end.
    FromZero,
    /// From this much below 0.
    FromBelowZero(f64),
    /// The data with some room at both ends.
    Around,
    /// The data, to its very ends.
    Tight,
}

/// Points that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// In the legend; an empty one is not told there.
    pub label: String,
    pub points: Vec<Point>,
    pub style: Style,
    pub look: Look,
    /// Degree of the least squares polynomial that is drawn through the points.
    pub fit: Option<usize>,
}

/// A place in a plot. What is not finite interrupts lines and is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    /// Beside the point, where there is room; may be empty.
    pub label: String,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Filled markers; `joined` by straight lines.
    Measured { joined: bool },
    /// Hollow markers joined by dashes: published, or computed.
    Reference,
    /// A line, with a marker now and then if there are several looks.
    Line,
    /// A dashed line.
    Dashed,
    /// Bars from 0, beside those of the other series.
    Bars,
}

/// Colour and marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// One of the palette, over and over.
    Number(usize),
    /// The colour of text: for what all looks have in common.
    Plain,
}

/// A vertical line.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    pub x: f64,
    pub label: String,
    pub look: Look,
}

impl Axis {
    /// An axis with numbers, from zero.
    pub fn new(label: &str, unit: Unit) -> Self {
        Self {
            label: label.to_owned(),
            unit,
            extent: Extent::FromZero,
            limits: (None, None),
            whole: false,
            names: Vec::new(),
        }
    }

    #[must_use]
    pub fn extent(mut self, extent: Extent) -> Self {
        self.extent = extent;
        self
    }

    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    #[must_use]
    pub fn whole(mut self) -> Self {
        self.whole = true;
        self
    }
}

impl Series {
    /// A series of unlabelled points.
    pub fn new(label: impl Into<String>, style: Style, look: Look) -> Self {
        Self { label: label.into(), points: Vec::new(), style, look, fit: None }
    }

    #[must_use]
    pub fn points(mut self, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.points = points.into_iter().map(|(x, y)| Point { x, y, label: String::new() }).collect();
        self
    }

    #[must_use]
    pub fn fit(mut self, degree: Option<usize>) -> Self {
        self.fit = degree;
        self
    }

    /// The points that can be drawn.
    pub fn drawable(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.points.iter().filter(|p| p.drawable()).map(|p| (p.x, p.y))
    }
}

impl Point {
    /// Whether it has a place in a plot.
    pub fn drawable(&self) -> bool {
        [self.x, self.y].iter().all(|v| v.is_finite() && v.abs() <= DRAWABLE)
    }
}

impl Figure {
    /// Whether any series has a point to draw.
    pub fn is_empty(&self) -> bool {
        !self.panels.iter().flat_map(|p| &p.series).any(|s| s.drawable().next().is_some())
    }
}
