//! The page as a whole: what is in it, that nothing gets out of its place, and that it stays small.

use serde_json::{Value, json};

use super::*;
use crate::event::{Ended, Outcome};
use crate::metrics::{Definitions, RequestRecord};
use crate::report::Run;
use crate::report::fastgen::{Skips, Validator};
use crate::report::fixture::{self, MS};

const NASTY: &str = "</script><script>alert(1)</script><!--\u{2028}\"'&\u{202e}\u{1b}[2J";

fn page(runs: &[&Run]) -> String {
    let sources: Vec<Source> =
        runs.iter().map(|run| Source::of(run, Skips::default(), Definitions::Own)).collect();
    html(&sources, Show::Both)
}

/// What the script reads.
fn data(page: &str) -> Value {
    let from = page.split_once("id=\"data\">").unwrap().1;
    serde_json::from_str(from.split_once("</script>").unwrap().0).unwrap()
}

/// A closed loop whose requests differ: each token of request n comes after n + 1 ms.
fn uneven(requests: u64) -> Run {
    let mut run = fixture::closed_loop(4, 1);
    let make = |n: u64| -> RequestRecord {
        let sent = n * 10 * MS;
        let chunks: Vec<_> = (1..=4).map(|i| (sent + i * (n % 400 + 1) * MS, 1)).collect();
        fixture::request(n, sent).chunks(&chunks).into()
    };
    run.stages[0].requests = (0..requests).map(make).collect();
    run.last_ns = run.stages[0].requests.iter().map(|r| r.finished_ns).max().unwrap();
    run
}

/// The names of all tags that are open at the end, or a tag that closes another one.
fn unbalanced(page: &str) -> Vec<String> {
    const VOID: [&str; 6] = ["meta", "link", "input", "br", "path", "rect"];
    let mut open: Vec<String> = Vec::new();
    let mut rest = page;
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').unwrap();
        rest = after;
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap().to_owned();
        if tag.starts_with('/') {
            if open.pop().as_deref() != Some(name.as_str()) {
                return vec![tag.to_owned()];
            }
        } else if !tag.starts_with('!') && !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
            if ["script", "style"].contains(&name.as_str()) {
                rest = rest.split_once(&format!("</{name}>")).unwrap().1;
                continue;
            }
            open.push(name);
        }
    }
    open
}

#[test]
fn a_page_is_whole_and_the_same_every_time() {
    let run = fixture::sweep(&[("a", 1), ("a", 2), ("a", 4)]);
    let made = page(&[&run]);
    assert_eq!(made, page(&[&run]));
    assert_eq!(unbalanced(&made), Vec::<String>::new());
    for said in [
        "Throughput and latency",
        "Effective throughput",
        "Token latency percentiles",
        "Latency distribution",
        "Timeline",
        "Measured window",
        "Steady window",
        "No request failed",
        "Stages in full",
    ] {
        assert!(made.contains(said), "{said}");
    }
    // Each picture comes in two sizes, and each chart has a table.
    assert_eq!(made.matches("class=\"chart wide\"").count(), 6);
    assert_eq!(made.matches("class=\"chart narrow\"").count(), 6);
    assert_eq!(made.matches("class=\"values\"").count(), 5);
    for outside in ["http://", "https://", "url(", "@import", " src=", "<iframe", "<object"] {
        let found = made.replace("http://www.w3.org/2000/svg", "");
        assert!(!found.contains(outside), "{outside}");
    }
    let ids: Vec<_> = made.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "{ids:?}");
}

#[test]
fn the_summary_is_that_of_other_reports() {
    let run = fixture::run();
    let made = page(&[&run]);
    let report = crate::report::report(&run);
    let table = crate::report::table::summary(std::slice::from_ref(&report), Show::Measured);
    let row = format!("<td>{}</td>", table.rows[0][1..].join("</td><td>"));
    assert!(made.contains(&row), "{row}");
    assert!(made.contains("failed_engine") && made.contains("=out of memory, &quot;all&quot;"));
    let steady = html(&[Source::of(&run, Skips::default(), Definitions::Own)], Show::Steady);
    assert!(!steady.contains("Measured window") && steady.contains("Steady window"));
}

#[test]
fn nothing_of_a_recording_is_markup() {
    let mut run = fixture::sweep(&[(NASTY, 1), (NASTY, 2)]);
    run.name = format!("{NASTY}.jsonl.zst");
    run.header.profile = json!({ "profile": { "name": NASTY }, "reference": [
        { "label": NASTY, "clients": [1, 2], "throughput_rps": [1.0, 2.0], "latency_s": [1.0, 2.0] },
    ]});
    run.header.host.name = NASTY.into();
    run.header.host.gpus = vec![NASTY.into()];
    run.ended = Some(Ended::Failed { reason: NASTY.into() });
    run.controls.push((MS, crate::event::Control::Mark { note: NASTY.into() }));
    run.stages[0].requests[0].outcome = Outcome::FailedHttp;
    run.stages[0].requests[0].error = Some(NASTY.into());
    let made = page(&[&run, &fixture::run()]);
    assert_eq!(unbalanced(&made), Vec::<String>::new());
    assert!(made.contains("&lt;/script&gt;&lt;script&gt;alert(1)"));
    assert_eq!(made.matches("<script").count(), 2);
    for raw in ["<script>alert", "<!--", "\u{2028}", "\u{202e}", "\u{1b}"] {
        assert!(!made.contains(raw), "{raw:?}");
    }
    assert!(data(&made)["figures"]["timeline"].is_object());
}

#[test]
fn counts_give_the_reports_effective_throughput() {
    let mut run = uneven(300);
    run.header.profile["sla"] =
        json!({ "prompt_tokens_per_s": 100, "generation_tokens_per_s": [3, 4, 7.7, 20, 100] });
    let report = crate::report::report(&run);
    let fastgen = &report.stages[0].fastgen;
    let sla = &data(&page(&[&run]))["sla"];
    let step = |which: &str, rate: f64| {
        sla[which].as_array().unwrap().iter().position(|s| s.as_f64() == Some(rate)).unwrap() as u64
    };
    let mut seen = std::collections::BTreeSet::new();
    for validator in Validator::ALL {
        let counts: Vec<u64> =
            serde_json::from_value(sla["stages"][0]["counts"][validator.name()].clone()).unwrap();
        for (rate, good) in &fastgen.good_requests.of(validator).0 {
            let (p, g) = (step("prompt", 100.0), step("generation", *rate));
            let reached = counts.chunks(3).filter(|c| c[0] > p && c[1] > g).map(|c| c[2]).sum::<u64>();
            assert_eq!(Some(reached), *good, "{validator:?} {rate}");
            let rps = sla["stages"][0]["rps"].as_f64().unwrap() * (reached as f64 / 300.0);
            let told = fastgen.effective_throughput_rps.of(validator).at(*rate);
            assert_eq!(told.map(f64::to_bits), Some(rps.to_bits()));
            seen.insert(reached);
        }
    }
    assert!(seen.len() > 3, "the rates must make a difference: {seen:?}");
}

#[test]
fn a_hundred_thousand_requests_make_no_larger_page() {
    let (few, many) = (page(&[&uneven(2_000)]), page(&[&uneven(100_000)]));
    assert!(few.len() < 400_000, "{}", few.len());
    // A thousand seconds are more points, up to a bound; requests are only counted.
    assert!(many.len() < 700_000, "{}", many.len());
    let sla = |page: &str| data(page)["sla"].to_string().len();
    assert!(sla(&many) < sla(&few) * 2, "{} {}", sla(&few), sla(&many));
}

#[test]
fn a_recording_without_anything_is_a_page_that_says_so() {
    let mut run = fixture::run();
    run.stages.clear();
    let made = page(&[&run]);
    assert_eq!(unbalanced(&made), Vec::<String>::new());
    assert!(made.contains("Nothing was measured") && data(&made)["sla"].is_null());
    assert_eq!(made.matches("nothing to draw").count(), 5, "each chart says why there is none");
}
