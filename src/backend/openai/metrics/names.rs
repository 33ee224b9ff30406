//! Servers' names for the same figures, mapped to one set.
//!
//! Written from the servers' documentation: vLLM's "Production Metrics", SGLang's "Production Metrics",
//! text-generation-inference's "Metrics", llama.cpp's server README, and what `fastgen-tui serve` says itself. A
//! server calls each figure by one name; where versions differ, the newer name comes first. Counts of several
//! engines behind one address are summed over their labels, shares are averaged.
//!
//! TGI and llama.cpp count output tokens when a request ends, so no rate is made of them: it would jump. TGI tells
//! nothing of its cache.

use super::text::{self, Metric};
use crate::backend::Gauges;

const RUNNING: [&str; 6] = [
    "vllm:num_requests_running",
    "sglang:num_running_reqs",
    "tgi_batch_current_size",
    "llamacpp:requests_processing",
    "fastgen_engine_running",
    "fastgen_requests_in_flight",
];
const WAITING: [&str; 5] = [
    "vllm:num_requests_waiting",
    "sglang:num_queue_reqs",
    "tgi_queue_size",
    "llamacpp:requests_deferred",
    "fastgen_engine_waiting",
];
const KV_CACHE_USED: [&str; 4] = [
    "vllm:kv_cache_usage_perc",
    "vllm:gpu_cache_usage_perc",
    "sglang:token_usage",
    "llamacpp:kv_cache_usage_ratio",
];
/// Hits with their queries: both must be of one kind.
const PREFIX: [(&str, &str); 3] = [
    ("vllm:prefix_cache_hits", "vllm:prefix_cache_queries"),
    ("vllm:gpu_prefix_cache_hits", "vllm:gpu_prefix_cache_queries"),
    ("sglang:cached_tokens", "sglang:prompt_tokens"),
];
const PREFIX_RATE: [&str; 2] = ["vllm:gpu_prefix_cache_hit_rate", "sglang:cache_hit_rate"];
const PREEMPTIONS: [&str; 3] =
    ["vllm:num_preemptions", "sglang:num_retracted_requests", "sglang:num_retracted_reqs"];
const OUTPUT_TOKENS: [&str; 1] = ["vllm:generation_tokens"];
const TOKENS_PER_S: [&str; 1] = ["sglang:gen_throughput"];

/// What a server's metrics say of its engine; `None` if the text holds no metric at all.
pub fn gauges(text: &str) -> Option<Gauges> {
    let all: Vec<Metric<'_>> = text::metrics(text).collect();
    if all.is_empty() {
        return None;
    }
    let first = |names: &[&str], total: bool| names.iter().find_map(|name| sum(&all, name, total));
    let gauge = |names: &[&str]| first(names, false).map(|sum| sum.value);
    let count = |name: &str| sum(&all, name, true).map(|sum| sum.value as u64);
    let share = |names: &[&str]| {
        let mean = first(names, false).map(|sum| (sum.value / f64::from(sum.series)) as f32);
        // vLLM's engine of the first generation said -1 for a cache that is off.
        mean.filter(|share| (0.0..=1.0).contains(share))
    };
    let prefix = PREFIX.iter().find_map(|(hits, queries)| Some((count(hits)?, count(queries)?)));
    Some(Gauges {
        running: gauge(&RUNNING).map(|n| n as u32),
        waiting: gauge(&WAITING).map(|n| n as u32),
        kv_cache_used: share(&KV_CACHE_USED),
        prefix_cache_hits: prefix.map(|(hits, _)| hits),
        prefix_cache_queries: prefix.map(|(_, queries)| queries),
        prefix_cache_hit_rate: share(&PREFIX_RATE),
        preemptions: first(&PREEMPTIONS, true).map(|sum| sum.value as u64),
        output_tokens: first(&OUTPUT_TOKENS, true).map(|sum| sum.value as u64),
        tokens_per_s: gauge(&TOKENS_PER_S).map(|rate| rate as f32),
    })
}

/// The figures of several servers as those of one: counts summed, shares averaged. What one of them doesn't tell is
/// not known of all.
pub fn together(servers: &[Gauges]) -> Gauges {
    fn sum<T: std::iter::Sum>(of: impl Iterator<Item = Option<T>>) -> Option<T> {
        of.sum()
    }
    let share = |of: fn(&Gauges) -> Option<f32>| {
        sum(servers.iter().map(of)).map(|sum: f32| sum / servers.len().max(1) as f32)
    };
    if servers.is_empty() {
        return Gauges::default();
    }
    Gauges {
        running: sum(servers.iter().map(|g| g.running)),
        waiting: sum(servers.iter().map(|g| g.waiting)),
        kv_cache_used: share(|g| g.kv_cache_used),
        prefix_cache_hits: sum(servers.iter().map(|g| g.prefix_cache_hits)),
        prefix_cache_queries: sum(servers.iter().map(|g| g.prefix_cache_queries)),
        prefix_cache_hit_rate: share(|g| g.prefix_cache_hit_rate),
        preemptions: sum(servers.iter().map(|g| g.preemptions)),
        output_tokens: sum(servers.iter().map(|g| g.output_tokens)),
        tokens_per_s: sum(servers.iter().map(|g| g.tokens_per_s)),
    }
}

/// A value over all labels, and of how many series.
struct Sum {
    value: f64,
    series: u32,
}

/// The sum of a name's series; `total`: a counter, whose name may end in `_total`. Values that are no sizes are left
/// out.
fn sum(all: &[Metric<'_>], name: &str, total: bool) -> Option<Sum> {
    let of_name = all.iter().filter(|metric| is(metric.name, name, total) && !is_copy(metric));
    let sizes = of_name.map(|metric| metric.value).filter(|value| value.is_finite());
    let (value, series) = sizes.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    (series > 0).then_some(Sum { value, series })
}

/// SGLang's ranks of one engine can be told to report all of the same.
fn is_copy(metric: &Metric<'_>) -> bool {
    ["tp_rank", "pp_rank"].iter().any(|rank| metric.label(rank).is_some_and(|number| number != "0"))
}

/// Whether a name is the wanted one. Gateways that know no colon in names write `_` for it.
fn is(name: &str, wanted: &str, total: bool) -> bool {
    // SGLang has a gauge of the name that a counter of its has before `_total`.
    let bare = match name.strip_suffix("_total") {
        Some(bare) if total => bare,
        None if !total || !wanted.starts_with("sglang:num_retracted") => name,
        _ => return false,
    };
    bare.len() == wanted.len()
        && bare.bytes().zip(wanted.bytes()).all(|(a, b)| a == b || (a == b'_' && b == b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(server: &str) -> Gauges {
        let path = format!("{}/tests/data/metrics/{server}.txt", env!("CARGO_MANIFEST_DIR"));
        gauges(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn vllm_of_both_generations() {
        let one_of_two_engines = Gauges {
            running: Some(12),
            waiting: Some(5),
            kv_cache_used: Some(0.5),
            prefix_cache_hits: Some(2048),
            prefix_cache_queries: Some(8192),
            preemptions: Some(3),
            output_tokens: Some(24_350),
            ..Gauges::default()
        };
        assert_eq!(of("vllm"), one_of_two_engines);
        let old = of("vllm-0.6");
        assert_eq!((old.running, old.waiting, old.kv_cache_used), (Some(4), Some(0), Some(0.125)));
        assert_eq!((old.prefix_cache_hit_rate, old.prefix_cache_hits), (None, None), "-1 is off");
        assert_eq!(old.output_tokens, Some(1901));
    }

    #[test]
    fn sglang() {
        let told = of("sglang");
        assert_eq!((told.running, told.waiting), (Some(24), Some(7)));
        assert_eq!((told.kv_cache_used, told.prefix_cache_hit_rate), (Some(0.28), Some(0.1)));
        assert_eq!((told.prefix_cache_hits, told.prefix_cache_queries), (Some(900), Some(8000)));
        assert_eq!((told.preemptions, told.tokens_per_s), (Some(2), Some(1386.5)));
    }

    #[test]
    fn tgi_llama_cpp_and_our_own() {
        let tgi = Gauges { running: Some(8), waiting: Some(2), ..Gauges::default() };
        assert_eq!(of("tgi"), tgi);
        let llama = of("llama.cpp");
        assert_eq!((llama.running, llama.waiting, llama.kv_cache_used), (Some(3), Some(1), Some(0.25)));
        assert_eq!(llama.output_tokens, None, "counted at the end of requests");
        let own = of("fastgen");
        assert_eq!((own.running, own.waiting), (Some(6), Some(2)));
        assert_eq!(gauges("fastgen_requests_in_flight 4\n").unwrap().running, Some(4));
    }

    #[test]
    fn strangers_and_garbage() {
        assert_eq!(gauges("<html>\n<h1>404</h1>\n"), None);
        assert_eq!(gauges(""), None);
        assert_eq!(gauges("process_cpu_seconds_total 12\n"), Some(Gauges::default()));
        let odd =
            gauges("vllm:num_requests_running NaN\nvllm:num_requests_waiting -3\ntgi_queue_size 1e99\n");
        assert_eq!((odd.unwrap().running, odd.unwrap().waiting), (None, Some(0)));
        assert_eq!(gauges("vllm_num_requests_running 2\n").unwrap().running, Some(2), "behind a gateway");
    }

    #[test]
    fn servers_are_summed_where_all_of_them_tell() {
        let one =
            Gauges { running: Some(2), kv_cache_used: Some(0.5), preemptions: Some(1), ..Gauges::default() };
        let other = Gauges { running: Some(3), kv_cache_used: Some(0.25), ..Gauges::default() };
        let both = together(&[one, other]);
        assert_eq!((both.running, both.kv_cache_used, both.preemptions), (Some(5), Some(0.375), None));
        assert_eq!(together(&[]), Gauges::default());
    }
}
