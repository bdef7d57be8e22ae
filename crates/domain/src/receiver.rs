//! Settings of a receiver: where and how it is told of incidents.
//!
//! The same type is read by `ottwatch apply` (and checked by [`ReceiverSpec::validate`]), stored as JSON, and used by
//! the notifier. Secrets are never in it, only where they are found ([`SecretRef`]).

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Severity;
use crate::incident::ReceiverKind;

/// Net-SNMP's playpen (`netSnmpPlaypen`) plus our sub-number: a placeholder until an operator sets an arc of their own.
pub const DEFAULT_BASE_OID: &str = "1.3.6.1.4.1.8072.9999.9999.7168";

/// One wrong setting, told so that it can be mended: where, what it is, why it is wrong, what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Path inside the spec: `target`, `to[1]`.
    pub field: String,
    /// What was found, cut to 120 characters.
    pub value: String,
    pub reason: String,
    pub example: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?} {}; for example {}", self.field, self.value, self.reason, self.example)
    }
}

/// Where a secret is: a file (`/run/secrets/slack-token`) or an environment variable of the notifier
/// (`env:SLACK_TOKEN`). The secret itself is never part of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SecretRef(pub String);

impl SecretRef {
    /// Name of the environment variable, if it is one.
    pub fn env_name(&self) -> Option<&str> {
        self.0.strip_prefix("env:")
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A secret in memory. Neither `Debug` nor `Display` nor serde ever shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The secret itself: for the call that needs it, never for a log or a message.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Settings of one receiver, tagged by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ReceiverSpec {
    Snmp(SnmpSpec),
    Email(EmailSpec),
    Slack(SlackSpec),
    Webhook(WebhookSpec),
}

/// SNMP traps or informs to one management station.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnmpSpec {
    /// `host:port`, port 162 as a rule.
    pub target: String,
    #[serde(default)]
    pub version: SnmpVersion,
    /// Default: inform for v3 (a v3 trap is dropped in silence by a station that knows a later engine boots count),
    /// trap for v2c.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<SnmpMode>,
    /// v2c: where the community is; without it, `public`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub community_file: Option<SecretRef>,
    /// v3: user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<SnmpAuth>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_password_file: Option<SecretRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<SnmpPrivacy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy_password_file: Option<SecretRef>,
    /// How the AES-256 key is made longer than the digest gives: `blumenthal` (net-snmp) or `reeder` (Cisco).
    #[serde(default)]
    pub key_extension: SnmpKeyExtension,
    /// Arc of the MIB. Change it together with `ottwatch snmp mib --base-oid`.
    #[serde(default = "default_base_oid")]
    pub base_oid: String,
    /// A second arc under which everything is sent again, for the time of a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also_base_oid: Option<String>,
    /// Texts in ASCII only, for old consoles.
    #[serde(default)]
    pub ascii: bool,
    /// Most notifications per second to this target, 1 to 1000.
    #[serde(default = "default_per_second")]
    pub per_second: u32,
    /// Seconds between heartbeat traps; 0 is off.
    #[serde(default = "default_heartbeat")]
    pub heartbeat_seconds: u32,
    /// Incidents that were never worse than this are not sent.
    #[serde(default = "default_min_severity")]
    pub min_severity: Severity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum SnmpVersion {
    #[default]
    #[serde(rename = "v2c")]
    V2c,
    #[serde(rename = "v3")]
    V3,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SnmpMode {
    Trap,
    Inform,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SnmpAuth {
    #[serde(rename = "SHA1")]
    Sha1,
    #[serde(rename = "SHA256")]
    Sha256,
    #[serde(rename = "SHA512")]
    Sha512,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SnmpPrivacy {
    #[serde(rename = "AES128")]
    Aes128,
    #[serde(rename = "AES256")]
    Aes256,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SnmpKeyExtension {
    #[default]
    Blumenthal,
    Reeder,
}

/// E-mail by one SMTP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailSpec {
    pub host: String,
    /// Default by `tls`: 25 none, 587 starttls, 465 tls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(default)]
    pub tls: EmailTls,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<SecretRef>,
    /// `ottwatch@example.net` or `NOC alarms <ottwatch@example.net>`. Its domain is the right side of message ids.
    pub from: String,
    pub to: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    #[serde(default)]
    pub language: Language,
    /// Puts `CRITICAL` and so on at the head of the subject; breaks threads of mail programs that thread by subject.
    #[serde(default)]
    pub severity_in_subject: bool,
    /// `List-Id`, default made of the receiver's name and the sender's domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_id: Option<String>,
    /// PEM file with certificates that are trusted besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    #[serde(default = "default_min_severity")]
    pub min_severity: Severity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmailTls {
    None,
    #[default]
    Starttls,
    Tls,
}

/// Language of the fixed words of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    En,
    Vi,
}

/// One Slack channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackSpec {
    #[serde(default)]
    pub mode: SlackMode,
    /// bot: where the `xoxb-` token is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<SecretRef>,
    /// bot: channel id (`C0123456789`) or `#name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// webhook: where the incoming-webhook URL is (it is a secret).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_url_file: Option<SecretRef>,
    /// bot: base of the Web API.
    #[serde(default = "default_slack_api")]
    pub api_url: String,
    #[serde(default)]
    pub language: Language,
    /// PEM file with certificates that are trusted besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    #[serde(default = "default_min_severity")]
    pub min_severity: Severity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SlackMode {
    /// One message per incident, edited in place, with a thread.
    #[default]
    Bot,
    /// Raise and clear only: an incoming webhook cannot edit.
    Webhook,
}

/// Signed HTTP POST after the Standard Webhooks convention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSpec {
    pub url: String,
    /// Where the signing secret is (`whsec_` + base64, or any text); without it nothing is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<SecretRef>,
    /// More request headers; a value `env:NAME` is read from the notifier's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// PEM file with certificates that are trusted besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Lets the receiver be at a link-local address (169.254.0.0/16, fe80::/10), where clouds keep their metadata.
    #[serde(default)]
    pub allow_link_local: bool,
    #[serde(default = "default_min_severity")]
    pub min_severity: Severity,
}

fn default_base_oid() -> String {
    DEFAULT_BASE_OID.to_owned()
}
fn default_per_second() -> u32 {
    100
}
fn default_heartbeat() -> u32 {
    60
}
fn default_min_severity() -> Severity {
    Severity::Indeterminate
}
fn default_slack_api() -> String {
    "https://slack.com/api".to_owned()
}

impl SnmpSpec {
    /// What is sent when `mode` is not given.
    pub fn effective_mode(&self) -> SnmpMode {
        self.mode.unwrap_or(match self.version {
            SnmpVersion::V2c => SnmpMode::Trap,
            SnmpVersion::V3 => SnmpMode::Inform,
        })
    }
}

impl EmailSpec {
    pub fn effective_port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            EmailTls::None => 25,
            EmailTls::Starttls => 587,
            EmailTls::Tls => 465,
        })
    }
}

impl ReceiverSpec {
    pub fn kind(&self) -> ReceiverKind {
        match self {
            Self::Snmp(_) => ReceiverKind::Snmp,
            Self::Email(_) => ReceiverKind::Email,
            Self::Slack(_) => ReceiverKind::Slack,
            Self::Webhook(_) => ReceiverKind::Webhook,
        }
    }

    pub fn min_severity(&self) -> Severity {
        match self {
            Self::Snmp(s) => s.min_severity,
            Self::Email(s) => s.min_severity,
            Self::Slack(s) => s.min_severity,
            Self::Webhook(s) => s.min_severity,
        }
    }

    /// Reads a stored or applied spec and checks it. Errors: every problem found (only one if the shape is wrong).
    pub fn from_json(value: &serde_json::Value) -> Result<Self, Vec<Problem>> {
        let spec: Self = serde_json::from_value(value.clone()).map_err(|error| {
            let found = value.get("type").map_or_else(|| "no type".to_owned(), ToString::to_string);
            vec![problem(
                "spec",
                &found,
                error.to_string(),
                r#"{"type": "snmp", "target": "nms.example.net:162", "version": "v2c"}"#,
            )]
        })?;
        match spec.validate() {
            problems if problems.is_empty() => Ok(spec),
            problems => Err(problems),
        }
    }

    /// All that is wrong with it, as far as it can be seen without the network and without reading secrets.
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let p = &mut problems;
        match self {
            Self::Snmp(s) => validate_snmp(s, p),
            Self::Email(s) => validate_email(s, p),
            Self::Slack(s) => validate_slack(s, p),
            Self::Webhook(s) => validate_webhook(s, p),
        }
        let min = self.min_severity();
        if matches!(min, Severity::Cleared | Severity::Info) {
            p.push(problem("min_severity", min.as_str(), "is no severity of an alarm", "warning"));
        }
        problems
    }
}

fn problem(field: &str, value: &str, reason: impl Into<String>, example: &str) -> Problem {
    Problem {
        field: field.to_owned(),
        value: value.chars().take(120).collect(),
        reason: reason.into(),
        example: example.to_owned(),
    }
}

fn validate_snmp(s: &SnmpSpec, p: &mut Vec<Problem>) {
    if !is_host_port(&s.target) {
        p.push(problem("target", &s.target, "is not host:port", "nms.example.net:162"));
    }
    for (field, oid) in [("base_oid", Some(&s.base_oid)), ("also_base_oid", s.also_base_oid.as_ref())] {
        if let Some(oid) = oid
            && !is_oid(oid)
        {
            p.push(problem(field, oid, "is not an object identifier of 4 to 40 numbers", DEFAULT_BASE_OID));
        }
    }
    if !(1..=1000).contains(&s.per_second) {
        p.push(problem("per_second", &s.per_second.to_string(), "is not between 1 and 1000", "100"));
    }
    if s.heartbeat_seconds != 0 && s.heartbeat_seconds < 5 {
        p.push(problem("heartbeat_seconds", &s.heartbeat_seconds.to_string(), "is less than 5 (0 is off)", "60"));
    }
    check_secret(p, "community_file", s.community_file.as_ref(), "/run/secrets/snmp-community");
    check_secret(p, "auth_password_file", s.auth_password_file.as_ref(), "/run/secrets/snmp-auth");
    check_secret(p, "privacy_password_file", s.privacy_password_file.as_ref(), "/run/secrets/snmp-priv");
    match s.version {
        SnmpVersion::V2c => {
            let v3_only = [
                ("user", s.user.is_some()),
                ("auth", s.auth.is_some()),
                ("auth_password_file", s.auth_password_file.is_some()),
                ("privacy", s.privacy.is_some()),
                ("privacy_password_file", s.privacy_password_file.is_some()),
            ];
            for (field, set) in v3_only {
                if set {
                    p.push(problem(field, "set", "has a meaning for v3 only", "version: v3"));
                }
            }
        }
        SnmpVersion::V3 => {
            let user = s.user.as_deref().unwrap_or_default();
            if user.is_empty() || user.len() > 32 {
                p.push(problem("user", user, "must have 1 to 32 characters for v3", "ottwatch"));
            }
            if s.community_file.is_some() {
                p.push(problem("community_file", "set", "has a meaning for v2c only", "user: ottwatch"));
            }
            if s.auth.is_some() != s.auth_password_file.is_some() {
                p.push(problem(
                    if s.auth.is_some() { "auth_password_file" } else { "auth" },
                    "",
                    "is missing: protocol and password belong together",
                    "auth: SHA256, auth_password_file: /run/secrets/snmp-auth",
                ));
            }
            if s.privacy.is_some() != s.privacy_password_file.is_some() {
                p.push(problem(
                    if s.privacy.is_some() { "privacy_password_file" } else { "privacy" },
                    "",
                    "is missing: protocol and password belong together",
                    "privacy: AES128, privacy_password_file: /run/secrets/snmp-priv",
                ));
            }
            if s.privacy.is_some() && s.auth.is_none() {
                p.push(problem("auth", "", "is missing: privacy needs authentication (RFC 3414)", "auth: SHA256"));
            }
        }
    }
}

fn validate_email(s: &EmailSpec, p: &mut Vec<Problem>) {
    if !is_host(&s.host) {
        p.push(problem("host", &s.host, "is not a host name or address", "smtp.example.net"));
    }
    if s.port == Some(0) {
        p.push(problem("port", "0", "is not a port", "587"));
    }
    let address = "NOC alarms <ottwatch@example.net>";
    if !is_mailbox(&s.from) {
        p.push(problem("from", &s.from, "is not a mail address", address));
    }
    if s.to.is_empty() {
        p.push(problem("to", "[]", "has no address", "[noc@example.net]"));
    }
    if s.to.len() > 50 {
        p.push(problem("to", &format!("{} addresses", s.to.len()), "has more than 50; use a list address", "1"));
    }
    for (n, to) in s.to.iter().enumerate() {
        if !is_mailbox(to) {
            p.push(problem(&format!("to[{n}]"), to, "is not a mail address", "noc@example.net"));
        }
    }
    if let Some(reply_to) = &s.reply_to
        && !is_mailbox(reply_to)
    {
        p.push(problem("reply_to", reply_to, "is not a mail address", "noc@example.net"));
    }
    if s.username.is_some() != s.password_file.is_some() {
        p.push(problem(
            if s.username.is_some() { "password_file" } else { "username" },
            "",
            "is missing: user name and password belong together",
            "username: ottwatch, password_file: /run/secrets/smtp",
        ));
    }
    check_secret(p, "password_file", s.password_file.as_ref(), "/run/secrets/smtp");
    if let Some(list_id) = &s.list_id
        && (list_id.is_empty() || list_id.len() > 200 || !list_id.chars().all(|c| c.is_ascii_graphic() || c == ' '))
    {
        p.push(problem("list_id", list_id, "is not 1 to 200 ASCII characters", "<noc.ottwatch.example.net>"));
    }
}

fn validate_slack(s: &SlackSpec, p: &mut Vec<Problem>) {
    check_secret(p, "token_file", s.token_file.as_ref(), "/run/secrets/slack-token");
    check_secret(p, "webhook_url_file", s.webhook_url_file.as_ref(), "/run/secrets/slack-webhook-url");
    match s.mode {
        SlackMode::Bot => {
            if s.token_file.is_none() {
                p.push(problem("token_file", "", "is missing: bot mode needs a token", "/run/secrets/slack-token"));
            }
            let channel = s.channel.as_deref().unwrap_or_default();
            if channel.is_empty() || channel.len() > 100 || channel.contains(char::is_whitespace) {
                p.push(problem("channel", channel, "is not a channel id or #name", "C0123456789"));
            }
            if s.webhook_url_file.is_some() {
                p.push(problem("webhook_url_file", "set", "has a meaning in webhook mode only", "mode: webhook"));
            }
            if !is_http_url(&s.api_url) {
                p.push(problem("api_url", &s.api_url, "is not an http(s) URL", "https://slack.com/api"));
            }
        }
        SlackMode::Webhook => {
            if s.webhook_url_file.is_none() {
                p.push(problem(
                    "webhook_url_file",
                    "",
                    "is missing: webhook mode needs the URL (kept as a secret)",
                    "/run/secrets/slack-webhook-url",
                ));
            }
            for (field, set) in [("token_file", s.token_file.is_some()), ("channel", s.channel.is_some())] {
                if set {
                    p.push(problem(field, "set", "has a meaning in bot mode only", "mode: bot"));
                }
            }
        }
    }
}

fn validate_webhook(s: &WebhookSpec, p: &mut Vec<Problem>) {
    if !is_http_url(&s.url) {
        p.push(problem(
            "url",
            &s.url,
            "is not an http(s) URL without user and password",
            "https://hooks.example.net/ottwatch",
        ));
    }
    check_secret(p, "secret_file", s.secret_file.as_ref(), "/run/secrets/webhook");
    if s.headers.len() > 20 {
        p.push(problem("headers", &format!("{} headers", s.headers.len()), "are more than 20", "X-Tenant: noc"));
    }
    for (name, value) in &s.headers {
        let token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let lower = name.to_ascii_lowercase();
        if name.is_empty() || !name.chars().all(token) || value.contains(['\r', '\n', '\0']) {
            p.push(problem(&format!("headers.{name}"), "", "is not a header", "X-Tenant: noc"));
        } else if lower.starts_with("webhook-") || ["host", "content-length", "content-type"].contains(&lower.as_str())
        {
            p.push(problem(&format!("headers.{name}"), "", "is set by ottwatch itself", "X-Tenant: noc"));
        }
    }
}

fn check_secret(p: &mut Vec<Problem>, field: &str, secret: Option<&SecretRef>, example: &str) {
    let Some(secret) = secret else { return };
    let reason = match secret.env_name() {
        Some(name)
            if name.is_empty()
                || name.starts_with(|c: char| c.is_ascii_digit())
                || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') =>
        {
            "names no environment variable"
        }
        None if !secret.0.starts_with('/') || secret.0.contains(['\n', '\0']) => {
            "is neither an absolute path nor env:NAME (a secret itself has no place here)"
        }
        _ => return,
    };
    // Somebody may have put the secret itself here: it is not repeated.
    let shown = if secret.env_name().is_some() { secret.0.as_str() } else { "[not shown]" };
    p.push(problem(field, shown, reason, &format!("{example} or env:OTTWATCH_SECRET")));
}

fn is_host(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if inner.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

fn is_host_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let v6_without_brackets = host.contains(':') && !host.starts_with('[');
    is_host(host) && !v6_without_brackets && port.parse::<u16>().is_ok_and(|p| p != 0)
}

/// Dotted numbers below 2^32, 4 to 40 of them, starting at 0, 1 or 2, without a leading dot.
pub fn is_oid(text: &str) -> bool {
    let arcs: Option<Vec<u32>> = text
        .split('.')
        .take(41)
        .map(|arc| arc.parse().ok().filter(|_| arc.bytes().all(|b| b.is_ascii_digit())))
        .collect();
    arcs.is_some_and(|a| (4..=40).contains(&a.len()) && a[0] <= 2 && (a[0] == 2 || a[1] < 40))
}

fn is_http_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            if port.parse::<u16>().is_err() {
                return false;
            }
            host
        }
        _ => authority,
    };
    is_host(host) && text.len() <= 2048 && text.chars().all(|c| c.is_ascii_graphic())
}

/// `local@domain` or `Name <local@domain>`.
fn is_mailbox(text: &str) -> bool {
    let address = match text.split_once('<') {
        Some((_, rest)) => match rest.trim_end().strip_suffix('>') {
            Some(address) => address,
            None => return false,
        },
        None => text,
    };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    !local.is_empty()
        && local.len() <= 64
        && !local.contains(|c: char| c.is_whitespace() || c.is_control() || "<>(),;:\"@".contains(c))
        && is_host(domain)
        && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(spec: Value, wrong: &[&str]) {
        let fields = match ReceiverSpec::from_json(&spec) {
            Ok(ok) => {
                let again = serde_json::to_value(&ok).unwrap();
                assert_eq!(ReceiverSpec::from_json(&again).unwrap(), ok, "{spec}");
                Vec::new()
            }
            Err(problems) => {
                assert!(problems.iter().all(|p| !p.reason.is_empty() && !p.example.is_empty()));
                problems.into_iter().map(|p| p.field).collect::<Vec<_>>()
            }
        };
        assert_eq!(fields, wrong, "{spec}");
    }

    #[test]
    fn specs_are_read_and_every_problem_is_named() {
        check(json!({"type": "snmp", "target": "nms:162"}), &[]);
        check(json!({"type": "snmp", "target": "[::1]:162", "version": "v2c", "mode": "inform"}), &[]);
        check(
            json!({"type": "snmp", "target": "nms", "base_oid": "1.2.x", "per_second": 0}),
            &["target", "base_oid", "per_second"],
        );
        check(json!({"type": "snmp", "target": "nms:162", "user": "u"}), &["user"]);
        check(
            json!({"type": "snmp", "target": "nms:162", "version": "v3", "user": "ow", "auth": "SHA256",
                "auth_password_file": "env:A", "privacy": "AES128", "privacy_password_file": "/run/p"}),
            &[],
        );
        check(
            json!({"type": "snmp", "target": "nms:162", "version": "v3", "privacy": "AES128"}),
            &["user", "privacy_password_file", "auth"],
        );
        check(json!({"type": "snmp", "target": "nms:162", "colour": 1}), &["spec"]);
        check(json!({"type": "pager"}), &["spec"]);
        check(json!({"target": "nms:162"}), &["spec"]);
        check(json!({"type": "email", "host": "mx", "from": "NOC <a@b.net>", "to": ["c@d.net"]}), &[]);
        check(
            json!({"type": "email", "host": "m x", "from": "a", "to": ["c@d.net", "x"], "username": "u",
                "min_severity": "info"}),
            &["host", "from", "to[1]", "password_file", "min_severity"],
        );
        check(json!({"type": "email", "host": "mx", "from": "a@b\r\nBcc: x@y", "to": []}), &["from", "to"]);
        check(json!({"type": "slack", "token_file": "env:SLACK", "channel": "C1"}), &[]);
        check(json!({"type": "slack", "mode": "webhook", "webhook_url_file": "/run/u"}), &[]);
        check(json!({"type": "slack", "mode": "webhook", "channel": "C1"}), &["webhook_url_file", "channel"]);
        check(json!({"type": "slack"}), &["token_file", "channel"]);
        check(json!({"type": "webhook", "url": "https://h.example/x?y=1", "secret_file": "env:S"}), &[]);
        check(json!({"type": "webhook", "url": "http://[::1]:8080/x"}), &[]);
        check(
            json!({"type": "webhook", "url": "https://u:p@h/x", "headers": {"webhook-id": "1"}}),
            &["url", "headers.webhook-id"],
        );
        check(json!({"type": "webhook", "url": "ftp://h/x", "secret_file": "env:1"}), &["url", "secret_file"]);
    }

    #[test]
    fn a_secret_put_in_by_mistake_is_not_repeated() {
        let spec = json!({"type": "slack", "token_file": "xoxb-very-secret", "channel": "C1"});
        let problems = ReceiverSpec::from_json(&spec).unwrap_err();
        assert_eq!(problems[0].field, "token_file");
        assert!(!format!("{problems:?} {}", problems[0]).contains("very-secret"));
        assert_eq!(format!("{:?}", Secret::new("xoxb")), "[secret]");
    }

    #[test]
    fn defaults_follow_the_version_and_the_security() {
        let snmp = |text: &str| match serde_json::from_str(text).unwrap() {
            ReceiverSpec::Snmp(s) => s,
            other => panic!("{other:?}"),
        };
        let v2c = snmp(r#"{"type":"snmp","target":"a:1"}"#);
        assert_eq!((v2c.effective_mode(), v2c.per_second, v2c.heartbeat_seconds), (SnmpMode::Trap, 100, 60));
        assert_eq!(v2c.base_oid, DEFAULT_BASE_OID);
        assert_eq!(
            snmp(r#"{"type":"snmp","target":"a:1","version":"v3","user":"u"}"#).effective_mode(),
            SnmpMode::Inform
        );
    }
}
