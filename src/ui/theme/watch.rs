//! The user's own theme file, read again when it changes.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Depth, Theme, ThemeError, list, load};

/// Time between looks at the file.
const LOOK_NS: u64 = 1_000_000_000;

/// What tells one state of a file from another.
type Stamp = (SystemTime, u64);

/// Watches the file of the theme in use. A bundled theme has none.
pub struct Watch {
    name: String,
    folder: Option<PathBuf>,
    path: Option<PathBuf>,
    seen: Option<Stamp>,
    next_ns: u64,
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

impl Watch {
    /// Watches the theme of this name; `folder` is where the user's own lie.
    pub fn new(name: &str, folder: Option<&Path>) -> Self {
        let path = list(folder).into_iter().find(|t| t.name == name).and_then(|t| t.path);
        Self {
            name: name.to_owned(),
            folder: folder.map(Path::to_owned),
            seen: path.as_deref().and_then(stamp),
            path,
            next_ns: 0,
        }
    }

    /// The theme, read again, if its file changed; to be called often, looks once a second. A file that is gone
    /// is waited for, since some editors replace files that way.
    pub fn changed(&mut self, now_ns: u64, depth: Depth) -> Option<Result<Theme, ThemeError>> {
        let path = self.path.as_deref()?;
        if now_ns < self.next_ns {
            return None;
        }
        self.next_ns = now_ns + LOOK_NS;
        let stamp = stamp(path)?;
        if self.seen == Some(stamp) {
            return None;
        }
        self.seen = Some(stamp);
        Some(load(&self.name, self.folder.as_deref(), depth))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Role, source};
    use super::*;

    #[test]
    fn a_changed_file_is_read_again_once_and_at_most_once_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("mine.toml");
        let (dusk, _) = source("dusk", None).unwrap();
        std::fs::write(&own, &dusk).unwrap();
        let mut watch = Watch::new("mine", Some(folder.path()));
        assert!(watch.changed(0, Depth::True).is_none());
        std::fs::write(&own, dusk.replace("#d7dbe8", "#ffffff") + "# longer\n").unwrap();
        assert!(watch.changed(LOOK_NS / 2, Depth::True).is_none(), "too soon");
        let theme = watch.changed(LOOK_NS, Depth::True).unwrap().unwrap();
        assert_eq!(theme.color(Role::Text), Some(ratatui::style::Color::Rgb(255, 255, 255)));
        assert!(watch.changed(2 * LOOK_NS, Depth::True).is_none());
        std::fs::write(&own, "[roles]\nacent = \"#000000\"\n").unwrap();
        let error = watch.changed(3 * LOOK_NS, Depth::True).unwrap().unwrap_err().to_string();
        assert!(error.ends_with("mine.toml:2:1: unknown role `acent`; did you mean `accent`?"), "{error}");
        std::fs::remove_file(&own).unwrap();
        assert!(watch.changed(4 * LOOK_NS, Depth::True).is_none());
        std::fs::write(&own, dusk).unwrap();
        assert!(watch.changed(5 * LOOK_NS, Depth::True).unwrap().is_ok());
    }

    #[test]
    fn a_bundled_theme_has_nothing_to_watch() {
        assert!(Watch::new("dusk", None).changed(LOOK_NS, Depth::True).is_none());
    }
}
