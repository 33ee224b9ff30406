//! A theme shown as text with ANSI colours, for the command line.

use std::fmt::Write as _;

use ratatui::style::Color;

use super::{ROLES, Role, Theme};

/// One line a role: a swatch, its name, and text in its colour. Without colours the swatches are left out.
pub fn preview(theme: &Theme) -> String {
    let mut out = String::new();
    let ground = theme.color(Role::Background);
    for (name, role) in ROLES {
        let color = theme.color(role);
        let line = match (color, ground) {
            (Some(color), Some(ground)) => format!(
                "  \x1b[{}m      \x1b[0m \x1b[{};{}m {name:<12} The quick brown fox ▁▂▃▄▅▆▇█ ⣀⣤⣶⣿ \x1b[0m",
                code(color, 48),
                code(color, 38),
                code(ground, 48),
            ),
            _ => format!("  {name}"),
        };
        let _ = writeln!(out, "{line}");
    }
    out
}

/// SGR parameters; `base` is 38 for ink and 48 for what lies behind.
fn code(color: Color, base: u8) -> String {
    let shift = base - 8; // 30 or 40
    let bright = base + 52; // 90 or 100
    match color {
        Color::Rgb(r, g, b) => format!("{base};2;{r};{g};{b}"),
        Color::Indexed(i) => format!("{base};5;{i}"),
        Color::Black => shift.to_string(),
        Color::Red => (shift + 1).to_string(),
        Color::Green => (shift + 2).to_string(),
        Color::Yellow => (shift + 3).to_string(),
        Color::Blue => (shift + 4).to_string(),
        Color::Magenta => (shift + 5).to_string(),
        Color::Cyan => (shift + 6).to_string(),
        Color::Gray => (shift + 7).to_string(),
        Color::DarkGray => bright.to_string(),
        Color::LightRed => (bright + 1).to_string(),
        Color::LightGreen => (bright + 2).to_string(),
        Color::LightYellow => (bright + 3).to_string(),
        Color::LightBlue => (bright + 4).to_string(),
        Color::LightMagenta => (bright + 5).to_string(),
        Color::LightCyan => (bright + 6).to_string(),
        Color::White => (bright + 7).to_string(),
        Color::Reset => (base + 1).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Depth, load};
    use super::*;

    #[test]
    fn every_role_is_shown_in_every_depth() {
        for depth in [Depth::True, Depth::Ansi256, Depth::Ansi16, Depth::None] {
            let text = preview(&load("dusk", None, depth).unwrap());
            assert_eq!(text.lines().count(), ROLES.len());
            assert_eq!(text.contains('\x1b'), depth != Depth::None);
        }
        let text = preview(&load("dusk", None, Depth::True).unwrap());
        assert!(text.contains("\x1b[48;2;138;180;248m"), "{text}");
    }
}
