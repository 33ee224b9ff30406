//! What a replay tells of the places that it is sent to: which request that is and why, or that there is none.

use super::index::{Found, Outlier, Places};
use crate::ui::{Action, clock_ms, nanos};

/// Where an action leads from here, with what is to be told of that; or why it leads nowhere.
pub(super) fn place(places: &Places, action: &Action, head_ns: u64) -> Result<(u64, Option<String>), String> {
    let at = clock_ms(head_ns);
    match *action {
        Action::Step(forward) => {
            let end_ns = places.step(head_ns, forward);
            end_ns.map(|ns| (ns, None)).ok_or_else(|| format!("no request ends {} {at}", side(forward)))
        }
        Action::Jump(forward) => {
            let to_ns = places.jump(head_ns, forward);
            to_ns
                .map(|ns| (ns, None))
                .ok_or_else(|| format!("no more marks, phases or interventions {} {at}", side(forward)))
        }
        Action::Outlier(forward) => match places.outlier(head_ns, forward) {
            Some(outlier) => Ok((outlier.found.end_ns, Some(told(&outlier)))),
            None if places.has_outliers() => Err(format!("no more outliers {} {at}", side(forward))),
            None => Err("no outliers: no request is above the p99 of its stage".into()),
        },
        Action::ToSlowest => {
            let found = places.slowest.ok_or("no measured request has completed")?;
            Ok((found.end_ns, Some(format!("the slowest request: {}", request(&found)))))
        }
        _ => Err("that leads nowhere".into()),
    }
}

fn side(forward: bool) -> &'static str {
    if forward { "after" } else { "before" }
}

fn told(outlier: &Outlier) -> String {
    let found = &outlier.found;
    let p99 = length(found.p99_us);
    format!("outlier {} of {}: {}; p99 is {p99} by nearest rank", outlier.nth, outlier.of, request(found))
}

/// Its number, what stands out, and when it ended.
fn request(found: &Found) -> String {
    let figure = if found.by_ttft { "TTFT" } else { "E2E" };
    format!("#{} {figure} {}, ended {}", found.request, length(found.value_us), clock_ms(found.end_ns))
}

fn length(us: u32) -> String {
    nanos(Some(u64::from(us) * 1000)).trim().to_owned()
}

/// The head is at the end, since more was asked for.
pub(super) fn end(length_ns: u64) -> String {
    format!("the recording ends at {}: the head is there", clock_ms(length_ns))
}

/// Places are not known yet.
pub(super) fn indexing(percent: Option<u8>) -> String {
    let far = percent.map(|percent| format!(" ({percent} %)")).unwrap_or_default();
    format!("the recording is still being indexed{far}: try again in a moment")
}
