//! `calibrate`: what this client can measure on this machine.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;

use super::failure::{Exit, Failure, Outcome};
use super::{output, signals};
use crate::calibrate::{self, CalibrateError, Plan, Wanted};
use crate::profile::{BackendKind, resolve};
use crate::recording::{Calibration, Host};
use crate::telemetry;

const ABOUT: &str = "\
Loads this client until it can do no more, with a built-in server of known timing on loopback and with the simulated \
engine, and compares its figures with the server's. Takes about twenty seconds. The machine should do nothing else.

What comes of it is kept in the cache folder; every later run's report then says what share of the client's limit the \
run used.";

#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub struct CalibrateArgs {
    /// For this profile's traffic: its clients, its mean lengths, the pace of its SLA
    #[arg(short, long, value_name = "NAME|FILE")]
    pub profile: Option<String>,
    /// Override a key of the profile, e.g. --set load.clients=16; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "profile")]
    pub sets: Vec<String>,
    /// Measure each load for this long, paced ones for twice as long [default: 1s, with --thorough 5s]
    #[arg(long = "for", value_name = "DURATION", value_parser = super::args::some_time)]
    pub duration: Option<Duration>,
    /// With 512 and 1024 streams too, and longer: about two minutes
    #[arg(long)]
    pub thorough: bool,
    /// The figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// Calibrates, prints, and saves.
pub fn calibrate(args: &CalibrateArgs) -> Outcome {
    let wanted = Wanted { time: args.duration, thorough: args.thorough };
    let plan = match &args.profile {
        None => Plan::general(wanted),
        Some(name) => {
            let resolved = resolve(name, &args.sets)?;
            let stages = resolved.profile.stages().map_err(|error| resolved.locate(error))?;
            Plan::of(&resolved.profile, &stages, wanted)
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    let signals = signals::watch(&stop)?;
    let made = calibrate::run(&plan, &telemetry::host(), &stop, &mut |line| output::say(line));
    drop(signals);
    let made = match made {
        Ok(made) => made,
        Err(error @ CalibrateError::Interrupted) => {
            return Err(Failure { exit: Exit::Interrupted, message: error.to_string() });
        }
        Err(error) => return Err(Failure::failed(error)),
    };
    if args.json {
        let json = serde_json::to_string_pretty(&made).map_err(Failure::failed)?;
        output::print(&(json + "\n"))?;
    } else {
        output::print(&calibrate::text(&made))?;
    }
    let Some(folder) = calibrate::folder() else {
        output::say("not saved: there is no home folder to find the cache folder in");
        return Ok(Exit::Done);
    };
    match calibrate::save(&folder, &made) {
        Ok(path) => output::say(&format!("saved: {}; reports of later runs refer to it", path.display())),
        // The figures are there all the same.
        Err(error) => output::say(&format!("not saved: {}: {error}", folder.display())),
    }
    Ok(Exit::Done)
}

/// The limit that holds for runs of this backend here, for their headers; why one that is there is of no use.
pub fn recorded(kind: BackendKind, host: &Host) -> (Option<Calibration>, Option<String>) {
    let (limits, why) = calibrate::limits(host);
    let limit = limits.and_then(|limits| match kind {
        BackendKind::Openai => limits.http,
        BackendKind::Mistralrs | BackendKind::Sim => limits.in_process,
        BackendKind::Imported => None,
    });
    (limit, why.map(|why| format!("note: {why}")))
}
