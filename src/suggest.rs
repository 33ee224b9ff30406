//! The nearest right name for a wrong one.

/// Fewer letters may be the beginning of anything.
const SHORTEST_BEGINNING: usize = 3;

/// The candidate nearest to `name`, if one is near enough to have been meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let candidates: Vec<&str> = candidates.into_iter().collect();
    // The beginning of one name, and of no other, is that name cut short.
    let mut begun = candidates.iter().filter(|c| c.to_lowercase().starts_with(&name));
    if let (true, Some(only), None) = (name.len() >= SHORTEST_BEGINNING, begun.next(), begun.next()) {
        return Some(only);
    }
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(&name, &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance <= 1 + c.len().max(name.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

/// `; did you mean `X`?` with the nearest candidate, or nothing.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, candidates).map(|c| format!("; did you mean `{c}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_mended_and_a_stranger_is_not() {
        let names = ["clients", "requests", "duration"];
        assert_eq!(nearest("cleints", names), Some("clients"));
        assert_eq!(nearest("Request", names), Some("requests"));
        assert_eq!(nearest("xyzzy", names), None);
        assert_eq!(nearest("dur", names), Some("duration"));
    }
}
