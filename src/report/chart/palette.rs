//! Colours that people with any kind of colour vision tell apart, on white and on dark ground, and markers that
//! need none.
//!
//! After the palette of M. Okabe and K. Ito ("Color Universal Design", 2008); what of it has too little contrast
//! on a ground is darkened or lightened.

use super::figure::Look;

/// Red, green, blue.
pub type Rgb = (u8, u8, u8);

/// The colours of a picture.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    pub ground: Rgb,
    pub ink: Rgb,
    /// Ticks, notes.
    pub faint: Rgb,
    pub grid: Rgb,
    pub axis: Rgb,
    looks: [Rgb; Palette::LOOKS],
}

/// For paper.
pub const LIGHT: Palette = Palette {
    ground: (255, 255, 255),
    ink: (26, 26, 26),
    faint: (89, 89, 89),
    grid: (228, 228, 228),
    axis: (120, 120, 120),
    looks: [
        (0, 114, 178),
        (213, 94, 0),
        (0, 135, 98),
        (178, 84, 137),
        (166, 118, 0),
        (64, 160, 216),
        (80, 80, 80),
    ],
};

/// For dark pages.
pub const DARK: Palette = Palette {
    ground: (24, 26, 31),
    ink: (232, 232, 232),
    faint: (168, 170, 176),
    grid: (52, 55, 62),
    axis: (128, 132, 140),
    looks: [
        (86, 180, 233),
        (230, 159, 0),
        (38, 194, 147),
        (222, 148, 190),
        (240, 228, 66),
        (238, 116, 58),
        (200, 200, 200),
    ],
};

/// The shape of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    TriangleDown,
    Cross,
    Plus,
    Pentagon,
}

const MARKERS: [Marker; 8] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::TriangleDown,
    Marker::Cross,
    Marker::Plus,
    Marker::Pentagon,
];

impl Palette {
    /// So many colours, over and over.
    pub const LOOKS: usize = 7;

    /// The colour of a look.
    pub fn color(&self, look: Look) -> Rgb {
        match look {
            Look::Number(n) => self.looks[n % Self::LOOKS],
            Look::Plain => self.faint,
        }
    }

    /// A colour drawn with this much strength over the ground.
    pub fn over_ground(&self, color: Rgb, strength: f64) -> Rgb {
        let mix = |a: u8, b: u8| (f64::from(a) * strength + f64::from(b) * (1.0 - strength)).round() as u8;
        (mix(color.0, self.ground.0), mix(color.1, self.ground.1), mix(color.2, self.ground.2))
    }
}

/// The marker of a look. There is one more than colours, so that pairs repeat late.
pub fn marker(look: Look) -> Marker {
    match look {
        Look::Number(n) => MARKERS[n % MARKERS.len()],
        Look::Plain => Marker::Circle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance and contrast as WCAG 2 defines them.
    fn luminance((r, g, b): Rgb) -> f64 {
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn everything_stands_out_from_its_ground() {
        for palette in [LIGHT, DARK] {
            assert!(contrast(palette.ink, palette.ground) > 10.0);
            assert!(contrast(palette.faint, palette.ground) > 4.5);
            for n in 0..7 {
                let color = palette.color(Look::Number(n));
                assert!(contrast(color, palette.ground) > 2.8, "{n}: {}", contrast(color, palette.ground));
            }
        }
    }

    #[test]
    fn no_pair_of_colour_and_marker_comes_twice_in_a_plot() {
        let mut seen = Vec::new();
        for n in 0..56 {
            let pair = (LIGHT.color(Look::Number(n)), marker(Look::Number(n)));
            assert!(!seen.contains(&pair), "{n}");
            seen.push(pair);
        }
    }
}
