//! One result file, read as a stream: a response is judged, counted and forgotten before the next one is read, so
//! that memory is for times only, whatever the texts.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::args::Args;
use super::count::Counter;
use super::python::PythonJson;
use super::response::{LONGEST_S, Response, kind, whole};

/// Wrong responses told one by one; the others are only counted.
const TOLD: usize = 3;
/// A last token may lie behind the end by what floats lose, nanoseconds.
const NOISE_NS: u64 = 1_000;
/// Bytes read at a time.
const BUFFER: usize = 1 << 18;

/// A result file that can be used.
#[derive(Debug)]
pub struct ResultFile {
    pub args: Args,
    /// `time`, as it stands there: the wall time of whoever wrote it.
    pub time: Option<String>,
    /// In the order of their start.
    pub responses: Vec<Response>,
    pub ours: Ours,
    /// What is not as it should be, in words.
    pub notes: Vec<String>,
}

/// What a file written by this program tells beyond the original's keys; all empty in others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Ours {
    /// When the stage began to measure, on the responses' clock.
    pub measuring_time: Option<f64>,
    /// For each response: its client.
    pub client: Vec<u32>,
    /// For each response: when it was meant to be sent.
    pub scheduled_time: Vec<f64>,
    /// For responses with chunks of several tokens: tokens in each chunk, by the response's place.
    pub chunk_tokens: std::collections::BTreeMap<usize, Vec<u32>>,
    /// What the run was judged by: a profile's `[sla]`.
    pub sla: Option<serde_json::Value>,
}

/// Reads a result file.
///
/// # Errors
/// Why nothing of it can be used, in words that follow its name.
pub fn read(path: &Path, counter: &Counter) -> Result<ResultFile, String> {
    let file = File::open(path).map_err(|e| format!("can't be read: {e}"))?;
    let name = path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    from_reader(file, &name, counter)
}

/// As [`read`], from any source; `name` is the file's without its ending.
///
/// # Errors
/// As [`read`].
pub fn from_reader(source: impl Read, name: &str, counter: &Counter) -> Result<ResultFile, String> {
    let filtered = PythonJson::new(BufReader::with_capacity(BUFFER, source));
    let mut source = BufReader::with_capacity(BUFFER, filtered);
    if io::BufRead::fill_buf(&mut source).map_err(|e| format!("can't be read: {e}"))?.is_empty() {
        return Err("is empty".into());
    }
    let mut read = Reading::new(counter);
    let mut json = serde_json::Deserializer::from_reader(source);
    let parsed = Top(&mut read).deserialize(&mut json).and_then(|()| json.end());
    if let Err(error) = parsed {
        return Err(match error.classify() {
            serde_json::error::Category::Eof => {
                format!("is cut off at its line {}, after {} whole responses", error.line(), read.seen)
            }
            serde_json::error::Category::Io => format!("can't be read further: {error}"),
            _ => format!("is no result file of FastGen's benchmark: {error}"),
        });
    }
    read.finish(name)
}

/// A file under way.
struct Reading<'a> {
    counter: &'a Counter,
    args: Option<Value>,
    time: Option<String>,
    /// Whole responses seen.
    seen: usize,
    listed: bool,
    responses: Vec<Response>,
    wrong: usize,
    told: Vec<String>,
    /// `prompt_tokens` beside the responses.
    prompt_tokens: Option<Value>,
    ours: Option<Value>,
}

impl<'a> Reading<'a> {
    fn new(counter: &'a Counter) -> Self {
        Self {
            counter,
            args: None,
            time: None,
            seen: 0,
            listed: false,
            responses: Vec::new(),
            wrong: 0,
            told: Vec::new(),
            prompt_tokens: None,
            ours: None,
        }
    }

    fn take(&mut self, value: &Value) {
        let index = self.seen;
        self.seen += 1;
        match Response::read(index, value, self.counter) {
            Ok(response) => self.responses.push(response),
            Err(why) => {
                self.wrong += 1;
                if self.told.len() < TOLD {
                    self.told.push(format!("response_details[{index}]: {why}"));
                }
            }
        }
    }

    fn finish(mut self, name: &str) -> Result<ResultFile, String> {
        let Some(args) = self.args.take() else {
            return Err("has no `args`: it is no result file of FastGen's benchmark".into());
        };
        let args = Args::read(&args, name)?;
        if !self.listed || self.seen == 0 {
            return Err("holds no responses".into());
        }
        let mut notes = self.wrong_ones();
        if self.responses.is_empty() {
            return Err(format!("holds no response that can be used: {}", notes.join("; ")));
        }
        self.fill_in(&mut notes);
        self.all_counted()?;
        notes.extend(self.oddities());
        let ours = match self.ours.take().map(Ours::deserialize) {
            Some(Err(error)) => {
                notes.push(format!("its `fastgen_tui` can't be read and is not used: {error}"));
                Ours::default()
            }
            Some(Ok(ours)) => ours,
            None => Ours::default(),
        };
        let mut responses = self.responses;
        responses.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        let span_s = responses[responses.len() - 1].start_s - responses[0].start_s;
        if span_s > LONGEST_S {
            return Err(format!("its responses start within {span_s} s, which is no time of a run"));
        }
        Ok(ResultFile { args, time: self.time, responses, ours, notes })
    }

    fn wrong_ones(&self) -> Vec<String> {
        if self.wrong == 0 {
            return Vec::new();
        }
        let more = self.wrong - self.told.len();
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        vec![format!(
            "{} of {} responses are not used: {}{more}",
            self.wrong,
            self.seen,
            self.told.join("; ")
        )]
    }

    /// Counts of prompt tokens that stand beside the responses.
    fn fill_in(&mut self, notes: &mut Vec<String>) {
        let Some(list) = self.prompt_tokens.take() else { return };
        let counts = match &list {
            Value::Array(list) if list.len() == self.seen => list
                .iter()
                .enumerate()
                .map(|(i, count)| whole(count, &format!("prompt_tokens[{i}]")))
                .collect::<Result<Vec<_>, _>>(),
            Value::Array(list) => Err(format!("{} counts for {} responses", list.len(), self.seen)),
            other => Err(format!("it is {}, not a list", kind(other))),
        };
        match counts {
            Ok(counts) => {
                for response in &mut self.responses {
                    response.prompt_tokens = Some(counts[response.index]);
                }
            }
            Err(why) => notes.push(format!("its `prompt_tokens` are not used: {why}")),
        }
    }

    fn all_counted(&self) -> Result<(), String> {
        let uncounted = |what: &str| {
            Err(format!(
                "its {what} can't be counted: it has no `prompt_tokens`; give --tokenizer FILE, the model's \
                 `tokenizer.json`, or --count-words to count by white space"
            ))
        };
        if self.responses.iter().any(|r| r.prompt_tokens.is_none()) {
            return match self.counter {
                Counter::None => uncounted("prompt tokens"),
                _ => {
                    Err("has responses without a `prompt` or `prompt_tokens`, so that nothing can be counted"
                        .into())
                }
            };
        }
        if self.responses.iter().any(|r| r.output_tokens.is_none()) {
            return Err(
                "its generated tokens are texts, without times, and can't be counted; give --tokenizer \
                        FILE, the model's `tokenizer.json`, or --count-words to count by white space"
                    .into(),
            );
        }
        Ok(())
    }

    /// What the original's scripts stumble over, or what figures rest on.
    fn oddities(&self) -> Vec<String> {
        let count = |is: &dyn Fn(&Response) -> bool| self.responses.iter().filter(|r| is(r)).count();
        let (timeless, all) = (count(&|r| r.gaps_ns.is_empty()), self.responses.len());
        let empty = count(&|r| r.gaps_ns.is_empty() && r.output_tokens == Some(0));
        let late = count(&|r| r.last_chunk_ns() > r.e2e_ns + NOISE_NS);
        let mut notes = Vec::new();
        if empty > 0 {
            notes.push(format!("{empty} of {all} responses hold no token"));
        }
        if timeless > empty {
            let of = if timeless == all {
                "it tells".into()
            } else {
                format!("{timeless} of {all} responses tell")
            };
            notes.push(format!(
                "{of} no times of tokens (it was not streamed): only end-to-end times are known"
            ));
        }
        if late > 0 {
            notes.push(format!(
                "in {late} of {all} responses tokens come after end_time: their end is moved there"
            ));
        }
        notes
    }
}

/// The whole file.
struct Top<'r, 'c>(&'r mut Reading<'c>);

impl<'de> DeserializeSeed<'de> for Top<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `args` and `response_details`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let read = self.0;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "args" => read.args = Some(map.next_value()?),
                "time" => read.time = map.next_value::<Value>()?.as_str().map(str::to_owned),
                "prompt_tokens" => read.prompt_tokens = Some(map.next_value()?),
                "fastgen_tui" => read.ours = Some(map.next_value()?),
                "response_details" if read.listed => {
                    return Err(A::Error::custom("`response_details` stands there twice"));
                }
                "response_details" => {
                    read.listed = true;
                    map.next_value_seed(Responses(read))?;
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

/// The list of responses.
struct Responses<'r, 'c>(&'r mut Reading<'c>);

impl<'de> DeserializeSeed<'de> for Responses<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Responses<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of responses")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element::<Value>()? {
            self.0.take(&value);
        }
        Ok(())
    }
}
