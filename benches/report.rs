//! How fast a recording becomes figures and tables.
//!
//! `cargo bench --bench report`: tokens a second into the exact report, rows a second into `tokens.csv`, and the time
//! that another SLA rate takes.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fastgen_tui::event::{Ended, Event, Phase, StageStart};
use fastgen_tui::metrics::RequestRecord;
use fastgen_tui::recording::Header;
use fastgen_tui::recording::{Entry, Losses};
use fastgen_tui::report::fastgen::{Target, Validator, curves};
use fastgen_tui::report::{Run, csv, report};

const CLIENTS: u64 = 32;
const REQUESTS: u64 = 4_000;
const TOKENS: u64 = 250;

fn header() -> Header {
    Header {
        seed: 1,
        ..Header::new(
            1_000,
            serde_json::json!({ "profile": { "name": "bench" } }),
            jiff::Timestamp::UNIX_EPOCH,
        )
    }
}

/// A closed loop of a million tokens whose gaps scatter from 5 to 25 ms.
fn run() -> Run {
    let mut entries = vec![
        Entry::Event(Event::Stage(Box::new(StageStart {
            planned_requests: Some(REQUESTS),
            ..StageStart::closed(0, "main", CLIENTS as u32)
        }))),
        Entry::Event(Event::Phase { at_ns: 0, stage: 0, phase: Phase::Measuring }),
    ];
    let mut scatter = 1u64;
    let mut free = [0u64; CLIENTS as usize];
    for number in 0..REQUESTS {
        let client = (number % CLIENTS) as usize;
        let sent_ns = free[client];
        let mut at_ns = sent_ns;
        let chunk_at_ns: Vec<u64> = (0..TOKENS)
            .map(|_| {
                scatter =
                    scatter.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                at_ns += (5_000 + (scatter >> 33) % 20_000) * 1_000;
                at_ns
            })
            .collect();
        free[client] = at_ns;
        entries.push(Entry::Request(RequestRecord {
            client: client as u32,
            prompt_tokens: 100,
            ..RequestRecord::completed(number, sent_ns, chunk_at_ns)
        }));
    }
    let at_ns = free.iter().copied().max().unwrap_or(0);
    entries.push(Entry::Event(Event::Ended { at_ns, how: Ended::Complete }));
    Run::from_entries("bench", header(), entries, Losses::default)
}

fn benches(c: &mut Criterion) {
    let run = run();
    let mut group = c.benchmark_group("report");
    group.sample_size(10).throughput(Throughput::Elements(REQUESTS * TOKENS));
    group.bench_function("exact figures, tokens", |b| b.iter(|| report(black_box(&run))));
    let dir = std::env::temp_dir().join(format!("fastgen-tui-bench-{}", std::process::id()));
    let figures = report(&run);
    group.bench_function("csv, token rows", |b| {
        b.iter(|| {
            let mut export =
                csv::Export::create(&dir, csv::Old::Replace).expect("the temporary folder can be written");
            export.add(&run, &figures).expect("the temporary folder has room");
            export.finish().expect("the temporary folder has room")
        });
    });
    group.finish();
    let _ = std::fs::remove_dir_all(&dir);
}

/// What the Curve screen does at a key: effective throughput of all stages of a sweep, at a rate not asked for before.
fn rates(c: &mut Criterion) {
    const STAGES: u32 = 11;
    let mut run = run();
    run.stages[0].requests.truncate(1000);
    for stage in 1..STAGES {
        let mut next = run.stages[0].clone();
        next.start.stage = stage;
        next.start.clients = Some(stage + 1);
        run.stages.push(next);
    }
    let curves = curves(&report(&run));
    let mut generation_tokens_per_s = 0.0;
    c.bench_function("another SLA rate, 11 stages of 1000 requests", |b| {
        b.iter(|| {
            generation_tokens_per_s += 0.5;
            let validator = Validator::Ema16;
            let target = Target { prompt_tokens_per_s: 512.0, generation_tokens_per_s, validator };
            let effective = curves[0].effective(&target);
            assert_eq!(effective.len(), STAGES as usize);
            effective
        });
    });
}

criterion_group!(all, benches, rates);
criterion_main!(all);
