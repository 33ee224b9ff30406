//! What panels are drawn with: text at a place, framed panels, bars, line charts.

mod bars;
mod chart;
mod digits;
mod dots;
mod frame;
mod scatter;
mod shade;

pub use bars::{LEFT, histogram, meter, stacked};
pub use chart::{CROSS, Chart, Mark, time_step};
pub use digits::{big_number, big_width};
pub use dots::Dots;
pub use frame::{focused, low_panel, panel, text, text_cut, text_right};
pub use scatter::{Scatter, Series};
pub use shade::{shade, shade_axis};
