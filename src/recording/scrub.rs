//! Takes credentials out of text before it is written: nobody should leak a key by sharing a recording.

use std::borrow::Cow;

/// What is put in place of a credential.
const HIDDEN: &str = "***";

/// The text without user names and passwords in URLs (`scheme://user:pass@host`) and without what follows
/// `Bearer `. Works on plain text and on JSON alike.
pub(super) fn scrub(text: &str) -> Cow<'_, str> {
    let text = replace(Cow::Borrowed(text), "://", |rest| {
        let authority = rest.find(|c: char| c == '/' || ends_word(c)).unwrap_or(rest.len());
        rest[..authority].rfind('@')
    });
    replace(text, "Bearer ", |rest| {
        let end = rest.find(ends_word).unwrap_or(rest.len());
        (end > 0).then_some(end)
    })
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | ',')
}

/// Hides, behind each `lead`, as many bytes as `length` finds to be secret.
fn replace<'a>(text: Cow<'a, str>, lead: &str, length: impl Fn(&str) -> Option<usize>) -> Cow<'a, str> {
    if !text.contains(lead) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(at) = rest.find(lead) {
        let (before, after) = rest.split_at(at + lead.len());
        out.push_str(before);
        rest = after;
        if let Some(secret) = length(rest) {
            out.push_str(HIDDEN);
            rest = &rest[secret..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::scrub;

    #[test]
    fn credentials_are_hidden_and_the_rest_is_kept() {
        assert_eq!(scrub("GET https://me:s3cret@host:8000/v1?a=b@c"), "GET https://***@host:8000/v1?a=b@c");
        assert_eq!(scrub("at http://host/v1 and ftp://u@h"), "at http://host/v1 and ftp://***@h");
        assert_eq!(
            scrub(r#"{"h":"Authorization: Bearer abc.def","u":"x"}"#),
            r#"{"h":"Authorization: Bearer ***","u":"x"}"#
        );
        assert_eq!(scrub("mail me@host, no URL"), "mail me@host, no URL");
        assert_eq!(scrub("http://a:p@ss@host"), "http://***@host");
    }
}
