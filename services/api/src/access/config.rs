//! Settings of signing in: parts of the section `[api]`.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ow_domain::access::{LabelScope, Role};
use ow_service::{HumanBytes, HumanDuration};
use serde::{Deserialize, Serialize};

/// `[api.sessions]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionConfig {
    /// A session ends this long after its last request.
    pub idle: HumanDuration,
    /// A session ends this long after signing in, however busy it is.
    pub lifetime: HumanDuration,
    /// How long an invitation (first or forgotten password) is good.
    pub invitation: HumanDuration,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            idle: HumanDuration(Duration::from_secs(12 * 3600)),
            lifetime: HumanDuration(Duration::from_secs(7 * 86_400)),
            invitation: HumanDuration(Duration::from_secs(24 * 3600)),
        }
    }
}

/// `[api.passwords]`: the cost of argon2id (RFC 9106).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordConfig {
    /// Memory of one hash.
    pub memory: HumanBytes,
    pub iterations: u32,
    pub parallelism: u32,
    /// Hashes at the same time; others wait for their turn, 5 s at most.
    pub max_parallel: usize,
}

impl Default for PasswordConfig {
    /// The second choice of RFC 9106 §4 with less memory, as OWASP gives it: 19 MiB, 2 passes.
    fn default() -> Self {
        Self { memory: HumanBytes(19 << 20), iterations: 2, parallelism: 1, max_parallel: 2 }
    }
}

/// `[api.oidc]`: signing in at an OpenID provider. Off while `issuer` is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OidcConfig {
    /// As in its discovery document: `https://id.example.net/realms/noc`.
    pub issuer: String,
    pub client_id: String,
    /// File with the client's secret; without one the client is a public one (PKCE is used in any case).
    pub client_secret_file: String,
    /// What the button says.
    pub display_name: String,
    /// Asked for besides `openid`.
    pub scopes: Vec<String>,
    /// Claim that names the person here when seen for the first time; default `preferred_username`.
    pub name_claim: String,
    /// Claim that is mapped to roles, default `groups`: a text or a list of texts. Dots lead into objects.
    pub role_claim: String,
    /// First match counts, so the most powerful come first. Who matches none may not sign in.
    pub roles: Vec<RoleMapping>,
    /// PEM file with certificates that are trusted for the provider besides the system's.
    pub ca_file: String,
}

/// `[[api.oidc.roles]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleMapping {
    /// Value of the claim; `*` is anybody.
    pub value: String,
    pub role: Role,
    /// `group=sport|news`; empty: all channels.
    #[serde(default)]
    pub label_scope: String,
}

impl RoleMapping {
    /// `None`: all channels.
    pub fn scope(&self) -> Result<Option<LabelScope>, ow_domain::access::LabelScopeError> {
        if self.label_scope.is_empty() { Ok(None) } else { self.label_scope.parse().map(Some) }
    }
}

/// An address range: `10.0.0.0/8`, `::1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: u128,
    n_bits: u32,
}

/// IPv4 as IPv4-mapped IPv6, so that there is one arithmetic.
fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        let mask = if self.n_bits == 0 { 0 } else { u128::MAX << (128 - self.n_bits) };
        (wide(address) ^ self.address) & mask == 0
    }
}

impl FromStr for Network {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let (width, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let n_bits: u32 = bits.map_or(Ok(width), |bits| bits.parse().map_err(|_| ()))?;
        if n_bits > width {
            return Err(());
        }
        Ok(Self { address: wide(address), n_bits: n_bits + offset })
    }
}

/// What makes no sense: key below `api`, value, reason, example.
pub type Fault = (&'static str, String, &'static str, &'static str);

pub fn faults(
    sessions: &SessionConfig,
    passwords: &PasswordConfig,
    oidc: &OidcConfig,
    (public_url, trusted_proxies): (&str, &[String]),
) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    let hours = |n: u64| Duration::from_secs(n * 3600);
    if !(Duration::from_secs(60)..=hours(24 * 31)).contains(&sessions.idle.0) {
        faults.push(("sessions.idle", sessions.idle.to_string(), "must be 1m to 31d", "idle = \"12h\""));
    }
    if !(Duration::from_secs(300)..=hours(24 * 90)).contains(&sessions.lifetime.0) {
        faults.push(("sessions.lifetime", sessions.lifetime.to_string(), "must be 5m to 90d", "lifetime = \"7d\""));
    }
    if !(Duration::from_secs(300)..=hours(24 * 14)).contains(&sessions.invitation.0) {
        faults.push((
            "sessions.invitation",
            sessions.invitation.to_string(),
            "must be 5m to 14d",
            "invitation = \"24h\"",
        ));
    }
    if !(8 << 20..=1 << 30).contains(&passwords.memory.0) {
        faults.push(("passwords.memory", passwords.memory.to_string(), "must be 8MiB to 1GiB", "memory = \"19MiB\""));
    }
    if !(1..=20).contains(&passwords.iterations)
        || passwords.memory.0.saturating_mul(u64::from(passwords.iterations)) < 15 << 20
    {
        let reason = "must be 1 to 20, and memory times iterations at least 15MiB";
        faults.push(("passwords.iterations", passwords.iterations.to_string(), reason, "iterations = 2"));
    }
    if !(1..=16).contains(&passwords.parallelism) {
        faults.push(("passwords.parallelism", passwords.parallelism.to_string(), "must be 1 to 16", "parallelism = 1"));
    }
    if !(1..=64).contains(&passwords.max_parallel) {
        faults.push((
            "passwords.max_parallel",
            passwords.max_parallel.to_string(),
            "must be 1 to 64",
            "max_parallel = 2",
        ));
    }
    let example = "public_url = \"https://ottwatch.example.net\"";
    let is_url = |text: &str| {
        url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none())
    };
    if !public_url.is_empty() && !is_url(public_url) {
        faults.push(("public_url", public_url.to_owned(), "is no http(s) address without a query", example));
    }
    for proxy in trusted_proxies.iter().filter(|proxy| proxy.parse::<Network>().is_err()) {
        let reason = "is no address or range of addresses";
        faults.push(("trusted_proxies", proxy.clone(), reason, "trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]"));
    }
    if oidc.issuer.is_empty() {
        return faults;
    }
    let loopback = url::Url::parse(&oidc.issuer).is_ok_and(|url| match url.host() {
        Some(url::Host::Ipv4(v4)) => v4.is_loopback(),
        Some(url::Host::Ipv6(v6)) => v6.is_loopback(),
        _ => false,
    });
    if !is_url(&oidc.issuer) || !(oidc.issuer.starts_with("https://") || loopback) {
        let example = "issuer = \"https://id.example.net/realms/noc\"";
        faults.push(("oidc.issuer", oidc.issuer.clone(), "is no https address", example));
    }
    if oidc.client_id.is_empty() {
        faults.push(("oidc.client_id", String::new(), "is missing", "client_id = \"ottwatch\""));
    }
    if public_url.is_empty() {
        faults.push(("public_url", String::new(), "is missing: the provider sends people back to it", example));
    }
    if oidc.roles.is_empty() {
        let example = "roles = [{value = \"noc\", role = \"operator\"}]";
        faults.push(("oidc.roles", String::new(), "is empty, so nobody could sign in", example));
    }
    for mapping in &oidc.roles {
        if mapping.scope().is_err() {
            let reason = "is no label scope";
            faults.push((
                "oidc.roles.label_scope",
                mapping.label_scope.clone(),
                reason,
                "label_scope = \"group=sport|news\"",
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("0.0.0.0/0", "203.0.113.7", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "203.0.113.7", true),
            ("2001:db8::/32", "2001:db8:7::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{network:?} {address}");
        }
        for bad in ["", "x", "10.0.0.0/33", "::/129", "10.0.0.0/x", "10.0.0.0/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_without_sense_are_told() {
        let none = || (SessionConfig::default(), PasswordConfig::default(), OidcConfig::default());
        let (sessions, passwords, oidc) = none();
        assert!(faults(&sessions, &passwords, &oidc, ("", &[])).is_empty());
        let sessions = SessionConfig { idle: HumanDuration(Duration::ZERO), ..sessions };
        let passwords = PasswordConfig { memory: HumanBytes(1024), iterations: 0, parallelism: 0, max_parallel: 0 };
        let oidc = OidcConfig {
            issuer: "http://id.example.net".into(),
            roles: vec![RoleMapping { value: "x".into(), role: Role::Viewer, label_scope: "nonsense".into() }],
            ..oidc
        };
        let told = faults(&sessions, &passwords, &oidc, ("ftp://x", &["everywhere".into()]));
        let keys: Vec<_> = told.iter().map(|fault| fault.0).collect();
        assert_eq!(
            keys,
            [
                "sessions.idle",
                "passwords.memory",
                "passwords.iterations",
                "passwords.parallelism",
                "passwords.max_parallel",
                "public_url",
                "trusted_proxies",
                "oidc.issuer",
                "oidc.client_id",
                "oidc.roles.label_scope",
            ]
        );
        assert!(told.iter().all(|fault| fault.3.contains('=')), "an example each");
    }
}
