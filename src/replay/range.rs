//! The exact figures and the tables of a range, made on a thread of their own: neither the play head nor the screen waits.
//!
//! How they are made is not known here: reports are another room's. `cli` brings an [`Exact`].

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwapOption;
use crossbeam_channel::{Receiver, Sender};

use super::origin::Origin;
use crate::recording::{Reader, RecordingError};
use crate::ui::{Measured, Range, StageFigures};

/// Wishes that may wait; more in a row nobody can mean.
const WISHES: usize = 64;

/// Opens the recording, again and again.
pub type Open<'a> = &'a dyn Fn() -> Result<Reader, RecordingError>;

/// Makes exact figures and tables of a recording's range.
pub trait Exact: Send {
    /// The figures of a range, a stage each.
    ///
    /// # Errors
    /// Why there are none, in words for the user.
    fn figures(&mut self, open: Open<'_>, range: Range) -> Result<Vec<StageFigures>, String>;

    /// Writes the tables of a range, or of all; gives the folder.
    ///
    /// # Errors
    /// Why they could not be written, in words for the user.
    fn export(&mut self, open: Open<'_>, range: Option<Range>) -> Result<String, String>;
}

/// What is wanted.
pub(super) enum Wish {
    Figures(Range),
    Export(Option<Range>),
}

/// The thread that makes them, as the session sees it. It ends when this is dropped.
pub(super) struct Worker {
    wishes: Sender<Wish>,
    told: Arc<Told>,
}

/// What it has to tell.
#[derive(Default)]
struct Told {
    measured: ArcSwapOption<Measured>,
    news: Mutex<Option<String>>,
}

impl Worker {
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(origin: Origin, exact: Box<dyn Exact>) -> std::io::Result<Self> {
        let (wishes, receiver) = crossbeam_channel::bounded(WISHES);
        let told = Arc::new(Told::default());
        let teller = Arc::clone(&told);
        std::thread::Builder::new()
            .name("range".into())
            .spawn(move || work(&receiver, &origin, exact, &teller))?;
        Ok(Self { wishes, told })
    }

    pub(super) fn wish(&self, wish: Wish) {
        // With so many waiting, one more would change nothing that a person could tell.
        let _ = self.wishes.try_send(wish);
    }

    pub(super) fn measured(&self) -> Option<Arc<Measured>> {
        self.told.measured.load_full()
    }

    pub(super) fn news(&self) -> Option<String> {
        self.told.news.lock().ok()?.take()
    }
}

fn work(wishes: &Receiver<Wish>, origin: &Origin, mut exact: Box<dyn Exact>, told: &Told) {
    let open = || origin.open();
    while let Ok(first) = wishes.recv() {
        let mut newest = None;
        for wish in std::iter::once(first).chain(wishes.try_iter()) {
            match wish {
                // Only the newest range is still on the screen.
                Wish::Figures(range) => newest = Some(range),
                Wish::Export(range) => {
                    let word = match exact.export(&open, range) {
                        Ok(folder) => format!("exported to {folder}"),
                        Err(why) => format!("the export failed: {why}"),
                    };
                    if let Ok(mut news) = told.news.lock() {
                        *news = Some(word);
                    }
                }
            }
        }
        if let Some(range) = newest {
            let stages = exact.figures(&open, range);
            told.measured.store(Some(Arc::new(Measured { range, stages })));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::recording::tests::{record, run};

    /// Says how often it was asked.
    struct Counting(u64);

    impl Exact for Counting {
        fn figures(&mut self, open: Open<'_>, range: Range) -> Result<Vec<StageFigures>, String> {
            self.0 += 1;
            let entries = open().map_err(|e| e.to_string())?.count() as u64;
            if range.from_ns >= range.to_ns {
                return Err("empty".into());
            }
            Ok(vec![StageFigures { scheduled: entries, completed: self.0, ..StageFigures::default() }])
        }

        fn export(&mut self, _: Open<'_>, range: Option<Range>) -> Result<String, String> {
            range.map(Range::words).ok_or_else(|| "full".into())
        }
    }

    fn wait<T>(what: impl Fn() -> Option<T>) -> T {
        for _ in 0..400 {
            if let Some(found) = what() {
                return found;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("nothing came");
    }

    fn worker(folder: &Path) -> Worker {
        let path = folder.join("run.jsonl.zst");
        std::fs::write(&path, record(&run(21, 30)).0).unwrap();
        Worker::start(Origin::File(path), Box::new(Counting(0))).unwrap()
    }

    #[test]
    fn figures_and_their_failures_come_with_their_range() {
        let folder = tempfile::tempdir().unwrap();
        let worker = worker(folder.path());
        assert!(worker.measured().is_none() && worker.news().is_none());
        let range = Range { from_ns: 1, to_ns: 5 };
        worker.wish(Wish::Figures(range));
        let told = wait(|| worker.measured());
        assert_eq!(told.range, range);
        let stages = told.stages.as_ref().unwrap();
        assert!(stages[0].completed == 1 && stages[0].scheduled > 30, "{stages:?}");
        let none = Range { from_ns: 5, to_ns: 5 };
        worker.wish(Wish::Figures(none));
        let told = wait(|| worker.measured().filter(|told| told.range == none));
        assert_eq!(told.stages, Err("empty".into()));
    }

    #[test]
    fn what_came_of_an_export_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let worker = worker(folder.path());
        worker.wish(Wish::Export(Some(Range { from_ns: 0, to_ns: 2_500_000_000 })));
        assert_eq!(wait(|| worker.news()), "exported to 0:00.000–0:02.500");
        assert_eq!(worker.news(), None);
        worker.wish(Wish::Export(None));
        assert_eq!(wait(|| worker.news()), "the export failed: full");
    }
}
