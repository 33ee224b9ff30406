//! Arguments, and one small file a command.
//!
//! [`main`] is where the program begins: logging and the panic hook first, then the arguments, then the command
//! that they name. A command gives an [`failure::Exit`] or a [`failure::Failure`]; nothing else ends the process.

mod args;
mod calibrate;
mod config;
mod failure;
mod finish;
mod fresh;
mod import;
mod kept;
mod lists;
mod live;
mod model;
mod names;
mod output;
mod overlay;
mod panics;
mod plan;
mod plot;
mod prepare;
mod range;
mod record;
mod replay;
mod report;
mod resume;
mod screen;
#[cfg(feature = "serve")]
mod serve;
mod shell;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use self::args::{Cli, Command};
use self::failure::{Exit, Outcome};
use crate::logging::LogHub;

/// Runs the program.
pub fn main() -> ExitCode {
    if let Some(exit) = crate::backend::assist() {
        return exit;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too; a closed pipe is no failure.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let hub = LogHub::install();
    panics::install_hook();
    let outcome = panics::guard(|| dispatch(&cli, &hub));
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::say(&format!("fastgen-tui: {}", failure.message));
            failure.exit.into()
        }
    }
}

fn dispatch(cli: &Cli, hub: &LogHub) -> Outcome {
    match &cli.command {
        None => live::live(&cli.run, &cli.screen, cli.no_record, hub),
        Some(Command::Record(args)) => record::run(&args.run, args.json, false, hub),
        Some(Command::Replay(args)) => replay::replay(args, hub),
        Some(Command::Report(args)) => report::report(args),
        Some(Command::Export(args)) => report::export(args),
        Some(Command::Import(args)) => import::import(args),
        Some(Command::Plot(args)) => plot::plot(args),
        Some(Command::Profiles(args)) => lists::profiles(args),
        Some(Command::Themes(args)) => lists::themes(args),
        Some(Command::Config(args)) => config::config(args),
        Some(Command::Model(args)) => model::model(args),
        Some(Command::Calibrate(args)) => calibrate::calibrate(args),
        #[cfg(feature = "serve")]
        Some(Command::Serve(command)) => serve::serve(command),
        Some(Command::Completions { shell }) => shell::completions(*shell),
        Some(Command::Man) => shell::man(),
    }
}
