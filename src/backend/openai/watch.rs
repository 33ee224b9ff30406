//! Compares the prompts that were made with those that the server counted, and says so once if they differ.

use std::sync::atomic::{AtomicBool, Ordering};

/// Told once a run.
#[derive(Debug, Default)]
pub struct PromptWatch {
    told: AtomicBool,
    chat: bool,
}

impl PromptWatch {
    /// `chat`: the server puts the prompt into its chat template.
    pub fn new(chat: bool) -> Self {
        Self { told: AtomicBool::new(false), chat }
    }

    /// A prompt was made of `asked` tokens, and the server counted `told`.
    pub fn compare(&self, asked: u32, told: u32) {
        if asked != told && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!("{}", words(asked, told, self.chat));
        }
    }
}

/// What is said of the first prompt that differs.
fn words(asked: u32, told: u32, chat: bool) -> String {
    let why = match told.checked_sub(asked) {
        Some(_) if chat => "its chat template adds the rest",
        Some(1) => "it puts a token of its own before each, such as a BOS",
        Some(_) => "it adds tokens of its own, or has another tokenizer",
        None => "it cuts prompts, or has another tokenizer",
    };
    format!(
        "the server counts {told} tokens in a prompt that was made of {asked}: {why}; figures take the server's count"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_explained() {
        assert!(words(8, 9, false).contains("BOS") && words(8, 30, true).contains("chat template"));
        assert!(
            words(8, 12, false).contains("another tokenizer") && words(8, 6, true).contains("cuts prompts")
        );
    }

    #[test]
    fn it_is_said_once() {
        let watch = PromptWatch::new(false);
        watch.compare(8, 8);
        assert!(!watch.told.load(Ordering::Relaxed));
        watch.compare(8, 9);
        watch.compare(8, 9);
        assert!(watch.told.load(Ordering::Relaxed));
    }
}
