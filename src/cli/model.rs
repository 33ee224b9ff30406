//! `model shapes` and `model dummy SHAPE`.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::args::ModelCommand;
use super::failure::{Exit, Failure, Outcome};
use super::{output, signals};
use crate::model::{self, ModelSource};
use crate::progress::Progress;

/// Runs a `model` command.
pub fn model(command: &ModelCommand) -> Outcome {
    match command {
        ModelCommand::Shapes => output::print(&shapes()),
        ModelCommand::Dummy { shape, output: path, quantization, seed } => {
            let source = ModelSource::dummy(shape, quantization, *seed).map_err(Failure::usage)?;
            let ModelSource::Dummy(dummy) = source else {
                return Err(Failure::failed("a shape gave no dummy model"));
            };
            let stop = Arc::new(AtomicBool::new(false));
            let _signals = signals::watch(&stop)?;
            let bar = Bar { stop: stop.clone(), last: Mutex::new(String::new()) };
            let written = match path {
                Some(path) => dummy.write_to(path, &bar).map(|()| path.clone()),
                None => model::cache_folder().and_then(|folder| dummy.in_folder(&folder, &bar)),
            };
            Bar::done();
            match written {
                Ok(path) => output::print(&format!("{}\n", path.display())),
                Err(_) if stop.load(Ordering::Relaxed) => Ok(Exit::Interrupted),
                Err(error) => Err(Failure::failed(error)),
            }
        }
    }
}

/// The shapes as a table.
fn shapes() -> String {
    let mut text = format!(
        "{:<15} {:>8} {:>6} {:>6} {:>5} {:>8} {:>6} {:>10} {:>8}   size of the file\n",
        "shape", "params", "layers", "hidden", "heads", "kv heads", "ffn", "vocabulary", "context"
    );
    for row in model::table() {
        let s = row.shape;
        let sizes: Vec<String> = model::Quantization::ALL
            .iter()
            .zip(row.bytes)
            .filter_map(|(quantization, bytes)| {
                bytes.map(|bytes| format!("{} {}", quantization.key(), model::human_bytes(bytes)))
            })
            .collect();
        let written = writeln!(
            text,
            "{:<15} {:>8} {:>6} {:>6} {:>5} {:>8} {:>6} {:>10} {:>8}   {}",
            s.name,
            millions(row.parameters),
            s.layers,
            s.hidden,
            s.heads,
            s.kv_heads,
            s.ffn,
            s.vocabulary,
            s.context,
            sizes.join(", ")
        );
        debug_assert!(written.is_ok(), "writing to a string can't fail");
    }
    text
}

fn millions(parameters: u64) -> String {
    let m = parameters as f64 / 1e6;
    if m < 1e3 { format!("{m:.0} M") } else { format!("{:.1} B", m / 1e3) }
}

/// Progress as one line that overwrites itself.
struct Bar {
    stop: Arc<AtomicBool>,
    last: Mutex<String>,
}

impl Bar {
    fn done() {
        if std::io::stderr().is_terminal() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

impl Progress for Bar {
    fn step(&self, step: &str, fraction: Option<f32>) {
        let line = fraction.map_or_else(|| step.to_owned(), |f| format!("{step} {:.0} %", f * 100.0));
        let Ok(mut last) = self.last.lock() else { return };
        if *last == line || !std::io::stderr().is_terminal() {
            return;
        }
        let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
        *last = line;
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
