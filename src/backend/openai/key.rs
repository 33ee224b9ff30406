//! The server's key, from the variable or the file that the profile names.

use std::path::Path;
use std::sync::Arc;

use super::tls::Wrong;
use crate::profile::Backend;

/// Longest file that is taken for a key.
const LONGEST: u64 = 64 * 1024;

/// The key, if the profile names a place for one.
///
/// # Errors
/// The key of the profile that is to blame, and what is wrong; never the server's key.
pub fn key(settings: &Backend) -> Result<Option<Arc<str>>, Wrong> {
    if let Some(name) = &settings.api_key_env {
        return variable(name).map(Some).map_err(|why| ("backend.api_key_env", why));
    }
    if let Some(path) = &settings.api_key_file {
        return file(path)
            .map(Some)
            .map_err(|why| ("backend.api_key_file", format!("{}: {why}", path.display())));
    }
    Ok(None)
}

fn variable(name: &str) -> Result<Arc<str>, String> {
    match std::env::var(name) {
        Ok(key) if !key.trim().is_empty() => Ok(key.trim().into()),
        Ok(_) => Err(format!("the environment variable {name} is empty; put the server's key into it")),
        Err(std::env::VarError::NotPresent) => {
            Err(format!("the environment variable {name} is not set; put the server's key into it"))
        }
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(format!("the environment variable {name} holds no text that could be a key"))
        }
    }
}

fn file(path: &Path) -> Result<Arc<str>, String> {
    let unreadable = |error: std::io::Error| format!("can't be read: {error}");
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        return Err("is no file; the key must stand in one, alone".into());
    }
    if about.len() > LONGEST {
        return Err(format!("is longer than {} KiB, which is no key", LONGEST >> 10));
    }
    let key = std::fs::read_to_string(path).map_err(unreadable)?;
    match key.trim() {
        "" => Err("is empty; put the server's key into it, and nothing else".into()),
        key if key.lines().count() > 1 => Err("has several lines; a key is one".into()),
        key => Ok(key.into()),
    }
}

/// A warning if others on this machine can read the file that holds the key.
pub fn warning(settings: &Backend) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;

    let path = settings.api_key_file.as_ref()?;
    let open = std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o044 != 0);
    let path = path.display();
    open.then(|| format!("others can read the server's key in {path}; take that away by `chmod 600 {path}`"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_alone_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let settings = Backend { api_key_file: Some(path.clone()), ..Backend::default() };
        let said = || key(&settings).unwrap_err();
        assert!(said().1.contains("can't be read"));
        for (content, words) in [
            (" \n", "is empty"),
            ("sk-1\nsk-2\n", "several lines"),
            (&*"x".repeat(70_000), "longer than 64 KiB"),
        ] {
            std::fs::write(&path, content).unwrap();
            let (key, why) = said();
            assert_eq!(key, "backend.api_key_file");
            assert!(why.contains(words) && !why.contains("sk-1"), "{why}");
        }
        std::fs::write(&path, "sk-1\n").unwrap();
        assert_eq!(key(&settings).unwrap().as_deref(), Some("sk-1"));
        let folder = Backend { api_key_file: Some(folder.path().into()), ..Backend::default() };
        assert!(key(&folder).unwrap_err().1.contains("is no file"));
    }
}
