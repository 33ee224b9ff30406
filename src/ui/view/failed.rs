//! The run could not begin: why, in full.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Cx;
use crate::ui::theme::Role;
use crate::ui::widget::{panel, text};
use crate::ui::{Title, sanitize};

pub(super) fn draw(buf: &mut Buffer, area: Rect, reason: &str, cx: &Cx<'_>) {
    let theme = cx.theme;
    let inner = panel(buf, area, "The run could not begin", &Line::default(), theme);
    let width = usize::from(inner.width.saturating_sub(4).min(100));
    let lines = sanitize::wrap(reason, width);
    let mut y = 1;
    for line in &lines {
        text(buf, inner, (2, y), line, theme.bold(Role::Bad));
        y += 1;
    }
    y += 1;
    let advice = advice(cx.pic.title);
    for line in advice.iter().flat_map(|a| sanitize::wrap(a, width)) {
        text(buf, inner, (2, y), &line, theme.fg(Role::Muted));
        y += 1;
    }
}

/// What can be done: of an engine that the program loads, of a server that it starts, and of one that is there already.
fn advice(title: &Title) -> [&'static str; 3] {
    let (log, mend) = match (title.backend.as_str(), &title.server) {
        ("openai", Some(_)) => (
            "7 shows the log: what the server was asked.",
            "Nothing was measured. See that the server runs and that its URL is right (--url, or backend.urls in the \
             profile), and start again.",
        ),
        ("openai", None) => (
            "7 shows the log: what the server printed before it gave up.",
            "Nothing was measured. Mend [backend.launch] in the profile, or start the server yourself and give its \
             address with --url, and start again.",
        ),
        _ => (
            "7 shows the log: what the engine said before it gave up.",
            "Nothing was measured. Mend the profile, or choose another with --profile NAME, and start again.",
        ),
    };
    [log, mend, "q quits."]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits_the_backend() {
        let of = |backend: &str, server: Option<&str>| {
            let title = Title { backend: backend.into(), server: server.map(Into::into), ..Title::default() };
            advice(&title).join(" ")
        };
        let (there, started, own) = (of("openai", Some("gpu:1")), of("openai", None), of("mistralrs", None));
        assert!(there.contains("--url, or backend.urls") && !there.contains("engine said"), "{there}");
        assert!(started.contains("[backend.launch]") && started.contains("server printed"), "{started}");
        assert!(own.contains("--profile NAME") && !own.contains("server"), "{own}");
    }
}
