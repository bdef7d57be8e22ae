//! What can go wrong, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A private server could not be found, started or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    #[error("{what} was not found (looked at: {looked_at}); {remedy}")]
    NotFound { what: &'static str, looked_at: String, remedy: &'static str },
    #[error("{what} is too old: found {found}, needed is {floor} or newer; {remedy}")]
    TooOld { what: &'static str, found: String, floor: String, remedy: &'static str },
    #[error(
        "{} is in use by another ottwatch (process {holder}); end that one, or choose another folder by --home",
        .home.display()
    )]
    InUse { home: PathBuf, holder: String },
    #[error("the {name} of an earlier run on {} has not ended after {waited:?}; end it and start again", .home.display())]
    StillRunning { name: &'static str, home: PathBuf, waited: Duration },
    #[error("cannot prepare {}", .path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot start {}", .program.display())]
    Spawn {
        program: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{name} ended with {status} instead of serving; its log {} ends:\n{tail}", .log.display())]
    Exited { name: &'static str, status: String, log: PathBuf, tail: String },
    #[error("{name} did not answer within {waited:?}; its log {} ends:\n{tail}", .log.display())]
    NotReady { name: &'static str, waited: Duration, log: PathBuf, tail: String },
    #[error(
        "{} holds data of PostgreSQL {found}, but the programs found are {installed}; install PostgreSQL {found}, or move the folder away",
        .data.display()
    )]
    DataVersion { data: PathBuf, found: String, installed: String },
    #[error(
        "there is no user \"postgres\" or \"nobody\" to run PostgreSQL as (it refuses to run as root); run as another user"
    )]
    NoUser,
}

impl LocalError {
    pub(crate) fn folder(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Folder { path: path.to_owned(), source }
    }
}
