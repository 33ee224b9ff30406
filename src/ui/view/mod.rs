//! Drawing: a [`Picture`] and the state in, cells and click targets out. Nothing here changes anything.
//!
//! ```text
//!   header     names, recording │ tabs, phase, counts │ progress as a rule, under verdicts if any
//!   body       one of live, heat (Latency), clients, requests, curve, system, log; or loading; or why it failed
//!   transport  replay only
//!   footer     prompt, a passing word, or the keys of this screen
//! ```

mod clients;
mod curve;
#[cfg(test)]
mod end_tests;
mod errors;
mod failed;
mod footer;
mod header;
mod heat;
mod help;
mod host;
mod in_flight;
mod inspector;
mod latency;
mod live;
mod loading;
mod log;
mod pair;
mod palette;
mod range;
mod rates;
mod requests;
mod system;
mod transport;
mod vitals;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::keymap::{Command, Scene};
use super::state::{Screen, TimeAxis, UiState};
use super::theme::{Role, Theme};
use super::widget::text;
use super::{Measured, Recording, Title, Transport};
use crate::event::{Ended, Phase};
use crate::metrics::Snapshot;

/// All that is shown of a session at one moment.
#[derive(Clone, Copy)]
pub struct Picture<'a> {
    pub snap: &'a Snapshot,
    pub title: &'a Title,
    pub recording: &'a Recording,
    pub transport: Option<Transport>,
    /// The run is over and everything is written.
    pub over: bool,
    /// The newest figures of a range.
    pub measured: Option<&'a Measured>,
    /// The recording that plays along and is not shown.
    pub other: Option<Beside<'a>>,
}

pub use pair::{Beside, of_first};

/// What a click does.
#[derive(Debug, Clone, PartialEq)]
enum Target {
    Command(Command),
    /// Rows of a list; the first is this one.
    Rows(usize),
    /// The transport bar.
    Bar,
    /// Cells of the time axis; the first is at the left edge.
    Cells,
}

/// Where a frame can be clicked, and how much of a list it showed.
#[derive(Debug, Clone, Default)]
pub struct Hits {
    targets: Vec<(Rect, Target)>,
    /// Rows of the list on screen.
    pub page: usize,
    /// First visible row of that list.
    pub offset: usize,
    /// The time axis of the screen Latency.
    pub axis: TimeAxis,
    /// Nanoseconds that the clients' lanes show.
    pub lanes_ns: u64,
    /// The help's rows that are out of sight.
    pub help_most: usize,
}

impl Hits {
    /// The command of a click.
    pub fn at(&self, column: u16, row: u16) -> Option<Command> {
        let inside = |r: &Rect| r.contains((column, row).into());
        let (area, target) = self.targets.iter().rev().find(|(r, _)| inside(r))?;
        Some(match target {
            Target::Command(command) => command.clone(),
            Target::Rows(first) => Command::SelectRow(first + usize::from(row - area.y)),
            Target::Cells => Command::SelectCell(column - area.x),
            Target::Bar => Command::SeekTo(f64::from(column - area.x) / f64::from(area.width.max(2) - 1)),
        })
    }

    fn add(&mut self, area: Rect, target: Target) {
        self.targets.push((area, target));
    }
}

/// What every panel gets.
#[derive(Clone, Copy)]
struct Cx<'a> {
    pic: &'a Picture<'a>,
    snap: &'a Snapshot,
    ui: &'a UiState,
    theme: &'a Theme,
}

impl Cx<'_> {
    /// What a newest reading is called: once the run is over there is no now.
    fn newest(&self) -> &'static str {
        if self.snap.ended.is_some() { "last" } else { "now" }
    }

    /// What keys depend on.
    fn scene(&self) -> Scene {
        Scene { pair: self.pic.other.is_some(), ..Scene::of(self.snap, self.pic.transport.is_some()) }
    }
}

/// What the header says, in words.
pub(super) struct Words {
    pub phase: &'static str,
    /// Nanoseconds before the phase's end, where that can be known.
    pub left_ns: Option<u64>,
    /// What puts the figures in doubt, in a word or two and in full.
    pub doubts: Vec<(String, String)>,
}

/// What the header says, for those who can't see it.
pub(super) fn words(pic: &Picture<'_>, ui: &UiState, theme: &Theme) -> Words {
    let cx = Cx { pic, snap: pic.snap, ui, theme };
    Words { phase: header::phase_name(&cx).0, left_ns: header::remaining(&cx).1, doubts: header::doubts(&cx) }
}

/// Below this nothing but a line is shown.
const LEAST: (u16, u16) = (60, 15);

/// Draws a whole frame.
pub fn draw(buf: &mut Buffer, pic: &Picture<'_>, ui: &UiState, theme: &Theme) -> Hits {
    let mut hits = Hits { page: 1, ..Hits::default() };
    let area = buf.area;
    buf.set_style(area, theme.base());
    let cx = Cx { pic, snap: pic.snap, ui, theme };
    if area.width < LEAST.0 || area.height < LEAST.1 {
        text(buf, area, (0, 0), &header::summary(&cx, area.width), theme.base());
        return hits;
    }
    let head = header::draw(buf, area, &cx, &mut hits);
    let foot = 1 + u16::from(pic.transport.is_some());
    let body = Rect { y: area.y + head, height: area.height - head - foot, ..area };
    draw_body(buf, body, &cx, &mut hits);
    let last = Rect { y: area.bottom() - 1, height: 1, ..area };
    if pic.transport.is_some() {
        transport::draw(buf, Rect { y: last.y - 1, ..last }, &cx, &mut hits);
    }
    range::draw(buf, body, &cx);
    footer::draw(buf, last, &cx);
    if let Some(palette) = &ui.palette {
        palette::draw(buf, body, palette, &cx);
    }
    if ui.help {
        help::draw(buf, body, &cx, &mut hits);
    }
    hits
}

fn draw_body(buf: &mut Buffer, body: Rect, cx: &Cx<'_>, hits: &mut Hits) {
    let begun = cx.snap.stage.is_some();
    match (&cx.snap.ended, cx.ui.screen) {
        (_, Screen::Log) => log::draw(buf, body, cx, hits),
        (Some(Ended::Failed { reason }), Screen::Live) if !begun => failed::draw(buf, body, reason, cx),
        (_, Screen::Live) if !begun || cx.snap.phase == Some(Phase::Loading) => {
            loading::draw(buf, body, cx);
        }
        (_, Screen::Live) => live::draw(buf, body, cx),
        (_, Screen::Latency) => heat::draw(buf, body, cx, hits),
        (_, Screen::Clients) => clients::draw(buf, body, cx, hits),
        (_, Screen::Requests) if cx.ui.requests.open.is_some() => inspector::draw(buf, body, cx, hits),
        (_, Screen::Requests) => requests::draw(buf, body, cx, hits),
        (_, Screen::Curve) => curve::draw(buf, body, cx, hits),
        (_, Screen::System) => system::draw(buf, body, cx, hits),
    }
}

/// Clears an area for a panel that lies over the screen.
fn bare(buf: &mut Buffer, over: Rect, theme: &Theme) {
    for y in over.top()..over.bottom() {
        for x in over.left()..over.right() {
            if let Some(cell) = buf.cell_mut((x, y)) {
                cell.reset();
            }
        }
    }
    buf.set_style(over, theme.base());
    buf.set_style(over, theme.bg(Role::Surface));
}

/// Cuts an area into rows of these heights; what is left goes to the last.
fn rows<const N: usize>(area: Rect, heights: [u16; N]) -> [Rect; N] {
    let mut y = area.y;
    let mut left = area.height;
    let mut out = [Rect::default(); N];
    for (i, height) in heights.into_iter().enumerate() {
        let h = if i + 1 == N { left } else { height.min(left) };
        out[i] = Rect { y, height: h, ..area };
        y += h;
        left -= h;
    }
    out
}

/// Cuts an area into columns of these widths; what is left goes to the last.
fn columns<const N: usize>(area: Rect, widths: [u16; N]) -> [Rect; N] {
    let mut x = area.x;
    let mut left = area.width;
    let mut out = [Rect::default(); N];
    for (i, width) in widths.into_iter().enumerate() {
        let w = if i + 1 == N { left } else { width.min(left) };
        out[i] = Rect { x, width: w, ..area };
        x += w;
        left -= w;
    }
    out
}
