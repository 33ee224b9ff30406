//! A recording → result files, in the folders and by the names that the original scripts search:
//! `DIR/fastgen/MODEL-tpN-bsN-replicasN-promptN-genN-clientsN.json`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::beside;
use super::count::Counter;
use super::facts::Facts;
use super::prompts::Prompts;
use super::stage::{Selection, StageFile};
use crate::report::{Run, Stage};

/// Bytes handed to a file at a time.
const PIECE: usize = 1 << 18;
/// The scripts search for names that begin alike: a number tells stages apart that ran the same.
const MOST_ALIKE: usize = 10_000;

/// Why a result file can't be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("can't write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} exists already; choose another folder for --fastgen, or remove it first", path.display())]
    Exists { path: PathBuf },
}

/// What was written.
#[derive(Debug, Default)]
pub struct Exported {
    pub files: Vec<PathBuf>,
    /// What was left out, and on what the figures rest.
    pub notes: Vec<String>,
}

/// An export under way.
pub struct Export {
    dir: PathBuf,
    counter: Counter,
    /// The tokenizer that was given.
    tokenizer: Option<PathBuf>,
    models: Vec<String>,
    done: Exported,
}

impl Export {
    /// Begins an export into `dir`, which is made if it isn't there. Prompts are made for the tokenizer if one is
    /// given, with its path.
    ///
    /// # Errors
    /// If the folder can't be made.
    pub fn create(dir: &Path, tokenizer: Option<(PathBuf, Counter)>) -> Result<Self, ExportError> {
        fs::create_dir_all(dir).map_err(|source| ExportError::Write { path: dir.to_owned(), source })?;
        let (tokenizer, counter) = tokenizer.map_or((None, Counter::None), |(path, c)| (Some(path), c));
        Ok(Self { dir: dir.to_owned(), counter, tokenizer, models: Vec::new(), done: Exported::default() })
    }

    /// Writes a file for each stage of a recording that has one to show.
    ///
    /// # Errors
    /// The file that can't be written, and why; no file is ever overwritten.
    pub fn add(&mut self, run: &Run) -> Result<(), ExportError> {
        for stage in &run.stages {
            let place = format!("{}, {}", run.name, stage.start.name);
            let selection = Selection::of(stage);
            let Some(facts) = Facts::of(run, stage) else {
                self.note(format!(
                    "{place}: an open loop has no clients, and FastGen's files no word for it: left out"
                ));
                continue;
            };
            if selection.requests.is_empty() {
                self.note(format!("{place}: no completed request with tokens: left out"));
                continue;
            }
            self.told(&place, &selection);
            let wrong = self.stage(run, stage, &facts, &selection)?;
            if wrong > 0 {
                self.note(format!(
                    "{place}: {wrong} prompts are not of the recorded count by this tokenizer"
                ));
            }
            if !self.models.contains(&facts.model) {
                self.models.push(facts.model);
            }
        }
        Ok(())
    }

    /// Puts a tokenizer for the scripts beside the results, and tells what was written.
    ///
    /// # Errors
    /// The file that can't be written, and why.
    pub fn finish(mut self) -> Result<Exported, ExportError> {
        if self.done.files.is_empty() {
            return Ok(self.done);
        }
        let others = beside::write(&self.dir, &self.models, self.tokenizer.as_deref())
            .map_err(|(path, source)| ExportError::Write { path, source })?;
        for folder in others {
            let folder = folder.display();
            self.note(format!(
                "{folder} holds another tokenizer, which is left alone: scripts will count by that one"
            ));
        }
        if self.tokenizer.is_none() {
            self.note(
                "no --tokenizer was given: prompts are words, one for each token; run the scripts in the export's \
                 folder, where they find a tokenizer that counts words"
                    .into(),
            );
        }
        Ok(self.done)
    }

    fn note(&mut self, what: String) {
        self.done.notes.push(what);
    }

    fn told(&mut self, place: &str, selection: &Selection<'_>) {
        if selection.not_completed > 0 {
            let n = selection.not_completed;
            self.note(format!(
                "{place}: {n} requests that did not complete are left out, as in FastGen's files"
            ));
        }
        if selection.without_tokens > 0 {
            let n = selection.without_tokens;
            self.note(format!("{place}: {n} completed requests without a token's time are left out"));
        }
    }

    fn stage(
        &mut self,
        run: &Run,
        stage: &Stage,
        facts: &Facts,
        selection: &Selection<'_>,
    ) -> Result<usize, ExportError> {
        let folder = self.dir.join(&facts.backend);
        let error = |path: &Path, source| ExportError::Write { path: path.to_owned(), source };
        fs::create_dir_all(&folder).map_err(|e| error(&folder, e))?;
        let path = self.free(&folder, &facts.file_stem())?;
        let prompts =
            Prompts::new(&self.counter, &run.header.profile, run.header.seed, facts.shape.as_deref());
        let file = StageFile { run, stage, facts, selection, prompts: &prompts };
        let part = Part(folder.join(format!(".export.{}.part", std::process::id())));
        let mut out = File::create(&part.0)
            .map(|f| BufWriter::with_capacity(PIECE, f))
            .map_err(|e| error(&part.0, e))?;
        let written = file.write(&mut out, &path.display().to_string());
        let wrong = written.and_then(|n| out.flush().map(|()| n)).map_err(|e| error(&path, e))?;
        fs::rename(&part.0, &path).map_err(|e| error(&path, e))?;
        self.done.files.push(path);
        Ok(wrong)
    }

    /// A path that this export has not written yet.
    fn free(&self, folder: &Path, stem: &str) -> Result<PathBuf, ExportError> {
        let named = |n: usize| {
            let number = if n == 1 { String::new() } else { format!("-{n}") };
            folder.join(format!("{stem}{number}.json"))
        };
        let ours = |path: &PathBuf| self.done.files.contains(path);
        let path = (1..MOST_ALIKE).map(named).find(|path| !ours(path)).unwrap_or_else(|| named(1));
        if path.exists() { Err(ExportError::Exists { path }) } else { Ok(path) }
    }
}

/// A file under its temporary name; removed when dropped, unless it was renamed away.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // Nobody is left to tell if this fails; after a rename there is nothing to remove.
        let _ = fs::remove_file(&self.0);
    }
}
