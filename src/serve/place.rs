//! How a server that runs in the background is found again: a lock, a process id, what it serves, its log; one set of
//! files for each port, in the user's state folder.
//!
//! A server holds the lock on its `.pid` file as long as it lives, however it ends, so a process id that has since been
//! given to somebody else is never taken for it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use serde::{Deserialize, Serialize};

/// Whoever looks whether a server runs holds its lock for a moment. One who wants to be the server tries so often…
const TRIES: u32 = 10;
/// …and waits so long in between.
const BETWEEN: std::time::Duration = std::time::Duration::from_millis(20);

/// What a server says of itself once it takes requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// The base URL of its API.
    pub url: String,
    pub profile: String,
    pub model: String,
    pub device: String,
    pub started_at: jiff::Timestamp,
    /// It wants a key.
    pub key: bool,
}

/// A server in the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub pid: u32,
    /// `None` while it loads.
    pub served: Option<Served>,
}

/// The files of the server on one port.
#[derive(Debug, Clone)]
pub struct Place {
    pub port: u16,
    folder: PathBuf,
}

/// The lock that a server holds; the files that say that it runs go with it.
pub struct Held {
    place: Place,
    _pid: File,
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.place.file("json"));
        let _ = std::fs::remove_file(self.place.file("pid"));
    }
}

impl Place {
    /// The place of the server on this port.
    ///
    /// # Errors
    /// If there is no folder for it.
    pub fn of(port: u16) -> std::io::Result<Self> {
        let folder = folder()?;
        std::fs::create_dir_all(&folder)?;
        Ok(Self { port, folder })
    }

    /// The places of all servers that there are or were.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub fn all() -> std::io::Result<Vec<Self>> {
        let folder = folder()?;
        let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(Vec::new()) };
        let mut ports: Vec<u16> = entries.filter_map(|entry| port_of(&entry.ok()?.path())).collect();
        ports.sort_unstable();
        Ok(ports.into_iter().map(|port| Self { port, folder: folder.clone() }).collect())
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("serve-{}.{kind}", self.port))
    }

    /// Where a server in the background writes what it has to say.
    pub fn log(&self) -> PathBuf {
        self.file("log")
    }

    /// Becomes the server of this place; `None` if there is one.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn hold(&self) -> std::io::Result<Option<Held>> {
        let mut tries = 1;
        let mut pid = loop {
            // Opened anew each time: the server before may be about to take its file away.
            let pid = OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(self.file("pid"))?;
            match pid.try_lock() {
                Ok(()) => break pid,
                Err(TryLockError::WouldBlock) if tries < TRIES => tries += 1,
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            std::thread::sleep(BETWEEN);
        };
        let _ = std::fs::remove_file(self.file("json"));
        pid.set_len(0)?;
        pid.rewind()?;
        writeln!(pid, "{}", std::process::id())?;
        Ok(Some(Held { place: self.clone(), _pid: pid }))
    }

    /// The server that runs here.
    ///
    /// # Errors
    /// If its files can't be read.
    pub fn running(&self) -> std::io::Result<Option<Running>> {
        let mut file = match File::open(self.file("pid")) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            // Nobody holds it: what stood here has ended.
            Ok(()) => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let Ok(pid) = text.trim().parse() else { return Ok(None) };
        let served =
            std::fs::read(self.file("json")).ok().and_then(|json| serde_json::from_slice(&json).ok());
        Ok(Some(Running { pid, served }))
    }
}

impl Held {
    /// Says that the server takes requests.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn ready(&self, served: &Served) -> std::io::Result<()> {
        let path = self.place.file("json");
        let new = self.place.file("json.new");
        std::fs::write(&new, serde_json::to_vec_pretty(served)?)?;
        // At once and whole, for whoever waits for it.
        std::fs::rename(new, path)
    }
}

fn port_of(path: &Path) -> Option<u16> {
    path.file_name()?.to_str()?.strip_prefix("serve-")?.strip_suffix(".pid")?.parse().ok()
}

fn folder() -> std::io::Result<PathBuf> {
    let base = etcetera::choose_base_strategy().map_err(std::io::Error::other)?;
    Ok(base.state_dir().unwrap_or_else(|| base.cache_dir()).join("fastgen-tui"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_server_and_is_free_again_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { port: 8123, folder: folder.path().to_owned() };
        assert_eq!(place.running().unwrap(), None);
        let held = place.hold().unwrap().unwrap();
        assert!(place.hold().unwrap().is_none());
        let pid = std::process::id();
        assert_eq!(place.running().unwrap(), Some(Running { pid, served: None }));
        let served = Served {
            url: "http://127.0.0.1:8123/v1".into(),
            profile: "demo".into(),
            model: "tiny".into(),
            device: "cpu".into(),
            started_at: jiff::Timestamp::UNIX_EPOCH,
            key: false,
        };
        held.ready(&served).unwrap();
        assert_eq!(place.running().unwrap(), Some(Running { pid, served: Some(served) }));
        drop(held);
        assert_eq!(place.running().unwrap(), None);
        // One that was killed leaves its files, and nobody is taken for it.
        std::fs::write(place.file("pid"), "1\n").unwrap();
        assert_eq!(place.running().unwrap(), None);
        assert!(place.hold().unwrap().is_some());
    }

    #[test]
    fn who_only_looks_keeps_nobody_from_serving() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { port: 8124, folder: folder.path().to_owned() };
        drop(place.hold().unwrap());
        std::fs::write(place.file("pid"), "1\n").unwrap();
        let looking = File::open(place.file("pid")).unwrap();
        looking.try_lock_shared().unwrap();
        let looker = std::thread::spawn(move || {
            std::thread::sleep(BETWEEN);
            drop(looking);
        });
        assert!(place.hold().unwrap().is_some());
        looker.join().unwrap();
    }

    #[test]
    fn ports_are_told_by_names_of_files() {
        assert_eq!(port_of(Path::new("/x/serve-8000.pid")), Some(8000));
        assert_eq!(port_of(Path::new("/x/serve-8000.json")), None);
        assert_eq!(port_of(Path::new("/x/serve-99999.pid")), None);
    }
}
