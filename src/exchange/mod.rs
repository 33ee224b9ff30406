//! Other tools' result files: DeepSpeed-FastGen's, in and out.
//!
//! `cli` comes in twice. [`import`] reads FastGen's result files of either generation and writes one recording,
//! a stage a file. [`Export`] writes a result file for each stage of a recording, where and as the original
//! scripts look for it. What such a file holds is in `docs/fastgen-files.md`.
//!
//! | file | what it does |
//! |---|---|
//! | `args` | a file's `args`: what was run, in the words of either generation |
//! | `python` | Python's `NaN` and `Infinity`, which are no JSON, made readable |
//! | `response` | one response: its times and counts, or what is wrong with it |
//! | `file` | one result file, as a stream |
//! | `gather` | which files are meant |
//! | `import`, `header`, `lanes` | result files → a recording |
//! | `facts` | what a stage ran with |
//! | `prompts` | prompt texts of a known count of tokens |
//! | `export`, `stage`, `beside` | a recording → result files, and a tokenizer for the scripts |
//! | `count` | tokens in a text |

mod args;
mod beside;
mod count;
mod export;
mod facts;
mod file;
mod gather;
mod header;
mod import;
mod lanes;
mod prompts;
mod python;
mod response;
mod stage;
#[cfg(test)]
mod tests;

pub use count::{Counter, TokenizerError};
pub use export::{Export, ExportError, Exported};
pub use import::{ImportError, Imported, Note, Origin, import};
