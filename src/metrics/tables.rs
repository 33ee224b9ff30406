//! The last and the slowest requests, log lines and marks: rings with a bound in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use super::pack::pack;
use super::{LOG_LINES, RECENT_REQUESTS, RequestRecord, SLOWEST_REQUESTS};
use crate::event::{Control, LogLine};

/// Memory that the token times and texts of the last (and again of the slowest) requests may take, bytes.
/// Beyond it, fewer requests are kept; the newest (slowest) one always is.
const TABLE_BYTES: usize = 16 << 20;
/// Interventions kept.
pub const MAX_CONTROLS: usize = 1000;
/// Bytes kept of a log line's message.
const MESSAGE_BYTES: usize = 4096;

/// Cuts a text to at most `bytes` bytes, between characters, and shows that it was cut.
pub(crate) fn shorten(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}

/// Bytes on the heap that a record needs. Room beyond it depends on where it comes from, and what is kept must not.
fn weight(record: &RequestRecord) -> usize {
    record.chunk_at_ns.len() * 8
        + record.chunk_tokens.len() * 4
        + record.error.as_ref().map_or(0, |e| e.len())
        + record.text.as_ref().map_or(0, |t| t.len())
}

/// The last requests to end, newest first.
#[derive(Default)]
pub(super) struct Recent {
    /// Oldest first.
    ring: VecDeque<Arc<RequestRecord>>,
    bytes: usize,
    changed: bool,
    view: Arc<Vec<Arc<RequestRecord>>>,
}

impl Recent {
    pub(super) fn push(&mut self, record: &Arc<RequestRecord>) {
        self.bytes += weight(record);
        self.ring.push_back(Arc::clone(record));
        while self.ring.len() > RECENT_REQUESTS || (self.bytes > TABLE_BYTES && self.ring.len() > 1) {
            if let Some(old) = self.ring.pop_front() {
                self.bytes -= weight(&old);
            }
        }
        self.changed = true;
    }

    pub(super) fn view(&mut self) -> Arc<Vec<Arc<RequestRecord>>> {
        if std::mem::take(&mut self.changed) {
            self.view = Arc::new(self.ring.iter().rev().cloned().collect());
        }
        Arc::clone(&self.view)
    }
}

/// The slowest requests by end-to-end latency, slowest first.
#[derive(Default)]
pub(super) struct Slowest {
    sorted: Vec<Arc<RequestRecord>>,
    bytes: usize,
    changed: bool,
    view: Arc<Vec<Arc<RequestRecord>>>,
}

impl Slowest {
    pub(super) fn clear(&mut self) {
        *self = Self { changed: true, ..Self::default() };
    }

    pub(super) fn push(&mut self, record: &Arc<RequestRecord>) {
        let Some(e2e) = record.e2e_ns() else { return };
        let slower = self.sorted.partition_point(|r| r.e2e_ns().is_some_and(|other| other >= e2e));
        if slower >= SLOWEST_REQUESTS {
            return;
        }
        self.bytes += weight(record);
        self.sorted.insert(slower, Arc::clone(record));
        while self.sorted.len() > SLOWEST_REQUESTS || (self.bytes > TABLE_BYTES && self.sorted.len() > 1) {
            if let Some(fast) = self.sorted.pop() {
                self.bytes -= weight(&fast);
            }
        }
        self.changed = true;
    }

    pub(super) fn view(&mut self) -> Arc<Vec<Arc<RequestRecord>>> {
        if std::mem::take(&mut self.changed) {
            self.view = Arc::new(self.sorted.clone());
        }
        Arc::clone(&self.view)
    }
}

/// Log lines and interventions, oldest first.
#[derive(Default)]
pub(super) struct Journal {
    lines: VecDeque<LogLine>,
    lines_changed: bool,
    lines_view: Arc<Vec<LogLine>>,
    controls: Arc<Vec<(u64, Control)>>,
}

impl Journal {
    pub(super) fn log(&mut self, line: &LogLine) {
        if self.lines.len() == LOG_LINES {
            self.lines.pop_front();
        }
        let mut line = line.clone();
        shorten(&mut line.message, MESSAGE_BYTES);
        self.lines.push_back(line);
        self.lines_changed = true;
    }

    pub(super) fn control(&mut self, at_ns: u64, control: &Control) {
        let controls = Arc::make_mut(&mut self.controls);
        if controls.len() == MAX_CONTROLS {
            controls.remove(0);
        }
        controls.push((at_ns, control.clone()));
    }

    pub(super) fn lines(&mut self) -> Arc<Vec<LogLine>> {
        if std::mem::take(&mut self.lines_changed) {
            self.lines_view = Arc::new(self.lines.iter().cloned().collect());
        }
        Arc::clone(&self.lines_view)
    }

    pub(super) fn controls(&self) -> Arc<Vec<(u64, Control)>> {
        Arc::clone(&self.controls)
    }
}

pack!(Recent { ring, bytes; changed: true; view: Arc::default() });
pack!(Slowest { sorted, bytes; changed: true; view: Arc::default() });
pack!(Journal { lines, controls; lines_changed: true; lines_view: Arc::default() });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Level;

    fn record(request: u64, e2e_ns: u64, chunks: usize) -> Arc<RequestRecord> {
        Arc::new(RequestRecord {
            finished_ns: e2e_ns,
            prompt_tokens: 1,
            ..RequestRecord::completed(request, 0, vec![e2e_ns; chunks])
        })
    }

    #[test]
    fn recent_is_newest_first_and_bounded_by_count_and_by_memory() {
        let mut recent = Recent::default();
        for i in 0..1000 {
            recent.push(&record(i, 1, 1));
        }
        let view = recent.view();
        assert_eq!((view.len(), view[0].request), (RECENT_REQUESTS, 999));
        for i in 0..100 {
            recent.push(&record(i, 1, 100_000));
        }
        assert_eq!(recent.view().len(), TABLE_BYTES / 800_000);
        recent.push(&record(7, 1, 3_000_000));
        assert_eq!(recent.view().len(), 1, "the newest one is always kept");
    }

    #[test]
    fn slowest_keeps_the_slowest_in_order() {
        let mut slowest = Slowest::default();
        for i in 0..500 {
            slowest.push(&record(i, (i * 7919) % 500, 1));
        }
        slowest.push(&record(1000, 0, 0));
        let view = slowest.view();
        let order: Vec<u64> = view.iter().filter_map(|r| r.e2e_ns()).collect();
        assert_eq!(order, (500 - SLOWEST_REQUESTS as u64..500).rev().collect::<Vec<_>>());
    }

    #[test]
    fn log_lines_are_bounded_in_number_and_length() {
        let mut journal = Journal::default();
        let message = "ä".repeat(5000);
        for at_ns in 0..1500 {
            let source = "engine".to_owned();
            journal.log(&LogLine { at_ns, level: Level::Info, source, message: message.clone() });
        }
        let lines = journal.lines();
        assert_eq!((lines.len(), lines[0].at_ns), (LOG_LINES, 500));
        assert!(lines[0].message.len() <= MESSAGE_BYTES + '…'.len_utf8());
    }
}
