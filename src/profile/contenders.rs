//! `sweep.backend`: engines that are measured one after another in one run. A value is a kind of backend, for the
//! profile's own `[backend]`; another profile's name or file, for the `[backend]` of that one; or such a backend in
//! full. Names become the full form as soon as a profile is resolved, so that a recording holds what was measured,
//! whatever becomes of the other profile.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Backend, BackendKind, Model, Profile, ProfileError};

/// A backend in full, as a sweep holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contender {
    /// What its curve is called.
    name: String,
    /// In place of `[backend]`.
    backend: Backend,
    /// In place of `[model]`, if it brings weights of its own; else the profile's are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<Model>,
}

/// Puts the other profiles' backends in place of their names; `find` reads such a profile.
///
/// # Errors
/// The number of the value that names no profile, or a wrong one, and why.
pub(super) fn expand(
    profile: &mut Profile,
    find: impl Fn(&str) -> Result<Profile, ProfileError>,
) -> Result<(), (usize, String)> {
    for (i, value) in profile.sweep.get_mut("backend").into_iter().flatten().enumerate() {
        let Some(name) = value.as_str().filter(|_| BackendKind::deserialize(&*value).is_err()) else {
            continue;
        };
        let other = find(name).map_err(|error| (i, unusable(name, &error)))?;
        let has_weights =
            other.model.hub.is_some() || other.model.path.is_some() || other.model.dummy.is_some();
        let contender = Contender {
            name: other.profile.name,
            backend: other.backend,
            model: has_weights.then_some(other.model),
        };
        *value = serde_json::to_value(contender).map_err(|error| (i, error.to_string()))?;
    }
    Ok(())
}

fn unusable(name: &str, error: &ProfileError) -> String {
    match error {
        ProfileError::Unknown { hint, .. } => format!(
            "there is no profile `{name}`{hint}; a value is a profile's name or file, or a kind: \"mistralrs\", \
             \"openai\", \"sim\""
        ),
        error => format!("the profile `{name}` can't be used: {error}"),
    }
}

/// Puts a value of the sweep into a profile; gives its name, to be shown and recorded.
///
/// # Errors
/// What is wrong with the value.
pub(super) fn set_backend(profile: &mut Profile, value: &Value) -> Result<Value, String> {
    if !value.is_object() {
        profile.backend.kind = BackendKind::deserialize(value).map_err(|_| {
            format!(
                "expected a profile's name, \"mistralrs\", \"openai\", \"sim\", or a table, found {value}"
            )
        })?;
        return Ok(value.clone());
    }
    let contender = Contender::deserialize(value).map_err(|error| {
        format!(
            "{error}; a backend in full is {{ name = \"…\", backend = {{ kind = \"openai\", urls = […] }} }}"
        )
    })?;
    if contender.name.trim().is_empty() || contender.name.chars().any(char::is_control) {
        return Err("its name must not be empty, nor hold control characters".into());
    }
    profile.backend = contender.backend;
    if let Some(model) = contender.model {
        profile.model = model;
    }
    Ok(contender.name.into())
}
