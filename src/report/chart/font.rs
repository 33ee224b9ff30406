//! The embedded font: how wide a text is, and its glyphs as pixels. `font/README.md` tells where it comes from.

use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};

/// What SVG viewers are asked for: the embedded font, or one of its width.
pub const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";
/// Half the height of a small letter in the font, in em: what a text is centred by.
pub const HALF_X_HEIGHT: f64 = 0.2735;

const BYTES: &[u8] = include_bytes!("font/DejaVuSans-subset.ttf");
static FONT: LazyLock<FontRef<'static>> =
    LazyLock::new(|| FontRef::try_from_slice(BYTES).expect("a test reads the embedded font"));

/// The font's scale at which an em has this many pixels.
fn scale(em: f64) -> PxScale {
    let per_em = FONT.units_per_em().unwrap_or(2048.0);
    PxScale::from((em * f64::from(FONT.height_unscaled()) / f64::from(per_em)) as f32)
}

/// How wide a text is at this size.
pub fn width(text: &str, em: f64) -> f64 {
    let font = FONT.as_scaled(scale(em));
    text.chars().map(|c| f64::from(font.h_advance(font.glyph_id(c)))).sum()
}

/// The pixels of a text whose base line starts at (0, 0): x, y, and how much of the pixel is covered.
pub fn pixels(text: &str, em: f64, mut pixel: impl FnMut(i32, i32, f64)) {
    let scale = scale(em);
    let font = FONT.as_scaled(scale);
    let mut x = 0.0;
    for c in text.chars() {
        let id = font.glyph_id(c);
        if let Some(outline) = font.outline_glyph(id.with_scale_and_position(scale, point(x, 0.0))) {
            let corner = outline.px_bounds().min;
            outline.draw(|px, py, covered| {
                let at = |corner: f32, p: u32| corner as i32 + i32::try_from(p).unwrap_or(0);
                pixel(at(corner.x, px), at(corner.y, py), f64::from(covered.clamp(0.0, 1.0)));
            });
        }
        x += font.h_advance(id);
    }
}

/// The text made harmless and at most so wide: what a viewer or XML would act upon becomes `�`, blanks become
/// spaces, and what is too long loses its middle.
pub fn fitted(text: &str, em: f64, most: f64) -> String {
    let text = harmless(text);
    if width(&text, em) <= most {
        return text;
    }
    let chars: Vec<char> = text.chars().collect();
    let cut = |keep: usize| {
        let head = keep.div_ceil(2);
        let tail = &chars[chars.len() - (keep - head)..];
        chars[..head].iter().chain(std::iter::once(&'…')).chain(tail).collect::<String>()
    };
    // The longest that fits, by halving.
    let (mut fits, mut too_many) = (0, chars.len());
    while fits + 1 < too_many {
        let middle = usize::midpoint(fits, too_many);
        if width(&cut(middle), em) <= most { fits = middle } else { too_many = middle }
    }
    if fits == 0 { String::new() } else { cut(fits) }
}

/// A text in at most `lines` lines, broken at spaces; the last is cut where it is too long.
pub fn wrapped(text: &str, em: f64, most: f64, lines: usize) -> Vec<String> {
    let text = harmless(text);
    let mut words = text.split(' ').filter(|w| !w.is_empty()).peekable();
    let mut out: Vec<String> = Vec::new();
    while out.len() < lines && words.peek().is_some() {
        let mut line = String::new();
        let last = out.len() + 1 == lines;
        while let Some(word) = words.peek() {
            let longer = if line.is_empty() { (*word).to_owned() } else { format!("{line} {word}") };
            if !last && !line.is_empty() && width(&longer, em) > most {
                break;
            }
            line = longer;
            words.next();
        }
        out.push(fitted(&line, em, most));
    }
    out
}

/// Without control characters, without what turns or joins the text around it, and without what XML forbids.
pub fn harmless(text: &str) -> String {
    let stand_in = |c: char| match c {
        '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() => '\u{fffd}',
        '\u{ad}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{fffe}'
        | '\u{ffff}'
        | '\u{e0000}'..='\u{e007f}' => '\u{fffd}',
        c => c,
    };
    text.chars().map(stand_in).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_embedded_font_has_what_charts_write() {
        for c in "Throughput (queries/s) · µs × ≥ − … – éß Ω Жж 0123456789 �".chars() {
            assert_ne!(FONT.glyph_id(c).0, 0, "{c}");
        }
        // DejaVu Sans: `m` is 0.974 em wide.
        assert!((width("m", 1000.0) - 974.1).abs() < 0.5, "{}", width("m", 1000.0));
        assert!((width("mm", 10.0) - 2.0 * width("m", 10.0)).abs() < 1e-3);
    }

    #[test]
    fn glyphs_stand_on_the_base_line() {
        let (mut top, mut bottom, mut left) = (0, i32::MIN, i32::MAX);
        pixels("H", 100.0, |x, y, covered| {
            if covered > 0.5 {
                (top, bottom, left) = (top.min(y), bottom.max(y), left.min(x));
            }
        });
        // An H is 0.729 em high and begins 0.098 em from the left.
        assert!((-74..=-72).contains(&top) && (-1..=0).contains(&bottom), "{top} {bottom}");
        assert!((9..=11).contains(&left), "{left}");
    }

    #[test]
    fn long_texts_lose_their_middle() {
        assert_eq!(fitted("short", 10.0, 100.0), "short");
        let cut = fitted("recording-of-a-very-long-name.jsonl", 10.0, 100.0);
        assert!(cut.starts_with("record") && cut.ends_with("sonl") && cut.contains('…'), "{cut}");
        assert_eq!(fitted("anything", 10.0, 3.0), "");
        assert_eq!(wrapped("one two three", 10.0, width("one two ", 10.0), 3), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 10.0, width("one two", 10.0), 1).len(), 1);
        assert_eq!(wrapped("", 10.0, 50.0, 3), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn no_text_is_wider_than_it_may_or_breaks_xml(text in any::<String>(), most in 0.0f64..200.0) {
            let line = fitted(&text, 12.0, most);
            prop_assert!(width(&line, 12.0) <= most + 1e-6 || line.is_empty());
            let bad = line.chars().find(|c| c.is_control() || ['\u{202e}', '\u{fffe}'].contains(c));
            prop_assert_eq!(bad, None);
            for line in wrapped(&text, 12.0, most, 3) {
                prop_assert!(width(&line, 12.0) <= most + 1e-6 || line.is_empty());
            }
        }
    }
}
