//! Words of one token each, for texts of a known count of tokens.
//!
//! Random token ids decoded as they are would not do: `in` and `form` side by side are one token when they are read
//! again.

use super::TextTokenizer;

/// More words than this from one tokenizer would tell prompts apart no better.
const MOST_WORDS: usize = 8192;
/// Tokens looked at in search of them.
const MOST_TRIED: u32 = 65_536;
/// A word repeated so often must count once each.
const REPEATS: usize = 3;
/// Orders in which all words together must count as many as they are.
const ORDERS: usize = 4;

/// Words that a tokenizer takes for one token each, at the start of a text and behind any other. Sorted.
pub(super) fn find(tokenizer: &TextTokenizer) -> Vec<String> {
    let mut words = Vec::new();
    for id in 0..tokenizer.vocabulary().min(MOST_TRIED) {
        let Some(text) = tokenizer.text(id) else { continue };
        let word = text.trim();
        let plain = word.len() >= 2 && word.bytes().all(|b| b.is_ascii_lowercase());
        if plain && counts(tokenizer, &[word]) && counts(tokenizer, &[word; REPEATS]) {
            words.push(word.to_owned());
        }
        if words.len() == MOST_WORDS {
            break;
        }
    }
    words.sort_unstable();
    words.dedup();
    proven(tokenizer, words)
}

fn counts(tokenizer: &TextTokenizer, words: &[&str]) -> bool {
    tokenizer.count(&words.join(" ")) == u32::try_from(words.len()).ok()
}

/// Leaves out words that melt with their neighbours, found by counting all words in several orders.
fn proven(tokenizer: &TextTokenizer, mut words: Vec<String>) -> Vec<String> {
    let mut clean = 0;
    let mut step = 1;
    while clean < ORDERS && !words.is_empty() {
        let order = shuffled(&words, step);
        step += 1;
        let mut melt = Vec::new();
        search(tokenizer, &order, &mut melt);
        clean = if melt.is_empty() { clean + 1 } else { 0 };
        let melt: Vec<String> = melt.into_iter().map(str::to_owned).collect();
        words.retain(|word| !melt.contains(word));
    }
    words
}

/// The second word of each pair that is not counted as two.
fn search<'a>(tokenizer: &TextTokenizer, order: &[&'a str], melt: &mut Vec<&'a str>) {
    if counts(tokenizer, order) {
        return;
    }
    if let [.., last] = order
        && order.len() <= 2
    {
        melt.push(last);
        return;
    }
    let (found, half) = (melt.len(), order.len() / 2);
    search(tokenizer, &order[..half], melt);
    search(tokenizer, &order[half..], melt);
    if melt.len() == found {
        // It is the pair across the cut.
        melt.push(order[half]);
    }
}

/// All words once, in another order for each step.
fn shuffled(words: &[String], step: u64) -> Vec<&str> {
    let mut keyed: Vec<(u64, &str)> = (1u64..)
        .zip(words)
        .map(|(i, word)| {
            let mixed = (i ^ (step << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9), word.as_str())
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, word)| word).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;
    use crate::model::tokenizer::tests::written;

    #[test]
    fn words_that_melt_with_their_neighbours_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = TextTokenizer::load(&written(folder.path())).unwrap();
        assert_eq!(tokenizer.count("bc cb"), Some(1), "they melt");
        let words = tokenizer.words();
        assert!(words.contains(&"ab".to_owned()) && words.contains(&"abab".to_owned()), "{words:?}");
        assert!(!(words.contains(&"bc".to_owned()) && words.contains(&"cb".to_owned())), "{words:?}");
        for first in words {
            for second in words {
                assert_eq!(
                    tokenizer.count(&format!("{first} {second} {first}")),
                    Some(3),
                    "{first} {second}"
                );
            }
        }
    }

    #[test]
    fn orders_differ_and_hold_every_word() {
        let words: Vec<String> = (0..50).map(|i| format!("w{i:02}")).collect();
        let (one, two) = (shuffled(&words, 1), shuffled(&words, 2));
        assert_ne!(one, two);
        for mut order in [one, two] {
            order.sort_unstable();
            assert_eq!(order, words);
        }
    }
}
