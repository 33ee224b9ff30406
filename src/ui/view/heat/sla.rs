//! The SLA on the map: the profile's thresholds, and what the rate that is looked at allows.

use super::super::Cx;
use super::scale::tick_label;
use crate::metrics::HeatFigure;

/// A limit as a line.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitLine {
    pub ns: f64,
    /// E.g. `≥ 4 tok/s`, `ttft_p99`.
    pub name: String,
}

impl LimitLine {
    /// What it asks for in words.
    pub fn words(&self) -> String {
        format!("{} {}", self.name, tick_label(self.ns))
    }
}

/// All limits of a figure.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    pub lines: Vec<LimitLine>,
    /// Why there is no line where one could be expected.
    pub note: Option<String>,
}

/// The limits of a figure: thresholds by its name; for gaps and TPOT the time that a token has at the SLA's rate; for
/// TTFT the time that the prompt has, where all prompts are equally long.
pub fn limits(figure: HeatFigure, cx: &Cx<'_>) -> Limits {
    let sla = &cx.snap.curve.sla;
    let name = figure.name().to_lowercase();
    let own = |key: &str| key.split('_').next() == Some(name.as_str());
    let mut limits = Limits::default();
    for limit in sla.limits.iter().filter(|limit| own(&limit.key)) {
        limits.lines.push(LimitLine { ns: limit.limit_ns as f64, name: limit.key.clone() });
    }
    match figure {
        HeatFigure::Itl | HeatFigure::Tpot => {
            if let Some(rate) = sla.rates.get(cx.ui.curve.rate_of(sla.rates.len())) {
                limits.lines.push(LimitLine { ns: 1e9 / rate, name: format!("≥ {} tok/s", plain(*rate)) });
            }
        }
        HeatFigure::Ttft => match cx.snap.heat.prompt_tokens {
            Some((least, most)) if least == most => {
                let ns = f64::from(least) / sla.prompt_tokens_per_s * 1e9;
                limits
                    .lines
                    .push(LimitLine { ns, name: format!("prompt/{}", plain(sla.prompt_tokens_per_s)) });
            }
            Some((least, most)) => {
                let rate = plain(sla.prompt_tokens_per_s);
                limits.note =
                    Some(format!("no line for prompt/{rate} s: prompts have {least}–{most} tokens"));
            }
            None => {}
        },
        HeatFigure::E2e => {}
    }
    limits
}

fn plain(value: f64) -> String {
    let digits = format!("{value:.2}");
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}
