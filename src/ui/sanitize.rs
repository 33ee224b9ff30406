//! Text from engines and users made harmless: nothing in it can move the cursor, change colours or turn
//! the direction of what follows.

use unicode_width::UnicodeWidthStr as _;

/// A visible stand-in for a character that a terminal would act upon.
fn stand_in(c: char) -> Option<char> {
    match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)),
        '\x7f' => Some('␡'),
        '\u{80}'..='\u{9f}' => Some('␦'),
        // Bidirectional marks, embeddings, overrides and isolates; line and paragraph separators.
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some('⇄'),
        '\u{2028}' | '\u{2029}' => Some('␤'),
        // Without width of their own: they would hide or glue.
        '\u{ad}'
        | '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{2064}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => Some('·'),
        _ => None,
    }
}

/// The text on one line, every control character replaced by a visible symbol.
pub fn line(text: &str) -> String {
    text.chars().map(|c| stand_in(c).unwrap_or(c)).collect()
}

/// The text in lines of at most `width` columns, broken at line feeds, at spaces, and within words where it
/// must be; wide characters count for two.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    text.split('\n').flat_map(|p| wrap_paragraph(p.strip_suffix('\r').unwrap_or(p), width)).collect()
}

fn wrap_paragraph(paragraph: &str, width: usize) -> Vec<String> {
    let (mut lines, mut out) = (Vec::new(), String::new());
    for c in paragraph.chars() {
        let c = stand_in(c).unwrap_or(c);
        out.push(c);
        // Of the whole, since letters that join are not as wide as each by itself.
        if out.width() > width {
            out.pop();
            // The word that is cut moves down whole, unless it is longer than a line.
            let fits = |rest: &str| format!("{rest}{c}").width() <= width;
            let rest = match out.rfind(' ') {
                Some(space) if c != ' ' && fits(&out[space + 1..]) => out.split_off(space + 1),
                _ => String::new(),
            };
            lines.push(std::mem::replace(&mut out, rest).trim_end().to_owned());
            if c != ' ' {
                out.push(c);
            }
        }
    }
    lines.push(out);
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn letters_that_join_are_measured_together() {
        for line in wrap(" ⶠ0𞸡A¡a𛅰", 7) {
            assert!(line.width() <= 7, "{line}");
        }
    }

    #[test]
    fn escapes_and_turns_become_visible() {
        assert_eq!(line("\x1b[31mred\x07\u{9b}2J"), "␛[31mred␇␦2J");
        assert_eq!(line("a\u{202e}b\u{2066}c"), "a⇄b⇄c");
        assert_eq!(line("tab\there"), "tab␉here");
        assert_eq!(wrap("日本語\r\nab", 4), ["日本", "語", "ab"]);
        assert_eq!(wrap("choose a smaller shape", 9), ["choose a", "smaller", "shape"]);
    }

    proptest! {
        #[test]
        fn nothing_is_left_for_a_terminal_to_act_upon(text in any::<String>(), width in 1usize..40) {
            prop_assert!(!line(&text).chars().any(char::is_control));
            for l in wrap(&text, width) {
                prop_assert!(!l.chars().any(char::is_control));
                prop_assert!(l.width() <= width.max(2));
            }
        }
    }
}
