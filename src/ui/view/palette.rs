//! The line for commands in the footer, and above it what it offers.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr as _;

use super::{Cx, bare};
use crate::ui::palette::{Choice, choices};
use crate::ui::sanitize;
use crate::ui::state::Palette;
use crate::ui::theme::Role;
use crate::ui::widget::{panel, text};

/// Most rows of the list.
const MOST_ROWS: u16 = 14;
/// Columns of names and of keys.
const NAMES: u16 = 20;
const KEYS: u16 = 13;

/// A row, with what is said of it in lines that fit.
struct Row<'a> {
    choice: &'a Choice,
    shown: String,
    /// Columns before the keys, and before the words.
    places: [u16; 2],
    words: Vec<String>,
}

impl<'a> Row<'a> {
    fn of(choice: &'a Choice, width: u16) -> Self {
        let shown = sanitize::line(&choice.shown);
        let keys = (shown.width() as u16 + 3).max(NAMES + 3);
        let words_at = (keys + KEYS).max(keys + choice.keys.width() as u16 + 2);
        let words = match &choice.why {
            Some(why) => format!("✗ {why}"),
            None => choice.about.to_owned(),
        };
        let words = sanitize::wrap(&words, width.saturating_sub(words_at + 1).into());
        Self { choice, shown, places: [keys, words_at], words }
    }

    fn height(&self) -> u16 {
        self.words.len() as u16
    }
}

/// The first of the rows that are seen, so that the selected one is seen whole.
fn first(rows: &[Row<'_>], selected: usize, room: u16) -> usize {
    let mut height = 0;
    let back = rows[..(selected + 1).min(rows.len())].iter().rev().take_while(|row| {
        height += row.height();
        height <= room
    });
    (selected + 1).saturating_sub(back.count().max(1))
}

/// The list over the lower end of the body.
pub(super) fn draw(buf: &mut Buffer, body: Rect, palette: &Palette, cx: &Cx<'_>) {
    let all = choices(cx.ui, cx.scene(), cx.pic.over);
    let width = body.width.min(110);
    let rows: Vec<Row<'_>> = all.iter().map(|choice| Row::of(choice, width.saturating_sub(2))).collect();
    let said = said(palette, width.saturating_sub(3), body.width);
    let wanted = rows.iter().map(Row::height).fold(0, u16::saturating_add).clamp(1, MOST_ROWS);
    let height = (wanted + said.len() as u16).min(body.height.saturating_sub(2)) + 2;
    let height = height.min(body.height);
    let over = Rect { y: body.bottom() - height, height, width, ..body };
    bare(buf, over, cx.theme);
    let selected = palette.selected.min(rows.len().saturating_sub(1));
    let place = format!("{} of {}", (selected + 1).min(rows.len()), rows.len());
    let inner = panel(buf, over, "Commands", &Line::styled(place, cx.theme.fg(Role::Muted)), cx.theme);
    let list = Rect { height: inner.height.saturating_sub(said.len() as u16), ..inner };
    let mut y = 0;
    for (i, row) in rows.iter().enumerate().skip(first(&rows, selected, list.height)) {
        let height = row.height().min(list.height.saturating_sub(y));
        draw_row(buf, Rect { y: list.y + y, height, ..list }, row, i == selected, cx);
        y += height;
    }
    if rows.is_empty() {
        text(buf, list, (2, 0), "no command fits", cx.theme.fg(Role::Muted));
    }
    for (y, line) in (list.height..).zip(&said) {
        text(buf, inner, (1, y), line, cx.theme.bold(Role::Warn));
    }
}

/// Why the line was not carried out, where that is too long to stand behind it.
fn said(palette: &Palette, width: u16, footer: u16) -> Vec<String> {
    let long = palette.said.as_deref().filter(|said| !fits(palette, said, footer));
    long.map(|said| sanitize::wrap(said, width.into())).unwrap_or_default()
}

/// The line of the footer as it is shown: the end of one that is too long is what is being typed.
fn typed(palette: &Palette, width: u16) -> String {
    let typed = sanitize::line(&palette.text);
    let room = usize::from(width / 2).max(10);
    let surplus = typed.chars().count().saturating_sub(room);
    typed.chars().skip(surplus).collect()
}

/// Whether words fit behind the line in the footer.
fn fits(palette: &Palette, words: &str, width: u16) -> bool {
    typed(palette, width).width() + 5 + sanitize::line(words).width() <= usize::from(width)
}

fn draw_row(buf: &mut Buffer, area: Rect, row: &Row<'_>, selected: bool, cx: &Cx<'_>) {
    let theme = cx.theme;
    if selected {
        buf.set_style(area, theme.bg(Role::Selection));
        text(buf, area, (0, 0), "▸", theme.bold(Role::Accent));
    }
    let usable = row.choice.why.is_none();
    let name = if usable { theme.bold(Role::Text) } else { theme.fg(Role::Muted) };
    text(buf, area, (1, 0), &row.shown, name);
    let [keys_at, words_at] = row.places;
    let keys = if usable { theme.fg(Role::Accent) } else { theme.fg(Role::Muted) };
    text(buf, area, (keys_at, 0), &row.choice.keys, keys);
    let style = if usable { theme.fg(Role::Text) } else { theme.fg(Role::Muted) };
    for (y, line) in (0u16..).zip(&row.words) {
        text(buf, area, (words_at, y), line, style);
    }
}

/// The line itself, with what was wrong or what the keys are.
pub(super) fn draw_line(buf: &mut Buffer, area: Rect, palette: &Palette, cx: &Cx<'_>) {
    let theme = cx.theme;
    let x = text(buf, area, (1, 0), ":", theme.bold(Role::Accent));
    let x = text(buf, area, (x, 0), &typed(palette, area.width), theme.fg(Role::Text));
    let x = text(buf, area, (x, 0), "▏", theme.bold(Role::Accent));
    let said = palette.said.as_deref().filter(|said| fits(palette, said, area.width));
    match (said, &palette.said) {
        (Some(said), _) => drop(text(buf, area, (x + 2, 0), &sanitize::line(said), theme.bold(Role::Warn))),
        (None, Some(_)) => {}
        (None, None) => hint(buf, area, x + 2, cx),
    }
}

/// What the keys are, as many of them as fit.
fn hint(buf: &mut Buffer, area: Rect, mut x: u16, cx: &Cx<'_>) {
    let all = ["Enter runs", "Esc closes", "Tab completes", "↑↓ selects", "^P ^N history"];
    for (i, words) in all.into_iter().enumerate() {
        let words = if i == 0 { words.to_owned() } else { format!(" · {words}") };
        if usize::from(x) + words.width() > usize::from(area.width) {
            return;
        }
        x = text(buf, area, (x, 0), &words, cx.theme.fg(Role::Muted));
    }
}
