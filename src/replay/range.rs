//! The exact figures and the tables of a range, made on a thread of their own: neither the play head nor the screen waits.
//!
//! How they are made is not known here: reports are another room's. `cli` brings an [`Exact`].

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwapOption;
use crossbeam_channel::{Receiver, Sender};

use super::player::Origin;
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
