//! Laws of the format: what is written is read again, a cut costs only what is behind it, damage never panics.

mod laws;
mod loads;
mod resumed;

pub(crate) use resumed::{Resumption, resumption};

use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex};

use super::*;
use crate::event::*;
use crate::metrics::{Aggregator, Snapshot};

const TICK: u64 = 1_000;

pub(crate) fn header() -> Header {
    let profile = serde_json::json!({
        "profile": { "name": "test" }, "backend": { "kind": "sim" }, "model": { "dummy": "tiny" },
        "load": { "warmup_requests_per_client": 1 },
    });
    Header {
        seed: 1,
        command: vec!["fastgen-tui".into()],
        ..Header::new(TICK, profile, jiff::Timestamp::UNIX_EPOCH)
    }
}

/// A small deterministic generator of numbers, so that a failing case is named by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn request(r: &mut Random, id: u64, start: u64, events: &mut Vec<Event>) {
    let outcome = [Outcome::Completed, Outcome::Completed, Outcome::Cancelled, Outcome::FailedEngine];
    let outcome = outcome[r.below(4) as usize];
    let warmup = id < 4;
    let at = |ticks: u64| ticks * TICK;
    let mut t = start + r.below(50_000);
    events.push(Event::Sent(Sent {
        at_ns: at(t),
        scheduled_ns: at(t - r.below(start.min(20_000) + 1)),
        request: id,
        client: (id % 4) as u32,
        stage: 0,
        prompt_tokens: 1 + r.below(500) as u32,
        max_tokens: 64,
        warmup,
    }));
    if r.below(2) == 0 {
        t += 1 + r.below(3_000);
        events.push(Event::Prefill { at_ns: at(t), request: id });
    }
    let many = r.below(3) == 0;
    let (mut output_tokens, chunks) = (0, r.below(40));
    for _ in 0..chunks {
        t += 1 + r.below(60_000);
        let tokens = if many { 1 + r.below(4) as u32 } else { 1 };
        output_tokens += tokens;
        events.push(Event::Token { at_ns: at(t), request: id, tokens });
    }
    t += 1 + r.below(1_000);
    events.push(Event::Finished(Box::new(Finished {
        at_ns: at(t),
        request: id,
        outcome,
        output_tokens,
        counted_by: if many { CountedBy::Usage } else { CountedBy::Engine },
        prompt_tokens: None,
        error: outcome.is_failure().then(|| "it broke\nbadly \u{1b}[31m".into()),
        text: None,
        status: None,
        retries: 0,
    })));
}

/// A well-formed run: all kinds of events, in order, no two at the same time.
pub(crate) fn run(seed: u64, requests: u64) -> Vec<Event> {
    let mut r = Random(seed | 1);
    let open = loads::open(&mut r);
    let clients = open.is_none().then_some(4);
    let mut events = vec![
        Event::Ready {
            at_ns: 0,
            info: Box::new(BackendInfo { kind: "sim".into(), ..BackendInfo::default() }),
        },
        Event::Stage(Box::new(StageStart {
            at_ns: 0,
            stage: 0,
            name: "main".into(),
            sweep: vec![("clients".into(), 4.into())],
            clients,
            open,
            planned_requests: Some(requests),
            planned_ns: None,
        })),
        Event::Phase { at_ns: 0, stage: 0, phase: Phase::Warmup },
        Event::Phase { at_ns: 500_000 * TICK, stage: 0, phase: Phase::Measuring },
    ];
    for id in 0..requests {
        let start = if id < 4 { 10 } else { 500_000 + r.below(requests * 100_000) };
        request(&mut r, id, start, &mut events);
    }
    let end_ns = events.iter().map(Event::at_ns).max().unwrap_or(0) + TICK;
    for second in 1..=end_ns / 1_000_000_000 {
        let at_ns = second * 1_000_000_000;
        events.push(Event::Sample(Box::new(Sample { at_ns, cpu_percent: Some(12.5), ..Sample::default() })));
    }
    let mark = Control::Mark { note: "here \"it\" is".into() };
    let (cancel, next) = (Control::Cancel { request: 3 }, Control::NextStage { stage: 0 });
    let still = [Control::Suspended, Control::Continued];
    let controls = [mark, Control::Rate { rate: 3.25 }, cancel, next].into_iter().chain(still);
    events.extend(controls.map(|control| Event::Control { at_ns: end_ns / 2, control }));
    events.push(Event::Log(Box::new(LogLine {
        at_ns: end_ns / 3,
        level: Level::Warn,
        source: "engine".into(),
        message: "a\tb\u{7}".into(),
    })));
    events.push(Event::Phase { at_ns: end_ns + TICK, stage: 0, phase: Phase::Done });
    events.push(Event::StageEnd(Box::new(StageEnd {
        at_ns: end_ns + TICK,
        stage: 0,
        name: "main".into(),
        sweep: vec![("clients".into(), 4.into())],
        clients,
        how: StageOutcome::Complete,
    })));
    events.push(Event::Ended { at_ns: end_ns + 2 * TICK, how: Ended::Complete });
    events.sort_by_key(Event::at_ns);
    let mut last = None;
    for event in &mut events {
        let at = event.at_ns() - event.at_ns() % TICK;
        let at = last.map_or(at, |l: u64| at.max(l + TICK));
        set_at(event, at);
        last = Some(at);
    }
    events
}

fn set_at(event: &mut Event, at: u64) {
    match event {
        Event::Loading { at_ns, .. }
        | Event::Ready { at_ns, .. }
        | Event::Phase { at_ns, .. }
        | Event::Prefill { at_ns, .. }
        | Event::Token { at_ns, .. }
        | Event::Control { at_ns, .. }
        | Event::Lost { at_ns, .. }
        | Event::Ended { at_ns, .. } => *at_ns = at,
        Event::Stage(s) => s.at_ns = at,
        Event::StageEnd(s) => s.at_ns = at,
        Event::Resumed(r) => r.at_ns = at,
        Event::Sent(s) => s.at_ns = at,
        Event::Finished(f) => f.at_ns = at,
        Event::Sample(s) => s.at_ns = at,
        Event::Log(l) => l.at_ns = at,
    }
}

/// A stream that fails after so many bytes, and whose bytes can be had afterwards.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) bytes: Arc<Mutex<Vec<u8>>>,
    room: usize,
}

impl Disk {
    pub(crate) fn new(room: usize) -> Self {
        Self { bytes: Arc::default(), room }
    }
}

impl Write for Disk {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let mut bytes = self.bytes.lock().unwrap();
        let room = self.room - bytes.len();
        if room == 0 {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"));
        }
        let n = piece.len().min(room);
        bytes.extend_from_slice(&piece[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Records a run; gives the file and the live figures at its end.
pub(crate) fn record(events: &[Event]) -> (Vec<u8>, Snapshot) {
    let disk = Disk::new(usize::MAX);
    let mut writer = Writer::to(Box::new(disk.clone()), &header(), true).unwrap();
    let mut live = Aggregator::new();
    live.expect_warmup(1);
    for event in events {
        let finished = live.apply(event);
        writer.write(event, finished.as_deref());
    }
    writer.finish().unwrap();
    let bytes = std::mem::take(&mut *disk.bytes.lock().unwrap());
    let snapshot = live.snapshot(live.newest_ns());
    (bytes, snapshot)
}

pub(crate) fn read(bytes: &[u8]) -> Result<Reader, RecordingError> {
    from_reader(Box::new(Cursor::new(bytes.to_vec())), "test".into())
}

fn read_all(bytes: &[u8]) -> (Vec<Entry>, Losses) {
    let mut reader = read(bytes).unwrap();
    let entries = reader.by_ref().collect();
    (entries, reader.losses())
}

/// Starts of all frames.
fn frame_starts(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|i| bytes[*i..].starts_with(&frames::MAGIC)).collect()
}

#[test]
fn a_whole_recording_loses_nothing() {
    let (bytes, _) = record(&run(7, 30));
    let (entries, losses) = read_all(&bytes);
    assert_eq!(losses, Losses::default());
    assert_eq!(entries.iter().filter(|e| matches!(e, Entry::Request(_))).count(), 30);
    let failed = entries.iter().find_map(|e| match e {
        Entry::Request(r) => r.error.clone(),
        Entry::Event(_) => None,
    });
    assert_eq!(failed.as_deref(), Some("it broke\nbadly \u{1b}[31m"));
}

#[test]
fn plain_json_lines_are_read_too() {
    let (bytes, _) = record(&run(3, 10));
    let plain = zstd::decode_all(&bytes[..]).unwrap();
    assert_eq!(read_all(&plain), read_all(&bytes));
    for line in plain.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        assert!(serde_json::from_slice::<serde_json::Value>(line).is_ok());
    }
    let (_, losses) = read_all(&plain[..plain.len() - 5]);
    assert!(losses.cut_off && losses.damaged_lines == 0, "{losses:?}");
}

#[test]
fn one_big_frame_is_read_too() {
    let (bytes, _) = record(&run(3, 60));
    let plain = zstd::decode_all(&bytes[..]).unwrap();
    assert_eq!(read_all(&zstd::encode_all(&plain[..], 9).unwrap()).0, read_all(&bytes).0);
}

#[test]
fn frames_are_closed_within_a_second_and_when_idle() {
    let disk = Disk::new(usize::MAX);
    let mut writer = Writer::to(Box::new(disk.clone()), &header(), false).unwrap();
    assert_eq!(frame_starts(&disk.bytes.lock().unwrap()).len(), 1, "the header is there at once");
    let log = |at_ns| Event::Lost { at_ns, events: 1 };
    writer.write(&log(0), None);
    writer.tick(500_000_000);
    assert_eq!(frame_starts(&disk.bytes.lock().unwrap()).len(), 1);
    writer.tick(950_000_000);
    assert_eq!(frame_starts(&disk.bytes.lock().unwrap()).len(), 2);
    writer.write(&log(1_000_000_000), None);
    writer.write(&log(2_000_000_000), None);
    assert_eq!(frame_starts(&disk.bytes.lock().unwrap()).len(), 3);
}

#[test]
fn a_full_disk_ends_the_writing_and_is_told() {
    let events = run(5, 60);
    let (whole, _) = record(&events);
    let disk = Disk::new(whole.len() / 2);
    let mut writer = Writer::to(Box::new(disk.clone()), &header(), true).unwrap();
    let mut live = Aggregator::new();
    for event in &events {
        let finished = live.apply(event);
        writer.write(event, finished.as_deref());
    }
    assert!(writer.trouble().unwrap().contains("no space left"));
    assert!(writer.unwritten() > 0);
    let error = writer.finish().unwrap_err().to_string();
    assert!(error.contains("no space left") && error.contains("events were not written"), "{error}");
    let left = disk.bytes.lock().unwrap().clone();
    let (entries, losses) = read_all(&left);
    assert!(!entries.is_empty() && losses.cut_off);
    assert_eq!(entries[..], read_all(&whole).0[..entries.len()]);
}

#[test]
fn files_are_made_with_their_folders_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/run.jsonl.zst");
    let writer = Writer::create(&path, &header(), false).unwrap();
    assert!(open(&path).is_ok(), "readable while it is written");
    let again = Writer::create(&path, &header(), false).err().unwrap().to_string();
    assert!(again.contains("run.jsonl.zst exists already"), "{again}");
    let written = writer.finish().unwrap();
    assert_eq!(written.bytes, std::fs::metadata(&path).unwrap().len());
    let below = path.join("c.jsonl.zst");
    assert!(matches!(Writer::create(&below, &header(), false), Err(RecordingError::Create { .. })));
}

#[test]
fn what_is_no_recording_is_told_apart() {
    let kind = |bytes: &[u8]| match read(bytes) {
        Ok(_) => "recording",
        Err(RecordingError::Empty { .. }) => "empty",
        Err(RecordingError::NotARecording { .. }) => "not",
        Err(RecordingError::CutInHeader { .. }) => "cut",
        Err(RecordingError::BadHeader { .. }) => "bad",
        Err(RecordingError::Newer { .. }) => "newer",
        Err(_) => "other",
    };
    let (bytes, _) = record(&run(1, 5));
    let pack = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
    assert_eq!(kind(b""), "empty");
    assert_eq!(kind(b"hello"), "not");
    assert_eq!(kind(b"{\"a\":1}\n"), "not");
    assert_eq!(kind(&pack("some text\n")), "not");
    assert_eq!(kind(&bytes[..2]), "cut");
    assert_eq!(kind(&bytes[..60]), "cut");
    assert_eq!(kind(br#"{"fastgen_recording":{"ma"#), "cut");
    assert_eq!(kind(&pack("{\"fastgen_recording\":{\"major\":2,\"minor\":0},\"new\":1}\n")), "newer");
    assert_eq!(kind(&pack("{\"fastgen_recording\":{\"major\":1,\"minor\":0}}\n")), "bad");
    assert_eq!(kind(&bytes), "recording");
}

#[test]
fn unknown_kinds_are_skipped_and_damaged_lines_counted() {
    let mut text = serde_json::to_string(&header()).unwrap();
    text.push_str("\n{\"weather\":{\"t\":1,\"rain\":true}}\n{\"lost\":{\"t\":5,\"events\":2,\"new\":0}}\n");
    text.push_str("{\"intervened\":{\"t\":5,\"what\":\"song\"}}\n");
    text.push_str("{\"control\":{\"t\":5,\"what\":\"rate\"}}\n");
    text.push_str("{\"req\":{\"id\":1,\"t\":1,\"d\":[1,2],\"n\":[1]}}\n{\"lost\":\n");
    let (entries, losses) = read_all(text.as_bytes());
    assert_eq!(entries, [Entry::Event(Event::Lost { at_ns: 5 * TICK, events: 2 })]);
    assert_eq!((losses.unknown_lines, losses.damaged_lines), (2, 3));
}

#[test]
fn garbage_in_the_middle_costs_its_frame_only() {
    let (bytes, _) = record(&run(11, 80));
    let (all, _) = read_all(&bytes);
    let starts = frame_starts(&bytes);
    assert!(starts.len() > 5);
    let (from, to) = (starts[3], starts[4]);
    let mut bad = bytes.clone();
    bad[from + 8..to - 8].fill(0x5A);
    let (entries, losses) = read_all(&bad);
    assert_eq!(losses.damaged_frames, 1);
    let lost = all.len() - read_all(&bytes[..from]).0.len() - (all.len() - read_all(&bytes[..to]).0.len());
    assert_eq!(entries.len(), all.len() - lost);
    let mut inserted = bytes.clone();
    inserted.splice(from..from, b"garbage between the frames".iter().copied());
    let (entries, losses) = read_all(&inserted);
    assert_eq!((entries.len(), losses.skipped_bytes), (all.len(), 26));
}

#[test]
fn text_is_kept_only_if_asked_and_credentials_never() {
    let mut events = run(2, 6);
    for event in &mut events {
        if let Event::Finished(end) = event {
            end.text = Some("a poem".into());
            end.error = Some("no answer from http://me:secret@host/".into());
        }
    }
    let mut secret = header();
    secret.command.push("--url=https://me:secret@host/v1".into());
    let disk = Disk::new(usize::MAX);
    let mut writer = Writer::to(Box::new(disk.clone()), &secret, false).unwrap();
    let mut live = Aggregator::new();
    for event in &events {
        let finished = live.apply(event);
        writer.write(event, finished.as_deref());
    }
    writer.finish().unwrap();
    let plain = zstd::decode_all(&disk.bytes.lock().unwrap()[..]).unwrap();
    let plain = String::from_utf8(plain).unwrap();
    assert!(!plain.contains("secret") && !plain.contains("poem"));
    assert!(plain.contains("http://***@host/"));
}
