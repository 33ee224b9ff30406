//! The collector with a real channel: what comes in is applied, recorded, published, and counted if lost.

use super::*;
use crate::event::Ended;
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
