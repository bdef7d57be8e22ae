//! Signing in and out. A wrong name and a wrong password look the same and take the same time.

use axum::http::HeaderValue;
use ow_domain::config::ChangedBy;
use ow_domain::{Span, Time};
use ow_store::access::{NewSession, Session, ThrottleKey, User};
use serde_json::json;
use uuid::Uuid;

use super::{Client, cookie, failed, no_hash, now, refused, secret};
use crate::Shared;
use crate::http::Problem;

/// A session that has just begun.
#[derive(Debug)]
pub struct SignedIn {
    pub user: User,
    pub session: Session,
    pub csrf_token: String,
    /// `Set-Cookie`.
    pub cookie: HeaderValue,
}

/// Signs in by name and password.
pub async fn sign_in(shared: &Shared, name: &str, password: String, client: &Client) -> Result<SignedIn, Problem> {
    if super::is_from_elsewhere(&client.headers) {
        return Err(Problem::forbidden("csrf", "a page of another site may not sign anybody in"));
    }
    let policy = &shared.access.throttle;
    let name = name.trim().to_lowercase();
    let keys = [ThrottleKey::account(&name, policy), ThrottleKey::address(client.address, policy)];
    let counted = shared.store.count_attempt(&keys, policy, now()).await.map_err(failed)?;
    counted.map_err(|blocked| too_many(blocked.until))?;
    // A name with a NUL is no text for the database; like any other wrong name it is nobody's.
    let found = if name.len() > 127 || name.contains('\0') {
        None
    } else {
        shared.store.password_of(&name).await.map_err(failed)?
    };
    let stored = found.as_ref().filter(|found| !found.user.disabled).and_then(|found| found.password.as_deref());
    let is_account = stored.is_some();
    let is_right = shared.access.passwords.verify(stored, password).await.map_err(no_hash)?;
    let Some(found) = found.filter(|_| is_right) else {
        // What was typed as a name may be a password: it is not kept.
        let known = if is_account { name.as_str() } else { "(unknown)" };
        let by = ChangedBy { actor: "anonymous".into(), source: "api".into() };
        let after = json!({"address": client.address});
        shared.store.write_audit(&by, ("sign-in-refused", "User", known), Some(after)).await.map_err(failed)?;
        return Err(Problem::unauthorized("name or password is wrong"));
    };
    shared.store.forgive_attempt(&keys).await.map_err(failed)?;
    begin_session(shared, found.user, "password", client).await
}

/// Begins a session with a new secret, whatever the browser had before.
pub async fn begin_session(
    shared: &Shared,
    user: User,
    method: &'static str,
    client: &Client,
) -> Result<SignedIn, Problem> {
    let secret = secret::random().map_err(|error| Problem::internal(error.to_string()))?;
    let lifetime = Span::from_std(shared.access.sessions.lifetime.0);
    let new = NewSession {
        id: Uuid::new_v4(),
        hash: secret::hash(&secret),
        user_id: user.id,
        method,
        address: client.address.to_string(),
        agent: client.agent.clone(),
        idle: shared.access.idle(),
        lifetime,
    };
    let by = ChangedBy { actor: format!("user:{}", user.name), source: "api".into() };
    let session = shared.store.begin_session(&new, now(), &by).await.map_err(failed)?;
    let seconds = lifetime.micros() / 1_000_000;
    Ok(SignedIn {
        user,
        session,
        csrf_token: super::csrf_token(&secret),
        cookie: cookie::SESSION.write(&secret, shared.access.secure, seconds),
    })
}

/// Ends the session and takes its cookie away.
pub async fn sign_out(shared: &Shared, user: &str, id: Uuid, by: &ChangedBy) -> Result<HeaderValue, Problem> {
    shared.store.end_session(user, id, by).await.map_err(refused)?;
    Ok(cookie::SESSION.write("", shared.access.secure, 0))
}

/// A new invitation: the code, and when it ends.
pub async fn invite(shared: &Shared, user: &User, by: &ChangedBy) -> Result<(String, Time), Problem> {
    let code = secret::random().map_err(|error| Problem::internal(error.to_string()))?;
    let now = now();
    let expires_at = now + Span::from_std(shared.access.sessions.invitation.0);
    shared.store.invite(user, &secret::hash(&code), now, expires_at, by).await.map_err(refused)?;
    Ok((code, expires_at))
}

fn too_many(until: Time) -> Problem {
    let seconds = until.since(now()).micros().max(0).unsigned_abs().div_ceil(1_000_000);
    Problem::too_many(format!("too many wrong attempts; try again in {} s", seconds.max(1)), seconds)
}
