//! Sessions of people who signed in.

use ow_domain::config::ChangedBy;
use ow_domain::{Span, Time};
use serde_json::json;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{AccessError, SecretHash, User, audit, users};
use crate::{Store, StoreError, from_sql_time, sql_time};

/// Sessions of one user; who signs in once more loses the oldest.
const MAX_PER_USER: i64 = 50;

/// A session to be.
#[derive(Debug, Clone)]
pub struct NewSession {
    pub id: Uuid,
    pub hash: SecretHash,
    pub user_id: i64,
    /// `password`, `invitation` or `oidc`.
    pub method: &'static str,
    pub address: String,
    pub agent: String,
    /// Over after this without a request.
    pub idle: Span,
    /// Over after this in any case.
    pub lifetime: Span,
}

/// A session as its owner sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub id: Uuid,
    pub method: String,
    pub address: String,
    pub agent: String,
    pub created_at: Time,
    pub seen_at: Time,
    pub idle_until: Time,
    pub expires_at: Time,
}

/// A good session, with its user.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundSession {
    pub session: Session,
    pub user: User,
}

fn read(row: &Row) -> Session {
    Session {
        id: row.get("session_id"),
        method: row.get("method"),
        address: row.get("address"),
        agent: row.get("agent"),
        created_at: from_sql_time(row.get("session_created_at")),
        seen_at: from_sql_time(row.get("seen_at")),
        idle_until: from_sql_time(row.get("idle_until")),
        expires_at: from_sql_time(row.get("expires_at")),
    }
}

const COLUMNS: &str = "s.id AS session_id, s.method, s.address, s.agent, s.created_at AS session_created_at, s.seen_at, s.idle_until, s.expires_at";

impl Store {
    /// Begins a session; sessions that are over, and the oldest beyond 50, go. The user's last sign-in is now.
    pub async fn begin_session(&self, new: &NewSession, now: Time, by: &ChangedBy) -> Result<Session, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin a session"))?;
        let at = sql_time(now);
        let expires = sql_time(now + new.lifetime);
        let idle_until = sql_time(now + new.idle.min(new.lifetime));
        transaction
            .execute(
                "DELETE FROM access_session WHERE user_id = $1 AND (expires_at <= $2 OR idle_until <= $2
                     OR id IN (SELECT id FROM access_session WHERE user_id = $1 ORDER BY created_at DESC OFFSET $3))",
                &[&new.user_id, &at, &(MAX_PER_USER - 1)],
            )
            .await
            .map_err(StoreError::query("to end old sessions"))?;
        let row = transaction
            .query_one(
                &format!(
                    "INSERT INTO access_session AS s (id, hash, user_id, method, address, agent, created_at, seen_at, idle_until, expires_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9) RETURNING {COLUMNS}"
                ),
                &[
                    &new.id,
                    &new.hash.as_slice(),
                    &new.user_id,
                    &new.method,
                    &new.address,
                    &new.agent,
                    &at,
                    &idle_until,
                    &expires,
                ],
            )
            .await
            .map_err(StoreError::query("to write a session"))?;
        transaction
            .execute("UPDATE access_user SET last_login_at = $2 WHERE id = $1", &[&new.user_id, &at])
            .await
            .map_err(StoreError::query("to note a sign-in"))?;
        let session = read(&row);
        let after = json!({"method": new.method, "address": new.address});
        audit(&transaction, by, ("sign-in", "Session", &session.id.to_string()), None, Some(after)).await?;
        transaction.commit().await.map_err(StoreError::query("to commit a session"))?;
        Ok(session)
    }

    /// The session of a secret, if it is good and its user may still sign in. `idle`: how long it lives on without
    /// another request; written at most once a minute.
    pub async fn find_session(
        &self,
        hash: &SecretHash,
        idle: Span,
        now: Time,
    ) -> Result<Option<FoundSession>, StoreError> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(&format!(
                "SELECT {COLUMNS}, {} FROM access_session s JOIN access_user u ON u.id = s.user_id
                 WHERE s.hash = $1 AND s.expires_at > $2 AND s.idle_until > $2 AND NOT u.disabled",
                users::COLUMNS
            ))
            .await
            .map_err(StoreError::query("to prepare reading a session"))?;
        let row = client
            .query_opt(&statement, &[&hash.as_slice(), &sql_time(now)])
            .await
            .map_err(StoreError::query("to read a session"))?;
        let Some(row) = row else { return Ok(None) };
        let mut session = read(&row);
        if now.since(session.seen_at) >= Span::from_secs(60).min(idle.mul_ratio(1, 4)) {
            session.seen_at = now;
            session.idle_until = (now + idle).min(session.expires_at);
            client
                .execute(
                    "UPDATE access_session SET seen_at = $2, idle_until = $3 WHERE id = $1",
                    &[&session.id, &sql_time(now), &sql_time(session.idle_until)],
                )
                .await
                .map_err(StoreError::query("to note the use of a session"))?;
        }
        Ok(Some(FoundSession { session, user: users::read(&row)? }))
    }

    /// Good sessions of a user, newest first.
    pub async fn sessions_of(&self, user: &str, now: Time) -> Result<Vec<Session>, StoreError> {
        let rows = self
            .client()
            .await?
            .query(
                &format!(
                    "SELECT {COLUMNS} FROM access_session s JOIN access_user u ON u.id = s.user_id
                     WHERE u.name = $1 AND s.expires_at > $2 AND s.idle_until > $2 ORDER BY s.created_at DESC, s.id"
                ),
                &[&user, &sql_time(now)],
            )
            .await
            .map_err(StoreError::query("to list sessions"))?;
        Ok(rows.iter().map(read).collect())
    }

    /// Ends a session of `user`; one of somebody else does not exist.
    pub async fn end_session(&self, user: &str, id: Uuid, by: &ChangedBy) -> Result<(), AccessError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin ending a session"))?;
        let n_rows = transaction
            .execute(
                "DELETE FROM access_session s USING access_user u WHERE u.id = s.user_id AND u.name = $1 AND s.id = $2",
                &[&user, &id],
            )
            .await
            .map_err(StoreError::query("to end a session"))?;
        if n_rows == 0 {
            return Err(AccessError::NotFound { what: "session", name: id.to_string() });
        }
        audit(&transaction, by, ("sign-out", "Session", &id.to_string()), None, None).await?;
        transaction.commit().await.map_err(StoreError::query("to commit the end of a session"))?;
        Ok(())
    }

    /// Takes out what is over: sessions, invitations, sign-ins under way, wrong guesses that no longer count.
    pub async fn sweep_access(&self, now: Time, forget: Span) -> Result<u64, StoreError> {
        let client = self.client().await?;
        let mut n_rows = 0;
        for statement in [
            "DELETE FROM access_session WHERE expires_at <= $1 OR idle_until <= $1",
            "DELETE FROM access_invitation WHERE expires_at <= $1",
            "DELETE FROM access_oidc_login WHERE expires_at <= $1",
        ] {
            n_rows += client
                .execute(statement, &[&sql_time(now)])
                .await
                .map_err(StoreError::query("to sweep the sessions"))?;
        }
        let old = sql_time(Time::from_unix_micros(now.unix_micros().saturating_sub(forget.micros())));
        n_rows += client
            .execute(
                "DELETE FROM access_throttle WHERE last_at <= $1 AND (blocked_until IS NULL OR blocked_until <= $2)",
                &[&old, &sql_time(now)],
            )
            .await
            .map_err(StoreError::query("to sweep the wrong guesses"))?;
        Ok(n_rows)
    }
}
