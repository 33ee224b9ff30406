//! Figures before and after, live: the last spans between interventions. One set of histograms at most is under way;
//! of spans that are over, a few figures stay.
//!
//! A token costs nothing here: its count is the difference of the stage's counts. Before the first intervention the
//! stage's own histograms are the span's. Where a request that ends later would add to an earlier span, only reports
//! see it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::distribution::Distribution;
use super::interventions::{Began, Cut, Interventions, Step};
use super::pack::pack;
use super::{Aggregator, Counts, Latencies, RequestRecord, SPANS_KEPT, SpanView};
use crate::event::{Control, Phase, StageStart};

/// The spans of the present stage.
#[derive(Default)]
pub(super) struct Spans {
    hand: Interventions,
    /// The first span's beginning, once measuring began; `None` again from the drain on, where no other span begins.
    first: Option<Cut>,
    over: VecDeque<Arc<SpanView>>,
    /// None before the first intervention.
    now: Option<Box<Now>>,
}

pack!(Spans { hand, first, over, now });
pack!(Now { cut, completed, output_tokens, ttft, itl, tpot, e2e });
pack!(SpanView { cut, end_ns, completed, output_tokens, ttft, itl, tpot, e2e });

/// The span under way.
struct Now {
    cut: Cut,
    /// The stage's counts at its beginning.
    completed: u64,
    output_tokens: u64,
    ttft: Distribution,
    itl: Distribution,
    tpot: Distribution,
    e2e: Distribution,
}

impl Now {
    fn new(cut: Cut, counts: &Counts) -> Self {
        let [ttft, itl, tpot, e2e] = [(); 4].map(|()| Distribution::new());
        let (completed, output_tokens) = (counts.completed, counts.output_tokens);
        Self { cut, completed, output_tokens, ttft, itl, tpot, e2e }
    }

    /// Takes what lies in the span of a request that completed.
    fn record(&mut self, record: &RequestRecord) {
        let since = self.cut.at_ns;
        if record.sent_ns >= since {
            self.ttft.record_if(record.ttft_ns());
            self.e2e.record_if(record.e2e_ns());
        }
        if record.chunk_at_ns.first().is_some_and(|first| *first >= since) {
            self.tpot.record_if(record.tpot_ns().map(|ns| ns.round() as u64));
        }
        for (i, pair) in record.chunk_at_ns.windows(2).enumerate().filter(|(_, pair)| pair[0] >= since) {
            self.itl.record_gap(pair[1].saturating_sub(pair[0]), record.tokens_in(i + 1));
        }
    }

    fn view(&mut self, end_ns: Option<u64>, counts: &Counts) -> SpanView {
        SpanView {
            cut: self.cut.clone(),
            end_ns,
            completed: counts.completed.saturating_sub(self.completed),
            output_tokens: counts.output_tokens.saturating_sub(self.output_tokens),
            ttft: self.ttft.summary().clone(),
            itl: self.itl.summary().clone(),
            tpot: self.tpot.summary().clone(),
            e2e: self.e2e.summary().clone(),
        }
    }
}

impl Spans {
    pub(super) fn begin_stage(&mut self, start: &StageStart) {
        let mut hand = std::mem::take(&mut self.hand);
        hand.begin_stage(start);
        *self = Self { hand, ..Self::default() };
    }

    pub(super) fn resume(&mut self) {
        self.hand.resume();
    }

    /// How long the load has rested since measuring began, nanoseconds.
    pub(super) fn rested_ns(&self, at_ns: u64) -> u64 {
        self.hand.rested_ns(at_ns)
    }

    /// A measured request completed.
    pub(super) fn record(&mut self, record: &RequestRecord) {
        if let Some(now) = &mut self.now {
            now.record(record);
        }
    }

    fn keep(&mut self, span: SpanView) {
        // The present one is the last of those that are shown.
        if self.over.len() == SPANS_KEPT - 1 {
            self.over.pop_front();
        }
        self.over.push_back(Arc::new(span));
    }

    /// A span begins, and the one before it is over. `whole`: the stage's figures so far.
    fn begin(&mut self, cut: Cut, counts: &Counts, whole: Latencies) {
        let Some(first) = &self.first else { return };
        let end_ns = Some(cut.at_ns);
        let before = match &mut self.now {
            Some(now) => now.view(end_ns, counts),
            None => SpanView {
                cut: first.clone(),
                end_ns,
                completed: counts.completed,
                output_tokens: counts.output_tokens,
                ttft: whole.ttft,
                itl: whole.itl,
                tpot: whole.tpot,
                e2e: whole.e2e,
            },
        };
        self.keep(before);
        self.now = Some(Box::new(Now::new(cut, counts)));
    }

    /// The stage is done, and so is the last span.
    fn close(&mut self, end_ns: u64, counts: &Counts) {
        self.first = None;
        if let Some(mut now) = self.now.take() {
            let last = now.view(Some(end_ns.max(now.cut.at_ns)), counts);
            self.over.push_back(Arc::new(last));
        }
    }
}

impl Aggregator {
    /// Somebody intervened.
    pub(super) fn control(&mut self, at_ns: u64, control: &Control) {
        match control {
            Control::Paused => self.paused = true,
            Control::Resumed => self.paused = false,
            Control::Rate { rate } => self.stage.rate_set = Some(*rate),
            Control::Clients { clients } => self.stage.clients_set = Some(*clients),
            _ => {}
        }
        self.journal.control(at_ns, control);
        self.stood.take(at_ns, control);
        match self.spans.hand.take(at_ns, control) {
            Some(Step::Begins(cut)) => self.begin_span(cut),
            Some(Step::GoesOn(cut)) if self.spans.first.is_some() => {
                if let Some(now) = &mut self.spans.now {
                    now.cut.goes_on(cut);
                }
            }
            Some(Step::GoesOn(_)) | None => {}
        }
    }

    /// The stage entered a phase: measuring begins the first span, draining the last.
    pub(super) fn part(&mut self, at_ns: u64, phase: Phase) {
        match phase {
            Phase::Measuring => {
                self.spans.hand.begin_measuring(at_ns);
                self.spans.first = Some(self.spans.hand.cut(at_ns, Began::Start));
            }
            Phase::Draining => {
                if self.spans.now.is_some() {
                    self.begin_span(self.spans.hand.cut(at_ns, Began::Drain));
                }
                // The drain is one span, whatever is done in it.
                self.spans.first = None;
            }
            Phase::Done => {
                let end_ns = self.stage.last_end_ns.unwrap_or(at_ns);
                self.spans.close(end_ns, &self.stage.counts);
            }
            Phase::Loading | Phase::Warmup => {}
        }
    }

    fn begin_span(&mut self, cut: Cut) {
        if self.spans.first.is_some() {
            let whole = self.latency.summaries();
            self.spans.begin(cut, &self.stage.counts, whole);
        }
    }

    /// The spans as they stand.
    pub(super) fn spans(&mut self) -> Vec<Arc<SpanView>> {
        let spans = &mut self.spans;
        let now = spans.now.as_mut().map(|now| Arc::new(now.view(None, &self.stage.counts)));
        spans.over.iter().cloned().chain(now).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CountedBy, Event, Finished, Outcome, Sent, StageStart};

    const MS: u64 = 1_000_000;

    fn start() -> Event {
        Event::Stage(Box::new(StageStart::closed(0, "main", 1)))
    }

    /// A request sent at a time, with chunks 20 and 40 ms later.
    fn request(to: &mut Aggregator, request: u64, sent_ms: u64) {
        let at = |ms: u64| (sent_ms + ms) * MS;
        to.apply(&Event::Sent(Sent {
            at_ns: at(0),
            scheduled_ns: at(0),
            request,
            client: 0,
            stage: 0,
            prompt_tokens: 5,
            max_tokens: 2,
            warmup: false,
        }));
        to.apply(&Event::Token { at_ns: at(20), request, tokens: 1 });
        to.apply(&Event::Token { at_ns: at(40), request, tokens: 1 });
        to.apply(&Event::Finished(Box::new(Finished {
            at_ns: at(40),
            request,
            outcome: Outcome::Completed,
            output_tokens: 2,
            counted_by: CountedBy::Engine,
            prompt_tokens: None,
            error: None,
            text: None,
            status: None,
            retries: 0,
        })));
    }

    fn phase(to: &mut Aggregator, at_ms: u64, phase: Phase) {
        to.apply(&Event::Phase { at_ns: at_ms * MS, stage: 0, phase });
    }

    fn clients(to: &mut Aggregator, at_ms: u64, clients: u32) {
        to.apply(&Event::Control { at_ns: at_ms * MS, control: Control::Clients { clients } });
    }

    fn told(to: &mut Aggregator) -> Vec<(String, u64, u64, u64, u64)> {
        let spans = to.snapshot(0).spans;
        let of = |s: &Arc<SpanView>| {
            (s.cut.words.clone(), s.completed, s.output_tokens, s.ttft.count, s.itl.count)
        };
        spans.iter().map(of).collect()
    }

    #[test]
    fn spans_begin_with_interventions_and_hold_what_lies_in_them() {
        let mut to = Aggregator::new();
        to.apply(&start());
        clients(&mut to, 5, 2);
        phase(&mut to, 10, Phase::Measuring);
        request(&mut to, 0, 10);
        assert_eq!(to.snapshot(0).spans, [], "nobody intervened in the measured window");
        clients(&mut to, 100, 3);
        clients(&mut to, 110, 4);
        request(&mut to, 1, 90);
        request(&mut to, 2, 150);
        let want = |words: &str, n| (words.to_owned(), n, 2 * n, n, n);
        let after = ("2 to 4 clients".to_owned(), 2, 4, 1, 2);
        assert_eq!(told(&mut to), [want("start", 1), after.clone()], "request 1 was sent before");
        phase(&mut to, 200, Phase::Draining);
        request(&mut to, 3, 250);
        phase(&mut to, 300, Phase::Done);
        clients(&mut to, 5000, 9);
        assert_eq!(told(&mut to), [want("start", 1), after, want("drain", 1)]);
        assert_eq!(to.snapshot(0).spans.last().and_then(|s| s.end_ns), Some(290 * MS));
        to.apply(&start());
        assert_eq!(told(&mut to), []);
    }

    #[test]
    fn the_drain_is_one_span_whatever_is_done_in_it() {
        let mut to = Aggregator::new();
        to.apply(&start());
        phase(&mut to, 10, Phase::Measuring);
        clients(&mut to, 100, 3);
        phase(&mut to, 200, Phase::Draining);
        clients(&mut to, 210, 4);
        let cancel = Control::Cancel { request: 7 };
        to.apply(&Event::Control { at_ns: 220 * MS, control: cancel });
        let words: Vec<_> = told(&mut to).into_iter().map(|t| t.0).collect();
        assert_eq!(words, ["start", "1 to 3 clients", "drain"]);
    }

    #[test]
    fn few_of_many_spans_are_kept() {
        let mut to = Aggregator::new();
        to.apply(&start());
        phase(&mut to, 0, Phase::Measuring);
        for i in 1..50 {
            to.apply(&Event::Control { at_ns: i * MS, control: Control::Mark { note: i.to_string() } });
        }
        let words: Vec<_> = told(&mut to).into_iter().map(|t| t.0).collect();
        assert_eq!(words, ["46", "47", "48", "49"]);
        assert_eq!(words.len(), SPANS_KEPT);
    }
}
