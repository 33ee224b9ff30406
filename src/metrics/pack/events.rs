//! Events, records and what snapshots hold, as bytes.
//!
//! What is large in number is packed field by field; the few others are JSON, as in a recording.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Pack, bytes, pack, pack_ascending, pack_enum, unpack_ascending};
use crate::event::{
    BackendInfo, Control, CountedBy, Ended, EngineSample, GpuSample, Level, LogLine, OpenLoop, Outcome,
    Phase, Sample, Sent, StageStart,
};
use crate::metrics::{
    Counts, ErrorCount, ErrorKind, Lane, Limit, Loading, Open, RequestRecord, SeriesPoint, Span, Summary,
};

pack_enum!(Phase { Loading, Warmup, Measuring, Draining, Done });
pack_enum!(CountedBy { Engine, Usage, Tokenizer, Chunks });
pack_enum!(Level { Debug, Info, Warn, Error });
pack_enum!(Outcome {
    Completed,
    Cancelled,
    TimedOutConnect,
    TimedOutTtft,
    TimedOutIdle,
    TimedOutTotal,
    FailedConnect,
    FailedHttp,
    FailedProtocol,
    FailedEngine,
    FailedOverload,
});
pack!(Sent { at_ns, scheduled_ns, request, client, stage, prompt_tokens, max_tokens, warmup });
pack!(LogLine { at_ns, level, source, message });
pack!(Sample {
    at_ns,
    cpu_percent,
    core_percent,
    process_cpu_percent,
    client_cpu_percent,
    engine_cpu_percent,
    load_1m,
    rss_bytes,
    memory_used_bytes,
    memory_total_bytes,
    cpu_power_w,
    power_w,
    gpus,
    engine,
    loop_lag_ns,
});
pack!(EngineSample {
    running,
    waiting,
    kv_cache_used,
    prefix_cache_queries,
    prefix_cache_hits,
    prefix_cache_hit_rate,
    preemptions,
    tokens_per_s,
});
pack!(GpuSample {
    name,
    utilisation_percent,
    memory_used_bytes,
    memory_total_bytes,
    power_w,
    power_limit_w,
    temperature_c,
    clock_mhz,
    memory_clock_mhz,
    throttled_by,
});
pack!(Loading { step, fraction });
pack!(Counts {
    warmup_done,
    warmup_planned,
    sent,
    completed,
    failed,
    timed_out,
    cancelled,
    output_tokens,
    input_tokens,
    errors,
    retries,
    longest_tokens,
});
pack!(ErrorKind { outcome, status });
pack!(ErrorCount { requests, first });
pack!(Limit { key, limit_ns });
pack!(Summary { count, mean, min, p50, p90, p95, p99, p999, max, buckets });
pack!(Lane { client, spans, current, completed, failed, tokens_per_s });
pack!(Open {
    request,
    sent_ns,
    prefill_ns,
    first_token_ns,
    last_token_ns,
    output_tokens,
    max_tokens,
    prompt_tokens,
    warmup,
});
pack!(SeriesPoint {
    second,
    output_tokens,
    input_tokens,
    completed,
    failed,
    in_flight,
    ttft_p50_s,
    ttft_p99_s,
    itl_p50_s,
    itl_p99_s,
    sample,
    phase,
});

/// Times of a span are packed from its start on, since there are many of them.
impl Pack for Span {
    fn pack(&self, out: &mut Vec<u8>) {
        self.request.pack(out);
        self.sent_ns.pack(out);
        let since = |at_ns: u64| at_ns.wrapping_sub(self.sent_ns);
        (self.prefill_ns.map(since), self.first_token_ns.map(since), since(self.finished_ns)).pack(out);
        self.outcome.pack(out);
        self.warmup.pack(out);
        (self.prompt_tokens, self.output_tokens).pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let (request, sent_ns) = <(u64, u64)>::unpack(from)?;
        let at = |since: u64| sent_ns.wrapping_add(since);
        let (prefill, first, finished) = <(Option<u64>, Option<u64>, u64)>::unpack(from)?;
        let (outcome, warmup) = <(Outcome, bool)>::unpack(from)?;
        let (prompt_tokens, output_tokens) = Pack::unpack(from)?;
        Some(Self {
            request,
            sent_ns,
            prefill_ns: prefill.map(at),
            first_token_ns: first.map(at),
            finished_ns: at(finished),
            outcome,
            warmup,
            prompt_tokens,
            output_tokens,
        })
    }
}

/// All of a record but its list of times.
struct Rest<'a>(&'a RequestRecord);

impl Rest<'_> {
    fn pack(&self, out: &mut Vec<u8>) {
        let r = self.0;
        (r.request, r.client, r.stage).pack(out);
        (r.warmup, r.scheduled_ns, r.sent_ns).pack(out);
        (r.prefill_ns, r.finished_ns, r.prompt_tokens).pack(out);
        (r.max_tokens, r.output_tokens, r.counted_by).pack(out);
        r.outcome.pack(out);
        r.error.pack(out);
        r.text.pack(out);
        (r.status, r.retries).pack(out);
    }
}

impl Pack for RequestRecord {
    fn pack(&self, out: &mut Vec<u8>) {
        Rest(self).pack(out);
        pack_ascending(&self.chunk_at_ns, out);
        self.chunk_tokens.pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let (request, client, stage) = Pack::unpack(from)?;
        let (warmup, scheduled_ns, sent_ns) = Pack::unpack(from)?;
        let (prefill_ns, finished_ns, prompt_tokens) = Pack::unpack(from)?;
        let (max_tokens, output_tokens, counted_by) = Pack::unpack(from)?;
        Some(Self {
            request,
            client,
            stage,
            warmup,
            scheduled_ns,
            sent_ns,
            prefill_ns,
            finished_ns,
            prompt_tokens,
            max_tokens,
            output_tokens,
            counted_by,
            outcome: Pack::unpack(from)?,
            error: Pack::unpack(from)?,
            text: Pack::unpack(from)?,
            status: Pack::unpack(from)?,
            retries: Pack::unpack(from)?,
            chunk_at_ns: unpack_ascending(from)?,
            chunk_tokens: Pack::unpack(from)?,
        })
    }
}

/// As JSON, its length first. What can't be written gives an empty text, which can't be read again.
pub(super) fn pack_json<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    let json = serde_json::to_vec(value).unwrap_or_default();
    json.len().pack(out);
    out.extend_from_slice(&json);
}

fn unpack_json<T: DeserializeOwned>(from: &mut &[u8]) -> Option<T> {
    let length = usize::unpack(from)?;
    serde_json::from_slice(bytes(from, length)?).ok()
}

macro_rules! as_json {
    ($($name:ty),*) => {$(
        impl Pack for $name {
            fn pack(&self, out: &mut Vec<u8>) {
                pack_json(self, out);
            }
            fn unpack(from: &mut &[u8]) -> Option<Self> {
                unpack_json(from)
            }
        }
    )*};
}
as_json!(StageStart, BackendInfo, Control, Ended, OpenLoop, serde_json::Value);
