//! What leaves the dashboard: figures to the clipboard, pictures to files. Neither can end it.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::Dashboard;
use crate::ui::copy::{MOST_BYTES, sequence, sheet};
use crate::ui::theme::{self, Depth};
use crate::ui::view::Picture;
use crate::ui::{Recording, draw_to_svg, sanitize};

/// Most pictures of one screen that get a name beside one recording.
const MOST_PICTURES: u32 = 9999;

impl Dashboard<'_> {
    /// The screen's figures to the clipboard, by way of the terminal.
    pub(super) fn copy(&mut self) {
        let sheet = sheet(&self.snap, &self.ui);
        let (text, lines) = sheet.fitting(MOST_BYTES);
        let tmux = std::env::var_os("TMUX").is_some();
        let all = sheet.lines.len();
        let sent = self.terminal.send(&sequence(&text, tmux));
        let cut = if lines < all {
            format!(", the first {lines} of {all} lines: a terminal takes 75 kB")
        } else {
            format!(", {all} lines")
        };
        let how = if tmux { "; tmux needs `set-clipboard on`" } else { "" };
        let copied = format!("copied {}{cut}{how}", sheet.what);
        let said = sent.map_or_else(|error| format!("nothing was copied: {error}"), |()| copied);
        self.say(said);
    }

    /// The screen as SVG beside the recording; another thread writes it.
    pub(super) fn take_picture(&mut self) {
        let picture = Picture {
            snap: &self.snap,
            title: &self.title,
            recording: &self.shown_rest.1,
            transport: self.shown_rest.0,
            over: self.shown_rest.2,
        };
        // A picture has all colours, whatever the terminal has.
        let full = theme::load(&self.theme.name, self.options.user_themes.as_deref(), Depth::True);
        let theme = full.as_ref().unwrap_or(&self.theme);
        let area = self.terminal.area();
        let svg = draw_to_svg(&picture, &self.ui, theme, (area.width, area.height));
        let (folder, stem) = place(&self.shown_rest.1);
        let stem = format!("{stem}-{}", self.ui.screen.name().to_lowercase());
        let tell = self.said.0.clone();
        let spawned = std::thread::Builder::new().name("picture".into()).spawn(move || {
            let said = match write(&folder, &stem, &svg) {
                Ok(path) => format!("picture: {}", sanitize::line(&path.display().to_string())),
                Err(error) => {
                    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
                    format!("no picture in {}: {error}", sanitize::line(&folder.display().to_string()))
                }
            };
            // If more pictures are being written than words are waited for, the words of this one are not missed.
            let _ = tell.try_send(said);
        });
        if let Err(error) = spawned {
            self.say(format!("no picture: {error}"));
        }
    }

    /// Words of the threads that write pictures.
    pub(super) fn hear(&mut self) {
        while let Ok(said) = self.said.1.try_recv() {
            self.say(said);
            self.dirty = true;
        }
    }
}

/// Folder and beginning of the name of a picture: beside the recording, or where the program was started.
fn place(recording: &Recording) -> (PathBuf, String) {
    let path = match recording {
        Recording::Off => None,
        Recording::Writing { path, .. }
        | Recording::Failed { path, .. }
        | Recording::Closed { path, .. }
        | Recording::Replay { path } => Some(Path::new(path)),
    };
    let Some(name) = path.and_then(Path::file_name) else { return (PathBuf::new(), "fastgen-tui".into()) };
    let name = name.to_string_lossy();
    let stem = name.trim_end_matches(".zst").trim_end_matches(".jsonl").to_owned();
    let folder = path.and_then(Path::parent).filter(|folder| folder.is_dir());
    (folder.map(Path::to_path_buf).unwrap_or_default(), stem)
}

/// Writes a picture under the first name that is free; a half-written one is taken away again.
fn write(folder: &Path, stem: &str, svg: &str) -> std::io::Result<PathBuf> {
    for n in 1..=MOST_PICTURES {
        let path = folder.join(format!("{stem}-{n}.svg"));
        match File::create_new(&path) {
            Ok(mut file) => {
                let written = file.write_all(svg.as_bytes()).and_then(|()| file.sync_all());
                if let Err(error) = written {
                    let _ = std::fs::remove_file(&path);
                    return Err(error);
                }
                return Ok(path);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::new(ErrorKind::AlreadyExists, "all names for pictures are taken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_lie_beside_the_recording_and_overwrite_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.jsonl.zst").display().to_string();
        let (beside, stem) = place(&Recording::Closed { path, bytes: 1 });
        assert_eq!((beside.as_path(), stem.as_str()), (folder.path(), "demo"));
        let first = write(&beside, "demo-live", "<svg/>").unwrap();
        let second = write(&beside, "demo-live", "<other/>").unwrap();
        assert_ne!(first, second);
        assert_eq!(std::fs::read_to_string(first).unwrap(), "<svg/>");
        assert_eq!(place(&Recording::Off), (PathBuf::new(), "fastgen-tui".into()));
        let gone = Recording::Replay { path: "/nowhere/at/all/x.jsonl.zst".into() };
        assert_eq!(place(&gone), (PathBuf::new(), "x".into()));
    }

    #[test]
    fn a_folder_that_takes_nothing_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(write(&file, "x", "").is_err());
    }
}
