//! The newest readings in figures, beside the lines of the System screen: what is not known is `–`, and of what
//! there is not, there is no panel.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Cx;
use crate::event::{EngineSample, GpuSample, Sample};
use crate::ui::format::{UNKNOWN, bytes, count, digits, nanos, rate};
use crate::ui::sanitize;
use crate::ui::theme::Role;
use crate::ui::tracks::{energy_j_per_token, shown};
use crate::ui::widget::{panel, text, text_right};

/// Blocks filled from below, in eighths.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A figure: its name, and what it is.
type Fact = (&'static str, String);

/// A panel of figures: title, what stands at its right, the figures.
struct Group {
    title: String,
    about: String,
    facts: Vec<Fact>,
}

/// Draws the panels, as far as there is room.
pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    let mut rest = area;
    for group in groups(cx) {
        let height = (group.facts.len() as u16 + 2).min(rest.height);
        if height < 3 {
            break;
        }
        draw_group(buf, Rect { height, ..rest }, &group, cx);
        rest.y += height;
        rest.height -= height;
    }
}

fn draw_group(buf: &mut Buffer, area: Rect, group: &Group, cx: &Cx<'_>) {
    let theme = cx.theme;
    let room = usize::from(area.width).saturating_sub(group.title.len() + 9);
    let last = if cx.snap.ended.is_some() { "  last readings" } else { "" };
    let about = format!("{}{last}", sanitize::line(&group.about));
    let about: String = about.trim_start().chars().take(room).collect();
    let inner = panel(buf, area, &group.title, &Line::styled(about, theme.fg(Role::Muted)), theme);
    for (y, (name, value)) in (0..inner.height).zip(&group.facts) {
        let end = text(buf, inner, (1, y), name, theme.fg(Role::Muted));
        let room = usize::from(inner.width.saturating_sub(end + 2));
        let value: String = sanitize::line(value).chars().take(room).collect();
        text_right(buf, inner, (inner.width.saturating_sub(1), y), &value, theme.fg(Role::Text));
    }
}

fn groups(cx: &Cx<'_>) -> Vec<Group> {
    let Some(sample) = cx.snap.sample.as_deref() else { return Vec::new() };
    let mut groups = Vec::new();
    if tells(cx) {
        groups.push(engine(&sample.engine, cx));
    }
    groups.push(host(sample, cx));
    groups.extend(sample.gpus.iter().enumerate().map(|(i, gpu)| of_gpu(i, gpu)));
    groups
}

/// The engine told something, now or before.
fn tells(cx: &Cx<'_>) -> bool {
    let nothing = EngineSample::default();
    let told = |sample: &Sample| sample.engine != nothing;
    cx.snap.sample.as_deref().is_some_and(told)
        || cx.snap.series.iter().filter_map(|p| p.sample.as_deref()).any(told)
}

fn engine(engine: &EngineSample, cx: &Cx<'_>) -> Group {
    let number = |n: Option<u64>| n.map_or_else(|| UNKNOWN.to_owned(), count);
    let share = |part: Option<f32>| shown(part.map(|part| f64::from(part) * 100.0), "%");
    let short = |n: u64| rate(Some(n as f64)).trim().to_owned();
    let limit = cx.snap.info.as_ref().and_then(|info| info.max_batch);
    let running = number(engine.running.map(u64::from));
    let found = match (engine.prefix_cache_hits, engine.prefix_cache_queries) {
        (Some(hits), Some(queries)) => format!("{} of {}", short(hits), short(queries)),
        _ => UNKNOWN.to_owned(),
    };
    let facts = vec![
        ("running", limit.map_or_else(|| running.clone(), |limit| format!("{running} of {limit}"))),
        ("waiting", number(engine.waiting.map(u64::from))),
        ("KV cache", share(engine.kv_cache_used)),
        ("prefix hits", share(engine.prefix_cache_hit_rate)),
        ("prefix tokens", found),
        ("preemptions", number(engine.preemptions)),
        ("own tokens/s", shown(engine.tokens_per_s.map(f64::from), "")),
    ];
    let about = cx.snap.info.as_ref().map_or("", |info| info.kind.as_str());
    Group { title: "Engine".into(), about: about.into(), facts }
}

fn host(sample: &Sample, cx: &Cx<'_>) -> Group {
    let used = |percent: Option<f32>| shown(percent.map(|p| f64::from(p) / 100.0), "cores");
    let watts = |watts: Option<f32>| shown(watts.map(f64::from), "W");
    let mut facts = vec![("CPU", shown(sample.cpu_percent.map(f64::from), "%"))];
    if !sample.core_percent.is_empty() {
        facts.push(("cores", cores(&sample.core_percent, 28)));
    }
    facts.extend([
        ("process", used(sample.process_cpu_percent)),
        ("  engine's threads", used(sample.engine_cpu_percent)),
        ("  client's threads", used(sample.client_cpu_percent)),
        ("load, 1 min", sample.load_1m.map_or_else(|| UNKNOWN.to_owned(), |load| digits(load.into()))),
        ("memory", format!("{} of {}", bytes(sample.memory_used_bytes), bytes(sample.memory_total_bytes))),
        ("  process", bytes(sample.rss_bytes)),
        ("loop lag", nanos(sample.loop_lag_ns).trim().to_owned()),
        ("CPU power", watts(sample.cpu_power_w)),
        ("engine's power", watts(sample.power_w)),
        ("energy per token", shown(energy_j_per_token(cx.snap), "J")),
        ("client can measure", can_measure(cx)),
    ]);
    // Older recordings tell no cores apart.
    let about = match sample.core_percent.len() {
        0 => String::new(),
        1 => "1 core".into(),
        n => format!("{n} cores"),
    };
    Group { title: "Host".into(), about, facts }
}

/// The client's limit at the stage's tokens a request, and the share of it that the last ten seconds took.
fn can_measure(cx: &Cx<'_>) -> String {
    let Some(client) = &cx.pic.title.client else { return "not calibrated".into() };
    let client = client.in_stage(cx.snap.stage.as_ref().map_or(&[][..], |stage| &stage.sweep));
    let counts = &cx.snap.counts;
    let limit = client.tokens_per_s(counts.output_tokens as f64 / counts.ended().max(1) as f64);
    let share = cx
        .snap
        .output_rate
        .s10
        .map_or_else(String::new, |now| format!(", {} {:.1} %", cx.newest(), now / limit * 100.0));
    format!("{} tok/s{share}", rate(Some(limit)).trim())
}

fn of_gpu(i: usize, gpu: &GpuSample) -> Group {
    let mhz = |mhz: Option<u32>| mhz.map_or_else(|| UNKNOWN.to_owned(), |mhz| mhz.to_string());
    let whole = |value: Option<f32>, unit: &str| {
        value.map_or_else(|| UNKNOWN.to_owned(), |value| format!("{value:.0} {unit}"))
    };
    let limit = gpu.power_limit_w.map_or_else(String::new, |limit| format!(" of {limit:.0} W"));
    let throttled = match &gpu.throttled_by {
        None => UNKNOWN.to_owned(),
        Some(reasons) if reasons.is_empty() => "no".into(),
        Some(reasons) => reasons.join(", "),
    };
    let facts = vec![
        ("utilisation", whole(gpu.utilisation_percent, "%")),
        ("memory", format!("{} of {}", bytes(gpu.memory_used_bytes), bytes(gpu.memory_total_bytes))),
        ("power", whole(gpu.power_w, "W") + &limit),
        ("temperature", whole(gpu.temperature_c, "°C")),
        ("clocks, core/memory", format!("{}/{} MHz", mhz(gpu.clock_mhz), mhz(gpu.memory_clock_mhz))),
        ("clocks held down", throttled),
    ];
    Group { title: format!("GPU {i}"), about: gpu.name.clone(), facts }
}

/// One block a core, as high as it is busy; several cores a block where there are more than `most`.
pub(super) fn cores(percent: &[f32], most: usize) -> String {
    let each = percent.len().div_ceil(most.max(1)).max(1);
    let block = |cores: &[f32]| {
        let mean = cores.iter().sum::<f32>() / cores.len() as f32;
        BLOCKS[((mean / 100.0 * 8.0) as usize).min(BLOCKS.len() - 1)]
    };
    percent.chunks(each).map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_cores_share_blocks() {
        assert_eq!(cores(&[0.0, 50.0, 100.0, f32::NAN], 8), "▁▅█▁");
        assert_eq!(cores(&[0.0, 100.0, 100.0, 100.0], 2), "▅█");
        assert_eq!(cores(&[], 8), "");
    }
}
