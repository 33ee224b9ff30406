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
    let title = Line::styled(sanitize::line(name), theme.fg(Role::Muted));
    let inner = panel(buf, area, "Host", &title, theme);
    let unknown = Sample::default();
    let sample = cx.snap.sample.as_deref().unwrap_or(&unknown);
    let width = if inner.width >= 70 { 20 } else { 8 };
    for (y, (label, part, words)) in (0u16..).zip(readings(sample)).take(usize::from(inner.height)) {
        text(buf, inner, (1, y), &label, theme.fg(Role::Muted));
        let bar = Rect { x: inner.x + 8, y: inner.y + y, width, height: 1 };
        if let Some(part) = part {
            let role = if part > 0.97 && label.ends_with("memory") { Role::Warn } else { Role::Accent };
            meter(buf, bar, part, theme.fg(role), theme.fg(Role::Border));
        }
        text(buf, inner, (9 + width, y), &words, theme.fg(Role::Text));
    }
}
