//! Recordings that broke off and were gone on with.

use super::*;

/// A run in two parts, and the second part alone: what is done in it is all that counts.
pub(crate) struct Resumption {
    pub whole: Vec<Event>,
    pub alone: Vec<Event>,
}

/// A run of one stage that breaks off after some share of its events, and is run again.
pub(crate) fn resumption(seed: u64, requests: u64, share: f64) -> Resumption {
    let mut whole = run(seed, requests);
    whole.truncate(3 + (whole.len() as f64 * share) as usize);
    whole.retain(|event| !matches!(event, Event::Ended { .. }));
    let resumed_ns = (whole.last().map_or(0, Event::at_ns) / 1_000_000_000 + 1) * 1_000_000_000;
    let mut alone = run(seed ^ 0x5555, requests);
    for event in &mut alone {
        set_at(event, event.at_ns() + resumed_ns + TICK);
        renumber(event, resumed_ns, requests);
    }
    whole.push(Event::Resumed(Box::new(Resumed {
        at_ns: resumed_ns,
        host: "here".into(),
        ..Resumed::default()
    })));
    whole.extend(alone.iter().cloned());
    Resumption { whole, alone }
}

fn renumber(event: &mut Event, shift_ns: u64, by: u64) {
    match event {
        Event::Sent(sent) => {
            sent.request += by;
            sent.scheduled_ns += shift_ns + TICK;
        }
        Event::Prefill { request, .. } | Event::Token { request, .. } => *request += by,
        Event::Finished(end) => end.request += by,
        _ => {}
    }
}

#[test]
fn a_torn_end_is_cut_off_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl.zst");
    let events = run(3, 20);
    let (bytes, _) = record(&events);
    let starts = frame_starts(&bytes);
    let cut = usize::midpoint(starts[3], starts[4]);
    let mut torn = bytes[..cut].to_vec();
    torn.extend_from_slice(b"not a frame");
    std::fs::write(&path, &torn).unwrap();

    let held = Reopened::open(&path).unwrap();
    assert!(matches!(Reopened::open(&path), Err(RecordingError::InUse { .. })), "one run at a time");
    let mut reader = open(&path).unwrap();
    let _ = reader.by_ref().count();
    let header = reader.header().clone();
    let whole = reader.whole_bytes().unwrap();
    assert_eq!(whole, starts[3] as u64);
    let kept = read_all(&bytes[..starts[3]]).0;

    let mut writer = held.go_on(whole, &header, false).unwrap();
    let resumed =
        Event::Resumed(Box::new(Resumed { at_ns: 1 << 40, host: "here".into(), ..Resumed::default() }));
    let ended = Event::Ended { at_ns: (1 << 40) + TICK, how: Ended::Complete };
    writer.write(&resumed, None);
    writer.write(&ended, None);
    let written = writer.finish().unwrap();
    assert_eq!(written.bytes, std::fs::metadata(&path).unwrap().len());

    let mut reader = open(&path).unwrap();
    let entries: Vec<Entry> = reader.by_ref().collect();
    assert_eq!(entries[..kept.len()], kept[..]);
    let tick = |event: &Event| event.at_ns() / TICK;
    let last: Vec<u64> = entries[kept.len()..]
        .iter()
        .map(|e| match e {
            Entry::Event(event) => tick(event),
            Entry::Request(_) => 0,
        })
        .collect();
    assert_eq!(last, [tick(&resumed), tick(&ended)]);
    assert_eq!(reader.losses(), Losses::default(), "what was in flight is void, and nothing is damaged");
}

#[test]
fn what_is_no_compressed_recording_has_no_end_to_append_to() {
    let (bytes, _) = record(&run(3, 4));
    let plain = zstd::decode_all(&bytes[..]).unwrap();
    let mut reader = read(&plain).unwrap();
    let _ = reader.by_ref().count();
    assert_eq!(reader.whole_bytes(), None);
    let missing = Reopened::open(std::path::Path::new("/nowhere/x.jsonl.zst")).err().unwrap().to_string();
    assert!(missing.contains("can't be gone on with"), "{missing}");
}
