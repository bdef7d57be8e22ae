//! Signing in at an OpenID provider: authorization code with PKCE (RFC 7636), state and nonce bound to the browser.
//!
//! The browser gets one secret in a cookie; nonce and PKCE verifier are derived from it, so that nothing secret is
//! stored here. Each state is good for one answer. What the provider says of a person is what counts: role and label
//! scope are those of its claims at every sign-in.

mod claims;
mod jwt;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ow_domain::access::{LabelScope, Role};
use ow_domain::{Span, Time};
use ow_store::Store;
use ow_store::access::Identity;
use reqwest::Client;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use self::jwt::{Expected, Key, TokenFault};
use super::config::OidcConfig;
use super::{cookie, failed, secret};
use crate::http::Problem;

/// A sign-in at the provider takes no longer than this.
const PATIENCE: Span = Span::from_secs(600);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses and keys of the provider are asked for again after this.
const CACHE: Duration = Duration::from_secs(3600);
/// For a key that is not known they are asked for again, but no more often than this.
const REFRESH: Duration = Duration::from_secs(20);
/// Of an answer, no more than this is read.
const MAX_ANSWER: usize = 256 << 10;

/// What went wrong. Texts never hold a token, code or secret.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    #[error("{0}")]
    Setup(String),
    #[error("{what} of the OpenID provider cannot be had: {reason}")]
    Unreachable { what: &'static str, reason: String },
    #[error("{what} of the OpenID provider makes no sense: {reason}")]
    Answer { what: &'static str, reason: String },
    #[error("the token of the OpenID provider is not believed")]
    Token(#[source] TokenFault),
}

/// Where the browser goes, and the cookie it takes along.
#[derive(Debug)]
pub struct Begun {
    pub location: String,
    pub cookie: HeaderValue,
}

/// What the browser brings back.
#[derive(Debug, Default)]
pub struct Answer {
    pub state: String,
    pub code: Option<String>,
    pub issuer: Option<String>,
    pub error: Option<String>,
}

/// The provider, as set up.
#[derive(Debug)]
pub struct Provider {
    config: OidcConfig,
    mapping: Vec<(String, Role, Option<LabelScope>)>,
    redirect_uri: String,
    http: Client,
    cache: Mutex<Option<Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    endpoints: Arc<Endpoints>,
    keys: Arc<Vec<Key>>,
    at: Instant,
}

#[derive(Debug, Deserialize)]
struct Endpoints {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Option<String>,
}

impl Provider {
    pub fn new(config: &OidcConfig, public_url: &str) -> Result<Self, OidcError> {
        let mapping = config.roles.iter().map(|mapping| {
            let scope = mapping.scope().map_err(|error| OidcError::Setup(error.to_string()))?;
            Ok((mapping.value.clone(), mapping.role, scope))
        });
        Ok(Self {
            mapping: mapping.collect::<Result<_, OidcError>>()?,
            redirect_uri: format!("{public_url}/api/v1/session/oidc/callback"),
            http: client(&config.ca_file)?,
            cache: Mutex::new(None),
            config: config.clone(),
        })
    }

    pub fn display_name(&self) -> &str {
        if self.config.display_name.is_empty() { "Single sign-on" } else { &self.config.display_name }
    }

    /// Sends a browser to the provider.
    pub async fn begin(&self, store: &Store, return_to: &str, secure: bool, now: Time) -> Result<Begun, Problem> {
        let known = self.known(None).await?;
        let random = || secret::random().map_err(|error| Problem::internal(error.to_string()));
        let (browser, state) = (random()?, random()?);
        let expires_at = now + PATIENCE;
        store
            .begin_oidc(&secret::hash(&state), &secret::hash(&browser), return_to, expires_at)
            .await
            .map_err(failed)?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier(&browser)));
        let mut scope = "openid".to_owned();
        for word in &self.config.scopes {
            scope.push(' ');
            scope.push_str(word);
        }
        let pairs = [
            ("response_type", "code"),
            ("client_id", &self.config.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", &scope),
            ("state", &state),
            ("nonce", &nonce(&browser)),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let mut location = url::Url::parse(&known.endpoints.authorization_endpoint)
            .map_err(|error| answer("the authorization endpoint", error.to_string()))?;
        location.query_pairs_mut().extend_pairs(pairs);
        let cookie = cookie::OIDC.write(&browser, secure, PATIENCE.micros() / 1_000_000);
        Ok(Begun { location: location.into(), cookie })
    }

    /// Who came back, and where they wanted to go.
    pub async fn finish(
        &self,
        store: &Store,
        brought: &Answer,
        headers: &HeaderMap,
        secure: bool,
        now: Time,
    ) -> Result<(Identity, String), Problem> {
        let refused = |detail: &str| Problem::unauthorized(format!("signing in failed: {detail}; begin again"));
        let browser = cookie::OIDC.read(headers, secure).filter(|browser| secret::is_well_formed(browser));
        // Used up first, whatever else is wrong.
        let state = secret::hash(&brought.state);
        let bound_to = secret::hash(browser.as_deref().unwrap_or_default());
        let return_to = store.finish_oidc(&state, &bound_to, now).await.map_err(failed)?;
        let (Some(browser), Some(return_to)) = (browser, return_to) else {
            return Err(refused("it was not begun in this browser, or is over"));
        };
        if brought.issuer.as_ref().is_some_and(|issuer| *issuer != self.config.issuer) {
            return Err(refused("another provider answered"));
        }
        if let Some(error) = &brought.error {
            let word: String = error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect();
            return Err(refused(&format!("the provider says {word}")));
        }
        let code = brought.code.as_deref().filter(|code| code.len() <= 4096);
        let code = code.ok_or_else(|| refused("the provider gave no code"))?;
        let known = self.known(None).await?;
        let token = self.exchange(&known, code, &verifier(&browser)).await?;
        let nonce = nonce(&browser);
        let expected = Expected { issuer: &self.config.issuer, client_id: &self.config.client_id, nonce: &nonce, now };
        let verified = match jwt::verify(&token, &known.keys, &expected) {
            // The provider may have changed its keys.
            Err(TokenFault::UnknownKey) => jwt::verify(&token, &self.known(Some(&known)).await?.keys, &expected),
            verified => verified,
        };
        let said = verified.map_err(OidcError::Token)?;
        match claims::identity(&said, &self.config, &self.mapping) {
            Some(identity) => Ok((identity, return_to)),
            None => {
                let detail = "the OpenID provider knows you, but none of your groups has a role here";
                Err(Problem::forbidden("no-role", detail))
            }
        }
    }

    async fn exchange(&self, known: &Known, code: &str, verifier: &str) -> Result<String, OidcError> {
        const WHAT: &str = "the token";
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", verifier),
        ];
        let mut request = self.http.post(&known.endpoints.token_endpoint);
        if self.config.client_secret_file.is_empty() {
            form.push(("client_id", &self.config.client_id));
        } else {
            let path = std::path::Path::new(&self.config.client_secret_file);
            let secret = ow_service::Secret::from_file(path).map_err(|error| OidcError::Setup(error.to_string()))?;
            // RFC 6749 §2.3.1: both are form-encoded first.
            let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            request = request.basic_auth(encode(&self.config.client_id), Some(encode(secret.reveal())));
        }
        let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        let found: TokenAnswer = json(WHAT, request).await?;
        found.id_token.ok_or_else(|| OidcError::Answer { what: WHAT, reason: "there is no id_token".into() })
    }

    /// Addresses and keys. `stale`: what was known and does not do; it is asked for again unless that was just done.
    async fn known(&self, stale: Option<&Known>) -> Result<Known, OidcError> {
        let mut cache = self.cache.lock().await;
        let age = if stale.is_some() { REFRESH } else { CACHE };
        if let Some(known) = cache.as_ref().filter(|known| known.at.elapsed() < age) {
            return Ok(known.clone());
        }
        const DISCOVERY: &str = "the description";
        let url = format!("{}/.well-known/openid-configuration", self.config.issuer.trim_end_matches('/'));
        let endpoints: Endpoints = json(DISCOVERY, self.http.get(url)).await?;
        let wrong = |reason: &str| OidcError::Answer { what: DISCOVERY, reason: reason.into() };
        if endpoints.issuer != self.config.issuer {
            return Err(wrong("it is that of another issuer"));
        }
        // TLS at the issuer is of no use if the keys then come without.
        let secure = self.config.issuer.starts_with("https://");
        let all = [&endpoints.authorization_endpoint, &endpoints.token_endpoint, &endpoints.jwks_uri];
        if all.iter().any(|url| !(url.starts_with("https://") || !secure && url.starts_with("http://"))) {
            return Err(wrong("an address in it is not https"));
        }
        let set: Value = json("the key set", self.http.get(&endpoints.jwks_uri)).await?;
        let known = Known { endpoints: endpoints.into(), keys: jwt::keys(&set).into(), at: Instant::now() };
        *cache = Some(known.clone());
        Ok(known)
    }
}

fn verifier(browser: &str) -> String {
    secret::derive("oidc-pkce", browser)
}

fn nonce(browser: &str) -> String {
    secret::derive("oidc-nonce", browser)
}

fn answer(what: &'static str, reason: String) -> OidcError {
    OidcError::Answer { what, reason }
}

/// A path of ours to go to; anything else is the start page.
pub fn safe_path(wanted: Option<&str>) -> String {
    let wanted = wanted.unwrap_or("/");
    let mut bytes = wanted.bytes();
    let begins = bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'));
    let plain = wanted.len() <= 512 && wanted.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>\\;".contains(&b));
    if begins && plain { wanted.to_owned() } else { "/".to_owned() }
}

async fn json<T: serde::de::DeserializeOwned>(
    what: &'static str,
    request: reqwest::RequestBuilder,
) -> Result<T, OidcError> {
    let unreachable = |error: reqwest::Error| OidcError::Unreachable {
        what,
        // The address may hold what is not for a log.
        reason: ow_domain::error::chain(&error.without_url()),
    };
    let mut response = request.header(header::ACCEPT, "application/json").send().await.map_err(unreachable)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(answer(what, "it is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_server_error() {
        return Err(OidcError::Unreachable { what, reason: format!("status {}", status.as_u16()) });
    }
    if status != StatusCode::OK {
        return Err(answer(what, format!("status {}", status.as_u16())));
    }
    serde_json::from_slice(&body).map_err(|error| answer(what, format!("{:?} error in its JSON", error.classify())))
}

fn client(ca_file: &str) -> Result<Client, OidcError> {
    let setup = |reason: String| OidcError::Setup(reason);
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if !ca_file.is_empty() {
        let pem = std::fs::read(ca_file).map_err(|error| setup(format!("{ca_file} cannot be read: {error}")))?;
        for certificate in CertificateDer::pem_slice_iter(&pem).take(500).flatten() {
            let _ = roots.add(certificate);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .build()
        .map_err(|error| setup(ow_domain::error::chain(&error)))
}

impl From<OidcError> for Problem {
    fn from(error: OidcError) -> Self {
        tracing::warn!(error = &error as &dyn std::error::Error, "signing in at the OpenID provider failed");
        match error {
            OidcError::Unreachable { .. } => {
                let detail = "the OpenID provider does not answer; try again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "provider-unavailable", "Temporarily unavailable", detail)
                    .header(header::RETRY_AFTER, "5")
            }
            OidcError::Setup(_) => Self::internal("the OpenID provider is not set up rightly; our log says why"),
            OidcError::Answer { .. } | OidcError::Token(_) => {
                Self::unauthorized("signing in failed: the provider's answer was not accepted; begin again")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for (wanted, expected) in [
            (Some("/wall?site=hcm"), "/wall?site=hcm"),
            (None, "/"),
            (Some(""), "/"),
            (Some("wall"), "/"),
            (Some("//evil.example"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("https://evil.example"), "/"),
            (Some("/a\"><script>"), "/"),
            (Some("/a\r\nSet-Cookie: x"), "/"),
        ] {
            assert_eq!(safe_path(wanted), expected, "{wanted:?}");
        }
    }

    #[test]
    fn what_is_derived_from_the_browser_differs() {
        assert_ne!(verifier("x"), nonce("x"));
        // RFC 7636 §4.1: 43 to 128 characters.
        assert_eq!(verifier("x").len(), 43);
    }
}
