//! From arguments to a run that can start: profile, stages, recording. Everything that can be wrong with them
//! is found here, before anything is loaded.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::args::RunArgs;
use super::calibrate::recorded;
use super::config::{self, Config};
use super::failure::Failure;
use super::fresh::Fresh;
use super::kept::Kept;
use super::resume::{self, Interrupted};
use super::{output, plan};
use crate::backend;
use crate::clock::{Clock, TICK_NS};
use crate::event::BackendInfo;
use crate::load::Launch;
use crate::metrics::ClientLimits;
use crate::profile::{Formula, Profile, ProfileError, Resolved, StagePlan, resolve};
use crate::recording::{Calibration, Engine, Header, Host, Program, RecordingError, Writer};
use crate::telemetry;
use crate::ui::theme;

/// The profile that runs where none is named.
pub const DEFAULT_PROFILE: &str = "demo";
/// Names tried for a recording whose own name is taken.
const NAMES: u32 = 100;

/// Where the recording goes.
pub enum Target {
    None,
    /// As the arguments and the profile say.
    File,
    /// Into this stream.
    Stream(Kept),
}

/// A run that can start.
pub struct Prepared {
    pub launch: Launch,
    /// The recording's file, if there is one.
    pub path: Option<PathBuf>,
    /// The same, if this run makes it.
    pub fresh: Option<Fresh>,
    pub profile: Profile,
    /// What the user should know before it starts, in a line.
    pub note: Option<String>,
    /// What the client can measure here, if that is known.
    pub client: Option<ClientLimits>,
}

/// What the arguments ask for: a profile, and its stages in the order of running.
pub struct Asked {
    pub profile: Profile,
    pub stages: Vec<StagePlan>,
    /// The recording to go on with.
    pub resume: Option<Interrupted>,
    /// Where the profile's values were written; not known of a recording's.
    pub resolved: Option<Resolved>,
    /// The servers are `--url`'s.
    pub by_url: bool,
}

/// The overrides: what `--url` stands for, then those that are written out.
fn sets(args: &RunArgs) -> Vec<String> {
    let mut sets = Vec::new();
    if !args.urls.is_empty() {
        let urls = toml::Value::from(args.urls.clone());
        sets.push("backend.kind=\"openai\"".to_owned());
        sets.push(format!("backend.urls={urls}"));
    }
    sets.extend(args.sets.iter().cloned());
    sets
}

/// The profile that the arguments name, else the user's settings, else the default.
fn resolve_named(args: &RunArgs, config: &Config) -> Result<Resolved, Failure> {
    let own = config.profile.as_ref().filter(|_| args.profile.is_none());
    let name = args.profile.as_deref().or(own.map(|own| own.value.as_str())).unwrap_or(DEFAULT_PROFILE);
    resolve(name, &sets(args)).map_err(|error| match (&error, own) {
        (ProfileError::Unknown { .. } | ProfileError::Read { .. }, Some(own)) => {
            config.fault(own.byte, &format!("profile: {error}"))
        }
        _ => error.into(),
    })
}

/// Reads and checks what the arguments name, with their overrides.
///
/// # Errors
/// All that is wrong with a profile is exit status 2.
pub fn asked(args: &RunArgs) -> Result<Asked, Failure> {
    if let Some(path) = &args.resume {
        let (profile, stages, interrupted) = resume::open(path)?;
        return Ok(Asked { profile, stages, resume: Some(interrupted), resolved: None, by_url: false });
    }
    let config = config::load()?;
    let mut resolved = resolve_named(args, &config)?;
    let origins = resolved.clone();
    config.lay_under(&mut resolved.profile.ui, Some(&origins));
    let stop = &mut resolved.profile.stop;
    if args.duration.is_some() || args.requests.is_some() {
        stop.duration = args.duration;
        stop.requests = args.requests.map(|fixed| Formula { per_client: 0, fixed });
    }
    let by_url = !args.urls.is_empty();
    if by_url {
        // Servers that are named on the command line are there already.
        resolved.profile.backend.launch = None;
    }
    resolved.profile.check_runnable().map_err(|error| resolved.locate(error))?;
    if let Err(error) = theme::source(&resolved.profile.ui.theme, user_themes().as_deref()) {
        return Err(resolved.error("ui.theme", &error.to_string()).into());
    }
    let stages = resolved.profile.stages().map_err(|error| resolved.locate(error))?;
    Ok(Asked { profile: resolved.profile.clone(), stages, resume: None, resolved: Some(resolved), by_url })
}

/// The first stage of each engine.
pub fn engines(stages: &[StagePlan]) -> impl Iterator<Item = &StagePlan> {
    let mut seen = HashSet::new();
    stages.iter().filter(move |stage| seen.insert(stage.engine))
}

/// Whether this build and machine have the engines and models that the stages need.
///
/// # Errors
/// As [`backend::check`], with the place in the profile where there is one.
pub fn check_engines(asked: &Asked) -> Result<(), Failure> {
    let all = engines(&asked.stages).count() as u32;
    for stage in engines(&asked.stages) {
        // Of an engine's stages the one with the most clients asks the most of this machine.
        let same = asked.stages.iter().filter(|other| other.engine == stage.engine);
        let largest = same.max_by_key(|other| other.profile.load.clients).unwrap_or(stage);
        let Err((key, error)) = backend::check(&largest.profile, all) else { continue };
        let swept = key.split('.').find(|part| stage.sweep.iter().any(|(k, _)| k == part));
        let key = swept.map_or_else(|| key.to_owned(), |part| format!("sweep.{part}"));
        if asked.by_url && key == "backend.urls" {
            // Not as a wrong value of a profile, which would be shown: a password may stand in it.
            return Err(Failure::usage(format!("--url: {error}")));
        }
        return Err(match &asked.resolved {
            Some(resolved) => resolved.error(&key, &error.to_string()).into(),
            None => Failure::usage(format!("{key}: {error}")),
        });
    }
    Ok(())
}

/// The folder of the user's own themes.
pub fn user_themes() -> Option<PathBuf> {
    theme::user_folder(|name| std::env::var(name).ok())
}

/// Makes a run ready to start; its recording is open, with its header on disk.
///
/// # Errors
/// What this build can't run; a sweep that takes long without `--yes`; a recording that can't be written.
pub fn prepare(args: &RunArgs, asked: Asked, target: Target, headless: bool) -> Result<Prepared, Failure> {
    check_engines(&asked)?;
    plan::allowed(&asked, args.yes)?;
    let Asked { profile, stages, resume, .. } = asked;
    if let Some(interrupted) = resume {
        return interrupted.go_on(profile, stages, headless);
    }
    let clock = Clock::start();
    let first = stages.first().map_or(&profile, |stage| &stage.profile);
    let host = telemetry::host();
    let (calibration, note) = recorded(first.backend.kind, &host);
    let header = header(&profile, backend::announced(first), clock, host, calibration)?;
    let client = header.client_limits();
    let folder =
        args.output.as_deref().filter(|_| matches!(target, Target::File)).and_then(output::missing_folder);
    let (writer, path, fresh) = match target {
        Target::None => (None, None, None),
        Target::Stream(kept) => (Some(Writer::to(Box::new(kept), &header, profile.record.text)?), None, None),
        Target::File => {
            let (writer, path, fresh) = create(args.output.as_deref(), &profile, &header)?;
            (Some(writer), Some(path), Some(fresh))
        }
    };
    let note =
        [note, folder.map(|folder| output::made(&folder))].into_iter().flatten().reduce(|a, b| a + "\n" + &b);
    let launch = Launch { profile: profile.clone(), stages, clock, writer, headless, resume: None };
    Ok(Prepared { launch, path, fresh, profile, note, client })
}

/// Opens the recording. A name of the user's must be free; one made from the profile's pattern gets a number
/// if two runs start in the same second.
fn create(
    asked: Option<&Path>,
    profile: &Profile,
    header: &Header,
) -> Result<(Writer, PathBuf, Fresh), RecordingError> {
    let make = |path: &Path| {
        let fresh = Fresh::note(path);
        Writer::create(path, header, profile.record.text).map(|writer| (writer, path.to_owned(), fresh))
    };
    if let Some(path) = asked {
        return make(path);
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
        match make(&path) {
            Err(RecordingError::Exists { .. }) if number < NAMES && pattern.contains("{started}") => {
                number += 1;
            }
            ended => return ended,
        }
    }
}

fn header(
    profile: &Profile,
    engine: BackendInfo,
    clock: Clock,
    host: Host,
    calibration: Option<Calibration>,
) -> Result<Header, Failure> {
    let told = serde_json::to_value(profile)
        .map_err(|e| Failure::failed(format!("the profile can't be recorded: {e}")))?;
    Ok(Header {
        seed: profile.workload.seed,
        host,
        engine: Engine { kind: engine.kind, version: engine.version },
        program: program(),
        command: std::env::args().collect(),
        calibration,
        ..Header::new(TICK_NS, told, clock.started_at())
    })
}

/// This program, for headers.
pub fn program() -> Program {
    Program {
        version: env!("CARGO_PKG_VERSION").into(),
        features: env!("FASTGEN_FEATURES").split(',').map(Into::into).collect(),
        target: env!("FASTGEN_TARGET").into(),
        target_features: env!("FASTGEN_TARGET_FEATURES").into(),
    }
}
