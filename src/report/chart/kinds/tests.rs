//! Figures of recordings whose values are known.

use serde_json::json;

use super::super::figure::{Figure, Look, Series, Style};
use super::*;
use crate::event::Control;
use crate::report::fastgen::Skips;
use crate::report::fixture::{self, MS};
use crate::report::{Run, VerdictKind};

/// A recording of a closed loop, a stage a number of clients, each client with a request of ten tokens every 100 ms:
/// `clients * 10` queries/s, latency 0.1 s, gaps of 10 ms.
fn sweep(name: &str, clients: &[u32]) -> Run {
    let mut run = fixture::run();
    run.name = format!("{name}.jsonl.zst");
    run.header.profile = json!({
        "profile": { "name": name },
        "backend": { "kind": "sim", "max_batch": 16 },
        "model": { "dummy": "llama2-7b" },
        "workload": { "prompt_tokens": 10, "output_tokens": 10 },
        "sweep": { "clients": clients },
    });
    run.stages.clear();
    for (i, n) in (0u64..).zip(clients) {
        let mut stage = fixture::closed_loop(*n, 20).stages.remove(0);
        let shift = i * 3000 * MS;
        stage.start.stage = i as u32;
        stage.start.name = format!("clients={n}");
        stage.start.sweep = vec![("clients".into(), (*n).into())];
        stage.start.at_ns += shift;
        stage.phases.iter_mut().for_each(|p| p.0 += shift);
        for r in &mut stage.requests {
            r.stage = i as u32;
            for at in [&mut r.scheduled_ns, &mut r.sent_ns, &mut r.finished_ns] {
                *at += shift;
            }
            r.chunk_at_ns.iter_mut().for_each(|at| *at += shift);
        }
        run.stages.push(stage);
    }
    let all = run.stages.iter().flat_map(|s| &s.requests);
    run.last_ns = all.map(|r| r.finished_ns).max().unwrap_or(0);
    run
}

fn with(mut run: Run, key: &str, value: u32) -> Run {
    run.header.profile["backend"][key] = value.into();
    run
}

fn draw(kind: Kind, runs: &[Run], options: &Options) -> Result<Figure, ChartError> {
    plot(kind, runs.iter().map(|r| Recorded::of(r, kind, None, Skips::default())).collect(), options)
}

fn series(figure: &Figure) -> &[Series] {
    &figure.panels[0].series
}

fn labels(figure: &Figure) -> Vec<&str> {
    series(figure).iter().map(|s| s.label.as_str()).collect()
}

fn near(got: &[(f64, f64)], want: &[(f64, f64)]) {
    assert_eq!(got.len(), want.len(), "{got:?}");
    for (g, w) in got.iter().zip(want) {
        assert!((g.0 - w.0).abs() < 1e-9 && (g.1 - w.1).abs() < 1e-9, "{got:?} is not {want:?}");
    }
}

fn points(series: &Series) -> Vec<(f64, f64)> {
    series.drawable().collect()
}

fn reference() -> serde_json::Value {
    json!([{ "label": "paper", "clients": [1, 2], "throughput_rps": [8.0, 15.0], "latency_s": [0.2, 0.1],
             "effective_rps_4tps": [7.0, 9.0] }])
}

#[test]
fn throughput_and_latency_of_a_sweep_with_its_reference() {
    let mut run = sweep("run", &[4, 1, 2]);
    run.header.profile["reference"] = reference();
    let figure = draw(Kind::ThroughputLatency, &[run.clone()], &Options::default()).unwrap();
    assert_eq!(labels(&figure), ["run", "paper"]);
    near(&points(&series(&figure)[0]), &[(10.0, 0.1), (20.0, 0.1), (40.0, 0.1)]);
    near(&points(&series(&figure)[1]), &[(8.0, 0.2), (15.0, 0.1)]);
    let numbers: Vec<_> = series(&figure)[0].points.iter().map(|p| p.label.as_str()).collect();
    assert_eq!(numbers, ["1", "2", "4"]);
    // Three points are too few for FastGen's degree: they are joined.
    assert_eq!((series(&figure)[0].fit, series(&figure)[1].style), (None, Style::Reference));
    let enough = draw(Kind::ThroughputLatency, &[sweep("run", &[1, 2, 3, 4, 5, 6, 7])], &Options::default());
    assert_eq!(series(&enough.unwrap())[0].fit, Some(3));
    let asked = Options { fit: Fit::Degree(3), ..Options::default() };
    let figure = draw(Kind::ThroughputLatency, &[run.clone()], &asked).unwrap();
    assert_eq!(figure.subtitle, "llama2-7b, prompt 10, generation 10");
    assert!(figure.notes.iter().any(|n| n.contains("degree 3 (lower")), "{:?}", figure.notes);
    // The original sorts both: the reference's falling latency then rises.
    let faithful = Options { faithful: true, fit: Fit::None, ..Options::default() };
    let figure = draw(Kind::ThroughputLatency, &[run.clone()], &faithful).unwrap();
    near(&points(&series(&figure)[1]), &[(8.0, 0.1), (15.0, 0.2)]);
    assert_eq!((series(&figure)[0].fit, series(&figure)[0].style), (None, Style::Measured { joined: true }));
    let bare = Options { references: false, fit: Fit::Degree(1), ..Options::default() };
    let figure = draw(Kind::ThroughputLatency, &[run], &bare).unwrap();
    assert_eq!((labels(&figure), series(&figure)[0].fit), (vec!["run"], Some(1)));
}

#[test]
fn differing_profiles_tell_their_difference() {
    let runs = [with(sweep("a", &[1, 2]), "max_batch", 8), with(sweep("b", &[1, 2]), "max_batch", 32)];
    let figure = draw(Kind::ThroughputLatency, &runs, &Options::default()).unwrap();
    assert_eq!(labels(&figure), ["a (max_batch 8)", "b (max_batch 32)"]);
    assert_ne!(series(&figure)[0].look, series(&figure)[1].look);
    // With labels of the user's own, below the chart.
    let chosen = |(run, label): (&Run, &str)| {
        Recorded::of(run, Kind::ThroughputLatency, Some(label.into()), Skips::default())
    };
    let recorded = runs.iter().zip(["same", "same"]).map(chosen).collect();
    let figure = plot(Kind::ThroughputLatency, recorded, &Options::default()).unwrap();
    assert_eq!(labels(&figure), ["same", "same #2"]);
    assert!(
        figure.notes.contains(&"The profiles differ in max_batch (8, 32).".to_owned()),
        "{:?}",
        figure.notes
    );
    // Where nothing differs, names do.
    let figure =
        draw(Kind::ThroughputLatency, &[runs[0].clone(), runs[0].clone()], &Options::default()).unwrap();
    assert_eq!(labels(&figure), ["a", "a #2"]);
}

#[test]
fn effective_throughput_by_rate_and_validator() {
    let mut run = sweep("run", &[1, 2]);
    run.header.profile["reference"] = reference();
    run.header.profile["sla"] = json!({ "generation_tokens_per_s": [4, 200] });
    let figure = draw(Kind::EffectiveThroughput, &[run.clone()], &Options::default()).unwrap();
    // A token every 10 ms is 100 tokens/s: all keep 4, none 200.
    assert_eq!(labels(&figure), ["4 tokens/s", "200 tokens/s", "paper, 4 tokens/s"]);
    let easy = points(&series(&figure)[0]);
    assert!((easy[0].1 - 10.0).abs() < 0.1 && (easy[1].1 - 20.0).abs() < 0.2, "{easy:?}");
    near(&points(&series(&figure)[1]), &[(1.0, 0.0), (2.0, 0.0)]);
    near(&points(&series(&figure)[2]), &[(1.0, 7.0), (2.0, 9.0)]);
    assert_eq!(series(&figure)[0].fit, None);
    assert!(
        figure
            .subtitle
            .ends_with("SLA: prompt 512 tokens/s, generation 4, 200 tokens/s, validator cumulative")
    );
    // Rates that all requests keep alike are one curve.
    let alike = Options { rates: vec![1.0, 200.0, 2.0, 300.0], references: false, ..Options::default() };
    let figure = draw(Kind::EffectiveThroughput, &[run.clone()], &alike).unwrap();
    assert_eq!(labels(&figure), ["1, 2 tokens/s", "200, 300 tokens/s"]);
    let asked = Options { rates: vec![50.0], validator: Validator::Ema16, ..Options::default() };
    let figure = draw(Kind::EffectiveThroughput, &[run.clone(), sweep("other", &[1])], &asked).unwrap();
    assert_eq!(labels(&figure), ["run", "other"]);
    assert!(figure.subtitle.contains("generation 50 tokens/s, validator ema16"));
    // Of several recordings one rate is shown, FastGen's usual one.
    let figure = draw(Kind::EffectiveThroughput, &[run, sweep("other", &[1])], &Options::default()).unwrap();
    assert_eq!(labels(&figure), ["run", "other", "paper"]);
}

#[test]
fn percentiles_are_lines_over_clients_or_bars() {
    let of = |runs: &[Run], faithful| {
        draw(Kind::LatencyPercentiles, runs, &Options { faithful, ..Options::default() }).unwrap()
    };
    let one = of(&[sweep("a", &[1, 2, 4])], false);
    assert_eq!((one.panels.len(), labels(&one)), (1, vec!["P95", "P90", "P50"]));
    near(&points(&series(&one)[2]), &[(1.0, 0.01), (2.0, 0.01), (4.0, 0.01)]);
    let two = of(&[sweep("a", &[1, 2]), sweep("b", &[1, 2])], false);
    let names: Vec<_> = two.panels.iter().map(|p| p.y.label.as_str()).collect();
    assert_eq!((names, labels(&two)), (vec!["P50", "P90", "P95"], vec!["a", "b"]));
    for figure in [of(&[sweep("a", &[1, 2])], true), of(&[sweep("a", &[2])], false)] {
        let bars = series(&figure).last().unwrap();
        assert_eq!((bars.style, bars.label.as_str()), (Style::Bars, "2 clients"));
        near(&points(bars), &[(1.0, 0.01), (2.0, 0.01), (3.0, 0.01)]);
    }
    assert!(one.notes[0].contains("the first 1 and the last of each request, 1 request"), "{:?}", one.notes);
}

#[test]
fn replicas_scale_over_recordings_or_within_them() {
    let of = |clients, replicas| with(sweep(&format!("r{replicas}"), &[clients]), "replicas", replicas);
    let runs = [of(2, 1), of(4, 2), of(8, 4)];
    let figure = draw(Kind::ReplicaScale, &runs, &Options::default()).unwrap();
    let measured = series(&figure).iter().find(|s| matches!(s.style, Style::Measured { .. })).unwrap();
    near(&points(measured), &[(1.0, 20.0), (2.0, 40.0), (4.0, 80.0)]);
    assert_eq!((measured.fit, measured.label.as_str()), (Some(1), "2 clients for each replica"));
    let dashed = series(&figure).iter().find(|s| s.style == Style::Dashed && !s.points.is_empty()).unwrap();
    near(&points(dashed), &[(1.0, 20.0), (4.0, 80.0)]);
    let faithful = Options { faithful: true, ..Options::default() };
    let figure = draw(Kind::ReplicaScale, &runs, &faithful).unwrap();
    assert_eq!(series(&figure)[0].style, Style::Bars);
    let error = draw(Kind::ReplicaScale, &runs[..1], &Options::default()).unwrap_err();
    assert!(error.to_string().starts_with("nothing to draw in replica-scale: it needs stages"), "{error}");
}

#[test]
fn sizes_of_tensor_parallelism_are_curves() {
    let of = |tp| with(sweep(&format!("tp{tp}"), &[1, 2]), "tensor_parallel", tp);
    let figure = draw(Kind::TpSizes, &[of(1), of(2)], &Options::default()).unwrap();
    assert_eq!(labels(&figure), ["TP=1", "TP=2"]);
    // One client: 10 queries/s of 20 tokens; on two GPUs half of it each.
    let work = 2.0 * 6.738_415_616e9 * 20.0 * 10.0 / 1e12;
    near(&points(&series(&figure)[0]), &[(work, 0.1), (2.0 * work, 0.1)]);
    near(&points(&series(&figure)[1]), &[(work / 2.0, 0.1), (work, 0.1)]);
    let faithful = Options { faithful: true, ..Options::default() };
    let figure = draw(Kind::TpSizes, &[of(1), of(2)], &faithful).unwrap();
    near(&points(&series(&figure)[0]), &[(2.8, 0.1), (5.6, 0.1)]);
    let mut unknown = of(1);
    unknown.header.profile["model"]["dummy"] = "unheard-of".into();
    assert!(draw(Kind::TpSizes, &[unknown], &Options::default()).is_err());
    // What else differs is told too.
    let batches = [with(of(1), "max_batch", 8), with(of(2), "max_batch", 9)];
    let figure = draw(Kind::TpSizes, &batches, &Options::default()).unwrap();
    assert_eq!(labels(&figure)[0], "tp1 (max_batch 8), TP=1");
}

#[test]
fn a_timeline_has_every_second_and_every_mark() {
    let mut run = sweep("run", &[2, 4]);
    run.controls = vec![(4500 * MS, Control::Mark { note: "look here".into() })];
    let figure = draw(Kind::Timeline, &[run.clone()], &Options::default()).unwrap();
    assert_eq!(figure.panels.len(), 3);
    let output = points(&series(&figure)[0]);
    // Two clients with ten tokens every 100 ms each: 200 a second; the last token of a round falls into the next.
    assert_eq!(output.len(), 6);
    assert!((output[1].1 - 200.0).abs() < 25.0, "{output:?}");
    assert!((output.iter().map(|p| p.1).sum::<f64>() - 1200.0).abs() < 1e-9);
    let told: Vec<_> = figure.marks.iter().map(|m| (m.x, m.label.as_str())).collect();
    assert_eq!(told, [(0.0, "clients=2"), (3.0, "clients=4"), (4.5, "look here")]);
    let ttft = &figure.panels[2].series;
    assert_eq!(ttft.iter().map(|s| s.label.as_str()).collect::<Vec<_>>(), ["p50", "p99"]);
    near(&points(&ttft[0])[..1], &[(0.5, 0.01)]);
    // The pause between stages has no TTFT: a gap in the line, not a zero.
    assert!(ttft[0].points.len() > ttft[0].drawable().count());
    let two = draw(Kind::Timeline, &[run.clone(), run], &Options::default()).unwrap();
    assert_eq!(labels(&two), ["run", "run #2"]);
    assert!(two.marks.iter().all(|m| m.label.is_empty()));
    assert_eq!(two.marks[0].look, Look::Number(0));
}

#[test]
fn what_makes_figures_doubtful_is_said_on_the_chart() {
    let mut run = sweep("run", &[1, 2]);
    run.lost_events = 7;
    let figure = draw(Kind::ThroughputLatency, &[run], &Options::default()).unwrap();
    let words = VerdictKind::Tainted.words();
    assert!(figure.notes.iter().any(|n| n.starts_with("run: ") && n.contains(words)), "{:?}", figure.notes);
}

#[test]
fn recordings_without_figures_are_told_what_they_lack() {
    let mut empty = sweep("empty", &[1]);
    empty.stages[0].requests.clear();
    let mut none = empty.clone();
    none.stages.clear();
    for kind in [
        Kind::ThroughputLatency,
        Kind::EffectiveThroughput,
        Kind::LatencyPercentiles,
        Kind::ReplicaScale,
        Kind::TpSizes,
        Kind::Timeline,
    ] {
        for run in [&empty, &none] {
            let error = draw(kind, std::slice::from_ref(run), &Options::default()).unwrap_err();
            assert!(error.to_string().contains(kind.name()), "{error}");
        }
    }
}
