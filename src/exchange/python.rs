//! JSON as Python writes it: `json.dump` has `NaN`, `Infinity` and `-Infinity` for numbers that JSON lacks.
//!
//! [`PythonJson`] stands before a JSON reader and puts quotes around them, so that a message can say which value
//! is no number instead of refusing the whole file. Lines stay as they are, for the positions in messages.

use std::io::{self, BufRead, Read};

/// Names of numbers, with their signs.
const NAMES: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
/// No name is longer.
const LONGEST: usize = 9;

/// Reads JSON with Python's names of numbers in quotes.
pub struct PythonJson<R> {
    inner: R,
    /// What is ready to be handed out, from `at` on.
    out: Vec<u8>,
    at: usize,
    /// A word outside of strings that may become a name.
    word: Vec<u8>,
    in_string: bool,
    escaped: bool,
    ended: bool,
}

impl<R: BufRead> PythonJson<R> {
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            out: Vec::new(),
            at: 0,
            word: Vec::new(),
            in_string: false,
            escaped: false,
            ended: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.at = 0;
        while self.out.is_empty() && !self.ended {
            let piece = self.inner.fill_buf()?;
            let length = piece.len();
            if length == 0 {
                self.ended = true;
                end_word(&mut self.word, &mut self.out);
            }
            for &byte in piece {
                if self.in_string {
                    self.out.push(byte);
                    self.in_string = self.escaped || byte != b'"';
                    self.escaped = !self.escaped && byte == b'\\';
                } else if byte.is_ascii_alphabetic() && self.word.len() < LONGEST {
                    self.word.push(byte);
                } else {
                    end_word(&mut self.word, &mut self.out);
                    self.in_string = byte == b'"';
                    if byte == b'-' { self.word.push(byte) } else { self.out.push(byte) }
                }
            }
            self.inner.consume(length);
        }
        Ok(())
    }
}

fn end_word(word: &mut Vec<u8>, out: &mut Vec<u8>) {
    let name = NAMES.contains(&word.as_slice());
    if name {
        out.push(b'"');
    }
    out.append(word);
    if name {
        out.push(b'"');
    }
}

impl<R: BufRead> Read for PythonJson<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.out.len() {
            self.fill()?;
        }
        let ready = &self.out[self.at..];
        let n = ready.len().min(into.len());
        into[..n].copy_from_slice(&ready[..n]);
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through(text: &str, buffer: usize) -> String {
        let inner = io::BufReader::with_capacity(buffer, text.as_bytes());
        let mut out = String::new();
        PythonJson::new(inner).read_to_string(&mut out).unwrap();
        out
    }

    #[test]
    fn names_are_quoted_outside_of_strings_only() {
        let text = r#"[NaN, -Infinity,Infinity,-1e-5,1E5,true,null,"NaN \" -Infinity", {"NaN": NaN}]"#;
        let want =
            r#"["NaN", "-Infinity","Infinity",-1e-5,1E5,true,null,"NaN \" -Infinity", {"NaN": "NaN"}]"#;
        for buffer in [1, 2, 3, 64] {
            assert_eq!(through(text, buffer), want, "buffer of {buffer}");
        }
        assert_eq!(through("NaN", 1), "\"NaN\"");
    }

    proptest! {
        #[test]
        fn what_is_json_stays_as_it_is(text in "[ -~]{0,40}", number in any::<f64>(), buffer in 1usize..9) {
            let json = serde_json::json!({ "a": text, "b": [number, null, true], text.clone(): -5e-7 }).to_string();
            prop_assert_eq!(through(&json, buffer), json);
        }

        #[test]
        fn nothing_is_lost_of_what_is_none(text in "[-\"\\\\NaInfity0-9 ]{0,40}", buffer in 1usize..9) {
            let unquoted = |text: &str| text.replace('"', "");
            prop_assert_eq!(unquoted(&through(&text, buffer)), unquoted(&text));
        }
    }
}
