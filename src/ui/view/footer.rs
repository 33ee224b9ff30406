//! The footer: what is being typed, a passing word, or the keys of this screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::{Cx, bare, palette};
use crate::ui::keymap::{Binding, Place, bindings};
use crate::ui::sanitize;
use crate::ui::state::{PromptKind, Screen};
use crate::ui::theme::Role;
use crate::ui::widget::text;

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    let theme = cx.theme;
    buf.set_style(area, theme.bg(Role::Surface));
    if let Some(line) = &cx.ui.palette {
        palette::draw_line(buf, area, line, cx);
        return;
    }
    if let Some(prompt) = &cx.ui.prompt {
        let label = match prompt.kind {
            PromptKind::Filter if matches!(cx.ui.screen, Screen::Log | Screen::Requests) => "filter: ",
            PromptKind::Filter => "search: ",
            PromptKind::Mark => "mark, with a note: ",
        };
        let x = text(buf, area, (1, 0), label, theme.bold(Role::Accent));
        let x = text(buf, area, (x, 0), &sanitize::line(&prompt.text), theme.fg(Role::Text));
        let x = text(buf, area, (x, 0), "▏", theme.bold(Role::Accent));
        text(buf, area, (x + 2, 0), "Enter takes · Esc gives up", theme.fg(Role::Muted));
        return;
    }
    if let Some((word, _)) = &cx.ui.flash {
        passing(buf, area, word, cx);
        return;
    }
    let mut x = 1;
    if cx.ui.screen == Screen::Requests && cx.ui.requests.open.is_some() {
        // Of an open request, what its own keys are.
        for (keys, hint) in [("Esc", "close"), ("↑ ↓ PgUp PgDn", "text"), ("y", "copy chunks")] {
            x = text(buf, area, (x, 0), keys, theme.bold(Role::Accent));
            x = text(buf, area, (x + 1, 0), hint, theme.fg(Role::Muted)) + 2;
        }
    }
    // The screen's own keys first: those a newcomer can't guess.
    let all: Vec<_> = bindings(cx.ui.screen, cx.scene())
        .filter(|b| !b.hint.is_empty() && (x == 1 || (b.keys != "y" && !matches!(b.place, Place::On(_)))))
        .collect();
    let own = |b: &&&Binding| matches!(b.place, Place::On(_) | Place::LiveOn(_) | Place::Pair);
    let ordered =
        all.iter().take(2).chain(all.iter().filter(own)).chain(all.iter().skip(2).filter(|b| !own(b)));
    for binding in ordered {
        let keys = cx.ui.keys.shown(binding.keys);
        if keys.is_empty() {
            continue;
        }
        let width = (keys.width() + binding.hint.width() + 1) as u16;
        if x + width > area.width {
            break;
        }
        x = text(buf, area, (x, 0), &keys, theme.bold(Role::Accent));
        x = text(buf, area, (x + 1, 0), binding.hint, theme.fg(Role::Muted)) + 2;
    }
}

/// Most rows of a passing word.
const MOST_ROWS: usize = 3;

/// A passing word; what is longer than the footer grows upwards over what is there.
fn passing(buf: &mut Buffer, area: Rect, word: &str, cx: &Cx<'_>) {
    let mut lines = sanitize::wrap(&word.replace('\n', " "), usize::from(area.width.saturating_sub(2)));
    let all = lines.len();
    lines.truncate(MOST_ROWS);
    let rows = lines.len() as u16;
    let above = rows.saturating_sub(1).min(area.y);
    let over = Rect { y: area.y - above, height: above + 1, ..area };
    if above > 0 {
        bare(buf, over, cx.theme);
    }
    for (y, line) in (0u16..).zip(&lines) {
        let end = text(buf, over, (1, y), line, cx.theme.bold(Role::Accent));
        if all > MOST_ROWS && y + 1 == rows {
            text(buf, over, (end.min(over.width - 1), y), "…", cx.theme.bold(Role::Accent));
        }
    }
}
