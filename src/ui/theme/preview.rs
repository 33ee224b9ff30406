//! A theme shown as text with ANSI colours, for the command line.

use std::fmt::Write as _;

use ratatui::style::{Color, Modifier, Style};

use super::contrast::contrast;
use super::depth::{SIXTEEN, looks};
use super::parse::NAMES;
use super::{ROLES, Role, Theme};

/// What the theme is for, one line a role (a swatch, its name, text in its colour on the background, its colour and
/// how well it is read there), a selected row, badges and the heat map's scale. Without colours: names, and how
/// roles differ without.
pub fn preview(theme: &Theme) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}: {}", theme.name, theme.about());
    let ground = theme.color(Role::Background);
    for (name, role) in ROLES {
        let (Some(color), Some(ground)) = (theme.color(role), ground) else {
            let _ = writeln!(out, "  {}{name}\x1b[0m", modifiers(theme.fg(role)));
            continue;
        };
        // Grounds are shown under text.
        let under = matches!(role, Role::Background | Role::Surface | Role::Selection);
        let (front, back) =
            if under { (theme.color(Role::Text).unwrap_or(color), color) } else { (color, ground) };
        let (ink, paper) = (code(front, 38), code(back, 48));
        let swatch = code(color, 48);
        let (hex, ratio) = (spelled(color), ratio(front, back));
        let _ = writeln!(
            out,
            "  \x1b[{swatch}m      \x1b[0m \x1b[{ink};{paper}m {name:<11} ▁▂▃▄▅▆▇█ ⣀⣤⣶⣿ 123.4 tokens/s \x1b[0m {hex:<14} {ratio}",
        );
    }
    samples(&mut out, theme);
    out
}

/// A selected row, badges, and the heat map's colours from few to many.
fn samples(out: &mut String, theme: &Theme) {
    let Some(ground) = theme.color(Role::Background) else { return };
    let selected = theme.bg(Role::Selection);
    let paper = selected.bg.map_or_else(|| format!("7;{}", code(ground, 48)), |bg| code(bg, 48));
    let mut row = String::new();
    for (name, role) in ROLES.into_iter().filter(|(_, r)| matches!(r, Role::Text | Role::Muted | Role::Bad)) {
        let ink = theme.color(role).map_or_else(|| "39".to_owned(), |color| code(color, 38));
        let _ = write!(row, "\x1b[{ink};{paper}m {name} \x1b[0m");
    }
    let _ = write!(out, "  selected row:{row}   badges:");
    for role in [Role::Accent, Role::Warn, Role::Bad] {
        if let Some(color) = theme.color(role) {
            let _ = write!(out, " \x1b[1;{};{}m badge \x1b[0m", code(ground, 38), code(color, 48));
        }
    }
    out.push_str("\n  heat: ");
    for step in 0..=20 {
        let color = theme.mix(Role::Background, Role::Decode, f64::from(step) / 20.0);
        let _ = write!(out, "\x1b[{}m  \x1b[0m", color.map_or_else(|| "49".into(), |c| code(c, 48)));
    }
    out.push('\n');
}

/// The escape sequences of what a role has instead of a colour.
fn modifiers(style: Style) -> &'static str {
    if style.add_modifier.contains(Modifier::BOLD) {
        "\x1b[1m"
    } else if style.add_modifier.contains(Modifier::DIM) {
        "\x1b[2m"
    } else {
        ""
    }
}

/// A colour as a theme's file would have it, or its number.
fn spelled(color: Color) -> String {
    match color {
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        Color::Indexed(i) => format!("colour {i}"),
        named => SIXTEEN.iter().position(|(c, _)| *c == named).map_or("", |i| NAMES[i]).to_owned(),
    }
}

/// The contrast of text in a colour; of a terminal's own it depends on the terminal.
fn ratio(ink: Color, ground: Color) -> String {
    match (looks(ink), looks(ground)) {
        (Some(a), Some(b)) => format!("{:>4.1}:1", contrast(a, b)),
        _ => String::new(),
    }
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
            let samples = if depth == Depth::None { 0 } else { 2 };
            assert_eq!(text.lines().count(), 1 + ROLES.len() + samples);
            assert!(text.starts_with("dusk: dark"), "{text}");
            assert_eq!(text.contains("▁"), depth != Depth::None);
        }
        let text = preview(&load("dusk", None, Depth::True).unwrap());
        assert!(text.contains("\x1b[48;2;138;180;248m"), "{text}");
    }
}
