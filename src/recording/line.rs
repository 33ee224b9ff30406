//! Every line but the first: an object with one key that names its kind.
//!
//! Times are whole ticks of the header's `tick_ns`. The two kinds that make up nearly all of a file, `sent`
//! and `req`, have short keys and leave out what is as usual.

mod scan;

use serde::{Deserialize, Serialize};

pub(super) use self::scan::Scanner;

use super::sample;
use super::scrub::scrub;
use crate::event::{
    BackendInfo, Control, CountedBy, Ended, Event, LogLine, Outcome, Phase, Resumed, Sample, Sent, StageEnd,
    StageId, StageOutcome, StageStart,
};
use crate::metrics::{RequestRecord, shorten};

/// Most bytes written of a log message, an error or a step.
const TEXT_BYTES: usize = 4096;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    Sent(SentLine),
    Req(Box<RequestLine>),
    Ready {
        t: u64,
        info: Box<BackendInfo>,
    },
    Loading {
        t: u64,
        step: String,
        fraction: Option<f32>,
    },
    Stage(Box<StageStart>),
    #[serde(rename = "stage_end")]
    StageEnd(Box<StageEnd>),
    Resumed(Box<Resumed>),
    Phase {
        t: u64,
        stage: StageId,
        phase: Phase,
    },
    Sample(Box<Sample>),
    Log(LogLine),
    Control {
        t: u64,
        #[serde(flatten)]
        control: Control,
    },
    /// An intervention of a kind that readers of 1.3 don't know: as a kind of its own, they pass it over.
    Intervened {
        t: u64,
        #[serde(flatten)]
        control: Control,
    },
    Lost {
        t: u64,
        events: u64,
    },
    Ended {
        t: u64,
        #[serde(flatten)]
        how: Ended,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A request was sent.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct SentLine {
    id: u64,
    /// Client.
    #[serde(default, skip_serializing_if = "is_zero")]
    c: u32,
    /// Stage.
    #[serde(default, skip_serializing_if = "is_zero")]
    s: u32,
    /// Warm-up.
    #[serde(default, skip_serializing_if = "is_zero")]
    w: bool,
    /// Sent.
    t: u64,
    /// Sent − scheduled.
    #[serde(default, skip_serializing_if = "is_zero")]
    l: i64,
    /// Prompt tokens.
    #[serde(default, skip_serializing_if = "is_zero")]
    p: u32,
    /// Output tokens asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    m: u32,
}

/// A request ended: all of it, so that no other line is needed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct RequestLine {
    id: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    c: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    s: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    w: bool,
    t: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    l: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    p: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    m: u32,
    /// Prefill − sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    q: Option<u64>,
    /// Gaps: from sent to the first chunk, then from chunk to chunk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    d: Vec<u64>,
    /// Tokens in each chunk; left out where each held one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    n: Vec<u32>,
    /// Finished − last chunk (or − sent, without chunks).
    #[serde(default, skip_serializing_if = "is_zero")]
    e: u64,
    /// Output tokens, where they are not the sum over chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    o: Option<u32>,
    /// Outcome; left out if completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    out: Option<Outcome>,
    /// Who counted the output tokens; left out if the engine.
    #[serde(default, skip_serializing_if = "is_zero")]
    by: CountedBy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    err: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<Box<str>>,
    /// HTTP status of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    st: Option<u16>,
    /// Retries.
    #[serde(default, skip_serializing_if = "is_zero")]
    r: u32,
}

/// Text fit for a file: no credentials, bounded in length.
fn bounded(text: &str) -> String {
    let mut text = scrub(text).into_owned();
    shorten(&mut text, TEXT_BYTES);
    text
}

fn lag_ticks(sent_ns: u64, scheduled_ns: u64, tick: u64) -> i64 {
    (sent_ns / tick).wrapping_sub(scheduled_ns / tick).cast_signed()
}

fn sent_line(sent: &Sent, tick: u64) -> SentLine {
    SentLine {
        id: sent.request,
        c: sent.client,
        s: sent.stage,
        w: sent.warmup,
        t: sent.at_ns / tick,
        l: lag_ticks(sent.at_ns, sent.scheduled_ns, tick),
        p: sent.prompt_tokens,
        m: sent.max_tokens,
    }
}

/// The line of a finished request.
pub(super) fn request_line(record: &RequestRecord, tick: u64, keep_text: bool) -> Line {
    let sent = record.sent_ns / tick;
    let mut before = sent;
    let gaps = record.chunk_at_ns.iter().map(|at_ns| {
        let at = at_ns / tick;
        let gap = at.saturating_sub(before);
        before = at.max(before);
        gap
    });
    let d: Vec<u64> = gaps.collect();
    let sum = tokens_in(d.len(), &record.chunk_tokens);
    Line::Req(Box::new(RequestLine {
        id: record.request,
        c: record.client,
        s: record.stage,
        w: record.warmup,
        t: sent,
        l: lag_ticks(record.sent_ns, record.scheduled_ns, tick),
        p: record.prompt_tokens,
        m: record.max_tokens,
        q: record.prefill_ns.map(|at_ns| (at_ns / tick).saturating_sub(sent)),
        d,
        n: record.chunk_tokens.clone(),
        e: (record.finished_ns / tick).saturating_sub(before),
        o: (u64::from(record.output_tokens) != sum).then_some(record.output_tokens),
        out: (record.outcome != Outcome::Completed).then_some(record.outcome),
        by: record.counted_by,
        err: record.error.as_deref().map(bounded),
        text: if keep_text { record.text.clone() } else { None },
        st: record.status,
        r: record.retries,
    }))
}

fn tokens_in(chunks: usize, tokens: &[u32]) -> u64 {
    if tokens.is_empty() { chunks as u64 } else { tokens.iter().map(|n| u64::from(*n)).sum() }
}

/// The line of an event; `None` for those that are no line of their own: tokens, prefills and ends are in the
/// request's line, and of the steps of loading only the last is written, by the writer.
pub(super) fn event_line(event: &Event, tick: u64) -> Option<Line> {
    let t = event.at_ns() / tick;
    Some(match event {
        Event::Sent(sent) => Line::Sent(sent_line(sent, tick)),
        Event::Ready { info, .. } => Line::Ready { t, info: info.clone() },
        Event::Loading { step, fraction, .. } => {
            Line::Loading { t, step: bounded(step), fraction: *fraction }
        }
        Event::Stage(start) => Line::Stage(Box::new(StageStart { at_ns: t, ..(**start).clone() })),
        Event::StageEnd(end) => Line::StageEnd(Box::new(end_line(end, t))),
        Event::Resumed(resumed) => {
            let command = resumed.command.iter().map(|word| bounded(word)).collect();
            Line::Resumed(Box::new(Resumed { at_ns: t, command, ..(**resumed).clone() }))
        }
        Event::Phase { stage, phase, .. } => Line::Phase { t, stage: *stage, phase: *phase },
        Event::Sample(sample) => Line::Sample(Box::new(sample::rounded(sample, tick))),
        Event::Log(line) => Line::Log(LogLine {
            at_ns: t,
            level: line.level,
            source: line.source.clone(),
            message: bounded(&line.message),
        }),
        Event::Control { control, .. } => {
            let control = control.clone();
            match control {
                Control::Cancel { .. }
                | Control::NextStage { .. }
                | Control::Suspended
                | Control::Continued => Line::Intervened { t, control },
                _ => Line::Control { t, control },
            }
        }
        Event::Lost { events, .. } => Line::Lost { t, events: *events },
        Event::Ended { how, .. } => {
            let how = match how {
                Ended::Failed { reason } => Ended::Failed { reason: bounded(reason) },
                other => other.clone(),
            };
            Line::Ended { t, how }
        }
        Event::Token { .. } | Event::Prefill { .. } | Event::Finished(_) => return None,
    })
}

fn end_line(end: &StageEnd, t: u64) -> StageEnd {
    let how = match &end.how {
        StageOutcome::Failed { reason } => StageOutcome::Failed { reason: bounded(reason) },
        other => other.clone(),
    };
    StageEnd { at_ns: t, how, ..end.clone() }
}

/// What a line stands for.
pub(super) enum Meaning {
    Event(Event),
    Request(RequestRecord),
}

impl Line {
    /// What the line stands for; `None` if its figures contradict each other.
    pub(super) fn meaning(self, tick: u64) -> Option<Meaning> {
        let ns = |t: u64| t.saturating_mul(tick);
        Some(Meaning::Event(match self {
            Line::Req(line) => return line.record(tick).map(Meaning::Request),
            Line::Sent(line) => Event::Sent(line.sent(tick)),
            Line::Ready { t, info } => Event::Ready { at_ns: ns(t), info },
            Line::Loading { t, step, fraction } => {
                Event::Loading { at_ns: ns(t), step: step.into(), fraction }
            }
            Line::Stage(mut start) => {
                start.at_ns = ns(start.at_ns);
                Event::Stage(start)
            }
            Line::StageEnd(mut end) => {
                end.at_ns = ns(end.at_ns);
                Event::StageEnd(end)
            }
            Line::Resumed(mut resumed) => {
                resumed.at_ns = ns(resumed.at_ns);
                Event::Resumed(resumed)
            }
            Line::Phase { t, stage, phase } => Event::Phase { at_ns: ns(t), stage, phase },
            Line::Sample(mut sample) => {
                sample.at_ns = ns(sample.at_ns);
                Event::Sample(sample)
            }
            Line::Log(mut line) => {
                line.at_ns = ns(line.at_ns);
                Event::Log(Box::new(line))
            }
            Line::Control { t, control } | Line::Intervened { t, control } => {
                Event::Control { at_ns: ns(t), control }
            }
            Line::Lost { t, events } => Event::Lost { at_ns: ns(t), events },
            Line::Ended { t, how } => Event::Ended { at_ns: ns(t), how },
        }))
    }
}

fn scheduled(sent: u64, lag: i64) -> u64 {
    sent.saturating_sub_signed(lag)
}

impl SentLine {
    fn sent(&self, tick: u64) -> Sent {
        Sent {
            at_ns: self.t.saturating_mul(tick),
            scheduled_ns: scheduled(self.t, self.l).saturating_mul(tick),
            request: self.id,
            client: self.c,
            stage: self.s,
            prompt_tokens: self.p,
            max_tokens: self.m,
            warmup: self.w,
        }
    }
}

impl RequestLine {
    fn record(self, tick: u64) -> Option<RequestRecord> {
        let chunks = self.d.len();
        if (!self.n.is_empty() && self.n.len() != chunks) || self.n.contains(&0) {
            return None;
        }
        let sum = tokens_in(chunks, &self.n);
        let output_tokens = self.o.map_or_else(|| u32::try_from(sum).ok(), Some)?;
        let mut at = self.t;
        let mut times = self.d;
        for gap in &mut times {
            at = at.saturating_add(*gap);
            *gap = at.saturating_mul(tick);
        }
        Some(RequestRecord {
            request: self.id,
            client: self.c,
            stage: self.s,
            warmup: self.w,
            scheduled_ns: scheduled(self.t, self.l).saturating_mul(tick),
            sent_ns: self.t.saturating_mul(tick),
            prefill_ns: self.q.map(|q| self.t.saturating_add(q).saturating_mul(tick)),
            finished_ns: at.saturating_add(self.e).saturating_mul(tick),
            prompt_tokens: self.p,
            max_tokens: self.m,
            output_tokens,
            counted_by: self.by,
            outcome: self.out.unwrap_or(Outcome::Completed),
            error: self.err.map(String::into_boxed_str),
            text: self.text,
            status: self.st,
            retries: self.r,
            chunk_at_ns: times,
            chunk_tokens: self.n,
        })
    }
}
