//! The ways in which servers are asked and answer: the one seam through which a dialect says where a request goes and
//! what its body is ([`form`]), how its answer is cut into events ([`lines`], or the SSE of OpenAI's), and what an
//! event means ([`Speech`]). Each foreign API has a file of its own; facts only, from its project's documentation
//! and sources.

mod azure;
pub mod form;
mod lines;
mod mii;
mod tgi;
mod vllm;

use std::borrow::Cow;

use serde::Deserialize;

pub use self::azure::DEPLOYMENT;
use self::form::Form;
use self::lines::Lines;
pub use self::mii::deployment;
use super::peek::{Peek, complaint, peek};
use super::sse::{Frames, TooLong};

/// A way of asking and answering.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// `/completions` and `/chat/completions`.
    #[default]
    Openai,
    /// Text Generation Inference's `/generate_stream` and `/generate`.
    Tgi,
    /// The RESTful gateway of a DeepSpeed-MII deployment, `/mii/NAME`.
    MiiGateway,
    /// DeepSpeed-MII's server for plain texts, `/generate`.
    MiiText,
    /// vLLM's demonstration server, `/generate`.
    VllmGenerate,
    /// An online endpoint of Azure Machine Learning, `/score`.
    AzureMl,
}

/// The ends of base URLs that name an endpoint, or OpenAI's part of a server.
const ENDPOINTS: [&str; 3] = ["/generate_stream", "/generate", "/v1"];

/// A base URL's path without the endpoint at its end: what a server's own endpoints stand below.
pub fn root(prefix: &str) -> &str {
    ENDPOINTS.iter().find_map(|end| prefix.strip_suffix(end)).unwrap_or(prefix)
}

impl Kind {
    /// Whether answers come as a stream, if that is wanted.
    pub fn streams(self, wanted: bool) -> bool {
        wanted && !matches!(self, Self::MiiGateway | Self::AzureMl)
    }

    /// Where requests go, for the path of a base URL. `model`: for APIs that name it there. None for OpenAI's.
    pub fn path(self, prefix: &str, stream: bool, model: &str) -> String {
        let root = root(prefix);
        match self {
            Self::Tgi if stream => format!("{root}/generate_stream"),
            Self::Tgi | Self::MiiText | Self::VllmGenerate => format!("{root}/generate"),
            Self::MiiGateway => mii::path(prefix, root, model),
            Self::AzureMl if prefix == "/v1" => "/score".into(),
            Self::Openai | Self::AzureMl => prefix.to_owned(),
        }
    }

    /// A request's body, for all but OpenAI's.
    pub fn form(self, stream: bool) -> Option<Form> {
        Some(match self {
            Self::Openai => return None,
            Self::Tgi => tgi::form(),
            Self::MiiGateway => mii::gateway_form(),
            Self::MiiText => mii::text_form(stream),
            Self::VllmGenerate => vllm::form(stream),
            Self::AzureMl => azure::form(),
        })
    }

    /// Whether its answers begin with the prompt.
    pub fn echoes(self) -> bool {
        self == Self::VllmGenerate
    }

    /// How one answer is understood. `prompt`: what an answer may begin with.
    pub fn speech(self, prompt: Option<Box<str>>) -> Speech {
        match self {
            Self::Openai => Speech::Openai,
            Self::Tgi => Speech::Tgi,
            Self::MiiGateway => Speech::MiiGateway,
            Self::MiiText => Speech::MiiText,
            Self::VllmGenerate => Speech::Vllm(vllm::Growing::behind(prompt.unwrap_or_default())),
            Self::AzureMl => Speech::Azure,
        }
    }
}

/// Understands the events of one answer.
#[derive(Debug, Default)]
pub enum Speech {
    #[default]
    Openai,
    Tgi,
    MiiGateway,
    MiiText,
    Vllm(vllm::Growing),
    Azure,
}

impl Speech {
    /// What an event tells; new text goes behind `text`.
    ///
    /// # Errors
    /// If it is no JSON of this API.
    #[inline]
    pub fn look(&mut self, json: &[u8], text: &mut String) -> Result<Peek, serde_json::Error> {
        match self {
            Self::Openai => peek(json, text),
            Self::Tgi => tgi::look(json, text),
            Self::MiiGateway => mii::look_gateway(json, text),
            Self::MiiText => mii::look_text(json, text),
            Self::Vllm(growing) => growing.look(json, text),
            Self::Azure => azure::look(json, text),
        }
    }

    /// What an event means depends on nothing but the event.
    #[inline]
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Openai)
    }

    /// A stream of this API has no sign of its end but the end itself.
    pub fn just_ends(&self) -> bool {
        matches!(self, Self::Vllm(_))
    }

    /// How its answers are cut.
    pub fn cut(&self) -> Cut {
        match self {
            Self::Vllm(_) => Cut::Lines(Lines::default()),
            _ => Cut::Events(Frames::default()),
        }
    }
}

/// Cuts a stream into events.
#[derive(Debug)]
pub enum Cut {
    /// Server-sent events.
    Events(Frames),
    /// A JSON object a line, or before each NUL.
    Lines(Lines),
}

impl Default for Cut {
    fn default() -> Self {
        Self::Events(Frames::default())
    }
}

impl Cut {
    /// Takes in a piece and calls `each` with every event in it.
    ///
    /// # Errors
    /// [`TooLong`]; the stream must then be given up.
    #[inline]
    pub fn feed(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8])) -> Result<(), TooLong> {
        match self {
            Self::Events(frames) => frames.feed(bytes, each),
            Self::Lines(lines) => lines.feed(bytes, each),
        }
    }

    /// The stream is over.
    ///
    /// # Errors
    /// [`TooLong`]
    pub fn finish(&mut self, each: &mut impl FnMut(&[u8])) -> Result<(), TooLong> {
        match self {
            Self::Events(frames) => frames.finish(each),
            Self::Lines(lines) => {
                lines.finish(each);
                Ok(())
            }
        }
    }
}

/// `{"text": ["…"]}`, as MII's and vLLM's simple servers write, or what they write in its place.
#[derive(Deserialize)]
struct Texts<'a> {
    #[serde(borrow, default)]
    text: Option<Vec<Cow<'a, str>>>,
    #[serde(default)]
    error: Option<serde_json::Value>,
    /// FastAPI's complaint.
    #[serde(default)]
    detail: Option<serde_json::Value>,
}

impl<'a> Texts<'a> {
    /// The first text, if there is one; a complaint goes into `found`.
    fn read(json: &'a [u8], found: &mut Peek) -> Result<Option<Cow<'a, str>>, serde_json::Error> {
        let told: Self = serde_json::from_slice(json)?;
        found.error = told.error.or(told.detail).and_then(complaint);
        Ok(told.text.and_then(|texts| texts.into_iter().next()))
    }
}

#[cfg(test)]
mod tests;
