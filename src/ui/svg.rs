//! A frame as an SVG picture that stands alone: no fonts are needed for lines, blocks and dots.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::state::UiState;
use super::theme::{Role, Theme};
use super::view::{self, Picture};

mod glyphs;

/// A cell's size in the picture, and the font's; the advance of common monospaced fonts is 0.6 em.
const CELL_W: f64 = 9.0;
const CELL_H: f64 = 19.0;
const FONT: f64 = 14.95;

/// Draws a screen of a session as SVG.
pub fn draw_to_svg(picture: &Picture<'_>, ui: &UiState, theme: &Theme, size: (u16, u16)) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    view::draw(&mut buffer, picture, ui, theme);
    buffer_to_svg(&buffer, theme)
}

/// A buffer as SVG.
pub fn buffer_to_svg(buffer: &Buffer, theme: &Theme) -> String {
    let area = buffer.area;
    let (width, height) = (f64::from(area.width) * CELL_W, f64::from(area.height) * CELL_H);
    let ground = hex(theme.color(Role::Background).unwrap_or(Color::Black), "#000000");
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"{FONT}\" \
         xml:space=\"preserve\">\n<rect width=\"{w}\" height=\"{h}\" rx=\"6\" fill=\"{ground}\"/>\n",
        w = width + 16.0,
        h = height + 16.0,
    );
    out.push_str("<g transform=\"translate(8 8)\">\n");
    for y in 0..area.height {
        let row: Vec<&Cell> = (0..area.width).filter_map(|x| buffer.cell((area.x + x, area.y + y))).collect();
        backgrounds(&mut out, &row, f64::from(y) * CELL_H, &ground);
        inks(&mut out, &row, f64::from(y) * CELL_H, &ground);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// Ink and ground of a cell, reversal applied.
fn colors(cell: &Cell, ground: &str) -> (String, String) {
    let fg = hex(cell.fg, "#d0d0d0");
    let bg = hex(cell.bg, ground);
    if cell.modifier.contains(Modifier::REVERSED) { (bg, fg) } else { (fg, bg) }
}

/// Runs of one ground colour; the picture's own is left out.
fn backgrounds(out: &mut String, row: &[&Cell], y: f64, ground: &str) {
    let mut x = 0;
    while x < row.len() {
        let bg = colors(row[x], ground).1;
        let end = (x..row.len()).find(|i| colors(row[*i], ground).1 != bg).unwrap_or(row.len());
        if bg != ground {
            rect(out, (x as f64 * CELL_W, y), ((end - x) as f64 * CELL_W, CELL_H), &bg);
        }
        x = end;
    }
}

/// Glyphs that are shapes are drawn; the others are text, in runs of one style without gaps.
fn inks(out: &mut String, row: &[&Cell], y: f64, ground: &str) {
    let mut x = 0;
    while x < row.len() {
        let cell = row[x];
        let ink = colors(cell, ground).0;
        let symbol = cell.symbol();
        let left = x as f64 * CELL_W;
        if symbol.trim().is_empty() || glyphs::draw(out, symbol, (left, y), &ink) {
            x += 1;
            continue;
        }
        let same = |c: &Cell| {
            c.modifier == cell.modifier
                && colors(c, ground).0 == ink
                && c.symbol().is_ascii()
                && !c.symbol().trim().is_empty()
        };
        let end = if symbol.is_ascii() {
            (x..row.len()).find(|i| !same(row[*i])).unwrap_or(row.len())
        } else {
            x + 1
        };
        let text: String = row[x..end].iter().map(|c| escape(c.symbol())).collect();
        let weight = if cell.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
        let faint = if cell.modifier.contains(Modifier::DIM) { " fill-opacity=\"0.6\"" } else { "" };
        let base = y + CELL_H * 0.74;
        let _ =
            writeln!(out, "<text x=\"{left}\" y=\"{base:.2}\" fill=\"{ink}\"{weight}{faint}>{text}</text>");
        x = end;
    }
}

fn rect(out: &mut String, at: (f64, f64), size: (f64, f64), fill: &str) {
    let _ = writeln!(
        out,
        "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{:.2}\" fill=\"{fill}\" shape-rendering=\"crispEdges\"/>",
        at.0, at.1, size.0, size.1
    );
}

/// Text that is safe in XML: markup escaped, what XML forbids made visible.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in super::sanitize::line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn hex(color: Color, default: &str) -> String {
    match color {
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        _ => default.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::{Depth, load};

    fn svg(text: &str) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 1));
        buffer.set_string(0, 0, text, ratatui::style::Style::new());
        buffer_to_svg(&buffer, &load("dusk", None, Depth::True).unwrap())
    }

    #[test]
    fn markup_is_escaped() {
        let picture = svg("<b>&\"");
        assert!(picture.contains("&lt;b&gt;&amp;&quot;"), "{picture}");
    }

    #[test]
    fn dots_and_blocks_are_shapes_and_not_text() {
        let picture = svg("⣿█▒─╭");
        assert_eq!(picture.matches("<circle").count(), 8);
        assert!(!picture.contains("<text"), "{picture}");
    }
}
