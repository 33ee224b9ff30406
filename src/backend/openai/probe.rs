//! Asks a server what it has before any load: its models, and whatever else it tells of itself.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::fault::{Fault, harmless, words};
use super::open::exchange;
use super::server::Server;
use crate::backend::Progress;

/// Most time for an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How often it is asked whether to give up.
const LOOK: Duration = Duration::from_millis(50);
/// The longest list that is read.
const LIST: usize = 8 * 1024 * 1024;
/// Names of models that a message shows.
const NAMES: usize = 10;

/// A model in a server's list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Served {
    pub id: String,
    #[serde(default)]
    pub owned_by: Option<String>,
    /// The longest sequence, where the server tells.
    #[serde(default)]
    pub max_model_len: Option<u32>,
    /// How many token ids there are, where the server tells.
    #[serde(default)]
    pub vocab_size: Option<u32>,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Served>,
}

/// Asks a server, over one connection as far as it goes.
pub struct Asker<'a> {
    pub server: &'a Server,
    /// The status in place of a list of models.
    no_list: u16,
}

impl<'a> Asker<'a> {
    pub fn new(server: &'a Server) -> Self {
        Self { server, no_list: 0 }
    }

    /// A GET: status and body.
    ///
    /// # Errors
    /// If there is no connection, or no answer in time.
    pub async fn get(&mut self, path: &str) -> Result<(u16, Vec<u8>), Fault> {
        let asked = async {
            let (head, mut answer) = exchange(self.server, path, None).await?;
            let read = answer.body(LIST).await?;
            answer.keep(self.server);
            Ok((head.status.as_u16(), read))
        };
        let late = || Err(Fault::protocol(format!("no answer within {} s", ANSWER.as_secs())));
        tokio::time::timeout(ANSWER, asked).await.unwrap_or_else(|_| late())
    }

    /// A GET that need not work out: the JSON object that it gives, if it does.
    pub async fn object(&mut self, path: &str) -> Option<Map<String, Value>> {
        match self.get(path).await {
            Ok((200, body)) => serde_json::from_slice(&body).ok(),
            _ => None,
        }
    }

    /// The server's list of models; `None` if it has none.
    ///
    /// # Errors
    /// Nobody is there, or it is no such server, or it refuses the key.
    pub async fn list(&mut self) -> Result<Option<Vec<Served>>, String> {
        let shown = self.server.target.shown();
        let path = format!("{}/models", self.server.target.prefix);
        let (status, body) = self.get(&path).await.map_err(|fault| self.nobody(&path, &fault))?;
        match status {
            200 => match serde_json::from_slice::<List>(&body) {
                Ok(list) => Ok(Some(list.data)),
                Err(_) => Err(format!(
                    "{shown} is no OpenAI-compatible server: GET {path} answers with something that is no list of \
                     models: {}",
                    harmless(&String::from_utf8_lossy(&body[..body.len().min(400)]))
                )),
            },
            404 | 405 => {
                self.no_list = status;
                Ok(None)
            }
            _ => Err(self.refusal(&path, status, &body)),
        }
    }

    /// What is said where nobody answers.
    pub fn nobody(&self, path: &str, fault: &Fault) -> String {
        let shown = self.server.target.shown();
        format!("there is no server to measure at {shown}: GET {path}: {}", fault.message)
    }

    /// What is said of an answer that forbids to go on.
    pub fn refusal(&self, path: &str, status: u16, body: &[u8]) -> String {
        let shown = self.server.target.shown();
        match status {
            401 | 403 => format!(
                "{shown} refuses the key (HTTP {status}); name the variable that holds the right one by \
                 backend.api_key_env: {}",
                words(body)
            ),
            _ => format!("{shown} is not ready: GET {path}: HTTP {status}: {}", words(body)),
        }
    }

    /// What is said of a server whose path has no list of models: where it has one, if that is the usual path.
    pub async fn unlisted(&mut self) -> String {
        let (shown, status) = (self.server.target.shown(), self.no_list);
        let prefix = self.server.target.prefix.clone();
        let advice = self.usual().await;
        let otherwise =
            "if the path is right and models are not listed, set backend.model to the name to ask for";
        let there = advice.as_ref().is_some_and(|(there, _)| *there);
        let advice = advice.map(|(_, words)| words).into_iter().chain((!there).then(|| otherwise.to_owned()));
        let advice: Vec<String> = advice.collect();
        format!("{shown}: GET {prefix}/models was not found (HTTP {status}); {}", advice.join("; "))
    }

    /// The usual path, where the URL has another: whether a list of models is there, and what to say.
    async fn usual(&mut self) -> Option<(bool, String)> {
        let target = &self.server.target;
        let usual = format!("{}://{}/v1", target.scheme(), target.authority);
        if target.prefix == "/v1" {
            return None;
        }
        let list = |body: &[u8]| serde_json::from_slice::<List>(body).is_ok();
        let listed = self.get("/v1/models").await.is_ok_and(|(status, body)| status == 200 && list(&body));
        let words = if listed {
            format!("the server has its models at {usual}: give that URL")
        } else {
            format!("the usual path is /v1: {usual}")
        };
        Some((listed, words))
    }

    /// A server without a list of models must be well at least.
    ///
    /// # Errors
    /// If it does not say so.
    pub async fn health(&mut self) -> Result<(), String> {
        match self.get("/health").await.map(|(status, _)| status) {
            Ok(200) => Ok(()),
            other => {
                let shown = self.server.target.shown();
                let usual = self.usual().await.map_or_else(String::new, |(_, words)| format!("; {words}"));
                Err(format!(
                    "{shown} is no OpenAI-compatible server, or the path is wrong: GET {}/models: HTTP {}, \
                     GET /health: {}{usual}",
                    self.server.target.prefix,
                    self.no_list,
                    other.map_or_else(|fault| fault.message, |status| format!("HTTP {status}"))
                ))
            }
        }
    }
}

impl Drop for Asker<'_> {
    /// Connections live in the runtime that they were made in, and that of the load is another.
    fn drop(&mut self) {
        self.server.close();
    }
}

/// Waits for somebody to give up.
pub async fn given_up(progress: &dyn Progress) {
    while !progress.cancelled() {
        tokio::time::sleep(LOOK).await;
    }
}

/// The wanted model of a list, or its first.
///
/// # Errors
/// If it is not there.
pub fn choose(served: Option<Vec<Served>>, wanted: Option<&str>) -> Result<Served, String> {
    let mut served = served.unwrap_or_default();
    let Some(wanted) = wanted else {
        let none = || "lists no models; set backend.model to the name to ask for".to_owned();
        return if served.is_empty() { Err(none()) } else { Ok(served.swap_remove(0)) };
    };
    if served.is_empty() {
        return Ok(Served { id: wanted.to_owned(), ..Served::default() });
    }
    if let Some(model) = served.iter().find(|model| model.id == wanted) {
        return Ok(model.clone());
    }
    let mut shown: Vec<String> = served.iter().take(NAMES).map(|model| harmless(&model.id)).collect();
    if served.len() > NAMES {
        shown.push(format!("and {} more", served.len() - NAMES));
    }
    Err(format!("has no model \"{wanted}\" (backend.model); it has {}", shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(ids: &[&str]) -> Vec<Served> {
        ids.iter().map(|id| Served { id: (*id).to_owned(), ..Served::default() }).collect()
    }

    #[test]
    fn the_wanted_model_is_taken_or_the_first() {
        assert_eq!(choose(Some(served(&["a", "b"])), None).map(|m| m.id), Ok("a".into()));
        assert_eq!(choose(Some(served(&["a", "b"])), Some("b")).map(|m| m.id), Ok("b".into()));
        assert_eq!(choose(None, Some("b")).map(|m| m.id), Ok("b".into()));
        assert!(choose(None, None).is_err_and(|e| e.contains("backend.model")));
        assert!(choose(Some(served(&[])), None).is_err_and(|e| e.contains("lists no models")));
    }

    #[test]
    fn a_model_that_is_not_there_is_named_with_those_that_are() {
        let said = choose(Some(served(&["llama", "qwen\x1b"])), Some("lama")).err().unwrap_or_default();
        assert!(said.contains("no model \"lama\"") && said.ends_with("llama, qwen"), "{said}");
        let many: Vec<String> = (0..30).map(|i| format!("m{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(choose(Some(served(&many)), Some("x")).is_err_and(|e| e.ends_with("m9, and 20 more")));
    }
}
