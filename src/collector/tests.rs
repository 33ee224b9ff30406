//! The collector with a real channel: what comes in is applied, recorded, published, and counted if lost.

use super::sink::{Left, Parcel};
use super::*;
use crate::event::{Ended, Phase};
use crate::recording::tests::{Disk, header, read, record, run};
use crate::recording::{Entry, Losses};

fn options(writer: Option<Writer>) -> Options {
    let sla = crate::metrics::CurveSla::default();
    Options { writer, headless: false, warmup_per_client: 1, stages: 1, sla, amend: None }
}

#[test]
fn what_goes_in_comes_out_as_figures_and_as_a_recording() {
    let events = run(42, 40);
    let (_, want) = record(&events);
    let disk = Disk::new(usize::MAX);
    let writer = Writer::to(Box::new(disk.clone()), &header(), false).unwrap();
    let (sink, source) = channel(CAPACITY);
    let handle = Collector::start(source, Clock::start(), options(Some(writer))).unwrap();
    let recording = Arc::clone(&handle.recording);
    for event in events {
        sink.send(event);
    }
    let outcome = handle.join();
    assert_eq!(outcome.trouble, None);
    assert!(recording.closed());
    assert_eq!(outcome.snapshot.counts, want.counts);
    assert_eq!(outcome.snapshot.latency, want.latency);
    assert_eq!(outcome.snapshot.lost_events, 0);
    let bytes = disk.bytes.lock().unwrap().clone();
    assert_eq!(outcome.written.unwrap().bytes, bytes.len() as u64);
    let mut reader = read(&bytes).unwrap();
    assert_eq!(reader.by_ref().filter(|e| matches!(e, Entry::Request(_))).count(), 40);
    assert_eq!(reader.losses(), Losses::default());
}

#[test]
fn events_without_room_are_counted_and_taint_the_run() {
    let (sink, source) = channel(10);
    for second in 0..25 {
        sink.send(Event::Prefill { at_ns: second, request: 0 });
    }
    let handle = Collector::start(source, Clock::start(), options(None)).unwrap();
    sink.send(Event::Ended { at_ns: 100, how: Ended::Complete });
    assert_eq!(handle.join().snapshot.lost_events, 15);
}

#[test]
fn a_disk_that_fails_is_told_loudly_and_the_figures_go_on() {
    let events = run(9, 60);
    let (whole, want) = record(&events);
    let writer = Writer::to(Box::new(Disk::new(whole.len() / 2)), &header(), false).unwrap();
    let (sink, source) = channel(CAPACITY);
    let handle = Collector::start(source, Clock::start(), options(Some(writer))).unwrap();
    let recording = Arc::clone(&handle.recording);
    for event in events {
        sink.send(event);
    }
    let outcome = handle.join();
    assert!(outcome.trouble.unwrap().contains("no space left"));
    assert!(recording.trouble().is_some() && !recording.closed());
    assert_eq!(outcome.snapshot.counts, want.counts);
    assert!(outcome.snapshot.log.iter().any(|line| line.level == Level::Error));
}

#[test]
fn the_end_is_seen_however_long_there_was_no_room_for_it() {
    let (sink, source) = channel(10);
    for at_ns in 0..12 {
        sink.send(Event::Prefill { at_ns, request: 0 });
    }
    // As behind a disk that hangs: nobody takes anything meanwhile.
    sink.send(Event::Ended { at_ns: 100, how: Ended::Complete });
    let handle = Collector::start(source, Clock::start(), options(None)).unwrap();
    for _ in 0..200 {
        if handle.is_finished() {
            let left = handle.join();
            assert_eq!((left.snapshot.ended.clone(), left.snapshot.lost_events), (Some(Ended::Complete), 2));
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it waits for an end that is gone");
}

#[test]
fn it_ends_when_all_sinks_are_gone() {
    let (sink, source) = channel(10);
    let handle = Collector::start(source, Clock::start(), options(None)).unwrap();
    drop(sink);
    assert_eq!(handle.join().trouble, None);
}

#[test]
fn frozen_takes_no_snapshots() {
    let (sink, source) = channel(10);
    let handle = Collector::start(source, Clock::start(), options(None)).unwrap();
    handle.freeze(true);
    // A snapshot may be under way; the next one after it must not come.
    std::thread::sleep(Duration::from_millis(60));
    let before = handle.snapshots.load_full();
    std::thread::sleep(Duration::from_millis(150));
    assert!(Arc::ptr_eq(&before, &handle.snapshots.load_full()));
    handle.freeze(false);
    std::thread::sleep(Duration::from_millis(200));
    assert!(!Arc::ptr_eq(&before, &handle.snapshots.load_full()));
    drop(sink);
    handle.join();
}

fn token(at_ns: u64) -> Event {
    Event::Token { at_ns, request: 1, tokens: 1 }
}

/// What lies in the channel, as times of events; those that came together behind each other.
fn parcels(source: &Source) -> Vec<Vec<u64>> {
    let times = |parcel| match parcel {
        Parcel::Event(event) => vec![event.at_ns()],
        Parcel::Several(events) => events.iter().map(Event::at_ns).collect(),
    };
    source.receiver.try_iter().map(times).collect()
}

#[test]
fn a_thread_that_hands_in_before_it_waits_has_its_events_gathered() {
    std::thread::spawn(|| {
        let (sink, source) = channel(CAPACITY);
        sink.send(token(1));
        assert_eq!(parcels(&source), [[1]], "it may never hand in");
        hand_in(Gather::Tokens);
        (2..8).for_each(|at_ns| sink.send(token(at_ns)));
        assert!(parcels(&source).is_empty());
        hand_in(Gather::Tokens);
        assert_eq!(parcels(&source), [[2, 3, 4, 5, 6, 7]]);
        sink.send(token(8));
        sink.send(Event::Prefill { at_ns: 9, request: 2 });
        sink.send(token(10));
        assert_eq!(parcels(&source), [[8], [9]], "nothing overtakes a token");
        let (other, others) = channel(CAPACITY);
        other.send(token(11));
        assert_eq!(parcels(&source), [[10]], "each goes where it belongs");
        hand_in(Gather::Requests);
        assert_eq!(parcels(&others), [[11]]);
        (0..8).for_each(|at_ns| other.send(Event::Prefill { at_ns, request: 2 }));
        other.send(Event::Phase { at_ns: 8, stage: 0, phase: Phase::Measuring });
        let gathered: Vec<u64> = (0..8).collect();
        assert_eq!(
            parcels(&others),
            [gathered, vec![8]],
            "what is not of requests is told at once, and behind them"
        );
        (12..12 + 1000).for_each(|at_ns| other.send(token(at_ns)));
        assert!(parcels(&others).iter().map(Vec::len).sum::<usize>() >= 512, "no more than some wait");
        hand_in(Gather::Nothing);
        parcels(&others);
        other.send(token(13));
        assert_eq!(parcels(&others), [[13]]);
    })
    .join()
    .unwrap();
}

#[test]
fn what_a_thread_has_gathered_is_handed_in_at_its_end_and_counted_if_there_is_no_room() {
    let (sink, source) = channel(10);
    let theirs = sink.clone();
    std::thread::spawn(move || {
        hand_in(Gather::Tokens);
        (0..40).for_each(|at_ns| theirs.send(token(at_ns)));
    })
    .join()
    .unwrap();
    assert_eq!(parcels(&source).concat(), (0..40).collect::<Vec<u64>>());
    (0..10).for_each(|at_ns| sink.send(Event::Prefill { at_ns, request: 0 }));
    hand_in(Gather::Tokens);
    (0..30).for_each(|at_ns| sink.send(token(at_ns)));
    hand_in(Gather::Tokens);
    assert_eq!(source.take_lost(), 30);
}

#[test]
fn gathered_events_take_no_more_memory_than_is_said() {
    std::thread::spawn(|| {
        const MOST: u64 = 1 << 19;
        let (sink, source) = channel(CAPACITY);
        hand_in(Gather::Tokens);
        (0..MOST + 1000).for_each(|at_ns| sink.send(token(at_ns)));
        hand_in(Gather::Tokens);
        assert_eq!(source.take_lost(), 1000, "there is room for parcels, and none for what they hold");
        sink.send(Event::Prefill { at_ns: 7, request: 2 });
        assert_eq!(source.take_lost(), 0);
        let (mut seen, mut rounds) = (0, 0);
        while source.take(Duration::ZERO, 5000, |_| seen += 1).left == Left::Some {
            rounds += 1;
        }
        assert_eq!(seen, MOST + 1);
        assert!(
            (MOST / 5300..=MOST / 5000).contains(&rounds),
            "so many at a time, and the last one's parcel: {rounds}"
        );
        (0..MOST).for_each(|at_ns| sink.send(token(at_ns)));
        hand_in(Gather::Tokens);
        assert_eq!(source.take_lost(), 0, "what was taken makes room");
    })
    .join()
    .unwrap();
}

#[test]
fn the_collector_rests_the_less_the_more_there_is_to_do() {
    let after =
        |batches: &[usize]| batches.iter().fold(LULL, |lull, events| next_lull(lull, *events)).as_micros();
    assert_eq!((after(&[1023]), after(&[1024]), after(&[1200, 1200])), (10_000, 5_000, 2_500));
    assert_eq!((after(&[5000; 9]), after(&[1024, 300])), (1_000, 5_000), "no less than that, and it settles");
    assert_eq!((after(&[1024, 1024, 255]), after(&[1024, 0, 0])), (5_000, 10_000));
}
