//! Interventions by key: pause, load, mark, one request, the next stage; and which span between them the table shows.

use super::{Effect, Sight, quit};
use crate::event::Phase;
use crate::metrics::Snapshot;
use crate::ui::Action;
use crate::ui::keymap::Command;
use crate::ui::state::{Prompt, PromptKind, Screen, UiState};

/// Commands that change the load of a live run; a replay takes only the pause.
pub(super) fn intervene(ui: &mut UiState, command: &Command, sight: Sight<'_>) -> Vec<Effect> {
    match command {
        Command::Pause => vec![Effect::Act(Action::TogglePause)],
        _ if sight.transport.is_some() || sight.over => Vec::new(),
        Command::AddLoad(n) => vec![Effect::Act(Action::AddLoad(*n))],
        Command::Recall => recall(ui, sight.snap),
        Command::NextStage => next_stage(ui, sight),
        _ => {
            ui.prompt = Some(Prompt { kind: PromptKind::Mark, text: String::new() });
            Vec::new()
        }
    }
}

/// Cancels what the selected client has in flight. Requests are listed only once they have ended.
fn recall(ui: &UiState, snap: &Snapshot) -> Vec<Effect> {
    let say = |word: &str| vec![Effect::Say(word.to_owned())];
    if ui.screen != Screen::Clients {
        return say("on the screen Clients, x cancels the selected client's request in flight");
    }
    let Some(lane) = snap.lanes.get(ui.client.min(snap.lanes.len().saturating_sub(1))) else {
        return say("there is no client yet");
    };
    match &lane.current {
        Some(open) => {
            let place = if snap.arrivals().is_some() { "place" } else { "client" };
            let word = format!("cancelling request #{} of {place} {}", open.request, lane.client);
            vec![Effect::Act(Action::Cancel(open.request)), Effect::Say(word)]
        }
        None => say("that client has no request in flight"),
    }
}

/// Ends the stage before its time. The last one's end is the run's.
fn next_stage(ui: &mut UiState, sight: Sight<'_>) -> Vec<Effect> {
    let snap = sight.snap;
    let under_way = matches!(snap.phase, Some(Phase::Warmup | Phase::Measuring));
    let Some(stage) = snap.stage.as_ref().filter(|_| under_way && ui.stops == 0) else {
        return vec![Effect::Say("no stage is under way that could be ended".into())];
    };
    let more = snap.stages.planned.is_some_and(|planned| stage.stage + 1 < planned);
    if !more {
        let mut effects = quit(ui, sight);
        effects.push(Effect::Say("it is the last stage: the run ends".into()));
        return effects;
    }
    let word = format!("{} ends; the next stage follows", crate::ui::sanitize::line(&stage.name));
    vec![Effect::Act(Action::NextStage(stage.stage)), Effect::Say(word)]
}

/// The next older span of those that are kept, after the oldest the whole stage.
pub(super) fn spans(ui: &mut UiState, snap: &Snapshot) {
    ui.span = match ui.span {
        None => (!snap.spans.is_empty()).then_some(0),
        Some(back) => Some(back + 1).filter(|back| *back < snap.spans.len()),
    };
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::StageStart;
    use crate::metrics::{Lane, Open, SpanView, Stages};
    use crate::ui::update::update;

    fn snap(stage: u32) -> Snapshot {
        let open = Open {
            request: 17,
            sent_ns: 0,
            prefill_ns: None,
            first_token_ns: None,
            last_token_ns: None,
            output_tokens: 0,
            max_tokens: 4,
            prompt_tokens: 4,
            warmup: false,
        };
        let lanes = vec![
            Arc::new(Lane { client: 0, ..Lane::default() }),
            Arc::new(Lane { client: 1, current: Some(open), ..Lane::default() }),
        ];
        let start = StageStart {
            at_ns: 0,
            stage,
            name: "clients=2".into(),
            sweep: Vec::new(),
            clients: Some(2),
            open: None,
            planned_requests: None,
            planned_ns: None,
        };
        let stages = Stages { planned: Some(2), ..Stages::default() };
        let phase = Some(Phase::Measuring);
        Snapshot { lanes, stage: Some(Arc::new(start)), stages, phase, ..Snapshot::default() }
    }

    fn act(ui: &mut UiState, command: &Command, snap: &Snapshot) -> Option<Action> {
        let effects = update(ui, command, Sight { snap, transport: None, over: false });
        let acts =
            effects.into_iter().filter_map(|e| if let Effect::Act(action) = e { Some(action) } else { None });
        let acts: Vec<_> = acts.collect();
        assert!(acts.len() < 2, "{acts:?}");
        acts.into_iter().next()
    }

    #[test]
    fn a_request_is_cancelled_where_it_is_selected() {
        let (mut ui, snap) = (UiState::default(), snap(0));
        assert_eq!(act(&mut ui, &Command::Recall, &snap), None, "nothing is selected on Live");
        ui.screen = Screen::Clients;
        assert_eq!(act(&mut ui, &Command::Recall, &snap), None, "client 0 is idle");
        ui.client = 1;
        assert_eq!(act(&mut ui, &Command::Recall, &snap), Some(Action::Cancel(17)));
        assert_eq!(act(&mut ui, &Command::Recall, &Snapshot::default()), None);
        let over = Sight { snap: &snap, transport: None, over: true };
        assert_eq!(update(&mut ui, &Command::Recall, over), []);
    }

    #[test]
    fn the_next_stage_follows_and_behind_the_last_one_the_end() {
        let mut ui = UiState::default();
        assert_eq!(act(&mut ui, &Command::NextStage, &snap(0)), Some(Action::NextStage(0)));
        let between = Snapshot { phase: Some(Phase::Done), ..snap(0) };
        assert_eq!(act(&mut ui, &Command::NextStage, &between), None);
        assert_eq!(act(&mut ui, &Command::NextStage, &snap(1)), Some(Action::Stop));
        assert_eq!(act(&mut ui, &Command::NextStage, &snap(1)), None, "a second press is no abort");
        assert_eq!(ui.stops, 1);
    }

    #[test]
    fn spans_are_gone_through_and_left() {
        let mut ui = UiState::default();
        let mut snap = Snapshot::default();
        act(&mut ui, &Command::Spans, &snap);
        assert_eq!(ui.span, None);
        snap.spans = vec![Arc::new(SpanView::default()); 2];
        let mut seen = Vec::new();
        for _ in 0..3 {
            act(&mut ui, &Command::Spans, &snap);
            seen.push(ui.span);
        }
        assert_eq!(seen, [Some(0), Some(1), None]);
        ui.span = Some(0);
        act(&mut ui, &Command::Definitions, &snap);
        assert_eq!(ui.span, None, "spans are by our own definitions only");
    }
}
