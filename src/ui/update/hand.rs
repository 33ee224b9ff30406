//! Interventions by key: pause, load, mark, one request, the next stage; and which span between them the table shows.

use super::{Effect, Sight};
use crate::event::Phase;
use crate::metrics::Snapshot;
use crate::ui::keymap::Command;
use crate::ui::state::{Prompt, PromptKind, Screen, UiState};
use crate::ui::{Action, rows};

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

/// Cancels what the selected client has in flight; on Requests, which lists what has ended, the client that the filter
/// names.
fn recall(ui: &UiState, snap: &Snapshot) -> Vec<Effect> {
    let request = match ui.screen {
        Screen::Clients => {
            let lane = snap.lanes.get(ui.client.min(snap.lanes.len().saturating_sub(1)));
            lane.and_then(|lane| lane.current).map(|open| open.request)
        }
        Screen::Requests if ui.requests.filter.contains("client=") => rows::in_flight(snap, &ui.requests),
        _ => {
            let word = "x cancels a request in flight: on Clients the selected client's, on Requests with the filter client=N";
            return vec![Effect::Say(word.into())];
        }
    };
    match request {
        Some(request) => {
            vec![Effect::Act(Action::Cancel(request)), Effect::Say(format!("cancelling request #{request}"))]
        }
        None => vec![Effect::Say("that client has no request in flight".into())],
    }
}

/// Ends the stage before its time. The last one's end is the run's.
fn next_stage(ui: &UiState, sight: Sight<'_>) -> Vec<Effect> {
    let snap = sight.snap;
    let under_way = matches!(snap.phase, Some(Phase::Warmup | Phase::Measuring));
    let Some(stage) = snap.stage.as_ref().filter(|_| under_way && ui.stops == 0) else {
        return vec![Effect::Say("no stage is under way that could be ended".into())];
    };
    if snap.stages.planned == Some(1) {
        return vec![Effect::Say("the run has no other stage; q ends it".into())];
    }
    let more = snap.stages.planned.is_some_and(|planned| stage.stage + 1 < planned);
    let name = crate::ui::sanitize::line(&stage.name);
    let then = if more { "the next stage follows" } else { "it is the last stage: the run ends with it" };
    let word = format!("{name} ends; {then}");
    vec![Effect::Act(Action::NextStage(stage.stage)), Effect::Say(word)]
}

/// The next older span of those that are kept, after the oldest the whole stage.
pub(super) fn spans(ui: &mut UiState, snap: &Snapshot) -> Vec<Effect> {
    if snap.spans.is_empty() {
        return vec![Effect::Say("no intervention has parted this stage: the table is of all of it".into())];
    }
    ui.span = match ui.span {
        None => Some(0),
        Some(back) => Some(back + 1).filter(|back| *back < snap.spans.len()),
    };
    Vec::new()
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
        let start = StageStart::closed(stage, "clients=2", 2);
        let stages = Stages { planned: Some(2), ..Stages::default() };
        let phase = Some(Phase::Measuring);
        Snapshot { lanes, stage: Some(Arc::new(start)), stages, phase, ..Snapshot::default() }
    }

    fn act(ui: &mut UiState, command: &Command, snap: &Snapshot) -> Option<Action> {
        let effects = update(ui, command, Sight { snap, transport: None, over: false, pair: false });
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
        ui.screen = Screen::Requests;
        assert_eq!(act(&mut ui, &Command::Recall, &snap), None, "what is listed has ended");
        for (filter, request) in [("client=1", Some(17)), ("failed client=0", None), ("client=x", None)] {
            ui.requests.filter = filter.into();
            assert_eq!(act(&mut ui, &Command::Recall, &snap), request.map(Action::Cancel), "{filter}");
        }
        let over = Sight { snap: &snap, transport: None, over: true, pair: false };
        assert!(matches!(update(&mut ui, &Command::Recall, over)[..], [Effect::Say(_)]));
    }

    #[test]
    fn the_next_stage_follows_and_behind_the_last_one_the_end() {
        let mut ui = UiState::default();
        let sole = Snapshot { stages: Stages { planned: Some(1), ..Stages::default() }, ..snap(0) };
        assert_eq!(act(&mut ui, &Command::NextStage, &sole), None, "a run of one stage is not ended by it");
        assert_eq!(act(&mut ui, &Command::NextStage, &snap(0)), Some(Action::NextStage(0)));
        let between = Snapshot { phase: Some(Phase::Done), ..snap(0) };
        assert_eq!(act(&mut ui, &Command::NextStage, &between), None);
        let last = act(&mut ui, &Command::NextStage, &snap(1));
        assert_eq!(last, Some(Action::NextStage(1)), "the last one is cut short as any other");
        assert_eq!(ui.stops, 0, "nobody has ended the run");
    }

    #[test]
    fn spans_are_gone_through_and_left() {
        let mut ui = UiState::default();
        let mut snap = Snapshot::default();
        act(&mut ui, &Command::Spans, &snap);
        assert_eq!(ui.span, None);
        snap.spans = vec![Arc::default(), Arc::new(SpanView::default())];
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
