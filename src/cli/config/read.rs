//! The file's text → [`Config`], each error with its byte.

use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{At, Config};
use crate::suggest::did_you_mean;
use crate::ui::{ByteUnits, Keys, TimeUnits, Wish};

/// A byte of the file and what is wrong there.
type Fault = (usize, String);
type Node<'a> = Spanned<DeValue<'a>>;

const KEYS: [&str; 7] = ["theme", "profile", "fps", "plain", "plain_every", "units", "keys"];

/// Reads the whole.
///
/// # Errors
/// No TOML, an unknown key, a value of the wrong kind or out of range, a command or key that is none.
pub fn parse(text: &str) -> Result<Config, Fault> {
    let root = DeTable::parse(text).map_err(|e| (e.span().map_or(0, |s| s.start), e.message().to_owned()))?;
    let mut config = Config::default();
    for (key, node) in root.get_ref() {
        let name = key.get_ref().as_ref();
        match name {
            "theme" => config.theme = Some(string(name, node)?),
            "profile" => config.profile = Some(string(name, node)?),
            "fps" => config.fps = Some(fps(node)?),
            "plain" => config.plain = Some(switch(node)?),
            "plain_every" => config.plain_every = Some(time(node)?),
            "units" => units(&mut config, node)?,
            "keys" => {
                config.wishes = wishes(node)?;
                config.keys = Arc::new(Keys::new(&config.wishes)?);
            }
            _ => {
                let hint = did_you_mean(name, KEYS);
                let all = KEYS.join(", ");
                return Err((key.span().start, format!("unknown key `{name}`{hint}; there are {all}")));
            }
        }
    }
    Ok(config)
}

fn string(name: &str, node: &Node<'_>) -> Result<At<String>, Fault> {
    let byte = node.span().start;
    match node.get_ref() {
        DeValue::String(text) => Ok(At { value: text.to_string(), byte }),
        _ => Err((byte, format!("{name}: expected a text, e.g. {name} = \"…\""))),
    }
}

fn fps(node: &Node<'_>) -> Result<At<u32>, Fault> {
    let byte = node.span().start;
    let number = match node.get_ref() {
        DeValue::Integer(n) => u32::from_str_radix(n.as_str(), n.radix()).ok(),
        _ => None,
    };
    match number.filter(|n| (1..=60).contains(n)) {
        Some(value) => Ok(At { value, byte }),
        None => Err((byte, "fps: expected a whole number from 1 to 60".into())),
    }
}

fn switch(node: &Node<'_>) -> Result<At<bool>, Fault> {
    let byte = node.span().start;
    match node.get_ref() {
        DeValue::Boolean(value) => Ok(At { value: *value, byte }),
        _ => Err((byte, "plain: expected true or false".into())),
    }
}

fn time(node: &Node<'_>) -> Result<At<Duration>, Fault> {
    let text = string("plain_every", node)?;
    let value =
        crate::cli::args::some_time(&text.value).map_err(|e| (text.byte, format!("plain_every: {e}")))?;
    Ok(At { value, byte: text.byte })
}

fn units(config: &mut Config, node: &Node<'_>) -> Result<(), Fault> {
    let DeValue::Table(table) = node.get_ref() else {
        return Err((node.span().start, "units: expected a table with `bytes` and `time`".into()));
    };
    for (key, node) in table {
        match key.get_ref().as_ref() {
            "bytes" => {
                let all = [("binary", ByteUnits::Binary), ("decimal", ByteUnits::Decimal)];
                config.bytes = Some(choice("units.bytes", node, &all)?);
            }
            "time" => {
                let all = [
                    ("auto", TimeUnits::Auto),
                    ("milliseconds", TimeUnits::Milliseconds),
                    ("seconds", TimeUnits::Seconds),
                ];
                config.time = Some(choice("units.time", node, &all)?);
            }
            other => {
                let hint = did_you_mean(other, ["bytes", "time"]);
                let message = format!("unknown key `units.{other}`{hint}; there are bytes, time");
                return Err((key.span().start, message));
            }
        }
    }
    Ok(())
}

fn choice<T: Copy>(name: &str, node: &Node<'_>, all: &[(&str, T)]) -> Result<At<T>, Fault> {
    let text = string(name, node)?;
    if let Some((_, value)) = all.iter().find(|(word, _)| *word == text.value) {
        return Ok(At { value: *value, byte: text.byte });
    }
    let hint = did_you_mean(&text.value, all.iter().map(|(word, _)| *word));
    let words: Vec<&str> = all.iter().map(|(word, _)| *word).collect();
    Err((text.byte, format!("{name}: `{}` is none of {}{hint}", text.value, words.join(", "))))
}

fn wishes(node: &Node<'_>) -> Result<Vec<Wish>, Fault> {
    const EXPECTED: &str =
        "expected a key or a list of keys, e.g. freeze = \"F\" or freeze = [\"F\", \"ctrl-f\"]";
    let DeValue::Table(table) = node.get_ref() else {
        return Err((node.span().start, format!("keys: {EXPECTED}")));
    };
    let mut all = Vec::new();
    for (name, node) in table {
        let one = |node: &Node<'_>| match node.get_ref() {
            DeValue::String(text) => Ok((text.to_string(), node.span().start)),
            _ => Err((node.span().start, format!("keys.{}: {EXPECTED}", name.get_ref()))),
        };
        let keys = match node.get_ref() {
            DeValue::Array(list) => list.iter().map(one).collect::<Result<_, _>>()?,
            _ => vec![one(node)?],
        };
        all.push(Wish { command: (name.get_ref().to_string(), name.span().start), keys });
    }
    // In the order of the file, so that of two errors the first is told.
    all.sort_by_key(|wish| wish.command.1);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_can_be_said() {
        let text = "theme = \"paper\"\nprofile = \"sim\"\nfps = 30\nplain = true\nplain_every = \"2s\"\n\
                    units = { bytes = \"decimal\", time = \"milliseconds\" }\n\
                    [keys]\nfreeze = \"F\"\n\"screen log\" = [\"L\", \"ctrl-g\"]\n";
        let config = parse(text).unwrap();
        assert_eq!(config.theme.unwrap(), At { value: "paper".into(), byte: 8 });
        assert_eq!(config.profile.unwrap().value, "sim");
        assert_eq!(config.fps.unwrap().value, 30);
        assert!(config.plain.unwrap().value);
        assert_eq!(config.plain_every.unwrap().value, Duration::from_secs(2));
        assert_eq!(config.bytes.unwrap().value, ByteUnits::Decimal);
        assert_eq!(config.time.unwrap().value, TimeUnits::Milliseconds);
        assert_eq!(config.wishes.len(), 2);
        assert_eq!(config.keys.shown("p"), "F");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let fails = |text: &str| parse(text).unwrap_err();
        let (byte, message) = fails("fps = 30\nthem = \"x\"\n");
        assert_eq!(byte, 9);
        assert!(message.starts_with("unknown key `them`; did you mean `theme`?"), "{message}");
        for (text, byte, part) in [
            ("fps = 0", 6, "from 1 to 60"),
            ("fps = \"x\"", 6, "from 1 to 60"),
            ("theme = 3", 8, "expected a text"),
            ("plain = 1", 8, "true or false"),
            ("plain_every = \"soon\"", 14, "plain_every"),
            ("units = 1", 8, "a table"),
            ("units.byte = \"binary\"", 6, "did you mean `bytes`?"),
            ("units.bytes = \"decimel\"", 14, "did you mean `decimal`?"),
            ("keys = 1", 7, "a key or a list"),
            ("[keys]\nfreeze = 1", 16, "a key or a list"),
            ("[keys]\nfrezze = \"F\"", 7, "did you mean `freeze`?"),
            ("[keys]\nfreeze = [\"F\", \"q\"]", 22, "a key of `quit`"),
            ("fps = ", 6, ""),
        ] {
            let (at, message) = fails(text);
            assert_eq!(at, byte, "{text}: {message}");
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
