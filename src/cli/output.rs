//! Results on standard output and messages on standard error, both of which may be closed early by the other
//! side: that ends a command quietly, as it does any other program in a pipe.

use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::failure::{Exit, Failure, Outcome};
use crate::report;

/// Writes a result to standard output.
///
/// # Errors
/// If it can't be written; a closed pipe is no error.
pub fn print(text: &str) -> Outcome {
    print_to(&mut io::stdout().lock(), text)
}

/// Writes a result to this stream.
///
/// # Errors
/// As [`print`].
pub fn print_to(out: &mut dyn Write, text: &str) -> Outcome {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Exit::Done),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(Failure::failed(format!("can't write to standard output: {error}"))),
    }
}

/// Says something on standard error. Who closed it doesn't want to hear it.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Columns for a report that goes there: the terminal's, or those of a report for no terminal.
pub fn columns(to: impl AsFd) -> usize {
    let size = rustix::termios::tcgetwinsize(to);
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(report::COLUMNS)
}

/// The folder that a file is to lie in, if it isn't there.
pub fn missing_folder(file: &Path) -> Option<PathBuf> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    (!folder.exists()).then(|| folder.to_owned())
}

/// What is said of a folder that was made for a file: it may be a slip.
pub fn made(folder: &Path) -> String {
    format!("made the folder {}", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_terminal_has_the_usual_width() {
        assert_eq!(columns(tempfile::tempfile().unwrap()), report::COLUMNS);
    }

    #[test]
    fn only_a_folder_that_is_named_and_not_there_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(missing_folder(Path::new("x.zst")), None);
        assert_eq!(missing_folder(&dir.path().join("x.zst")), None);
        let missing = dir.path().join("a/b");
        assert_eq!(missing_folder(&missing.join("x.zst")), Some(missing));
    }
}
