//! Charts: figures as pure data, and their pictures as SVG and PNG.
//!
//! `cli` comes in with [`Recorded`] recordings, asks for the figure ([`plot`]) of a [`Kind`], and for its [`svg`] or
//! [`png`].
//!
//! | file | what it holds |
//! |---|---|
//! | `figure` | what a chart is made of |
//! | `kinds` | from recordings to figures, one file a family of charts |
//! | `fit`, `scale` | fitted polynomials; extents and ticks of axes |
//! | `layout`, `labels`, `clip` | where everything goes |
//! | `paint`, `canvas`, `palette`, `font` | painting, on plotters' backends |
//! | `output` | SVG and PNG |
//! | `web` | SVG as a part of a page |

mod canvas;
mod clip;
mod figure;
mod fit;
mod font;
mod kinds;
mod labels;
mod layout;
mod output;
mod paint;
mod palette;
mod scale;
#[cfg(test)]
mod tests;
pub(super) mod web;

pub use figure::{Axis, Extent, Figure, Limits, Look, Mark, Panel, Point, Series, Style, Unit};
pub use fit::{MAX_DEGREE, Polynomial};
pub(super) use font::harmless;
pub use kinds::{ChartError, Fit, Kind, Loads, Options, Recorded, plot};
pub use output::{Paper, PictureError, png, svg};
