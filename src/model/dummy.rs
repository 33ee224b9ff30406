//! Dummies on disk: written on first use into the user's cache folder, whole or not at all.
//!
//! A file is written under a temporary name in its own folder, synced, and renamed. A lock per model lets
//! one process write while others wait for its file; what a killed writer left is removed by the next.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcetera::BaseStrategy as _;

use super::error::human_bytes;
use super::write::Dummy;
use super::{ModelError, gguf};
use crate::progress::Progress;

/// Part of the name: what is written under one name always has the same bytes.
const FORMAT: u32 = 1;
/// How often a waiting process looks whether the other is done.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// `$XDG_CACHE_HOME/fastgen-tui/models`.
///
/// # Errors
/// [`ModelError::NoCache`] where the user has no home.
pub fn cache_folder() -> Result<PathBuf, ModelError> {
    let base = etcetera::choose_base_strategy().map_err(|e| ModelError::NoCache(e.to_string()))?;
    Ok(base.cache_dir().join("fastgen-tui").join("models"))
}

impl Dummy {
    /// The file's name: shape, quantization, seed, format, e.g. `tiny-q8_0-s0-v1.gguf`.
    pub fn file_name(&self) -> String {
        format!("{}-{}-s{}-v{FORMAT}.gguf", self.shape.name, self.quantization.key(), self.seed)
    }

    /// The file in a folder, written if it is not there yet.
    ///
    /// # Errors
    /// No disk space, I/O errors, [`ModelError::Interrupted`].
    pub fn in_folder(&self, folder: &Path, progress: &dyn Progress) -> Result<PathBuf, ModelError> {
        self.shape.check(self.quantization)?;
        let path = folder.join(self.file_name());
        if self.is_whole(&path) {
            return Ok(path);
        }
        fs::create_dir_all(folder).map_err(ModelError::io("can't make the folder", folder))?;
        let lock_path = folder.join(format!(".{}.lock", self.file_name()));
        let lock = File::create(&lock_path).map_err(ModelError::io("can't write", &lock_path))?;
        wait_for(&lock, &lock_path, progress)?;
        if self.is_whole(&path) {
            return Ok(path);
        }
        remove_leftovers(folder, &self.file_name());
        self.write_to(&path, progress)?;
        Ok(path)
    }

    /// Writes the file at a path, whole or not at all; replaces what is there.
    ///
    /// # Errors
    /// As for [`Dummy::in_folder`].
    pub fn write_to(&self, path: &Path, progress: &dyn Progress) -> Result<(), ModelError> {
        self.shape.check(self.quantization)?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let total = self.head().len() as u64 + self.data_bytes();
        check_space(folder, path, total)?;
        let part = Part::new(folder, path);
        let file = File::create(&part.0).map_err(ModelError::io("can't write", &part.0))?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let step = format!("writing {} ({})", self.file_name(), human_bytes(total));
        let mut wrote = |done: u64| {
            progress.step(&step, Some((done as f64 / total as f64) as f32));
            !progress.cancelled()
        };
        self.write(&mut out, &mut wrote).map_err(|source| match source.kind() {
            io::ErrorKind::Interrupted => ModelError::Interrupted,
            _ => ModelError::Io { what: "can't write", path: part.0.clone(), source },
        })?;
        let file = out.into_inner().map_err(|e| ModelError::io("can't write", &part.0)(e.into_error()))?;
        progress.step("waiting for the disk", None);
        file.sync_all().map_err(ModelError::io("can't write", &part.0))?;
        fs::rename(&part.0, path).map_err(ModelError::io("can't rename to", path))?;
        Ok(())
    }

    /// There, and of the right length: a file under its name is complete unless somebody meddled.
    fn is_whole(&self, path: &Path) -> bool {
        let Ok(metadata) = fs::metadata(path) else { return false };
        metadata.len() == self.head().len() as u64 + self.data_bytes() && gguf::inspect(path).is_ok()
    }
}

/// A temporary file beside its destination; removed when dropped, unless it was renamed away.
struct Part(PathBuf);

impl Part {
    fn new(folder: &Path, path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self(folder.join(format!(".{name}.{}.part", std::process::id())))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn wait_for(lock: &File, path: &Path, progress: &dyn Progress) -> Result<(), ModelError> {
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if progress.cancelled() => return Err(ModelError::Interrupted),
            Err(TryLockError::WouldBlock) => {
                progress.step("waiting for another process that writes this model", None);
                std::thread::sleep(LOCK_POLL);
            }
            Err(TryLockError::Error(source)) => {
                return Err(ModelError::Io { what: "can't lock", path: path.into(), source });
            }
        }
    }
}

/// Called with the model's lock held: whoever wrote these is gone.
fn remove_leftovers(folder: &Path, name: &str) {
    let start = format!(".{name}.");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let found = found.to_string_lossy();
        if found.starts_with(&start) && found.ends_with(".part") {
            tracing::info!("removing {found}, left by a writer that was killed");
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn check_space(folder: &Path, file: &Path, needed: u64) -> Result<(), ModelError> {
    let Ok(stat) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let available = stat.f_bavail.saturating_mul(stat.f_frsize);
    if available >= needed {
        return Ok(());
    }
    Err(ModelError::DiskSpace {
        file: file.display().to_string(),
        needed: human_bytes(needed),
        available: human_bytes(available),
        folder: folder.into(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::model::{Quantization, Tokens, shapes};

    #[derive(Default)]
    struct Count {
        steps: AtomicU32,
        give_up: bool,
    }

    impl Progress for Count {
        fn step(&self, _: &str, _: Option<f32>) {
            self.steps.fetch_add(1, Ordering::Relaxed);
        }
        fn cancelled(&self) -> bool {
            self.give_up
        }
    }

    fn tiny() -> Dummy {
        let shape = *shapes::find("tiny").unwrap();
        Dummy { shape, quantization: Quantization::Q8_0, seed: 3, tokens: Tokens::Words }
    }

    fn parts(folder: &Path) -> usize {
        let all = fs::read_dir(folder).unwrap().flatten();
        all.filter(|e| e.file_name().to_string_lossy().ends_with(".part")).count()
    }

    #[test]
    fn it_is_written_once_under_a_telling_name() {
        let folder = tempfile::tempdir().unwrap();
        let count = Count::default();
        let path = tiny().in_folder(folder.path(), &count).unwrap();
        assert_eq!(path.file_name().unwrap(), "tiny-q8_0-s3-v1.gguf");
        let steps = count.steps.load(Ordering::Relaxed);
        assert!(steps > 0);
        tiny().in_folder(folder.path(), &count).unwrap();
        assert_eq!(count.steps.load(Ordering::Relaxed), steps, "it was written twice");
        assert_eq!(parts(folder.path()), 0);
    }

    #[test]
    fn what_is_given_up_or_was_killed_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let give_up = Count { give_up: true, ..Count::default() };
        assert!(matches!(tiny().in_folder(folder.path(), &give_up), Err(ModelError::Interrupted)));
        assert_eq!(parts(folder.path()), 0);
        fs::write(folder.path().join(".tiny-q8_0-s3-v1.gguf.99.part"), "half").unwrap();
        fs::write(folder.path().join("tiny-q8_0-s3-v1.gguf"), "GGUF cut off").unwrap();
        let path = tiny().in_folder(folder.path(), &Count::default()).unwrap();
        assert_eq!(parts(folder.path()), 0);
        assert!(gguf::inspect(&path).is_ok());
    }

    #[test]
    fn writers_at_once_do_not_clash() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| tiny().in_folder(folder.path(), &Count::default()).unwrap());
            }
        });
        assert_eq!(parts(folder.path()), 0);
    }

    #[test]
    fn a_full_disk_is_seen_before() {
        let folder = tempfile::tempdir().unwrap();
        let error = check_space(folder.path(), Path::new("x.gguf"), u64::MAX).unwrap_err().to_string();
        assert!(error.contains("free"), "{error}");
    }
}
