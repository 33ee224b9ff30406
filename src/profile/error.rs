//! What can be wrong with a profile, and how it is told: the place first, then what, then the line itself.

use std::path::PathBuf;

use super::de::Fault;
use super::tree::{Source, SourceKind};

/// Why there is no usable profile. In the command line all of these are exit status 2.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Wrong syntax, key, type or value in one of the layers.
    #[error("{0}")]
    Invalid(Box<Located>),
    /// No profile and no file of this name.
    #[error("there is no profile `{name}`{hint}; `fastgen-tui profiles list` shows them all")]
    Unknown {
        name: String,
        /// `; did you mean …?`, or nothing.
        hint: String,
    },
    /// A profile's file could not be read.
    #[error("can't read the profile {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The profile is right, but asks for what this version can't do.
    #[error("{0}")]
    NotInThisVersion(String),
    /// A cell of the sweep can't be run. [`super::Resolved::locate`] adds where its key was written.
    #[error("{key}: {message}")]
    Cell { key: String, message: String },
    /// The profile could not be written as TOML.
    #[error("can't write the profile as TOML: {0}")]
    Write(#[from] toml::ser::Error),
}

/// A fault with its place in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// What is wrong and what to do, one line, with the key.
    pub message: String,
    /// `FILE`, `bundled profile "NAME"`, `--set KEY=VALUE`, or `profile "NAME"` where it was never written.
    pub source: String,
    /// Line and column, both from 1, the column in characters; none for flags.
    pub position: Option<(usize, usize)>,
    /// The line, and carets under the fault.
    pub snippet: Option<String>,
}

impl std::fmt::Display for Located {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.source)?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.snippet {
            Some(snippet) => write!(f, "\n{snippet}"),
            None => Ok(()),
        }
    }
}

impl ProfileError {
    /// The fault in words; `name` is the profile's, for what was written nowhere.
    pub(super) fn locate(fault: &Fault, sources: &[Source], name: &str) -> Self {
        let message = fault.to_string();
        let origin = fault.origin.as_ref().and_then(|o| sources.get(o.source).map(|s| (s, &o.span)));
        let located = match origin {
            None => Located { message, source: format!("profile \"{name}\""), position: None, snippet: None },
            Some((source, _)) if source.kind == SourceKind::Flag => {
                Located { message, source: source.name(), position: None, snippet: None }
            }
            Some((source, span)) => {
                let (position, snippet) = show(&source.text, span.start, span.end);
                Located { message, source: source.name(), position: Some(position), snippet: Some(snippet) }
            }
        };
        Self::Invalid(Box::new(located))
    }
}

/// Line and column of a byte offset, and that line with carets under `start..end`.
fn show(text: &str, start: usize, end: usize) -> ((usize, usize), String) {
    let start = floor_char(text, start);
    let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let line = text[line_start..].split('\n').next().unwrap_or_default().trim_end_matches('\r');
    let number = text[..start].matches('\n').count() + 1;
    let before = text[line_start..start].chars().count();
    let end = floor_char(text, end.max(start)).min(line_start + line.len()).max(start);
    let carets = text[start..end].chars().count().max(1);
    // Tabs stay tabs, so that the carets stand under the text whatever a tab's width is.
    let indent: String = line.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let gutter = " ".repeat(number.to_string().len());
    let snippet = format!("{gutter} |\n{number} | {line}\n{gutter} | {indent}{}", "^".repeat(carets));
    ((number, before + 1), snippet)
}

fn floor_char(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_carets_stay_on_the_line() {
        let text = "a = 1\nü = \"x\ny\"\n";
        let start = text.find('"').unwrap();
        let (position, snippet) = show(text, start, text.len());
        assert_eq!(position, (2, 5));
        assert_eq!(snippet, "  |\n2 | ü = \"x\n  |     ^^");
        assert_eq!(show("", 0, 0).0, (1, 1));
        assert_eq!(show("a", 1, 9).1, "  |\n1 | a\n  |  ^");
    }
}
