//! Hub ids: is the model in the cache, and if not, can the hub be reached? The engine's own hub code is only
//! let loose when one of both holds, for without network it waits long and says little.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::ModelError;

const HUB: &str = "https://huggingface.co";
/// How long the hub may take to answer, name look-up included.
const PATIENCE: Duration = Duration::from_secs(4);

/// Where a hub model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A folder in the cache with config and weights.
    Cached(PathBuf),
    /// Not in the cache; the hub answers.
    Online,
}

/// Looks for a hub id in the cache, then for the hub.
///
/// # Errors
/// [`ModelError::HubId`]; [`ModelError::Hub`] naming the id, the cache and why the hub was of no help.
pub fn find(id: &str) -> Result<Found, ModelError> {
    check_id(id)?;
    let env = |key: &str| std::env::var(key).ok().filter(|v| !v.is_empty());
    let cache = cache_folder(env);
    if let Some(folder) = cached(&cache, id) {
        return Ok(Found::Cached(folder));
    }
    let why = match env("HF_HUB_OFFLINE").as_deref() {
        Some("1" | "true" | "TRUE" | "yes" | "YES" | "on" | "ON") => {
            "HF_HUB_OFFLINE forbids to fetch it".to_owned()
        }
        _ => match reach(&endpoint(env), PATIENCE) {
            Ok(()) => return Ok(Found::Online),
            Err(why) => why,
        },
    };
    Err(ModelError::Hub { id: id.into(), cache, why })
}

fn check_id(id: &str) -> Result<(), ModelError> {
    let word = |w: &str| {
        !w.is_empty()
            && !w.starts_with('.')
            && w.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    match id.split_once('/') {
        Some((org, name)) if word(org) && word(name) => Ok(()),
        _ => Err(ModelError::HubId(id.into())),
    }
}

/// The hub's cache: `HF_HUB_CACHE`, else `HF_HOME/hub`, else `~/.cache/huggingface/hub`.
fn cache_folder(env: impl Fn(&str) -> Option<String>) -> PathBuf {
    let home = || {
        env("HF_HOME").map_or_else(
            || etcetera::home_dir().unwrap_or_default().join(".cache").join("huggingface"),
            PathBuf::from,
        )
    };
    env("HF_HUB_CACHE").map_or_else(|| home().join("hub"), PathBuf::from)
}

/// The snapshot in the cache that has a config and weights.
fn cached(cache: &Path, id: &str) -> Option<PathBuf> {
    let model = cache.join(format!("models--{}", id.replace('/', "--")));
    let main = std::fs::read_to_string(model.join("refs").join("main")).ok();
    let main = main.map(|revision| model.join("snapshots").join(revision.trim()));
    let all = std::fs::read_dir(model.join("snapshots")).into_iter().flatten().flatten().map(|e| e.path());
    main.into_iter().chain(all).find(|folder| super::has_weights(folder))
}

/// Host and port to try: the proxy's, where there is one, else the hub's.
fn endpoint(env: impl Fn(&str) -> Option<String>) -> String {
    let proxy = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].into_iter().find_map(&env);
    let url = proxy.or_else(|| env("HF_ENDPOINT")).unwrap_or_else(|| HUB.into());
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", &url));
    let host = rest.split('/').next().unwrap_or(rest);
    // Credentials of a proxy are no part of its address, and must not get into a message.
    let host = host.rsplit('@').next().unwrap_or(host);
    if host.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok()) {
        return host.into();
    }
    format!("{host}:{}", if scheme == "http" { 80 } else { 443 })
}

/// Connects, on a thread of its own, for a name look-up can't be given a time limit.
fn reach(host: &str, patience: Duration) -> Result<(), String> {
    let (answer, answered) = mpsc::sync_channel(1);
    let address = host.to_owned();
    std::thread::spawn(move || {
        // Whoever asked may have lost patience.
        let _ = answer.send(connect(&address, patience));
    });
    match answered.recv_timeout(patience) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("the hub ({host}) can't be reached: {error}")),
        Err(_) => Err(format!("the hub ({host}) does not answer within {} s", patience.as_secs())),
    }
}

fn connect(address: &str, patience: Duration) -> std::io::Result<()> {
    let mut last = std::io::Error::other("its name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked() {
        assert!(check_id("meta-llama/Llama-2-7b-hf").is_ok());
        for wrong in ["llama", "a/b/c", "../x/y", "a/", "/b", "a/..", "a b/c"] {
            assert!(check_id(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_snapshot_in_the_cache_is_found() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("models--org--name").join("snapshots").join("abc");
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(cached(cache.path(), "org/name"), None);
        std::fs::write(folder.join("config.json"), "{}").unwrap();
        std::fs::write(folder.join("model.safetensors"), "").unwrap();
        assert_eq!(cached(cache.path(), "org/name"), Some(folder));
    }

    #[test]
    fn the_endpoint_has_a_port_and_no_password() {
        let with = |key: &'static str, value: &'static str| {
            endpoint(move |asked| (asked == key).then(|| value.to_owned()))
        };
        assert_eq!(with("", ""), "huggingface.co:443");
        assert_eq!(with("HF_ENDPOINT", "http://mirror.example/hf"), "mirror.example:80");
        assert_eq!(with("HTTPS_PROXY", "http://me:secret@proxy.example:3128/"), "proxy.example:3128");
    }

    #[test]
    fn a_hub_that_refuses_is_told() {
        let closed = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().to_string()
        };
        let error = reach(&closed, Duration::from_secs(2)).unwrap_err();
        assert!(error.contains("can't be reached"), "{error}");
    }
}
