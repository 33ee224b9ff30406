//! What each client did lately: one lane a client, for the Clients screen.

use std::sync::Arc;

use super::pack::pack;
use super::tracker::OpenRequest;
use super::{LANE_SPANS, Lane, Open, RequestRecord, Span};
use crate::event::{ClientId, Outcome};

/// Clients with a lane; what later ones do shows in all figures, but has no row.
const MAX_LANES: usize = 4096;

/// All lanes, by client number.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: Vec<Arc<Lane>>,
    /// Output tokens and time of each client's completed requests, for its tokens a second.
    totals: Vec<(u64, u64)>,
}

impl Lanes {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn lane(&mut self, client: ClientId) -> Option<(&mut Lane, &mut (u64, u64))> {
        let index = client as usize;
        if index >= MAX_LANES {
            return None;
        }
        while self.lanes.len() <= index {
            let client = self.lanes.len() as u32;
            self.lanes.push(Arc::new(Lane { client, ..Lane::default() }));
            self.totals.push((0, 0));
        }
        Some((Arc::make_mut(&mut self.lanes[index]), &mut self.totals[index]))
    }

    /// A stage with so many clients begins: every one gets its row at once.
    pub(super) fn expect(&mut self, clients: u32) {
        if let Some(last) = clients.checked_sub(1) {
            let _ = self.lane(last.min(MAX_LANES as u32 - 1));
        }
    }

    /// A request has ended.
    pub(super) fn finish(&mut self, record: &RequestRecord) {
        let Some((lane, totals)) = self.lane(record.client) else { return };
        if lane.current.is_some_and(|open| open.request == record.request) {
            lane.current = None;
        }
        if lane.spans.len() == LANE_SPANS {
            lane.spans.pop_front();
        }
        lane.spans.push_back(span(record));
        if record.warmup {
            return;
        }
        if record.outcome == Outcome::Completed {
            lane.completed += 1;
            if let Some(e2e_ns) = record.e2e_ns() {
                totals.0 = totals.0.saturating_add(record.output_tokens.into());
                totals.1 = totals.1.saturating_add(e2e_ns);
            }
            lane.tokens_per_s = (totals.1 > 0).then(|| totals.0 as f64 / (totals.1 as f64 / 1e9));
        } else if record.outcome != Outcome::Cancelled {
            lane.failed += 1;
        }
    }

    /// The lanes with their requests in flight as they stand now.
    pub(super) fn refresh<'a>(&mut self, open: impl Iterator<Item = &'a OpenRequest>) -> Vec<Arc<Lane>> {
        for request in open {
            let now = open_span(request);
            let index = request.sent.client as usize;
            // Looked at first, since a lane that a screen still holds is copied when it changes.
            if self.lanes.get(index).is_none_or(|lane| lane.current != Some(now))
                && let Some((lane, _)) = self.lane(request.sent.client)
            {
                lane.current = Some(now);
            }
        }
        self.lanes.clone()
    }
}

fn span(record: &RequestRecord) -> Span {
    Span {
        request: record.request,
        sent_ns: record.sent_ns,
        prefill_ns: record.prefill_ns,
        first_token_ns: record.chunk_at_ns.first().copied(),
        finished_ns: record.finished_ns,
        outcome: record.outcome,
        warmup: record.warmup,
        prompt_tokens: record.prompt_tokens,
        output_tokens: record.output_tokens,
    }
}

fn open_span(request: &OpenRequest) -> Open {
    Open {
        request: request.sent.request,
        sent_ns: request.sent.at_ns,
        prefill_ns: request.prefill_ns,
        first_token_ns: request.chunk_at_ns.first().copied(),
        last_token_ns: request.chunk_at_ns.last().copied(),
        output_tokens: request.tokens,
        max_tokens: request.sent.max_tokens,
        prompt_tokens: request.sent.prompt_tokens,
        warmup: request.sent.warmup,
    }
}

pack!(Lanes { lanes, totals });
