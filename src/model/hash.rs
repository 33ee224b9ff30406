//! SHA-256 of a model file, computed once: a note of it is kept in the cache folder, and holds as long as
//! the file's path, size and time of change stay the same.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::ModelError;
use crate::progress::Progress;

const BUFFER: usize = 1 << 20;

/// The file's SHA-256 in hexadecimal, from the note or by reading the file.
///
/// # Errors
/// I/O errors of the file itself, [`ModelError::Interrupted`]. A note that can't be kept is no error.
pub fn sha256(path: &Path, notes: &Path, progress: &dyn Progress) -> Result<String, ModelError> {
    let metadata = fs::metadata(path).map_err(ModelError::io("can't read", path))?;
    let absolute = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let changed = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    let changed = changed.map_or(0, |since| since.as_nanos());
    let key = format!("{}\n{}\n{changed}\n", absolute.display(), metadata.len());
    let note = note_path(notes, &absolute);
    if let Some(known) = fs::read_to_string(&note).ok().as_deref().and_then(|n| n.strip_prefix(&key))
        && known.len() == 64
    {
        return Ok(known.into());
    }
    let sum = compute(path, metadata.len(), progress)?;
    if let Err(error) = keep(&note, &format!("{key}{sum}")) {
        tracing::debug!("the SHA-256 of {} can't be kept: {error}", path.display());
    }
    Ok(sum)
}

fn compute(path: &Path, total: u64, progress: &dyn Progress) -> Result<String, ModelError> {
    let mut file = File::open(path).map_err(ModelError::io("can't read", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    let mut done = 0u64;
    loop {
        let read = file.read(&mut buffer).map_err(ModelError::io("can't read", path))?;
        if read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
        done += read as u64;
        progress.step("taking the model file's SHA-256", Some((done as f64 / total.max(1) as f64) as f32));
        if progress.cancelled() {
            return Err(ModelError::Interrupted);
        }
    }
}

fn note_path(notes: &Path, model: &Path) -> PathBuf {
    let name = hex(&Sha256::digest(model.as_os_str().as_encoded_bytes()));
    notes.join(format!("{}.sha256", &name[..16]))
}

fn keep(note: &Path, text: &str) -> std::io::Result<()> {
    let folder = note.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let part = note.with_extension(format!("{}.part", std::process::id()));
    File::create(&part)?.write_all(text.as_bytes())?;
    fs::rename(&part, note)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Default)]
    struct Reads(AtomicU32);

    impl Progress for Reads {
        fn step(&self, _: &str, _: Option<f32>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn it_is_computed_once_and_again_after_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let (file, notes) = (folder.path().join("m"), folder.path().join("notes"));
        let reads = Reads::default();
        fs::write(&file, "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&file, &notes, &reads).unwrap(), abc);
        assert_eq!(sha256(&file, &notes, &reads).unwrap(), abc);
        assert_eq!(reads.0.load(Ordering::Relaxed), 1);
        fs::write(&file, "abcd").unwrap();
        assert_ne!(sha256(&file, &notes, &reads).unwrap(), abc);
    }
}
