//! All keys, over the screen: in as few columns as hold them, and where none do, in one that is scrolled.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr as _;

use super::{Cx, Hits, bare};
use crate::ui::keymap::{BINDINGS, Place};
use crate::ui::sanitize;
use crate::ui::state::Screen;
use crate::ui::theme::Role;
use crate::ui::widget::{panel, text};

/// Columns before the keys, between them and what they do, and behind that.
const GAPS: u16 = 4;
/// Narrowest that a column's descriptions are.
const NARROWEST: u16 = 26;
/// Widest that the descriptions of the only column are.
const WIDEST: u16 = 76;

/// Keys, and what they do in lines that fit.
struct Entry {
    keys: String,
    about: Vec<String>,
}

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>, hits: &mut Hits) {
    let lines = lines(area, cx);
    let keys = lines.iter().map(|(keys, _)| keys.width()).max().unwrap_or(0) as u16;
    let room = area.height.saturating_sub(2).max(1);
    let inside = area.width.saturating_sub(2);
    let layout = |across: u16| {
        let most = (inside / across).saturating_sub(keys + GAPS).clamp(1, WIDEST);
        let wrap = |(keys, about): &(String, String)| Entry {
            keys: keys.clone(),
            about: sanitize::wrap(about, most.into()),
        };
        columns(lines.iter().map(wrap).collect(), across)
    };
    let possible = (1..=4).filter(|across| inside / across >= keys + GAPS + NARROWEST || *across == 1);
    let fitting = possible.map(layout).find(|columns| tallest(columns) <= room);
    let columns = fitting.unwrap_or_else(|| layout(1));
    let rows = tallest(&columns);
    hits.help_most = rows.saturating_sub(room).into();
    let offset = cx.ui.help_at.min(hits.help_most) as u16;
    let abouts = columns.iter().flatten().flat_map(|entry| &entry.about);
    let about = abouts.map(|line| line.width()).max().unwrap_or(0) as u16;
    let wide = (keys + GAPS + about).min(inside / columns.len().max(1) as u16);
    let width = (wide * columns.len() as u16 + 2).max(72).min(area.width);
    let height = (rows.min(room) + 2).min(area.height);
    let over =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    bare(buf, over, cx.theme);
    let close = if hits.help_most == 0 {
        "any key closes".to_owned()
    } else {
        format!("{}–{} of {rows} · ↑ ↓ scroll · any other key closes", offset + 1, offset + room)
    };
    let inner = panel(buf, over, "Keys", &Line::styled(close, cx.theme.fg(Role::Muted)), cx.theme);
    for (i, column) in (0u16..).zip(&columns) {
        let column_area = Rect { x: inner.x + i * wide, width: wide.min(inner.width), ..inner };
        draw_column(buf, column_area, column, (keys, offset), cx);
    }
}

fn draw_column(buf: &mut Buffer, area: Rect, column: &[Entry], (keys, offset): (u16, u16), cx: &Cx<'_>) {
    let mut y = 0u16;
    for entry in column {
        for (i, line) in entry.about.iter().enumerate() {
            if let Some(y) = y.checked_sub(offset) {
                if i == 0 {
                    text(buf, area, (1, y), &entry.keys, cx.theme.bold(Role::Accent));
                }
                text(buf, area, (keys + GAPS - 1, y), line, cx.theme.fg(Role::Text));
            }
            y += 1;
        }
    }
}

/// Keys and what they do: of all screens where there is room, else of this one.
fn lines(area: Rect, cx: &Cx<'_>) -> Vec<(String, String)> {
    let all = area.width >= 124 || area.height >= 34;
    let of_use = BINDINGS.iter().filter(|b| cx.scene().has(b.place)).filter(|b| match b.place {
        Place::On(screen) | Place::LiveOn(screen) => all || screen == cx.ui.screen,
        Place::Lists => all || !matches!(cx.ui.screen, Screen::Live | Screen::Latency),
        _ => true,
    });
    let lines = of_use.map(|b| match b.place {
        Place::On(screen) | Place::LiveOn(screen) if all => {
            (cx.ui.keys.shown(b.keys), format!("{}: {}", screen.name(), b.about))
        }
        _ => (cx.ui.keys.shown(b.keys), b.about.to_owned()),
    });
    lines.filter(|(keys, _)| !keys.is_empty()).collect()
}

/// Parts entries among columns of about the same height, in their order.
fn columns(entries: Vec<Entry>, across: u16) -> Vec<Vec<Entry>> {
    let all: usize = entries.iter().map(|entry| entry.about.len()).sum();
    let wanted = all.div_ceil(usize::from(across)).max(1);
    let mut columns: Vec<Vec<Entry>> = vec![Vec::new()];
    let (mut rows, last) = (0, usize::from(across));
    for entry in entries {
        if rows >= wanted && columns.len() < last {
            columns.push(Vec::new());
            rows = 0;
        }
        rows += entry.about.len();
        if let Some(column) = columns.last_mut() {
            column.push(entry);
        }
    }
    columns
}

fn tallest(columns: &[Vec<Entry>]) -> u16 {
    let rows = columns.iter().map(|column| column.iter().map(|entry| entry.about.len()).sum::<usize>());
    rows.max().unwrap_or(0) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Snapshot;
    use crate::ui::state::UiState;
    use crate::ui::theme::{Depth, load};
    use crate::ui::view::Picture;
    use crate::ui::{Recording, Title, Transport};

    /// The rows of the help within its frame, scrolled through from its top to its end.
    fn read(area: Rect, cx: &Cx<'_>, ui: &mut UiState) -> Vec<String> {
        let mut rows = Vec::new();
        loop {
            let (mut buf, mut hits) = (Buffer::empty(area), Hits::default());
            let seen = Cx { ui, ..*cx };
            draw(&mut buf, area, &seen, &mut hits);
            let row = |y: u16| (0..area.width).map(|x| buf[(x, y)].symbol()).collect::<String>();
            let all: Vec<String> = (0..area.height).map(row).collect();
            let inside = all.iter().skip_while(|r| !r.contains("Keys")).skip(1).filter(|r| r.contains('│'));
            let inside: Vec<String> =
                inside.map(|r| r.split('│').nth(1).unwrap_or_default().to_owned()).collect();
            if ui.help_at >= hits.help_most {
                rows.extend(inside);
                return rows;
            }
            rows.extend(inside.into_iter().next());
            ui.help_at += 1;
        }
    }

    #[test]
    fn nothing_is_cut_on_a_small_terminal() {
        let (snap, title, recording) = (Snapshot::default(), Title::default(), Recording::Off);
        let theme = load("dusk", None, Depth::None).unwrap();
        let at = Transport { at_ns: 0, length_ns: 9, playing: true, speed: 1.0, indexed: None };
        for (transport, size) in
            [(None, (80, 19)), (Some(at), (80, 18)), (Some(at), (60, 10)), (None, (124, 30))]
        {
            let pic = Picture {
                snap: &snap,
                title: &title,
                recording: &recording,
                transport,
                over: false,
                measured: None,
                other: None,
            };
            for screen in Screen::ALL {
                let mut ui = UiState { screen, ..UiState::default() };
                let still = ui.clone();
                let cx = Cx { pic: &pic, snap: &snap, ui: &still, theme: &theme };
                let area = Rect::new(0, 0, size.0, size.1);
                let wanted = lines(area, &cx);
                let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
                let seen = words(&read(area, &cx, &mut ui).join(" "));
                let many = |list: &[String], word: &String| list.iter().filter(|w| *w == word).count();
                let all =
                    words(&wanted.iter().map(|(k, a)| format!("{k} {a}")).collect::<Vec<_>>().join(" "));
                for word in &all {
                    assert_eq!(many(&seen, word), many(&all, word), "{screen:?} {size:?}: {word}");
                }
            }
        }
    }
}
