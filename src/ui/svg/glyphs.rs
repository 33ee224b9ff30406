//! Glyphs drawn as shapes: braille dots, blocks, shades and the lines of frames.

use std::fmt::Write as _;

use super::{CELL_H, CELL_W, rect};

/// Draws a glyph if it is a shape; `false` leaves it to the font.
pub(super) fn draw(out: &mut String, symbol: &str, at: (f64, f64), ink: &str) -> bool {
    let mut chars = symbol.chars();
    let (Some(c), None) = (chars.next(), chars.next()) else { return false };
    match c {
        '\u{2800}'..='\u{28ff}' => braille(out, u32::from(c) - 0x2800, at, ink),
        '▁'..='▇' => {
            let part = f64::from(u32::from(c) - 0x2580) / 8.0 * CELL_H;
            rect(out, (at.0, at.1 + CELL_H - part), (CELL_W, part), ink);
        }
        '█' => rect(out, at, (CELL_W, CELL_H), ink),
        '▉'..='▏' => {
            let part = f64::from(0x2590 - u32::from(c)) / 8.0 * CELL_W;
            rect(out, at, (part, CELL_H), ink);
        }
        '▀' => rect(out, at, (CELL_W, CELL_H / 2.0), ink),
        '░' | '▒' | '▓' => shade(out, c, at, ink),
        '▪' => rect(out, (at.0 + 2.0, at.1 + CELL_H / 2.0 - 2.5), (5.0, 5.0), ink),
        '·' => circle(out, (at.0 + CELL_W / 2.0, at.1 + CELL_H / 2.0), 1.1, ink),
        '●' => circle(out, (at.0 + CELL_W / 2.0, at.1 + CELL_H / 2.0), 4.0, ink),
        _ => return line(out, c, at, ink),
    }
    true
}

fn circle(out: &mut String, at: (f64, f64), r: f64, ink: &str) {
    let _ = writeln!(out, "<circle cx=\"{:.2}\" cy=\"{:.2}\" r=\"{r}\" fill=\"{ink}\"/>", at.0, at.1);
}

/// Dots in the order of their bits.
const PLACES: [(f64, f64); 8] =
    [(0.0, 0.0), (0.0, 1.0), (0.0, 2.0), (1.0, 0.0), (1.0, 1.0), (1.0, 2.0), (0.0, 3.0), (1.0, 3.0)];

fn braille(out: &mut String, bits: u32, at: (f64, f64), ink: &str) {
    for (i, (x, y)) in PLACES.iter().enumerate() {
        if bits >> i & 1 == 1 {
            let centre = (at.0 + CELL_W * (0.25 + x * 0.5), at.1 + CELL_H * (0.125 + y * 0.25));
            circle(out, centre, 1.35, ink);
        }
    }
}

/// A veil of ink, and stripes so that shades are told apart without colour.
fn shade(out: &mut String, c: char, at: (f64, f64), ink: &str) {
    let opacity = match c {
        '▓' => 0.8,
        '▒' => 0.55,
        _ => 0.28,
    };
    let _ = writeln!(
        out,
        "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{CELL_W}\" height=\"{CELL_H}\" fill=\"{ink}\" \
         fill-opacity=\"{opacity}\" shape-rendering=\"crispEdges\"/>",
        at.0, at.1
    );
}

/// Lines of frames, rules and axes: from the cell's centre to its edges.
fn line(out: &mut String, c: char, at: (f64, f64), ink: &str) -> bool {
    let (cx, cy) = (at.0 + CELL_W / 2.0, at.1 + CELL_H / 2.0);
    let (left, right, top, bottom) = (at.0, at.0 + CELL_W, at.1, at.1 + CELL_H);
    let (path, width, dashes) = match c {
        '─' => (format!("M{left} {cy}H{right}"), 1.0, ""),
        '━' => (format!("M{left} {cy}H{right}"), 2.5, ""),
        '╌' => (format!("M{left} {cy}H{right}"), 1.4, "3 1.5"),
        '│' => (format!("M{cx} {top}V{bottom}"), 1.0, ""),
        '┆' => (format!("M{cx} {top}V{bottom}"), 1.0, "3 3.33"),
        '┊' => (format!("M{cx} {top}V{bottom}"), 1.0, "2 2.75"),
        '┤' => (format!("M{cx} {top}V{bottom}M{left} {cy}H{cx}"), 1.0, ""),
        '┿' => (format!("M{left} {cy}H{right}M{cx} {}V{}", cy - 5.0, cy + 5.0), 1.6, ""),
        '╵' => (format!("M{cx} {top}V{cy}"), 1.0, ""),
        '╭' => (format!("M{cx} {bottom}V{}Q{cx} {cy} {right} {cy}", cy + 4.0), 1.0, ""),
        '╮' => (format!("M{cx} {bottom}V{}Q{cx} {cy} {left} {cy}", cy + 4.0), 1.0, ""),
        '╰' => (format!("M{cx} {top}V{}Q{cx} {cy} {right} {cy}", cy - 4.0), 1.0, ""),
        '╯' => (format!("M{cx} {top}V{}Q{cx} {cy} {left} {cy}", cy - 4.0), 1.0, ""),
        _ => return false,
    };
    let dash = if dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dashes}\"") };
    let _ =
        writeln!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"{ink}\" stroke-width=\"{width}\"{dash}/>");
    true
}
