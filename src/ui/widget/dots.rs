//! Lines in braille dots that leave what lies behind them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::chart::stroke;

/// A sheet of dots, two columns and four rows of them a cell.
pub struct Dots {
    cells: Vec<u8>,
    width: usize,
    height: usize,
}

impl Dots {
    /// A blank sheet of so many cells.
    pub fn new(width: u16, height: u16) -> Self {
        let (width, height) = (usize::from(width), usize::from(height));
        Self { cells: vec![0; width * height], width, height }
    }

    /// A straight line between two places in dots, from the upper left.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        stroke(&mut self.cells, (self.width * 2, self.height * 4), from, to);
    }

    /// Puts the dots over an area of the sheet's size. `ground` turns what colour lay behind into what shall.
    pub fn paint(
        &self,
        buf: &mut Buffer,
        area: Rect,
        ink: Style,
        ground: impl Fn(Color, Color) -> Option<Color>,
    ) {
        for (i, bits) in self.cells.iter().enumerate().filter(|(_, bits)| **bits != 0) {
            let at = (area.x + (i % self.width) as u16, area.y + (i / self.width) as u16);
            let Some(cell) = buf.cell_mut(at) else { continue };
            let behind = if cell.symbol() == "▀" { ground(cell.fg, cell.bg) } else { None };
            cell.set_char(char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(' ')).set_style(ink);
            if let Some(behind) = behind {
                cell.set_bg(behind);
            }
        }
    }
}
