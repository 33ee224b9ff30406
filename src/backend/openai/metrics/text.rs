//! Prometheus' text format, as far as it is needed: names, labels, values. Time stamps, exemplars and comments are
//! passed over, as are lines that are none of this.

use std::borrow::Cow;

/// One line: a name, its labels, its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric<'a> {
    pub name: &'a str,
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
    pub value: f64,
}

impl Metric<'_> {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| *label == name).map(|(_, value)| &**value)
    }
}

/// All metrics of a text.
pub fn metrics(text: &str) -> impl Iterator<Item = Metric<'_>> {
    text.lines().filter_map(metric)
}

/// The metric of a line, if it is one.
fn metric(line: &str) -> Option<Metric<'_>> {
    let line = line.trim_start();
    let end = line.find(|c: char| !is_name(c)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (labels, rest) = match rest.trim_start().strip_prefix('{') {
        Some(inside) => labels(inside)?,
        // Something that no name holds goes on with it.
        None if !rest.starts_with([' ', '\t']) => return None,
        None => (Vec::new(), rest),
    };
    let value = number(rest.split_ascii_whitespace().next()?)?;
    Some(Metric { name, labels, value })
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':')
}

/// Labels behind a `{`, and what comes after their `}`.
#[allow(clippy::type_complexity, reason = "the labels of a metric, and the rest")]
fn labels(mut text: &str) -> Option<(Vec<(&str, Cow<'_, str>)>, &str)> {
    let mut found = Vec::new();
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((found, rest));
        }
        let end = text.find(|c: char| !is_name(c)).filter(|end| *end > 0)?;
        let (name, rest) = text.split_at(end);
        let inside = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
        let (value, rest) = quoted(inside)?;
        found.push((name, value));
        text = rest;
    }
}

/// Text up to a `"`, and what comes after it.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut made = String::new();
    let mut plain = 0;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let rest = &text[at + 1..];
                let last = &text[plain..at];
                let value = if plain == 0 { Cow::Borrowed(last) } else { Cow::Owned(made + last) };
                return Some((value, rest));
            }
            '\\' => {
                made.push_str(&text[plain..at]);
                let (escape, c) = chars.next()?;
                made.push(if c == 'n' { '\n' } else { c });
                plain = escape + c.len_utf8();
            }
            _ => {}
        }
    }
    None
}

/// `1`, `1.5e3`, `+Inf`, `NaN`.
fn number(text: &str) -> Option<f64> {
    let first = text.trim_start_matches(['+', '-']).chars().next()?;
    (first.is_ascii_digit() || first == '.' || text.ends_with("Inf") || text == "NaN")
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "a test that fails may panic; values are read as they were written"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        let one =
            metric("vllm:running{engine=\"0\",model_name=\"a b\\\"c\\\\d\\n\"} 3.0 1700000000000").unwrap();
        assert_eq!((one.name, one.value), ("vllm:running", 3.0));
        assert_eq!(one.label("engine"), Some("0"));
        assert_eq!(one.label("model_name"), Some("a b\"c\\d\n"));
        assert_eq!(one.label("nothing"), None);
        let bare = metric("  up\t1").unwrap();
        assert_eq!((bare.name, bare.labels.len(), bare.value), ("up", 0, 1.0));
        assert_eq!(metric("x{} 1").unwrap().value, 1.0);
        assert_eq!(metric("x { a = \"}\" , } 2e3 # {id=\"7\"} 0.1").unwrap().label("a"), Some("}"));
        assert_eq!(metric("x_bucket{le=\"+Inf\"} +Inf").unwrap().value, f64::INFINITY);
        assert!(metric("x NaN").unwrap().value.is_nan());
    }

    #[test]
    fn what_is_no_metric_is_passed_over() {
        for line in [
            "",
            "# HELP x 1",
            "# TYPE x gauge",
            "x",
            "x ",
            "x one",
            "x infinity",
            "9x 1",
            "x-y 1",
            "x{a=\"1\" 2",
            "x{a=\"1",
            "x{a=\"1\\",
            "x{a=1} 2",
            "x{=\"1\"} 2",
            "<html><body>404</body></html>",
            "{\"error\": \"not found\"}",
        ] {
            assert_eq!(metric(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,80}", line in "[a-z:]{1,4}\\{[a\"=,\\\\} ]{0,20}[0-9. ]{0,8}") {
            let _ = metrics(&text).count();
            let _ = metrics(&line).count();
        }

        #[test]
        fn any_label_reads_back(value in "[ -~é\n]{0,30}", number in -1e9..1e9_f64) {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let line = format!("name{{label=\"{escaped}\",other=\"\"}} {number}");
            let metric = metric(&line).unwrap();
            prop_assert_eq!(metric.label("label"), Some(&*value));
            prop_assert_eq!(metric.value, number);
        }
    }
}
