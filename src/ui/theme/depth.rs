//! How many colours a terminal has, and the nearest of them to a given one.

use ratatui::style::Color;

use super::Rgb;

/// Colours of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    True,
    /// The cube of 216 and 24 greys.
    Ansi256,
    /// The sixteen of old.
    Ansi16,
    /// None: bold, dim and reversed only.
    None,
}

/// Terminals known to have 24 bits though they do not always set `COLORTERM`.
const TRUE_COLOR_TERMS: [&str; 7] =
    ["direct", "truecolor", "kitty", "alacritty", "ghostty", "wezterm", "foot"];

impl Depth {
    /// What the environment says: `NO_COLOR` (see no-color.org), `COLORTERM`, `TERM`.
    pub fn detect(env: impl Fn(&str) -> Option<String>) -> Self {
        let get = |key| env(key).unwrap_or_default().to_lowercase();
        let term = get("TERM");
        if !get("NO_COLOR").is_empty() || term == "dumb" {
            Self::None
        } else if matches!(get("COLORTERM").as_str(), "truecolor" | "24bit")
            || TRUE_COLOR_TERMS.iter().any(|t| term.contains(t))
        {
            Self::True
        } else if term.contains("256") {
            Self::Ansi256
        } else {
            Self::Ansi16
        }
    }

    /// The terminal's colour nearest to `rgb`.
    pub fn fit(self, rgb: Rgb) -> Option<Color> {
        match self {
            Self::True => Some(Color::Rgb(rgb.0, rgb.1, rgb.2)),
            Self::Ansi256 => Some(Color::Indexed(nearest_256(rgb))),
            Self::Ansi16 => Some(nearest_16(rgb)),
            Self::None => None,
        }
    }
}

fn distance(a: Rgb, b: Rgb) -> u32 {
    // Weighted as the eye does; good enough to pick a neighbour.
    let d = |x: u8, y: u8| u32::from(x.abs_diff(y)).pow(2);
    2 * d(a.0, b.0) + 4 * d(a.1, b.1) + 3 * d(a.2, b.2)
}

/// xterm's steps of a colour axis.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// What xterm makes of the numbers from 16 up.
fn entry(i: u8) -> Rgb {
    if let 16..=231 = i {
        let i = i - 16;
        let at = |n: u8| CUBE[usize::from(n % 6)];
        Rgb(at(i / 36), at(i / 6), at(i))
    } else {
        let grey = 8 + 10 * i.saturating_sub(232);
        Rgb(grey, grey, grey)
    }
}

/// What a colour looks like in xterm; `None` for those that are not of [`Depth::fit`]'s making.
pub(super) fn looks(color: Color) -> Option<Rgb> {
    match color {
        Color::Rgb(r, g, b) => Some(Rgb(r, g, b)),
        Color::Indexed(i) if i >= 16 => Some(entry(i)),
        named => SIXTEEN.iter().find(|(c, _)| *c == named).map(|(_, rgb)| *rgb),
    }
}

fn nearest_256(rgb: Rgb) -> u8 {
    (16..=255).min_by_key(|i| distance(entry(*i), rgb)).unwrap_or(16)
}

/// The sixteen as xterm draws them, in the order of their numbers.
pub(super) const SIXTEEN: [(Color, Rgb); 16] = [
    (Color::Black, Rgb(0, 0, 0)),
    (Color::Red, Rgb(205, 0, 0)),
    (Color::Green, Rgb(0, 205, 0)),
    (Color::Yellow, Rgb(205, 205, 0)),
    (Color::Blue, Rgb(0, 0, 238)),
    (Color::Magenta, Rgb(205, 0, 205)),
    (Color::Cyan, Rgb(0, 205, 205)),
    (Color::Gray, Rgb(229, 229, 229)),
    (Color::DarkGray, Rgb(127, 127, 127)),
    (Color::LightRed, Rgb(255, 92, 92)),
    (Color::LightGreen, Rgb(0, 255, 0)),
    (Color::LightYellow, Rgb(255, 255, 0)),
    (Color::LightBlue, Rgb(92, 92, 255)),
    (Color::LightMagenta, Rgb(255, 0, 255)),
    (Color::LightCyan, Rgb(0, 255, 255)),
    (Color::White, Rgb(255, 255, 255)),
];

/// Muted tones keep their hue: a plain distance would turn nearly all of them grey.
fn nearest_16(rgb: Rgb) -> Color {
    let (most, least) = (rgb.0.max(rgb.1).max(rgb.2), rgb.0.min(rgb.1).min(rgb.2));
    let spread = most - least;
    if u32::from(spread) * 4 < u32::from(most) || most < 100 {
        return match most {
            0..=75 => Color::Black,
            76..=170 => Color::DarkGray,
            171..=235 => Color::Gray,
            _ => Color::White,
        };
    }
    let stretch = |v: u8| (u32::from(v - least) * 255 / u32::from(spread)).min(255) as u8;
    let pure = Rgb(stretch(rgb.0), stretch(rgb.1), stretch(rgb.2));
    let range = if most > 215 { 9..15 } else { 1..7 };
    let dark = if most > 215 { 255 } else { 205 };
    let scaled = |v: u8| (u32::from(v) * dark / 255) as u8;
    let target = Rgb(scaled(pure.0), scaled(pure.1), scaled(pure.2));
    SIXTEEN[range].iter().min_by_key(|(_, c)| distance(*c, target)).map_or(Color::White, |(c, _)| *c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(pairs: &[(&str, &str)]) -> Depth {
        Depth::detect(|key| pairs.iter().find(|(k, _)| *k == key).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn the_environment_decides() {
        assert_eq!(detect(&[("COLORTERM", "truecolor"), ("TERM", "xterm-256color")]), Depth::True);
        assert_eq!(detect(&[("COLORTERM", "truecolor"), ("NO_COLOR", "1")]), Depth::None);
        assert_eq!(detect(&[("COLORTERM", "24bit"), ("NO_COLOR", "")]), Depth::True);
        assert_eq!(detect(&[("TERM", "xterm-256color")]), Depth::Ansi256);
        assert_eq!(detect(&[("TERM", "xterm-kitty")]), Depth::True);
        assert_eq!(detect(&[("TERM", "linux")]), Depth::Ansi16);
        assert_eq!(detect(&[("TERM", "dumb")]), Depth::None);
        assert_eq!(detect(&[]), Depth::Ansi16);
    }

    #[test]
    fn colours_keep_their_hue_when_there_are_few() {
        assert_eq!(Depth::Ansi256.fit(Rgb(255, 0, 0)), Some(Color::Indexed(196)));
        assert_eq!(Depth::Ansi256.fit(Rgb(8, 8, 8)), Some(Color::Indexed(232)));
        assert_eq!(Depth::Ansi16.fit(Rgb(0x15, 0x17, 0x1f)), Some(Color::Black));
        assert_eq!(Depth::Ansi16.fit(Rgb(0x5f, 0xbf, 0xb0)), Some(Color::Cyan));
        assert_eq!(Depth::Ansi16.fit(Rgb(0xf4, 0x7c, 0x7c)), Some(Color::LightRed));
        assert_eq!(Depth::Ansi16.fit(Rgb(0xfb, 0xfa, 0xf6)), Some(Color::White));
        assert_eq!(Depth::None.fit(Rgb(1, 2, 3)), None);
    }
}
