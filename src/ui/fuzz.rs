//! Every screen under anything: event streams that make no sense, texts that nobody should send, keys, clicks and
//! sizes at random, live and in a replay. Nothing panics, and nothing that a terminal acts upon reaches a cell.
//!
//! All is read off a tape of random numbers, so that a failure shrinks to a short tape.

use std::sync::Arc;

use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::json;

use super::events::{heard, remember};
use super::input::decode;
use super::state::{Screen, UiState};
use super::theme::{Depth, Theme, load};
use super::update::Sight;
use super::view::{Hits, Picture, draw};
use super::{Recording, Title, Transport};
use crate::event::{
    BackendInfo, Control, CountedBy, Ended, Event, Finished, GpuSample, Level, LogLine, OpenLoop, Outcome,
    Phase, Resumed, Sample, Sent, StageEnd, StageOutcome, StageStart,
};
use crate::metrics::{Aggregator, CurveSla, Limit, Snapshot};

struct Tape {
    words: Vec<u64>,
    at: usize,
}

impl Tape {
    fn word(&mut self) -> u64 {
        let word = self.words.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        word
    }

    fn below(&mut self, n: u64) -> u64 {
        self.word() % n
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len() as u64) as usize;
        from[at].clone()
    }

    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(3) > 0).then(|| value(self))
    }

    /// Mostly within two minutes, in no order.
    fn ns(&mut self) -> u64 {
        match self.below(12) {
            0 => 0,
            1 => self.pick(&[u64::MAX, u64::MAX / 2, 1 << 53, 1 << 40]),
            2 => self.word(),
            _ => self.below(120_000) * 1_000_000,
        }
    }

    fn count(&mut self) -> u32 {
        match self.below(6) {
            0 => 0,
            1 => self.pick(&[u32::MAX, u32::MAX / 2, 1 << 20]),
            _ => self.below(200) as u32,
        }
    }

    /// Few numbers, so that events meet.
    fn id(&mut self) -> u64 {
        if self.below(20) == 0 { self.word() } else { self.below(12) }
    }

    fn number(&mut self) -> f64 {
        match self.below(6) {
            0 => self.pick(&[0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e-300]),
            1 => f64::from_bits(self.word()),
            _ => self.below(100_000) as f64 / 1000.0,
        }
    }

    fn text(&mut self) -> String {
        let part = self.pick(&[
            "",
            "plain words of an engine",
            "\x1b[2J\x1b]0;title\x07\u{9b}31m\r\n\t\x08\x7f\0",
            "日本語の表示",
            "👨‍👩‍👧‍👦🏳️‍🌈🇩🇪👍🏽",
            "\u{202e}שלום عربى\u{2066}\u{200f}",
            "e\u{301}\u{302}\u{303}\u{304}\u{305}",
            "\u{feff}\u{200b}\u{ad}\u{2028}\u{fe0f}\u{e0041}",
            "ⶠ0𞸡A¡a𛅰\u{1f3fb}\u{200d}",
            "client=3",
        ]);
        part.repeat(self.pick(&[1, 1, 2, 40, 1200]))
    }

    fn short(&mut self) -> Box<str> {
        self.text().into()
    }
}

const PHASES: [Phase; 5] = [Phase::Loading, Phase::Warmup, Phase::Measuring, Phase::Draining, Phase::Done];
const OUTCOMES: [Outcome; 5] = [
    Outcome::Completed,
    Outcome::Completed,
    Outcome::Cancelled,
    Outcome::TimedOutIdle,
    Outcome::FailedEngine,
];
const LEVELS: [Level; 4] = [Level::Debug, Level::Info, Level::Warn, Level::Error];

fn event(t: &mut Tape) -> Event {
    let at_ns = t.ns();
    match t.below(24) {
        0 => Event::Loading { at_ns, step: t.short(), fraction: t.maybe(|t| t.number() as f32) },
        1 => Event::Ready { at_ns, info: Box::new(info(t)) },
        2 => Event::Stage(Box::new(stage(t))),
        3 => Event::StageEnd(Box::new(stage_end(t))),
        4 => Event::Resumed(Box::new(Resumed { at_ns, host: t.text(), ..Resumed::default() })),
        5 | 6 => Event::Phase { at_ns, stage: t.below(4) as u32, phase: t.pick(&PHASES) },
        7..=10 => Event::Sent(sent(t)),
        11 => Event::Prefill { at_ns, request: t.id() },
        12..=15 => Event::Token { at_ns, request: t.id(), tokens: t.count() },
        16..=18 => Event::Finished(Box::new(finished(t))),
        19 => Event::Sample(Box::new(sample(t))),
        20 | 21 => {
            let (level, source, message) = (t.pick(&LEVELS), t.text(), t.text());
            Event::Log(Box::new(LogLine { at_ns, level, source, message }))
        }
        22 => Event::Control { at_ns, control: control(t) },
        _ if t.below(2) == 0 => Event::Lost { at_ns, events: t.word() },
        _ => {
            let failed = Ended::Failed { reason: t.text() };
            Event::Ended { at_ns, how: t.pick(&[Ended::Complete, Ended::Interrupted, failed]) }
        }
    }
}

fn info(t: &mut Tape) -> BackendInfo {
    BackendInfo {
        kind: t.text(),
        version: t.text(),
        device: t.text(),
        model: t.text(),
        quantization: t.text(),
        replicas: t.count(),
        notes: vec![t.text()],
        load_s: t.number(),
        ..BackendInfo::default()
    }
}

fn stage(t: &mut Tape) -> StageStart {
    let closed = t.below(3) > 0;
    StageStart {
        at_ns: t.ns(),
        stage: t.below(4) as u32,
        name: t.text(),
        sweep: vec![(t.text(), json!(t.number()))],
        clients: closed.then(|| t.count()),
        open: (!closed).then(|| OpenLoop {
            kind: t.text(),
            rate: t.number(),
            burstiness: t.maybe(Tape::number),
            ramp_from: t.maybe(Tape::number),
            ramp_ns: t.maybe(Tape::ns),
            max_in_flight: t.count(),
            warmup_clients: t.count(),
        }),
        planned_requests: t.maybe(Tape::word),
        planned_ns: t.maybe(Tape::ns),
    }
}

fn stage_end(t: &mut Tape) -> StageEnd {
    let reason = t.text();
    let all = [
        StageOutcome::Complete,
        StageOutcome::Interrupted,
        StageOutcome::Failed { reason: reason.clone() },
        StageOutcome::Skipped { reason },
    ];
    StageEnd {
        at_ns: t.ns(),
        stage: t.below(4) as u32,
        name: t.text(),
        sweep: Vec::new(),
        clients: t.maybe(Tape::count),
        how: t.pick(&all),
    }
}

fn sent(t: &mut Tape) -> Sent {
    Sent {
        at_ns: t.ns(),
        scheduled_ns: t.ns(),
        request: t.id(),
        client: if t.below(20) == 0 { t.count() } else { t.below(8) as u32 },
        stage: t.below(4) as u32,
        prompt_tokens: t.count(),
        max_tokens: t.count(),
        warmup: t.below(4) == 0,
    }
}

fn finished(t: &mut Tape) -> Finished {
    Finished {
        at_ns: t.ns(),
        request: t.id(),
        outcome: t.pick(&OUTCOMES),
        output_tokens: t.count(),
        counted_by: t.pick(&[CountedBy::Engine, CountedBy::Usage, CountedBy::Chunks]),
        prompt_tokens: t.maybe(Tape::count),
        error: t.maybe(Tape::short),
        text: t.maybe(Tape::short),
        status: t.maybe(|t| t.count() as u16),
        retries: t.count(),
    }
}

fn sample(t: &mut Tape) -> Sample {
    let gpu = |t: &mut Tape| GpuSample {
        name: t.text(),
        utilisation_percent: t.maybe(|t| t.number() as f32),
        memory_used_bytes: t.maybe(Tape::word),
        memory_total_bytes: t.maybe(Tape::word),
        power_w: t.maybe(|t| t.number() as f32),
        throttled_by: t.maybe(|t| vec![t.text()]),
        ..GpuSample::default()
    };
    let mut sample = Sample {
        at_ns: t.ns(),
        cpu_percent: t.maybe(|t| t.number() as f32),
        core_percent: vec![t.number() as f32; t.below(70) as usize],
        client_cpu_percent: t.maybe(|t| t.number() as f32),
        rss_bytes: t.maybe(Tape::word),
        memory_used_bytes: t.maybe(Tape::word),
        memory_total_bytes: t.maybe(Tape::word),
        power_w: t.maybe(|t| t.number() as f32),
        loop_lag_ns: t.maybe(Tape::ns),
        gpus: (0..t.below(4)).map(|_| gpu(t)).collect(),
        ..Sample::default()
    };
    sample.engine.running = t.maybe(Tape::count);
    sample.engine.kv_cache_used = t.maybe(|t| t.number() as f32);
    sample.engine.prefix_cache_hits = t.maybe(Tape::word);
    sample.engine.prefix_cache_queries = t.maybe(Tape::word);
    sample.engine.tokens_per_s = t.maybe(|t| t.number() as f32);
    sample
}

fn control(t: &mut Tape) -> Control {
    let (clients, rate, note) = (t.count(), t.number(), t.text());
    t.pick(&[
        Control::Paused,
        Control::Resumed,
        Control::Suspended,
        Control::Continued,
        Control::Clients { clients },
        Control::Rate { rate },
        Control::Mark { note },
        Control::Stop,
        Control::Abort,
    ])
}

fn snapshot(t: &mut Tape, aggregator: &mut Aggregator) -> Snapshot {
    for _ in 0..t.below(60) {
        aggregator.apply(&event(t));
    }
    let at_ns = if t.below(2) == 0 { aggregator.newest_ns() } else { t.ns() };
    aggregator.snapshot(at_ns)
}

/// What a terminal may send at once.
fn input(t: &mut Tape, size: (u16, u16)) -> Vec<u8> {
    let (x, y) = (t.below(u64::from(size.0) + 3), t.below(u64::from(size.1) + 3));
    match t.below(8) {
        0 => format!("\x1b[<{};{x};{y}M", t.pick(&[0, 32, 64, 65, 99])).into_bytes(),
        1 => format!("\x1b[200~{}\x1b[201~", t.text()).into_bytes(),
        2 => t.word().to_le_bytes().to_vec(),
        3 => {
            t.pick(&["\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[5~", "\x1b[6~", "\x1b[H", "\x1b[F"]).into()
        }
        4 => t.pick(&["\r", "\x1b", "\t", "\x1b[Z", "\x7f", "\x03", "\x15"]).into(),
        5 => format!("/{}\r", t.text()).into_bytes(),
        _ => vec![b' ' + t.below(95) as u8],
    }
}

fn harmless(buffer: &Buffer) {
    for cell in buffer.content() {
        let acts = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!cell.symbol().chars().any(acts), "{:?}", cell.symbol());
    }
}

fn size(t: &mut Tape) -> (u16, u16) {
    match t.below(4) {
        0 => (1 + t.below(70) as u16, 1 + t.below(20) as u16),
        1 => t.pick(&[(80, 24), (120, 40), (200, 60), (60, 15), (500, 15), (60, 200)]),
        _ => (1 + t.below(500) as u16, 1 + t.below(200) as u16),
    }
}

/// A session: events come, keys are pressed, the terminal changes its size, and each time there is a frame.
fn session(t: &mut Tape, replay: bool, theme: &Theme) {
    let mut aggregator = Aggregator::new();
    aggregator.expect_warmup(t.count());
    aggregator.expect_stages(t.count());
    let limit = Limit { key: t.pick(&["ttft_p99", "itl_p50", "e2e_mean"]).into(), limit_ns: t.ns() };
    let rates = [1.0, 4.0, t.number()].into();
    aggregator.expect_sla(CurveSla { rates, limits: [limit].into(), ..CurveSla::default() });
    let title = Title { profile: t.text(), backend: t.text(), model: t.text(), ..Title::default() };
    let (path, reason) = (t.text(), t.text());
    let recording = t.pick(&[
        Recording::Off,
        Recording::Writing { path: path.clone(), bytes: u64::MAX },
        Recording::Failed { path: path.clone(), reason },
        Recording::Replay { path },
    ]);
    let mut ui = UiState { screen: t.pick(&Screen::ALL), ..UiState::default() };
    let mut pending = Vec::new();
    for _ in 0..=t.below(6) {
        let snap = snapshot(t, &mut aggregator);
        let transport = replay.then(|| Transport {
            at_ns: t.ns(),
            length_ns: t.ns(),
            playing: t.below(2) == 0,
            speed: t.number(),
            indexed: None,
        });
        let over = t.below(4) == 0;
        let picture = Picture {
            snap: &snap,
            title: &title,
            recording: &recording,
            transport,
            over,
            measured: None,
            other: None,
        };
        for _ in 0..=t.below(12) {
            let size = size(t);
            let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
            let hits: Hits = draw(&mut buffer, &picture, &ui, theme);
            harmless(&buffer);
            remember(&mut ui, &hits);
            pending.extend(input(t, size));
            for event in decode(&mut pending) {
                heard(&mut ui, &hits, &event, Sight { snap: &snap, transport, over, pair: false });
            }
        }
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(160)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_breaks_a_screen(words in prop::collection::vec(any::<u64>(), 0..1500), replay in any::<bool>(), few in any::<bool>()) {
        let depth = if few { Depth::None } else { Depth::True };
        let theme = load("dusk", None, depth).expect("a bundled theme");
        session(&mut Tape { words, at: 0 }, replay, &theme);
    }
}

#[test]
fn the_tape_reaches_all_events() {
    let mut t =
        Tape { words: (0..40_000u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7).collect(), at: 0 };
    let kinds: std::collections::HashSet<_> =
        (0..1500).map(|_| std::mem::discriminant(&event(&mut t))).collect();
    assert_eq!(kinds.len(), 15, "every event is in the mix");
    let _: Arc<Snapshot> = Arc::new(snapshot(&mut t, &mut Aggregator::new()));
}
