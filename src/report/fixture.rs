//! Small runs for tests, whose figures can be worked out by hand.

use crate::event::{Ended, OpenLoop, Outcome, Phase, StageStart};
use crate::metrics::RequestRecord;
use crate::recording::{Engine, Header, Host, Program};

use super::run::{Run, Stage};
use crate::recording::Losses;

/// A millisecond in nanoseconds.
pub const MS: u64 = 1_000_000;

/// A request under construction.
pub struct Make(RequestRecord);

/// A completed request, sent when it was scheduled, without tokens yet.
pub fn request(number: u64, sent_ns: u64) -> Make {
    Make(RequestRecord {
        prompt_tokens: 10,
        max_tokens: 4,
        ..RequestRecord::completed(number, sent_ns, Vec::new())
    })
}

impl Make {
    /// Chunks: when, and how many tokens.
    pub fn chunks(mut self, chunks: &[(u64, u32)]) -> Self {
        self.0.chunk_at_ns = chunks.iter().map(|c| c.0).collect();
        self.0.output_tokens = chunks.iter().map(|c| c.1).sum();
        if chunks.iter().any(|c| c.1 != 1) {
            self.0.chunk_tokens = chunks.iter().map(|c| c.1).collect();
        }
        self.0.finished_ns = chunks.last().map_or(self.0.finished_ns, |c| c.0);
        self
    }

    pub fn ends(mut self, at_ns: u64) -> Self {
        self.0.finished_ns = at_ns;
        self
    }

    pub fn scheduled(mut self, at_ns: u64) -> Self {
        self.0.scheduled_ns = at_ns;
        self
    }

    pub fn outcome(mut self, outcome: Outcome, error: &str) -> Self {
        self.0.outcome = outcome;
        self.0.error = Some(error.into());
        self
    }

    pub fn warmup(mut self) -> Self {
        self.0.warmup = true;
        self
    }
}

impl From<Make> for RequestRecord {
    fn from(make: Make) -> Self {
        make.0
    }
}

/// A stage `main` without requests that measures from `measuring_ns` on.
pub fn stage(clients: u32, measuring_ns: u64) -> Stage {
    Stage {
        start: StageStart::closed(0, "main", clients),
        phases: vec![(0, Phase::Warmup), (measuring_ns, Phase::Measuring)],
        requests: Vec::new(),
        ended: None,
        info: None,
        range: None,
        stood: crate::metrics::Standstills::default(),
    }
}

/// A stage `main` of an open loop without requests that measures from the start on.
pub fn open_stage(kind: &str, rate: f64, max_in_flight: u32) -> Stage {
    let mut made = stage(1, 0);
    made.start.clients = None;
    made.start.open = Some(OpenLoop {
        kind: kind.into(),
        rate,
        burstiness: None,
        ramp_from: None,
        ramp_ns: None,
        max_in_flight,
        warmup_clients: 1,
    });
    made
}

/// A header that says as little as it may.
pub fn header() -> Header {
    Header {
        seed: 42,
        host: Host { name: "host".into(), cores: 2, ..Host::default() },
        engine: Engine { kind: "sim".into(), version: "1".into() },
        program: Program { version: "0.1.0".into(), ..Program::default() },
        command: vec!["fastgen-tui".into()],
        ..Header::new(
            1_000,
            serde_json::json!({ "profile": { "name": "hand" } }),
            "2026-01-02T03:04:05Z".parse().unwrap(),
        )
    }
}

/// Two clients, measuring from 1 s to 3 s. Worked out in the tests of `exact`:
/// request 0 warms up; 1 has chunks of 1, 2 and 1 tokens; 2 has one token; 3 has none; 4 is cancelled after two
/// tokens; 5 fails.
pub fn run() -> Run {
    let mut stage = stage(2, 1000 * MS);
    stage.requests = vec![
        request(0, 0).chunks(&[(500 * MS, 1), (900 * MS, 7)]).warmup().into(),
        request(1, 1000 * MS)
            .chunks(&[(1100 * MS, 1), (1160 * MS, 2), (1200 * MS, 1)])
            .ends(1500 * MS)
            .into(),
        request(2, 1010 * MS).scheduled(1004 * MS).chunks(&[(1310 * MS, 1)]).ends(2000 * MS).into(),
        request(3, 1501 * MS).ends(1800 * MS).into(),
        request(4, 2000 * MS)
            .chunks(&[(2100 * MS, 1), (2900 * MS, 1)])
            .ends(3000 * MS)
            .outcome(Outcome::Cancelled, "stopped")
            .into(),
        request(5, 1801 * MS)
            .ends(2800 * MS)
            .outcome(Outcome::FailedEngine, "=out of memory, \"all\"")
            .into(),
    ];
    Run {
        name: "hand.jsonl.zst".into(),
        header: header(),
        info: None,
        stages: vec![stage],
        samples: Vec::new(),
        controls: Vec::new(),
        lost_events: 0,
        ended: Some(Ended::Complete),
        last_ns: 3000 * MS,
        losses: Losses::default(),
        range: None,
        aside: Vec::new(),
    }
}

/// A closed loop without a gap: `clients` clients, each with `rounds` requests of ten tokens, a token every 10 ms.
pub fn closed_loop(clients: u32, rounds: u64) -> Run {
    let mut run = run();
    let mut stage = stage(clients, 0);
    for round in 0..rounds {
        for client in 0..u64::from(clients) {
            let sent = round * 100 * MS + client * MS;
            let chunks: Vec<_> = (1..=10).map(|i| (sent + i * 10 * MS, 1)).collect();
            let mut made: RequestRecord =
                request(round * u64::from(clients) + client, sent).chunks(&chunks).into();
            made.client = client as u32;
            stage.requests.push(made);
        }
    }
    run.last_ns = stage.requests.iter().map(|r| r.finished_ns).max().unwrap_or(0);
    run.stages = vec![stage];
    run
}

/// A sweep over a model's name and clients: stages of [`closed_loop`]s of five rounds; 0 clients is a stage without
/// requests.
pub fn sweep(cells: &[(&str, u32)]) -> Run {
    let mut run = closed_loop(1, 1);
    run.stages.clear();
    for (number, (model, clients)) in (0..).zip(cells) {
        let mut made = closed_loop(*clients, 5).stages.remove(0);
        made.start.stage = number;
        made.start.name = format!("model={model}, clients={clients}");
        made.start.sweep = vec![("model".into(), (*model).into()), ("clients".into(), (*clients).into())];
        run.stages.push(made);
    }
    run
}
