//! One stage as a result file, written response by response.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};

use super::facts::Facts;
use super::prompts::Prompts;
use crate::event::Outcome;
use crate::metrics::RequestRecord;
use crate::report::{Run, Stage};

const NS: f64 = 1e9;

/// What of a stage can stand in a result file.
pub struct Selection<'a> {
    pub requests: Vec<&'a RequestRecord>,
    /// Measured requests that ended otherwise than completed; the original has none such.
    pub not_completed: usize,
    /// Completed requests without a token's time among others that have them: the scripts stumble over them.
    pub without_tokens: usize,
}

impl<'a> Selection<'a> {
    pub fn of(stage: &'a Stage) -> Self {
        let completed: Vec<_> = stage.judged().filter(|r| r.outcome == Outcome::Completed).collect();
        let not_completed = stage.judged().count() - completed.len();
        let all = completed.len();
        let timed: Vec<_> = completed.iter().copied().filter(|r| !r.chunk_at_ns.is_empty()).collect();
        let requests = if timed.is_empty() {
            completed.into_iter().filter(|r| r.output_tokens > 0).collect()
        } else {
            timed
        };
        let without_tokens = all - requests.len();
        Self { requests, not_completed, without_tokens }
    }

    /// Tokens' times are known.
    pub fn streamed(&self) -> bool {
        self.requests.iter().any(|r| !r.chunk_at_ns.is_empty())
    }
}

/// What goes into a result file.
pub struct StageFile<'a> {
    pub run: &'a Run,
    pub stage: &'a Stage,
    pub facts: &'a Facts,
    pub selection: &'a Selection<'a>,
    pub prompts: &'a Prompts<'a>,
}

impl StageFile<'_> {
    /// Writes the file; `path` is where it says that it lies. Gives the number of prompts whose count the tokenizer
    /// could not be brought to.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, out: &mut dyn Write, path: &str) -> io::Result<usize> {
        let requests = &self.selection.requests;
        out.write_all(b"{\"args\":")?;
        serde_json::to_writer(&mut *out, &self.facts.args(requests.len(), self.selection.streamed(), path))?;
        // As Python prints a time.
        let time = self.run.header.started_at.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string();
        out.write_all(b",\n\"time\":")?;
        serde_json::to_writer(&mut *out, &time)?;
        out.write_all(b",\n\"prompt_tokens\":")?;
        serde_json::to_writer(&mut *out, &Each(requests, |r| r.prompt_tokens))?;
        out.write_all(b",\n\"fastgen_tui\":")?;
        serde_json::to_writer(&mut *out, &self.ours())?;
        out.write_all(b",\n\"response_details\":[")?;
        let first = self.stage.measured().map(|r| r.request).min().unwrap_or_default();
        let mut wrong = 0;
        for (i, request) in requests.iter().enumerate() {
            out.write_all(if i == 0 { b"\n" } else { b",\n" })?;
            // The generator counts from a stage's first measured request on.
            let (prompt, right) = self.prompts.text(request.request - first, request.prompt_tokens);
            wrong += usize::from(!right);
            serde_json::to_writer(&mut *out, &Response::of(request, &prompt))?;
        }
        out.write_all(b"\n]}\n")?;
        Ok(wrong)
    }

    fn ours(&self) -> Ours<'_> {
        let requests = &self.selection.requests;
        let measuring = |(_, phase): &&(u64, crate::event::Phase)| *phase == crate::event::Phase::Measuring;
        let several = requests.iter().enumerate().filter(|(_, r)| !r.chunk_tokens.is_empty());
        Ours {
            version: env!("CARGO_PKG_VERSION"),
            run: &self.run.name,
            stage: &self.stage.start.name,
            measuring_time: self.stage.phases.iter().find(measuring).map(|(at_ns, _)| seconds(*at_ns)),
            client: Each(requests, |r| r.client),
            scheduled_time: Each(requests, |r| seconds(r.scheduled_ns)),
            chunk_tokens: several.map(|(i, r)| (i, r.chunk_tokens.as_slice())).collect(),
            sla: self.run.header.profile.get("sla"),
        }
    }
}

fn seconds(at_ns: u64) -> f64 {
    at_ns as f64 / NS
}

/// What the original's keys have no place for. The scripts read none of it.
#[derive(Serialize)]
struct Ours<'a> {
    version: &'static str,
    run: &'a str,
    stage: &'a str,
    measuring_time: Option<f64>,
    client: Each<'a, u32>,
    scheduled_time: Each<'a, f64>,
    chunk_tokens: BTreeMap<usize, &'a [u32]>,
    /// What the run was judged by.
    sla: Option<&'a serde_json::Value>,
}

/// One figure of every request.
struct Each<'a, T>(&'a [&'a RequestRecord], fn(&RequestRecord) -> T);

impl<T: Serialize> Serialize for Each<'_, T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(|r| (self.1)(r)))
    }
}

/// A response. The scripts make a data class of it: another key would be an error to them.
#[derive(Serialize)]
struct Response<'a> {
    generated_tokens: Blanks,
    prompt: &'a str,
    /// Seconds since the run's start, not since 1970: floats of such size would lose a quarter of a microsecond.
    start_time: f64,
    end_time: f64,
    model_time: u8,
    token_gen_time: Gaps<'a>,
}

impl<'a> Response<'a> {
    fn of(request: &'a RequestRecord, prompt: &'a str) -> Self {
        Self {
            generated_tokens: Blanks(request.output_tokens),
            prompt,
            start_time: seconds(request.sent_ns),
            end_time: seconds(request.finished_ns),
            model_time: 0,
            token_gen_time: Gaps(request),
        }
    }
}

/// So many tokens, whose text was not recorded: only their number is looked at.
struct Blanks(u32);

impl Serialize for Blanks {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq((0..self.0).map(|_| ""))
    }
}

/// The time to the first chunk, then from chunk to chunk, seconds.
struct Gaps<'a>(&'a RequestRecord);

impl Serialize for Gaps<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut list = s.serialize_seq(Some(self.0.chunk_at_ns.len()))?;
        let mut before = self.0.sent_ns;
        for at_ns in &self.0.chunk_at_ns {
            list.serialize_element(&seconds(at_ns.saturating_sub(before)))?;
            before = *at_ns;
        }
        list.end()
    }
}
