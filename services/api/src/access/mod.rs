//! Who asks: a person's session, a person's token, the administrator token of the installation, or nobody known.
//!
//! [`authenticate`] makes a [`Principal`] of a request; the guard in front of all routes compares it with what the
//! operation needs. A session comes in a cookie, so every request of it that changes something also has to carry a
//! header that only our own pages can know; a token comes in a header and needs none. Of everything secret only hashes
//! are kept. docs/security.md tells it for operators.

mod client;
pub mod config;
pub mod cookie;
mod installation;
pub mod oidc;
pub mod password;
pub mod secret;
mod sign_in;

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use ow_domain::access::{Principal, Role, Via};
use ow_domain::{Span, Time};
use ow_store::access::{AccessError, FoundSession, ThrottlePolicy};
use ow_store::{Store, StoreError};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub use installation::{TokenHash, token_sha256};
pub use sign_in::{SignedIn, begin_session, invite, sign_in, sign_out};

use self::config::{Network, OidcConfig, PasswordConfig, SessionConfig};
use self::oidc::Provider;
use self::password::{PasswordError, Passwords};
use crate::Shared;
use crate::http::Problem;

/// Header that carries what only our own pages can know; its value comes with the session.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// What is over is taken out this often.
const SWEEP: Duration = Duration::from_secs(600);

/// What somebody unknown may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anonymous {
    #[default]
    None,
    Viewer,
}

impl Anonymous {
    pub fn role(self) -> Option<Role> {
        match self {
            Self::None => None,
            Self::Viewer => Some(Role::Viewer),
        }
    }
}

/// All that signing in and recognising people needs.
#[derive(Debug)]
pub struct Access {
    pub sessions: SessionConfig,
    pub passwords: Passwords,
    pub throttle: ThrottlePolicy,
    /// `None`: signing in at a provider is not set up.
    pub oidc: Option<Provider>,
    /// Without a slash at its end; empty when not known.
    pub public_url: String,
    /// The browser reaches us by TLS: ours, or that of the public address.
    pub secure: bool,
    trusted_proxies: Vec<Network>,
}

/// Signing in cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("passwords cannot be compared")]
    Passwords(#[from] PasswordError),
    #[error("the OpenID provider cannot be used")]
    Oidc(#[from] oidc::OidcError),
}

impl Access {
    pub fn new(
        sessions: SessionConfig,
        passwords: &PasswordConfig,
        oidc: &OidcConfig,
        (public_url, trusted_proxies): (&str, &[String]),
        is_tls: bool,
    ) -> Result<Self, SetupError> {
        let public_url = public_url.trim_end_matches('/').to_owned();
        Ok(Self {
            passwords: Passwords::new(passwords)?,
            oidc: if oidc.issuer.is_empty() { None } else { Some(Provider::new(oidc, &public_url)?) },
            secure: is_tls || public_url.starts_with("https://"),
            trusted_proxies: trusted_proxies.iter().filter_map(|proxy| proxy.parse().ok()).collect(),
            throttle: ThrottlePolicy::default(),
            sessions,
            public_url,
        })
    }

    pub fn idle(&self) -> Span {
        Span::from_std(self.sessions.idle.0)
    }
}

/// The time of this machine.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Where a request comes from; an extractor.
#[derive(Debug, Clone)]
pub struct Client {
    pub address: IpAddr,
    /// Of the browser, cut.
    pub agent: String,
    pub headers: HeaderMap,
}

impl FromRequestParts<Arc<Shared>> for Client {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Self::Rejection> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self {
            address: client::address(parts, &shared.access.trusted_proxies),
            agent: agent.chars().take(200).collect(),
            headers: parts.headers.clone(),
        })
    }
}

/// Where a request comes from, also behind a proxy that is trusted.
pub fn address(shared: &Shared, parts: &Parts) -> IpAddr {
    client::address(parts, &shared.access.trusted_proxies)
}

/// Who sent a request. A wrong token is refused, also where nobody need be known: it is a mistake.
pub async fn authenticate(shared: &Shared, parts: &Parts) -> Result<Principal, Problem> {
    if let Some(authorization) = parts.headers.get(header::AUTHORIZATION) {
        let authorization = authorization.to_str().ok();
        if shared.token.as_ref().is_some_and(|token| token.admits(authorization)) {
            return Ok(Principal::installation());
        }
        return by_token(shared, parts, authorization).await;
    }
    match session(shared, &parts.headers).await? {
        Some((secret, found)) => {
            check_origin(&parts.method, &parts.headers, &secret)?;
            let user = found.user;
            Ok(Principal::session(&user.name, user.role, user.label_scope, found.session.id.to_string()))
        }
        None if cookie::SESSION.read(&parts.headers, shared.access.secure).is_some() => {
            // Reading that is open to everybody stays open when a session has ended.
            match shared.anonymous.role() {
                Some(role) => Ok(Principal::anonymous(Some(role))),
                None => Err(Problem::unauthorized("the session is over; sign in again")),
            }
        }
        None => Ok(Principal::anonymous(shared.anonymous.role())),
    }
}

async fn by_token(shared: &Shared, parts: &Parts, authorization: Option<&str>) -> Result<Principal, Problem> {
    let unknown = || {
        Problem::unauthorized(
            "the token is not known or has expired; send 'Authorization: Bearer <token>' with a valid one",
        )
    };
    let (scheme, token) = authorization.and_then(|text| text.split_once(' ')).ok_or_else(unknown)?;
    let token = token.trim();
    let inner = token.strip_prefix(secret::TOKEN_PREFIX).ok_or_else(unknown)?;
    if !scheme.eq_ignore_ascii_case("bearer") || !secret::is_well_formed(inner) {
        return Err(unknown());
    }
    let address = client::address(parts, &shared.access.trusted_proxies).to_string();
    let found = shared.store.find_token(&secret::hash(token), &address, now()).await;
    let found = found.map_err(|error| Problem::unavailable(&error))?.ok_or_else(unknown)?;
    let (token, user) = (found.token, found.user);
    Ok(Principal::token(
        &user.name,
        user.role,
        user.label_scope.as_ref(),
        (&token.name, token.id.to_string()),
        token.scopes,
        token.label_scope.as_ref(),
    ))
}

/// The good session of the browser, with its secret.
pub async fn session(shared: &Shared, headers: &HeaderMap) -> Result<Option<(String, FoundSession)>, Problem> {
    let Some(secret) = cookie::SESSION.read(headers, shared.access.secure) else { return Ok(None) };
    if !secret::is_well_formed(&secret) {
        return Ok(None);
    }
    let found = shared.store.find_session(&secret::hash(&secret), shared.access.idle(), now()).await;
    Ok(found.map_err(|error| Problem::unavailable(&error))?.map(|found| (secret, found)))
}

/// What a page has to send along with a change; bound to the session, and of no use to find the session.
pub fn csrf_token(session_secret: &str) -> String {
    secret::derive("csrf", session_secret)
}

/// A change that comes by a session was asked for by a page of ours.
fn check_origin(method: &Method, headers: &HeaderMap, session_secret: &str) -> Result<(), Problem> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let given = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if secret::is_same(given, &csrf_token(session_secret)) && !is_from_elsewhere(headers) {
        return Ok(());
    }
    let detail = "send the header 'X-CSRF-Token' with the csrf_token of GET /api/v1/session";
    Err(Problem::forbidden("csrf", detail))
}

/// The browser says that a page of another site made the request.
pub fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// The person who signed in; tokens and the installation are none.
pub fn person(principal: &Principal) -> Result<&str, Problem> {
    match (&principal.via, &principal.user) {
        (Via::Session { .. }, Some(user)) => Ok(user),
        _ => Err(Problem::forbidden("person-needed", "only a person who signed in may do this; a token may not")),
    }
}

/// Managing people and their tokens reaches beyond any label scope.
pub fn unscoped(principal: &Principal) -> Result<(), Problem> {
    if principal.label_scope.is_none() {
        return Ok(());
    }
    Err(Problem::forbidden("scoped", "only somebody who sees all channels may do this"))
}

/// Why people, sessions or tokens were not changed.
pub fn refused(error: AccessError) -> Problem {
    match error {
        AccessError::Store(error) => failed(error),
        AccessError::NotFound { what, name } => Problem::not_found(what, &name),
        AccessError::Stale { current, .. } => Problem::stale(crate::http::ETag(current)),
        error @ AccessError::Exists { .. } => Problem::conflict("exists", error.to_string()),
        error @ AccessError::LastAdmin { .. } => Problem::conflict("last-admin", error.to_string()),
    }
}

/// The database failed.
pub fn failed(error: StoreError) -> Problem {
    Problem::unavailable(&error)
}

/// A password could not be hashed or compared.
pub fn no_hash(error: PasswordError) -> Problem {
    match error {
        PasswordError::Busy => {
            let detail = "many people sign in at this moment; try again";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Temporarily unavailable", detail)
                .header(header::RETRY_AFTER, "2")
        }
        error => Problem::internal(error.to_string()),
    }
}

/// Takes out what is over, until `stop`.
pub async fn sweep(store: Store, forget: Span, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
        match store.sweep_access(now(), forget).await {
            Ok(0) => {}
            Ok(n_rows) => tracing::debug!(n_rows, "ended sessions and invitations deleted"),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "ended sessions were not deleted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_change_by_a_session_needs_the_header_of_that_session() {
        let good = csrf_token("geheim");
        let other = csrf_token("anderes");
        for (method, token, site, admitted) in [
            (Method::GET, None, Some("cross-site"), true),
            (Method::HEAD, None, None, true),
            (Method::POST, None, None, false),
            (Method::POST, Some(""), None, false),
            (Method::POST, Some("geheim"), None, false),
            (Method::POST, Some(other.as_str()), None, false),
            (Method::POST, Some(good.as_str()), None, true),
            (Method::DELETE, Some(good.as_str()), Some("same-origin"), true),
            (Method::PATCH, Some(good.as_str()), Some("cross-site"), false),
            (Method::PUT, Some(good.as_str()), Some("same-site"), false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(CSRF_HEADER, token), ("sec-fetch-site", site)] {
                if let Some(value) = value {
                    headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
                }
            }
            assert_eq!(check_origin(&method, &headers, "geheim").is_ok(), admitted, "{method} {token:?} {site:?}");
        }
    }
}
