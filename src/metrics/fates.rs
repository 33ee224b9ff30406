//! How the stages of a run ended: for the header, and for the exit status.

use std::collections::{BTreeMap, BTreeSet};

use super::Stages;
use super::pack::pack;
use crate::event::{StageEnd, StageId, StageOutcome};

/// The ends of stages so far. A stage that is begun again loses its earlier end.
#[derive(Default)]
pub(super) struct Fates {
    pub(super) planned: Option<u32>,
    failed: BTreeMap<StageId, (Box<str>, Box<str>)>,
    skipped: BTreeSet<StageId>,
    last_failed: Option<StageId>,
}

impl Fates {
    pub(super) fn begin(&mut self, stage: StageId) {
        self.failed.remove(&stage);
        self.skipped.remove(&stage);
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
        }
    }
}

pack!(Fates { planned, failed, skipped, last_failed });
