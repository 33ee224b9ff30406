//! Texts, tables and data in a page. Nothing that a recording holds is markup here.

use std::fmt::Write as _;

use crate::report::chart::harmless;
use crate::report::table::Table;

/// Text as text, in an element or in a quoted attribute; without control characters, and without those that turn the
/// text around them.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in harmless(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// JSON that can stand in a `<script>`: no tag begins or ends in it, nor a comment, nor a line.
pub fn json_in_page(value: &serde_json::Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Base64 with padding (RFC 4648).
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= three.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// A table that scrolls by itself where the page is narrow; the first column names rows.
pub fn table(out: &mut String, caption: &str, table: &Table) {
    let _ = write!(out, "<div class=\"scroll\"><table><caption>{}</caption><thead><tr>", escaped(caption));
    for cell in &table.header {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escaped(cell));
    }
    out.push_str("</tr></thead><tbody>\n");
    for cells in &table.rows {
        out.push_str("<tr>");
        for (i, cell) in cells.iter().enumerate() {
            let (from, to) = if i == 0 { ("<th scope=\"row\">", "</th>") } else { ("<td>", "</td>") };
            let _ = write!(out, "{from}{}{to}", escaped(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

/// A number in three or four digits that count, in thousands where it is large.
pub fn short(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 1000.0 || v == 0.0 => 0,
        v if v >= 100.0 => 1,
        v if v >= 10.0 => 2,
        v if v >= 0.1 => 3,
        _ => 5,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A time in the unit that suits it.
pub fn time(seconds: f64) -> String {
    match seconds.abs() {
        s if s >= 1.0 || s == 0.0 => format!("{} s", short(seconds)),
        s if s >= 1e-3 => format!("{} ms", short(seconds * 1e3)),
        _ => format!("{} µs", short(seconds * 1e6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, want) in cases {
            assert_eq!(base64(text.as_bytes()), want);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn what_could_be_markup_is_text() {
        let nasty = "</script><!--\u{2028}\u{202e}\u{7}'\"&";
        assert_eq!(escaped(nasty), "&lt;/script&gt;&lt;!-- \u{fffd}\u{fffd}&#39;&quot;&amp;");
        let json = json_in_page(&serde_json::json!({ "a": nasty }));
        assert!(!json.contains(['<', '>', '&', '\u{2028}']), "{json}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["a"], nasty);
    }

    #[test]
    fn numbers_are_short() {
        let told = [0.0, 0.012_345, 0.5, 12.345, 123.45, 1234.5].map(short);
        assert_eq!(told, ["0", "0.01235", "0.5", "12.35", "123.5", "1234"]);
        assert_eq!([1.5, 0.0125, 0.000_045].map(time), ["1.5 s", "12.5 ms", "45 µs"]);
    }
}
