//! What can go wrong between us and Postgres, and whether it may go right later.

use std::error::Error as _;
use std::time::Duration;

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

/// The store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A setting is wrong. `example` is a value that would do.
    #[error("store setting {field}: {value:?} {reason}; for example {example:?}")]
    Config { field: &'static str, value: String, reason: String, example: &'static str },
    /// No connection: server away, refused, or all connections in use for too long.
    #[error("no connection to PostgreSQL")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A statement failed.
    #[error("PostgreSQL refused {what}")]
    Query {
        /// The statement, in words.
        what: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    /// The schema could not be brought to the version of this program.
    #[error("the database schema could not be migrated")]
    Migrate(#[source] Box<refinery::Error>),
    /// A row does not hold what this version of the program expects.
    #[error("{what} in the database is not readable: {reason}")]
    Corrupt { what: &'static str, reason: String },
    /// The caller's value is not acceptable: `field`, and why.
    #[error("{field}: {reason}")]
    Invalid { field: String, reason: String },
    /// Somebody else changed it first.
    #[error("{what} was changed by another; read it again")]
    Conflict { what: &'static str },
    #[error("{what} {name:?} does not exist")]
    NotFound { what: &'static str, name: String },
}

/// What a caller who can wait should do about a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same call fails again.
    Never,
    After(Duration),
}

impl StoreError {
    /// For `map_err`: `.map_err(StoreError::query("read the routes"))`.
    pub fn query(what: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Query { what, source }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Connect(_) => Retry::After(Duration::from_millis(500)),
            Self::Query { source, .. } if is_transient(source) => Retry::After(Duration::from_millis(200)),
            Self::Migrate(error) => match driver_error(error) {
                Some(source) if is_transient(source) => Retry::After(Duration::from_millis(500)),
                _ => Retry::Never,
            },
            Self::Conflict { .. } => Retry::After(Duration::from_millis(20)),
            _ => Retry::Never,
        }
    }

    pub fn is_retryable(&self) -> bool {
        self.retry() != Retry::Never
    }

    /// True for a broken unique constraint.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Query { source, .. } if source.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }

    /// True when the values given are at fault, not the server or the time (class 22 and 23 of SQLSTATE, unreadable
    /// rows): the same values fail again.
    pub fn is_data_fault(&self) -> bool {
        match self {
            Self::Query { source, .. } => {
                matches!(source.code().and_then(|state| state.code().get(..2)), Some("22" | "23"))
            }
            Self::Corrupt { .. } | Self::Invalid { .. } => true,
            _ => false,
        }
    }

    /// The error and its causes in one line, for logs and messages.
    pub fn chain(&self) -> String {
        // tokio-postgres says only "db error" and keeps the useful text in its source.
        ow_domain::error::chain(self)
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        Self::Connect(Box::new(error))
    }
}

fn driver_error(error: &refinery::Error) -> Option<&tokio_postgres::Error> {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(found) = inner.downcast_ref::<tokio_postgres::Error>() {
            return Some(found);
        }
        cause = inner.source();
    }
    None
}

/// Connection lost, server starting or stopping, resources short, deadlock, serialization failure, time-out.
/// Classes of PostgreSQL's appendix A.
fn is_transient(error: &tokio_postgres::Error) -> bool {
    let Some(state) = error.code() else {
        // Not an answer of the server: an I/O or connection error, or our own mistake in types.
        return error.is_closed() || has_io_cause(error);
    };
    let code = state.code();
    matches!(code.get(..2), Some("08" | "53" | "57" | "58"))
        || matches!(code, "40001" | "40P01" | "55P03" | "25006" | "25P03")
}

fn has_io_cause(error: &tokio_postgres::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<std::io::Error>() {
            return true;
        }
        cause = inner.source();
    }
    false
}
