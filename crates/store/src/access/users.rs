//! People.

use ow_domain::Time;
use ow_domain::access::{LabelScope, Role};
use ow_domain::config::ChangedBy;
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Row, Transaction};

use super::{AccessError, audit, read_role, read_scope, revision, write_scope};
use crate::{Store, StoreError, from_sql_time, sql_time};

/// Somebody who may sign in. Never with the password's hash.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub id: i64,
    pub name: String,
    pub display_name: String,
    pub email: String,
    pub role: Role,
    pub label_scope: Option<LabelScope>,
    pub has_password: bool,
    /// Issuer of the OpenID provider at which this person signs in.
    pub issuer: Option<String>,
    pub disabled: bool,
    pub revision: u64,
    pub created_at: Time,
    pub changed_at: Time,
    pub last_login_at: Option<Time>,
}

/// What a new user is.
#[derive(Debug, Clone, PartialEq)]
pub struct NewUser {
    pub name: String,
    pub display_name: String,
    pub email: String,
    pub role: Role,
    pub label_scope: Option<LabelScope>,
    /// Argon2id in PHC form; without one the user needs an invitation or an identity provider.
    pub password: Option<String>,
}

/// What changes of a user; `None` stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UserChange {
    pub display_name: Option<String>,
    pub email: Option<String>,
    pub role: Option<Role>,
    /// `Some(None)` takes the scope away.
    pub label_scope: Option<Option<LabelScope>>,
    pub disabled: Option<bool>,
}

/// Somebody as an OpenID provider knows them, with what its claims are mapped to.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    pub issuer: String,
    pub subject: String,
    /// Name here, when seen for the first time.
    pub name: String,
    pub display_name: String,
    pub email: String,
    pub role: Role,
    pub label_scope: Option<LabelScope>,
}

/// Who is listed: by name, after `after`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UserFilter {
    pub after: Option<String>,
    pub role: Option<Role>,
    pub disabled: Option<bool>,
    /// Part of name, display name or address.
    pub search: Option<String>,
    /// Most users given.
    pub limit: u32,
}

/// What signing in by password compares with.
#[derive(Clone)]
pub struct PasswordOf {
    pub user: User,
    /// Argon2id in PHC form.
    pub password: Option<String>,
}

impl std::fmt::Debug for PasswordOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordOf").field("user", &self.user.name).finish_non_exhaustive()
    }
}

pub(super) const COLUMNS: &str =
    "u.id, u.name, u.display_name, u.email, u.role, u.label_scope, u.password IS NOT NULL AS has_password,
    u.issuer, u.disabled, u.revision, u.created_at, u.changed_at, u.last_login_at";

pub(super) fn read(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: row.get("id"),
        name: row.get("name"),
        display_name: row.get("display_name"),
        email: row.get("email"),
        role: read_role(row.get("role"))?,
        label_scope: read_scope(row.get("label_scope"))?,
        has_password: row.get("has_password"),
        issuer: row.get("issuer"),
        disabled: row.get("disabled"),
        revision: revision(row.get("revision")),
        created_at: from_sql_time(row.get("created_at")),
        changed_at: from_sql_time(row.get("changed_at")),
        last_login_at: row.get::<_, Option<_>>("last_login_at").map(from_sql_time),
    })
}

/// For the audit trail.
fn shown(user: &User) -> Value {
    json!({
        "display_name": user.display_name, "email": user.email, "role": user.role,
        "label_scope": user.label_scope, "disabled": user.disabled, "issuer": user.issuer,
    })
}

impl Store {
    /// Makes a user. [`AccessError::Exists`] when the name is taken.
    pub async fn create_user(&self, new: &NewUser, now: Time, by: &ChangedBy) -> Result<User, AccessError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin a new user"))?;
        let changed = new.password.as_ref().map(|_| sql_time(now));
        let row = transaction
            .query_one(
                &format!(
                    "INSERT INTO access_user AS u (name, display_name, email, role, label_scope, password, password_changed_at, created_at, changed_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) RETURNING {COLUMNS}"
                ),
                &[
                    &new.name,
                    &new.display_name,
                    &new.email,
                    &new.role.as_str(),
                    &write_scope(new.label_scope.as_ref()),
                    &new.password,
                    &changed,
                    &sql_time(now),
                ],
            )
            .await
            .map_err(|error| match error.code() {
                Some(&SqlState::UNIQUE_VIOLATION) => AccessError::Exists { what: "user", name: new.name.clone() },
                _ => StoreError::query("to write a user")(error).into(),
            })?;
        let user = read(&row)?;
        audit(&transaction, by, ("create", "User", &user.name), None, Some(shown(&user))).await?;
        transaction.commit().await.map_err(StoreError::query("to commit a new user"))?;
        Ok(user)
    }

    /// Changes a user. `expected`: the revision it was read with; `None` changes whatever is there.
    pub async fn update_user(
        &self,
        name: &str,
        change: &UserChange,
        expected: Option<u64>,
        now: Time,
        by: &ChangedBy,
    ) -> Result<User, AccessError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin a change of a user"))?;
        let before = locked(&transaction, name, expected).await?;
        let mut after = before.clone();
        if let Some(text) = &change.display_name {
            after.display_name.clone_from(text);
        }
        if let Some(text) = &change.email {
            after.email.clone_from(text);
        }
        after.role = change.role.unwrap_or(before.role);
        after.disabled = change.disabled.unwrap_or(before.disabled);
        if let Some(scope) = &change.label_scope {
            after.label_scope.clone_from(scope);
        }
        if after == before {
            return Ok(before);
        }
        let loses = before.role == Role::Admin && !before.disabled && (after.role != Role::Admin || after.disabled);
        if loses {
            another_admin(&transaction, &before).await?;
        }
        let row = transaction
            .query_one(
                &format!(
                    "UPDATE access_user u SET display_name = $2, email = $3, role = $4, label_scope = $5, disabled = $6,
                         changed_at = $7, revision = revision + 1 WHERE id = $1 RETURNING {COLUMNS}"
                ),
                &[
                    &before.id,
                    &after.display_name,
                    &after.email,
                    &after.role.as_str(),
                    &write_scope(after.label_scope.as_ref()),
                    &after.disabled,
                    &sql_time(now),
                ],
            )
            .await
            .map_err(StoreError::query("to change a user"))?;
        let after = read(&row)?;
        if after.disabled {
            transaction
                .execute("DELETE FROM access_session WHERE user_id = $1", &[&after.id])
                .await
                .map_err(StoreError::query("to end sessions"))?;
        }
        audit(&transaction, by, ("update", "User", name), Some(shown(&before)), Some(shown(&after))).await?;
        transaction.commit().await.map_err(StoreError::query("to commit a change of a user"))?;
        Ok(after)
    }

    /// Takes a user away, with sessions and tokens.
    pub async fn delete_user(&self, name: &str, expected: Option<u64>, by: &ChangedBy) -> Result<(), AccessError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin deleting a user"))?;
        let before = locked(&transaction, name, expected).await?;
        if before.role == Role::Admin && !before.disabled {
            another_admin(&transaction, &before).await?;
        }
        transaction
            .execute("DELETE FROM access_user WHERE id = $1", &[&before.id])
            .await
            .map_err(StoreError::query("to delete a user"))?;
        audit(&transaction, by, ("delete", "User", name), Some(shown(&before)), None).await?;
        transaction.commit().await.map_err(StoreError::query("to commit deleting a user"))?;
        Ok(())
    }

    /// Sets the password (argon2id, PHC form) and ends all sessions of the user but `keep`; invitations end too.
    pub async fn set_password(
        &self,
        name: &str,
        password: &str,
        keep: Option<uuid::Uuid>,
        now: Time,
        by: &ChangedBy,
    ) -> Result<(), AccessError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin a change of a password"))?;
        let user = locked(&transaction, name, None).await?;
        set_password(&transaction, &user, password, keep, now).await?;
        audit(&transaction, by, ("change-password", "User", name), None, None).await?;
        transaction.commit().await.map_err(StoreError::query("to commit a change of a password"))?;
        Ok(())
    }

    pub async fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(&format!("SELECT {COLUMNS} FROM access_user u WHERE u.name = $1"))
            .await
            .map_err(StoreError::query("to prepare reading a user"))?;
        let row = client.query_opt(&statement, &[&name]).await.map_err(StoreError::query("to read a user"))?;
        row.as_ref().map(read).transpose()
    }

    /// A user with the hash of the password, for signing in.
    pub async fn password_of(&self, name: &str) -> Result<Option<PasswordOf>, StoreError> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(&format!("SELECT {COLUMNS}, u.password AS hash FROM access_user u WHERE u.name = $1"))
            .await
            .map_err(StoreError::query("to prepare reading a user"))?;
        let row = client.query_opt(&statement, &[&name]).await.map_err(StoreError::query("to read a user"))?;
        row.map(|row| Ok(PasswordOf { user: read(&row)?, password: row.get("hash") })).transpose()
    }

    /// Users by name.
    pub async fn users(&self, filter: &UserFilter) -> Result<Vec<User>, StoreError> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM access_user u
                 WHERE ($1::text IS NULL OR u.name > $1) AND ($2::text IS NULL OR u.role = $2)
                   AND ($3::boolean IS NULL OR u.disabled = $3)
                   AND ($4::text IS NULL OR strpos(lower(u.name || ' ' || u.display_name || ' ' || u.email), lower($4)) > 0)
                 ORDER BY u.name LIMIT $5"
            ))
            .await
            .map_err(StoreError::query("to prepare listing users"))?;
        let rows = client
            .query(
                &statement,
                &[
                    &filter.after,
                    &filter.role.map(Role::as_str),
                    &filter.disabled,
                    &filter.search,
                    &i64::from(filter.limit),
                ],
            )
            .await
            .map_err(StoreError::query("to list users"))?;
        rows.iter().map(read).collect()
    }

    /// How many administrators can sign in now.
    pub async fn n_admins(&self) -> Result<u64, StoreError> {
        let row = self
            .client()
            .await?
            .query_one(
                "SELECT count(*) FROM access_user WHERE role = 'admin' AND NOT disabled AND (password IS NOT NULL OR issuer IS NOT NULL)",
                &[],
            )
            .await
            .map_err(StoreError::query("to count administrators"))?;
        Ok(revision(row.get(0)))
    }

    /// Makes or renews the user of an identity: what the provider says of a person is what counts here. The name of a
    /// local user is never taken over: [`AccessError::Exists`]. A disabled user stays disabled.
    pub async fn sign_in_identity(&self, identity: &Identity, now: Time, by: &ChangedBy) -> Result<User, AccessError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin a sign-in"))?;
        let found = transaction
            .query_opt(
                &format!("SELECT {COLUMNS} FROM access_user u WHERE u.issuer = $1 AND u.subject = $2 FOR UPDATE"),
                &[&identity.issuer, &identity.subject],
            )
            .await
            .map_err(StoreError::query("to read a user by identity"))?;
        let before = found.as_ref().map(read).transpose()?;
        if let Some(before) = &before
            && before.role == Role::Admin
            && !before.disabled
            && identity.role != Role::Admin
        {
            another_admin(&transaction, before).await?;
        }
        let scope = write_scope(identity.label_scope.as_ref());
        let row = match &before {
            Some(before) => {
                let same = before.display_name == identity.display_name
                    && before.email == identity.email
                    && before.role == identity.role
                    && before.label_scope == identity.label_scope;
                if same {
                    return Ok(before.clone());
                }
                transaction
                    .query_one(
                        &format!(
                            "UPDATE access_user u SET display_name = $2, email = $3, role = $4, label_scope = $5, changed_at = $6,
                                 revision = revision + 1 WHERE id = $1 RETURNING {COLUMNS}"
                        ),
                        &[
                            &before.id,
                            &identity.display_name,
                            &identity.email,
                            &identity.role.as_str(),
                            &scope,
                            &sql_time(now),
                        ],
                    )
                    .await
                    .map_err(StoreError::query("to renew a user"))?
            }
            None => transaction
                .query_one(
                    &format!(
                        "INSERT INTO access_user AS u (name, display_name, email, role, label_scope, issuer, subject, created_at, changed_at)
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) RETURNING {COLUMNS}"
                    ),
                    &[
                        &identity.name,
                        &identity.display_name,
                        &identity.email,
                        &identity.role.as_str(),
                        &scope,
                        &identity.issuer,
                        &identity.subject,
                        &sql_time(now),
                    ],
                )
                .await
                .map_err(|error| match error.code() {
                    Some(&SqlState::UNIQUE_VIOLATION) => {
                        AccessError::Exists { what: "user", name: identity.name.clone() }
                    }
                    _ => StoreError::query("to write a user")(error).into(),
                })?,
        };
        let after = read(&row)?;
        let action = if before.is_some() { "update" } else { "create" };
        audit(&transaction, by, (action, "User", &after.name), before.as_ref().map(shown), Some(shown(&after))).await?;
        transaction.commit().await.map_err(StoreError::query("to commit a sign-in"))?;
        Ok(after)
    }
}

/// The user, locked until the end of the transaction.
async fn locked(transaction: &Transaction<'_>, name: &str, expected: Option<u64>) -> Result<User, AccessError> {
    let row = transaction
        .query_opt(&format!("SELECT {COLUMNS} FROM access_user u WHERE u.name = $1 FOR UPDATE"), &[&name])
        .await
        .map_err(StoreError::query("to read a user before a change"))?
        .ok_or_else(|| AccessError::NotFound { what: "user", name: name.to_owned() })?;
    let user = read(&row)?;
    if expected.is_some_and(|expected| expected != user.revision) {
        return Err(AccessError::Stale { name: name.to_owned(), current: user.revision });
    }
    Ok(user)
}

/// Refuses to lose the last administrator who can sign in. All administrators are locked, so that two who remove each
/// other at the same time do not both succeed.
async fn another_admin(transaction: &Transaction<'_>, user: &User) -> Result<(), AccessError> {
    transaction
        .execute("SELECT pg_advisory_xact_lock(hashtextextended('ottwatch-last-admin', 0))", &[])
        .await
        .map_err(StoreError::query("to lock the administrators"))?;
    let others: i64 = transaction
        .query_one(
            "SELECT count(*) FROM access_user WHERE role = 'admin' AND NOT disabled AND (password IS NOT NULL OR issuer IS NOT NULL) AND id <> $1",
            &[&user.id],
        )
        .await
        .map_err(StoreError::query("to count administrators"))?
        .get(0);
    if others == 0 { Err(AccessError::LastAdmin { name: user.name.clone() }) } else { Ok(()) }
}

pub(super) async fn set_password(
    transaction: &Transaction<'_>,
    user: &User,
    password: &str,
    keep: Option<uuid::Uuid>,
    now: Time,
) -> Result<(), StoreError> {
    transaction
        .execute(
            "UPDATE access_user SET password = $2, password_changed_at = $3, changed_at = $3, revision = revision + 1 WHERE id = $1",
            &[&user.id, &password, &sql_time(now)],
        )
        .await
        .map_err(StoreError::query("to set a password"))?;
    transaction
        .execute("DELETE FROM access_session WHERE user_id = $1 AND ($2::uuid IS NULL OR id <> $2)", &[&user.id, &keep])
        .await
        .map_err(StoreError::query("to end sessions"))?;
    transaction
        .execute("DELETE FROM access_invitation WHERE user_id = $1", &[&user.id])
        .await
        .map_err(StoreError::query("to end invitations"))?;
    Ok(())
}
