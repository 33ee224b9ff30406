//! Rich pictures of sessions for tests and benches, made from a seed: no clock, no chance.

#![allow(dead_code, reason = "each test and bench uses a part of it")]

use std::sync::Arc;

use fastgen_tui::event::{
    BackendInfo, Control, Ended, Event, GpuSample, Level, LogLine, OpenLoop, Outcome, Phase, Sample,
    StageStart,
};
use fastgen_tui::metrics::fastgen::{Curve, Effective, Point, Source};
use fastgen_tui::metrics::{
    Aggregator, Counts, CurveView, ErrorCount, ErrorKind, HeatMaps, InFlight, Lane, Latencies, Loading,
    MINI_BUCKETS, Open, Rate, RequestRecord, SeriesPoint, Snapshot, Span, Summary, ToolFigures,
};
use fastgen_tui::ui::view::Picture;
use fastgen_tui::ui::{
    LatencyFigures, Measured, Other, Range, RangeState, Recording, StageFigures, Title, Transport,
};
use ratatui::buffer::Buffer;

const S: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

/// Everything that a frame is drawn from.
pub struct Sampled {
    pub snap: Snapshot,
    pub title: Title,
    pub recording: Recording,
    pub transport: Option<Transport>,
    pub over: bool,
    /// Figures of a range.
    pub measured: Option<Measured>,
    /// What plays beside it.
    pub other: Option<Other>,
}

impl Sampled {
    /// What is drawn, with nothing beside it.
    pub fn picture(&self) -> Picture<'_> {
        Picture {
            snap: &self.snap,
            title: &self.title,
            recording: &self.recording,
            transport: self.transport,
            over: self.over,
            measured: self.measured.as_ref(),
            other: None,
        }
    }
}

/// What a terminal shows, without the blanks at the ends of lines.
pub fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut skip = 0;
        let mut line = String::new();
        for x in 0..buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                line.push_str(symbol);
                skip = unicode_width::UnicodeWidthStr::width(symbol).max(1);
            }
            skip -= 1;
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Numbers without chance: a small xorshift.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most.max(1)
    }
}

fn title() -> Title {
    Title {
        profile: "demo".into(),
        backend: "mistralrs".into(),
        model: "tiny (dummy)".into(),
        ..Title::default()
    }
}

/// Nothing has happened.
pub fn empty() -> Sampled {
    Sampled {
        snap: Snapshot::default(),
        title: title(),
        recording: Recording::Off,
        transport: None,
        over: false,
        measured: None,
        other: None,
    }
}

/// The engine is being loaded.
pub fn loading() -> Sampled {
    let mut s = empty();
    s.snap.at_ns = 2 * S;
    s.snap.phase = Some(Phase::Loading);
    s.snap.loading =
        Some(Loading { step: "reading tiny-q8_0.gguf (layer 4 of 6)".into(), fraction: Some(0.64) });
    s.snap.log = Arc::new(log(6));
    s.recording = Recording::Writing { path: "recordings/demo.jsonl.zst".into(), bytes: 812 };
    s
}

/// The engine could not be loaded.
pub fn failed() -> Sampled {
    let mut s = loading();
    let reason = "the model `llama2-70b` needs 41.2 GiB and this machine has 15.6 GiB; choose a smaller shape \
                  (fastgen-tui model shapes) or a smaller quantization";
    s.snap.ended = Some(Ended::Failed { reason: reason.into() });
    s.snap.phase = Some(Phase::Loading);
    s.over = true;
    s
}

/// In the midst of measuring, with `clients` clients.
pub fn running(clients: u32) -> Sampled {
    let mut dice = Dice(42);
    let at = 41 * S + 300 * MS;
    let mut s = empty();
    s.recording = Recording::Writing { path: "recordings/demo.jsonl.zst".into(), bytes: 187_400 };
    s.snap = Snapshot {
        at_ns: at,
        info: Some(Arc::new(info())),
        stage: Some(Arc::new(stage(clients))),
        phase: Some(Phase::Measuring),
        phase_at_ns: 4 * S,
        measuring_at_ns: Some(4 * S),
        counts: counts(),
        in_flight: InFlight {
            total: clients,
            before_first_token: clients / 4,
            queued: Some(clients / 8),
            prefill: Some(clients / 4 - clients / 8),
            decode: clients - clients / 4,
        },
        series: Arc::new(series(41, &mut dice)),
        latency: latencies(),
        sample: Some(Arc::new(sample(at))),
        lanes: (0..clients).map(|c| Arc::new(lane(c, at, &mut dice))).collect(),
        heat: heat(at, 330).heat,
        tools: tools(),
        recent: Arc::new(records(512, at, &mut dice)),
        slowest: Arc::new(records(64, at, &mut dice)),
        log: Arc::new(log(40)),
        controls: Arc::new(vec![(23 * S, Control::Mark { note: "warm".into() })]),
        ..Snapshot::default()
    };
    let r = |a, b, c, m, p| Rate { s1: Some(a), s10: Some(b), s60: Some(c), mean: Some(m), peak: Some(p) };
    s.snap.output_rate = r(318.0, 304.2, 297.8, 298.4, 361.0);
    s.snap.input_rate = r(1280.0, 1164.0, 1122.5, 1121.0, 1792.0);
    s.snap.request_rate = r(9.0, 8.7, 8.52, 8.51, 12.0);
    s
}

/// Over, with failures, and figures that can't be trusted.
pub fn done() -> Sampled {
    let mut s = running(8);
    s.snap.phase = Some(Phase::Done);
    s.snap.ended = Some(Ended::Complete);
    s.snap.measured_end_ns = Some(41 * S);
    s.snap.lost_events = 12;
    s.snap.degraded = vec!["send lag p99 34 ms is more than 10 ms".into()];
    s.snap.in_flight = InFlight::default();
    s.recording = Recording::Closed { path: "recordings/demo.jsonl.zst".into(), bytes: 412_000 };
    s.over = true;
    s
}

/// A recording played at double speed, of a backend that doesn't tell prefill, on a machine with a GPU.
pub fn replay() -> Sampled {
    let mut s = running(8);
    s.recording = Recording::Replay { path: "recordings/demo-2026-01-02.jsonl.zst".into() };
    s.transport =
        Some(Transport { at_ns: s.snap.at_ns, length_ns: 64 * S, playing: true, speed: 2.0, indexed: None });
    s.snap.in_flight.queued = None;
    s.snap.in_flight.prefill = None;
    for lane in &mut s.snap.lanes {
        let mut bare = Lane::clone(lane);
        bare.spans.iter_mut().for_each(|s| s.prefill_ns = None);
        bare.current.iter_mut().for_each(|o| o.prefill_ns = None);
        *lane = Arc::new(bare);
    }
    let mut sample = sample(s.snap.at_ns);
    sample.gpus = vec![GpuSample {
        name: "NVIDIA RTX A6000".into(),
        utilisation_percent: Some(97.0),
        memory_used_bytes: Some(31 << 30),
        memory_total_bytes: Some(48 << 30),
        power_w: Some(287.0),
        temperature_c: None,
        ..GpuSample::default()
    }];
    s.snap.sample = Some(Arc::new(sample));
    s
}

fn info() -> BackendInfo {
    BackendInfo {
        kind: "mistralrs".into(),
        version: "0.8.1".into(),
        device: "cpu".into(),
        model: "tiny".into(),
        quantization: "Q8_0".into(),
        replicas: 1,
        ..BackendInfo::default()
    }
}

/// An open loop at its limit, whose rate somebody changed.
pub fn open() -> Sampled {
    let mut s = running(8);
    let mut start = stage(8);
    start.clients = None;
    start.open = Some(arrivals(8.0));
    s.snap.stage = Some(Arc::new(start));
    s.snap.rate_set = Some(8.8);
    s.snap.at_limit = true;
    let rates = [(2.0, 10), (4.0, 20), (8.0, 40), (12.5, 9)];
    s.snap.curve = curve_of(rates.map(|(rate, requests)| {
        let start = StageStart {
            name: format!("rate={rate}"),
            sweep: vec![("rate".into(), rate.into())],
            clients: None,
            open: Some(arrivals(rate)),
            ..stage(1)
        };
        (start, rate.ceil() as u32, requests)
    }));
    s
}

fn arrivals(rate: f64) -> OpenLoop {
    OpenLoop {
        kind: "poisson".into(),
        rate,
        burstiness: None,
        ramp_from: None,
        ramp_ns: None,
        max_in_flight: 8,
        warmup_clients: 4,
    }
}

fn stage(clients: u32) -> StageStart {
    StageStart { at_ns: S, planned_ns: Some(60 * S), ..StageStart::closed(0, "main", clients) }
}

fn counts() -> Counts {
    Counts {
        warmup_done: 8,
        warmup_planned: Some(8),
        sent: 326,
        completed: 314,
        failed: 3,
        timed_out: 1,
        cancelled: 0,
        output_tokens: 11_130,
        input_tokens: 41_900,
        errors: [(Outcome::FailedEngine, 3), (Outcome::TimedOutTtft, 1)]
            .map(|(outcome, requests)| {
                (ErrorKind { outcome, status: None }, ErrorCount { requests, first: words(outcome) })
            })
            .into(),
        retries: 0,
        longest_tokens: 214,
    }
}

/// What is said of a request that went wrong.
fn words(outcome: Outcome) -> Option<Box<str>> {
    match outcome {
        Outcome::FailedEngine => Some("engine: \x1b[31mout of KV blocks".into()),
        Outcome::TimedOutTtft => Some("no first token within 5 s".into()),
        _ => None,
    }
}

fn summary(scale: f64, spread: f64) -> Summary {
    let peak = MINI_BUCKETS as f64 * 0.4;
    let buckets = (0..MINI_BUCKETS)
        .map(|i| {
            let d = (i as f64 - peak) / (6.0 * spread);
            ((-d * d).exp() * 400.0) as u64 + u64::from(i + 1 == MINI_BUCKETS)
        })
        .collect();
    Summary {
        count: 314,
        mean: Some(scale * 1.05),
        min: Some(scale * 0.6),
        p50: Some(scale),
        p90: Some(scale * (1.0 + 0.4 * spread)),
        p95: Some(scale * (1.0 + 0.7 * spread)),
        p99: Some(scale * (1.0 + 1.4 * spread)),
        p999: Some(scale * (1.0 + 2.0 * spread)),
        max: Some(scale * (1.0 + 2.6 * spread)),
        buckets,
    }
}

fn latencies() -> Latencies {
    Latencies {
        ttft: summary(0.1243, 1.2),
        ttft_corrected: summary(0.1262, 1.3),
        itl: summary(0.0231, 0.6),
        tpot: summary(0.0238, 0.4),
        e2e: summary(0.932, 0.7),
        e2e_corrected: summary(0.934, 0.7),
        send_lag: summary(0.000_083, 2.0),
    }
}

fn tools() -> ToolFigures {
    ToolFigures {
        chunk_gap: summary(0.0252, 0.7),
        chunk_share: summary(0.0232, 0.6),
        fastgen_gap: summary(0.0249, 0.7),
        request_gap: summary(0.0236, 0.3),
        per_token: summary(0.0271, 0.4),
        to_end: summary(0.934, 0.7),
        output_tokens: 11_002,
        input_tokens: 40_192,
        completed: 314,
        span_ns: Some((4 * S, 41 * S)),
    }
}

/// So many requests of forty tokens up to `at`, eight at a time: some prompts take long, and stall the others' tokens;
/// from half of the time on everything takes longer.
pub fn heat(at: u64, requests: u64) -> Snapshot {
    let mut dice = Dice(7);
    let mut aggregator = Aggregator::new();
    let begin = 4 * S;
    aggregator.apply(&Event::Stage(Box::new(stage(8))));
    aggregator.apply(&Event::Phase { at_ns: begin, stage: 0, phase: Phase::Measuring });
    let step = (at - begin - 2 * S) / requests.max(1);
    for request in 0..requests {
        let sent = begin + request * step;
        let slow = if sent > at / 2 { 2 } else { 1 };
        let long = request % 11 == 0;
        let wait = if long { 380 + dice.roll(160) } else { 60 + dice.roll(90) * slow };
        let mut chunk_at_ns = vec![sent + wait * MS];
        for k in 0..39 {
            let stalled = (request + k) % 37 == 0;
            let gap = if stalled { 110_000 + dice.roll(60_000) } else { (17_000 + dice.roll(9_000)) * slow };
            chunk_at_ns.push(chunk_at_ns[k as usize] + gap * 1000);
        }
        aggregator.apply_record(&Arc::new(RequestRecord {
            client: (request % 8) as u32,
            finished_ns: chunk_at_ns[39] + MS,
            prompt_tokens: if long { 256 } else { 64 },
            ..RequestRecord::completed(request, sent, chunk_at_ns)
        }));
    }
    aggregator.snapshot(at)
}

/// A dozen answers without streaming.
pub fn whole_answers() -> HeatMaps {
    let mut aggregator = Aggregator::new();
    aggregator.apply(&Event::Stage(Box::new(stage(8))));
    aggregator.apply(&Event::Phase { at_ns: 4 * S, stage: 0, phase: Phase::Measuring });
    let mut dice = Dice(3);
    for request in 0..12 {
        let record = RequestRecord { request, ..RequestRecord::clone(&records(1, 30 * S, &mut dice)[0]) };
        let (chunk_at_ns, chunk_tokens) = (Vec::new(), Vec::new());
        aggregator.apply_record(&Arc::new(RequestRecord { chunk_at_ns, chunk_tokens, ..record }));
    }
    aggregator.snapshot(31 * S).heat
}

fn sample(at_ns: u64) -> Sample {
    Sample {
        at_ns,
        cpu_percent: Some(98.4),
        process_cpu_percent: Some(191.0),
        client_cpu_percent: Some(3.2),
        rss_bytes: Some(148 << 20),
        memory_used_bytes: Some(5_300 << 20),
        memory_total_bytes: Some(15_900 << 20),
        loop_lag_ns: Some(412_000),
        ..Sample::default()
    }
}

fn series(seconds: u64, dice: &mut Dice) -> Vec<SeriesPoint> {
    (0..seconds)
        .map(|second| {
            let full = second >= 3;
            SeriesPoint {
                second,
                output_tokens: if full { 260 + dice.roll(90) } else { second * 60 },
                input_tokens: if full { 900 + dice.roll(700) } else { second * 250 },
                completed: if full { 6 + dice.roll(6) } else { second },
                in_flight: 8,
                phase: Some(if second < 4 { Phase::Warmup } else { Phase::Measuring }),
                ..SeriesPoint::default()
            }
        })
        .collect()
}

fn lane(client: u32, at: u64, dice: &mut Dice) -> Lane {
    let mut lane = Lane { client, completed: 36 + dice.roll(8), ..Lane::default() };
    let mut t = 2 * S + u64::from(client) * 10 * MS;
    let mut request = u64::from(client);
    loop {
        let prefill = t + (20 + dice.roll(120)) * MS;
        let first = prefill + (60 + dice.roll(200)) * MS;
        let end = first + (400 + dice.roll(900)) * MS;
        let prompt_tokens = 64 + dice.roll(128) as u32;
        if end > at {
            let told = prefill < at;
            let decoding = first < at;
            lane.current = Some(Open {
                request,
                sent_ns: t.min(at),
                prefill_ns: told.then_some(prefill),
                first_token_ns: decoding.then_some(first),
                last_token_ns: decoding.then_some(at),
                output_tokens: if decoding { 17 } else { 0 },
                max_tokens: 64,
                prompt_tokens,
                warmup: false,
            });
            break;
        }
        let outcome = if dice.roll(40) == 0 { Outcome::FailedEngine } else { Outcome::Completed };
        lane.failed += u64::from(outcome != Outcome::Completed);
        lane.spans.push_back(Span {
            request,
            sent_ns: t,
            prefill_ns: Some(prefill),
            first_token_ns: Some(first),
            finished_ns: end,
            outcome,
            warmup: t < 4 * S,
            prompt_tokens,
            output_tokens: 24 + dice.roll(40) as u32,
        });
        t = end + MS;
        request += 8;
    }
    let spare = lane.spans.len().saturating_sub(96);
    lane.spans.drain(..spare);
    lane.tokens_per_s = Some(33.0 + dice.roll(70) as f64 / 10.0);
    lane
}

fn records(n: u64, at: u64, dice: &mut Dice) -> Vec<Arc<RequestRecord>> {
    (0..n)
        .map(|i| {
            let sent = at.saturating_sub((i + 12) * 70 * MS);
            let first = sent + (80 + dice.roll(160)) * MS;
            let outcome = match i {
                3 => Outcome::FailedEngine,
                7 => Outcome::TimedOutTtft,
                _ => Outcome::Completed,
            };
            let mut chunk_at_ns = vec![first];
            let tokens = 24 + dice.roll(40);
            for k in 1..tokens {
                let gap = if k == 17 { 140 } else { 18 + dice.roll(12) };
                chunk_at_ns.push(chunk_at_ns[k as usize - 1] + gap * MS);
            }
            if outcome != Outcome::Completed {
                chunk_at_ns.clear();
            }
            let output_tokens = chunk_at_ns.len() as u32;
            let error = words(outcome);
            let text = "Once upon a time\n\x1b[2Jthere was 日本語 and an engine\u{202e} that spoke.";
            Arc::new(RequestRecord {
                client: (i % 8) as u32,
                scheduled_ns: sent - 80_000,
                prefill_ns: Some(sent + 30 * MS),
                finished_ns: chunk_at_ns.last().copied().unwrap_or(sent + 5 * S) + 50_000,
                prompt_tokens: 64 + dice.roll(128) as u32,
                max_tokens: 64,
                output_tokens,
                outcome,
                error,
                text: (i % 2 == 0).then(|| text.into()),
                ..RequestRecord::completed(330 - i.min(330), sent, chunk_at_ns)
            })
        })
        .collect()
}

fn log(n: u64) -> Vec<LogLine> {
    let lines = [
        (Level::Info, "fastgen", "profile demo, seed 42, 8 clients"),
        (Level::Info, "engine", "Model dtype selected: F32"),
        (Level::Debug, "engine", "Throughput (T/s) 301.2, prefix cache hitrate 0.00%, 7 running, 1 waiting"),
        (Level::Warn, "stderr", "ggml: \x1b[33mno AVX-512 on this CPU"),
        (Level::Error, "engine", "sequence 17: out of KV blocks"),
    ];
    (0..n)
        .map(|i| {
            let (level, source, message) = lines[(i % 5) as usize];
            LogLine { at_ns: i * 911 * MS, level, source: source.into(), message: message.into() }
        })
        .collect()
}

/// Four stages of a sweep over clients, the last one under way, over a published curve.
pub fn sweep() -> Sampled {
    let mut s = running(16);
    s.snap.curve = stages(&[(1, 40), (4, 40), (8, 40), (16, 9)]);
    let point = |(clients, rps, latency): (u32, f64, f64)| Point {
        stage: String::new(),
        sweep: Vec::new(),
        clients: Some(clients),
        rate: None,
        throughput_rps: Some(rps),
        latency_s: Some(latency),
        effective: Effective::Published { generation_tokens_per_s: 4.0, rps: rps * 0.9 },
    };
    let points = [(1, 0.9, 1.1), (4, 2.4, 1.6), (8, 3.5, 2.3), (16, 4.2, 3.8)].map(point).to_vec();
    s.title.curves =
        Arc::new(vec![Curve { label: "as published".into(), source: Source::Reference, points }]);
    s
}

/// So many stages of so many requests.
pub fn curve(count: u32, requests: u64) -> Sampled {
    let mut s = running(16);
    let of: Vec<(u32, u64)> = (1..=count).map(|clients| (clients, requests)).collect();
    s.snap.curve = stages(&of);
    s
}

/// The curve of stages of so many clients and requests.
fn stages(of: &[(u32, u64)]) -> CurveView {
    let start = |clients: u32| StageStart {
        name: format!("clients={clients}"),
        sweep: vec![("clients".into(), clients.into())],
        planned_requests: Some(40),
        planned_ns: None,
        ..stage(clients)
    };
    curve_of(of.iter().map(|(clients, requests)| (start(*clients), *clients, *requests)))
}

/// The curve of stages, each with as many requests, which are as slow as with so many clients.
fn curve_of(of: impl IntoIterator<Item = (StageStart, u32, u64)>) -> CurveView {
    let mut aggregator = Aggregator::new();
    for (number, (start, clients, requests)) in (0u32..).zip(of) {
        let start = StageStart { at_ns: u64::from(number) * 60 * S, stage: number, ..start };
        aggregator.apply(&Event::Stage(Box::new(start)));
        for i in 0..requests {
            aggregator.apply_record(&Arc::new(swept(number, clients, i)));
        }
    }
    aggregator.snapshot(200 * S).curve
}

/// A request that is the slower the more clients there are.
fn swept(stage: u32, clients: u32, i: u64) -> RequestRecord {
    let gap = (60 + 12 * u64::from(clients) + i % 7 * 9) * MS;
    let sent_ns = u64::from(stage) * 60 * S + i / u64::from(clients) * gap * 20;
    let first = sent_ns + 90 * MS + u64::from(clients) * 10 * MS;
    let chunk_at_ns: Vec<u64> = (0..16).map(|k| first + k * gap).collect();
    RequestRecord {
        client: (i % u64::from(clients)) as u32,
        stage,
        prompt_tokens: 96,
        ..RequestRecord::completed(u64::from(stage) * 1000 + i, sent_ns, chunk_at_ns)
    }
}

/// A replay with another recording beside it, which began to measure two seconds earlier and is slower.
pub fn pair() -> Sampled {
    let mut s = replay();
    let mut other = running(4);
    let slower = |summary: &mut Summary| {
        for value in
            [&mut summary.p50, &mut summary.p90, &mut summary.p95, &mut summary.p99, &mut summary.max]
        {
            *value = value.map(|seconds| seconds * 1.25);
        }
    };
    let l = &mut other.snap.latency;
    [&mut l.ttft, &mut l.itl, &mut l.e2e].into_iter().for_each(slower);
    let mut dice = Dice(7);
    let mut seconds = series(39, &mut dice);
    for second in &mut seconds {
        second.output_tokens = second.output_tokens * 3 / 4;
    }
    other.snap.series = Arc::new(seconds);
    other.snap.output_rate.s1 = Some(240.0);
    other.snap.at_ns = s.snap.at_ns - 2 * S;
    s.other = Some(Other {
        snap: Arc::new(other.snap),
        title: Title { profile: "demo-slow".into(), ..title() },
        recording: Recording::Replay { path: "recordings/slow.jsonl.zst".into() },
        ahead_ns: 2 * S.cast_signed(),
    });
    s
}

/// What is selected in [`ranged`].
pub fn range() -> RangeState {
    RangeState { from_ns: Some(20 * S), to_ns: Some(35 * S + 500 * MS), shown: true }
}

/// A replay with the figures of a range.
pub fn ranged() -> Sampled {
    let mut s = replay();
    let latency = |name, first: f64, count| LatencyFigures {
        name,
        values: [1.1, 1.0, 1.6, 1.9, 2.4, 3.0].map(|part| Some(part * first)),
        count,
    };
    let stage = StageFigures {
        name: "main".into(),
        seconds: 15.5,
        scheduled: 134,
        completed: 131,
        failed: 2,
        cancelled: 0,
        output_tokens: 4_712,
        input_tokens: 18_020,
        requests_per_s: Some(8.45),
        output_per_s: Some(304.0),
        input_per_s: Some(1162.6),
        in_flight: Some(7.98),
        latencies: vec![
            latency("TTFT", 0.112, 129),
            latency("ITL", 0.021, 4_580),
            latency("TPOT", 0.021, 128),
            LatencyFigures { name: "E2E", values: [None; 6], count: 0 },
        ],
    };
    let range = Range { from_ns: 20 * S, to_ns: 35 * S + 500 * MS };
    s.measured = Some(Measured { range, stages: Ok(vec![stage]) });
    s
}
