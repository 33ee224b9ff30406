//! What holds for any recording and any damage.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_cut_anywhere_is_read_up_to_the_cut(seed: u64, requests in 1_u64..25, cut in 0.0..1.0_f64) {
        let (bytes, _) = record(&run(seed, requests));
        let (all, _) = read_all(&bytes);
        let at = (bytes.len() as f64 * cut) as usize;
        if let Ok(mut reader) = read(&bytes[..at]) {
            let entries: Vec<Entry> = reader.by_ref().collect();
            prop_assert_eq!(&entries[..], &all[..entries.len()]);
            prop_assert!(reader.losses().cut_off);
            prop_assert_eq!(reader.losses().damaged_frames, 0);
            let whole = frame_starts(&bytes).into_iter().filter(|start| *start <= at).max().unwrap_or(0);
            prop_assert!(entries.len() >= read(&bytes[..whole]).map_or(0, Iterator::count));
        } else {
            let header_end = frame_starts(&bytes)[1];
            prop_assert!(at < header_end, "only a cut in the header leaves nothing");
        }
    }

    #[test]
    fn whole_frames_end_where_the_next_one_begins(seed: u64, requests in 1_u64..25, cut in 0.0..1.0_f64) {
        let (bytes, _) = record(&run(seed, requests));
        let at = (bytes.len() as f64 * cut) as usize;
        if let Ok(mut reader) = read(&bytes[..at]) {
            let _ = reader.by_ref().count();
            let starts = frame_starts(&bytes);
            let whole = starts.into_iter().chain([bytes.len()]).filter(|start| *start <= at).max();
            prop_assert_eq!(reader.whole_bytes(), whole.map(|at| at as u64));
        }
    }

    #[test]
    fn flipped_bytes_never_panic_and_are_counted(
        seed: u64, requests in 1_u64..25,
        flips in prop::collection::vec((0.0..1.0_f64, 1_u8..), 1..6),
    ) {
        let (bytes, _) = record(&run(seed, requests));
        let (all, _) = read_all(&bytes);
        let mut bad = bytes.clone();
        for (at, flip) in flips {
            let at = ((bad.len() as f64 * at) as usize).min(bad.len() - 1);
            bad[at] ^= flip;
        }
        if let Ok(mut reader) = read(&bad) {
            let entries: Vec<Entry> = reader.by_ref().collect();
            let losses = reader.losses();
            prop_assert!(entries.len() <= all.len());
            if entries != all {
                prop_assert!(losses.any(), "{losses:?}");
            }
        }
    }

    #[test]
    fn garbage_is_no_recording_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        let mut framed = frames::MAGIC.to_vec();
        framed.extend_from_slice(&bytes);
        prop_assert!(read(&framed).is_err());
        let mut tail = record(&run(1, 2)).0;
        tail.extend_from_slice(&bytes);
        prop_assert!(read_all(&tail).0.len() > 4);
    }
}
