//! What recordings are called in a legend, and what is said of them below.

use super::differences::{Difference, differences};
use super::{Kind, Recorded};
use crate::report::VerdictKind;
use crate::report::fastgen::Setting;

/// A label tells no more differences than this.
const MOST: usize = 3;

impl Kind {
    /// Sweep keys that the chart shows anyway: on its axes, or in its labels.
    fn shows(self) -> &'static [&'static str] {
        match self {
            Self::ThroughputLatency | Self::EffectiveThroughput | Self::LatencyPercentiles => {
                &["clients", "rate"]
            }
            Self::ReplicaScale => &["clients", "replicas"],
            Self::TpSizes => &["clients", "tensor_parallel"],
            Self::Timeline => &[],
        }
    }

    /// A key of the profile that its figures rest on, though no run does.
    fn rests_on(self) -> Option<&'static str> {
        (self == Self::EffectiveThroughput).then_some("sla.prompt_tokens_per_s")
    }
}

/// Gives every recording a label of its own that tells what its profile has different from the others'. Where the
/// user chose labels, a note tells it.
pub fn told_apart(kind: Kind, mut recorded: Vec<Recorded>) -> (Vec<Recorded>, Vec<String>) {
    let profiles: Vec<_> = recorded.iter().map(|r| &r.profile).collect();
    let different = differences(&profiles, kind.shows(), kind.rests_on());
    let mut notes = Vec::new();
    let chosen = recorded.iter().any(|r| r.chosen);
    if chosen || different.len() > MOST {
        notes.extend(note(&different));
    }
    for (i, recording) in recorded.iter_mut().enumerate() {
        recording.differs = !different.is_empty();
        if !recording.chosen && !different.is_empty() {
            let told = different.iter().take(MOST).map(|d| format!("{} {}", d.key, d.values[i]));
            let more = different.len().saturating_sub(MOST);
            let more = (more > 0).then(|| format!("{more} more"));
            let told: Vec<String> = told.chain(more).collect();
            recording.label = format!("{} ({})", recording.label, told.join(", "));
        }
    }
    for i in 1..recorded.len() {
        let taken = |label: &str| recorded[..i].iter().any(|r| r.label == label);
        let label = &recorded[i].label;
        if taken(label) {
            let numbered =
                (2..=recorded.len() + 1).map(|n| format!("{label} #{n}")).find(|label| !taken(label));
            recorded[i].label = numbered.unwrap_or_default();
        }
    }
    // Curves are named by the name of the recording.
    for recording in &mut recorded {
        recording.report.recording.name.clone_from(&recording.label);
    }
    (recorded, notes)
}

fn note(different: &[Difference]) -> Option<String> {
    let told: Vec<_> = different.iter().map(|d| format!("{} ({})", d.key, d.values.join(", "))).collect();
    (!told.is_empty()).then(|| format!("The profiles differ in {}.", told.join(", ")))
}

/// It is said of what was measured, and not of the measurement.
fn judges_the_server(verdict: VerdictKind) -> bool {
    matches!(verdict, VerdictKind::Overloaded | VerdictKind::SlaMet | VerdictKind::SlaMissed)
}

/// What makes a recording's figures doubtful.
pub fn doubt(recorded: &Recorded) -> Option<String> {
    let verdicts = recorded.report.recording.verdicts.iter();
    let grave: Vec<_> = verdicts
        .filter(|v| !judges_the_server(v.verdict))
        .map(|v| format!("{} ({})", v.verdict.words(), v.why))
        .collect();
    (!grave.is_empty()).then(|| format!("{}: {}.", recorded.label, grave.join("; ")))
}

/// What all stages of all recordings ran with, in words.
pub fn common(recorded: &[Recorded]) -> String {
    let settings = || recorded.iter().flat_map(|r| &r.report.stages).map(|s| &s.fastgen.setting);
    let Some(first) = settings().next() else { return String::new() };
    let same = |same: fn(&Setting, &Setting) -> bool| settings().all(|s| same(s, first));
    let lengths = |keep: bool, tokens: Option<f64>| tokens.filter(|_| keep);
    let model = same(|a, b| a.model == b.model);
    let backend = same(|a, b| a.backend == b.backend);
    let common = Setting {
        model: if model { first.model.clone() } else { String::new() },
        backend: if model || backend { first.backend.clone() } else { String::new() },
        prompt_tokens: lengths(same(|a, b| a.prompt_tokens == b.prompt_tokens), first.prompt_tokens),
        output_tokens: lengths(same(|a, b| a.output_tokens == b.output_tokens), first.output_tokens),
        ..Setting::default()
    };
    common.label().trim_start_matches(", ").to_owned()
}
