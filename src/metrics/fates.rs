//! How the stages of a run ended: for the header, and for the exit status.

use std::collections::{BTreeMap, BTreeSet};

use super::pack::pack;
use super::{Counts, Errors, Stages};
use crate::event::{StageEnd, StageId, StageOutcome};

/// The ends of stages so far. A stage that is begun again loses its earlier end.
#[derive(Default)]
pub(super) struct Fates {
    pub(super) planned: Option<u32>,
    failed: BTreeMap<StageId, (Box<str>, Box<str>)>,
    skipped: BTreeSet<StageId>,
    last_failed: Option<StageId>,
    /// Of the stages before the present one: measured requests that ended, and what went wrong.
    counts: BTreeMap<StageId, (u64, Errors)>,
}

impl Fates {
    pub(super) fn begin(&mut self, stage: StageId) {
        self.failed.remove(&stage);
        self.skipped.remove(&stage);
    }

    /// A stage is left for the next one, or for another attempt.
    pub(super) fn leave(&mut self, stage: StageId, counts: &Counts, next: StageId) {
        self.counts.insert(stage, (counts.ended(), counts.errors.clone()));
        self.counts.remove(&next);
    }

    /// All that went wrong before the present stage.
    fn errors(&self) -> Errors {
        let mut all = Errors::new();
        for (kind, of) in self.counts.values().flat_map(|(_, errors)| errors) {
            let sum = all.entry(*kind).or_default();
            sum.requests += of.requests;
            sum.first = sum.first.take().or_else(|| of.first.clone());
        }
        all
    }

    pub(super) fn end(&mut self, end: &StageEnd) {
        self.begin(end.stage);
        match &end.how {
            StageOutcome::Failed { reason } => {
                self.failed.insert(end.stage, (end.name.as_str().into(), reason.as_str().into()));
                self.last_failed = Some(end.stage);
            }
            StageOutcome::Skipped { .. } => _ = self.skipped.insert(end.stage),
            StageOutcome::Complete | StageOutcome::Interrupted => {}
        }
    }

    pub(super) fn stages(&self) -> Stages {
        Stages {
            planned: self.planned,
            failed: self.failed.len() as u32,
            skipped: self.skipped.len() as u32,
            last_failure: self.last_failed.and_then(|id| self.failed.get(&id)).cloned(),
            ended_before: self.counts.values().map(|(ended, _)| ended).sum(),
            errors_before: self.errors(),
        }
    }
}

pack!(Fates { planned, failed, skipped, last_failed, counts });
