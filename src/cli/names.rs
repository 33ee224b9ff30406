//! What recordings are called that are named by one command: their files' names, and more where these are the same.

use std::path::{Component, Path, PathBuf};

/// The end of a recording's name, which tables leave out.
const ENDING: &str = ".jsonl.zst";

/// Names that tell files of the same name apart, in the files' order; `None` where the file's own name does. Files in
/// different folders have as many of these in their names as it needs, a file that is named twice a number.
pub fn told_apart(files: &[PathBuf]) -> Vec<Option<String>> {
    let parts: Vec<Vec<String>> = files.iter().map(|file| parts(file)).collect();
    let mut names: Vec<Option<String>> = Vec::with_capacity(files.len());
    for (i, own) in parts.iter().enumerate() {
        let others = || parts.iter().enumerate().filter(|(n, _)| *n != i).map(|(_, other)| other);
        let same = |other: &Vec<String>, n: usize| tail(own, n) == tail(other, n);
        if !others().any(|other| same(other, 1)) {
            names.push(None);
            continue;
        }
        // Files that are the same however much of their paths is looked at get numbers.
        let enough = (1..=own.len()).find(|n| !others().any(|other| other != own && same(other, *n)));
        let name = tail(own, enough.unwrap_or(own.len())).join("/");
        let earlier = parts[..i].iter().filter(|other| *other == own).count();
        names.push(Some(if earlier == 0 { name } else { numbered(&name, earlier + 1) }));
    }
    names
}

/// A path's names, without what only says where one is.
fn parts(file: &Path) -> Vec<String> {
    let shown = |part: Component<'_>| match part {
        Component::CurDir | Component::RootDir => None,
        part => Some(part.as_os_str().to_string_lossy().into_owned()),
    };
    file.components().filter_map(shown).collect()
}

fn tail(parts: &[String], n: usize) -> &[String] {
    &parts[parts.len().saturating_sub(n)..]
}

fn numbered(name: &str, number: usize) -> String {
    match name.strip_suffix(ENDING) {
        Some(stem) => format!("{stem} #{number}{ENDING}"),
        None => format!("{name} #{number}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(files: &[&str]) -> Vec<String> {
        let paths: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        let names = told_apart(&paths).into_iter().zip(&paths);
        names
            .map(|(name, path)| name.unwrap_or_else(|| path.file_name().unwrap().to_string_lossy().into()))
            .collect()
    }

    #[test]
    fn only_names_that_are_the_same_get_more() {
        assert_eq!(of(&["a/x.jsonl.zst", "b/y.jsonl.zst"]), ["x.jsonl.zst", "y.jsonl.zst"]);
        assert_eq!(of(&["r/a/x.jsonl.zst", "r/b/x.jsonl.zst", "z"]), ["a/x.jsonl.zst", "b/x.jsonl.zst", "z"]);
        assert_eq!(of(&["a/c/x", "b/c/x"]), ["a/c/x", "b/c/x"]);
        assert_eq!(of(&["x.jsonl.zst", "a/x.jsonl.zst"]), ["x.jsonl.zst", "a/x.jsonl.zst"]);
        assert_eq!(
            of(&["x.jsonl.zst", "./x.jsonl.zst", "x.jsonl.zst"]),
            ["x.jsonl.zst", "x #2.jsonl.zst", "x #3.jsonl.zst"]
        );
        assert_eq!(of(&["-", "-"]), ["-", "- #2"]);
    }

    proptest! {
        #[test]
        fn no_two_names_are_the_same(files in proptest::collection::vec("(/)?([abx]/){0,3}[xy]", 1..6)) {
            let mut names = of(&files.iter().map(String::as_str).collect::<Vec<_>>());
            names.sort();
            let all = names.len();
            names.dedup();
            prop_assert_eq!(names.len(), all, "{:?}", files);
        }
    }
}
