//! The pipe from event to figure: how many tokens a second go through it, what a snapshot costs early and late
//! in a run, how fast a recording plays, how many bytes a token takes in one.
//!
//! `cargo bench --no-default-features --bench pipeline`. Sizes are printed before the timings.

#![allow(clippy::unwrap_used, reason = "a bench that can't be set up has nothing to time")]

use std::cell::RefCell;
use std::hint::black_box;
use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use fastgen_tui::clock::{Clock, TICK_NS};
use fastgen_tui::collector::{CAPACITY, Collector, Options, channel};
use fastgen_tui::event::{CountedBy, Ended, Event, Finished, Outcome, Phase, Sample, Sent, StageStart};
use fastgen_tui::metrics::{Aggregator, CurveSla};
use fastgen_tui::recording::{Header, Writer, from_reader};
use fastgen_tui::replay::play_reader;

/// Tokens of a request.
const OUTPUT: u32 = 40;
/// Clients: at 20 to 30 ms a token, and 120 ms before the first, they make about nine thousand tokens a second.
const CLIENTS: u64 = 250;

fn header() -> Header {
    Header { seed: 1, ..Header::new(TICK_NS, serde_json::json!({}), jiff::Timestamp::UNIX_EPOCH) }
}

/// Endless load of some clients, in order of time, in microseconds with jitter: gaps of 20 to 30 ms.
struct Load {
    random: u64,
    next_id: u64,
    /// Time of a client's next event in ticks, its request, and tokens yet to come.
    clients: std::collections::BinaryHeap<std::cmp::Reverse<(u64, u64, u64, u32)>>,
}

impl Load {
    fn new(clients: u64) -> Self {
        let clients =
            (0..clients).map(|client| std::cmp::Reverse((client * 977, client, u64::MAX, 0))).collect();
        Self { random: 0x1234_5678_9ABC_DEF1, next_id: 0, clients }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % n
    }

    fn sent(&mut self, at_ns: u64, client: u64) -> (Event, u64) {
        let request = self.next_id;
        self.next_id += 1;
        let sent = Sent {
            at_ns,
            scheduled_ns: at_ns - at_ns.min(self.below(40) * TICK_NS),
            request,
            client: client as u32,
            stage: 0,
            prompt_tokens: 100 + self.below(400) as u32,
            max_tokens: OUTPUT,
            warmup: false,
        };
        (Event::Sent(sent), request)
    }
}

impl Iterator for Load {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let std::cmp::Reverse((at, client, request, left)) = self.clients.pop()?;
        let at_ns = at * TICK_NS;
        let (event, next) = if request == u64::MAX {
            let (event, request) = self.sent(at_ns, client);
            (event, (at + 90_000 + self.below(60_000), client, request, OUTPUT))
        } else if left > 0 {
            let gap = if left == 1 { 30 } else { 20_000 + self.below(10_000) };
            (Event::Token { at_ns, request, tokens: 1 }, (at + gap, client, request, left - 1))
        } else {
            let finished = Finished {
                at_ns,
                request,
                outcome: Outcome::Completed,
                output_tokens: OUTPUT,
                counted_by: CountedBy::Engine,
                prompt_tokens: None,
                error: None,
                text: None,
                status: None,
                retries: 0,
            };
            (Event::Finished(Box::new(finished)), (at + 200 + self.below(100), client, u64::MAX, 0))
        };
        self.clients.push(std::cmp::Reverse(next));
        Some(event)
    }
}

fn beginning() -> [Event; 2] {
    let stage = StageStart::closed(0, "main", CLIENTS as u32);
    [Event::Stage(Box::new(stage)), Event::Phase { at_ns: 0, stage: 0, phase: Phase::Measuring }]
}

/// A run of about so many tokens.
fn run(clients: u64, tokens: u64) -> Vec<Event> {
    let events = tokens + tokens / u64::from(OUTPUT) * 2;
    beginning().into_iter().chain(Load::new(clients).take(events as usize)).collect()
}

fn tokens_in(events: &[Event]) -> u64 {
    events.iter().filter(|e| matches!(e, Event::Token { .. })).count() as u64
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Readings as a host without a GPU gives them.
fn sample(second: u64) -> Event {
    Event::Sample(Box::new(Sample {
        at_ns: second * 1_000_000_000,
        cpu_percent: Some(90.0 + (second % 97) as f32 / 10.0),
        process_cpu_percent: Some(180.0 + (second % 89) as f32 / 10.0),
        client_cpu_percent: Some((second % 31) as f32 / 10.0),
        rss_bytes: Some(123_000_000 + second * 7919 % 100_000 * 4096),
        memory_used_bytes: Some(4_000_000_000 + second * 104_729 % 100_000 * 4096),
        memory_total_bytes: Some(16_000_000_000),
        loop_lag_ns: Some(second * 7919 % 3000 * 1000),
        ..Sample::default()
    }))
}

fn record(events: &[Event]) -> Vec<u8> {
    let memory = Memory::default();
    let mut writer = Writer::to(Box::new(memory.clone()), &header(), false).unwrap();
    let mut aggregator = Aggregator::new();
    let mut second = 0;
    for event in events {
        if event.at_ns() / 1_000_000_000 > second {
            second = event.at_ns() / 1_000_000_000;
            writer.write(&sample(second), None);
        }
        let finished = aggregator.apply(event);
        writer.write(event, finished.as_deref());
    }
    writer.finish().unwrap();
    std::mem::take(&mut *memory.0.lock().unwrap())
}

/// Channel, aggregator and recorder, all on this one core: filled and emptied by turns.
fn through_the_pipe(events: Vec<Event>) {
    let (sender, receiver) = crossbeam_channel::bounded(CAPACITY);
    let mut writer = Writer::to(Box::new(io::sink()), &header(), false).unwrap();
    let mut aggregator = Aggregator::new();
    let mut events = events.into_iter();
    loop {
        for event in events.by_ref().take(CAPACITY) {
            sender.try_send(event).unwrap();
        }
        if receiver.is_empty() {
            break;
        }
        for event in receiver.try_iter() {
            let finished = aggregator.apply(&event);
            writer.write(&event, finished.as_deref());
        }
    }
    black_box(writer.finish().unwrap());
}

/// The collector on its own thread, fed as fast as it has room.
fn through_the_collector(events: Vec<Event>) {
    let (sink, source) = channel(CAPACITY);
    let writer = Writer::to(Box::new(io::sink()), &header(), false).unwrap();
    let sla = CurveSla::default();
    let options =
        Options { writer: Some(writer), headless: true, warmup_per_client: 0, stages: 1, sla, amend: None };
    let handle = Collector::start(source, Clock::start(), options).unwrap();
    for event in events {
        while sink.is_full() {
            std::thread::yield_now();
        }
        sink.send(event);
    }
    sink.send(Event::Ended { at_ns: 0, how: Ended::Complete });
    assert_eq!(handle.join().snapshot.lost_events, 0);
}

fn pipe(c: &mut Criterion) {
    let events = run(CLIENTS, 1_000_000);
    let mut group = c.benchmark_group("pipe");
    group.throughput(Throughput::Elements(tokens_in(&events))).sample_size(10);
    group.bench_function("channel+aggregator+recorder, one core", |b| {
        b.iter_batched(|| events.clone(), through_the_pipe, BatchSize::LargeInput);
    });
    group.bench_function("collector thread", |b| {
        b.iter_batched(|| events.clone(), through_the_collector, BatchSize::LargeInput);
    });
    group.finish();
}

/// A run of so many tokens, looked at once as a screen would have done, and 50 ms of events since then.
fn looked_at(tokens: u64) -> (Aggregator, Load) {
    let mut aggregator = Aggregator::new();
    let mut load = Load::new(CLIENTS);
    for event in beginning().into_iter().chain(load.by_ref().take((tokens + tokens / 20) as usize)) {
        aggregator.apply(&event);
    }
    go_on(&mut aggregator, &mut load);
    (aggregator, load)
}

/// A snapshot, then what happens until the next one is due, so that nothing it needs is unchanged.
fn go_on(aggregator: &mut Aggregator, load: &mut Load) {
    black_box(aggregator.snapshot(aggregator.newest_ns()));
    for event in load.by_ref().take(525) {
        aggregator.apply(&event);
    }
}

fn snapshots(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshot");
    group.sample_size(50).measurement_time(Duration::from_secs(5));
    // Early in a run: a new run for each snapshot, or it would not stay early.
    group.bench_function("after 10 thousand tokens", |b| {
        b.iter_batched(
            || looked_at(10_000),
            |(mut aggregator, load)| {
                let snapshot = aggregator.snapshot(aggregator.newest_ns());
                (snapshot, aggregator, load)
            },
            BatchSize::PerIteration,
        );
    });
    let late = RefCell::new(looked_at(10_000_000));
    group.bench_function("after 10 million tokens", |b| {
        b.iter_batched(
            || {
                let (aggregator, load) = &mut *late.borrow_mut();
                go_on(aggregator, load);
            },
            |()| {
                let aggregator = &mut late.borrow_mut().0;
                aggregator.snapshot(aggregator.newest_ns())
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Resident memory in MB, where the system tells it as Linux does.
fn resident_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kb| kb / 1024)
}

fn memory() {
    let mut aggregator = Aggregator::new();
    let mut writer = Writer::to(Box::new(io::sink()), &header(), false).unwrap();
    let mut load = Load::new(CLIENTS);
    for event in beginning() {
        aggregator.apply(&event);
    }
    for target in [100_000, 1_000_000] {
        while aggregator.snapshot(aggregator.newest_ns()).counts.completed < target {
            for event in load.by_ref().take(100_000) {
                let finished = aggregator.apply(&event);
                writer.write(&event, finished.as_deref());
            }
        }
        if let Some(mb) = resident_mb() {
            println!("memory: {mb} MB resident after {target} requests");
        }
    }
}

fn sizes() {
    for (clients, tokens) in [(8, 50_000), (CLIENTS, 1_000_000)] {
        let events = run(clients, tokens);
        let tokens = tokens_in(&events);
        let bytes = record(&events).len();
        println!("recording: {:.2} bytes a token with {clients} clients", bytes as f64 / tokens as f64);
    }
}

fn replay(c: &mut Criterion) {
    let events = run(CLIENTS, 1_000_000);
    let tokens = tokens_in(&events);
    let bytes = record(&events);
    let mut group = c.benchmark_group("replay");
    group.throughput(Throughput::Elements(tokens)).sample_size(10);
    group.bench_function("to the end, headless", |b| {
        b.iter(|| play_reader(from_reader(Box::new(Cursor::new(bytes.clone())), "bench".into()).unwrap()));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    memory();
    sizes();
    replay(&mut criterion);
    pipe(&mut criterion);
    snapshots(&mut criterion);
    criterion.final_summary();
}
