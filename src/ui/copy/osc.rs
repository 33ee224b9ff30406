//! Text for the clipboard as the control sequence OSC 52, which terminals take over SSH too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Most bytes of text: their base64 is 100 kB, the most that terminals commonly take.
pub const MOST_BYTES: usize = 74_994;

/// The sequence that sets the clipboard. Within tmux it is sent a second time in tmux's wrapping: tmux takes the plain
/// one with `set-clipboard on`, and hands the wrapped one through with `allow-passthrough on`.
pub fn sequence(text: &str, tmux: bool) -> Vec<u8> {
    let plain = format!("\x1b]52;c;{}\x07", STANDARD.encode(text));
    let mut out = plain.clone().into_bytes();
    if tmux {
        out.extend_from_slice(b"\x1bPtmux;\x1b");
        out.extend_from_slice(plain.as_bytes());
        out.extend_from_slice(b"\x1b\\");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_for_the_terminal_and_for_tmux() {
        assert_eq!(sequence("a\tb\n", false), b"\x1b]52;c;YQliCg==\x07");
        let both = sequence("hi", true);
        assert_eq!(both, b"\x1b]52;c;aGk=\x07\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\");
    }
}
