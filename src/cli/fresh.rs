//! The file that a run made for its recording, and how it goes again if the run could not begin: an empty recording is
//! in the way of the next try, and nothing is lost with it, since the reason is told and in the log.

use std::fs;
use std::path::{Path, PathBuf};

use crate::event::Ended;
use crate::report::Report;

/// A file that was not there before the run, and the folders that were made for it, the innermost first.
#[derive(Debug)]
pub struct Fresh {
    file: PathBuf,
    folders: Vec<PathBuf>,
}

impl Fresh {
    /// Notes which folders are missing; to be asked before the file is made.
    pub fn note(file: &Path) -> Self {
        let above = file.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        Self {
            file: file.to_owned(),
            folders: above.take_while(|f| !f.exists()).map(Path::to_owned).collect(),
        }
    }

    /// Takes the file away, and its folders if they hold nothing else. What can't be taken away stays.
    pub fn remove(&self) {
        if fs::remove_file(&self.file).is_err() {
            return;
        }
        for folder in &self.folders {
            if fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }
}

/// Whether a run ended before any of its requests was sent, and not because somebody wanted that.
pub fn never_began(ended: &Ended, report: &Report) -> bool {
    let sent = |n: u64, warmup: u64| n + warmup > 0;
    matches!(ended, Ended::Failed { .. })
        && !report.stages.iter().any(|stage| sent(stage.requests.scheduled, stage.warmup_requests))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_goes_again() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        fs::create_dir(&kept).unwrap();
        for (file, stays) in [("kept/a/b/x.zst", "kept"), ("kept/x.zst", "kept")] {
            let file = dir.path().join(file);
            let fresh = Fresh::note(&file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "x").unwrap();
            fresh.remove();
            assert!(dir.path().join(stays).exists() && fs::read_dir(&kept).unwrap().next().is_none());
        }
    }

    #[test]
    fn a_folder_that_somebody_uses_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("new/x.zst");
        let fresh = Fresh::note(&file);
        fs::create_dir(dir.path().join("new")).unwrap();
        fs::write(&file, "x").unwrap();
        fs::write(dir.path().join("new/other"), "x").unwrap();
        fresh.remove();
        assert!(!file.exists() && dir.path().join("new/other").exists());
    }
}
