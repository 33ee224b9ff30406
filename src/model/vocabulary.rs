//! Tokens for dummy weights: a vocabulary that reads as words, so that every token shows on the screen.
//!
//! A real model's vocabulary can't be made up, but its size is kept, for the output projection costs by
//! it. Tokens are written as a SentencePiece-like vocabulary (`tokenizer.ggml.model = "llama"`, with scores):
//! three control tokens, the printable ASCII characters, so that any plain text can be encoded, then words of
//! syllables, each beginning with the space mark.

/// What the tokens of a dummy are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tokens {
    /// Words of syllables: every token is visible text.
    #[default]
    Words,
    /// Single bytes: half of them are no whole character of their own, which is how engines that stream
    /// text come to send no chunk for a token.
    Bytes,
}

/// Ids of the control tokens.
pub const UNKNOWN: u32 = 0;
pub const BEGIN: u32 = 1;
pub const END: u32 = 2;
/// The first id that is no control token.
pub const FIRST: u32 = 3;

const CONSONANTS: [char; 20] =
    ['b', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'w', 'x', 'y', 'z', 'c'];
const VOWELS: [char; 5] = ['a', 'e', 'i', 'o', 'u'];
/// U+2581, the mark for a space before a word.
const SPACE: char = '▁';

/// GGUF's token types.
const NORMAL: i32 = 1;
const UNKNOWN_TYPE: i32 = 2;
const CONTROL: i32 = 3;

impl Tokens {
    /// The token of this id.
    pub fn text(self, id: u32) -> String {
        match id {
            UNKNOWN => return "<unk>".into(),
            BEGIN => return "<s>".into(),
            END => return "</s>".into(),
            _ => {}
        }
        let n = id - FIRST;
        match self {
            Self::Bytes if n < 256 => format!("<0x{n:02X}>"),
            Self::Words if n == 0 => SPACE.into(),
            // '!' to '~', the printable ASCII characters.
            Self::Words if n <= 94 => char::from(b' ' + n as u8).into(),
            Self::Words => word(n - 95),
            Self::Bytes => word(n - 256),
        }
    }

    /// A word for a token id, without the space mark: the token's own if it is a word, else that of another id below
    /// `vocabulary`. It is one token again however it is read back, and one word by white space.
    pub fn word(vocabulary: u32, id: u32) -> String {
        const FIRST_WORD: u32 = FIRST + 95;
        let words = vocabulary.saturating_sub(FIRST_WORD).max(1);
        let n = if id >= FIRST_WORD { (id - FIRST_WORD) % words } else { id % words };
        word(n).trim_start_matches(SPACE).to_owned()
    }

    /// Its type in `tokenizer.ggml.token_type`.
    pub fn kind(self, id: u32) -> i32 {
        match id {
            UNKNOWN => UNKNOWN_TYPE,
            BEGIN | END => CONTROL,
            _ => NORMAL,
        }
    }

    /// Its score (a log probability): words before single characters, early words before late ones.
    pub fn score(self, id: u32) -> f32 {
        match self {
            Self::Words if (FIRST..FIRST + 95).contains(&id) => -30.0,
            _ if id < FIRST => 0.0,
            _ => -10.0 - id as f32 / 65_536.0,
        }
    }
}

/// The n-th word: its digits to the base 100 are syllables.
fn word(n: u32) -> String {
    let mut rest = n;
    let mut word = String::from(SPACE);
    loop {
        let syllable = rest % 100;
        word.push(CONSONANTS[(syllable / 5) as usize]);
        word.push(VOWELS[(syllable % 5) as usize]);
        rest /= 100;
        if rest == 0 {
            return word;
        }
        // Numbers with more syllables begin anew, so that no two numbers give one word.
        rest -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_unique_and_words_are_visible() {
        for tokens in [Tokens::Words, Tokens::Bytes] {
            let all: Vec<_> = (0..130_000).map(|id| tokens.text(id)).collect();
            let unique: std::collections::HashSet<_> = all.iter().collect();
            assert_eq!(unique.len(), all.len());
            assert!(all.iter().all(|token| !token.trim().is_empty()));
        }
        assert_eq!(Tokens::Words.text(FIRST + 33), "A");
        assert_eq!(Tokens::Bytes.text(FIRST + 0xE4), "<0xE4>");
        assert!(Tokens::Words.text(2000).starts_with(SPACE));
        assert_eq!(Tokens::Words.text(2000), format!("{SPACE}{}", Tokens::word(4096, 2000)));
        assert!(
            (0..5000).chain([u32::MAX]).all(|id| Tokens::word(4096, id).chars().all(char::is_alphabetic))
        );
        assert!(!Tokens::word(0, 7).is_empty());
    }
}
