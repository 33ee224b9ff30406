//! Result files → one recording, a stage a file.
//!
//! Nothing is written before all files are read: a folder of which nothing can be used leaves no recording. Stages
//! stand one behind the other on the run's clock; the hours that lay between the original's runs are left out.

use std::fmt;
use std::path::PathBuf;

use super::args::Args;
use super::count::Counter;
use super::file::{self, ResultFile};
use super::gather::gather;
use super::header::{self, sweep};
use super::lanes::Lanes;
use super::response::{LONGEST_S, Response};
use crate::event::{Ended, Event, Finished, Level, LogLine, Phase, Sent, StageStart};
use crate::metrics::RequestRecord;
use crate::recording::{Header, Program, RecordingError, Writer, Written};

/// Time between two stages, nanoseconds.
const PAUSE_NS: u64 = 1_000_000_000;
/// Times of the original are seconds since 1970; smaller ones are on some clock of their own.
const WALL_FROM_S: f64 = 1e9;
const NS: f64 = 1e9;

/// Something to tell about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub file: PathBuf,
    pub what: String,
    /// Nothing of it was used.
    pub unusable: bool,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = if self.unusable { " (not used)" } else { "" };
        write!(f, "{}: {}{used}", self.file.display(), self.what)
    }
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("none of the {0} files can be used")]
    Nothing(usize),
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error("the made-up profile can't be written as JSON: {0}")]
    Header(#[from] serde_json::Error),
}

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub stages: usize,
    pub requests: u64,
    pub written: Written,
}

/// Who imports: for the header.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    pub program: Program,
    pub command: Vec<String>,
}

/// Reads result files, and every `*.json` in folders that are named, and writes a recording with the writer that
/// `create` makes. `tell` hears of everything that is not as it should be, as it is found.
///
/// # Errors
/// If no file can be used, or the recording can't be written.
pub fn import(
    named: &[PathBuf],
    counter: &Counter,
    origin: Origin,
    tell: &mut dyn FnMut(&Note),
    create: impl FnOnce(&Header) -> Result<Writer, RecordingError>,
) -> Result<Imported, ImportError> {
    let mut notes = Vec::new();
    let files = read_all(named, counter, &mut |note| {
        tell(&note);
        notes.push(note.to_string());
    })?;
    let args: Vec<&Args> = files.iter().map(|(_, file)| &file.args).collect();
    let mut header = header::header(&args, started_at(&files), origin.program, origin.command)?;
    if let Some(sla) = files.first().and_then(|(_, file)| file.ours.sla.clone()).filter(is_sla) {
        header.profile["sla"] = sla;
    }
    let mut out = Out { writer: create(&header)?, at_ns: 0, next: 0 };
    out.write(&Event::Ready { at_ns: 0, info: Box::new(header::info(&args, files.len())) });
    for message in notes {
        out.warn(message);
    }
    let mut taken: Vec<String> = Vec::new();
    for (number, (_, file)) in files.iter().enumerate() {
        let name = name(&args, &file.args, &taken);
        out.stage(number as u32, &name, file, &args);
        taken.push(name);
    }
    out.write(&Event::Ended { at_ns: out.at_ns, how: Ended::Complete });
    let requests = out.next;
    Ok(Imported { stages: files.len(), requests, written: out.writer.finish()? })
}

/// All files that can be used, in the order of their stages.
fn read_all(
    named: &[PathBuf],
    counter: &Counter,
    tell: &mut dyn FnMut(Note),
) -> Result<Vec<(PathBuf, ResultFile)>, ImportError> {
    let (paths, folders) = gather(named);
    let all = paths.len() + folders.len();
    for (file, error) in folders {
        tell(Note { file, what: format!("can't be read: {error}"), unusable: true });
    }
    let mut files = Vec::new();
    for path in paths {
        match file::read(&path, counter) {
            Ok(mut read) => {
                for what in read.notes.drain(..) {
                    tell(Note { file: path.clone(), what, unusable: false });
                }
                files.push((path, read));
            }
            Err(what) => tell(Note { file: path, what, unusable: true }),
        }
    }
    files.sort_by(|(a_path, a), (b_path, b)| order(&a.args, &b.args).then_with(|| a_path.cmp(b_path)));
    let (first, file) = files.first().ok_or(ImportError::Nothing(all))?;
    if files.iter().any(|(_, other)| other.args.backend != file.args.backend) {
        let what =
            "begins a recording of several backends; import each backend by itself to compare them".into();
        tell(Note { file: first.clone(), what, unusable: false });
    }
    Ok(files)
}

/// As a sweep would run them: clients fastest.
fn order(a: &Args, b: &Args) -> std::cmp::Ordering {
    let key =
        |x: &Args| (x.max_batch, x.replicas, x.tensor_parallel, x.prompt_tokens, x.output_tokens, x.clients);
    (&a.backend, &a.model, key(a)).cmp(&(&b.backend, &b.model, key(b)))
}

/// As the driver names a sweep's cells; a number tells files apart that ran the same.
fn name(all: &[&Args], one: &Args, taken: &[String]) -> String {
    let cells = sweep(all, one);
    let said = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let plain = match cells.as_slice() {
        [] => "main".into(),
        cells => cells.iter().map(|(k, v)| format!("{k}={}", said(v))).collect::<Vec<_>>().join(", "),
    };
    let numbered = |n: usize| if n == 1 { plain.clone() } else { format!("{plain} ({n})") };
    (1..=taken.len() + 1).map(numbered).find(|name| !taken.contains(name)).unwrap_or_default()
}

/// When the first request was sent; where times are no wall time, what a file calls its time; else the epoch.
fn started_at(files: &[(PathBuf, ResultFile)]) -> jiff::Timestamp {
    let first = files.iter().map(|(_, file)| file.responses[0].start_s).min_by(f64::total_cmp).unwrap_or(0.0);
    if first >= WALL_FROM_S {
        let micros = (first * 1e6).round() as i64;
        return jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    }
    // Python's `str(datetime.now())`, in some time zone or other.
    let time = |text: &String| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
    };
    let told = files.iter().filter_map(|(_, file)| file.time.as_ref().and_then(time)).min();
    told.unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// The recording under way.
struct Out {
    writer: Writer,
    /// The newest event's time.
    at_ns: u64,
    /// The next request's number.
    next: u64,
}

impl Out {
    fn write(&mut self, event: &Event) {
        self.at_ns = self.at_ns.max(event.at_ns());
        self.writer.write(event, None);
    }

    fn warn(&mut self, message: String) {
        let at_ns = self.at_ns;
        let line = LogLine { at_ns, level: Level::Warn, source: "import".into(), message };
        self.write(&Event::Log(Box::new(line)));
    }

    fn stage(&mut self, stage: u32, name: &str, file: &ResultFile, all: &[&Args]) {
        let begin_ns = if stage == 0 { 0 } else { self.at_ns.saturating_add(PAUSE_NS) };
        self.write(&Event::Stage(Box::new(StageStart {
            at_ns: begin_ns,
            stage,
            name: name.to_owned(),
            sweep: sweep(all, &file.args),
            clients: Some(file.args.clients),
            open: None,
            planned_requests: Some(file.args.requests.unwrap_or(file.responses.len() as u64)),
            planned_ns: None,
        })));
        self.write(&Event::Phase { at_ns: begin_ns, stage, phase: Phase::Measuring });
        let records = records(stage, begin_ns, self.next, file);
        self.next += records.len() as u64;
        self.requests(&records);
        let at_ns = self.at_ns;
        self.write(&Event::Phase { at_ns, stage, phase: Phase::Done });
    }

    /// A request's lines stand where it was sent and where it ended.
    fn requests(&mut self, records: &[RequestRecord]) {
        let mut order: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * records.len());
        for (i, record) in records.iter().enumerate() {
            order.extend([(record.sent_ns, true, i), (record.finished_ns, false, i)]);
        }
        order.sort_unstable();
        for (at_ns, is_sent, i) in order {
            if is_sent {
                self.write(&Event::Sent(sent(&records[i])));
            } else {
                self.at_ns = self.at_ns.max(at_ns);
                self.writer.write(&finished(&records[i]), Some(&records[i]));
            }
        }
    }
}

/// The requests of a file, on the run's clock, in the order of their start.
fn records(stage: u32, begin_ns: u64, first: u64, file: &ResultFile) -> Vec<RequestRecord> {
    let start_s = file.responses[0].start_s;
    let early = start_s - LONGEST_S..=start_s;
    // Only files of this program tell when measuring began: before the first request, by the start's jitter.
    let zero_s = file.ours.measuring_time.filter(|t| early.contains(t)).unwrap_or(start_s);
    let on_clock = |seconds: f64| begin_ns.saturating_add(((seconds - zero_s).max(0.0) * NS).round() as u64);
    let mut lanes = Lanes::new(file.args.clients);
    let record = |(i, r): (usize, &Response)| {
        let sent_ns = on_clock(r.start_s);
        let finished_ns = sent_ns.saturating_add(r.e2e_ns.max(r.last_chunk_ns()));
        let made_up = lanes.client(sent_ns, finished_ns);
        let told = file.ours.client.get(r.index).copied().filter(|client| *client < file.args.clients);
        let meant = file.ours.scheduled_time.get(r.index).map(|at| on_clock(*at).min(sent_ns));
        let (chunk_tokens, output_tokens) = chunks(r, file.ours.chunk_tokens.get(&r.index));
        RequestRecord {
            client: told.unwrap_or(made_up),
            stage,
            scheduled_ns: meant.unwrap_or(sent_ns),
            finished_ns,
            prompt_tokens: r.prompt_tokens.unwrap_or_default(),
            // What was asked for is not told: at least what came.
            max_tokens: output_tokens,
            output_tokens,
            counted_by: r.counted_by,
            chunk_tokens,
            ..RequestRecord::completed(first + i as u64, sent_ns, r.chunk_at_ns(sent_ns))
        }
    };
    file.responses.iter().enumerate().map(record).collect()
}

/// Tokens in each chunk, and in all. Tokens beyond one a chunk are put to the last one, unless `told` says where
/// they came; a chunk stands for one token at least.
fn chunks(r: &Response, told: Option<&Vec<u32>>) -> (Vec<u32>, u32) {
    let output = r.output_tokens.unwrap_or_default();
    let chunks = u32::try_from(r.gaps_ns.len()).unwrap_or(u32::MAX);
    if chunks == 0 {
        return (Vec::new(), output);
    }
    let sum = |tokens: &Vec<u32>| tokens.iter().map(|n| u64::from(*n)).sum::<u64>();
    let fits = |t: &&Vec<u32>| t.len() == r.gaps_ns.len() && !t.contains(&0) && sum(t) == u64::from(output);
    if let Some(told) = told.filter(fits) {
        return (told.clone(), output);
    }
    if output <= chunks {
        return (Vec::new(), chunks);
    }
    let mut tokens = vec![1; r.gaps_ns.len()];
    if let Some(last) = tokens.last_mut() {
        *last += output - chunks;
    }
    (tokens, output)
}

fn sent(r: &RequestRecord) -> Sent {
    Sent {
        at_ns: r.sent_ns,
        scheduled_ns: r.scheduled_ns,
        request: r.request,
        client: r.client,
        stage: r.stage,
        prompt_tokens: r.prompt_tokens,
        max_tokens: r.max_tokens,
        warmup: false,
    }
}

fn finished(r: &RequestRecord) -> Event {
    Event::Finished(Box::new(Finished {
        at_ns: r.finished_ns,
        request: r.request,
        outcome: r.outcome,
        output_tokens: r.output_tokens,
        counted_by: r.counted_by,
        prompt_tokens: None,
        error: None,
        text: None,
        status: None,
        retries: 0,
    }))
}

/// Whether a file's own word of what a run was judged by can stand in a profile.
fn is_sla(value: &serde_json::Value) -> bool {
    serde_json::from_value::<crate::profile::Sla>(value.clone()).is_ok()
}
