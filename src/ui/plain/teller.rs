//! What is worth saying about a session, and how often. It compares each picture with the one before.

use std::time::Duration;

use crate::event::{Control, Ended, Level, LogLine, Phase};
use crate::metrics::fastgen::Validator;
use crate::metrics::{Snapshot, StagePoint, Summary};
use crate::ui::format::{UNKNOWN, clock, count, seconds};
use crate::ui::keymap::names::{Name, Run};
use crate::ui::keymap::remap::Keys;
use crate::ui::state::UiState;
use crate::ui::theme::Theme;
use crate::ui::view::{self, Picture};
use crate::ui::{Recording, Title};

/// Failures are told at most this often, with how many there were.
const FAILURES_EVERY_NS: u64 = 1_000_000_000;

/// Remembers what was said.
pub struct Teller {
    every_ns: u64,
    next_ns: u64,
    failures_next_ns: u64,
    stage: Option<String>,
    phase: Option<&'static str>,
    step: Option<String>,
    engine: Option<String>,
    controls: usize,
    failed: u64,
    logged_ns: Option<u64>,
    stages_over: usize,
    doubts: Vec<String>,
    ended: bool,
}

impl Teller {
    /// Figures come this often.
    pub fn new(every: Duration) -> Self {
        Self {
            every_ns: u64::try_from(every.as_nanos()).unwrap_or(u64::MAX),
            next_ns: 0,
            failures_next_ns: 0,
            stage: None,
            phase: None,
            step: None,
            engine: None,
            controls: 0,
            failed: 0,
            logged_ns: None,
            stages_over: 0,
            doubts: Vec::new(),
            ended: false,
        }
    }

    /// Lines for what happened since the last picture, and the figures when they are due.
    pub fn tell(&mut self, pic: &Picture<'_>, ui: &UiState, theme: &Theme, now_ns: u64) -> Vec<String> {
        let mut out = Vec::new();
        let snap = pic.snap;
        let words = view::words(pic, ui, theme);
        self.stages(snap, &mut out);
        self.engine(snap, &mut out);
        if self.phase != Some(words.phase) {
            out.push(format!("{} {}", clock(snap.at_ns), phase(words.phase)));
            self.phase = Some(words.phase);
            // Figures of the phase before would only confuse.
            self.next_ns = now_ns.saturating_add(self.every_ns);
        }
        self.loading(snap, &mut out);
        self.controls(snap, &mut out);
        self.failures(snap, now_ns, &mut out);
        self.log(snap, &mut out);
        for (badge, why) in &words.doubts {
            if !self.doubts.contains(badge) {
                out.push(format!("{} attention, {badge}: {why}", clock(snap.at_ns)));
                self.doubts.push(badge.clone());
            }
        }
        if let (Some(Ended::Failed { reason }), false) = (&snap.ended, self.ended) {
            out.push(format!("{} the run failed: {reason}", clock(snap.at_ns)));
        }
        self.ended = snap.ended.is_some();
        if now_ns >= self.next_ns {
            self.next_ns = now_ns.saturating_add(self.every_ns);
            out.push(figures(pic, ui, theme));
        }
        out
    }

    /// Stages that begin and end; a stage's end says how many of its requests kept the SLA.
    fn stages(&mut self, snap: &Snapshot, out: &mut Vec<String>) {
        let over = &snap.curve.over;
        for point in over.iter().skip(self.stages_over) {
            let rate =
                point.measured_rps().map_or_else(String::new, |r| format!(", measured {r:.3} requests/s"));
            let sla = sla(snap, point);
            let requests = count(point.requests);
            out.push(format!(
                "{} stage {} is over: {requests} requests{rate}{sla}",
                clock(snap.at_ns),
                point.name
            ));
        }
        self.stages_over = over.len();
        let name = snap.stage.as_ref().map(|stage| (stage.stage, stage.name.clone()));
        let of = snap.stages.planned.filter(|planned| *planned > 1);
        if let Some((number, name)) = name
            && self.stage.as_ref() != Some(&name)
        {
            if let Some(of) = of {
                out.push(format!("{} stage {} of {of}: {name}", clock(snap.at_ns), number + 1));
            }
            self.stage = Some(name);
        }
    }

    fn loading(&mut self, snap: &Snapshot, out: &mut Vec<String>) {
        let loading = matches!(snap.phase, None | Some(Phase::Loading));
        let step = snap.loading.as_ref().filter(|_| loading).map(|l| l.step.to_string());
        if let Some(step) = step
            && self.step.as_ref() != Some(&step)
        {
            out.push(format!("{} {step}", clock(snap.at_ns)));
            self.step = Some(step);
        }
    }

    /// What the engine tells of itself once it is ready, and whenever another takes its place.
    fn engine(&mut self, snap: &Snapshot, out: &mut Vec<String>) {
        let Some(info) = &snap.info else { return };
        let model = Some(info.model_name()).filter(|model| !model.trim().is_empty());
        let model = model.map_or_else(String::new, |model| format!(", model {model}"));
        let engine = format!("{}{model}", info.engine_name());
        if self.engine.as_ref() != Some(&engine) {
            out.push(format!("{} the engine is {engine}", clock(snap.at_ns)));
            self.engine = Some(engine);
        }
    }

    fn controls(&mut self, snap: &Snapshot, out: &mut Vec<String>) {
        for (at, control) in snap.controls.iter().skip(self.controls) {
            out.push(format!("{} {}", clock(*at), intervention(control)));
        }
        // After a seek back in a replay there are fewer.
        self.controls = snap.controls.len();
    }

    fn failures(&mut self, snap: &Snapshot, now_ns: u64, out: &mut Vec<String>) {
        let failed = snap.counts.failed + snap.counts.timed_out;
        if failed > self.failed && now_ns >= self.failures_next_ns {
            let new = failed - self.failed;
            let requests = if new == 1 { "request" } else { "requests" };
            out.push(format!(
                "{} {} more {requests} failed, {} in all",
                clock(snap.at_ns),
                count(new),
                count(failed)
            ));
            self.failures_next_ns = now_ns + FAILURES_EVERY_NS;
            self.failed = failed;
        }
        self.failed = self.failed.min(failed);
    }

    /// Warnings of this program, and errors of all.
    fn log(&mut self, snap: &Snapshot, out: &mut Vec<String>) {
        let grave = |level: Level, source: &str| {
            level == Level::Error || (level == Level::Warn && source == "fastgen")
        };
        // That the run failed has a line of its own.
        let told = |line: &LogLine| match &snap.ended {
            Some(Ended::Failed { reason }) => line.message.strip_prefix("the run failed: ") == Some(reason),
            _ => false,
        };
        let new = snap.log.iter().filter(|l| self.logged_ns.is_none_or(|at| l.at_ns > at) && !told(l));
        for line in new.filter(|l| grave(l.level, &l.source)) {
            let level = if line.level == Level::Error { "error" } else { "warning" };
            out.push(format!("{} {level}: {}", clock(line.at_ns), line.message));
        }
        self.logged_ns = snap.log.last().map(|l| l.at_ns).or(self.logged_ns);
    }
}

/// The first line: what is shown, and how to get on.
pub fn begin(title: &Title, recording: &Recording) -> String {
    let what = match recording {
        Recording::Replay { path } => format!("replay of {path}, "),
        Recording::Writing { path, .. } => format!("recording to {path}, "),
        _ => String::new(),
    };
    let mut names = vec![format!("{what}profile {}", title.profile)];
    // What isn't known is left out: of a server's model only the server can tell.
    for (name, value) in [("engine", title.engine()), ("model", title.model.clone())] {
        if !value.trim().is_empty() {
            names.push(format!("{name} {value}"));
        }
    }
    format!("{}. Type ? and Enter for what can be typed.", names.join(", "))
}

/// How many of a stage's requests were as fast as FastGen's SLA asks, at each of the profile's rates. Whether its thresholds
/// were kept only the report can tell, which is exact.
fn sla(snap: &Snapshot, point: &StagePoint) -> String {
    let told = |(at, rate): (usize, &f64)| {
        let share = point.good_share(at, Validator::Cumulative)?;
        Some(format!("{:.0} % at {rate}", share * 100.0))
    };
    let told: Vec<String> = snap.curve.sla.rates.iter().enumerate().filter_map(told).collect();
    if told.is_empty() {
        return String::new();
    }
    format!(", within FastGen's SLA, by tokens/s: {}", told.join(", "))
}

fn phase(name: &'static str) -> &'static str {
    match name {
        "loading" => "loading the engine",
        "warm-up" => "warming up",
        "measuring" => "measuring begins",
        "draining" => "draining: requests in flight are finished",
        "ending" => "ending at once",
        "sweep done" => "the sweep is done",
        "stage done" => "the stage is done",
        other => other,
    }
}

fn intervention(control: &Control) -> String {
    match control {
        Control::Paused => "the load was paused".into(),
        Control::Resumed => "the load goes on".into(),
        Control::Suspended => "the process was stopped".into(),
        Control::Continued => "the process goes on".into(),
        Control::Clients { clients } => format!("{clients} clients from now on"),
        Control::Rate { rate } => format!("{rate} requests/s from now on"),
        Control::Mark { note } if note.is_empty() => "mark".into(),
        Control::Mark { note } => format!("mark: {note}"),
        Control::Cancel { request } => format!("request #{request} was cancelled"),
        Control::NextStage { .. } => "the stage was ended; the next follows".into(),
        Control::Stop => "the run was asked to end".into(),
        Control::Abort => "the run was asked to end at once".into(),
    }
}

fn percentiles(name: &str, summary: &Summary) -> String {
    let shown = |v: Option<f64>| match v {
        Some(_) => seconds(v).trim().to_owned(),
        None => UNKNOWN.to_owned(),
    };
    format!("{name} p50 {} p99 {}", shown(summary.p50), shown(summary.p99))
}

/// One line of figures; rates are those of the last seconds.
pub fn figures(pic: &Picture<'_>, ui: &UiState, theme: &Theme) -> String {
    let rate = pic.snap.output_rate;
    let (now, window) = if rate.s10.is_some() { (rate.s10, 10) } else { (rate.s1, 1) };
    line(pic, ui, theme, &format!("{} tokens/s over {window} s, mean {}", whole(now), whole(rate.mean)))
}

/// The last line of figures; rates are those of the measured window, as in the report.
pub fn last(pic: &Picture<'_>, ui: &UiState, theme: &Theme) -> String {
    line(pic, ui, theme, &format!("{} tokens/s on the average", whole(pic.snap.output_rate.mean)))
}

fn whole(rate: Option<f64>) -> String {
    rate.map_or_else(|| UNKNOWN.to_owned(), |r| count(r.round().max(0.0) as u64))
}

fn line(pic: &Picture<'_>, ui: &UiState, theme: &Theme, rates: &str) -> String {
    let snap = pic.snap;
    let words = view::words(pic, ui, theme);
    let mut parts = vec![format!("{} {}", clock(snap.at_ns), words.phase)];
    if let Some(fraction) = snap.loading.as_ref().and_then(|l| l.fraction).filter(|_| snap.stage.is_none()) {
        parts.push(format!("{:.0} %", fraction * 100.0));
    }
    if let Some(left) = words.left_ns {
        parts.push(format!("{} left", clock(left)));
    }
    if snap.phase.is_some_and(|phase| phase > Phase::Loading) {
        let counts = &snap.counts;
        // The figures are of this one stage.
        let of = snap.stages.planned.filter(|planned| *planned > 1);
        let stage = of.zip(snap.stage.as_ref());
        let stage =
            stage.map_or_else(String::new, |(of, stage)| format!("stage {} of {of}: ", stage.stage + 1));
        parts.push(format!("{stage}{} requests done", count(counts.completed)));
        parts.push(format!("{} failed", count(counts.failed + counts.timed_out)));
        parts.push(format!("{} in flight", snap.in_flight.total));
        parts.push(rates.to_owned());
        parts.push(percentiles("TTFT", &snap.latency.ttft));
        parts.push(percentiles("ITL", &snap.latency.itl));
    }
    parts.extend(words.doubts.into_iter().map(|(badge, _)| badge));
    parts.join(", ")
}

/// Commands that do something without a screen: keys, name, what it does.
pub fn help(keys: &Keys, replay: bool) -> Vec<String> {
    const SEEN_ONLY: [Name; 8] = [
        Name::Freeze,
        Name::Copy,
        Name::Picture,
        Name::Theme,
        Name::NextTheme,
        Name::Close,
        Name::Left,
        Name::Right,
    ];
    let all = keys.all();
    let of_use = |name: &&Name| {
        let entry = name.entry();
        let run = match entry.run {
            Run::Any => {
                !matches!(name, Name::Screen | Name::NextScreen | Name::PreviousScreen | Name::Palette)
            }
            Run::Replay => replay,
            _ => !replay,
        };
        run && entry.screens.is_empty() && !SEEN_ONLY.contains(name)
    };
    Name::ALL
        .iter()
        .filter(of_use)
        .map(|name| {
            let entry = name.entry();
            let keys = all.iter().find(|(line, ..)| line == entry.name).map(|(_, keys, _)| keys.join(" "));
            let keys = keys.filter(|k| !k.is_empty()).map_or_else(String::new, |k| format!(" ({k})"));
            let line = format!("{} {}", entry.name, entry.takes.placeholder());
            format!("  {}{keys}: {}", line.trim_end(), entry.about)
        })
        .collect()
}

#[cfg(test)]
mod tests;
