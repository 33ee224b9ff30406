//! The clients' lanes back and forth in time.

use super::Effect;
use crate::metrics::Snapshot;
use crate::ui::state::{Screen, UiState};

/// Moves the lanes by a quarter of what they show; at the newest they follow again.
pub(super) fn pan(ui: &mut UiState, by: i8, snap: &Snapshot) -> Vec<Effect> {
    if ui.screen != Screen::Clients || ui.lanes.span_ns == 0 {
        return Vec::new();
    }
    let step = (ui.lanes.span_ns / 4).max(1);
    let now = ui.lanes.to_ns.unwrap_or(snap.at_ns).min(snap.at_ns);
    let to = if by < 0 {
        // The oldest that is kept stays in sight.
        now.saturating_sub(step).max(oldest_ns(snap).saturating_add(step)).min(now)
    } else {
        now.saturating_add(step)
    };
    ui.lanes.to_ns = (to < snap.at_ns).then_some(to);
    Vec::new()
}

/// When the oldest request that is kept was sent.
fn oldest_ns(snap: &Snapshot) -> u64 {
    let first = |lane: &std::sync::Arc<crate::metrics::Lane>| {
        lane.spans.front().map(|s| s.sent_ns).or(lane.current.map(|o| o.sent_ns))
    };
    snap.lanes.iter().filter_map(first).min().unwrap_or(snap.at_ns)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::metrics::{Lane, Open};
    use crate::ui::keymap::Command;
    use crate::ui::update::{Sight, update};

    #[test]
    fn lanes_move_within_what_is_kept_and_follow_again() {
        let open = Open {
            request: 1,
            sent_ns: 2_000,
            prefill_ns: None,
            first_token_ns: None,
            last_token_ns: None,
            output_tokens: 0,
            max_tokens: 9,
            prompt_tokens: 9,
            warmup: false,
        };
        let lane = Arc::new(Lane { current: Some(open), ..Lane::default() });
        let snap = Snapshot { at_ns: 10_000, lanes: vec![lane], ..Snapshot::default() };
        let mut ui = UiState { screen: Screen::Clients, ..UiState::default() };
        ui.lanes.span_ns = 4_000;
        let sight = Sight { snap: &snap, transport: None, over: true, pair: false };
        let mut after = |command: Command| {
            assert_eq!(update(&mut ui, &command, sight), []);
            ui.lanes.to_ns
        };
        assert_eq!(after(Command::Pan(-1)), Some(9_000));
        for _ in 0..20 {
            after(Command::Pan(-1));
        }
        assert_eq!(after(Command::Pan(-1)), Some(3_000));
        assert_eq!(after(Command::Pan(1)), Some(4_000));
        assert_eq!(after(Command::Close), None, "Esc follows before it leaves");
        after(Command::Pan(-1));
        assert_eq!(after(Command::Pan(1)), None);
        ui.screen = Screen::Live;
        update(&mut ui, &Command::Pan(-1), sight);
        assert_eq!(ui.lanes.to_ns, None);
    }
}
