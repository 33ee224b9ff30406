//! Recordings as tables for other programs: `requests.csv`, `tokens.csv`, `series.csv`, `summary.csv`, and where somebody
//! intervened `segments.csv`.
//!
//! Columns and their order are a contract with users' scripts; `docs/measurement.md` says what is in them.
//! Files are written beside their place and moved there at the end, so that a half one is never taken for whole.

mod cell;
mod fastgen;
mod segments;
mod series;
mod summary;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use self::cell::Row;
use super::figures::Report;
use super::run::{Run, Stage};
use super::sla::Sla;
use crate::metrics::RequestRecord;

const REQUESTS: &str = "run,stage,request,client,scheduled_s,sent_s,first_token_s,last_token_s,finished_s,\
    outcome,error,prompt_tokens,output_tokens,send_lag_s,ttft_s,ttft_corrected_s,tpot_s,e2e_s,e2e_corrected_s,\
    sla_ok,counted_by";
/// The files.
const TABLES: [&str; 5] = ["requests.csv", "tokens.csv", "series.csv", "summary.csv", "segments.csv"];
const TOKENS: &str = "run,stage,request,token,at_s,gap_s,tokens_in_chunk";
/// Rows are handed to the file in pieces of this size, bytes.
const PIECE: usize = 1 << 18;

/// Why tables could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("can't write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} exists already; --force replaces such tables, or choose another folder for --csv", path.display())]
    Exists { path: PathBuf },
}

/// What becomes of tables that are in the folder already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old {
    /// They stay, and nothing is exported.
    Keep,
    Replace,
}

/// A file under its temporary name.
struct Output {
    path: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
    row: Row,
    done: bool,
}

impl Output {
    fn create(dir: &Path, name: &str) -> Result<Self, ExportError> {
        let path = dir.join(name);
        let error = |source| ExportError::Write { path: path.clone(), source };
        if path.is_dir() {
            return Err(error(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        // The process number keeps two exports into one folder apart.
        let part = dir.join(format!(".{name}.{}.part", std::process::id()));
        let file = File::create(&part).map_err(error)?;
        Ok(Self { path, part, file: BufWriter::with_capacity(PIECE, file), row: Row::default(), done: false })
    }

    fn header(&mut self, header: &str) -> Result<(), ExportError> {
        let written = self.file.write_all(header.as_bytes()).and_then(|()| self.file.write_all(b"\r\n"));
        written.map_err(|source| self.error(source))
    }

    /// Ends the row.
    fn end_row(&mut self) -> Result<(), ExportError> {
        self.row.end();
        if self.row.bytes().len() >= PIECE { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<(), ExportError> {
        let written = self.file.write_all(self.row.bytes());
        self.row.clear();
        written.map_err(|source| self.error(source))
    }

    fn finish(&mut self) -> Result<PathBuf, ExportError> {
        self.hand_over()?;
        let moved = self.file.flush().and_then(|()| std::fs::rename(&self.part, &self.path));
        moved.map_err(|source| self.error(source))?;
        self.done = true;
        Ok(self.path.clone())
    }

    /// Removes what an earlier export left at its place.
    fn remove_old(&self) -> Result<(), ExportError> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.error(error)),
            _ => Ok(()),
        }
    }

    fn error(&self, source: io::Error) -> ExportError {
        ExportError::Write { path: self.path.clone(), source }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.done {
            // Nobody is left to tell if this fails.
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// The tables of one export, open.
pub struct Export {
    requests: Output,
    tokens: Output,
    series: Output,
    summary: Output,
    segments: Output,
    rows: summary::Rows,
    segment_rows: usize,
    // Behind the files: they are gone before it goes.
    _folder: Folder,
}

/// The folder of an export. One that was made for it, and in which nothing is left, goes with it.
struct Folder(Option<PathBuf>);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(made) = &self.0 {
            // Fails where there are tables, and that is as it should be.
            let _ = std::fs::remove_dir(made);
        }
    }
}

impl Export {
    /// Opens the tables in `dir`, which is made if it isn't there: what can't be written is told before any work.
    ///
    /// # Errors
    /// The path that can't be written, and why; with [`Old::Keep`] a table that is there already.
    pub fn create(dir: &Path, old: Old) -> Result<Self, ExportError> {
        if old == Old::Keep {
            let mut there = TABLES.iter().map(|name| dir.join(name)).filter(|path| path.exists());
            if let Some(path) = there.next() {
                return Err(ExportError::Exists { path });
            }
        }
        if dir.is_file() {
            let source = io::Error::from(io::ErrorKind::NotADirectory);
            return Err(ExportError::Write { path: dir.to_owned(), source });
        }
        let is_new = !dir.exists();
        std::fs::create_dir_all(dir).map_err(|source| ExportError::Write { path: dir.to_owned(), source })?;
        let folder = Folder(is_new.then(|| dir.to_owned()));
        let mut export = Self {
            requests: Output::create(dir, TABLES[0])?,
            tokens: Output::create(dir, TABLES[1])?,
            series: Output::create(dir, TABLES[2])?,
            summary: Output::create(dir, TABLES[3])?,
            segments: Output::create(dir, TABLES[4])?,
            rows: summary::Rows::default(),
            segment_rows: 0,
            _folder: folder,
        };
        export.requests.header(REQUESTS)?;
        export.tokens.header(TOKENS)?;
        export.series.header(series::HEADER)?;
        segments::header(&mut export.segments)?;
        Ok(export)
    }

    /// Adds a recording; `report` is its report. Of a range: the requests that have a part in it, the tokens that came in
    /// it, and the seconds that it touches.
    ///
    /// # Errors
    /// The file that can't be written, and why.
    pub fn add(&mut self, run: &Run, report: &Report) -> Result<(), ExportError> {
        let sla = Sla::of(run);
        for stage in &run.stages {
            let timed = run.knows_schedule(stage);
            let mut names = Row::default();
            names.text(&run.name);
            names.text(&stage.start.name);
            let touched = |r: &&RequestRecord| {
                run.range
                    .is_none_or(|range| r.finished_ns >= range.start_ns && r.scheduled_ns <= range.end_ns)
            };
            for r in stage.measured().filter(touched) {
                request_row(&mut self.requests.row, &names, r, (sla.keeps(r), timed));
                self.requests.end_row()?;
            }
            write_tokens(&mut self.tokens, &names, stage)?;
        }
        series::write(&mut self.series, run)?;
        self.rows.add(report);
        self.segment_rows += segments::write(&mut self.segments, report)?;
        Ok(())
    }

    /// Writes what is left and moves the files to their places; gives their paths. There is no `segments.csv` without a
    /// row: one of an earlier export goes.
    ///
    /// # Errors
    /// The file that can't be written, and why.
    pub fn finish(mut self) -> Result<Vec<PathBuf>, ExportError> {
        self.rows.write(&mut self.summary)?;
        let mut files = vec![&mut self.requests, &mut self.tokens, &mut self.series, &mut self.summary];
        if self.segment_rows > 0 {
            files.push(&mut self.segments);
        } else {
            self.segments.remove_old()?;
        }
        files.into_iter().map(Output::finish).collect()
    }
}

/// `timed`: it is known when requests were meant to be sent.
fn request_row(row: &mut Row, names: &Row, r: &RequestRecord, (sla_ok, timed): (Option<bool>, bool)) {
    row.cells(names);
    row.whole(r.request);
    row.whole(u64::from(r.client));
    row.seconds_or_empty(Some(r.scheduled_ns).filter(|_| timed));
    row.seconds(r.sent_ns);
    row.seconds_or_empty(r.chunk_at_ns.first().copied());
    row.seconds_or_empty(r.chunk_at_ns.last().copied());
    row.seconds(r.finished_ns);
    row.outcome(r.outcome);
    row.text(r.error.as_deref().unwrap_or(""));
    row.whole(u64::from(r.prompt_tokens));
    row.whole(u64::from(r.output_tokens));
    row.seconds_or_empty(Some(r.send_lag_ns()).filter(|_| timed));
    row.seconds_or_empty(r.ttft_ns());
    row.seconds_or_empty(r.ttft_corrected_ns().filter(|_| timed));
    row.float(r.tpot_ns().map(|ns| ns / 1e9));
    row.seconds_or_empty(r.e2e_ns());
    row.seconds_or_empty(r.e2e_corrected_ns().filter(|_| timed));
    match sla_ok {
        Some(ok) => row.text(if ok { "true" } else { "false" }),
        None => row.empty(),
    }
    row.text(r.counted_by.name());
}

fn write_tokens(out: &mut Output, names: &Row, stage: &Stage) -> Result<(), ExportError> {
    for r in stage.measured() {
        let mut number = 1u64;
        let mut before = None;
        for (i, &at_ns) in r.chunk_at_ns.iter().enumerate() {
            let tokens = u64::from(r.tokens_in(i));
            if stage.range.is_some_and(|range| !range.has(at_ns)) {
                number += tokens;
                before = Some(at_ns);
                continue;
            }
            let row = &mut out.row;
            row.cells(names);
            row.whole(r.request);
            row.whole(number);
            row.seconds(at_ns);
            row.seconds_or_empty(before.map(|before| at_ns.saturating_sub(before)));
            row.whole(tokens);
            out.end_row()?;
            number += tokens;
            before = Some(at_ns);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
