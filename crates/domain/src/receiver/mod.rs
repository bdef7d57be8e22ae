//! Settings of a receiver: where and how it is told of incidents.
//!
//! The same type is read by `ottwatch apply` (and checked by [`ReceiverSpec::validate`]), stored as JSON, and used by
//! the notifier. Secrets are never in it, only where they are found ([`SecretRef`]).

mod validate;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use validate::is_oid;

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

/// Where a secret is: a file (`/run/secrets/slack-token`), an environment variable of the notifier (`env:SLACK_TOKEN`),
/// or a value that is sealed with the keys of the installation (`sealed:...`; written as `value:...`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SecretRef(pub String);

impl SecretRef {
    /// Whether it is a value, sealed or about to be.
    pub fn is_value(&self) -> bool {
        self.0.starts_with("sealed:")
            || self.0.starts_with("sealed@")
            || self.0.strip_prefix("value:").is_some_and(|value| !value.trim().is_empty())
    }

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
            vec![validate::problem(
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
}
