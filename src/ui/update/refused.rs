//! Commands that can do nothing now say why in the footer, instead of doing nothing or changing what nobody sees.

use super::{Effect, Sight};
use crate::event::Phase;
use crate::ui::keymap::Command;
use crate::ui::keymap::names::Name;
use crate::ui::state::UiState;

/// Why a command is refused, for the footer; `None`: it is not.
pub(super) fn refused(ui: &UiState, command: &Command, sight: Sight<'_>) -> Option<Vec<Effect>> {
    if is_idle(command) {
        return None;
    }
    let name = command.name();
    let why = in_replay(name, sight).or_else(|| at_the_end(name, sight)).map(str::to_owned);
    let why = why.or_else(|| {
        // Some have a word of their own, or are seen in the header.
        let anywhere = matches!(name, Name::Cancel | Name::Definitions);
        let screen = name.entry().screens.first().filter(|_| anywhere).copied().unwrap_or(ui.screen);
        let why = name.unavailable(sight.scene(), screen, sight.over)?;
        Some(format!("{}: {why}", called(name)))
    });
    why.map(|why| vec![Effect::Say(why)])
}

/// What a command does, in the words of the help.
fn called(name: Name) -> &'static str {
    match name {
        Name::Left => "back in time",
        Name::Right => "on in time",
        _ => name.entry().about.trim_end_matches(" (marked)"),
    }
}

/// Movements are not worth a word where there is nothing to move in: the wheel would talk all the time.
fn is_idle(command: &Command) -> bool {
    use Command::{Bottom, Down, PageDown, PageUp, SelectCell, SelectRow, Top, Up};
    matches!(command, Up(_) | Down(_) | PageUp | PageDown | Top | Bottom | SelectRow(_) | SelectCell(_))
}

/// What a replay lacks, in words of its own.
fn in_replay(name: Name, sight: Sight<'_>) -> Option<&'static str> {
    sight.transport?;
    Some(match name {
        Name::Cancel => "nothing to cancel in a replay: what was in flight has ended",
        Name::NextStage => "no stage to end in a replay: { and } go from stage to stage",
        Name::MoreLoad | Name::LessLoad | Name::Clients | Name::Rate => "a replay's load is what it was",
        Name::Mark => "no marks can be set in a replay",
        Name::Other if !sight.pair => "no other recording plays along: replay FILE --with OTHER",
        _ => return None,
    })
}

/// While a stage drains, its load can't be changed any more, and the next one has its own.
fn at_the_end(name: Name, sight: Sight<'_>) -> Option<&'static str> {
    if sight.over && sight.transport.is_none() && matches!(name, Name::Pause | Name::Freeze) {
        return Some("the run is over: nothing moves any more");
    }
    let load = matches!(name, Name::MoreLoad | Name::LessLoad | Name::Clients | Name::Rate);
    let drains = !sight.over && sight.snap.phase == Some(Phase::Draining);
    (load && drains).then_some("the stage is ending: nothing more is sent")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Snapshot;
    use crate::ui::Transport;
    use crate::ui::state::Screen;
    use crate::ui::update::update;

    fn said(ui: &mut UiState, command: &Command, sight: Sight<'_>) -> String {
        match &update(ui, command, sight)[..] {
            [Effect::Say(word)] => word.clone(),
            other => panic!("{command:?}: {other:?}"),
        }
    }

    #[test]
    fn what_can_do_nothing_says_why() {
        let (mut ui, snap) = (UiState::default(), Snapshot::default());
        let at = Transport { at_ns: 0, length_ns: 9, playing: true, speed: 1.0, indexed: None };
        let live = Sight { snap: &snap, transport: None, over: false, pair: false };
        let replay = Sight { transport: Some(at), ..live };
        assert!(said(&mut ui, &Command::Recall, replay).starts_with("nothing to cancel in a replay"));
        assert!(said(&mut ui, &Command::NextStage, replay).starts_with("no stage to end in a replay"));
        assert!(said(&mut ui, &Command::AddLoad(1), replay).contains("load"));
        assert!(said(&mut ui, &Command::MarkWith("x".into()), replay).contains("marks"));
        assert_eq!(ui.prompt, None);
        assert!(said(&mut ui, &Command::Beside, replay).contains("--with"));
        assert_eq!(
            said(&mut ui, &Command::ToSlowest, live),
            "to the slowest request of all: only in a replay"
        );
        assert_eq!(said(&mut ui, &Command::Side(1), live), "on in time: only in a replay, or on Latency");
        assert_eq!(said(&mut ui, &Command::Sort, live), "sort by the next column: only on Requests");
        let over = Sight { over: true, ..live };
        assert_eq!(
            said(&mut ui, &Command::AddLoad(1), over),
            "one client more, or a tenth of the rate: the run is over"
        );
        assert!(said(&mut ui, &Command::Pause, over).starts_with("the run is over"));
        assert_eq!(update(&mut ui, &Command::Up(3), live), []);
        ui.screen = Screen::Latency;
        assert_eq!(update(&mut ui, &Command::Side(1), live), []);
    }

    #[test]
    fn a_stage_that_ends_takes_no_other_load() {
        let mut ui = UiState::default();
        let at = |phase| Snapshot { phase: Some(phase), ..Snapshot::default() };
        let (draining, measuring) = (at(Phase::Draining), at(Phase::Measuring));
        let sight = Sight { snap: &draining, transport: None, over: false, pair: false };
        assert!(said(&mut ui, &Command::AddLoad(1), sight).contains("the stage is ending"));
        let effects = update(&mut ui, &Command::AddLoad(1), Sight { snap: &measuring, ..sight });
        assert!(!matches!(&effects[..], [Effect::Say(_)]), "{effects:?}");
    }

    #[test]
    fn the_fastest_and_the_slowest_pace_are_told() {
        let (mut ui, snap) = (UiState::default(), Snapshot::default());
        let at = Transport { at_ns: 0, length_ns: 9, playing: true, speed: 64.0, indexed: None };
        let sight = Sight { snap: &snap, transport: Some(at), over: false, pair: false };
        assert!(said(&mut ui, &Command::Faster(2.0), sight).contains("64× is the fastest"));
        let slow = Sight { transport: Some(Transport { speed: 0.25, ..at }), ..sight };
        assert!(said(&mut ui, &Command::Faster(0.5), slow).contains("0.25× is the slowest"));
    }
}
