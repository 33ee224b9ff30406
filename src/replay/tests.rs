//! Laws of replay: live, replayed and expanded figures are equal, and expanding gives the events back.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::Clock;
use crate::event::{CountedBy, Event, Sent};
use crate::metrics::RequestRecord;
use crate::recording::tests::{Resumption, read, record, resumption, run};
use crate::ui::{Action, Session};

fn expanded(bytes: &[u8]) -> Vec<Event> {
    Expander::new(read(bytes).unwrap()).collect()
}

/// Everything final in a snapshot, for comparison.
pub(super) fn figures(s: &Snapshot) -> impl PartialEq + std::fmt::Debug + use<> {
    let rates = (s.output_rate, s.input_rate, s.request_rate);
    let times = (s.at_ns, s.phase, s.phase_at_ns, s.measuring_at_ns, s.measured_end_ns, s.ended.clone());
    let lists = (s.series.clone(), s.lanes.clone(), s.recent.clone(), s.slowest.clone(), s.log.clone());
    let verdicts = (s.lost_events, s.degraded.clone(), s.controls.clone(), s.stage.clone());
    let verdicts = (verdicts, s.rate_set, s.rate(), s.at_limit, s.arrivals());
    (s.counts.clone(), s.latency.clone(), rates, times, lists, verdicts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn live_replayed_and_expanded_figures_are_equal(seed: u64, requests in 1_u64..40) {
        let (bytes, live) = record(&run(seed, requests));
        let played = play_reader(read(&bytes).unwrap());
        prop_assert_eq!(figures(&played.snapshot), figures(&live));
        prop_assert_eq!(played.losses, Losses::default());
        let mut again = new_aggregator(&played.header);
        for event in expanded(&bytes) {
            again.apply(&event);
        }
        prop_assert_eq!(figures(&again.snapshot(again.newest_ns())), figures(&live));
        prop_assert_eq!(again.stray_events(), 0);
    }

    #[test]
    fn expanding_gives_the_original_events_in_order(seed: u64, requests in 1_u64..40) {
        let events = run(seed, requests);
        let again = expanded(&record(&events).0);
        prop_assert_eq!(again.len(), events.len());
        for (again, event) in again.iter().zip(&events) {
            prop_assert_eq!(again, event);
        }
    }

    #[test]
    fn of_a_resumed_recording_only_the_last_attempt_counts(
        seed: u64, requests in 1_u64..30, share in 0.0..1.0_f64,
    ) {
        let Resumption { whole, alone } = resumption(seed, requests, share);
        let (bytes, live) = record(&whole);
        let (_, want) = record(&alone);
        prop_assert_eq!((&live.counts, &live.latency), (&want.counts, &want.latency));
        prop_assert_eq!((&live.output_rate, &live.lanes), (&want.output_rate, &want.lanes));
        prop_assert_eq!(live.in_flight.total, want.in_flight.total);
        let played = play_reader(read(&bytes).unwrap());
        prop_assert_eq!((&played.snapshot.counts, &played.snapshot.latency), (&want.counts, &want.latency));
        prop_assert_eq!((&played.snapshot.output_rate, &played.snapshot.lanes), (&want.output_rate, &want.lanes));
        prop_assert_eq!((&played.snapshot.ended, played.snapshot.phase), (&want.ended, want.phase));
        prop_assert_eq!(played.losses, Losses::default());
        let mut again = new_aggregator(&played.header);
        let events = expanded(&bytes);
        prop_assert!(events.iter().map(Event::at_ns).is_sorted());
        for event in events {
            again.apply(&event);
        }
        let again = again.snapshot(again.newest_ns());
        prop_assert_eq!((&again.counts, &again.latency), (&live.counts, &live.latency));
    }

    #[test]
    fn a_cut_recording_still_expands_in_order(seed: u64, requests in 1_u64..25, cut in 0.0..1.0_f64) {
        let (bytes, _) = record(&run(seed, requests));
        if let Ok(reader) = read(&bytes[..(bytes.len() as f64 * cut) as usize]) {
            let times: Vec<u64> = Expander::new(reader).map(|e| e.at_ns()).collect();
            prop_assert!(times.is_sorted());
        }
    }
}

#[test]
fn a_request_without_its_sent_line_is_expanded_all_the_same() {
    let (bytes, _) = record(&run(4, 12));
    let entries = read(&bytes).unwrap().filter(|e| !matches!(e, Entry::Event(Event::Sent(_))));
    let sent = Expander::new(entries).filter(|e| matches!(e, Event::Sent(_))).count();
    assert_eq!(sent, 12);
}

fn wait_for(session: &ReplaySession, what: impl Fn(&ReplaySession) -> bool) {
    for _ in 0..400 {
        if what(session) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the player stands at {:?}", session.transport());
}

#[test]
fn the_player_obeys_the_transport() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl.zst");
    let (bytes, live) = record(&run(21, 30));
    std::fs::write(&path, bytes).unwrap();
    let session = ReplaySession::start(&path, Clock::start(), 1.0).unwrap();
    assert_eq!((session.title().profile.as_str(), session.title().model.as_str()), ("test", "tiny"));
    wait_for(&session, |s| s.transport().unwrap().length_ns == live.at_ns);
    session.act(Action::Seek(u64::MAX));
    wait_for(&session, |s| s.snapshot().ended.is_some());
    assert_eq!(session.snapshot().counts, live.counts);
    wait_for(&session, |s| !s.transport().unwrap().playing);
    assert!(!session.over(), "at the end it waits for a key");
    session.act(Action::Step(false));
    wait_for(&session, |s| s.transport().unwrap().at_ns < live.at_ns);
    session.act(Action::Seek(0));
    wait_for(&session, |s| s.snapshot().at_ns == 0 && s.snapshot().counts.sent == 0);
    session.act(Action::Jump(true));
    session.act(Action::Jump(true));
    session.act(Action::Jump(true));
    wait_for(&session, |s| s.snapshot().measuring_at_ns.is_some());
    session.act(Action::Seek(0));
    session.act(Action::Speed(64.0));
    session.act(Action::TogglePause);
    wait_for(&session, |s| s.snapshot().ended.is_some());
    session.act(Action::Stop);
    wait_for(&session, Session::over);
}

#[test]
fn what_was_found_is_told_and_what_is_not_there_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl.zst");
    let (bytes, live) = record(&run(21, 400));
    std::fs::write(&path, bytes).unwrap();
    let session = ReplaySession::start(&path, Clock::start(), 1.0).unwrap();
    session.act(Action::TogglePause);
    wait_for(&session, |s| s.transport().unwrap().indexed.is_none());
    let said = |action: Action| {
        session.act(action);
        for _ in 0..400 {
            if let Some(said) = session.told() {
                return said;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("nothing was said");
    };
    let end = crate::ui::clock_ms(live.at_ns);
    assert_eq!(said(Action::Seek(u64::MAX)), format!("the recording ends at {end}: the head is there"));
    assert_eq!(said(Action::Outlier(true)), format!("no more outliers after {end}"));
    assert_eq!(said(Action::Step(true)), format!("no request ends after {end}"));
    assert!(said(Action::Jump(true)).starts_with("no more marks, phases or interventions after "));
    let slowest = live.slowest.iter().max_by_key(|r| r.e2e_ns()).unwrap();
    let word = said(Action::ToSlowest);
    let ended = crate::ui::clock_ms(slowest.finished_ns);
    assert!(word.starts_with(&format!("the slowest request: #{} E2E ", slowest.request)), "{word}");
    assert!(word.ends_with(&format!(", ended {ended}")), "{word}");
    session.act(Action::Seek(0));
    let named = said(Action::Jump(true));
    assert!(named.starts_with("stage 1: ") && named.contains(", at 0:0"), "{named}");
    session.act(Action::Seek(0));
    let first = said(Action::Outlier(true));
    assert!(
        first.starts_with("outlier 1 of ")
            && first.contains("; p99 is ")
            && first.ends_with(" by nearest rank"),
        "{first}"
    );
    assert!(said(Action::Outlier(false)).starts_with("no more outliers before "));
    session.act(Action::Seek(0));
    assert_eq!(said(Action::SeekBy(-5)), "the head is at the beginning");
}

/// A request that is answered without a chunk, as an entry when it is sent and one when it has ended.
fn chunkless(request: u64) -> [Entry; 2] {
    let at_ns = request * 10_000;
    let record = RequestRecord {
        finished_ns: at_ns + 5_000,
        prompt_tokens: 10,
        max_tokens: 7,
        output_tokens: 7,
        counted_by: CountedBy::Usage,
        ..RequestRecord::completed(request, at_ns, Vec::new())
    };
    let sent = Sent {
        at_ns,
        scheduled_ns: at_ns,
        request,
        client: 0,
        stage: 0,
        prompt_tokens: record.prompt_tokens,
        max_tokens: record.max_tokens,
        warmup: false,
    };
    [Entry::Event(Event::Sent(sent)), Entry::Request(record)]
}

#[test]
fn behind_a_lost_end_little_is_held_back_though_nothing_has_chunks() {
    let total = 500_000;
    let read = std::cell::Cell::new(0);
    let entries = || {
        read.set(0);
        let [sent, _] = chunkless(0);
        let rest = (1..total).flat_map(chunkless);
        std::iter::once(sent).chain(rest).inspect(|_| read.set(read.get() + 1))
    };
    let mut events = Expander::new(entries());
    assert!(events.next().is_some());
    assert!(read.get() < total, "{} entries are held back", read.get());
    let mut events = Expander::new(entries());
    assert!(!events.skip_to(1_000_000_000, &mut Aggregator::new()), "in one step");
    assert!(read.get() < total, "{} entries are read ahead", read.get());
}
