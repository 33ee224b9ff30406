//! Tables and words as lines of text within so many columns: no line of a table is ever longer.
//!
//! A table that is too wide gives way in this order: heads of two lines, narrower gaps, shorter names in its first column
//! as long as they tell the rows apart, and at last several tables under one another, each with the names.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::Range;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::table::{Table, harmless};

/// Before every line of a table.
const INDENT: usize = 2;
/// Names are not cut below this for the sake of one table instead of two.
const LEAST_NAME: usize = 20;

/// A table's parts with their widths.
struct Shape<'a> {
    table: &'a Table,
    names: Vec<String>,
    /// Lines of each column's head.
    heads: Vec<Vec<&'a str>>,
    widths: Vec<usize>,
    gap: usize,
}

/// Writes a table.
pub fn push_table(out: &mut String, table: &Table, columns: usize) {
    let room = columns.saturating_sub(INDENT);
    let all = 1..table.header.len();
    let mut shape = Shape::of(table, 1);
    for (lines, gap) in [(1, 2), (2, 2), (1, 1), (2, 1)] {
        shape = Shape { gap, ..Shape::of(table, lines) };
        if shape.first() + shape.others(all.clone()) <= room {
            return shape.block(out, all);
        }
    }
    let least = shape.head_width().max(shape.first().min(LEAST_NAME));
    for gap in [2, 1] {
        shape.gap = gap;
        let first = room.saturating_sub(shape.others(all.clone()));
        if first >= least && shape.cut(first) {
            return shape.block(out, all);
        }
    }
    shape.gap = 2;
    let in_front = shape.first() <= room / 2 || shape.cut((room / 2).max(shape.head_width()));
    let taken = if in_front { shape.first() } else { INDENT };
    for (i, span) in shape.parts(room.saturating_sub(taken)).into_iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if in_front {
            shape.block(out, span);
        } else {
            shape.names_above(out, span, columns);
        }
    }
}

impl<'a> Shape<'a> {
    /// As wide as its widest cells, with heads of so many lines.
    fn of(table: &'a Table, head_lines: usize) -> Self {
        let names: Vec<String> =
            table.rows.iter().map(|cells| cells.first().map_or_else(String::new, |c| harmless(c))).collect();
        let lines = |head: &'a String| if head_lines > 1 { halves(head) } else { vec![head.as_str()] };
        let heads: Vec<Vec<&str>> = table.header.iter().map(lines).collect();
        let width = |(column, head): (usize, &Vec<&str>)| {
            let cells = table.rows.iter().filter_map(|cells| cells.get(column)).map(|c| c.width());
            cells.chain(head.iter().map(|line| line.width())).max().unwrap_or(0)
        };
        let widths = heads.iter().enumerate().map(width).collect();
        Self { table, names, heads, widths, gap: 2 }
    }

    fn first(&self) -> usize {
        self.widths.first().copied().unwrap_or(0)
    }

    fn head_width(&self) -> usize {
        self.heads.first().into_iter().flatten().map(|line| line.width()).max().unwrap_or(0)
    }

    /// Width of these columns with the gaps before them.
    fn others(&self, span: Range<usize>) -> usize {
        self.widths[span].iter().map(|width| self.gap + width).sum()
    }

    /// Cuts the names to a width; `false`, and nothing done, if the rows would not be known by them any more.
    fn cut(&mut self, columns: usize) -> bool {
        let Some(short) = shorter(&self.names, columns) else { return false };
        let widest = short.iter().map(|name| name.width()).max().unwrap_or(0);
        self.widths[0] = widest.max(self.head_width());
        self.names = short;
        true
    }

    /// The columns in as few parts as fit into `room`, as even as can be.
    fn parts(&self, room: usize) -> Vec<Range<usize>> {
        let end = self.widths.len();
        let mut parts = Vec::new();
        let mut from = 1;
        while from < end {
            let mut to = from + 1;
            while to < end && self.others(from..to + 1) <= room {
                to += 1;
            }
            parts.push(from..to);
            from = to;
        }
        let each = (end - 1).div_ceil(parts.len().max(1)).max(1);
        let even: Vec<_> = (1..end).step_by(each).map(|from| from..(from + each).min(end)).collect();
        if even.iter().all(|part| self.others(part.clone()) <= room) { even } else { parts }
    }

    /// The names and these columns.
    fn block(&self, out: &mut String, span: Range<usize>) {
        let first = self.first();
        let lines = std::iter::once(0).chain(span.clone()).map(|i| self.heads[i].len()).max().unwrap_or(1);
        for line in 0..lines {
            let mut text = format!("{:INDENT$}{}", "", padded(self.head(0, line, lines), first));
            self.heads_of(&mut text, span.clone(), (line, lines));
            end(out, &text);
        }
        for (name, cells) in self.names.iter().zip(&self.table.rows) {
            let mut text = format!("{:INDENT$}{}", "", padded(name, first));
            self.cells(&mut text, cells, span.clone());
            end(out, &text);
        }
    }

    /// These columns, each row under a line with its name.
    fn names_above(&self, out: &mut String, span: Range<usize>, columns: usize) {
        words(out, &format!("{:INDENT$}{}", "", self.table.header[0]), columns);
        let lines = span.clone().map(|i| self.heads[i].len()).max().unwrap_or(1);
        for line in 0..lines {
            let mut text = " ".repeat(2 * INDENT);
            self.heads_of(&mut text, span.clone(), (line, lines));
            end(out, &text);
        }
        for (name, cells) in self.names.iter().zip(&self.table.rows) {
            words(out, &format!("{:INDENT$}{name}", ""), columns);
            let mut text = " ".repeat(2 * INDENT);
            self.cells(&mut text, cells, span.clone());
            end(out, &text);
        }
    }

    /// A line of a head; short heads stand at the bottom.
    fn head(&self, column: usize, line: usize, lines: usize) -> &str {
        let head = &self.heads[column];
        (line + head.len()).checked_sub(lines).and_then(|i| head.get(i)).copied().unwrap_or("")
    }

    fn heads_of(&self, text: &mut String, span: Range<usize>, (line, lines): (usize, usize)) {
        for column in span {
            self.cell(text, self.head(column, line, lines), column);
        }
    }

    fn cells(&self, text: &mut String, cells: &[String], span: Range<usize>) {
        for column in span {
            self.cell(text, cells.get(column).map_or("", String::as_str), column);
        }
    }

    fn cell(&self, text: &mut String, cell: &str, column: usize) {
        let pad = self.gap + self.widths[column].saturating_sub(cell.width());
        let _ = write!(text, "{:pad$}{cell}", "");
    }
}

fn padded(text: &str, columns: usize) -> String {
    let pad = columns.saturating_sub(text.width());
    format!("{text}{:pad$}", "")
}

fn end(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

/// A head in two lines, broken at the space that makes it narrowest; in one if there is none.
fn halves(head: &str) -> Vec<&str> {
    let broken = head.match_indices(' ').map(|(at, _)| (&head[..at], &head[at + 1..]));
    let best = broken.min_by_key(|(upper, lower)| upper.width().max(lower.width()));
    best.map_or_else(|| vec![head], |(upper, lower)| vec![upper, lower])
}

/// Names of at most so many columns, if there are any that tell the same: of one that is too long its beginning; of
/// several without words that are the same in all rows, before or behind what differs.
fn shorter(names: &[String], columns: usize) -> Option<Vec<String>> {
    let long: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.width() > columns).collect();
    let short: Box<dyn Fn(&str) -> String> = if let [_] = long.as_slice() {
        Box::new(|name| beginning(name, columns))
    } else if let Some(bytes) = shared(names, columns, head) {
        Box::new(move |name| format!("..{}", &name[bytes..]))
    } else {
        let bytes = shared(names, columns, tail)?;
        Box::new(move |name| format!("{}..", &name[..name.len() - bytes]))
    };
    let cut = |name: &String| if name.width() > columns { short(name) } else { name.clone() };
    let short: Vec<String> = names.iter().map(cut).collect();
    let count = |names: &[String]| names.iter().collect::<HashSet<_>>().len();
    (count(&short) == count(names)).then_some(short)
}

/// How many bytes all names can do without: as few words as will do, which must be the same in all of them.
fn shared(names: &[String], columns: usize, part: impl Fn(&str, usize) -> Option<&str>) -> Option<usize> {
    for words in 1.. {
        let without = part(names.first()?, words)?;
        let fits = |name: &String| name.width() + 2 <= columns + without.width();
        if !names.iter().all(|name| part(name, words) == Some(without)) {
            return None;
        }
        if names.iter().all(fits) {
            return Some(without.len());
        }
    }
    None
}

/// The first words with the spaces behind them, if there are others.
fn head(name: &str, words: usize) -> Option<&str> {
    name.match_indices(' ').nth(words - 1).map(|(at, _)| &name[..=at])
}

/// The last words with the spaces before them, if there are others.
fn tail(name: &str, words: usize) -> Option<&str> {
    name.rmatch_indices(' ').nth(words - 1).map(|(at, _)| &name[at..])
}

/// As many of the first words as fit, or of the first characters where no word does.
fn beginning(name: &str, columns: usize) -> String {
    let mut used = 2;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= columns
    };
    let kept: String = name.chars().take_while(fits).collect();
    let whole = kept.rfind(' ').map_or(kept.as_str(), |at| &kept[..at]);
    format!("{whole}..")
}

/// A line of words, broken at spaces where it is too long. A word that is longer than a line, a path for instance, stays
/// whole, so that it can be copied.
pub fn words(out: &mut String, text: &str, columns: usize) {
    let indent = text.len() - text.trim_start().len();
    let mut used = 0;
    for (i, word) in text.trim_start().split(' ').enumerate() {
        if i == 0 {
            let _ = write!(out, "{:indent$}", "");
            used = indent;
        } else if used + 1 + word.width() > columns {
            let _ = write!(out, "\n{:pad$}", "", pad = indent + 4);
            used = indent + 4;
        } else {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += word.width();
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(names: &[&str], columns: usize) -> Table {
        let mut table = Table::new(
            std::iter::once("measured window, ms".to_owned())
                .chain((0..columns).map(|i| format!("TTFT p{i}"))),
        );
        for (row, name) in names.iter().enumerate() {
            let cells = (0..columns).map(|i| format!("{}", row * 1000 + i));
            table.row(std::iter::once((*name).to_owned()).chain(cells).collect());
        }
        table
    }

    fn laid(table: &Table, columns: usize) -> String {
        let mut out = String::new();
        push_table(&mut out, table, columns);
        out
    }

    #[test]
    fn a_table_gives_way_step_by_step() {
        let table = table(&["clients=8", "clients=16"], 6);
        let natural = laid(&table, 100);
        assert!(natural.starts_with("  measured window, ms  TTFT p0  TTFT p1"), "{natural}");
        assert_eq!(natural.lines().count(), 3);
        let stacked = laid(&table, 60);
        assert_eq!(
            stacked.lines().take(3).collect::<Vec<_>>(),
            [
                "  measured    TTFT  TTFT  TTFT  TTFT  TTFT  TTFT",
                "  window, ms    p0    p1    p2    p3    p4    p5",
                "  clients=8      0     1     2     3     4     5",
            ]
        );
        let tight = laid(&table, 42);
        assert!(tight.contains("\n  clients=16 1000 1001 1002 1003 1004 1005\n"), "{tight}");
        let split = laid(&table, 36);
        assert_eq!(split.lines().count(), 9, "two tables with a line between them:\n{split}");
        assert_eq!(split.matches("clients=16").count(), 2);
    }

    #[test]
    fn names_are_cut_only_while_they_differ() {
        let alike = |tail: &str| format!("prompt_tokens=2600, output_tokens=60, {tail}");
        let (one, two) = (alike("clients=8"), alike("clients=16"));
        let cut = laid(&table(&[&one, &two], 6), 70);
        assert!(cut.contains("\n  ..output_tokens=60, clients=16  1000"), "{cut}");
        assert_eq!(cut.lines().count(), 4);
        // Without these words nobody would know which server it was.
        let names =
            ["vllm", "sglang"].map(|kind| format!("{one}, backend={kind}, prefix_tokens=2600, batch=1"));
        let above = laid(&table(&[&names[0], &names[1]], 6), 70);
        let flat = above.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(&format!("{} 0 1 2 3 4 5", names[0])), "{above}");
        assert!(flat.contains(&format!("{} 1000 1001", names[1])), "{above}");
        // What is behind may be the same, too; and one name alone is cut wherever it has to be.
        let names =
            ["vllm", "sglang"].map(|kind| format!("backend={kind}, batch=1, prompt_tokens=2600, output=9"));
        let behind = laid(&table(&[&names[0], &names[1]], 6), 70);
        assert!(behind.contains("\n  backend=sglang, batch=1,..  1000"), "{behind}");
        // A row that is short enough and tells another server is a row that differs.
        let rows =
            [one.replace("prompt", "p"), format!("backend=sglang, {one}"), format!("backend=sglang, {two}")];
        let above = laid(&table(&[&rows[0], &rows[1], &rows[2]], 6), 82);
        assert!(above.contains("\n  backend=sglang, prompt_tokens=2600, "), "{above}");
        let single = laid(&table(&["hand", &"very-long-".repeat(9)], 6), 70);
        assert!(single.contains("\n  very-long-very-long-very-long-..  1000"), "{single}");
    }

    proptest! {
        #[test]
        fn no_line_is_too_long_and_no_cell_is_lost(
            names in prop::collection::vec("[a-z=, ]{1,60}", 1..5), count in 1_usize..14, columns in 40_usize..140,
        ) {
            let names: Vec<&str> = names.iter().map(|name| name.trim()).collect();
            let table = table(&names, count);
            let out = laid(&table, columns);
            for line in out.lines() {
                let whole_word = line.trim_start().split(' ').count() == 1;
                prop_assert!(line.width() <= columns || whole_word, "{}: {}", columns, out);
            }
            let words: Vec<&str> = out.split_whitespace().collect();
            for cell in table.rows.iter().flat_map(|row| &row[1..]) {
                prop_assert!(words.contains(&cell.as_str()), "{} in {}", cell, out);
            }
        }
    }
}
