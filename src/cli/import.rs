//! `import`: other tools' results → a recording, on which everything works.

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::args::{ImportCommand, ImportFastgenArgs};
use super::failure::{Exit, Failure, Outcome};
use super::{output, prepare};
use crate::exchange::{self, Counter, Origin};
use crate::recording::{RecordingError, Writer};

/// Imports.
pub fn import(command: &ImportCommand) -> Outcome {
    match command {
        ImportCommand::Fastgen(args) => fastgen(args),
    }
}

/// Files that can't be used are told and passed over; the exit status is 1 only if no file can be used.
fn fastgen(args: &ImportFastgenArgs) -> Outcome {
    let counter = match (&args.tokenizer, args.count_words) {
        (Some(path), _) => Counter::load(path)?,
        (None, true) => Counter::Words,
        (None, false) => Counter::None,
    };
    let to_stdout = args.output.as_os_str() == "-";
    // Before a folder of files is read for nothing.
    if !to_stdout && args.output.exists() {
        return Err(RecordingError::Exists { path: args.output.clone() }.into());
    }
    let origin = Origin { program: prepare::program(), command: std::env::args().collect() };
    let folder = output::missing_folder(&args.output).filter(|_| !to_stdout);
    let mut tell = |note: &exchange::Note| output::say(&note.to_string());
    let out = Out::default();
    let imported = exchange::import(&args.files, &counter, origin, &mut tell, |header| {
        if to_stdout {
            Writer::to(Box::new(out.clone()), header, false)
        } else {
            Writer::create(Path::new(&args.output), header, false)
        }
    });
    if out.closed.load(Ordering::Relaxed) {
        return Ok(Exit::ClosedPipe);
    }
    let imported = imported.map_err(Failure::from)?;
    if let Some(folder) = folder {
        output::say(&output::made(&folder));
    }
    let place =
        imported.written.path.as_ref().map_or("standard output".into(), |path| path.display().to_string());
    let stages = if imported.stages == 1 { "1 stage".into() } else { format!("{} stages", imported.stages) };
    output::say(&format!("wrote {place}: {} requests in {stages}", imported.requests));
    Ok(Exit::Done)
}

/// Standard output, and whether its other side was closed.
#[derive(Clone, Default)]
struct Out {
    closed: Arc<AtomicBool>,
}

impl Out {
    fn note<T>(&self, written: io::Result<T>) -> io::Result<T> {
        written.inspect_err(|error| {
            self.closed.fetch_or(error.kind() == ErrorKind::BrokenPipe, Ordering::Relaxed);
        })
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.note(io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.note(io::stdout().flush())
    }
}
