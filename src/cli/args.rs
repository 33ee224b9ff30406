//! The command line as clap sees it. Every flag stands next to its help; commands live in their own files.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const LONG_ABOUT: &str = "\
Benchmarks LLM inference live: an embedded engine serves simulated clients while a dashboard shows tokens/s, \
latencies and percentiles as they happen. Runs are recorded; recordings are replayed on the same screens, \
reported and exported.

Without a command it runs live: the profile `demo` unless --profile says otherwise.";

const AFTER_HELP: &str = "\
Examples:
  fastgen-tui                                        the demo, live
  fastgen-tui --url http://127.0.0.1:8000/v1         a server of yours, under the demo's load
  fastgen-tui --profile llama2-7b-cpu --set load.clients=4
  fastgen-tui record --for 30s --json > report.json
  fastgen-tui record --profile fastgen-mini --dry-run
  fastgen-tui record --resume recordings/cut.jsonl.zst
  fastgen-tui replay recordings/demo.jsonl.zst
  fastgen-tui export recordings/demo.jsonl.zst --csv out/
  fastgen-tui plot timeline recordings/demo.jsonl.zst -o demo.svg

Exit status: 0 done · 1 failed · 2 usage or profile error · 3 an SLA was missed · 4 the measurement is tainted,
its recording is incomplete, or the client was degraded · 130 interrupted, recording closed";

/// What `--version` adds: what this binary was built for.
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\nfeatures: ",
    env!("FASTGEN_FEATURES"),
    "\ntarget: ",
    env!("FASTGEN_TARGET"),
    "\ntarget features: ",
    env!("FASTGEN_TARGET_FEATURES"),
);

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "fastgen-tui",
    version,
    long_version = LONG_VERSION,
    about = "Live benchmarks of LLM inference in the terminal",
    long_about = LONG_ABOUT,
    after_help = AFTER_HELP,
    max_term_width = 100,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub screen: ScreenArgs,
    /// Record nothing
    #[arg(long, conflicts_with_all = ["output", "resume"])]
    pub no_record: bool,
}

/// What to run; the same for the dashboard and for `record`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A profile's name, or a TOML file [default: your settings' profile, else demo]
    #[arg(short, long, value_name = "NAME|FILE")]
    pub profile: Option<String>,
    /// Measure this OpenAI-compatible server, e.g. http://127.0.0.1:8000/v1, with the profile's load; may be given
    /// again for more servers
    #[arg(long = "url", value_name = "URL")]
    pub urls: Vec<String>,
    /// Override a key of the profile, e.g. --set load.clients=16; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// The recording's file; `-` is standard output (record only) [default: the profile's record.path]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Measure for this long, e.g. 30s, instead of the profile's stop conditions
    #[arg(long = "for", value_name = "DURATION", value_parser = some_time)]
    pub duration: Option<std::time::Duration>,
    /// Measure so many requests, instead of the profile's stop conditions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: Option<u64>,
    /// Go on with an interrupted recording: its profile is run from the first stage that is not finished
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["profile", "urls", "sets", "output", "duration", "requests"]
    )]
    pub resume: Option<PathBuf>,
    /// Print the stages, requests, engine loads and the estimated time, and run nothing; status 2 if it couldn't be run
    #[arg(long)]
    pub dry_run: bool,
    /// Run a sweep even if it will take more than an hour
    #[arg(short, long)]
    pub yes: bool,
}

/// How the dashboard looks.
#[derive(Debug, Args)]
pub struct ScreenArgs {
    /// The dashboard's theme [default: the profile's ui.theme, else your settings']
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// Plain lines instead of the dashboard, for screen readers: nothing is drawn or overwritten
    #[arg(long)]
    pub plain: bool,
    /// Time between lines of figures with --plain [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub plain_every: Option<std::time::Duration>,
    /// Lay this recording's curve behind, on the screen Curve; can be given more than once. A replay plays the first
    /// one along, too: its figures stand beside on Live, and the key b shows it on all screens
    #[arg(long = "with", value_name = "FILE")]
    pub with: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a profile without the dashboard: progress on standard error, the report on standard output
    Record(RecordArgs),
    /// Play a recording back on the same screens, or to its end with --headless
    Replay(super::replay::ReplayArgs),
    /// Exact figures of recordings
    Report(ReportArgs),
    /// Write recordings as CSV files, or as result files of DeepSpeed-FastGen's benchmark
    Export(ExportArgs),
    /// Make a recording of other tools' results
    #[command(subcommand)]
    Import(ImportCommand),
    /// Charts of recordings, as SVG or PNG
    Plot(super::plot::PlotArgs),
    /// Profiles: list them, or show one
    Profiles(ListArgs),
    /// Themes: list them, or show one
    Themes(ListArgs),
    /// Your settings: what is in force and from where, or where the file is
    Config(super::config::ConfigArgs),
    /// Models of a named shape with random weights
    #[command(subcommand)]
    Model(ModelCommand),
    /// Find out what this client can measure on this machine: its limits and its errors
    Calibrate(super::calibrate::CalibrateArgs),
    /// The engine alone, persistent, behind an OpenAI-compatible API
    #[cfg(feature = "serve")]
    #[command(subcommand)]
    Serve(super::serve::ServeCommand),
    /// Print a completion script for a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Debug, Args)]
pub struct RecordArgs {
    #[command(flatten)]
    pub run: RunArgs,
    /// The report as JSON instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Recordings; `-` is standard input
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// The report's file; what was there is replaced. `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", hide_default_value = true)]
    pub output: PathBuf,
    /// Show only this window (text, markdown and html) [default: both]
    #[arg(long, value_enum)]
    pub window: Option<WindowName>,
    /// Latencies and throughput as this tool defines them, to compare with its numbers
    #[arg(long, value_enum, value_name = "TOOL")]
    pub definitions: Option<ToolName>,
    /// FastGen's token latency percentiles leave out so many entries at the start of each request; the first one
    /// is the time to the first token
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub skip_head_tokens: usize,
    /// They also leave out so many requests at the start and at the end of a stage
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub skip_requests: usize,
    #[command(flatten)]
    pub range: super::range::RangeArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
    Markdown,
    /// One file with charts, for a browser; it needs no network
    Html,
}

/// Tools whose definitions a report can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ToolName {
    Vllm,
    Aiperf,
    Guidellm,
    GenaiPerf,
    Fastgen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WindowName {
    /// From the end of warm-up to the last measured request's end
    Measured,
    /// The longest stretch at 95 % of the target concurrency or more
    Steady,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("kinds").args(["csv", "fastgen"]).required(true).multiple(true)))]
pub struct ExportArgs {
    /// Recordings; `-` is standard input
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Folder for requests.csv, tokens.csv, series.csv, summary.csv, and segments.csv where somebody intervened
    #[arg(long, value_name = "DIR")]
    pub csv: Option<PathBuf>,
    /// With --csv: replace tables that are in the folder already
    #[arg(long, requires = "csv")]
    pub force: bool,
    /// Folder for result files that DeepSpeed-FastGen's scripts read: DIR/fastgen/*.json, one a stage
    #[arg(long, value_name = "DIR")]
    pub fastgen: Option<PathBuf>,
    /// With --fastgen: the model's `tokenizer.json`; prompts are then texts of the recorded counts by it
    #[arg(long, value_name = "FILE", requires = "fastgen")]
    pub tokenizer: Option<PathBuf>,
    #[command(flatten)]
    pub range: super::range::RangeArgs,
}

#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// DeepSpeed-FastGen's result files, of either generation, FastGen's or vLLM's: one recording, a stage a file
    Fastgen(ImportFastgenArgs),
}

#[derive(Debug, Args)]
pub struct ImportFastgenArgs {
    /// Result files; of a folder, every *.json below it
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// The recording's file; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Count tokens with this `tokenizer.json` of the model, where the files don't tell
    #[arg(long, value_name = "FILE", conflicts_with = "count_words")]
    pub tokenizer: Option<PathBuf>,
    /// Count tokens as words between white space, where the files don't tell
    #[arg(long)]
    pub count_words: bool,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(subcommand)]
    pub what: Option<ListCommand>,
}

#[derive(Debug, Subcommand)]
pub enum ListCommand {
    /// All of them, a line each (what happens without a word, too)
    List,
    /// One, in full
    Show { name: String },
}

#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Write a GGUF file of a named shape with random weights
    Dummy {
        /// E.g. tiny, smollm2-135m, llama2-7b; see `model shapes`
        shape: String,
        /// The file [default: the cache folder's]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// f16, q8_0, q4_0 or q4k
        #[arg(long, default_value = "f16")]
        quantization: String,
        /// The same seed gives the same bytes
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// The shapes there are
    Shapes,
}

pub(super) fn some_time(text: &str) -> Result<std::time::Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time.is_zero() => Err("expected a time above 0".into()),
        other => other.map_err(|e| format!("{e}; write e.g. 30s or 10m")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_runs_live() {
        let cli =
            Cli::try_parse_from(["fastgen-tui", "--profile", "sim", "--set", "load.clients=2"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.run.profile.as_deref(), Some("sim"));
        assert_eq!(cli.run.sets, ["load.clients=2"]);
    }

    #[test]
    fn impossible_values_are_refused() {
        for wrong in [
            &["fastgen-tui", "replay", "x", "--json"][..],
            &["fastgen-tui", "record", "--requests", "0"],
            &["fastgen-tui", "export", "x"],
            &["fastgen-tui", "export", "x", "--fastgen", "y", "--force"],
            &["fastgen-tui", "--resume", "x", "--set", "load.clients=2"],
            &["fastgen-tui", "--resume", "x", "--no-record"],
            &["fastgen-tui", "--resume", "x", "--url", "http://x"],
            &["fastgen-tui", "record", "--resume", "x", "--profile", "demo"],
            &["fastgen-tui", "export", "x", "--csv", "y", "--tokenizer", "z"],
            &["fastgen-tui", "import", "fastgen", "x"],
            &["fastgen-tui", "import", "fastgen", "x", "-o", "y", "--tokenizer", "z", "--count-words"],
            &["fastgen-tui", "record", "--for", "soon"],
            &["fastgen-tui", "calibrate", "--set", "load.clients=2"],
            &["fastgen-tui", "calibrate", "--for", "0s"],
        ] {
            assert!(Cli::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
    }
}
