//! Themes: named roles and their colours, as many as the terminal can show.
//!
//! A theme file gives colours to roles (`accent`, `decode`, …), never to widgets. Bundled themes lie in the
//! repository's `themes/`; a user's own are `NAME.toml` in [`user_folder`] and win over bundled ones. Panels
//! ask a [`Theme`] for the style of a [`Role`]; the theme has already fitted it to the terminal's [`Depth`].

mod contrast;
mod depth;
mod parse;
mod preview;
#[cfg(test)]
pub(crate) mod vision;
mod watch;

use std::path::{Path, PathBuf};

use ratatui::style::{Color, Modifier, Style};

pub use depth::Depth;
pub use parse::{Palette, Rgb, parse};
pub use preview::preview;
pub use watch::Watch;

use crate::suggest::did_you_mean;

/// What a colour is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Behind everything.
    Background,
    /// Behind header and footer.
    Surface,
    /// Frames, axes and rules.
    Border,
    Text,
    /// Labels and units.
    Muted,
    /// Titles, keys and what is selected.
    Accent,
    Good,
    Warn,
    Bad,
    /// Behind the selected row.
    Selection,
    /// A request waiting in the engine's queue.
    Queued,
    /// A request before its first token, where queue and prefill can't be told apart.
    Waiting,
    Prefill,
    Decode,
    /// Series: output tokens, input tokens, requests.
    Output,
    Input,
    Requests,
}

/// All roles with their names in theme files.
pub const ROLES: [(&str, Role); 17] = [
    ("background", Role::Background),
    ("surface", Role::Surface),
    ("border", Role::Border),
    ("text", Role::Text),
    ("muted", Role::Muted),
    ("accent", Role::Accent),
    ("good", Role::Good),
    ("warn", Role::Warn),
    ("bad", Role::Bad),
    ("selection", Role::Selection),
    ("queued", Role::Queued),
    ("waiting", Role::Waiting),
    ("prefill", Role::Prefill),
    ("decode", Role::Decode),
    ("output", Role::Output),
    ("input", Role::Input),
    ("requests", Role::Requests),
];

/// Themes within the program: name and file.
const BUNDLED: [(&str, &str); 7] = [
    ("dusk", include_str!("../../../themes/dusk.toml")),
    ("paper", include_str!("../../../themes/paper.toml")),
    ("contrast", include_str!("../../../themes/contrast.toml")),
    ("okabe", include_str!("../../../themes/okabe.toml")),
    ("tol", include_str!("../../../themes/tol.toml")),
    ("ink", include_str!("../../../themes/ink.toml")),
    ("sixteen", include_str!("../../../themes/sixteen.toml")),
];

/// Why there is no theme.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    /// Neither bundled nor the user's.
    #[error("there is no theme `{name}`{hint}; there are {all}")]
    Unknown { name: String, hint: String, all: String },
    /// The file is there and can't be read.
    #[error("can't read the theme {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    /// The file is wrong somewhere.
    #[error("{file}:{line}:{column}: {message}")]
    Invalid { file: String, line: usize, column: usize, message: String },
}

/// A theme that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    /// The file, if it is the user's own.
    pub path: Option<PathBuf>,
}

/// A palette fitted to a terminal.
#[derive(Debug, Clone)]
pub struct Theme {
    pub name: String,
    pub depth: Depth,
    palette: Palette,
}

impl Theme {
    /// Fits a palette to a terminal.
    pub fn new(name: &str, palette: Palette, depth: Depth) -> Self {
        Self { name: name.to_owned(), depth, palette }
    }

    /// A role's colour; `None` in a terminal without colours.
    pub fn color(&self, role: Role) -> Option<Color> {
        match self.palette.own(role) {
            Some(own) if self.depth != Depth::None => Some(own),
            _ => self.depth.fit(self.palette.rgb(role)),
        }
    }

    /// What the theme is for, in a few words.
    pub fn about(&self) -> &str {
        &self.palette.about
    }

    /// Whether the selected row has no ground of its own, so that it is reversed: where there are no colours,
    /// or not enough to tell its ground from the background.
    fn reverses(&self, role: Role) -> bool {
        role == Role::Selection && self.color(role) == self.color(Role::Background)
    }

    /// The colour so far (0..=1) on the way from one role's to another's; `None` without colours.
    pub fn mix(&self, from: Role, to: Role, part: f64) -> Option<Color> {
        let (a, b) = (self.palette.rgb(from), self.palette.rgb(to));
        let part = part.clamp(0.0, 1.0);
        let between = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
        self.depth.fit(Rgb(between(a.0, b.0), between(a.1, b.1), between(a.2, b.2)))
    }

    /// Text (or ink) in a role.
    pub fn fg(&self, role: Role) -> Style {
        match self.color(role) {
            Some(color) => Style::new().fg(color),
            None => Style::new().add_modifier(monochrome(role)),
        }
    }

    /// [`Self::fg`] in bold.
    pub fn bold(&self, role: Role) -> Style {
        self.fg(role).add_modifier(Modifier::BOLD)
    }

    /// Text behind which a role's colour lies.
    pub fn bg(&self, role: Role) -> Style {
        match self.color(role) {
            _ if self.reverses(role) => Style::new().add_modifier(Modifier::REVERSED),
            Some(color) => Style::new().bg(color),
            None => Style::new(),
        }
    }

    /// Plain text on the background: what the whole screen is filled with.
    pub fn base(&self) -> Style {
        self.fg(Role::Text).patch(self.bg(Role::Background))
    }

    /// A label that must be seen: ink on a coloured patch.
    pub fn badge(&self, role: Role) -> Style {
        match (self.color(role), self.color(Role::Background)) {
            (Some(bg), Some(fg)) => Style::new().fg(fg).bg(bg).add_modifier(Modifier::BOLD),
            _ => Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD),
        }
    }
}

/// How a role differs without colour.
fn monochrome(role: Role) -> Modifier {
    match role {
        Role::Muted | Role::Border | Role::Queued => Modifier::DIM,
        Role::Accent | Role::Warn | Role::Bad => Modifier::BOLD,
        _ => Modifier::empty(),
    }
}

/// Where a user's own themes lie: `$XDG_CONFIG_HOME/fastgen-tui/themes`, or below `~/.config`.
pub fn user_folder(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |key: &str| env(key).filter(|v| !v.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(config.join("fastgen-tui").join("themes"))
}

/// All themes: bundled first, then the user's in the order of their names.
pub fn list(user: Option<&Path>) -> Vec<Listed> {
    let mut own: Vec<Listed> = user
        .and_then(|folder| std::fs::read_dir(folder).ok())
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_stem()?.to_str()?.to_owned();
            (path.extension()? == "toml").then_some(Listed { name, path: Some(path) })
        })
        .collect();
    own.sort_by(|a, b| a.name.cmp(&b.name));
    let mut all: Vec<Listed> = BUNDLED
        .iter()
        .filter(|(name, _)| own.iter().all(|o| o.name != *name))
        .map(|(name, _)| Listed { name: (*name).to_owned(), path: None })
        .collect();
    all.extend(own);
    all
}

/// The text of a theme's file and what to call it in messages.
///
/// # Errors
/// [`ThemeError::Unknown`] with the nearest name, [`ThemeError::Read`].
pub fn source(name: &str, user: Option<&Path>) -> Result<(String, String), ThemeError> {
    let all = list(user);
    let Some(found) = all.iter().find(|t| t.name == name) else {
        let names: Vec<&str> = all.iter().map(|t| t.name.as_str()).collect();
        let hint = did_you_mean(name, names.iter().copied());
        return Err(ThemeError::Unknown { name: name.to_owned(), hint, all: names.join(", ") });
    };
    if let Some(path) = &found.path {
        std::fs::read_to_string(path)
            .map(|text| (text, path.display().to_string()))
            .map_err(|source| ThemeError::Read { path: path.clone(), source })
    } else {
        let text = BUNDLED.iter().find(|(n, _)| *n == name).map_or("", |(_, text)| text);
        Ok((text.to_owned(), format!("themes/{name}.toml")))
    }
}

/// A theme by name, fitted to a terminal.
///
/// # Errors
/// As [`source`], and [`ThemeError::Invalid`] with file, line and column.
pub fn load(name: &str, user: Option<&Path>, depth: Depth) -> Result<Theme, ThemeError> {
    let (text, file) = source(name, user)?;
    Ok(Theme::new(name, parse(&text, &file)?, depth))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_theme_wins_and_a_slip_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let (dusk, _) = source("dusk", None).unwrap();
        std::fs::write(folder.path().join("dusk.toml"), dusk.replace("#15171f", "#010203")).unwrap();
        let theme = load("dusk", Some(folder.path()), Depth::True).unwrap();
        assert_eq!(theme.color(Role::Background), Some(Color::Rgb(1, 2, 3)));
        assert_eq!(list(Some(folder.path())).len(), BUNDLED.len());
        let error = load("dsuk", None, Depth::True).unwrap_err().to_string();
        assert!(error.contains("did you mean `dusk`?"), "{error}");
    }

    #[test]
    fn the_users_folder_follows_the_environment() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |key: &str| pairs.iter().find(|(k, _)| *k == key).map(|(_, v)| (*v).to_owned())
        };
        let end = Path::new("fastgen-tui/themes");
        assert_eq!(
            user_folder(env(&[("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")])),
            Some(Path::new("/x").join(end))
        );
        assert_eq!(user_folder(env(&[("HOME", "/h")])), Some(Path::new("/h/.config").join(end)));
        assert_eq!(user_folder(env(&[])), None);
    }
}
