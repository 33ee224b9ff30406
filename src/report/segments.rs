//! Figures before and after: a stage's measured window, parted where somebody intervened.
//!
//! Where a part begins is told by [`crate::metrics::interventions`]; what belongs to it, by `docs/measurement.md`.

use serde::Serialize;

use super::figures::{Requests, StageReport, Window};
use super::run::{Run, Stage};
use super::stats::Stats;
use super::table::{Table, harmless, number};
use super::window::Span;
use crate::event::Phase;
use crate::metrics::interventions::{Began, Cut, Interventions, Step};

/// The figures of a stage from one intervention to the next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentReport {
    /// What it began with: `start`, `clients`, `rate`, `paused`, `resumed`, `suspended`,
    /// `continued`, `mark`, `cancel`, `drain`.
    pub began: &'static str,
    /// The same in words, e.g. `16 to 24 clients`.
    pub words: String,
    /// Clients asked for; `null` in an open loop.
    pub clients: Option<u32>,
    /// Requests/s asked for at its beginning; `null` in a closed loop.
    pub rate: Option<f64>,
    pub paused: bool,
    pub figures: Window,
}

impl SegmentReport {
    /// It with its figures.
    pub fn new(cut: Cut, figures: Window) -> Self {
        let Cut { began, words, asked, .. } = cut;
        let (clients, rate, paused) = (asked.clients, asked.rate, asked.paused);
        Self { began: began.name(), words, clients, rate, paused, figures }
    }
}

/// The parts of a stage's measured window, each with the time at which it ends; none if nobody intervened in it.
pub fn parts(run: &Run, stage: &Stage, measured: Span) -> Vec<(Cut, Span)> {
    let drain_ns = stage.phases.iter().find(|(_, phase)| *phase == Phase::Draining).map(|(at, _)| *at);
    let end_ns = drain_ns.map_or(measured.end_ns, |at| at.min(measured.end_ns));
    let mut hand = Interventions::default();
    // A pause may come from the stage before.
    let earlier = run.controls.iter().take_while(|(at, _)| *at < stage.start.at_ns);
    for (at_ns, control) in earlier {
        hand.take(*at_ns, control);
    }
    hand.begin_stage(&stage.start);
    let opened_ns = stage.phases.iter().find(|(_, phase)| *phase == Phase::Measuring).map(|(at, _)| *at);
    let opened_ns = opened_ns.unwrap_or(measured.start_ns);
    let (mut measuring, mut begun) = (false, false);
    let mut cuts: Vec<Cut> = Vec::new();
    for (at_ns, control) in run.controls.iter().skip_while(|(at, _)| *at < stage.start.at_ns) {
        if *at_ns >= end_ns {
            break;
        }
        if !measuring && *at_ns > opened_ns {
            hand.begin_measuring(opened_ns);
            measuring = true;
        }
        if !begun && *at_ns > measured.start_ns {
            hand.look_from_here();
            cuts.push(hand.cut(measured.start_ns, Began::Start));
            begun = true;
        }
        match hand.take(*at_ns, control).filter(|_| begun) {
            Some(Step::Begins(cut)) => cuts.push(cut),
            Some(Step::GoesOn(cut)) => {
                if let Some(last) = cuts.last_mut() {
                    last.goes_on(cut);
                }
            }
            None => {}
        }
    }
    if cuts.len() < 2 {
        return Vec::new();
    }
    if end_ns < measured.end_ns {
        cuts.push(hand.cut(end_ns, Began::Drain));
    }
    let ends = cuts.iter().skip(1).map(|cut| cut.at_ns).chain([measured.end_ns]).collect::<Vec<_>>();
    let span = |(cut, end_ns): (Cut, u64)| {
        let span = Span { start_ns: cut.at_ns, end_ns };
        (cut, span)
    };
    cuts.into_iter().zip(ends).map(span).collect()
}

/// How the load changed and what came of it, a row a part; latencies in a second table. None without parts.
pub fn tables(stage: &StageReport) -> Vec<Table> {
    if stage.segments.is_empty() {
        return Vec::new();
    }
    let load = if stage.clients.is_some() { "clients" } else { "req/s asked" };
    let heads = [
        "before and after",
        "from s",
        "to s",
        load,
        "ok",
        "bad",
        "cancelled",
        "req/s",
        "out tok/s",
        "in flight",
    ];
    let mut rates = Table::new(heads);
    let heads = [
        "latency, ms",
        "TTFT p50",
        "TTFT p99",
        "ITL p50",
        "ITL p99",
        "TPOT p50",
        "TPOT p99",
        "E2E p50",
        "E2E p99",
    ];
    let mut latencies = Table::new(heads);
    for (i, part) in stage.segments.iter().enumerate() {
        let name = format!("{}. {}", i + 1, short(&harmless(&part.words)));
        rates.row(rates_row(name.clone(), part));
        let l = &part.figures.latency;
        let ms = |value: Option<f64>| number(value.map(|v| v * 1e3), 1);
        let both = |stats: &Stats| [ms(stats.p50), ms(stats.p99)];
        let cells = [&l.ttft_s, &l.itl_s, &l.tpot_s, &l.e2e_s].into_iter().flat_map(both);
        latencies.row(std::iter::once(name).chain(cells).collect());
    }
    vec![rates, latencies]
}

/// Most characters shown of an intervention's words: a mark's note may be long.
const MOST_CHARS: usize = 40;

fn short(words: &str) -> String {
    let mut out: String = words.chars().take(MOST_CHARS).collect();
    if words.chars().count() > MOST_CHARS {
        out.push_str("..");
    }
    out
}

fn rates_row(name: String, part: &SegmentReport) -> Vec<String> {
    let w = &part.figures;
    let Requests { completed, failed, timed_out, cancelled, .. } = w.requests;
    let asked = match (part.clients, part.rate) {
        _ if part.began == Began::Suspended.name() => "stopped".into(),
        _ if part.paused => "paused".into(),
        (Some(clients), _) => clients.to_string(),
        (None, rate) => number(rate, 3),
    };
    vec![
        name,
        number(Some(w.start_s), 3),
        number(Some(w.end_s), 3),
        asked,
        completed.to_string(),
        (failed + timed_out).to_string(),
        cancelled.to_string(),
        number(w.throughput.requests_per_s, 3),
        number(w.throughput.output_tokens_per_s, 1),
        number(w.concurrency_mean, 2),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Control;
    use crate::report::fixture::{self, MS};
    use crate::report::{report, text, text_within};

    /// One client, a request every 100 ms with chunks 20, 40 and 100 ms after it was sent; measured from 0 to 2 s.
    fn run(controls: Vec<(u64, Control)>) -> Run {
        let mut run = fixture::run();
        let mut stage = fixture::stage(1, 0);
        stage.requests = (0..20)
            .map(|i| {
                let at = i * 100;
                let chunks = [((at + 20) * MS, 1), ((at + 40) * MS, 1), ((at + 100) * MS, 2)];
                fixture::request(i, at * MS).chunks(&chunks).into()
            })
            .collect();
        run.stages = vec![stage];
        run.controls = controls;
        run
    }

    fn set(clients: u32) -> Control {
        Control::Clients { clients }
    }

    #[test]
    fn without_an_intervention_there_are_no_parts_and_no_key() {
        let plain = report(&run(Vec::new()));
        assert!(plain.stages[0].segments.is_empty() && tables(&plain.stages[0]).is_empty());
        assert!(!plain.to_json().unwrap().contains("\"segments\""));
        let ended = report(&run(vec![(500 * MS, Control::Stop), (2500 * MS, set(4))]));
        assert!(
            ended.stages[0].segments.is_empty(),
            "the end changes no load, and what comes later none of this"
        );
    }

    #[test]
    fn parts_add_up_to_the_measured_window() {
        let controls =
            vec![(530 * MS, set(2)), (900 * MS, set(3)), (1500 * MS, Control::Mark { note: "x".into() })];
        let mut run = run(controls);
        run.stages[0].phases.push((1900 * MS, Phase::Draining));
        let made = report(&run);
        let stage = &made.stages[0];
        let told: Vec<_> = stage.segments.iter().map(|s| (s.words.as_str(), s.clients)).collect();
        // The third client came within a second of the second.
        assert_eq!(
            told,
            [("start", Some(1)), ("1 to 3 clients", Some(3)), ("x", Some(3)), ("drain", Some(3))]
        );
        let whole = stage.windows.measured.as_ref().unwrap();
        let sum = |of: fn(&Window) -> u64| stage.segments.iter().map(|s| of(&s.figures)).sum::<u64>();
        assert_eq!(sum(|w| w.requests.completed), whole.requests.completed);
        assert_eq!(sum(|w| w.requests.scheduled), whole.requests.scheduled);
        assert_eq!(
            (sum(|w| w.tokens.output), sum(|w| w.tokens.input)),
            (whole.tokens.output, whole.tokens.input)
        );
        let seconds: f64 = stage.segments.iter().map(|s| s.figures.seconds).sum();
        assert!((seconds - whole.seconds).abs() < 1e-9);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_request_and_token_is_in_one_part(
            mut changes in prop::collection::vec((0_u64..2100, 0_u8..6), 1..12), drain in 1000_u64..2100,
        ) {
            changes.sort_unstable();
            let control = |(at, what): (u64, u8)| (at * MS, match what {
                0 => Control::Paused,
                1 => Control::Resumed,
                2 => Control::Mark { note: String::new() },
                3 => Control::Cancel { request: at },
                clients => set(clients.into()),
            });
            let mut run = run(changes.into_iter().map(control).collect());
            run.stages[0].phases.push((drain * MS, Phase::Draining));
            let stage = report(&run).stages.remove(0);
            let whole = stage.windows.measured.clone().unwrap();
            let parts: Vec<_> = stage.segments.iter().map(|s| &s.figures).collect();
            prop_assert!(parts.len() != 1);
            if let [first, .., last] = parts[..] {
                prop_assert_eq!((first.start_s, last.end_s), (whole.start_s, whole.end_s));
                let sum = |of: fn(&Window) -> u64| parts.iter().map(|w| of(w)).sum::<u64>();
                prop_assert_eq!(sum(|w| w.requests.scheduled), whole.requests.scheduled);
                prop_assert_eq!(sum(|w| w.requests.completed), whole.requests.completed);
                prop_assert_eq!(sum(|w| w.tokens.output), whole.tokens.output);
                prop_assert_eq!(sum(|w| w.tokens.input), whole.tokens.input);
                prop_assert!(sum(|w| w.latency.itl_s.count) <= whole.latency.itl_s.count);
            }
            prop_assert!(parts.windows(2).all(|pair| pair[0].end_s.to_bits() == pair[1].start_s.to_bits()));
        }
    }

    #[test]
    fn a_part_has_what_lies_in_it() {
        let made = report(&run(vec![(530 * MS, set(2))]));
        let [before, after] = &made.stages[0].segments[..] else { panic!("{:?}", made.stages[0].segments) };
        let (before, after) = (&before.figures, &after.figures);
        // Request 5 was sent at 500, has its first token at 520, and ends at 600: its TTFT is of the part before, its
        // last gap and its E2E are of neither, its end and its last tokens of the part after.
        assert_eq!((before.requests.scheduled, before.requests.completed, before.tokens.output), (6, 5, 21));
        assert_eq!((before.latency.ttft_s.count, before.latency.e2e_s.count), (6, 5));
        assert_eq!((after.requests.completed, after.tokens.output), (15, 59));
        assert_eq!((after.latency.ttft_s.count, after.latency.e2e_s.count), (14, 14));
        // A gap of 20 and one of 60 ms, which counts twice. Request 5's second chunk, at 540, is after.
        assert_eq!((before.latency.itl_s.count, after.latency.itl_s.count), (15, 44));
        assert_eq!(before.throughput.requests_per_s.map(|r| (r * 100.0).round()), Some(943.0));
    }

    #[test]
    fn what_happens_at_the_very_instant_belongs_to_the_part_after() {
        let made = report(&run(vec![(500 * MS, set(2))]));
        let parts = &made.stages[0].segments;
        assert_eq!(parts[0].figures.requests.completed, 4);
        assert_eq!(parts[1].figures.requests.completed, 16);
    }

    #[test]
    fn a_pause_before_the_stage_holds_in_it() {
        let mut run = run(vec![(0, Control::Paused), (300 * MS, Control::Resumed)]);
        run.stages[0].start.at_ns = 1;
        let parts = report(&run).stages.remove(0).segments;
        let told: Vec<_> = parts.iter().map(|p| (p.words.as_str(), p.paused)).collect();
        assert_eq!(told, [("start", true), ("resumed", false)]);
    }

    #[test]
    fn tables_show_every_part_within_the_text_s_width() {
        let note = "a note that is a good deal longer than any table has room for";
        let controls = vec![(530 * MS, set(2)), (900 * MS, Control::Mark { note: note.into() })];
        let made = [report(&run(controls))];
        let wide = text_within(&made, crate::report::Show::Both, 160);
        assert!(wide.contains("before and after") && wide.contains("2. 1 to 2 clients"), "{wide}");
        assert!(wide.contains("TPOT p50") && wide.contains("3. a note that is a good deal"), "{wide}");
        let told = text(&made, crate::report::Show::Both);
        assert!(
            told.contains("2. 1 to 2 clients") && told.lines().all(|l| l.chars().count() <= 80),
            "{told}"
        );
    }
}
