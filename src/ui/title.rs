//! What a run is called before its engine has told anything of itself.

use serde_json::Value;

use super::Title;

impl Title {
    /// Names out of a profile as recordings hold it; `backend` is the engine's kind.
    pub fn of(profile: &Value, backend: &str) -> Self {
        let text = |pointer: &str| profile.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let weights = || ["/model/hub", "/model/path", "/model/dummy"].into_iter().find_map(text);
        let launched = profile.pointer("/backend/launch").is_some_and(|launch| !launch.is_null());
        let (server, model) = match backend {
            "sim" => (None, Some("simulated".to_owned())),
            // A server that is there has a model of its own, whatever weights the profile names.
            "openai" if !launched => (servers(profile), text("/backend/model")),
            "openai" => (None, text("/backend/model").or_else(weights)),
            _ => (None, weights()),
        };
        Self {
            profile: text("/profile/name").unwrap_or_default(),
            backend: backend.to_owned(),
            server,
            model: model.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// The engine, and where it is if it was there before: `openai at 127.0.0.1:8000`.
    pub fn engine(&self) -> String {
        match &self.server {
            Some(server) => format!("{} at {server}", self.backend),
            None => self.backend.clone(),
        }
    }
}

/// The first server's host and port, and how many more there are.
fn servers(profile: &Value) -> Option<String> {
    let urls = profile.pointer("/backend/urls")?.as_array()?;
    let first = urls.first()?.as_str()?;
    let rest = first.split_once("://").map_or(first, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    // A profile with a password in it is refused; a recording may be anybody's.
    let host = host.rsplit('@').next().unwrap_or(host);
    Some(match urls.len() {
        1 => host.to_owned(),
        all => format!("{host} and {} more", all - 1),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(backend: &Value, kind: &str) -> (String, String) {
        let profile = json!({ "profile": { "name": "demo" }, "backend": backend, "model": { "hub": null, "dummy": "tiny" } });
        let title = Title::of(&profile, kind);
        (title.engine(), title.model)
    }

    #[test]
    fn a_server_that_is_there_is_not_called_by_the_profiles_weights() {
        let names = |engine: &str, model: &str| (engine.to_owned(), model.to_owned());
        let one = json!({ "urls": ["http://gpu:8000/v1"] });
        assert_eq!(named(&one, "openai"), names("openai at gpu:8000", ""));
        let two = json!({ "urls": ["http://me:pw@[::1]:9", "http://b"], "model": "llama" });
        assert_eq!(named(&two, "openai"), names("openai at [::1]:9 and 1 more", "llama"));
        let launched = json!({ "urls": ["http://127.0.0.1:9/v1"], "launch": { "command": [] } });
        assert_eq!(named(&launched, "openai"), names("openai", "tiny"));
        assert_eq!(named(&json!({}), "sim"), names("sim", "simulated"));
        assert_eq!(named(&json!({}), "mistralrs"), names("mistralrs", "tiny"));
        assert_eq!(Title::of(&Value::Null, "").engine(), "");
    }
}
