//! In which events of its streams a server is asked to count.
//!
//! Only a count in each event tells how many tokens it holds, where servers put several into one or hold back those that end
//! within a character. But to count costs the server something for each token, and it is the server that is measured. So it
//! is asked as long as it is not known that its events hold a token each, and then only at the end, where each answer's count
//! is compared with its events.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::profile::UsageIn;

/// What a server's streams have shown, shared by all requests.
#[derive(Debug)]
pub struct Counting {
    settled: AtomicU8,
    /// Nothing is learnt where the profile decides.
    fixed: bool,
}

/// Nothing yet: each event is counted.
const UNKNOWN: u8 = 0;
/// Each event holds a token.
const ALIKE: u8 = 1;
/// Some don't.
const DIFFERENT: u8 = 2;

impl Counting {
    pub fn new(usage: UsageIn) -> Self {
        let settled = match usage {
            UsageIn::Auto => UNKNOWN,
            UsageIn::End => ALIKE,
            UsageIn::Each => DIFFERENT,
        };
        Self { settled: AtomicU8::new(settled), fixed: usage != UsageIn::Auto }
    }

    /// Whether the next request asks for a count in each event.
    #[inline]
    pub fn in_each(&self) -> bool {
        self.settled.load(Ordering::Relaxed) != ALIKE
    }

    /// A stream has ended well. `alike`: each of its events with a text held one token, and no other held any.
    pub fn learn(&self, alike: bool) {
        let now = if alike { ALIKE } else { DIFFERENT };
        if self.fixed || self.settled.load(Ordering::Relaxed) >= now {
            return;
        }
        match self.settled.fetch_max(now, Ordering::Relaxed) {
            UNKNOWN if alike => tracing::info!(
                "an event of this server is a token, so it is asked for its counts at the end of a stream only \
                 (backend.usage)"
            ),
            ALIKE if !alike => tracing::warn!(
                "an answer's events did not hold a token each, so from now on the server is asked to count in each \
                 (backend.usage)"
            ),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_for_no_more_than_is_needed() {
        let counting = Counting::new(UsageIn::Auto);
        assert!(counting.in_each(), "nothing is known");
        counting.learn(true);
        assert!(!counting.in_each());
        counting.learn(false);
        assert!(counting.in_each());
        counting.learn(true);
        assert!(counting.in_each(), "once different, it may be again");
    }

    #[test]
    fn a_profile_decides_for_good() {
        for (usage, each) in [(UsageIn::Each, true), (UsageIn::End, false)] {
            let counting = Counting::new(usage);
            for alike in [true, false, true] {
                counting.learn(alike);
                assert_eq!(counting.in_each(), each);
            }
        }
    }
}
