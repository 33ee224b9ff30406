//! A recording that goes to standard output, kept in memory too: the report and the exit status are made from it.
//!
//! It takes less than the report itself does, which holds every token's time.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The stream and what went into it. Copies share both.
#[derive(Clone)]
pub struct Kept {
    out: Arc<File>,
    copy: Arc<Mutex<Vec<u8>>>,
    closed: Arc<AtomicBool>,
}

impl Kept {
    /// Nothing yet.
    pub fn new(out: File) -> Self {
        Self { out: Arc::new(out), copy: Arc::default(), closed: Arc::default() }
    }

    /// Whether the other side has closed the stream: it wants no more of the recording.
    pub fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Takes out what was written.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.copy.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = (&*self.out).write(bytes).inspect_err(|error| {
            self.closed.fetch_or(error.kind() == io::ErrorKind::BrokenPipe, Ordering::Relaxed);
        })?;
        self.copy.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.out).flush()
    }
}
