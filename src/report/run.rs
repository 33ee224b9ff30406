//! A whole recording in memory: what the exact figures and the CSV files are made from.
//!
//! [`Run::from_entries`] is the only way in. It sorts what a recording holds by stage, and forgets what no
//! figure needs (generated text, log lines), so that a token costs 8 bytes.

use std::path::Path;

use crate::event::{BackendInfo, Control, Ended, Event, Phase, Sample, StageId, StageStart};
use crate::metrics::RequestRecord;
use crate::recording::{self, Entry, Header, Losses, RecordingError};

/// A recording, sorted.
#[derive(Debug, Clone)]
pub struct Run {
    /// What it is called in reports: its file name.
    pub name: String,
    pub header: Header,
    /// What the backend said of itself, once it was loaded.
    pub info: Option<BackendInfo>,
    /// In the order of their start.
    pub stages: Vec<Stage>,
    /// In the order of time.
    pub samples: Vec<Sample>,
    /// Interventions: time in nanoseconds, and what.
    pub controls: Vec<(u64, Control)>,
    /// Events that the pipe lost: not 0 means tainted.
    pub lost_events: u64,
    pub ended: Option<Ended>,
    /// Time of the last thing in it, nanoseconds since the run's start.
    pub last_ns: u64,
    pub losses: Losses,
}

/// One stage of a run.
#[derive(Debug, Clone)]
pub struct Stage {
    pub start: StageStart,
    /// When it entered which phase, nanoseconds.
    pub phases: Vec<(u64, Phase)>,
    /// Warm-up requests too; ascending by number.
    pub requests: Vec<RequestRecord>,
}

impl Stage {
    /// The requests that count: all but warm-up.
    pub fn measured(&self) -> impl Iterator<Item = &RequestRecord> + Clone {
        self.requests.iter().filter(|r| !r.warmup)
    }
}

impl Run {
    /// Reads a whole recording; `-` is standard input.
    ///
    /// # Errors
    /// As [`recording::open`].
    pub fn read(path: &Path) -> Result<Self, RecordingError> {
        let mut reader = recording::open(path)?;
        let name = match path.file_name() {
            Some(name) if path.as_os_str() != "-" => name.to_string_lossy().into_owned(),
            _ => "stdin".to_owned(),
        };
        let header = reader.header().clone();
        let mut run = Self::from_entries(&name, header, reader.by_ref(), Losses::default);
        run.losses = reader.losses();
        Ok(run)
    }

    /// Reads a recording to its end. `losses` is asked once the entries are through, since a reader knows
    /// its losses only then.
    pub fn from_entries<I, L>(name: &str, header: Header, entries: I, losses: L) -> Self
    where
        I: IntoIterator<Item = Entry>,
        L: FnOnce() -> Losses,
    {
        let mut run = Self {
            name: name.to_owned(),
            header,
            info: None,
            stages: Vec::new(),
            samples: Vec::new(),
            controls: Vec::new(),
            lost_events: 0,
            ended: None,
            last_ns: 0,
            losses: Losses::default(),
        };
        for entry in entries {
            match entry {
                Entry::Event(event) => run.take_event(event),
                Entry::Request(request) => run.take_request(request),
            }
        }
        for stage in &mut run.stages {
            stage.requests.sort_by_key(|r| r.request);
        }
        run.losses = losses();
        run
    }

    /// The profile's name.
    pub fn profile_name(&self) -> &str {
        self.header.profile.pointer("/profile/name").and_then(|n| n.as_str()).unwrap_or("")
    }

    fn take_event(&mut self, event: Event) {
        self.last_ns = self.last_ns.max(event.at_ns());
        match event {
            Event::Ready { info, .. } => self.info = Some(*info),
            Event::Stage(start) => {
                let id = start.stage;
                self.stage(id).start = *start;
            }
            Event::Phase { at_ns, stage, phase } => self.stage(stage).phases.push((at_ns, phase)),
            Event::Sample(sample) => self.samples.push(*sample),
            Event::Control { at_ns, control } => self.controls.push((at_ns, control)),
            Event::Lost { events, .. } => self.lost_events += events,
            Event::Ended { how, .. } => self.ended = Some(how),
            // A request's own events come as one record; the others are for screens.
            Event::Sent(_)
            | Event::Prefill { .. }
            | Event::Token { .. }
            | Event::Finished(_)
            | Event::Loading { .. }
            | Event::Log(_) => {}
        }
    }

    fn take_request(&mut self, mut request: RequestRecord) {
        self.last_ns = self.last_ns.max(request.finished_ns);
        request.text = None;
        request.chunk_at_ns.shrink_to_fit();
        request.chunk_tokens.shrink_to_fit();
        self.stage(request.stage).requests.push(request);
    }

    /// The stage with this number. One whose start is not in the recording (damage) is made up, unnamed.
    fn stage(&mut self, id: StageId) -> &mut Stage {
        // The newest stage is nearly always the one meant.
        let at = self.stages.iter().rposition(|s| s.start.stage == id).unwrap_or_else(|| {
            let start = StageStart {
                at_ns: self.last_ns,
                stage: id,
                name: format!("stage-{id}"),
                sweep: Vec::new(),
                clients: None,
                planned_requests: None,
                planned_ns: None,
            };
            self.stages.push(Stage { start, phases: Vec::new(), requests: Vec::new() });
            self.stages.len() - 1
        });
        &mut self.stages[at]
    }
}
