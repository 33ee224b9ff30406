//! A theme's file → a [`Palette`], with errors that point at line and column.

use ratatui::style::Color;
use toml::de::{DeTable, DeValue};

use super::depth::SIXTEEN;
use super::{ROLES, Role, ThemeError};
use crate::suggest::did_you_mean;

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// The terminal's sixteen by their names in theme files, in the order of [`SIXTEEN`].
pub(super) const NAMES: [&str; 16] = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    "bright-black",
    "bright-red",
    "bright-green",
    "bright-yellow",
    "bright-blue",
    "bright-magenta",
    "bright-cyan",
    "bright-white",
];

/// A colour as a theme's file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ink {
    /// What it is, or, of a terminal's own colour, what xterm makes of it.
    rgb: Rgb,
    /// Which of the terminal's own.
    own: Option<Color>,
}

/// A colour for every role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Palette {
    colors: [Ink; ROLES.len()],
    /// What the theme is for, in a few words.
    pub about: String,
}

impl Palette {
    /// The role's colour.
    pub fn rgb(&self, role: Role) -> Rgb {
        self.colors[role as usize].rgb
    }

    /// The terminal's own colour that the role was given by name, if it was.
    pub fn own(&self, role: Role) -> Option<Color> {
        self.colors[role as usize].own
    }
}

/// An error at a byte of the file.
struct At<'a> {
    text: &'a str,
    file: &'a str,
}

impl At<'_> {
    fn error(&self, byte: usize, message: String) -> ThemeError {
        let before = self.text.get(..byte).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        ThemeError::Invalid { file: self.file.to_owned(), line, column, message }
    }
}

/// Reads a theme; `file` is its name in messages.
///
/// # Errors
/// [`ThemeError::Invalid`]: no TOML, an unknown key or role, a missing role, a colour that is none.
pub fn parse(text: &str, file: &str) -> Result<Palette, ThemeError> {
    let at = At { text, file };
    let root = DeTable::parse(text)
        .map_err(|e| at.error(e.span().map_or(0, |s| s.start), e.message().to_owned()))?;
    let mut palette =
        Palette { colors: [Ink { rgb: Rgb(0, 0, 0), own: None }; ROLES.len()], about: String::new() };
    let mut seen = [false; ROLES.len()];
    for (key, value) in root.get_ref() {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("about", DeValue::String(s)) => palette.about = s.to_string(),
            ("roles", DeValue::Table(roles)) => {
                for (key, value) in roles {
                    let index = role_index(key.get_ref()).map_err(|m| at.error(key.span().start, m))?;
                    palette.colors[index] =
                        color(value.get_ref()).map_err(|m| at.error(value.span().start, m))?;
                    seen[index] = true;
                }
            }
            ("about" | "roles", _) => {
                let wanted = "`about` is a text and `roles` a table of colours".to_owned();
                return Err(at.error(value.span().start, wanted));
            }
            (other, _) => {
                let hint = did_you_mean(other, ["about", "roles"]);
                return Err(at.error(key.span().start, format!("unknown key `{other}`{hint}")));
            }
        }
    }
    match ROLES.iter().zip(seen).find(|(_, seen)| !seen) {
        Some(((name, _), _)) => {
            Err(at.error(text.len(), format!("the role `{name}` has no colour; add it under [roles]")))
        }
        None => Ok(palette),
    }
}

fn role_index(name: &str) -> Result<usize, String> {
    ROLES.iter().position(|(n, _)| *n == name).ok_or_else(|| {
        let hint = did_you_mean(name, ROLES.iter().map(|(n, _)| *n));
        format!("unknown role `{name}`{hint}")
    })
}

fn color(value: &DeValue<'_>) -> Result<Ink, String> {
    let DeValue::String(text) = value else {
        return Err("a colour is a text like \"#8ab4f8\" or \"bright-cyan\"".to_owned());
    };
    if let Some(i) = NAMES.iter().position(|name| name == text) {
        let (own, rgb) = SIXTEEN[i];
        return Ok(Ink { rgb, own: Some(own) });
    }
    let digits = text.strip_prefix('#').filter(|d| d.len() == 6 && d.is_ascii());
    let byte = |i: usize| digits.and_then(|d| u8::from_str_radix(&d[i..i + 2], 16).ok());
    if let (Some(r), Some(g), Some(b)) = (byte(0), byte(2), byte(4)) {
        return Ok(Ink { rgb: Rgb(r, g, b), own: None });
    }
    let hint = did_you_mean(text, NAMES);
    let end = if hint.is_empty() {
        "; write six hexadecimal digits like \"#8ab4f8\", or one of the terminal's own like \"bright-cyan\""
    } else {
        &hint
    };
    Err(format!("`{text}` is no colour{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(text: &str) -> String {
        parse(text, "x.toml").unwrap_err().to_string()
    }

    #[test]
    fn errors_point_at_the_place_and_name_the_nearest_role() {
        let slip = fails("about = \"x\"\n[roles]\n  acent = \"#000000\"\n");
        assert_eq!(slip, "x.toml:3:3: unknown role `acent`; did you mean `accent`?");
        let color = fails("[roles]\naccent = \"#12345\"\n");
        assert!(color.starts_with("x.toml:2:10: `#12345` is no colour"), "{color}");
        assert!(fails("[roles]\naccent = \"#ä1234\"\n").contains("is no colour"));
        let name = fails("[roles]\naccent = \"brigth-cyan\"\n");
        assert_eq!(name, "x.toml:2:10: `brigth-cyan` is no colour; did you mean `bright-cyan`?");
        assert!(fails("[roles]\naccent = 7\n").starts_with("x.toml:2:10: a colour is a text"));
        assert!(fails("[rolls]\n").contains("did you mean `roles`?"));
        assert!(fails("roles = 3\n").starts_with("x.toml:1:9:"));
        assert!(fails("[roles]\n").contains("the role `background` has no colour"));
        assert!(fails("[roles\n").starts_with("x.toml:1:"));
    }

    #[test]
    fn roles_are_listed_in_the_order_of_the_enum() {
        for (i, (name, role)) in ROLES.iter().enumerate() {
            assert_eq!(*role as usize, i, "{name}");
        }
    }
}
