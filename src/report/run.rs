//! A whole recording in memory: what the exact figures and the CSV files are made from.
//!
//! [`Run::from_entries`] is the only way in. It sorts what a recording holds by stage, and forgets what no
//! figure needs (generated text, log lines), so that a token costs 8 bytes.

use std::path::Path;

use super::window::Span;
use crate::event::{
    BackendInfo, Control, Ended, Event, Phase, Sample, StageEnd, StageId, StageOutcome, StageStart,
};
use crate::metrics::{RequestRecord, Standstills};
use crate::recording::{self, Entry, Header, Losses, Reader, RecordingError};

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
    /// What of it is looked at, if not all; set by [`Run::narrow`].
    pub range: Option<Span>,
    /// Stages that measured nothing in the range, with their places among all.
    pub(super) aside: Vec<(usize, Stage)>,
}

/// One stage of a run.
#[derive(Debug, Clone)]
pub struct Stage {
    pub start: StageStart,
    /// When it entered which phase, nanoseconds.
    pub phases: Vec<(u64, Phase)>,
    /// Warm-up requests too; ascending by number.
    pub requests: Vec<RequestRecord>,
    /// How it ended; `None` if the recording does not say.
    pub ended: Option<StageOutcome>,
    /// What served it.
    pub info: Option<BackendInfo>,
    /// The run's range; windows end where it does.
    pub range: Option<Span>,
    /// The run's standstills, set by [`Run::note_standstills`].
    pub stood: Standstills,
}

impl Stage {
    /// One of which nothing but its beginning is known.
    fn begun(start: StageStart, info: Option<BackendInfo>) -> Self {
        Self {
            start,
            phases: Vec::new(),
            requests: Vec::new(),
            ended: None,
            info,
            range: None,
            stood: Standstills::default(),
        }
    }

    /// The requests that count: all but warm-up.
    pub fn measured(&self) -> impl Iterator<Item = &RequestRecord> + Clone {
        self.requests.iter().filter(|r| !r.warmup)
    }

    /// Those of them whose times are the engine's: not under way while the whole process stood still.
    pub fn unspoiled(&self) -> impl Iterator<Item = &RequestRecord> + Clone {
        self.measured().filter(|r| !self.stood.spoil(r))
    }

    /// Those of the unspoiled that lie in the range from their sending to their end: what figures of whole requests are
    /// of. Without a range all.
    pub fn judged(&self) -> impl Iterator<Item = &RequestRecord> + Clone {
        self.unspoiled()
            .filter(|r| self.range.is_none_or(|range| range.has(r.sent_ns) && range.has(r.finished_ns)))
    }
}

impl Run {
    /// Reads a whole recording; `-` is standard input.
    ///
    /// # Errors
    /// As [`recording::open`].
    pub fn read(path: &Path) -> Result<Self, RecordingError> {
        let reader = recording::open(path)?;
        let name = match path.file_name() {
            Some(name) if path.as_os_str() != "-" => name.to_string_lossy().into_owned(),
            _ => "stdin".to_owned(),
        };
        Ok(Self::from_reader(&name, reader))
    }

    /// Reads an open recording to its end.
    pub fn from_reader(name: &str, mut reader: Reader) -> Self {
        let header = reader.header().clone();
        let mut run = Self::from_entries(name, header, reader.by_ref(), Losses::default);
        run.losses = reader.losses();
        run
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
            range: None,
            aside: Vec::new(),
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
        // Each thread hands in its own: a cancelled request's task, the keys.
        run.controls.sort_by_key(|(at_ns, _)| *at_ns);
        run.note_standstills();
        run.losses = losses();
        run
    }

    /// Tells the stages when the process stood still, by the interventions.
    pub fn note_standstills(&mut self) {
        let stood = Standstills::of(&self.controls);
        for stage in self.stages.iter_mut().chain(self.aside.iter_mut().map(|(_, stage)| stage)) {
            stage.stood = stood.clone();
        }
    }

    /// The profile's name.
    pub fn profile_name(&self) -> &str {
        self.header.profile.pointer("/profile/name").and_then(|n| n.as_str()).unwrap_or("")
    }

    /// Whether another tool made the recording's figures.
    pub(super) fn is_imported(&self) -> bool {
        let kind = self.header.profile.pointer("/backend/kind");
        kind.and_then(|kind| kind.as_str()) == Some("imported")
    }

    /// Whether the recording tells when a stage's requests were meant to be sent. Other tools' files don't: an import
    /// then takes the time of sending for it, in every request.
    pub(super) fn knows_schedule(&self, stage: &Stage) -> bool {
        !self.is_imported() || stage.requests.iter().any(|r| r.scheduled_ns != r.sent_ns)
    }

    fn take_event(&mut self, event: Event) {
        self.last_ns = self.last_ns.max(event.at_ns());
        match event {
            Event::Ready { info, .. } => self.info = Some(*info),
            Event::Stage(start) => self.begin_stage(*start),
            Event::StageEnd(end) => self.end_stage(*end),
            // How the run had ended is void, and a stage that was cut off will begin anew.
            Event::Resumed(resumed) => self.resume(resumed.at_ns),
            Event::Phase { at_ns, stage, phase } => self.stage(stage).phases.push((at_ns, phase)),
            Event::Sample(sample) => self.samples.push(*sample),
            Event::Control { at_ns, control } => self.controls.push((at_ns, control)),
            Event::Lost { events, .. } => self.lost_events = self.lost_events.saturating_add(events),
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

    /// Neither a pause nor a standstill outlasts the run that was interrupted.
    fn resume(&mut self, at_ns: u64) {
        self.ended = None;
        let mut controls = self.controls.iter().map(|(_, control)| control);
        let last = controls.rfind(|c| matches!(c, Control::Paused | Control::Resumed));
        if last == Some(&Control::Paused) {
            self.controls.push((at_ns, Control::Resumed));
        }
        let mut controls = self.controls.iter().map(|(_, control)| control);
        let last = controls.rfind(|c| matches!(c, Control::Suspended | Control::Continued));
        if last == Some(&Control::Suspended) {
            self.controls.push((at_ns, Control::Continued));
        }
    }

    /// A stage begins. What an earlier, broken off attempt at it left is forgotten.
    fn begin_stage(&mut self, start: StageStart) {
        let info = self.info.clone();
        let stage = self.stage(start.stage);
        *stage = Stage::begun(start, info);
    }

    /// A stage is over. One that failed or was skipped before it began has no other line.
    fn end_stage(&mut self, end: StageEnd) {
        let stage = self.stage(end.stage);
        if stage.phases.is_empty() && stage.requests.is_empty() {
            stage.start.name = end.name;
            stage.start.sweep = end.sweep;
            stage.start.clients = end.clients;
        }
        stage.ended = Some(end.how);
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
                open: None,
                planned_requests: None,
                planned_ns: None,
            };
            let info = self.info.clone();
            self.stages.push(Stage::begun(start, info));
            self.stages.len() - 1
        });
        &mut self.stages[at]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recording::tests::{Resumption, header, read, record, resumption};
    use crate::report::{fixture, report};

    fn run_of(bytes: &[u8]) -> Run {
        let mut reader = read(bytes).unwrap();
        let mut run = Run::from_entries("r", header(), reader.by_ref(), Losses::default);
        run.losses = reader.losses();
        run
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_resumed_recording_reports_what_an_uninterrupted_one_does(
            seed: u64, requests in 1_u64..30, share in 0.0..1.0_f64,
        ) {
            let Resumption { whole, alone } = resumption(seed, requests, share);
            let (whole, alone) = (run_of(&record(&whole).0), run_of(&record(&alone).0));
            let (got, want) = (report(&whole), report(&alone));
            prop_assert_eq!(&got.stages, &want.stages);
            prop_assert_eq!(got.recording.ended, want.recording.ended);
            prop_assert_eq!(got.recording.unfinished_requests, 0);
        }
    }

    #[test]
    fn counts_of_lost_events_and_the_order_of_interventions_are_not_trusted() {
        use crate::event::Control;
        let lost = || Entry::Event(Event::Lost { at_ns: 1, events: u64::MAX });
        let control = |at_ns| Entry::Event(Event::Control { at_ns, control: Control::Paused });
        let run = Run::from_entries("r", header(), [lost(), control(9), lost(), control(4)], Losses::default);
        assert_eq!(run.lost_events, u64::MAX);
        assert_eq!(run.controls.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [4, 9]);
    }

    #[test]
    fn a_stage_that_never_began_is_in_the_report_with_its_reason() {
        let mut run = fixture::run();
        let ends = [
            StageOutcome::Failed { reason: "no memory".into() },
            StageOutcome::Skipped { reason: "more clients no longer help".into() },
        ];
        for (stage, how) in (1..).zip(ends) {
            let sweep = vec![("clients".to_owned(), 8.into())];
            let end =
                StageEnd { at_ns: 5, stage, name: format!("cell {stage}"), sweep, clients: Some(8), how };
            run.take_event(Event::StageEnd(Box::new(end)));
        }
        let report = report(&run);
        let told: Vec<_> = report.stages.iter().map(|s| (s.name.as_str(), s.ended)).collect();
        assert_eq!(told, [("main", None), ("cell 1", Some("failed")), ("cell 2", Some("skipped"))]);
        assert_eq!(report.failed_stages(), [("cell 1", "no memory")]);
        assert_eq!(report.stages[1].sweep, [("clients".to_owned(), 8.into())]);
        assert!(report.stages[1].windows.measured.is_none());
        let verdicts: Vec<_> = report.recording.verdicts.iter().map(|v| v.why.as_str()).collect();
        assert_eq!(verdicts, ["cell 1: no memory"], "what was not needed is no fault");
        let text = crate::report::text(std::slice::from_ref(&report), crate::report::Show::Both);
        assert!(text.contains("failed: no memory") && text.contains("skipped: more clients"), "{text}");
    }
}
