//! Bearer tokens of people.

use ow_domain::access::{LabelScope, Permissions};
use ow_domain::config::ChangedBy;
use ow_domain::{Span, Time};
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::{AccessError, SecretHash, User, audit, read_scope, revision, users, write_scope};
use crate::{Store, StoreError, from_sql_time, sql_time};

/// The use of a token is written when the last one noted is older.
const NOTE_USE: Span = Span::from_secs(60);

/// A token to be.
#[derive(Debug, Clone)]
pub struct NewToken {
    pub name: String,
    /// Name of its owner.
    pub user: String,
    pub hash: SecretHash,
    pub hint: String,
    pub scopes: Permissions,
    pub label_scope: Option<LabelScope>,
    pub expires_at: Option<Time>,
}

/// A token as it is listed; the secret is not known here.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub id: i64,
    pub name: String,
    pub user: String,
    pub hint: String,
    pub scopes: Permissions,
    pub label_scope: Option<LabelScope>,
    pub revision: u64,
    pub created_at: Time,
    pub changed_at: Time,
    pub expires_at: Option<Time>,
    pub last_used_at: Option<Time>,
    pub last_used_from: Option<String>,
}

/// A good token, with its owner.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundToken {
    pub token: Token,
    pub user: User,
}

/// Which tokens are listed, by id.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenFilter {
    pub after: Option<i64>,
    /// Of this user only.
    pub user: Option<String>,
    pub limit: u32,
}

const COLUMNS: &str = "t.id AS token_id, t.name AS token_name, u.name AS owner, t.hint, t.scopes, t.label_scope AS token_scope,
    t.revision AS token_revision, t.created_at AS token_created_at, t.changed_at AS token_changed_at, t.expires_at, t.last_used_at, t.last_used_from";

fn read(row: &Row) -> Result<Token, StoreError> {
    let scopes = serde_json::from_value(row.get("scopes"))
        .map_err(|error| StoreError::Corrupt { what: "the scopes of a token", reason: error.to_string() })?;
    Ok(Token {
        id: row.get("token_id"),
        name: row.get("token_name"),
        user: row.get("owner"),
        hint: row.get("hint"),
        scopes,
        label_scope: read_scope(row.get("token_scope"))?,
        revision: revision(row.get("token_revision")),
        created_at: from_sql_time(row.get("token_created_at")),
        changed_at: from_sql_time(row.get("token_changed_at")),
        expires_at: row.get::<_, Option<_>>("expires_at").map(from_sql_time),
        last_used_at: row.get::<_, Option<_>>("last_used_at").map(from_sql_time),
        last_used_from: row.get("last_used_from"),
    })
}

fn shown(token: &Token) -> Value {
    json!({
        "user": token.user, "name": token.name, "scopes": token.scopes, "label_scope": token.label_scope,
        "expires_at": token.expires_at,
    })
}

impl Store {
    /// Makes a token. [`AccessError::Exists`] when its owner has one of this name.
    pub async fn create_token(&self, new: &NewToken, now: Time, by: &ChangedBy) -> Result<Token, AccessError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin a token"))?;
        let row = transaction
            .query_opt(
                &format!(
                    "WITH t AS (INSERT INTO access_token (name, user_id, hash, hint, scopes, label_scope, created_at, changed_at, expires_at)
                         SELECT $1, id, $3, $4, $5, $6, $7, $7, $8 FROM access_user WHERE name = $2 RETURNING *)
                     SELECT {COLUMNS} FROM t JOIN access_user u ON u.id = t.user_id"
                ),
                &[
                    &new.name,
                    &new.user,
                    &new.hash.as_slice(),
                    &new.hint,
                    &serde_json::to_value(new.scopes).unwrap_or_default(),
                    &write_scope(new.label_scope.as_ref()),
                    &sql_time(now),
                    &new.expires_at.map(sql_time),
                ],
            )
            .await
            .map_err(|error| match error.code() {
                Some(&SqlState::UNIQUE_VIOLATION) => AccessError::Exists { what: "token", name: new.name.clone() },
                _ => StoreError::query("to write a token")(error).into(),
            })?
            .ok_or_else(|| AccessError::NotFound { what: "user", name: new.user.clone() })?;
        let token = read(&row)?;
        audit(&transaction, by, ("create", "Token", &token.id.to_string()), None, Some(shown(&token))).await?;
        transaction.commit().await.map_err(StoreError::query("to commit a token"))?;
        Ok(token)
    }

    /// The token of a secret, if it has not expired and its owner may still sign in. The use is noted once a minute.
    pub async fn find_token(
        &self,
        hash: &SecretHash,
        address: &str,
        now: Time,
    ) -> Result<Option<FoundToken>, StoreError> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(&format!(
                "SELECT {COLUMNS}, {} FROM access_token t JOIN access_user u ON u.id = t.user_id
                 WHERE t.hash = $1 AND (t.expires_at IS NULL OR t.expires_at > $2) AND NOT u.disabled",
                users::COLUMNS
            ))
            .await
            .map_err(StoreError::query("to prepare reading a token"))?;
        let row = client
            .query_opt(&statement, &[&hash.as_slice(), &sql_time(now)])
            .await
            .map_err(StoreError::query("to read a token"))?;
        let Some(row) = row else { return Ok(None) };
        let token = read(&row)?;
        if token.last_used_at.is_none_or(|last| now.since(last) >= NOTE_USE) {
            client
                .execute(
                    "UPDATE access_token SET last_used_at = $2, last_used_from = $3 WHERE id = $1",
                    &[&token.id, &sql_time(now), &address],
                )
                .await
                .map_err(StoreError::query("to note the use of a token"))?;
        }
        Ok(Some(FoundToken { token, user: users::read(&row)? }))
    }

    /// Tokens by id, expired ones too.
    pub async fn tokens(&self, filter: &TokenFilter) -> Result<Vec<Token>, StoreError> {
        let rows = self
            .client()
            .await?
            .query(
                &format!(
                    "SELECT {COLUMNS} FROM access_token t JOIN access_user u ON u.id = t.user_id
                     WHERE ($1::bigint IS NULL OR t.id > $1) AND ($2::text IS NULL OR u.name = $2) ORDER BY t.id LIMIT $3"
                ),
                &[&filter.after, &filter.user, &i64::from(filter.limit)],
            )
            .await
            .map_err(StoreError::query("to list tokens"))?;
        rows.iter().map(read).collect()
    }

    /// One token; with `user`, only if it is theirs.
    pub async fn token(&self, id: i64, user: Option<&str>) -> Result<Option<Token>, StoreError> {
        let row = self
            .client()
            .await?
            .query_opt(
                &format!(
                    "SELECT {COLUMNS} FROM access_token t JOIN access_user u ON u.id = t.user_id
                     WHERE t.id = $1 AND ($2::text IS NULL OR u.name = $2)"
                ),
                &[&id, &user],
            )
            .await
            .map_err(StoreError::query("to read a token"))?;
        row.as_ref().map(read).transpose()
    }

    /// Renames a token or changes when it ends. What it may do is fixed: make another one.
    pub async fn update_token(
        &self,
        id: i64,
        user: Option<&str>,
        (name, expires_at): (Option<&str>, Option<Option<Time>>),
        expected: Option<u64>,
        now: Time,
        by: &ChangedBy,
    ) -> Result<Token, AccessError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin a change of a token"))?;
        let before = locked(&transaction, id, user, expected).await?;
        let expiry = expires_at.unwrap_or(before.expires_at);
        let row = transaction
            .query_one(
                &format!(
                    "UPDATE access_token t SET name = $2, expires_at = $3, changed_at = $4, revision = t.revision + 1
                     FROM access_user u WHERE t.id = $1 AND u.id = t.user_id RETURNING {COLUMNS}"
                ),
                &[&id, &name.unwrap_or(&before.name), &expiry.map(sql_time), &sql_time(now)],
            )
            .await
            .map_err(|error| match error.code() {
                Some(&SqlState::UNIQUE_VIOLATION) => {
                    AccessError::Exists { what: "token", name: name.unwrap_or_default().to_owned() }
                }
                _ => StoreError::query("to change a token")(error).into(),
            })?;
        let after = read(&row)?;
        let shows = (Some(shown(&before)), Some(shown(&after)));
        audit(&transaction, by, ("update", "Token", &id.to_string()), shows.0, shows.1).await?;
        transaction.commit().await.map_err(StoreError::query("to commit a change of a token"))?;
        Ok(after)
    }

    /// Takes a token away; it is refused from now on. With `user`, only if it is theirs.
    pub async fn delete_token(
        &self,
        id: i64,
        user: Option<&str>,
        expected: Option<u64>,
        by: &ChangedBy,
    ) -> Result<(), AccessError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin deleting a token"))?;
        let before = locked(&transaction, id, user, expected).await?;
        transaction
            .execute("DELETE FROM access_token WHERE id = $1", &[&id])
            .await
            .map_err(StoreError::query("to delete a token"))?;
        audit(&transaction, by, ("delete", "Token", &id.to_string()), Some(shown(&before)), None).await?;
        transaction.commit().await.map_err(StoreError::query("to commit deleting a token"))?;
        Ok(())
    }
}

async fn locked(
    transaction: &tokio_postgres::Transaction<'_>,
    id: i64,
    user: Option<&str>,
    expected: Option<u64>,
) -> Result<Token, AccessError> {
    let row = transaction
        .query_opt(
            &format!(
                "SELECT {COLUMNS} FROM access_token t JOIN access_user u ON u.id = t.user_id
                 WHERE t.id = $1 AND ($2::text IS NULL OR u.name = $2) FOR UPDATE OF t"
            ),
            &[&id, &user],
        )
        .await
        .map_err(StoreError::query("to read a token before a change"))?
        .ok_or_else(|| AccessError::NotFound { what: "token", name: id.to_string() })?;
    let token = read(&row)?;
    match expected {
        Some(expected) if expected != token.revision => {
            Err(AccessError::Stale { name: id.to_string(), current: token.revision })
        }
        _ => Ok(token),
    }
}
