//! Seeking in a huge recording: how fast it is indexed, what the index takes, and how long it takes to go anywhere.
//!
//! `FASTGEN_BENCH_TOKENS=100000000 cargo bench --no-default-features --features http --bench replay` makes a recording of
//! so many tokens (2 million without it) in a temporary folder, or once in `FASTGEN_BENCH_FOLDER`, and prints the figures.

#![allow(clippy::unwrap_used, reason = "a bench that can't be set up has nothing to time")]
#![allow(clippy::disallowed_methods, reason = "what is timed here is the program, not a run")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastgen_tui::clock::TICK_NS;
use fastgen_tui::event::{Ended, Event, Phase, Sent, StageStart};
use fastgen_tui::metrics::RequestRecord;
use fastgen_tui::recording::{Header, Writer};
use fastgen_tui::replay::Seeker;

/// Clients: at 20 to 30 ms a token, they make about ten thousand tokens a second.
const CLIENTS: u64 = 250;
/// Places gone to.
const SEEKS: usize = 400;

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn header() -> Header {
    Header { seed: 1, ..Header::new(TICK_NS, serde_json::json!({}), jiff::Timestamp::UNIX_EPOCH) }
}

/// A request as a whole: 20 to 180 tokens, and one in a few hundred is slow.
fn request(random: &mut Random, id: u64, client: u64, sent_us: u64) -> RequestRecord {
    let tokens = 20 + random.below(160);
    let slow = if random.below(300) == 0 { 4 } else { 1 };
    let mut at_us = sent_us + 90_000 + random.below(60_000);
    let gaps = (0..tokens).map(|_| {
        let now = at_us * 1000;
        at_us += (20_000 + random.below(10_000)) * slow;
        now
    });
    let chunk_at_ns: Vec<u64> = gaps.collect();
    RequestRecord {
        client: client as u32,
        prefill_ns: Some(sent_us * 1000 + 5_000_000),
        finished_ns: chunk_at_ns.last().unwrap() + 30_000,
        prompt_tokens: 100 + random.below(400) as u32,
        max_tokens: 180,
        output_tokens: tokens as u32,
        ..RequestRecord::completed(id, sent_us * 1000, chunk_at_ns)
    }
}

fn sent(r: &RequestRecord) -> Event {
    Event::Sent(Sent {
        at_ns: r.sent_ns,
        scheduled_ns: r.scheduled_ns,
        request: r.request,
        client: r.client,
        stage: r.stage,
        prompt_tokens: r.prompt_tokens,
        max_tokens: r.max_tokens,
        warmup: false,
    })
}

/// Writes a recording of so many tokens; gives its length in nanoseconds.
fn generate(path: &Path, tokens: u64) -> u64 {
    let mut writer = Writer::create(path, &header(), false).unwrap();
    let stage = StageStart::closed(0, "main", CLIENTS as u32);
    writer.write(&Event::Stage(Box::new(stage)), None);
    writer.write(&Event::Phase { at_ns: 0, stage: 0, phase: Phase::Measuring }, None);
    let mut random = Random(0x1234_5678_9ABC_DEF1);
    let mut next: BinaryHeap<Reverse<(u64, u64)>> = (0..CLIENTS).map(|c| Reverse((c * 977, c))).collect();
    let mut open: Vec<Option<RequestRecord>> = (0..CLIENTS).map(|_| None).collect();
    let (mut written, mut id, mut last_ns) = (0, 0, 0);
    while let Some(Reverse((at_us, client))) = next.pop() {
        let place = &mut open[client as usize];
        last_ns = at_us * 1000;
        if let Some(record) = place.take() {
            written += u64::from(record.output_tokens);
            // What the event says of itself does not matter: the line is made of the record.
            let at = Event::Prefill { at_ns: record.finished_ns, request: record.request };
            let ended = Event::Lost { at_ns: at.at_ns(), events: 0 };
            writer.write(&ended, Some(&record));
            if written < tokens {
                next.push(Reverse((at_us + 200 + random.below(100), client)));
            }
        } else {
            let record = request(&mut random, id, client, at_us);
            id += 1;
            writer.write(&sent(&record), None);
            next.push(Reverse((record.finished_ns / 1000, client)));
            *place = Some(record);
        }
    }
    writer.write(&Event::Phase { at_ns: last_ns, stage: 0, phase: Phase::Done }, None);
    writer.write(&Event::Ended { at_ns: last_ns, how: Ended::Complete }, None);
    writer.finish().unwrap();
    last_ns
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Peak resident memory so far in MB, where the system tells.
fn peak_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1000)
}

fn sidecar(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".index");
    name.into()
}

/// Builds the index, with a picture in the meantime; gives the seconds it took.
fn index(path: &Path) -> f64 {
    let _ = std::fs::remove_file(sidecar(path));
    let begun = Instant::now();
    let mut seeker = Seeker::open(path).unwrap();
    while !seeker.advance(seeker.start_ns() + 1_000_000_000) {}
    let _ = seeker.snapshot(1_000_000_000);
    println!("first picture after {:.1} ms", ms(begun.elapsed()));
    while seeker.indexed().is_some() {
        std::thread::sleep(Duration::from_millis(5));
    }
    begun.elapsed().as_secs_f64()
}

fn seeks(path: &Path) {
    let begun = Instant::now();
    let mut seeker = Seeker::open(path).unwrap();
    let length_ns = seeker.length_ns();
    println!("opened with its index in {:.1} ms", ms(begun.elapsed()));
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut forth, mut back, mut at) = (Vec::new(), Vec::new(), 0);
    for _ in 0..SEEKS {
        let to = random.below(length_ns);
        let begun = Instant::now();
        seeker.seek(to);
        while !seeker.advance(to) {}
        let _ = seeker.snapshot(to);
        if to < at { &mut back } else { &mut forth }.push(begun.elapsed());
        at = to;
    }
    for (name, mut times) in [("forth", forth), ("back", back)] {
        times.sort_unstable();
        let at = |q: f64| ms(times[((times.len() - 1) as f64 * q).round() as usize]);
        println!(
            "{} seeks {name}: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            times.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}

fn main() {
    let tokens = std::env::var("FASTGEN_BENCH_TOKENS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000_000);
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("FASTGEN_BENCH_FOLDER").map_or(temporary.path().to_owned(), PathBuf::from);
    let path = folder.join(format!("bench-{tokens}.jsonl.zst"));
    if !path.exists() {
        let length_ns = generate(&path, tokens);
        println!("{tokens} tokens over {} s", length_ns / 1_000_000_000);
    }
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len()) as f64 / 1e6;
    let seconds = index(&path);
    println!("indexed in {seconds:.2} s: {:.1} million tokens/s", tokens as f64 / seconds / 1e6);
    println!("recording {:.1} MB, index {:.1} MB", size(&path), size(&sidecar(&path)));
    seeks(&path);
    if let Some(mb) = peak_mb() {
        println!("peak of resident memory {mb} MB");
    }
}
