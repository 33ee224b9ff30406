//! `--resume FILE`: an interrupted recording, and the run that goes on with it.

use std::path::{Path, PathBuf};

use super::failure::{Exit, Failure};
use super::prepare::Prepared;
use crate::clock::Clock;
use crate::event::Resumed;
use crate::load::{Earlier, Launch};
use crate::profile::{Profile, StagePlan};
use crate::recording::{self, Header, RecordingError, Reopened};
use crate::telemetry;

/// Times of the resumed part begin at a whole second, so that no second of the run belongs to both parts.
const SECOND_NS: u64 = 1_000_000_000;

/// A recording to go on with; held, so that no other run writes to it.
pub struct Interrupted {
    path: PathBuf,
    file: Reopened,
    header: Header,
    pub earlier: Earlier,
    whole_bytes: u64,
}

/// Opens an interrupted recording: the profile and stages of its run, and what of them is there.
///
/// # Errors
/// If it can't be read or written, its profile can't be run by this version, or nothing is left to do: that is
/// no failure, and ends with status 0.
pub fn open(path: &Path) -> Result<(Profile, Vec<StagePlan>, Interrupted), Failure> {
    let file = Reopened::open(path)?;
    let not = |why: String| RecordingError::NotResumable { name: path.display().to_string(), why };
    let mut reader = recording::open(path)?;
    let header = reader.header().clone();
    let earlier = Earlier::read(reader.by_ref());
    let whole_bytes = reader
        .whole_bytes()
        .ok_or_else(|| not("it is not compressed, so it is not as it was recorded".into()))?;
    let profile: Profile = serde_json::from_value(header.profile.clone())
        .map_err(|e| not(format!("this version can't read its profile: {e}")))?;
    profile.check_runnable()?;
    let stages = profile.stages()?;
    earlier.check(&stages).map_err(not)?;
    if earlier.is_complete(&stages) {
        let all = stages.len();
        let message = format!("{}: nothing to resume, all of its {all} stages are finished", path.display());
        return Err(Failure { exit: Exit::Done, message });
    }
    Ok((profile, stages, Interrupted { path: path.to_owned(), file, header, earlier, whole_bytes }))
}

impl Interrupted {
    /// Makes the run ready that goes on with it.
    pub fn go_on(
        self,
        profile: Profile,
        stages: Vec<StagePlan>,
        headless: bool,
    ) -> Result<Prepared, Failure> {
        let Self { path, file, header, earlier, whole_bytes } = self;
        let from_ns = (earlier.last_ns / SECOND_NS).saturating_add(1).saturating_mul(SECOND_NS);
        let clock = Clock::resume(from_ns);
        let resumed = Resumed {
            at_ns: clock.now_ns(),
            resumed_at: clock.started_at().to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            host: telemetry::host().name,
            command: std::env::args().collect(),
        };
        if resumed.host != header.host.name {
            let (now, then) = (&resumed.host, &header.host.name);
            tracing::warn!("resumed on {now}, but begun on {then}: the stages may not compare");
        }
        let writer = file.go_on(whole_bytes, &header, profile.record.text)?;
        let launch = Launch {
            profile: profile.clone(),
            stages,
            clock,
            writer: Some(writer),
            headless,
            resume: Some((earlier, resumed)),
        };
        let client = header.client_limits();
        Ok(Prepared { launch, path: Some(path), fresh: None, profile, note: None, client })
    }
}
