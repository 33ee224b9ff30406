//! The machine: CPU, memory, GPUs, and what the client itself costs.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Cx;
use crate::event::{GpuSample, Sample};
use crate::ui::format::{UNKNOWN, bytes, percent};
use crate::ui::sanitize;
use crate::ui::theme::Role;
use crate::ui::widget::{meter, panel, text};

/// A line: label, share of the whole if there is one, words.
type Reading = (String, Option<f64>, String);

fn readings(sample: &Sample) -> Vec<Reading> {
    let share = |used: Option<u64>, total: Option<u64>| match (used, total) {
        (Some(used), Some(total)) if total > 0 => Some(used as f64 / total as f64),
        _ => None,
    };
    let memory = share(sample.memory_used_bytes, sample.memory_total_bytes);
    let cores = |p: Option<f32>| {
        p.map_or_else(|| UNKNOWN.to_owned(), |p| format!("{:.2} cores", f64::from(p) / 100.0))
    };
    let mut lines = vec![
        (
            "CPU".to_owned(),
            sample.cpu_percent.map(|p| f64::from(p) / 100.0),
            format!("{}  process {}", percent(sample.cpu_percent), cores(sample.process_cpu_percent)),
        ),
        (
            "memory".to_owned(),
            memory,
            format!(
                "{} of {}  process {}",
                bytes(sample.memory_used_bytes),
                bytes(sample.memory_total_bytes),
                bytes(sample.rss_bytes)
            ),
        ),
    ];
    for (i, gpu) in sample.gpus.iter().enumerate() {
        lines.extend(gpu_readings(i, gpu));
    }
    if sample.gpus.is_empty() {
        lines.push(("GPU".to_owned(), None, format!("{UNKNOWN} none seen")));
    }
    let lag = crate::ui::format::nanos(sample.loop_lag_ns);
    let client = format!("{}  loop lag {}", cores(sample.client_cpu_percent), lag.trim());
    lines.push(("client".to_owned(), None, client));
    lines
}

fn gpu_readings(i: usize, gpu: &GpuSample) -> [Reading; 2] {
    let known =
        |v: Option<f32>, unit: &str| v.map_or_else(|| UNKNOWN.to_owned(), |v| format!("{v:.0} {unit}"));
    let memory = match (gpu.memory_used_bytes, gpu.memory_total_bytes) {
        (Some(used), Some(total)) if total > 0 => Some(used as f64 / total as f64),
        _ => None,
    };
    [
        (
            format!("GPU {i}"),
            gpu.utilisation_percent.map(|p| f64::from(p) / 100.0),
            format!(
                "{}  {}  {}",
                percent(gpu.utilisation_percent),
                known(gpu.power_w, "W"),
                known(gpu.temperature_c, "°C")
            ),
        ),
        (
            "  mem".to_owned(),
            memory,
            format!("{} of {}", bytes(gpu.memory_used_bytes), bytes(gpu.memory_total_bytes)),
        ),
    ]
}

/// Rows that the panel wants within its frame.
pub(super) fn wanted(cx: &Cx<'_>) -> u16 {
    let gpus = cx.snap.sample.as_ref().map_or(0, |s| s.gpus.len());
    (3 + (gpus * 2).max(1)).min(20) as u16
}

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    let theme = cx.theme;
    let name = cx.snap.sample.as_ref().and_then(|s| s.gpus.first()).map_or("", |g| g.name.as_str());
    let last = if cx.snap.ended.is_some() && cx.snap.sample.is_some() { "  last readings" } else { "" };
    let title = format!("{}{last}", sanitize::line(name)).trim_start().to_owned();
    let title = Line::styled(title, theme.fg(Role::Muted));
    let inner = panel(buf, area, "Host", &title, theme);
    let unknown = Sample::default();
    let sample = cx.snap.sample.as_deref().unwrap_or(&unknown);
    let lines = readings(sample);
    let longest = |columns| {
        lines.iter().map(|line| fitting(&line.2, columns).chars().count() as u16).max().unwrap_or(0)
    };
    let whole = longest(u16::MAX);
    let width = bar_width(inner.width, if whole + 8 <= inner.width { whole } else { longest(0) });
    let behind = if width > 0 { 9 + width } else { 8 };
    for (y, (label, part, words)) in (0u16..).zip(lines).take(usize::from(inner.height)) {
        text(buf, inner, (1, y), &label, theme.fg(Role::Muted));
        let bar = Rect { x: inner.x + 8, y: inner.y + y, width, height: 1 };
        if let Some(part) = part.filter(|_| width > 0) {
            let role = if part > 0.97 && label.ends_with("memory") { Role::Warn } else { Role::Accent };
            meter(buf, bar, part, theme.fg(role), theme.fg(Role::Border));
        }
        let words = fitting(&words, inner.width.saturating_sub(behind));
        text(buf, inner, (behind, y), words, theme.fg(Role::Text));
    }
}

/// As many figures of a line as fit into so many columns, the first at any rate. They stand two blanks apart.
fn fitting(words: &str, columns: u16) -> &str {
    let ends = words.match_indices("  ").map(|(at, _)| at).chain([words.len()]);
    let fits = |end: &usize| words[..*end].chars().count() <= usize::from(columns);
    let first = words.find("  ").unwrap_or(words.len());
    &words[..ends.filter(fits).max().unwrap_or(first)]
}

/// Columns of the bars beside the longest words: figures come before pictures, and a bar of two says nothing.
fn bar_width(inner: u16, longest: u16) -> u16 {
    let wanted = if inner >= 70 { 20 } else { 8 };
    let room = inner.saturating_sub(9 + longest);
    if room < 3 { 0 } else { wanted.min(room) }
}

#[cfg(test)]
mod tests {
    use super::{bar_width, fitting};

    #[test]
    fn figures_are_whole_or_not_there() {
        let words = "100 %  process 0.14 cores";
        assert_eq!((fitting(words, 25), fitting(words, 24), fitting(words, 3)), (words, "100 %", "100 %"));
        assert_eq!(fitting("– none seen", 40), "– none seen");
    }

    #[test]
    fn bars_give_way_to_figures() {
        assert_eq!((bar_width(80, 38), bar_width(56, 38), bar_width(52, 38)), (20, 8, 5));
        assert_eq!((bar_width(48, 38), bar_width(10, 38)), (0, 0));
    }
}
