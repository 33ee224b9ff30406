//! The newest calibration, kept in the user's cache folder: one file a host, which says what it holds for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use serde::{Deserialize, Serialize};

use super::result::{Calibrated, Limits, VERSION};
use crate::recording::Host;

/// What a calibration holds for: another program, CPU or number of cores measures otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub version: String,
    /// `release`, or `debug`, which is many times slower.
    pub build: String,
    pub target: String,
    pub target_features: String,
    pub host: String,
    pub cpu: String,
    pub cores: u32,
}

impl Key {
    /// This program on this machine.
    pub fn here(host: &Host) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.into(),
            target: env!("FASTGEN_TARGET").into(),
            target_features: env!("FASTGEN_TARGET_FEATURES").into(),
            host: host.name.clone(),
            cpu: host.cpu.clone(),
            cores: host.cores,
        }
    }
}

/// Of a saved file what a run needs; the rest of it is for people.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Saved {
    calibration_version: u32,
    key: Key,
    limits: Limits,
}

/// What there is for this program on this machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    Nothing,
    /// There is one, and it can't be used; why, in a line.
    Unusable(String),
    Limits(Limits),
}

/// The folder: `$XDG_CACHE_HOME/fastgen-tui`. `None` without a home.
pub fn folder() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("fastgen-tui"))
}

/// The file of a host; homes may be shared by many.
fn file(folder: &Path, host: &str) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    folder.join(format!("calibration-{}.json", host.chars().map(plain).collect::<String>()))
}

/// Saves a calibration in place of the one before; tells where.
///
/// # Errors
/// If the folder can't be made or the file not be written.
pub fn save(folder: &Path, calibrated: &Calibrated) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let path = file(folder, &calibrated.key.host);
    // A run that starts meanwhile reads the old file or the new one, never half of it.
    let half = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&half, serde_json::to_vec_pretty(calibrated)?)?;
    fs::rename(&half, &path).inspect_err(|_| drop(fs::remove_file(&half)))?;
    Ok(path)
}

/// Looks for a calibration of this program on this machine.
pub fn find(folder: &Path, key: &Key) -> Found {
    let path = file(folder, &key.host);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
        Err(error) => return unusable(&path, &error.to_string()),
    };
    let saved: Saved = match serde_json::from_slice(&text) {
        Ok(saved) => saved,
        Err(error) => return unusable(&path, &format!("it can't be read ({error})")),
    };
    if saved.calibration_version != VERSION {
        return unusable(&path, "another version of the program wrote it");
    }
    if let Some(why) = other(&saved.key, key) {
        return unusable(&path, &why);
    }
    let found = [saved.limits.http, saved.limits.in_process];
    if found.iter().flatten().any(|limit| !limit.is_sane()) {
        return unusable(&path, "its figures make no sense");
    }
    Found::Limits(saved.limits)
}

fn unusable(path: &Path, why: &str) -> Found {
    Found::Unusable(format!(
        "the calibration {} is ignored: {why}; run `fastgen-tui calibrate` again",
        path.display()
    ))
}

/// In what the saved key is another.
fn other(saved: &Key, here: &Key) -> Option<String> {
    let differ =
        |what: &str, a: &str, b: &str| (a != b).then(|| format!("it is of {what} {a}, and this is {b}"));
    differ("version", &saved.version, &here.version)
        .or_else(|| differ("a build", &saved.build, &here.build))
        .or_else(|| differ("the CPU", &saved.cpu, &here.cpu))
        .or_else(|| (saved != here).then(|| "the program or the machine has changed since".to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;
    use crate::calibrate::plan::{Plan, Wanted, Way};
    use crate::calibrate::result::tests::loads;

    fn key() -> Key {
        Key::here(&Host { name: "a/b c".into(), cpu: "CPU".into(), cores: 2, ..Host::default() })
    }

    fn calibrated(key: Key) -> Calibrated {
        Calibrated::new(
            &Plan::general(Wanted::default()),
            key,
            jiff::Timestamp::UNIX_EPOCH,
            true,
            loads(Way::Http),
        )
    }

    #[test]
    fn what_is_saved_is_found_on_the_same_machine_only() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(find(folder.path(), &key()), Found::Nothing);
        let made = calibrated(key());
        let path = save(folder.path(), &made).unwrap();
        assert_eq!(path.file_name().unwrap(), "calibration-a_b_c.json");
        assert_eq!(find(folder.path(), &key()), Found::Limits(made.limits));
        assert!(made.limits.http.is_some() && made.limits.in_process.is_none());
        for (change, why) in [
            (Key { version: "9.9".into(), ..key() }, "of version"),
            (Key { build: "odd".into(), ..key() }, "of a build"),
            (Key { cpu: "another".into(), ..key() }, "of the CPU CPU, and this is another"),
            (Key { cores: 3, ..key() }, "has changed"),
        ] {
            let Found::Unusable(said) = find(folder.path(), &change) else { panic!("{change:?}") };
            assert!(said.contains(why) && said.contains("calibrate` again"), "{said}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half is left");
    }

    #[test]
    fn a_damaged_file_is_ignored_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = save(folder.path(), &calibrated(key())).unwrap();
        let good: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let with = |pointer: &str, value: serde_json::Value| {
            let mut changed = good.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            changed.to_string()
        };
        for wrong in [
            String::new(),
            "{}".to_owned(),
            good.to_string()[..100].to_owned(),
            with("/calibration_version", 2.into()),
            with("/limits/http/seen_tokens_per_s", (-1).into()),
            with("/limits/http/token_cpu_us", "x".into()),
        ] {
            fs::write(&path, &wrong).unwrap();
            assert!(matches!(find(folder.path(), &key()), Found::Unusable(_)), "{wrong}");
        }
    }
}
