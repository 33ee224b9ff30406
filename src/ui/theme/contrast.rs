//! How well one colour is read on another.

use super::Rgb;

/// A channel of sRGB (0 to 255) as linear light, 0 to 1.
pub(super) fn linear(channel: u8) -> f64 {
    let v = f64::from(channel) / 255.0;
    if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

/// Relative luminance, 0 (black) to 1 (white), as WCAG 2 defines it.
fn luminance(c: Rgb) -> f64 {
    0.2126 * linear(c.0) + 0.7152 * linear(c.1) + 0.0722 * linear(c.2)
}

/// WCAG 2's contrast ratio of two colours: 1 (the same) to 21 (black and white). Text needs 4.5 for level AA and 7
/// for AAA.
pub fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::super::depth::looks;
    use super::super::{BUNDLED, Depth, ROLES, Role, Theme, parse};
    use super::*;

    const GROUNDS: [Role; 3] = [Role::Background, Role::Surface, Role::Selection];

    /// Roles that are read: not grounds, and not the frames' ink.
    fn inks() -> impl Iterator<Item = (&'static str, Role)> {
        ROLES.into_iter().filter(|(_, role)| !GROUNDS.contains(role) && *role != Role::Border)
    }

    fn theme(name: &str, depth: Depth) -> Theme {
        let text = BUNDLED.iter().find(|(n, _)| *n == name).map(|(_, text)| *text).unwrap();
        Theme::new(name, parse(text, name).unwrap(), depth)
    }

    /// All roles' contrasts that are below what the theme promises.
    fn too_faint(theme: &Theme) -> Vec<String> {
        let least = if ["contrast", "ink"].contains(&theme.name.as_str()) { 7.0 } else { 4.5 };
        let seen = |role| looks(theme.color(role).unwrap()).unwrap();
        let mut faint = Vec::new();
        for (name, role) in inks() {
            for ground in GROUNDS {
                let ratio = contrast(seen(role), seen(ground));
                if ratio < least {
                    faint.push(format!(
                        "{} {:?}: {name} on {ground:?} is {ratio:.2}",
                        theme.name, theme.depth
                    ));
                }
            }
        }
        faint
    }

    #[test]
    fn ratios_are_those_of_the_guidelines() {
        assert!((contrast(Rgb(0, 0, 0), Rgb(255, 255, 255)) - 21.0).abs() < 1e-9);
        assert!((contrast(Rgb(7, 8, 9), Rgb(7, 8, 9)) - 1.0).abs() < 1e-9);
        // #767676 is the lightest grey that passes on white.
        assert!(contrast(Rgb(0x76, 0x76, 0x76), Rgb(255, 255, 255)) >= 4.5);
        assert!(contrast(Rgb(0x77, 0x77, 0x77), Rgb(255, 255, 255)) < 4.5);
    }

    #[test]
    fn every_ink_is_read_on_every_ground() {
        let mut faint = Vec::new();
        for (name, _) in BUNDLED {
            for depth in [Depth::True, Depth::Ansi256] {
                faint.extend(too_faint(&theme(name, depth)));
            }
        }
        // Of the sixteen only the theme that is made of them promises anything.
        faint.extend(too_faint(&theme("sixteen", Depth::Ansi16)));
        assert!(faint.is_empty(), "{}", faint.join("\n"));
    }

    #[test]
    fn the_theme_of_sixteen_uses_no_other_colours() {
        for depth in [Depth::True, Depth::Ansi256, Depth::Ansi16] {
            let theme = theme("sixteen", depth);
            for (name, role) in ROLES {
                let color = theme.color(role).unwrap();
                assert!(super::super::depth::SIXTEEN.iter().any(|(c, _)| *c == color), "{name}: {color:?}");
            }
        }
    }
}
