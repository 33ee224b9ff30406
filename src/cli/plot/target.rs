//! Where a picture goes: tried before the work, written beside its place and moved there at the end, so that a
//! picture that can't be finished leaves what was there before.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Svg,
    Png,
}

/// A picture's file, or standard output.
#[derive(Debug)]
pub struct Target {
    format: Format,
    /// `None` is standard output.
    file: Option<Part>,
}

/// A file that is there when it is whole, and not before.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
    part: PathBuf,
    file: File,
    done: bool,
}

impl Target {
    /// Opens the target.
    ///
    /// # Errors
    /// A wrong ending is wrong usage; what can't be written has failed.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Self { format: Format::Svg, file: None });
        }
        let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let format = match ending.as_deref() {
            Some("svg") => Format::Svg,
            Some("png") => Format::Png,
            _ => {
                return Err(Failure::usage(format!(
                    "{}: the ending tells what is written; name it OUT.svg or OUT.png, or `-` for SVG on standard \
                     output",
                    path.display()
                )));
            }
        };
        Ok(Self { format, file: Some(Part::open(path)?) })
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// Writes the picture, and gives its path; `None` is standard output, which is left to the caller.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(self, picture: &[u8]) -> Result<Option<PathBuf>, Failure> {
        self.file.map(|part| part.write(picture)).transpose()
    }
}

impl Part {
    /// Begins to write beside the file's place.
    ///
    /// # Errors
    /// If it can't be written there.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let cant =
            |why: &dyn std::fmt::Display| Failure::failed(format!("can't write {}: {why}", path.display()));
        if path.is_dir() {
            return Err(cant(&"it is a folder"));
        }
        let mut part = path.as_os_str().to_owned();
        // The process number keeps two of us apart.
        part.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(part);
        let file = File::create(&part).map_err(|e| cant(&e))?;
        Ok(Self { path: path.to_owned(), part, file, done: false })
    }

    /// Writes all of it, moves it to its place, and gives its path.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(mut self, bytes: &[u8]) -> Result<PathBuf, Failure> {
        let written = self.file.write_all(bytes).and_then(|()| std::fs::rename(&self.part, &self.path));
        written.map_err(|e| Failure::failed(format!("can't write {}: {e}", self.path.display())))?;
        self.done = true;
        Ok(self.path.clone())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.done {
            // Nobody is left to tell if this fails.
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;

    #[test]
    fn the_ending_tells_the_format() {
        let dir = tempfile::tempdir().unwrap();
        for (name, format) in [("a.svg", Format::Svg), ("b.PNG", Format::Png)] {
            let target = Target::open(&dir.path().join(name)).unwrap();
            assert_eq!(target.format(), format);
            let path = target.write(b"picture").unwrap().unwrap();
            assert_eq!(std::fs::read(path).unwrap(), b"picture");
        }
        assert!(Target::open(Path::new("-")).unwrap().write(b"").unwrap().is_none());
        for name in ["a.pdf", "svg", "a.svg.zst", ""] {
            let failure = Target::open(&dir.path().join(name)).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{name}: {}", failure.message);
        }
    }

    #[test]
    fn what_cant_be_written_is_told_before_the_work_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Target::open(&dir.path().join("no/such/folder/a.svg")).unwrap_err();
        assert_eq!(missing.exit, Exit::Failed);
        std::fs::create_dir(dir.path().join("b.svg")).unwrap();
        assert!(Target::open(&dir.path().join("b.svg")).unwrap_err().message.contains("folder"));
        let old = dir.path().join("old.svg");
        std::fs::write(&old, "old").unwrap();
        drop(Target::open(&old).unwrap());
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
