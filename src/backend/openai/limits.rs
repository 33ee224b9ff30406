//! Whether as many connections can be open at once as the load needs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::profile::{HttpVersion, Profile};

/// Files that a run has open beside its connections: the recording, the log, pipes, the engine's.
const OTHERS: u64 = 64;
/// Clients that may come in while the run is on, beside those of the profile.
const SPARE: u64 = 1024;

/// Raises this process's limit of open files as far as the load needs it.
///
/// # Errors
/// The load needs more than the system allows this process.
pub fn make_room(profile: &Profile) -> Result<(), String> {
    let clients = clients(profile);
    let needed = needed(profile, clients);
    let limit = getrlimit(Resource::Nofile);
    // No limit is `None`.
    if limit.current.is_none_or(|now| now >= needed + SPARE) {
        return Ok(());
    }
    let wanted = (needed + SPARE).min(limit.maximum.unwrap_or(u64::MAX));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    let allowed = if raised.is_ok() { wanted } else { limit.current.unwrap_or(u64::MAX) };
    // Where nobody asked for so many requests in flight, there may never be so many.
    let asked = profile.load.open().is_none() || profile.load.max_in_flight.is_some();
    if allowed >= needed || !asked {
        return Ok(());
    }
    Err(format!(
        "{clients} requests in flight need {needed} open files, and this process may have {allowed}; raise the limit \
         (`ulimit -Hn {needed}` as root, LimitNOFILE= of a service, --ulimit nofile={needed} of a container) or use \
         fewer"
    ))
}

/// Most requests in flight at once.
fn clients(profile: &Profile) -> u64 {
    u64::from(profile.load.open().map_or(profile.load.clients, |open| open.max_in_flight))
}

/// Most files open at once: a connection for each request under way, unless they share some.
fn needed(profile: &Profile, clients: u64) -> u64 {
    let connections = match (profile.backend.http, profile.backend.connections) {
        (HttpVersion::Two, Some(each)) => clients.min(u64::from(each) * profile.backend.urls.len() as u64),
        // How many streams a connection takes is the server's to say; 100 is the least that is recommended to it.
        (HttpVersion::Two, None) => clients / 100 + profile.backend.urls.len() as u64,
        (HttpVersion::One, _) => clients,
    };
    connections + OTHERS
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    fn profile(more: &str, clients: u32) -> Profile {
        toml::from_str(&format!(
            "profile = {{ name = \"t\" }}\n[load]\nclients = {clients}\n[backend]\nkind = \"openai\"\n\
             urls = [\"http://a\", \"http://b\"]\n{more}"
        ))
        .unwrap()
    }

    #[test]
    fn connections_are_counted() {
        let needed = |more| {
            let profile = profile(more, 10_000);
            needed(&profile, clients(&profile))
        };
        assert_eq!(needed(""), 10_000 + OTHERS);
        assert_eq!(needed("http = \"2\""), 102 + OTHERS);
        assert_eq!(needed("http = \"2\"\nconnections = 4"), 8 + OTHERS);
    }

    #[test]
    fn what_the_system_does_not_allow_is_refused() {
        assert_eq!(make_room(&profile("", 8)), Ok(()));
        let Some(most) = getrlimit(Resource::Nofile).maximum.and_then(|most| u32::try_from(most).ok()) else {
            return;
        };
        let said = make_room(&profile("", most)).unwrap_err();
        assert!(said.contains("open files") && said.contains("ulimit -Hn"), "{said}");
    }
}
