//! Figures as SVG and PNG: the same paint on two backends of plotters.

use plotters::backend::{BitMapBackend, SVGBackend};

use super::canvas::{Canvas, Texts};
use super::figure::Figure;
use super::font;
use super::paint::paint;
use super::palette::{DARK, LIGHT};

/// A picture of this size has letters of the size that they are laid out for; others scale.
const BASE: (f64, f64) = (960.0, 600.0);
/// Steps of an SVG's grid a unit.
const SVG_STEPS: f64 = 10.0;
/// Pixels are painted in parts, then averaged: smooth edges of all shapes. About so many parts are painted in all.
const ALL_PARTS: f64 = 24e6;

/// How a figure becomes a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paper {
    /// Pixels.
    pub width: u32,
    pub height: u32,
    pub dark: bool,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error("the chart can't be drawn: {0}")]
    Drawing(String),
    #[error("the chart can't be written as PNG: {0}")]
    Encoding(#[from] png::EncodingError),
}

impl Paper {
    /// Smallest and largest side, pixels.
    pub const SIDES: std::ops::RangeInclusive<u32> = 100..=4096;

    /// Pixels a unit: the whole picture scales so that the base fits in.
    fn scale(self) -> f64 {
        (f64::from(self.width) / BASE.0).min(f64::from(self.height) / BASE.1)
    }

    /// Parts of a pixel each way.
    fn parts(self) -> u32 {
        let pixels = f64::from(self.width) * f64::from(self.height);
        ((ALL_PARTS / pixels).sqrt() as u32).clamp(2, 4)
    }

    fn units(self) -> (f64, f64) {
        (f64::from(self.width) / self.scale(), f64::from(self.height) / self.scale())
    }
}

/// The figure as an SVG document that stands alone; texts stay texts.
///
/// # Errors
/// None that can happen while writing into memory; handed on all the same.
pub fn svg(figure: &Figure, paper: Paper) -> Result<String, PictureError> {
    let (width, height) = paper.units();
    let size = ((width * SVG_STEPS).round() as u32, (height * SVG_STEPS).round() as u32);
    let mut document = String::new();
    let backend = SVGBackend::with_string(&mut document, size);
    let mut canvas = Canvas::new(backend, Texts::Written, SVG_STEPS);
    paint(&mut canvas, figure, if paper.dark { &DARK } else { &LIGHT }, (width, height));
    canvas.finish().map_err(PictureError::Drawing)?;
    // The backend writes the fine grid's size; a viewer shall see the one asked for, and a reader of the page hear
    // what it is.
    let fine = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
    let asked = format!("width=\"{}\" height=\"{}\" role=\"img\"", paper.width, paper.height);
    let title = format!(">\n<title>{}</title>\n", escaped(&font::harmless(&figure.title)));
    Ok(document.replacen(&fine, &asked, 1).replacen(">\n", &title, 1))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The figure as a PNG file.
///
/// # Errors
/// None that can happen while writing into memory; handed on all the same.
pub fn png(figure: &Figure, paper: Paper) -> Result<Vec<u8>, PictureError> {
    let parts = paper.parts();
    let fine = (paper.width * parts, paper.height * parts);
    let mut pixels = vec![0u8; fine.0 as usize * fine.1 as usize * 3];
    let backend = BitMapBackend::with_buffer(&mut pixels, fine);
    let mut canvas = Canvas::new(backend, Texts::Drawn, paper.scale() * f64::from(parts));
    paint(&mut canvas, figure, if paper.dark { &DARK } else { &LIGHT }, paper.units());
    canvas.finish().map_err(PictureError::Drawing)?;
    let pixels = averaged(&pixels, paper);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, paper.width, paper.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// Each pixel is the mean of its parts.
fn averaged(fine: &[u8], paper: Paper) -> Vec<u8> {
    let (width, parts) = (paper.width as usize, paper.parts() as usize);
    let row = width * parts * 3;
    let mut out = Vec::with_capacity(width * paper.height as usize * 3);
    for rows in fine.chunks_exact(row * parts) {
        for i in 0..width * 3 {
            let (x, channel) = (i / 3, i % 3);
            let place = |down: usize, right: usize| down * row + (x * parts + right) * 3 + channel;
            let sum: usize = (0..parts * parts).map(|p| usize::from(rows[place(p / parts, p % parts)])).sum();
            out.push((sum / (parts * parts)) as u8);
        }
    }
    out
}
