//! The user's own settings: `config.toml` in the configuration folder. Lowest of the layers: a profile's `[ui]` and
//! flags win over it. A wrong file is found before anything is started.

mod read;
mod show;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::failure::Failure;
use super::prepare::user_themes;
use crate::profile::{Resolved, Ui};
use crate::ui::{self, ByteUnits, TimeUnits, theme};

pub use show::{ConfigArgs, config};

/// A value and where it stands: the byte of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    pub value: T,
    pub byte: usize,
}

/// What the file says; what it leaves out is `None`.
#[derive(Debug, Default)]
pub struct Config {
    /// Where it is, or would be; none without a home.
    pub path: Option<PathBuf>,
    /// The file's text; none if there is no file.
    pub text: Option<String>,
    pub theme: Option<At<String>>,
    pub profile: Option<At<String>>,
    pub fps: Option<At<u32>>,
    pub plain: Option<At<bool>>,
    pub plain_every: Option<At<Duration>>,
    pub bytes: Option<At<ByteUnits>>,
    pub time: Option<At<TimeUnits>>,
    pub keys: Arc<ui::Keys>,
    /// Where each of the user's keys was asked for, by the command's line.
    pub wishes: Vec<ui::Wish>,
}

/// Time between lines of figures where nobody says otherwise.
pub const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Reads and checks the user's settings. No file is no error.
///
/// # Errors
/// Exit status 2, with file, line and column.
pub fn load() -> Result<Config, Failure> {
    let Some(path) = path() else { return Ok(Config::default()) };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Config { path: Some(path), ..Config::default() });
        }
        Err(error) => return Err(Failure::usage(format!("can't read {}: {error}", path.display()))),
    };
    let mut config = read::parse(&text).map_err(|(byte, message)| at(&path, &text, byte, &message))?;
    if let Some(named) = &config.theme
        && let Err(error) = theme::source(&named.value, user_themes().as_deref())
    {
        return Err(at(&path, &text, named.byte, &format!("theme: {error}")));
    }
    ui::choose_units(
        config.bytes.as_ref().map_or_else(ByteUnits::default, |b| b.value),
        config.time.as_ref().map_or_else(TimeUnits::default, |t| t.value),
    );
    config.path = Some(path);
    config.text = Some(text);
    Ok(config)
}

/// `$XDG_CONFIG_HOME/fastgen-tui/config.toml`, or below `~/.config`.
fn path() -> Option<PathBuf> {
    Some(user_themes()?.parent()?.join("config.toml"))
}

/// Line and column of a byte, both from 1, the column in characters.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    (before.matches('\n').count() + 1, column)
}

fn at(path: &std::path::Path, text: &str, byte: usize, message: &str) -> Failure {
    let (line, column) = position(text, byte);
    Failure::usage(format!("{}:{line}:{column}: {message}", path.display()))
}

impl Config {
    /// Says where in the file a value was asked for that turned out wrong.
    pub fn fault(&self, byte: usize, message: &str) -> Failure {
        match (&self.path, &self.text) {
            (Some(path), Some(text)) => at(path, text, byte, message),
            _ => Failure::usage(message),
        }
    }

    /// Lays what a profile does not say itself under it.
    pub fn lay_under(&self, ui: &mut Ui, resolved: Option<&Resolved>) {
        let says = |key: &str| resolved.is_some_and(|r| r.says(key));
        if let Some(theme) = self.theme.as_ref().filter(|_| !says("ui.theme")) {
            ui.theme.clone_from(&theme.value);
        }
        if let Some(fps) = self.fps.as_ref().filter(|_| !says("ui.fps")) {
            ui.fps = fps.value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters() {
        assert_eq!(position("a\nä = x", 7), (2, 5));
        assert_eq!(position("", 0), (1, 1));
    }
}
