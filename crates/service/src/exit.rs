//! Exit codes, after sysexits.h and the Nagios plugin habit for `ottwatch check`.

use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Ok,
    /// `check`: warning or minor found.
    Warning,
    /// `check`: major or critical found. Other commands: the thing asked for failed.
    Failure,
    /// `check`: could not tell.
    Unknown,
    /// Wrong command line.
    Usage,
    /// A server we need does not answer.
    Unavailable,
    /// A defect of ours.
    Software,
    /// Wrong configuration; nothing was started or changed.
    Config,
}

impl Exit {
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Failure => 2,
            Self::Unknown => 3,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::Software => 70,
            Self::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
