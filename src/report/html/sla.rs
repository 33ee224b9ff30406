//! Effective throughput at any SLA, for the page to recompute as somebody moves a slider.
//!
//! The sliders go in steps. A request keeps an SLA up to some step of the prompt rate and up to some step of the
//! generation rate, and that is all the page has to know: how many requests share each such pair. It counts those that
//! reach both sliders. So the answer is exact at every step, and the page's size does not grow with the requests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Source;
use super::charts::Card;
use super::write::escaped;
use crate::report::chart::{Axis, Extent, Figure, Loads, Look, Panel, Point, Series, Style, Unit};
use crate::report::fastgen::{Effective, Judge, Pace, Target, Validator, curves};
use crate::report::table::number;

/// Steps of each power of ten.
const STEPS: [f64; 22] = [
    1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0, 2.2, 2.5, 2.8, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0,
    9.0,
];
/// Rates beyond these are asked of nobody.
const RATES: (f64, f64) = (0.01, 1e6);
/// A rate that everybody keeps who keeps any.
const ANY: f64 = 1e-300;
/// FastGen's usual rate, where the profile has it.
const USUAL_RATE: f64 = 4.0;

/// All that the page's sliders need.
pub struct Explorer {
    prompt: Vec<f64>,
    generation: Vec<f64>,
    /// The SLA that is shown first.
    target: Target,
    rows: Vec<Row>,
    /// Labels of the chart's series.
    labels: Vec<String>,
    loads: Loads,
}

/// A stage.
struct Row {
    name: String,
    /// Clients, or the rate of an open loop.
    load: Option<f64>,
    requests: usize,
    measured_rps: Option<f64>,
    /// Requests by steps kept: of the prompt's and of the generation's rate. By validator.
    counts: [BTreeMap<(usize, usize), u64>; 2],
    judge: Judge,
    /// Its series and point in the chart.
    place: Option<(usize, usize)>,
}

impl Explorer {
    /// `None` if no request tells when its tokens came.
    pub fn of(sources: &[Source]) -> Option<Self> {
        let (mut rows, labels) = rows(sources);
        let slas: Vec<_> = sources.iter().flat_map(|s| &s.report().stages).map(|s| &s.fastgen.sla).collect();
        let first = slas.first()?;
        let paces = || rows.iter().flat_map(|r| r.judge.paces());
        paces().next()?;
        let kept = |p: &Pace| [1.0 / p.cumulative_s, 1.0 / p.ema_s];
        let generation = steps(
            paces().flat_map(kept),
            slas.iter().flat_map(|s| s.generation_tokens_per_s.iter().copied()),
        );
        let prompt = steps(
            paces().map(|p| f64::from(p.prompt_tokens) / p.first_s),
            slas.iter().map(|s| s.prompt_tokens_per_s),
        );
        let mut rates = first.generation_tokens_per_s.clone();
        rates.sort_by(f64::total_cmp);
        let usual = rates.iter().find(|r| r.total_cmp(&USUAL_RATE).is_eq());
        let rate = *usual.or_else(|| rates.get(rates.len() / 2))?;
        let validator = first.validators.first().copied().unwrap_or(Validator::Cumulative);
        for row in &mut rows {
            row.counts = Validator::ALL.map(|v| counted(row.judge.paces(), v, (&prompt, &generation)));
        }
        Some(Self {
            prompt,
            generation,
            target: first.target(validator, rate),
            rows,
            labels,
            loads: loads(sources),
        })
    }

    /// The chart at the first SLA; `None` if no stage tells its load.
    pub fn figure(&self) -> Option<Figure> {
        let most = self.rows.iter().filter_map(|r| r.measured_rps).fold(0.0, f64::max);
        let series = self.labels.iter().enumerate().map(|(at, label)| {
            let mut series = Series::new(label, Style::Measured { joined: true }, Look::Number(at));
            let mut placed: Vec<_> =
                self.rows.iter().filter_map(|r| Some((r.place.filter(|p| p.0 == at)?.1, r))).collect();
            placed.sort_by_key(|p| p.0);
            let point = |(_, row): (usize, &Row)| Point {
                x: row.load.unwrap_or(f64::NAN),
                y: row.judge.effective_rps(&self.target).unwrap_or(f64::NAN),
                label: String::new(),
            };
            series.points = placed.into_iter().map(point).collect();
            series
        });
        let y = Axis::new("Effective throughput", Unit::Of("queries/s"));
        let figure = Figure {
            title: "What if the SLA were another?".to_owned(),
            subtitle: String::new(),
            x: self.loads.axis().extent(Extent::FromZero),
            panels: vec![Panel {
                y: y.limits((Some(-0.03 * most), Some(most * 1.05))),
                series: series.collect(),
            }],
            marks: Vec::new(),
            notes: Vec::new(),
        };
        (!figure.is_empty()).then_some(figure)
    }

    /// Writes sliders, chart and table.
    pub fn push(&self, out: &mut String, card: &Card) {
        let t = &self.target;
        out.push_str(
            "<section class=\"card full\" aria-labelledby=\"h-sla\" id=\"explore\">\n\
             <h3 id=\"h-sla\">What if the SLA were another?</h3>\n",
        );
        let _ = writeln!(
            out,
            "<p class=\"sub\">A request is good if its first token comes within prompt tokens / <output \
             data-told=\"prompt\">{}</output> per second, and its others at <output data-told=\"generation\">{}</output> \
             tokens/s or faster, judged by <output data-told=\"validator\">{}</output>. Effective throughput is measured \
             throughput × share of good requests among completed ones.</p>",
            t.prompt_tokens_per_s,
            t.generation_tokens_per_s,
            t.validator.name()
        );
        out.push_str("<form class=\"sliders\" hidden>\n");
        slider(
            out,
            "generation",
            "Generation, tokens/s",
            self.generation.len(),
            at(&self.generation, t.generation_tokens_per_s),
        );
        slider(out, "prompt", "Prompt, tokens/s", self.prompt.len(), at(&self.prompt, t.prompt_tokens_per_s));
        out.push_str("<fieldset><legend>Validator</legend>");
        for validator in Validator::ALL {
            let checked = if validator == t.validator { " checked" } else { "" };
            let name = validator.name();
            let _ = write!(
                out,
                "<label><input type=\"radio\" name=\"validator\" value=\"{name}\"{checked}> {name}</label>"
            );
        }
        out.push_str("</fieldset>\n<button type=\"reset\">As in the profile</button>\n</form>\n<div class=\"sides\">\n<div>\n");
        card.picture(out);
        out.push_str("</div>\n");
        self.table(out);
        out.push_str("</div>\n</section>\n");
    }

    fn table(&self, out: &mut String) {
        out.push_str("<div class=\"scroll\"><table id=\"sla-table\"><caption>By stage</caption><thead><tr>");
        for head in
            ["", "effective req/s", "good %", "good", "completed", "measured req/s", self.loads.words()]
        {
            let _ = write!(out, "<th scope=\"col\">{head}</th>");
        }
        out.push_str("</tr></thead><tbody>\n");
        for row in &self.rows {
            let good = row.judge.good(&self.target);
            let share = good.map(|good| good as f64 / row.requests as f64 * 100.0);
            let _ = writeln!(
                out,
                "<tr><th scope=\"row\">{}</th><td data-cell=\"effective\"><b>{}</b></td><td data-cell=\"share\">{}</td><td \
                 data-cell=\"good\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(&row.name),
                number(row.judge.effective_rps(&self.target), 3),
                number(share, 1),
                good.map_or_else(|| "-".to_owned(), |n| n.to_string()),
                row.requests,
                number(row.measured_rps, 3),
                row.load.map_or_else(|| "-".to_owned(), |n| n.to_string()),
            );
        }
        out.push_str("</tbody></table></div>\n");
    }

    /// What the script counts with.
    pub fn to_json(&self) -> Value {
        let flat = |counts: &BTreeMap<(usize, usize), u64>| -> Vec<u64> {
            counts
                .iter()
                .flat_map(|((prompt, generation), n)| [*prompt as u64, *generation as u64, *n])
                .collect()
        };
        let row = |row: &Row| {
            json!({
                "requests": row.requests, "rps": row.measured_rps, "place": row.place,
                "counts": { "cumulative": flat(&row.counts[0]), "ema16": flat(&row.counts[1]) },
            })
        };
        json!({
            "prompt": self.prompt, "generation": self.generation,
            "stages": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

fn slider(out: &mut String, name: &str, label: &str, steps: usize, at: usize) {
    let _ = writeln!(
        out,
        "<label>{label} <output data-told=\"{name}\"></output><input type=\"range\" name=\"{name}\" min=\"0\" \
         max=\"{}\" step=\"1\" value=\"{at}\"></label>",
        steps.saturating_sub(1)
    );
}

fn at(steps: &[f64], rate: f64) -> usize {
    steps.iter().position(|s| s.total_cmp(&rate).is_eq()).unwrap_or(0)
}

/// What the loads of all stages are.
pub fn loads(sources: &[Source]) -> Loads {
    let curves: Vec<_> = sources.iter().flat_map(|s| curves(s.report())).collect();
    Loads::of(curves.iter().flat_map(|c| &c.points))
}

/// The stages that can be judged, and the labels of the curves that they make.
fn rows(sources: &[Source]) -> (Vec<Row>, Vec<String>) {
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for source in sources {
        let many = sources.len() > 1;
        for curve in curves(source.report()) {
            let mut points = 0;
            for point in curve.points {
                let load = point.load();
                let Effective::Judged(judge) = point.effective else { continue };
                if judge.paces().is_empty() {
                    continue;
                }
                let place = load.map(|_| (labels.len(), points));
                points += usize::from(place.is_some());
                let name = &source.recorded.label;
                rows.push(Row {
                    name: if many { format!("{name}, {}", point.stage) } else { point.stage },
                    load,
                    requests: judge.paces().len(),
                    measured_rps: judge.measured_rps(),
                    counts: Default::default(),
                    judge,
                    place,
                });
            }
            if points > 0 {
                labels.push(curve.label);
            }
        }
    }
    (rows, labels)
}

/// Steps from just below what the slowest request keeps to just above what the fastest keeps, and those of profiles.
fn steps(kept: impl Iterator<Item = f64>, named: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = named.collect();
    let sane = kept.filter(|r| r.is_finite() && *r > 0.0).map(|r| r.clamp(RATES.0, RATES.1));
    let (low, high) =
        sane.chain(all.iter().copied()).fold((f64::INFINITY, 0.0_f64), |(l, h), r| (l.min(r), h.max(r)));
    let steps = (-3..=6).flat_map(|power| STEPS.map(|s| rounded(s, power)));
    all.extend(steps.filter(|s| *s >= low / 1.3 && *s <= high * 1.3));
    all.sort_by(f64::total_cmp);
    all.dedup();
    all
}

/// `mantissa · 10^power` as it is written.
fn rounded(mantissa: f64, power: i32) -> f64 {
    let tenths = (mantissa * 10.0).round();
    if power >= 1 { tenths * 10f64.powi(power - 1) } else { tenths / 10f64.powi(1 - power) }
}

/// Requests by the steps they keep.
fn counted(
    paces: &[Pace],
    validator: Validator,
    (prompt, generation): (&[f64], &[f64]),
) -> BTreeMap<(usize, usize), u64> {
    let target = |prompt_tokens_per_s, generation_tokens_per_s| Target {
        prompt_tokens_per_s,
        generation_tokens_per_s,
        validator,
    };
    let mut counts = BTreeMap::new();
    for pace in paces {
        // Whoever keeps a rate keeps all lower ones.
        let prompts = prompt.partition_point(|rate| pace.meets(&target(*rate, ANY)));
        let generations = generation.partition_point(|rate| pace.meets(&target(ANY, *rate)));
        *counts.entry((prompts, generations)).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counting_steps_equals_judging_requests(
            paces in prop::collection::vec((1u32..4000, 0.001f64..20.0, 0.0f64..2.0, 0.0f64..2.0), 1..60),
            named in prop::collection::vec(prop::sample::select(vec![1.0, 2.5, 4.0, 7.3, 512.0]), 1..4),
        ) {
            let pace = |&(prompt_tokens, first_s, cumulative_s, ema_s): &(u32, f64, f64, f64)| {
                Pace { prompt_tokens, first_s, cumulative_s, ema_s }
            };
            let paces: Vec<Pace> = paces.iter().map(pace).collect();
            let prompt = steps(paces.iter().map(|p| f64::from(p.prompt_tokens) / p.first_s), named.iter().copied());
            let generation = steps(paces.iter().map(|p| 1.0 / p.ema_s), named.iter().copied());
            prop_assert!(named.iter().all(|r| prompt.contains(r) && generation.contains(r)));
            prop_assert!(prompt.len() < 200 && generation.windows(2).all(|w| w[0] < w[1]));
            for validator in Validator::ALL {
                let counts = counted(&paces, validator, (&prompt, &generation));
                for (i, prompt_tokens_per_s) in prompt.iter().copied().enumerate() {
                    for (j, generation_tokens_per_s) in generation.iter().copied().enumerate() {
                        let target = Target { prompt_tokens_per_s, generation_tokens_per_s, validator };
                        let judged = paces.iter().filter(|p| p.meets(&target)).count() as u64;
                        let reached = counts.iter().filter(|((p, g), _)| *p > i && *g > j);
                        prop_assert_eq!(reached.map(|(_, n)| n).sum::<u64>(), judged);
                    }
                }
            }
        }
    }

    #[test]
    fn steps_are_written_short() {
        let steps = steps([0.3, 40.0].into_iter(), [4.0, 7.3].into_iter());
        assert!(steps.iter().all(|s| s.to_string().len() <= 4), "{steps:?}");
        assert!(steps.contains(&7.3) && steps.contains(&0.25) && steps.contains(&50.0), "{steps:?}");
    }
}
