//! Pictures of figures: what is in them, and that nothing breaks them.

use proptest::prelude::*;

use super::*;

const PAPER: Paper = Paper { width: 960, height: 600, dark: false };

fn figure(panels: Vec<Panel>) -> Figure {
    Figure {
        title: "Title".into(),
        subtitle: "Subtitle".into(),
        x: Axis::new("Throughput", Unit::Of("queries/s")),
        panels,
        marks: Vec::new(),
        notes: vec!["A note.".into()],
    }
}

fn panel(series: Vec<Series>) -> Panel {
    Panel { y: Axis::new("Latency", Unit::Time), series }
}

/// The curve of FastGen's example on an A6000, and a straight one.
fn two_curves() -> Figure {
    let x = [0.537, 0.868, 1.225, 1.410, 1.532, 1.679, 1.764, 1.807, 1.818, 1.824, 1.824];
    let y = [1.77, 2.30, 3.24, 4.26, 5.24, 7.12, 9.07, 11.07, 13.18, 15.36, 17.53];
    let measured = Series::new("measured", Style::Measured { joined: false }, Look::Number(0))
        .points(x.into_iter().zip(y))
        .fit(Some(3));
    let published =
        Series::new("published", Style::Reference, Look::Number(1)).points([(0.5, 2.0), (1.5, 8.0)]);
    figure(vec![panel(vec![measured, published])])
}

/// Every number of an SVG that is a place or a size.
fn numbers(svg: &str) -> Vec<f64> {
    let mut numbers = Vec::new();
    for key in ["x=\"", "y=\"", "x1=\"", "y1=\"", "x2=\"", "y2=\"", "cx=\"", "cy=\"", "points=\"", "width=\""]
    {
        for part in svg.split(&format!(" {key}")).skip(1) {
            let value = part.split('"').next().unwrap();
            let places = value.split([',', ' ']).filter(|n| !n.is_empty());
            numbers.extend(places.map(|n| n.parse::<f64>().unwrap_or(f64::NAN)));
        }
    }
    numbers
}

fn texts(svg: &str) -> Vec<&str> {
    let parts = svg.split("<text ").skip(1).map(|p| p.split('>').nth(1).unwrap());
    parts.map(|t| t.split('<').next().unwrap().trim()).collect()
}

/// RGB pixels of a PNG file.
fn decoded(file: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = ::png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, ::png::ColorType::Rgb);
    (info.width, info.height, pixels)
}

#[test]
fn an_svg_tells_everything() {
    let svg = svg(&two_curves(), PAPER).unwrap();
    assert!(svg.starts_with("<svg width=\"960\" height=\"600\" role=\"img\" viewBox=\"0 0 9600 6000\""));
    assert!(svg.contains("<title>Title</title>") && svg.trim_end().ends_with("</svg>"));
    let texts = texts(&svg);
    for text in
        ["Title", "Subtitle", "A note.", "measured", "published", "Throughput (queries/s)", "Latency (s)"]
    {
        assert!(texts.contains(&text), "{text} is not in {texts:?}");
    }
    for tick in ["0.0", "0.2", "1.8", "0", "2", "18"] {
        assert!(texts.contains(&tick), "tick {tick} is not in {texts:?}");
    }
    // Eleven points and one in the legend, each a rim and a disc.
    assert_eq!(svg.matches("<circle").count(), 2 * 12);
    // Squares of the reference: rim, square, hole.
    assert!(svg.matches("<polygon").count() == 3 * 3);
    assert!(numbers(&svg).into_iter().all(f64::is_finite));
}

#[test]
fn places_are_right() {
    let series = Series::new("", Style::Measured { joined: true }, Look::Number(0)).points([
        (0.0, 0.0),
        (10.0, 4.0),
        (5.0, 2.0),
    ]);
    let mut figure = figure(vec![panel(vec![series])]);
    figure.x.limits = (Some(0.0), Some(10.0));
    figure.panels[0].y.limits = (Some(0.0), Some(4.0));
    let svg = svg(&figure, PAPER).unwrap();
    let line =
        svg.lines().find(|l| l.contains("<polyline") && l.matches(',').count() == 3 && l.contains("#0072B2"));
    let line = line.unwrap().split("points=\"").nth(1).unwrap().split('"').next().unwrap();
    let places: Vec<Vec<f64>> =
        line.split_whitespace().map(|p| p.split(',').map(|n| n.parse().unwrap()).collect()).collect();
    // The third point is half-way between the other two, and y grows upwards.
    assert!((places[2][0] - f64::midpoint(places[0][0], places[1][0])).abs() <= 1.0, "{places:?}");
    assert!((places[2][1] - f64::midpoint(places[0][1], places[1][1])).abs() <= 1.0, "{places:?}");
    assert!(places[0][1] > places[1][1] && places[0][0] < places[1][0]);
}

#[test]
fn a_png_shows_the_same_on_both_grounds() {
    for (dark, ground, line) in
        [(false, [255, 255, 255], [0, 114, 178]), (true, [24, 26, 31], [86, 180, 233])]
    {
        let paper = Paper { width: 480, height: 300, dark };
        let (width, height, pixels) = decoded(&png(&two_curves(), paper).unwrap());
        assert_eq!((width, height), (480, 300));
        let count = |color: [u8; 3]| pixels.chunks_exact(3).filter(|p| *p == color).count();
        let all = pixels.len() / 3;
        assert!(count(ground) > all / 2 && count(ground) < all * 97 / 100, "{} of {all}", count(ground));
        assert!(count(line) > 100, "{} pixels of the first series", count(line));
        // The title is in the upper left corner.
        let corner = (0..20).flat_map(|y| (10..60).map(move |x| (y * 480 + x) * 3));
        let inked = corner.filter(|i| pixels[*i..*i + 3] != ground).count();
        assert!(inked > 40, "{inked} pixels of the title");
    }
}

#[test]
fn labels_are_text_whatever_is_in_them() {
    let nasty = "<script>&\"'\u{1b}[31m\u{202e}\u{0}</text>]]>\n日本";
    let mut figure = two_curves();
    for series in &mut figure.panels[0].series {
        series.label = nasty.into();
        series.points[0].label = nasty.into();
    }
    (figure.title, figure.subtitle, figure.x.label) = (nasty.into(), nasty.into(), nasty.into());
    figure.notes = vec![nasty.into()];
    figure.marks = vec![Mark { x: 1.0, label: nasty.into(), look: Look::Plain }];
    let svg = svg(&figure, PAPER).unwrap();
    assert!(!svg.contains("<script") && !svg.chars().any(|c| c.is_control() && c != '\n'));
    assert!(!svg.contains('\u{202e}') && svg.contains("&lt;script&gt;&amp;"));
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    assert!(!png(&figure, PAPER).unwrap().is_empty());
}

#[test]
fn a_legend_has_rows_of_its_own_and_an_end() {
    let series = |i: usize| {
        let points = (0..4).map(|x| (f64::from(x), f64::from(x) + i as f64));
        Series::new(format!("a recording with a long name, number {i}"), Style::Line, Look::Number(i))
            .points(points)
    };
    let figure = figure(vec![panel((0..60).map(series).collect())]);
    let layout = layout::layout(&figure, (960.0, 600.0));
    let plot = &layout.plots[0];
    assert!(plot.legend.iter().all(|e| e.at.1 < plot.frame.top - 5.0));
    assert!(plot.legend.len() < 60 && plot.legend.last().unwrap().text.contains("more"));
    assert!(plot.frame.bottom - plot.frame.top > 200.0);
    for entry in &plot.legend {
        let end = entry.at.0 + layout::SAMPLE + 6.0 + font::width(&entry.text, layout::LEGEND);
        assert!(end <= 960.0 - layout::MARGIN + 1.0, "{} ends at {end}", entry.text);
    }
}

#[test]
fn labels_beside_points_never_overlap() {
    let mut series = Series::new("", Style::Measured { joined: false }, Look::Number(0));
    let close = (0..40).map(|i| (1.0 + f64::from(i) * 0.02, 2.0 + f64::from(i % 5) * 0.1));
    series.points = close.map(|(x, y)| Point { x, y, label: "128".into() }).collect();
    let figure = figure(vec![panel(vec![series])]);
    let layout = layout::layout(&figure, (960.0, 600.0));
    let placed = labels::place(&layout.plots[0]);
    assert!(placed.len() > 3 && placed.len() <= 40);
    let width = font::width("128", labels::SIZE);
    for (i, a) in placed.iter().map(|l| l.at).enumerate() {
        for b in placed[..i].iter().map(|l| l.at) {
            assert!((a.0 - b.0).abs() >= width || (a.1 - b.1).abs() >= labels::SIZE, "{a:?} on {b:?}");
        }
    }
}

#[test]
fn a_gap_interrupts_a_line() {
    let points =
        [(0.0, 1.0), (1.0, 1.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 1.0), (5.0, f64::INFINITY), (6.0, 2.0)];
    let series = Series::new("", Style::Line, Look::Number(0)).points(points);
    let svg = svg(&figure(vec![panel(vec![series])]), PAPER).unwrap();
    let lines = svg.lines().filter(|l| l.contains("<polyline") && l.contains("#0072B2")).count();
    // Two lines, and a dot for the point that stands alone.
    assert_eq!((lines, svg.matches("<circle").count()), (2, 1));
}

#[test]
fn bars_stand_on_zero_side_by_side() {
    let bars = |n, y| Series::new("bars", Style::Bars, Look::Number(n)).points([(1.0, y), (2.0, y * 2.0)]);
    let mut figure = figure(vec![panel(vec![bars(0, 1.0), bars(1, 2.0)])]);
    figure.x.extent = Extent::Tight;
    let svg = svg(&figure, PAPER).unwrap();
    let value = |line: &str, key: &str| -> f64 {
        line.split(&format!(" {key}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
    };
    let rects =
        svg.lines().filter(|l| l.contains("<rect") && (l.contains("#0072B2") || l.contains("#D55E00")));
    let mut rects: Vec<_> = rects
        .map(|l| (value(l, "x"), value(l, "x") + value(l, "width"), value(l, "height"), value(l, "y")))
        .filter(|r| r.2 > 150.0)
        .collect();
    rects.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(rects.len(), 4);
    assert!(rects.windows(2).all(|w| w[0].1 <= w[1].0), "{rects:?}");
    let floor = rects[0].2 + rects[0].3;
    assert!(rects.iter().all(|r| (r.2 + r.3 - floor).abs() <= 1.0));
    assert!((rects[1].2 / rects[0].2 - 2.0).abs() < 0.01 && (rects[3].2 / rects[0].2 - 4.0).abs() < 0.01);
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1e3f64..1e3,
        1 => any::<f64>(),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(0.0),
        1 => -1e-300f64..1e-300,
        1 => Just(1e30),
        1 => Just(f64::MAX),
    ]
}

fn style() -> impl Strategy<Value = Style> {
    prop_oneof![
        Just(Style::Measured { joined: true }),
        Just(Style::Measured { joined: false }),
        Just(Style::Reference),
        Just(Style::Line),
        Just(Style::Dashed),
        Just(Style::Bars),
    ]
}

fn extent() -> impl Strategy<Value = Extent> {
    prop_oneof![
        Just(Extent::FromZero),
        Just(Extent::Around),
        Just(Extent::Tight),
        value().prop_filter("finite", |v| v.is_finite() && v.abs() < 1e9).prop_map(Extent::FromBelowZero),
    ]
}

prop_compose! {
    fn any_series()(
        points in prop::collection::vec((value(), value()), 0..12),
        style in style(), look in 0usize..40, fit in prop::option::of(0usize..12), label in ".{0,12}",
    ) -> Series {
        let mut series = Series::new(&label, style, Look::Number(look)).points(points).fit(fit);
        for point in &mut series.points {
            point.label.clone_from(&label);
        }
        series
    }
}

prop_compose! {
    fn any_figure()(
        panels in prop::collection::vec(prop::collection::vec(any_series(), 0..5), 0..4),
        extents in (extent(), extent()), time in any::<bool>(), whole in any::<bool>(),
        marks in prop::collection::vec((value(), ".{0,9}"), 0..4), texts in (".{0,200}", ".{0,200}"),
        limits in prop::option::of(-1e3f64..1e3),
    ) -> Figure {
        let y = Axis::new(&texts.1, if time { Unit::Time } else { Unit::Of("x") }).extent(extents.1);
        let panels = panels.into_iter().map(|series| Panel { y: y.clone(), series }).collect();
        let mut x = Axis::new(&texts.0, Unit::Of("")).extent(extents.0).limits((limits, None));
        x.whole = whole;
        let marks = marks.into_iter().map(|(x, label)| Mark { x, label, look: Look::Plain }).collect();
        Figure { title: texts.0.clone(), subtitle: texts.1.clone(), x, panels, marks, notes: vec![texts.0; 3] }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_figure_becomes_a_picture(figure in any_figure(), dark in any::<bool>(), wide in 100u32..1500) {
        let svg = svg(&figure, Paper { width: wide, height: 400, dark }).unwrap();
        for number in numbers(&svg) {
            prop_assert!(number.is_finite() && number.abs() < 1e6, "{}", number);
        }
        prop_assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        prop_assert!(!svg.chars().any(|c| c.is_control() && c != '\n'));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_figure_becomes_pixels(figure in any_figure(), width in 100u32..300, height in 100u32..300) {
        let (w, h, pixels) = decoded(&png(&figure, Paper { width, height, dark: true }).unwrap());
        prop_assert_eq!((w, h, pixels.len()), (width, height, (width * height * 3) as usize));
    }
}
