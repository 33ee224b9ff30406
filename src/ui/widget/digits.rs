//! A number three rows high, for the one figure that must be read from across the room.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::text;

/// Three rows of half blocks a glyph.
fn glyph(c: char) -> [&'static str; 3] {
    match c {
        '0' => ["█▀█", "█ █", "▀▀▀"],
        '1' => ["▀█ ", " █ ", "▀▀▀"],
        '2' => ["▀▀█", "█▀▀", "▀▀▀"],
        '3' => ["▀▀█", " ▀█", "▀▀▀"],
        '4' => ["█ █", "▀▀█", "  ▀"],
        '5' => ["█▀▀", "▀▀█", "▀▀▀"],
        '6' => ["█▀▀", "█▀█", "▀▀▀"],
        '7' => ["▀▀█", "  █", "  ▀"],
        '8' => ["█▀█", "█▀█", "▀▀▀"],
        '9' => ["█▀█", "▀▀█", "▀▀▀"],
        '.' => [" ", " ", "▀"],
        'k' => ["█ ▄", "█▀▄", "▀ ▀"],
        'M' => ["█▄█", "█ █", "▀ ▀"],
        '–' => ["   ", "▀▀▀", "   "],
        _ => [" ", " ", " "],
    }
}

/// Columns that a number takes.
pub fn big_width(number: &str) -> u16 {
    number.chars().map(|c| glyph(c)[0].chars().count() as u16 + 1).sum::<u16>().saturating_sub(1)
}

/// Draws it at the top of an area.
pub fn big_number(buf: &mut Buffer, area: Rect, number: &str, style: Style) {
    let mut x = 0;
    for c in number.chars() {
        for (y, row) in (0u16..).zip(glyph(c)) {
            text(buf, area, (x, y), row, style);
        }
        x += glyph(c)[0].chars().count() as u16 + 1;
    }
}
