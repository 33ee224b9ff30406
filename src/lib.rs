//! fastgen-tui: a terminal dashboard for live benchmarking of LLM inference.
//!
//! The map of the house. Data flows one way, and so do imports:
//!
//! ```text
//!   engine ─→ client task: stamp the time, hand on
//!      └─→ one bounded channel of `event::Event` ─→ collector: recording.write, metrics.apply
//!             └─→ latest `metrics::Snapshot` (swapped, ≤ 20 Hz) ─→ ui draws (≤ 15 frames/s)
//!   keys ─→ keymap ─→ command ─→ update ─→ action ─→ driver
//!   recording ─→ replay ─→ the same channel
//! ```
//!
//! | room | what it is for |
//! |---|---|
//! | [`cpu`] | was this binary built for this CPU? |
//! | [`cli`] | arguments, and one small file a command |
//! | [`profile`] | TOML profiles: schema, layers, validation that points at line and column |
//! | [`model`] | where weights come from: files, hub ids, random weights of a named shape |
//! | [`workload`] | what is asked and when: lengths, prompts as token ids, arrivals |
//! | [`backend`] | the trait `Backend` and its makers: the embedded engine, the simulated one |
//! | [`logging`] | where messages go: the log file and the Log screen, never the terminal |
//! | [`load`] | clients and the driver that takes a run through its phases |
//! | [`calibrate`] | what this client can measure on this machine |
//! | [`collector`] | the thread between the event channel and everybody who looks on |
//! | [`event`] | the one vocabulary: live run, recording and replay are streams of `Event` |
//! | [`metrics`] | events → request records → histograms, windows, summary → `Snapshot` |
//! | [`recording`] | the file format, its writer and its reader |
//! | `serve` | the engine alone, behind an OpenAI-compatible API |
//! | [`replay`] | a recording played into the same pipe |
//! | [`exchange`] | DeepSpeed-FastGen's result files, in and out |
//! | [`report`] | exact figures from recordings: text, JSON, Markdown, CSV |
//! | [`telemetry`] | host and GPU samples |
//! | [`ui`] | terminal, frame loop, state, keymap, views, widgets, themes |

pub mod backend;
pub mod calibrate;
pub mod cli;
pub mod clock;
pub mod collector;
pub mod cpu;
pub mod event;
pub mod exchange;
pub mod load;
pub mod logging;
pub mod metrics;
pub mod model;
pub mod profile;
pub mod progress;
pub mod recording;
pub mod replay;
pub mod report;
#[cfg(feature = "serve")]
pub mod serve;
pub mod suggest;
pub mod telemetry;
pub mod ui;
pub mod workload;
