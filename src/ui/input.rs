//! Bytes from the terminal → keys and mouse, and the thread that reads them.
//!
//! The reader is our own because it must notice a terminal that went away: a blocking read that returns nothing
//! or fails is the end of input, told as a closed channel. The decoder knows what xterm and its kin send for
//! the keys that are used; anything else is swallowed as a whole, never typed as rubbish.

use std::fs::File;
use std::io::Read as _;

use crossbeam_channel::{Receiver, bounded};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

/// Events that may wait to be handled; a reader that is faster than that waits.
const QUEUE: usize = 256;

/// Starts the reading thread. The channel closes when the terminal is gone. The thread ends with it, or with
/// the process: a blocked read can't be called back.
///
/// # Errors
/// When no thread can be started.
pub fn listen(mut tty: File) -> std::io::Result<Receiver<Event>> {
    let (tx, rx) = bounded(QUEUE);
    std::thread::Builder::new().name("keys".into()).spawn(move || {
        let (mut pending, mut buffer) = (Vec::new(), [0u8; 1024]);
        loop {
            match tty.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => pending.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
            for event in decode(&mut pending) {
                if tx.send(event).is_err() {
                    return;
                }
            }
        }
    })?;
    Ok(rx)
}

/// Longest escape sequence that is waited for; more is no sequence.
const LONGEST_SEQUENCE: usize = 64;

/// Takes whole events off the front of `bytes`; what is cut off stays for the next read.
///
/// A lone ESC at the end of a read is the Escape key: terminals write a sequence at once.
pub fn decode(bytes: &mut Vec<u8>) -> Vec<Event> {
    let mut events = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (used, event) = match bytes[at] {
            0x1b => escape(&bytes[at..]),
            _ => plain(&bytes[at..]),
        };
        events.extend(event);
        if used == 0 {
            break;
        }
        at += used;
    }
    bytes.drain(..at);
    if bytes.len() > LONGEST_SEQUENCE {
        bytes.clear();
    }
    events
}

#[allow(clippy::unnecessary_wraps, reason = "every caller gives maybe an event")]
fn key(code: KeyCode, modifiers: KeyModifiers) -> Option<Event> {
    Some(Event::Key(KeyEvent::new(code, modifiers)))
}

/// A key that is no sequence; 0 bytes used if a UTF-8 character is cut off.
fn plain(bytes: &[u8]) -> (usize, Option<Event>) {
    let none = KeyModifiers::NONE;
    match bytes[0] {
        b'\r' | b'\n' => (1, key(KeyCode::Enter, none)),
        b'\t' => (1, key(KeyCode::Tab, none)),
        0x08 | 0x7f => (1, key(KeyCode::Backspace, none)),
        c @ 0x01..=0x1a => (1, key(KeyCode::Char((c - 1 + b'a') as char), KeyModifiers::CONTROL)),
        c @ 0x20..=0x7e => (1, key(KeyCode::Char(c as char), none)),
        0x00..=0x1f => (1, None),
        first => {
            let length = match first {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return (1, None),
            };
            let Some(whole) = bytes.get(..length) else { return (0, None) };
            match std::str::from_utf8(whole) {
                Ok(text) => (length, text.chars().next().and_then(|c| key(KeyCode::Char(c), none))),
                Err(_) => (1, None),
            }
        }
    }
}

/// A sequence that begins with ESC.
fn escape(bytes: &[u8]) -> (usize, Option<Event>) {
    match bytes.get(1) {
        None | Some(0x1b) => (1, key(KeyCode::Esc, KeyModifiers::NONE)),
        Some(b'[') => control_sequence(bytes),
        Some(b'O') => match bytes.get(2) {
            Some(last) => (3, named(*last, &[])),
            None => (0, None),
        },
        Some(_) => {
            let (used, event) = plain(&bytes[1..]);
            let event = event.map(|e| match e {
                Event::Key(k) => Event::Key(KeyEvent::new(k.code, k.modifiers | KeyModifiers::ALT)),
                other => other,
            });
            (if used == 0 { 0 } else { used + 1 }, event)
        }
    }
}

/// `ESC [` parameters final.
fn control_sequence(bytes: &[u8]) -> (usize, Option<Event>) {
    let body = &bytes[2..];
    let Some(end) = body.iter().position(|b| (0x40..=0x7e).contains(b)) else { return (0, None) };
    let used = end + 3;
    let last = body[end];
    let text = String::from_utf8_lossy(&body[..end]);
    let (mouse, text) = match text.strip_prefix('<') {
        Some(rest) => (true, rest),
        None => (false, text.as_ref()),
    };
    let numbers: Vec<u16> = text.split(';').map(|n| n.parse().unwrap_or(0)).collect();
    (used, if mouse { mouse_event(last, &numbers) } else { named(last, &numbers) })
}

fn named(last: u8, numbers: &[u16]) -> Option<Event> {
    let code = match (last, numbers.first()) {
        (b'A', _) => KeyCode::Up,
        (b'B', _) => KeyCode::Down,
        (b'C', _) => KeyCode::Right,
        (b'D', _) => KeyCode::Left,
        (b'H', _) | (b'~', Some(1 | 7)) => KeyCode::Home,
        (b'F', _) | (b'~', Some(4 | 8)) => KeyCode::End,
        (b'~', Some(5)) => KeyCode::PageUp,
        (b'~', Some(6)) => KeyCode::PageDown,
        (b'~', Some(3)) => KeyCode::Delete,
        (b'Z', _) => KeyCode::BackTab,
        (b'M', _) => KeyCode::Enter,
        _ => return None,
    };
    let mask = numbers.get(1).map_or(0, |m| m.saturating_sub(1));
    let mut modifiers = KeyModifiers::NONE;
    modifiers.set(KeyModifiers::SHIFT, mask & 1 != 0);
    modifiers.set(KeyModifiers::ALT, mask & 2 != 0);
    modifiers.set(KeyModifiers::CONTROL, mask & 4 != 0);
    key(code, modifiers)
}

/// SGR mouse: button, column, row (both from 1); `M` is press, `m` release.
fn mouse_event(last: u8, numbers: &[u16]) -> Option<Event> {
    let &[button, column, row] = numbers else { return None };
    let kind = match (button & !0b1_1100, last) {
        (0, b'M') => MouseEventKind::Down(MouseButton::Left),
        (0, _) => MouseEventKind::Up(MouseButton::Left),
        (32, _) => MouseEventKind::Drag(MouseButton::Left),
        (64, _) => MouseEventKind::ScrollUp,
        (65, _) => MouseEventKind::ScrollDown,
        _ => return None,
    };
    let (column, row) = (column.saturating_sub(1), row.saturating_sub(1));
    let mut modifiers = KeyModifiers::NONE;
    modifiers.set(KeyModifiers::SHIFT, button & 4 != 0);
    modifiers.set(KeyModifiers::ALT, button & 8 != 0);
    modifiers.set(KeyModifiers::CONTROL, button & 16 != 0);
    Some(Event::Mouse(MouseEvent { kind, column, row, modifiers }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(bytes: &[u8]) -> Vec<(KeyCode, KeyModifiers)> {
        decode(&mut bytes.to_vec())
            .into_iter()
            .filter_map(|e| if let Event::Key(k) = e { Some((k.code, k.modifiers)) } else { None })
            .collect()
    }

    #[test]
    fn keys_are_what_terminals_send_for_them() {
        let none = KeyModifiers::NONE;
        assert_eq!(
            keys(b"q\x03\x1b[A\x1bOB\x1b[5~\x1b[Z\r\x7f"),
            [
                (KeyCode::Char('q'), none),
                (KeyCode::Char('c'), KeyModifiers::CONTROL),
                (KeyCode::Up, none),
                (KeyCode::Down, none),
                (KeyCode::PageUp, none),
                (KeyCode::BackTab, none),
                (KeyCode::Enter, none),
                (KeyCode::Backspace, none),
            ]
        );
        assert_eq!(keys(b"\x1b"), [(KeyCode::Esc, none)]);
        assert_eq!(keys("é".as_bytes()), [(KeyCode::Char('é'), none)]);
        assert_eq!(keys(b"\x1b[1;5C"), [(KeyCode::Right, KeyModifiers::CONTROL)]);
        assert_eq!(keys(b"\x1b[200~x"), [(KeyCode::Char('x'), none)]);
    }

    #[test]
    fn a_sequence_cut_in_two_is_one_key() {
        let mut pending = b"\x1b[".to_vec();
        assert!(decode(&mut pending).is_empty());
        pending.push(b'B');
        assert_eq!(decode(&mut pending).len(), 1);
        assert!(pending.is_empty());
    }

    #[test]
    fn the_mouse_counts_from_zero() {
        let events = decode(&mut b"\x1b[<0;5;3M\x1b[<65;1;1M".to_vec());
        let Event::Mouse(click) = &events[0] else { panic!("{events:?}") };
        assert_eq!((click.kind, click.column, click.row), (MouseEventKind::Down(MouseButton::Left), 4, 2));
        let Event::Mouse(wheel) = &events[1] else { panic!("{events:?}") };
        assert_eq!(wheel.kind, MouseEventKind::ScrollDown);
        let events = decode(&mut b"\x1b[<80;1;1M".to_vec());
        let Event::Mouse(wheel) = &events[0] else { panic!("{events:?}") };
        assert_eq!((wheel.kind, wheel.modifiers), (MouseEventKind::ScrollUp, KeyModifiers::CONTROL));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut pending = bytes;
            decode(&mut pending);
            prop_assert!(pending.len() <= LONGEST_SEQUENCE);
        }
    }
}
