//! The keys of `[backend]` that say how servers are connected to.

use serde::{Deserialize, Serialize};

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpVersion {
    /// A connection for each request under way.
    #[default]
    #[serde(rename = "1.1")]
    One,
    /// Many requests on a connection: agreed on in the TLS handshake, or simply begun over plain `http://`.
    #[serde(rename = "2")]
    Two,
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
