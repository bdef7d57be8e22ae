//! People, sessions, tokens: who may use the installation.
//!
//! Every write stands in the audit trail of the same transaction. Secrets come in as hashes: argon2id of a password,
//! SHA-256 of what is random; this module makes neither. Time comes in with the call, so that expiry and throttling
//! are tested without waiting.

mod invitations;
mod oidc;
mod sessions;
mod throttle;
mod tokens;
mod users;

use std::str::FromStr;

use ow_domain::access::{LabelScope, Role};
use ow_domain::config::ChangedBy;
use serde_json::Value;
use tokio_postgres::Transaction;

use crate::StoreError;

pub use invitations::Invited;
pub use sessions::{FoundSession, NewSession, Session};
pub use throttle::{Blocked, ThrottleKey, ThrottlePolicy};
pub use tokens::{FoundToken, NewToken, Token, TokenFilter};
pub use users::{Identity, NewUser, PasswordOf, User, UserChange, UserFilter};

/// SHA-256 of a random secret.
pub type SecretHash = [u8; 32];

/// A change of people, sessions or tokens was not made.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("the list of people could not be read or written")]
    Store(#[from] StoreError),
    #[error("{what} {name:?} does not exist")]
    NotFound { what: &'static str, name: String },
    #[error("{what} {name:?} exists already")]
    Exists { what: &'static str, name: String },
    /// The revision that the change was made from is not the stored one.
    #[error("{name:?} was changed by another; its revision is {current} now")]
    Stale { name: String, current: u64 },
    #[error("{name:?} is the last administrator who can sign in; make another one first")]
    LastAdmin { name: String },
}

/// Writes the audit trail of a change. `before` and `after` never hold a secret or its hash.
pub(crate) async fn audit(
    transaction: &Transaction<'_>,
    by: &ChangedBy,
    (action, kind, name): (&str, &str, &str),
    before: Option<Value>,
    after: Option<Value>,
) -> Result<(), StoreError> {
    crate::audit::write(transaction, by, (action, kind, name), before, after, 0).await
}

fn read_role(text: &str) -> Result<Role, StoreError> {
    Role::from_str(text).map_err(|error| StoreError::Corrupt { what: "a role", reason: error.to_string() })
}

/// A scope that cannot be read must not become "everything".
fn read_scope(value: Option<Value>) -> Result<Option<LabelScope>, StoreError> {
    value
        .map(serde_json::from_value)
        .transpose()
        .map_err(|error| StoreError::Corrupt { what: "a label scope", reason: error.to_string() })
}

fn write_scope(scope: Option<&LabelScope>) -> Option<Value> {
    scope.map(|scope| serde_json::to_value(scope).unwrap_or_default())
}

fn revision(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

impl crate::Store {
    /// What `in_label_scope` of the database says; lists use it in their statements.
    pub async fn is_in_scope(
        &self,
        labels: &std::collections::BTreeMap<String, String>,
        scope: Option<&LabelScope>,
    ) -> Result<bool, StoreError> {
        let labels = serde_json::to_value(labels).unwrap_or_default();
        let row = self
            .client()
            .await?
            .query_one("SELECT in_label_scope($1, $2)", &[&labels, &write_scope(scope)])
            .await
            .map_err(StoreError::query("to compare labels with a scope"))?;
        Ok(row.get(0))
    }
}
