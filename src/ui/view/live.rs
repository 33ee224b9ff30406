//! Screen 1: rates over time, latencies, what is in flight, what the machine does.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::rates::Which;
use super::{Cx, clients, columns, errors, host, in_flight, latency, rates, rows};

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    if area.width >= 150 && area.height >= 44 {
        rich(buf, area, cx);
    } else if area.height >= 30 {
        comfortable(buf, area, cx);
    } else {
        small(buf, area, cx);
    }
}

/// 80×24: the line of output tokens, two small ones beside it, latencies, and what is in flight.
fn small(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    let bottom = match area.height {
        20.. => 5,
        18..20 => 4,
        _ => 0,
    };
    let table = 8.min(area.height / 2);
    let [top, middle, last] = rows(area, [area.height - table - bottom, table, bottom]);
    let side = (area.width / 3).clamp(20, 40);
    let [main, right] = columns(top, [area.width - side, side]);
    rates::draw(buf, main, Which::Output, main.width >= 90, cx);
    let [upper, lower] = rows(right, [right.height / 2, right.height / 2]);
    rates::draw(buf, upper, Which::Input, false, cx);
    rates::draw(buf, lower, Which::Requests, false, cx);
    latency::draw(buf, middle, cx);
    if bottom == 0 {
        return;
    }
    let [left, right] = columns(last, [area.width / 2, 0]);
    in_flight::draw(buf, left, cx);
    if errors::wanted(cx) > 0 {
        errors::draw(buf, right, cx);
    } else {
        host::draw(buf, right, cx);
    }
}

/// 120×40: the same with room to breathe.
fn comfortable(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    let wrong = errors::wanted(cx).min(errors::RESERVED[0]);
    let bottom = (host::wanted(cx) + 2).max(5 + errors::RESERVED[0] + 2).min(area.height / 3);
    let table = 10;
    let [top, middle, last] = rows(area, [area.height - table - bottom, table, bottom]);
    let side = area.width / 3;
    let [main, right] = columns(top, [area.width - side, side]);
    rates::draw(buf, main, Which::Output, true, cx);
    let [upper, lower] = rows(right, [right.height / 2, right.height / 2]);
    rates::draw(buf, upper, Which::Input, false, cx);
    rates::draw(buf, lower, Which::Requests, false, cx);
    latency::draw(buf, middle, cx);
    let [left, right] = columns(last, [area.width / 2, 0]);
    if wrong > 0 {
        let [upper, lower] = rows(left, [left.height.saturating_sub(wrong + 2).clamp(3, 5), 0]);
        in_flight::draw(buf, upper, cx);
        errors::draw(buf, lower, cx);
    } else {
        in_flight::draw(buf, left, cx);
    }
    host::draw(buf, right, cx);
}

/// 200×60: everything, and the clients' lanes below.
fn rich(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    let wrong = errors::wanted(cx).min(errors::RESERVED[1]);
    let beside = 5 + errors::RESERVED[1] + 2 + host::wanted(cx) + 2;
    let lanes = (cx.snap.lanes.len().min(100) as u16 + 4).max(beside).min(area.height * 2 / 5);
    let table = 10;
    let [top, middle, last] = rows(area, [area.height - table - lanes, table, lanes]);
    let side = (area.width / 3).clamp(50, 90);
    let [main, right] = columns(top, [area.width - side, side]);
    rates::draw(buf, main, Which::Output, true, cx);
    let [upper, lower] = rows(right, [right.height / 2, right.height / 2]);
    rates::draw(buf, upper, Which::Input, false, cx);
    rates::draw(buf, lower, Which::Requests, false, cx);
    latency::draw(buf, middle, cx);
    let [left, right] = columns(last, [area.width - side, side]);
    clients::draw_lanes(buf, left, cx, None);
    let errors_height = if wrong > 0 { wrong + 2 } else { 0 };
    // Below the host's, which stays where it is when the first request fails.
    let host_height = right.height.saturating_sub(5 + errors_height);
    let [flight, host_area, errors_area] = rows(right, [5, host_height, 0]);
    in_flight::draw(buf, flight, cx);
    if wrong > 0 {
        errors::draw(buf, errors_area, cx);
    }
    host::draw(buf, host_area, cx);
}
