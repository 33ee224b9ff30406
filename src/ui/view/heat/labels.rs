//! Words of marks on the map's first row: each beside its mark, whole or cut at an ellipsis, and none over another.

use unicode_width::UnicodeWidthStr as _;

use crate::ui::sanitize;

/// Most columns of a word.
const MOST: u16 = 14;
/// With fewer columns a word that is longer is not begun.
const LEAST: u16 = 4;

/// Where which words stand, of marks in the order of time: cell and words of each. A word ends before the next mark, at
/// what is drawn already, and at the map's edge; of marks in one cell the first has it, and what finds no room is left
/// out.
pub fn fitting(marks: &[(u16, String)], width: u16, blank: impl Fn(u16) -> bool) -> Vec<(u16, String)> {
    let mut out = Vec::new();
    let mut begun = None;
    for (i, (cell, word)) in marks.iter().enumerate() {
        if begun == Some(*cell) {
            continue;
        }
        begun = Some(*cell);
        let next = marks[i + 1..].iter().map(|(next, _)| *next).find(|next| next > cell).unwrap_or(width);
        let from = cell + 1;
        // A blank before the next mark.
        let to = if next < width { next.saturating_sub(1) } else { width };
        let room = (from..to.min(from + MOST)).take_while(|x| blank(*x)).count() as u16;
        if usize::from(room) >= word.width() {
            out.push((from, word.clone()));
        } else if room >= LEAST {
            let cut = sanitize::wrap(word, usize::from(room - 1)).into_iter().next().unwrap_or_default();
            out.push((from, format!("{cut}…")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(marks: &[(u16, &str)], width: u16) -> String {
        let marks: Vec<(u16, String)> = marks.iter().map(|(x, word)| (*x, (*word).to_owned())).collect();
        let mut row = vec![' '; usize::from(width)];
        for (x, word) in fitting(&marks, width, |x| x != 30) {
            for (x, c) in (usize::from(x)..).zip(word.chars()) {
                assert_eq!(row[x], ' ', "{marks:?}: {word} overwrites");
                row[x] = c;
            }
        }
        for (x, _) in marks {
            assert!([' ', '┊'].contains(&row[usize::from(x)]), "a word over a mark");
            row[usize::from(x)] = '┊';
        }
        row.into_iter().collect::<String>().trim_end().to_owned()
    }

    #[test]
    fn words_of_marks_never_overwrite_each_other() {
        assert_eq!(shown(&[(1, "pause"), (12, "resume")], 40), " ┊pause     ┊resume");
        assert_eq!(shown(&[(1, "first mark"), (8, "second")], 40), " ┊firs… ┊second");
        assert_eq!(shown(&[(1, "pause"), (4, "resume")], 40), " ┊  ┊resume");
        assert_eq!(shown(&[(1, "pause"), (1, "a longer one")], 40), " ┊pause");
        assert_eq!(shown(&[(25, "interrupted")], 40), format!("{:25}┊int…", ""));
        assert_eq!(shown(&[(36, "interrupted")], 40), format!("{:36}┊", ""));
    }
}
