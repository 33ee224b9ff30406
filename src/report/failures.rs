//! Requests that failed, in a line: how many of a recording's, and why. A run is complete with them, but not well.

use std::collections::BTreeMap;

use super::figures::Report;
use super::table::harmless;

/// `3 of 40 requests failed (failed_engine: out of memory)`, over all stages, with the commonest kind of failure and what was
/// said of the first of it; `None` where none failed. Cancelled requests are neither.
pub fn line(report: &Report) -> Option<String> {
    let (mut failed, mut ended) = (0, 0);
    let mut kinds: BTreeMap<String, (u64, Option<&str>)> = BTreeMap::new();
    for stage in &report.stages {
        let r = &stage.requests;
        failed += r.failed + r.timed_out;
        ended += r.completed + r.failed + r.timed_out;
        for kind in stage.windows.measured.iter().flat_map(|window| &window.error_kinds) {
            let (requests, first) = kinds.entry(kind.name()).or_default();
            *requests += kind.requests;
            *first = first.or(kind.first.as_deref());
        }
    }
    if failed == 0 {
        return None;
    }
    let commonest = kinds.iter().max_by_key(|(_, (requests, _))| *requests);
    let why = commonest.map_or_else(String::new, |(name, (requests, first))| {
        let many = if *requests < failed { format!("{requests} of them ") } else { String::new() };
        let said = first.map_or_else(String::new, |first| format!(": {}", harmless(first)));
        format!(" ({many}{name}{said})")
    });
    Some(format!("{failed} of {ended} requests failed{why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Outcome;
    use crate::report::table::verdict_line;
    use crate::report::{Show, fixture, report, text};

    #[test]
    fn a_run_with_failed_requests_is_not_called_good() {
        let mut run = fixture::closed_loop(2, 10);
        assert_eq!(line(&report(&run)), None);
        assert_eq!(verdict_line(&report(&run)), "complete, nothing lost");
        for request in &mut run.stages[0].requests[3..6] {
            request.outcome = Outcome::FailedEngine;
            request.error = Some("out of\nmemory".into());
        }
        let said = line(&report(&run));
        assert_eq!(said.as_deref(), Some("3 of 20 requests failed (failed_engine: out of memory)"));
        let head = text(&[report(&run)], Show::Both);
        assert!(
            !head.contains("nothing lost") && head.contains("complete, but 3 of 20 requests failed"),
            "{head}"
        );
        run.lost_events = 1;
        let line = verdict_line(&report(&run));
        assert!(line.starts_with("tainted") && line.contains("; 3 of 20 requests failed"), "{line}");
    }
}
