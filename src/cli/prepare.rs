//! From arguments to a run that can start: profile, stages, recording. Everything that can be wrong with them
//! is found here, before anything is loaded.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::args::RunArgs;
use super::failure::Failure;
use crate::clock::{Clock, TICK_NS};
use crate::event::BackendInfo;
use crate::load::Launch;
use crate::profile::{Formula, Profile, Resolved, resolve};
use crate::recording::{Engine, Header, MAJOR, MINOR, Program, RecordingError, Version, Writer};
use crate::telemetry;
use crate::ui::theme;

/// The profile that runs where none is named.
const DEFAULT_PROFILE: &str = "demo";
/// Names tried for a recording whose own name is taken.
const NAMES: u32 = 100;

/// Where the recording goes.
pub enum Target {
    None,
    /// As the arguments and the profile say.
    File,
    /// Into this stream.
    Stream(File),
}

/// A run that can start.
pub struct Prepared {
    pub launch: Launch,
    /// The recording's file, if there is one.
    pub path: Option<PathBuf>,
    pub resolved: Resolved,
}

/// Reads and checks the profile that the arguments name, with their overrides.
///
/// # Errors
/// All are exit status 2.
pub fn profile(args: &RunArgs) -> Result<Resolved, Failure> {
    let mut resolved = resolve(args.profile.as_deref().unwrap_or(DEFAULT_PROFILE), &args.sets)?;
    let stop = &mut resolved.profile.stop;
    if args.duration.is_some() || args.requests.is_some() {
        stop.duration = args.duration;
        stop.requests = args.requests.map(|fixed| Formula { per_client: 0, fixed });
    }
    resolved.profile.check_runnable()?;
    if let Err(error) = theme::source(&resolved.profile.ui.theme, user_themes().as_deref()) {
        return Err(resolved.error("ui.theme", &error.to_string()).into());
    }
    Ok(resolved)
}

/// The folder of the user's own themes.
pub fn user_themes() -> Option<PathBuf> {
    theme::user_folder(|name| std::env::var(name).ok())
}

/// Makes a run ready to start; its recording is open, with its header on disk.
///
/// # Errors
/// A wrong profile, a recording that can't be written.
pub fn prepare(args: &RunArgs, target: Target, headless: bool) -> Result<Prepared, Failure> {
    let resolved = profile(args)?;
    if let Err((key, error)) = crate::backend::check(&resolved.profile) {
        return Err(resolved.error(key, &error.to_string()).into());
    }
    let profile = resolved.profile.clone();
    let stages = profile.stages()?;
    let clock = Clock::start();
    let header = header(&profile, clock)?;
    let (writer, path) = match target {
        Target::None => (None, None),
        Target::Stream(file) => (Some(Writer::to(Box::new(file), &header, profile.record.text)?), None),
        Target::File => {
            let (writer, path) = create(args.output.as_deref(), &profile, &header)?;
            (Some(writer), Some(path))
        }
    };
    let launch = Launch { profile, stages, clock, writer, headless };
    Ok(Prepared { launch, path, resolved })
}

/// Opens the recording. A name of the user's must be free; one made from the profile's pattern gets a number
/// if two runs start in the same second.
fn create(
    asked: Option<&Path>,
    profile: &Profile,
    header: &Header,
) -> Result<(Writer, PathBuf), RecordingError> {
    if let Some(path) = asked {
        return Ok((Writer::create(path, header, profile.record.text)?, path.to_owned()));
    }
    let started = header.started_at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let pattern = &profile.record.path;
    let mut number = 1;
    loop {
        let name = match number {
            1 => started.clone(),
            n => format!("{started}-{n}"),
        };
        let path =
            PathBuf::from(pattern.replace("{profile}", &profile.profile.name).replace("{started}", &name));
        match Writer::create(&path, header, profile.record.text) {
            Err(RecordingError::Exists { .. }) if number < NAMES && pattern.contains("{started}") => {
                number += 1;
            }
            made => return made.map(|writer| (writer, path)),
        }
    }
}

fn header(profile: &Profile, clock: Clock) -> Result<Header, Failure> {
    let engine: BackendInfo = crate::backend::announced(profile);
    Ok(Header {
        fastgen_recording: Version { major: MAJOR, minor: MINOR },
        tick_ns: TICK_NS,
        profile: serde_json::to_value(profile)
            .map_err(|e| Failure::failed(format!("the profile can't be recorded: {e}")))?,
        seed: profile.workload.seed,
        host: telemetry::host(),
        engine: Engine { kind: engine.kind, version: engine.version },
        started_at: clock.started_at(),
        program: Program {
            version: env!("CARGO_PKG_VERSION").into(),
            features: env!("FASTGEN_FEATURES").split(',').map(Into::into).collect(),
            target: env!("FASTGEN_TARGET").into(),
            target_features: env!("FASTGEN_TARGET_FEATURES").into(),
        },
        command: std::env::args().collect(),
    })
}
