//! What is shown, as far as it decides which keys are of use: help and footer offer none that can do nothing.

use super::Place;
use crate::metrics::Snapshot;

/// What is shown, as far as keys depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene {
    pub replay: bool,
    /// The stage is an open loop.
    pub open: bool,
    /// Another recording plays beside it.
    pub pair: bool,
    /// The run has several stages.
    pub sweep: bool,
    /// The run is over.
    pub over: bool,
}

impl Scene {
    /// What is shown of this.
    pub fn of(snap: &Snapshot, replay: bool) -> Self {
        let open = snap.stage.as_ref().is_some_and(|stage| stage.open.is_some());
        let sweep = snap.stages.planned.is_some_and(|planned| planned > 1);
        Self { replay, open, pair: false, sweep, over: !replay && snap.ended.is_some() }
    }

    /// A load is under way that could be changed or ended.
    fn loaded(self) -> bool {
        !self.replay && !self.over
    }

    /// Whether a place is part of it.
    pub fn has(self, place: Place) -> bool {
        match place {
            Place::LiveRun | Place::LiveOn(_) => self.loaded(),
            Place::Sweep => self.loaded() && self.sweep,
            Place::ClosedLoop => self.loaded() && !self.open,
            Place::OpenLoop => self.loaded() && self.open,
            Place::Still => !self.loaded(),
            Place::Replay => self.replay,
            Place::Pair => self.pair,
            Place::Everywhere | Place::On(_) | Place::Lists => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Ended;
    use crate::ui::keymap::bindings;
    use crate::ui::state::Screen;

    #[test]
    fn a_run_that_is_over_offers_nothing_that_changes_a_load() {
        let running = Snapshot::default();
        let over = Snapshot { ended: Some(Ended::Complete), ..Snapshot::default() };
        for screen in Screen::ALL {
            let offered = |snap, replay| -> Vec<(&str, &str)> {
                bindings(screen, Scene::of(snap, replay)).map(|b| (b.keys, b.about)).collect()
            };
            let (before, after, replay) =
                (offered(&running, false), offered(&over, false), offered(&over, true));
            for key in ["space", "+ -", "m", "p"] {
                assert!(before.iter().any(|(keys, _)| *keys == key), "{screen:?}: {key}");
                assert!(!after.iter().any(|(keys, _)| *keys == key), "{screen:?}: {key}");
            }
            let quit = |list: &[(&str, &'static str)]| {
                let quits: Vec<_> =
                    list.iter().filter(|(keys, _)| *keys == "q ^C").map(|(_, a)| *a).collect();
                assert_eq!(quits.len(), 1, "{quits:?}");
                quits[0]
            };
            assert_eq!((quit(&after), quit(&replay)), ("leave", "leave"));
            assert!(quit(&before).starts_with("end gracefully"));
            assert!(replay.contains(&("space", "play and pause")));
        }
    }
}
