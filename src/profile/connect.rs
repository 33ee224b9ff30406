//! The keys of `[backend]` that say how servers are connected to.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum HttpVersion {
    /// A connection for each request under way.
    #[default]
    #[serde(rename = "1.1")]
    One,
    /// Many requests on a connection: agreed on in the TLS handshake, or simply begun over plain `http://`.
    #[serde(rename = "2")]
    Two,
}

impl<'de> Deserialize<'de> for HttpVersion {
    /// Reads `"2"`, and the number 2 as well, which is what one writes in a hurry.
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        let text = match Written::deserialize(d) {
            Ok(Written::Number(number)) => number.to_string(),
            Ok(Written::Text(text)) => text,
            Err(_) => String::new(),
        };
        match text.as_str() {
            "1.1" => Ok(Self::One),
            "2" => Ok(Self::Two),
            _ => Err(D::Error::custom("expected \"1.1\" or \"2\"")),
        }
    }
}

/// Which of several servers gets a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dispatch {
    /// The one with the fewest requests under way; of equals the next in turn.
    #[default]
    LeastLoaded,
    /// One after the other.
    RoundRobin,
    /// Client n always asks server n mod the number of servers.
    PerClient,
}

/// What a token's time is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StampedBy {
    /// When its bytes reached this machine, as the kernel tells; when they were read, where it does not.
    #[default]
    Arrival,
    /// When its bytes were read.
    Read,
}

/// In which events of a stream a server that can is asked to count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UsageIn {
    /// In each, until a stream has shown that each holds one token; then at the end, until one's count differs.
    #[default]
    Auto,
    /// In each.
    Each,
    /// At the end.
    End,
}

/// What becomes of a connection after an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionUse {
    /// It carries the next request.
    #[default]
    Reuse,
    /// It is closed: connecting is a part of every request's TTFT.
    PerRequest,
}
