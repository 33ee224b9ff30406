//! Which files are meant: those named, and every `*.json` below a folder that is named, but for the tokenizers that an
//! export puts there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The files, each once, and the folders that can't be read.
///
/// Named files come as they are, there or not; folders' files in the order of their names. Links to folders
/// within a folder are not followed, so that no circle is walked.
pub fn gather(named: &[PathBuf]) -> (Vec<PathBuf>, Vec<(PathBuf, io::Error)>) {
    let mut found = Gathered::default();
    for path in named {
        if path.is_dir() {
            let before = found.files.len();
            found.folder(path);
            if found.files.len() == before && found.wrong.iter().all(|(folder, _)| folder != path) {
                found.wrong.push((path.clone(), io::Error::other("there is no *.json in it")));
            }
        } else {
            found.file(path.clone());
        }
    }
    (found.files, found.wrong)
}

#[derive(Default)]
struct Gathered {
    files: Vec<PathBuf>,
    wrong: Vec<(PathBuf, io::Error)>,
}

impl Gathered {
    fn file(&mut self, path: PathBuf) {
        if !self.files.contains(&path) {
            self.files.push(path);
        }
    }

    fn folder(&mut self, top: &Path) {
        let mut folders = vec![top.to_owned()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    self.wrong.push((folder, error));
                    continue;
                }
            };
            for entry in entries.flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(_) if is_result(&path) && path.is_file() => {
                        files.push(path);
                    }
                    _ => {}
                }
            }
        }
        files.sort();
        for path in files {
            self.file(path);
        }
    }
}

/// By its name.
fn is_result(path: &Path) -> bool {
    let tokenizer = path.file_name().is_some_and(|n| n == "tokenizer.json" || n == "tokenizer_config.json");
    path.extension().is_some_and(|e| e == "json") && !tokenizer
}
