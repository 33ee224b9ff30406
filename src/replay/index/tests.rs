//! Laws of seeking: any place gives what playing from the beginning gives, and no file beside a recording does harm.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::metrics::Snapshot;
use crate::recording::tests::{header, read, record, resumption, run};
use crate::recording::{Entry, Writer};
use crate::replay::seek::Seeker;
use crate::replay::tests::figures;

/// Checkpoints as close as frames allow, and an index beside however small a recording.
const CLOSE: Limits = Limits { checkpoints: 64, least_spacing: 1, kept_from: 0, memory: 128 << 20 };

fn bytes_of(bytes: &[u8]) -> Origin {
    Origin::Bytes { name: "test".into(), bytes: bytes.into() }
}

/// The same lines in frames of so many each.
fn framed(bytes: &[u8], lines: usize) -> Vec<u8> {
    let text = zstd::decode_all(bytes).unwrap();
    let mut all = text.split_inclusive(|b| *b == b'\n');
    let mut framed = compress(all.next().unwrap()).unwrap();
    let rest: Vec<&[u8]> = all.collect();
    for piece in rest.chunks(lines) {
        framed.extend(compress(&piece.concat()).unwrap());
    }
    framed
}

fn played(bytes: &[u8], at_ns: u64) -> Snapshot {
    let reader = read(bytes).unwrap();
    let mut aggregator = super::super::new_aggregator(reader.header());
    for event in Expander::new(reader).take_while(|event| event.at_ns() <= at_ns) {
        aggregator.apply(&event);
    }
    aggregator.snapshot(at_ns)
}

fn indexed(origin: Origin) -> Seeker {
    let seeker = Seeker::of(origin, CLOSE).unwrap();
    wait(&seeker);
    seeker
}

fn wait(seeker: &Seeker) {
    for _ in 0..1000 {
        if seeker.indexed().is_none() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("the index does not come to an end");
}

fn go(seeker: &mut Seeker, at_ns: u64) -> Snapshot {
    seeker.seek(at_ns);
    while !seeker.advance(at_ns) {}
    seeker.snapshot(at_ns)
}

/// What clients did. Clients of these runs have several requests in flight, of which a lane shows any one.
fn lanes(s: &Snapshot) -> Vec<crate::metrics::Lane> {
    s.lanes.iter().map(|lane| crate::metrics::Lane { current: None, ..(**lane).clone() }).collect()
}

/// Compares piece by piece, so that a difference can be found.
fn same(got: &Snapshot, want: &Snapshot) {
    let at_ns = want.at_ns;
    assert_eq!(got.counts, want.counts, "at {at_ns}");
    assert!(got.latency == want.latency, "latency at {at_ns}");
    assert!(lanes(got) == lanes(want), "lanes at {at_ns}");
    for (got, want) in got.series.iter().zip(want.series.iter()) {
        assert_eq!(got, want, "at {at_ns}");
    }
    for (name, got, want) in [("recent", &got.recent, &want.recent), ("slowest", &got.slowest, &want.slowest)]
    {
        let numbers = |list: &[Arc<_>]| {
            list.iter().map(|r: &Arc<crate::metrics::RequestRecord>| r.request).collect::<Vec<_>>()
        };
        assert_eq!(numbers(got), numbers(want), "{name} at {at_ns}");
    }
    let bare = |s: &Snapshot| Snapshot { lanes: Vec::new(), ..s.clone() };
    assert!(figures(&bare(got)) == figures(&bare(want)), "something else at {at_ns}");
}

/// Goes to places in any order and compares each with the picture of playing to it.
fn check(bytes: &[u8], origin: Origin, shares: &[f64]) -> Result<(), TestCaseError> {
    let mut seeker = indexed(origin);
    let length_ns = seeker.length_ns();
    for share in shares {
        let at_ns = (length_ns as f64 * share) as u64;
        let (got, want) = (go(&mut seeker, at_ns), played(bytes, at_ns));
        same(&got, &want);
        prop_assert_eq!(got.in_flight, want.in_flight);
        prop_assert_eq!(&got.tools, &want.tools);
        prop_assert_eq!(&got.curve, &want.curve);
        for figure in crate::metrics::HeatFigure::ALL {
            prop_assert!(got.heat.of(figure).columns().eq(want.heat.of(figure).columns()));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_place_shows_what_playing_to_it_shows(
        seed: u64, requests in 1_u64..300, lines in 1_usize..40, shares in proptest::collection::vec(0.0..1.0_f64, 8),
    ) {
        let bytes = framed(&record(&run(seed, requests)).0, lines);
        check(&bytes, bytes_of(&bytes), &shares)?;
    }

    #[test]
    fn so_it_is_in_a_recording_that_was_cut_or_went_on(
        seed: u64, requests in 1_u64..60, cut in 0.3..1.0_f64, shares in proptest::collection::vec(0.0..1.0_f64, 5),
    ) {
        let resumed = framed(&record(&resumption(seed, requests, cut).whole).0, 5);
        check(&resumed, bytes_of(&resumed), &shares)?;
        let bytes = framed(&record(&run(seed, requests)).0, 5);
        let cut = &bytes[..(bytes.len() as f64 * cut) as usize];
        if read(cut).is_ok() {
            check(cut, bytes_of(cut), &shares)?;
        }
    }
}

/// A run long enough for several checkpoints in batches, beside which a sidecar can be.
fn recording(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("run.jsonl.zst");
    std::fs::write(&path, framed(&record(&run(7, 1500)).0, 20)).unwrap();
    path
}

fn checkpoints(seeker: &Seeker) -> usize {
    seeker.index().checkpoint_count()
}

#[test]
fn the_index_is_kept_beside_the_recording_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = recording(folder.path());
    let origin = Origin::of(&path).unwrap();
    let first = indexed(origin.clone());
    assert!(!first.index().loaded);
    let n = checkpoints(&first);
    assert!(n >= 4, "{n} checkpoints");
    let places = first.places().unwrap().clone();
    drop(first);
    let again = Seeker::of(origin.clone(), CLOSE).unwrap();
    assert!(again.index().loaded, "it is there at once");
    assert_eq!((checkpoints(&again), again.places()), (n, Some(&places)));
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no draft is left: {names:?}");
    check(&std::fs::read(&path).unwrap(), origin, &[0.9, 0.1, 0.5, 0.99]).unwrap();
}

#[test]
fn a_stale_damaged_or_foreign_index_is_built_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = recording(folder.path());
    let origin = Origin::of(&path).unwrap();
    drop(indexed(origin.clone()));
    let sidecar = origin.sidecar().unwrap();
    let good = std::fs::read(&sidecar).unwrap();
    let list_at = u64::from_le_bytes(good[good.len() - 16..good.len() - 8].try_into().unwrap()) as usize;
    let mut list = decompress(&good[list_at..good.len() - 16]).unwrap();
    list[0] += 1;
    let mut foreign = good[..list_at].to_vec();
    foreign.extend(compress(&list).unwrap());
    foreign.extend_from_slice(&good[good.len() - 16..]);
    let mut flipped = good.clone();
    flipped[list_at + 20] ^= 0x55;
    let bad =
        [Vec::new(), good[..good.len() / 2].to_vec(), b"not an index at all".to_vec(), foreign, flipped];
    for bad in bad {
        std::fs::write(&sidecar, bad).unwrap();
        let seeker = Seeker::of(origin.clone(), CLOSE).unwrap();
        assert!(!seeker.index().loaded);
        wait(&seeker);
        drop(seeker);
        assert!(Seeker::of(origin.clone(), CLOSE).unwrap().index().loaded, "a good one took its place");
    }
    // Another recording of that name, as long as the first.
    let mut other = std::fs::read(&path).unwrap();
    let end = other.len() - 3;
    other[end] ^= 1;
    std::fs::write(&path, other).unwrap();
    assert!(!Seeker::of(origin, CLOSE).unwrap().index().loaded);
}

#[test]
fn damage_within_checkpoints_is_found_when_they_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = recording(folder.path());
    let origin = Origin::of(&path).unwrap();
    drop(indexed(origin.clone()));
    let sidecar = origin.sidecar().unwrap();
    let mut bytes = std::fs::read(&sidecar).unwrap();
    let list_at = u64::from_le_bytes(bytes[bytes.len() - 16..bytes.len() - 8].try_into().unwrap()) as usize;
    bytes[8..list_at].fill(0xAB);
    std::fs::write(&sidecar, bytes).unwrap();
    let mut seeker = Seeker::of(origin, CLOSE).unwrap();
    assert!(seeker.index().loaded, "the list is whole");
    let at_ns = seeker.length_ns() * 9 / 10;
    let want = played(&std::fs::read(&path).unwrap(), at_ns);
    same(&go(&mut seeker, at_ns), &want);
    assert!(!seeker.index().loaded, "it is built anew");
}

#[test]
fn where_no_file_can_be_made_it_stays_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = recording(folder.path());
    let origin = Origin::of(&path).unwrap();
    // A folder of the draft's name is in the way even of somebody who may write anywhere.
    let mut draft = origin.sidecar().unwrap().into_os_string();
    draft.push(format!(".{}", std::process::id()));
    std::fs::create_dir(&draft).unwrap();
    let seeker = indexed(origin.clone());
    assert!(checkpoints(&seeker) >= 4);
    assert!(!origin.sidecar().unwrap().exists());
    check(&std::fs::read(&path).unwrap(), origin, &[0.8, 0.2]).unwrap();
}

#[test]
fn in_memory_checkpoints_are_bounded() {
    let bytes = framed(&record(&run(7, 1500)).0, 20);
    let wide = indexed(bytes_of(&bytes));
    let limits = Limits { memory: 40_000, ..CLOSE };
    let narrow = Seeker::of(bytes_of(&bytes), limits).unwrap();
    wait(&narrow);
    assert!(checkpoints(&narrow) < checkpoints(&wide));
    assert!(narrow.index().memory() <= 40_000);
}

#[test]
fn an_index_that_nobody_wants_any_more_is_not_gone_on_with() {
    let bytes = framed(&record(&run(5, 4000)).0, 20);
    let index = Index::build(&bytes_of(&bytes), CLOSE);
    let inner = Arc::downgrade(&index.inner);
    drop(index);
    for _ in 0..1000 {
        if inner.strong_count() == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("its threads still run");
}

#[test]
fn lines_without_frames_are_indexed_too() {
    let text = zstd::decode_all(&record(&run(9, 1000)).0[..]).unwrap();
    let seeker = indexed(bytes_of(&text));
    assert!(checkpoints(&seeker) >= 2);
    drop(seeker);
    check(&text, bytes_of(&text), &[0.7, 0.3, 0.95]).unwrap();
}

/// The same lines in a single frame too big to be read as a whole, padded with lines that mean nothing.
fn in_one_frame(bytes: &[u8]) -> Vec<u8> {
    let text = zstd::decode_all(bytes).unwrap();
    let (header, lines) = text.split_at(text.iter().position(|b| *b == b'\n').unwrap() + 1);
    let padding = format!("{{\"padding\":\"{}\"}}\n", "x".repeat(200_000)).repeat(90);
    compress(&[header, padding.as_bytes(), lines].concat()).unwrap()
}

#[test]
fn a_recording_in_one_frame_has_checkpoints_within_it() {
    let bytes = in_one_frame(&record(&run(11, 1500)).0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.jsonl.zst");
    std::fs::write(&path, &bytes).unwrap();
    let origin = Origin::of(&path).unwrap();
    let seeker = indexed(origin.clone());
    assert!(checkpoints(&seeker) >= 2, "{} checkpoints", checkpoints(&seeker));
    let last = seeker.index().find(u64::MAX).unwrap();
    assert!(last.from.offset == 0 && last.from.skip > 16 << 20, "{:?}", last.from);
    drop(seeker);
    assert!(Seeker::of(origin.clone(), CLOSE).unwrap().index().loaded);
    check(&bytes, origin.clone(), &[0.9, 0.3, 0.97]).unwrap();
    // What follows such a frame is found as ever, and a cut in it costs only what is behind it.
    let text = zstd::decode_all(&bytes[..]).unwrap();
    let mut lines = text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1);
    let half = lines.nth(1500).unwrap();
    let mut more = compress(&text[..half]).unwrap();
    for piece in text[half..].split_inclusive(|b| *b == b'\n').collect::<Vec<_>>().chunks(9) {
        more.extend(compress(&piece.concat()).unwrap());
    }
    for bytes in [&more[..], &bytes[..bytes.len() - 5000]] {
        check(bytes, bytes_of(bytes), &[0.8, 0.3, 1.0]).unwrap();
    }
}

#[test]
fn a_servers_count_of_a_prompt_is_the_same_on_both_ways() {
    let disk = crate::recording::tests::Disk::new(usize::MAX);
    let mut writer = Writer::to(Box::new(disk.clone()), &header(), true).unwrap();
    let mut live = Aggregator::new();
    for mut event in run(3, 400) {
        if let crate::event::Event::Finished(end) = &mut event {
            end.prompt_tokens = Some(1000);
        }
        let finished = live.apply(&event);
        writer.write(&event, finished.as_deref());
    }
    writer.finish().unwrap();
    let bytes = framed(&disk.bytes.lock().unwrap(), 10);
    check(&bytes, bytes_of(&bytes), &[0.6, 0.2, 1.0]).unwrap();
    let requests =
        read(&bytes).unwrap().filter(|e| matches!(e, Entry::Request(r) if r.prompt_tokens == 1000));
    assert_eq!(requests.count(), 400);
}
