//! How a command ends: the one place that knows the exit statuses.

use std::fmt::Display;
use std::process::ExitCode;

/// How a command ended. The numbers are a contract with scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// It could not be done, or all requests failed.
    Failed,
    /// The command line or the profile is wrong.
    Usage,
    /// A threshold of the profile's `[sla]` was missed.
    SlaMissed,
    /// Events were lost, the recording is not complete, or the client was too slow to be trusted.
    Tainted,
    /// Interrupted; the recording is closed.
    Interrupted,
    /// Who was to take the recording (`-o -`) closed the pipe before its end, as if SIGPIPE had ended the program.
    ClosedPipe,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::SlaMissed => 3,
            Exit::Tainted => 4,
            Exit::Interrupted => 130,
            Exit::ClosedPipe => 141,
        })
    }
}

/// Why a command did not do what it was asked: a message for people, and the exit status.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
}

impl Failure {
    /// Could not be done.
    pub fn failed(message: impl Display) -> Self {
        Self { exit: Exit::Failed, message: message.to_string() }
    }

    /// Was asked wrongly.
    pub fn usage(message: impl Display) -> Self {
        Self { exit: Exit::Usage, message: message.to_string() }
    }
}

impl From<crate::profile::ProfileError> for Failure {
    fn from(error: crate::profile::ProfileError) -> Self {
        Self::usage(error)
    }
}

impl From<crate::ui::theme::ThemeError> for Failure {
    fn from(error: crate::ui::theme::ThemeError) -> Self {
        Self::usage(error)
    }
}

impl From<crate::recording::RecordingError> for Failure {
    fn from(error: crate::recording::RecordingError) -> Self {
        Self::failed(error)
    }
}

impl From<crate::report::csv::ExportError> for Failure {
    fn from(error: crate::report::csv::ExportError) -> Self {
        Self::failed(error)
    }
}

impl From<crate::exchange::ExportError> for Failure {
    fn from(error: crate::exchange::ExportError) -> Self {
        Self::failed(error)
    }
}

impl From<crate::exchange::TokenizerError> for Failure {
    fn from(error: crate::exchange::TokenizerError) -> Self {
        Self::usage(error)
    }
}

impl From<crate::exchange::ImportError> for Failure {
    fn from(error: crate::exchange::ImportError) -> Self {
        Self::failed(error)
    }
}

/// What a command gives.
pub type Outcome = Result<Exit, Failure>;
