//! `series.csv`: one row a second of the run, from its start to its end.
//!
//! Like every figure it leaves warm-up requests out, so its counts add up to the report's.

use super::{ExportError, Output, Row};
use crate::event::{Outcome, Sample};
use crate::metrics::RequestRecord;
use crate::report::run::{Run, Stage};
use crate::report::stats::Pool;

pub const HEADER: &str = "run,stage,at_s,requests_in_flight,requests_completed,requests_failed,\
    output_tokens_per_s,input_tokens_per_s,ttft_p50_s,ttft_p99_s,itl_p50_s,itl_p99_s,cpu_percent,rss_bytes,\
    gpu_percent,gpu_memory_bytes,gpu_power_w";
const SECOND: u64 = 1_000_000_000;

/// What happened in one second.
#[derive(Default)]
struct Second {
    /// Requests sent less those finished: the change of requests in flight.
    change: i64,
    completed: u64,
    failed: u64,
    output: u64,
    input: u64,
    /// Of first tokens of completed requests in this second, nanoseconds.
    ttft_ns: Vec<u64>,
    /// Gaps that ended in this second, of completed requests: nanoseconds and tokens.
    gaps: Vec<(u64, u32)>,
}

/// Writes a recording's rows.
pub fn write(out: &mut Output, run: &Run) -> Result<(), ExportError> {
    let end = index(run.last_ns);
    let mut samples = run.samples.iter().peekable();
    let mut from = 0;
    for (i, stage) in run.stages.iter().enumerate() {
        let next = run.stages.get(i + 1).map(|s| index(s.start.at_ns));
        // What was before the first stage (loading) has no stage's name.
        let start = index(stage.start.at_ns).max(from);
        rows(out, (run, None), from..start, &mut samples)?;
        let until = next.unwrap_or(end + 1).max(start);
        rows(out, (run, Some(stage)), start..until, &mut samples)?;
        from = until;
    }
    rows(out, (run, None), from..end + 1, &mut samples)
}

type Samples<'a> = std::iter::Peekable<std::slice::Iter<'a, Sample>>;

fn rows(
    out: &mut Output,
    (run, stage): (&Run, Option<&Stage>),
    seconds: std::ops::Range<u64>,
    samples: &mut Samples,
) -> Result<(), ExportError> {
    let counted = stage.map_or_else(Vec::new, |stage| count(stage, &seconds));
    let mut counted = counted.into_iter();
    let mut in_flight = 0i64;
    for second in seconds {
        let now = counted.next().unwrap_or_default();
        in_flight += now.change;
        let mut sample = None;
        while let Some(next) = samples.next_if(|s| index(s.at_ns) <= second) {
            sample = Some(next).filter(|s| index(s.at_ns) == second);
        }
        let row = &mut out.row;
        row.text(&run.name);
        row.text(stage.map_or("", |s| &s.start.name));
        row.whole(second);
        row.whole(u64::try_from(in_flight).unwrap_or(0));
        for count in [now.completed, now.failed, now.output, now.input] {
            row.whole(count);
        }
        latency(row, now, run.header.tick_ns);
        readings(row, sample);
        out.end_row()?;
    }
    Ok(())
}

fn index(at_ns: u64) -> u64 {
    at_ns / SECOND
}

/// A stage by seconds. What happened after the stage's last row (there is nothing, unless stages overlap in a
/// damaged recording) counts in that row, so that the sums stay right.
fn count(stage: &Stage, seconds: &std::ops::Range<u64>) -> Vec<Second> {
    let length = usize::try_from(seconds.end.saturating_sub(seconds.start)).unwrap_or(0);
    let mut counted: Vec<Second> = std::iter::repeat_with(Second::default).take(length).collect();
    if counted.is_empty() {
        return counted;
    }
    let slot = |at_ns: u64| {
        let second = index(at_ns).saturating_sub(seconds.start);
        usize::try_from(second).unwrap_or(usize::MAX).min(length - 1)
    };
    for r in stage.measured() {
        counted[slot(r.sent_ns)].change += 1;
        let end = &mut counted[slot(r.finished_ns)];
        end.change -= 1;
        end.completed += u64::from(r.outcome == Outcome::Completed);
        end.failed += u64::from(r.outcome.is_failure() || r.outcome.is_timeout());
        count_tokens(&mut counted, r, slot);
    }
    counted
}

fn count_tokens(counted: &mut [Second], r: &RequestRecord, slot: impl Fn(u64) -> usize) {
    let completed = r.outcome == Outcome::Completed;
    let Some(first) = r.chunk_at_ns.first() else {
        if r.output_tokens > 0 {
            let end = &mut counted[slot(r.finished_ns)];
            end.output += u64::from(r.output_tokens);
            end.input += u64::from(r.prompt_tokens);
        }
        return;
    };
    counted[slot(*first)].input += u64::from(r.prompt_tokens);
    if completed {
        counted[slot(*first)].ttft_ns.extend(r.ttft_ns());
    }
    let mut before = None;
    for (i, &at_ns) in r.chunk_at_ns.iter().enumerate() {
        let second = &mut counted[slot(at_ns)];
        second.output += u64::from(r.tokens_in(i));
        if let Some(before) = before.filter(|_| completed) {
            second.gaps.push((at_ns.saturating_sub(before), r.tokens_in(i)));
        }
        before = Some(at_ns);
    }
}

fn latency(row: &mut Row, second: Second, tick_ns: u64) {
    let (mut ttft, mut itl) = (Pool::new(tick_ns), Pool::new(tick_ns));
    second.ttft_ns.into_iter().for_each(|ns| ttft.push_ns(ns));
    second.gaps.into_iter().for_each(|(ns, tokens)| itl.push_chunk(ns, tokens));
    for pool in [ttft.sorted(), itl.sorted()] {
        row.float(pool.percentile(0.5));
        row.float(pool.percentile(0.99));
    }
}

/// GPUs: mean utilisation, memory and power of all together.
fn readings(row: &mut Row, sample: Option<&Sample>) {
    let one = |number: f32| shortest(number);
    row.float(sample.and_then(|s| s.cpu_percent).map(one));
    row.whole_or_empty(sample.and_then(|s| s.rss_bytes));
    let gpus = sample.map_or(&[][..], |s| &s.gpus);
    let busy: Vec<f64> = gpus.iter().filter_map(|g| g.utilisation_percent).map(one).collect();
    row.float((!busy.is_empty()).then(|| busy.iter().sum::<f64>() / busy.len() as f64));
    row.whole_or_empty(gpus.iter().filter_map(|g| g.memory_used_bytes).reduce(|a, b| a + b));
    row.float(gpus.iter().filter_map(|g| g.power_w).map(one).reduce(|a, b| a + b));
}

/// A reading without the digits that a wider type would make up.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}
