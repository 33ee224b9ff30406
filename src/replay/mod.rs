//! A recording played into the same pipe as a live run.
//!
//! Headless, [`play_to_end`] takes finished requests as wholes, as fast as the disk gives them. On screen, a
//! player expands them into their events again, in the order of time ([`Expander`]), and paces them. An index with
//! checkpoints of the figures makes any place of a recording cheap to go to.

mod ahead;
mod expand;
mod index;
mod origin;
mod pair;
mod player;
mod range;
mod seek;
mod session;
mod words;

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::metrics::{Aggregator, CurveSla, Limit, Snapshot};
use crate::recording::{self, Entry, Header, Losses, Reader, RecordingError};

pub use expand::Expander;
pub use pair::ahead_ns;
pub use range::{Exact, Open};
pub use seek::Seeker;
pub use session::{ReplaySession, title};

/// What a recording played to its end gives.
#[derive(Debug)]
pub struct Played {
    pub header: Header,
    /// The figures as they stood at the run's end.
    pub snapshot: Snapshot,
    pub losses: Losses,
}

/// Plays a recording to its end, without a screen; `-` is standard input.
///
/// # Errors
/// As [`recording::open`].
pub fn play_to_end(path: &Path) -> Result<Played, RecordingError> {
    Ok(play_reader(recording::open(path)?))
}

/// Plays what is left of an open recording to its end.
pub fn play_reader(mut reader: Reader) -> Played {
    let mut aggregator = new_aggregator(reader.header());
    ahead::each(&mut reader, |entry| match entry {
        Entry::Event(event) => _ = aggregator.apply(&event),
        Entry::Request(record) => aggregator.apply_record(&Arc::new(record)),
    });
    let snapshot = aggregator.snapshot(aggregator.newest_ns());
    Played { header: reader.header().clone(), snapshot, losses: reader.losses() }
}

/// The picture of a recording at one moment, its header, and its length in nanoseconds. A moment past the end
/// gives the last picture.
///
/// # Errors
/// As [`recording::open`].
pub fn at(path: &Path, at_ns: u64) -> Result<(Snapshot, Header, u64), RecordingError> {
    let reader = recording::open(path)?;
    let header = reader.header().clone();
    let mut aggregator = new_aggregator(&header);
    let mut length_ns = 0;
    for event in Expander::new(reader) {
        length_ns = length_ns.max(event.at_ns());
        if event.at_ns() <= at_ns {
            aggregator.apply(&event);
        }
    }
    Ok((aggregator.snapshot(at_ns.min(length_ns)), header, length_ns))
}

/// An aggregator that knows what only the header says.
fn new_aggregator(header: &Header) -> Aggregator {
    let mut aggregator = Aggregator::new();
    tell(&mut aggregator, header);
    aggregator
}

/// Tells an aggregator what only the header says.
fn tell(aggregator: &mut Aggregator, header: &Header) {
    let per_client = header.profile.pointer("/load/warmup_requests_per_client");
    if let Some(n) = per_client.and_then(serde_json::Value::as_u64) {
        aggregator.expect_warmup(u32::try_from(n).unwrap_or(u32::MAX));
    }
    aggregator.expect_sla(sla(header));
    aggregator.expect_stages(planned_stages(&header.profile));
}

/// Cells of a recorded profile's grid: the product of its lists' lengths, 1 without a sweep.
fn planned_stages(profile: &serde_json::Value) -> u32 {
    let lists = profile.pointer("/sweep").and_then(serde_json::Value::as_object).into_iter().flatten();
    let lengths = lists.filter_map(|(_, values)| values.as_array()).map(|values| values.len() as u32);
    lengths.fold(1, u32::saturating_mul)
}

/// What the recorded profile judges requests by.
fn sla(header: &Header) -> CurveSla {
    let usual = CurveSla::default();
    let makes_sense = |rate: &f64| rate.is_finite() && *rate > 0.0;
    let number = |v: &Value| v.as_f64().filter(makes_sense);
    let found = |key: &str| header.profile.get("sla").and_then(|sla| sla.get(key));
    let rates = found("generation_tokens_per_s").and_then(Value::as_array);
    let rates: Vec<f64> = rates.into_iter().flatten().filter_map(number).collect();
    CurveSla {
        prompt_tokens_per_s: found("prompt_tokens_per_s")
            .and_then(number)
            .unwrap_or(usual.prompt_tokens_per_s),
        rates: if rates.is_empty() { usual.rates } else { rates.into() },
        limits: limits(&header.profile),
    }
}

/// The thresholds of the recorded profile; what can't be read sets none.
fn limits(profile: &Value) -> Arc<[Limit]> {
    let keys = profile.get("sla").and_then(Value::as_object).into_iter().flatten();
    let read = |(key, value): (&String, &Value)| {
        let limit = humantime::parse_duration(value.as_str()?).ok()?;
        Some(Limit { key: key.clone(), limit_ns: u64::try_from(limit.as_nanos()).ok()? })
    };
    keys.filter_map(read).collect()
}

#[cfg(test)]
mod tests;
