//! The report as one HTML file for people: figures, charts and tables in a page that needs no network and no other
//! file, and works without scripts, too.
//!
//! `cli` makes a [`Source`] of each recording, which is all that is kept of it, and a page of them ([`html`]).
//!
//! | file | what it holds |
//! |---|---|
//! | `source` | what the page needs of a recording beyond its report |
//! | `sections` | the parts of the page that are words and tables |
//! | `charts` | charts: a picture, its legend, its values as a table and as data for the script |
//! | `distribution` | the latency distribution as a figure |
//! | `sla` | effective throughput at any SLA: counts by rates, so that the page only adds up |
//! | `write` | elements, escaping, JSON in a page |
//! | `page.css`, `page.js` | how it looks, and what reacts |
//!
//! Everything is computed here, by the code of all other reports; the script shows, hides, and adds counts. Sizes are
//! bounded: a line has at most [`charts::MOST_POINTS`] points, a table of a chart [`charts::MOST_ROWS`] rows, and
//! requests are counted by steps of the SLA's rates, however many there are.

mod charts;
mod distribution;
mod sections;
mod sla;
mod source;
#[cfg(test)]
mod tests;
mod write;

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub use source::Source;

use super::Show;
use super::chart::{self, Kind, Options, web};
use charts::{Card, Size};
use write::{base64, escaped, json_in_page};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page of these recordings. The same recordings give the same bytes.
pub fn html(sources: &[Source], show: Show) -> String {
    let mut body = String::new();
    sections::headers(&mut body, sources);
    let mut figures = serde_json::Map::new();
    let explorer = sla::Explorer::of(sources);
    push_charts(&mut body, sources, explorer.as_ref(), &mut figures);
    sections::summaries(&mut body, sources, show);
    sections::errors(&mut body, sources);
    sections::details(&mut body, sources, show);
    let counts = explorer.as_ref().map_or(Value::Null, sla::Explorer::to_json);
    let data = json!({ "figures": figures, "sla": counts });
    document(&sections::title(sources), &body, &json_in_page(&data))
}

/// The charts that `plot` draws, the distribution, and the one with the SLA's sliders.
fn push_charts(
    out: &mut String,
    sources: &[Source],
    explorer: Option<&sla::Explorer>,
    figures: &mut serde_json::Map<String, Value>,
) {
    let plot = |kind| {
        let recorded = sources.iter().map(|s| s.recorded.clone()).collect();
        chart::plot(kind, recorded, &Options::default()).map_err(|e| e.to_string())
    };
    let mut distribution = Card::new("latency-distribution", Size::TALL, distribution::figure(sources));
    distribution.x_names = distribution::names();
    let asked = explorer.map(|e| (e, Card::new("sla", Size::HALF, e.figure().ok_or_else(String::new))));
    let mut curves = Card::new("throughput-latency", Size::HALF, plot(Kind::ThroughputLatency));
    curves.beside = sla::loads(sources).words();
    let over = [curves, Card::new("effective-throughput", Size::HALF, plot(Kind::EffectiveThroughput))];
    let under = [
        Card::new("latency-percentiles", Size::TALL, plot(Kind::LatencyPercentiles)),
        distribution,
        Card::new("timeline", Size::FULL, plot(Kind::Timeline)),
    ];
    out.push_str("<h2 id=\"charts\">Charts</h2>\n<div class=\"grid\">\n");
    for card in &over {
        card.push(out);
    }
    if let Some((explorer, card)) = &asked {
        explorer.push(out, card);
    }
    for card in &under {
        card.push(out);
    }
    out.push_str("</div>\n");
    let all = over.iter().chain(asked.as_ref().map(|a| &a.1)).chain(&under);
    figures.extend(all.filter_map(|card| Some((card.id.to_owned(), card.to_json()?))));
}

fn document(title: &str, body: &str, data: &str) -> String {
    // Only this very script runs, and nothing is fetched, whatever a recording holds.
    let hash = base64(&Sha256::digest(SCRIPT.as_bytes()));
    let mut out = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    let _ = writeln!(
        out,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         img-src data:; script-src 'sha256-{hash}'\">"
    );
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    let _ = writeln!(out, "<title>{}</title>\n<link rel=\"icon\" href=\"data:,\">", escaped(title));
    let (light, dark) = (web::properties(false), web::properties(true));
    let _ = write!(
        out,
        "<style>\n:root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n\
         @media screen{{:root[data-theme=dark]{{{dark}}}}}\n{STYLE}</style>\n</head>\n<body>\n"
    );
    let _ = write!(
        out,
        "{}<main id=\"main\">\n{body}</main>\n<div id=\"said\" class=\"unseen\" aria-live=\"polite\"></div>\n",
        sections::bar(title)
    );
    let _ = write!(
        out,
        "<script type=\"application/json\" id=\"data\">{data}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    );
    out
}
