//! Settings, section `[api]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ow_service::config::Problem;
use ow_service::{HumanBytes, HumanDuration};
use serde::{Deserialize, Serialize};

use crate::access::config::{OidcConfig, PasswordConfig, SessionConfig, faults};
use crate::access::{Anonymous, TokenHash};

/// Settings, section `[api]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// Address of the REST interface.
    pub listen: SocketAddr,
    /// SHA-256 of the administrator token of the installation as 64 hex digits (`printf %s TOKEN | sha256sum`), for
    /// automation and the first start. Empty: there is none.
    pub token_sha256: String,
    /// What somebody unknown may do: `none` or `viewer` (read everything).
    pub anonymous: Anonymous,
    /// Address of the dashboard as people reach it: `https://ottwatch.example.net`. With `https` the session's cookie goes
    /// over TLS only. Needed for signing in at an OpenID provider and for links of invitations.
    pub public_url: String,
    /// Proxies in front whose `X-Forwarded-For` is believed: addresses or ranges.
    pub trusted_proxies: Vec<String>,
    /// Serve `/metrics` and `/health/*` on this address too.
    pub with_ops: bool,
    /// Compiled policies are compared with the stored configuration this often; changes are taken at once.
    pub reconcile_interval: HumanDuration,
    /// A request that takes longer is answered with 503.
    pub request_timeout: HumanDuration,
    /// Largest request body.
    pub max_body: HumanBytes,
    /// Requests per second that each person, token or unknown address may make for long; 0: any number.
    pub rate_limit: u32,
    /// Requests that each of them may make at once, on top of that rate.
    pub rate_burst: u32,
    /// Most connections at a time; who comes later waits.
    pub max_connections: usize,
    /// Origins of pages of others that may use the interface from a browser: `https://noc.example.com`. Empty: none.
    pub cors_origins: Vec<String>,
    /// TLS without a proxy in front.
    pub tls: TlsConfig,
    /// How long people stay signed in.
    pub sessions: SessionConfig,
    /// What a guess of a password costs.
    pub passwords: PasswordConfig,
    /// Signing in at an OpenID provider; off while `issuer` is empty.
    pub oidc: OidcConfig,
}

/// `[api.tls]`: both files, or none for plain HTTP behind a proxy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// Certificate and the chain above it, PEM. Read again when it changes.
    pub cert_file: Option<PathBuf>,
    /// Its private key, PEM. Read again when it changes.
    pub key_file: Option<PathBuf>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            token_sha256: String::new(),
            anonymous: Anonymous::None,
            public_url: String::new(),
            trusted_proxies: Vec::new(),
            with_ops: false,
            reconcile_interval: HumanDuration(Duration::from_secs(3)),
            request_timeout: HumanDuration(Duration::from_secs(15)),
            max_body: HumanBytes(4 << 20),
            rate_limit: 100,
            rate_burst: 400,
            max_connections: 2048,
            cors_origins: Vec::new(),
            tls: TlsConfig::default(),
            sessions: SessionConfig::default(),
            passwords: PasswordConfig::default(),
            oidc: OidcConfig::default(),
        }
    }
}

impl ApiConfig {
    /// What of it makes no sense: key, value, reason, example.
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |key: &str, value: String, reason: &str, example: &str| {
            problems.push(Problem {
                origin: "api".into(),
                key: format!("api.{key}"),
                value,
                reason: reason.into(),
                example: Some(example.into()),
            });
        };
        if TokenHash::parse(&self.token_sha256).is_err() {
            let example = "token_sha256 = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"";
            problem("token_sha256", String::new(), "is not 64 hex digits: the SHA-256 of the token", example);
        }
        let interval = self.reconcile_interval;
        if !(Duration::from_millis(200)..=Duration::from_secs(60)).contains(&interval.0) {
            problem("reconcile_interval", interval.to_string(), "must be 200ms to 1m", "reconcile_interval = \"3s\"");
        }
        let timeout = self.request_timeout;
        if !(Duration::from_millis(100)..=Duration::from_secs(300)).contains(&timeout.0) {
            problem("request_timeout", timeout.to_string(), "must be 100ms to 5m", "request_timeout = \"15s\"");
        }
        if !(1 << 10..=64 << 20).contains(&self.max_body.0) {
            problem("max_body", self.max_body.to_string(), "must be 1KiB to 64MiB", "max_body = \"4MiB\"");
        }
        if self.rate_limit > 0 && self.rate_burst == 0 {
            problem("rate_burst", "0".into(), "must be at least 1, or no request is ever admitted", "rate_burst = 400");
        }
        if self.max_connections == 0 {
            problem("max_connections", "0".into(), "must be at least 1", "max_connections = 2048");
        }
        for origin in &self.cors_origins {
            if !is_origin(origin) {
                let reason = "is not an origin: scheme, host and, if it is another than usual, port; '*' is refused";
                problem("cors_origins", origin.clone(), reason, "cors_origins = [\"https://noc.example.com\"]");
            }
        }
        if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            let (missing, example) = match self.tls.cert_file {
                None => ("tls.cert_file", "cert_file = \"/etc/ottwatch/tls.crt\""),
                Some(_) => ("tls.key_file", "key_file = \"/etc/ottwatch/tls.key\""),
            };
            problem(missing, String::new(), "is missing: certificate and key go together", example);
        }
        let reached = (self.public_url.as_str(), self.trusted_proxies.as_slice());
        for (key, value, reason, example) in faults(&self.sessions, &self.passwords, &self.oidc, reached) {
            problem(key, value, reason, example);
        }
        problems
    }
}

/// As browsers write it in the header `Origin`.
fn is_origin(text: &str) -> bool {
    url::Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_sense_are_told() {
        assert!(ApiConfig::default().validate().is_empty());
        let config = ApiConfig {
            token_sha256: "geheim".into(),
            max_body: HumanBytes(0),
            reconcile_interval: HumanDuration(Duration::ZERO),
            request_timeout: HumanDuration(Duration::ZERO),
            rate_burst: 0,
            max_connections: 0,
            cors_origins: ["*", "https://a.example/", "a.example", "https://a.example:443"].map(String::from).into(),
            tls: TlsConfig { cert_file: Some("/c".into()), key_file: None },
            ..ApiConfig::default()
        };
        let text: Vec<String> = config.validate().iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), 11, "{text:#?}");
        assert!(!text.join("\n").contains("geheim"), "a token written by mistake is not shown");
        let origins = ["https://noc.example.com", "http://127.0.0.1:5173"].map(String::from).into();
        assert!(ApiConfig { cors_origins: origins, rate_limit: 0, ..ApiConfig::default() }.validate().is_empty());
    }
}
