//! Finds out before any load what a server is, which model it serves, and how it wants to be asked.
//!
//! With `dialect = "auto"` the owner in its list of models tells, or else what only one kind of server answers: TGI's
//! `/info`, llama.cpp's `/props`, SGLang's `/get_model_info`, vLLM's `/version`. An API of its own (MII's, vLLM's
//! `/generate`, Azure's) must be named.

use serde_json::{Map, Value};

use super::dialect::{OURS, by_owner};
use super::probe::{Asker, Served, choose, given_up};
use super::server::Server;
use super::speech::{deployment, root};
use crate::backend::{BackendError, Progress};
use crate::profile::Dialect;

/// What a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub dialect: Dialect,
    pub served: Served,
    /// The server's version, where it tells.
    pub version: Option<String>,
}

/// Finds out. `wanted`: the model that the profile names, or that another server has.
///
/// # Errors
/// The server is not there, is none, refuses the key, or lacks the model.
pub async fn find(
    server: &Server,
    dialect: Dialect,
    wanted: Option<&str>,
    progress: &dyn Progress,
) -> Result<Found, BackendError> {
    let shown = server.target.shown();
    progress.step(&format!("asking {shown} what it serves"), None);
    let found = tokio::select! {
        found = ask(server, dialect, wanted) => found,
        () = given_up(progress) => return Err(BackendError::Interrupted),
    };
    found.map_err(BackendError::Unavailable)
}

async fn ask(server: &Server, dialect: Dialect, wanted: Option<&str>) -> Result<Found, String> {
    let mut asker = Asker::new(server);
    match dialect {
        Dialect::Mii | Dialect::VllmGenerate | Dialect::AzureMl => foreign(&mut asker, dialect, wanted).await,
        Dialect::Tgi => tgi(&mut asker, wanted).await,
        _ => openai(&mut asker, dialect, wanted).await,
    }
}

/// An OpenAI-compatible server, maybe one that is more than that.
async fn openai(asker: &mut Asker<'_>, dialect: Dialect, wanted: Option<&str>) -> Result<Found, String> {
    let shown = asker.server.target.shown();
    let list = asker.list().await?;
    let listed = list.is_some();
    let chosen = choose(list, wanted).map_err(|why| format!("{shown} {why}"));
    let owner = chosen.as_ref().ok().and_then(|served| by_owner(served.owned_by.as_deref()?));
    let ours = chosen.as_ref().is_ok_and(|served| served.owned_by.as_deref() == Some(OURS));
    let told = match (dialect, owner) {
        (Dialect::Auto, None) if ours => Hint::default(),
        (Dialect::Auto, None) => hint(asker, chosen.as_ref().ok()).await,
        (Dialect::Auto, Some(owner)) => Hint { version: version(asker, owner).await, ..Hint::of(owner) },
        (named, _) => Hint { version: version(asker, named).await, ..Hint::of(named) },
    };
    if !listed && told.model.is_none() {
        asker.health().await?;
        if chosen.is_err() {
            return Err(asker.unlisted().await);
        }
    }
    let served = match (chosen, told.model) {
        (Ok(served), _) if listed => served,
        (Ok(served), _) => Served { max_model_len: told.context, ..served },
        (Err(_), Some(id)) if !listed => Served { id, max_model_len: told.context, ..Served::default() },
        (Err(why), _) => return Err(why),
    };
    Ok(Found { dialect: told.dialect, served, version: told.version })
}

/// TGI, named as such.
async fn tgi(asker: &mut Asker<'_>, wanted: Option<&str>) -> Result<Found, String> {
    let path = format!("{}/info", root(&asker.server.target.prefix));
    let (status, body) = asker.get(&path).await.map_err(|fault| asker.nobody(&path, &fault))?;
    let info = serde_json::from_slice::<Map<String, Value>>(&body).ok().filter(|_| status == 200);
    let Some(told) = info.as_ref().and_then(tgi_info) else {
        let shown = asker.server.target.shown();
        return Err(match status {
            200 | 404 | 405 => {
                format!("{shown} is no TGI server: GET {path} gives no `model_id` (HTTP {status})")
            }
            _ => asker.refusal(&path, status, &body),
        });
    };
    let id = wanted.map(str::to_owned).or(told.model).unwrap_or_default();
    let served = Served { id, max_model_len: told.context, ..Served::default() };
    Ok(Found { dialect: Dialect::Tgi, served, version: told.version })
}

/// An API that lists no models: it must answer at all, and not forbid.
async fn foreign(asker: &mut Asker<'_>, dialect: Dialect, wanted: Option<&str>) -> Result<Found, String> {
    let target = &asker.server.target;
    let (prefix, shown) = (target.prefix.clone(), target.shown());
    let named = deployment(&prefix).filter(|_| dialect == Dialect::Mii).map(str::to_owned);
    let is_gateway = dialect == Dialect::Mii && !prefix.ends_with("/generate");
    let id = match (wanted, named) {
        (Some(wanted), _) => wanted.to_owned(),
        (None, Some(named)) => named,
        (None, None) if is_gateway => {
            return Err(format!(
                "{shown} does not tell which deployment to ask; write it into backend.urls, as \
                 \"http://HOST:PORT/mii/NAME\", or into backend.model"
            ));
        }
        (None, None) => "unknown".into(),
    };
    let path = match dialect {
        Dialect::AzureMl => {
            if prefix == "/v1" {
                "/score".into()
            } else {
                prefix
            }
        }
        _ if is_gateway && prefix.contains("/mii/") => prefix,
        _ if is_gateway => format!("{}/mii/{id}", root(&prefix)),
        _ => format!("{}/health", root(&prefix)),
    };
    let (status, body) = asker.get(&path).await.map_err(|fault| asker.nobody(&path, &fault))?;
    match status {
        // What takes POST only says so.
        404 if is_gateway => Err(format!("{shown} has no deployment \"{id}\": GET {path}: HTTP 404")),
        401 | 403 | 500.. => Err(asker.refusal(&path, status, &body)),
        _ => Ok(Found { dialect, served: Served { id, ..Served::default() }, version: None }),
    }
}

/// What a server's own endpoints told.
#[derive(Debug, Default)]
struct Hint {
    dialect: Dialect,
    model: Option<String>,
    context: Option<u32>,
    version: Option<String>,
}

impl Hint {
    fn of(dialect: Dialect) -> Self {
        Self { dialect, ..Self::default() }
    }
}

/// Looks for endpoints that only one kind of server has.
async fn hint(asker: &mut Asker<'_>, served: Option<&Served>) -> Hint {
    let root = root(&asker.server.target.prefix).to_owned();
    if let Some(told) = asker.object(&format!("{root}/info")).await.as_ref().and_then(tgi_info) {
        return told;
    }
    if let Some(props) = asker.object(&format!("{root}/props")).await
        && props.contains_key("default_generation_settings")
    {
        return Hint { version: text(&props, "build_info"), ..Hint::of(Dialect::LlamaCpp) };
    }
    if let Some(info) = asker.object(&format!("{root}/get_model_info")).await
        && let Some(model) = text(&info, "model_path")
    {
        return Hint { model: Some(model), ..Hint::of(Dialect::Sglang) };
    }
    // Many servers have a version; the length of a sequence is what vLLM's list alone tells beside it.
    if served.is_some_and(|served| served.max_model_len.is_some())
        && let Some(version) = asker.object(&format!("{root}/version")).await
        && let (1, Some(version)) = (version.len(), text(&version, "version"))
    {
        return Hint { version: Some(version), ..Hint::of(Dialect::Vllm) };
    }
    Hint::default()
}

/// TGI's `/info`.
fn tgi_info(info: &Map<String, Value>) -> Option<Hint> {
    let own = ["max_concurrent_requests", "max_total_tokens", "docker_label"];
    let model = text(info, "model_id").filter(|_| own.iter().any(|key| info.contains_key(*key)))?;
    let context = info.get("max_total_tokens").and_then(Value::as_u64);
    Some(Hint {
        dialect: Dialect::Tgi,
        model: Some(model),
        context: context.and_then(|n| u32::try_from(n).ok()),
        version: text(info, "version"),
    })
}

/// The version of a server that is known already.
async fn version(asker: &mut Asker<'_>, dialect: Dialect) -> Option<String> {
    let (path, key) = match dialect {
        Dialect::Vllm => ("/version", "version"),
        Dialect::LlamaCpp => ("/props", "build_info"),
        _ => return None,
    };
    let path = format!("{}{path}", root(&asker.server.target.prefix));
    text(&asker.object(&path).await?, key)
}

fn text(map: &Map<String, Value>, key: &str) -> Option<String> {
    map.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}
