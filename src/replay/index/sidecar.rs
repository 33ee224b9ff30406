//! The file `NAME.index` beside a recording: checkpoints, and behind them the list of them and of places.
//!
//! It is written under another name and renamed when it is whole. What it was made of is known by the recording's
//! identity, and it is read only by the very version that wrote it; anything else is built anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{Blob, Checkpoint, Places};
use crate::metrics::pack::{Pack, pack};
use crate::recording::Boundary;
use crate::replay::origin::Origin;

/// The first and the last bytes of a whole file.
const MAGIC: &[u8; 8] = b"fgindex\0";
/// Grows when what is in it changes its meaning within one version of the program.
const VERSION: u64 = 2;
/// Bytes behind the list: where it begins, and the magic.
const FOOTER: u64 = 16;
/// Longest list that is read; an honest one of 2^24 requests is below it.
const MAX_LIST: u64 = 256 << 20;

type Pair = (u64, u64);

/// The list.
pub(super) struct List {
    version: u64,
    program: String,
    length: u64,
    hash: [u8; 32],
    /// Of each checkpoint its time, where in the recording to go on (offset, text to skip), its place and length in this
    /// file.
    checkpoints: Vec<(u64, Pair, Pair)>,
    places: Places,
}

pack!(List { version, program, length, hash, checkpoints, places });

impl Pack for u8 {
    fn pack(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let (first, rest) = from.split_first()?;
        *from = rest;
        Some(*first)
    }
}

/// A sidecar being written.
pub(super) struct Draft {
    pub(super) file: File,
    draft: PathBuf,
    path: PathBuf,
    end: u64,
    whole: bool,
}

impl Draft {
    pub(super) fn begin(path: PathBuf) -> io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}", std::process::id()));
        let draft = path.with_file_name(name);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&draft)?;
        file.write_all(MAGIC)?;
        Ok(Self { file, draft, path, end: MAGIC.len() as u64, whole: false })
    }

    /// Appends a checkpoint's bytes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<Blob> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(bytes)?;
        let at = self.end;
        self.end += bytes.len() as u64;
        Ok(Blob::File { at, length: bytes.len() as u64 })
    }

    /// Writes the list, and gives the file its name.
    pub(super) fn finish(
        &mut self,
        identity: (u64, [u8; 32]),
        checkpoints: &[Checkpoint],
        places: &Places,
    ) -> io::Result<()> {
        let places_of = |c: &Checkpoint| match &c.blob {
            Blob::File { at, length } => Some((c.at_ns, (c.from.offset, c.from.skip), (*at, *length))),
            Blob::Memory(_) => None,
        };
        let list = List {
            version: VERSION,
            program: program(),
            length: identity.0,
            hash: identity.1,
            checkpoints: checkpoints.iter().filter_map(places_of).collect(),
            places: places.clone(),
        };
        let mut bytes = Vec::new();
        list.pack(&mut bytes);
        let mut frame = super::compress(&bytes)?;
        frame.extend_from_slice(&self.end.to_le_bytes());
        frame.extend_from_slice(MAGIC);
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(&frame)?;
        fs::rename(&self.draft, &self.path)?;
        self.whole = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.whole {
            let _ = fs::remove_file(&self.draft);
        }
    }
}

fn program() -> String {
    format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}

/// What a sidecar holds, if it is whole, by this version, and of this recording.
pub(super) fn load(path: &Path, origin: &Origin) -> Option<(File, Vec<Checkpoint>, Places)> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.checked_sub(FOOTER)?)).ok()?;
    let mut footer = [0; FOOTER as usize];
    file.read_exact(&mut footer).ok()?;
    let (at, magic) = footer.split_at(8);
    let at = u64::from_le_bytes(at.try_into().ok()?);
    let size = (length - FOOTER).checked_sub(at).filter(|size| *size <= MAX_LIST && magic == MAGIC)?;
    file.seek(SeekFrom::Start(at)).ok()?;
    let mut frame = vec![0; usize::try_from(size).ok()?];
    file.read_exact(&mut frame).ok()?;
    let bytes = super::decompress(&frame)?;
    // The version alone comes first: what follows it may be of any form.
    let list = (u64::unpack(&mut &bytes[..])? == VERSION).then(|| List::unpack(&mut &bytes[..]))??;
    let ours = list.program == program() && origin.identity().ok()? == (list.length, list.hash);
    let checkpoints = list.checkpoints.into_iter().map(|(at_ns, (offset, skip), (at, length))| Checkpoint {
        at_ns,
        from: Boundary { offset, skip },
        blob: Blob::File { at, length },
    });
    let checkpoints: Vec<_> = checkpoints.collect();
    (ours && checkpoints.is_sorted_by_key(|c| c.at_ns)).then_some((file, checkpoints, list.places))
}
