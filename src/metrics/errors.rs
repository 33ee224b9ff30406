//! What went wrong, by kind: each with its count and the words of the first.

use std::collections::BTreeMap;

use super::RequestRecord;
use crate::event::Outcome;

/// A kind: how a request ended, and the server's HTTP status where it refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorKind {
    pub outcome: Outcome,
    pub status: Option<u16>,
}

impl ErrorKind {
    /// The kind of a request that did not complete.
    pub fn of(record: &RequestRecord) -> Self {
        Self { outcome: record.outcome, status: record.status }
    }
}

impl std::fmt::Display for ErrorKind {
    /// E.g. `failed_overload 429`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            Some(status) => write!(f, "{} {status}", self.outcome.name()),
            None => f.write_str(self.outcome.name()),
        }
    }
}

/// The requests of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorCount {
    pub requests: u64,
    /// What was said of the first of them that said something.
    pub first: Option<Box<str>>,
}

/// All kinds.
pub type Errors = BTreeMap<ErrorKind, ErrorCount>;

/// Counts one request.
pub fn count_error(errors: &mut Errors, record: &RequestRecord) {
    let count = errors.entry(ErrorKind::of(record)).or_default();
    count.requests += 1;
    if count.first.is_none() {
        count.first.clone_from(&record.error);
    }
}
