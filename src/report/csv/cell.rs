//! A row of a CSV file (RFC 4180), written into bytes: the hot path of the token table.

use crate::event::Outcome;

/// A row under construction in a reused buffer.
#[derive(Debug, Default)]
pub struct Row {
    bytes: Vec<u8>,
    begun: bool,
}

impl Row {
    /// The bytes of all rows ended so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.begun = false;
    }

    fn cell(&mut self) {
        if self.begun {
            self.bytes.push(b',');
        }
        self.begun = true;
    }

    /// An empty cell: not known.
    pub fn empty(&mut self) {
        self.cell();
    }

    /// A text: quoted where needed, and with a leading `'` where a spreadsheet would take it for a formula.
    pub fn text(&mut self, text: &str) {
        self.cell();
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let quoted = text.contains([',', '"', '\n', '\r']);
        if quoted {
            self.bytes.push(b'"');
        }
        if formula {
            self.bytes.push(b'\'');
        }
        for byte in text.bytes() {
            if byte == b'"' {
                self.bytes.push(b'"');
            }
            self.bytes.push(byte);
        }
        if quoted {
            self.bytes.push(b'"');
        }
    }

    /// Cells made before with another row, as they are.
    pub fn cells(&mut self, cells: &Row) {
        self.cell();
        self.bytes.extend_from_slice(&cells.bytes);
    }

    /// A whole number.
    pub fn whole(&mut self, number: u64) {
        self.cell();
        self.digits(number, 1);
    }

    /// A whole number, or nothing.
    pub fn whole_or_empty(&mut self, number: Option<u64>) {
        match number {
            Some(number) => self.whole(number),
            None => self.empty(),
        }
    }

    /// Nanoseconds as seconds, exactly: six decimals, nine where there are parts of a microsecond.
    pub fn seconds(&mut self, ns: u64) {
        self.cell();
        self.digits(ns / 1_000_000_000, 1);
        self.bytes.push(b'.');
        let part = ns % 1_000_000_000;
        match part % 1_000 {
            0 => self.digits(part / 1_000, 6),
            _ => self.digits(part, 9),
        }
    }

    /// Nanoseconds as seconds, or nothing.
    pub fn seconds_or_empty(&mut self, ns: Option<u64>) {
        match ns {
            Some(ns) => self.seconds(ns),
            None => self.empty(),
        }
    }

    /// A number in its shortest form that reads back the same, never with an exponent.
    pub fn float(&mut self, number: Option<f64>) {
        self.cell();
        if let Some(number) = number.filter(|n| n.is_finite()) {
            self.bytes.extend_from_slice(number.to_string().as_bytes());
        }
    }

    /// A value of a sweep: numbers as numbers, the rest as text.
    pub fn value(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::Number(number) => {
                self.cell();
                self.bytes.extend_from_slice(number.to_string().as_bytes());
            }
            serde_json::Value::String(text) => self.text(text),
            other => self.text(&other.to_string()),
        }
    }

    /// An outcome by its name.
    pub fn outcome(&mut self, outcome: Outcome) {
        self.text(outcome.name());
    }

    /// Ends the row.
    pub fn end(&mut self) {
        self.bytes.extend_from_slice(b"\r\n");
        self.begun = false;
    }

    /// Decimal digits, at least `least` of them.
    fn digits(&mut self, mut number: u64, least: usize) {
        let mut digits = [b'0'; 20];
        let mut at = digits.len();
        while number > 0 {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.bytes.extend_from_slice(&digits[at.min(digits.len() - least)..]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(fill: impl FnOnce(&mut Row)) -> String {
        let mut row = Row::default();
        fill(&mut row);
        String::from_utf8(row.bytes).unwrap()
    }

    #[test]
    fn seconds_are_exact() {
        assert_eq!(written(|r| r.seconds(0)), "0.000000");
        assert_eq!(written(|r| r.seconds(1_000)), "0.000001");
        assert_eq!(written(|r| r.seconds(12_345_678_901_234)), "12345.678901234");
        assert_eq!(written(|r| r.seconds(u64::MAX)), "18446744073.709551615");
        assert_eq!(written(|r| r.float(Some(1e-9))), "0.000000001");
        assert_eq!(written(|r| r.float(Some(f64::NAN))), "");
    }

    #[test]
    fn formulas_are_made_harmless() {
        assert_eq!(written(|r| r.text("=1+1")), "'=1+1");
        assert_eq!(written(|r| r.text("@x,\"y\"")), "\"'@x,\"\"y\"\"\"");
        assert_eq!(written(|r| r.text("\r=1")), "\"'\r=1\"");
        assert_eq!(written(|r| r.value(&serde_json::json!(-3))), "-3");
        assert_eq!(written(|r| r.value(&serde_json::json!("-3"))), "'-3");
        assert_eq!(written(|r| r.text("a=b")), "a=b");
    }

    proptest! {
        #[test]
        fn any_text_reads_back(texts in prop::collection::vec("\\PC*|[=+@\"',\r\n\t-]{1,5}", 1..6), n in any::<u64>()) {
            let bytes = written(|row| {
                for text in &texts {
                    row.text(text);
                }
                row.whole(n);
                row.end();
            });
            let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            prop_assert_eq!(record.len(), texts.len() + 1);
            prop_assert_eq!(&record[texts.len()], n.to_string());
            for (text, cell) in texts.iter().zip(&record) {
                let guarded = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
                prop_assert_eq!(if guarded { format!("'{text}") } else { text.clone() }, cell);
            }
        }
    }
}
