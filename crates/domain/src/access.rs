//! Who asks, and what they may do: roles, permissions, the channels a person or token may see.
//!
//! A role is a set of permissions; roles are ordered and each holds all of the lower ones. A token names the
//! permissions it needs and gets those of them that its owner's role has. A label scope limits which channels, and so
//! which alarms of them, are seen and changed; without one it is all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::ChangedBy;

/// Most labels of a scope, and most values of one of them.
pub const MAX_SCOPE_LABELS: usize = 16;
pub const MAX_SCOPE_VALUES: usize = 64;
/// Longest label name and longest value in bytes; names are those of `metadata.labels`.
const MAX_LABEL_BYTES: usize = 63;
const MAX_VALUE_BYTES: usize = 256;

/// What a person is to the installation. Ordered: a later variant may do all that an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything, changes nothing.
    Viewer,
    /// Works on alarms: acknowledges, silences, sends again.
    Operator,
    /// Changes what is watched and how it is judged.
    Engineer,
    /// Manages people, tokens, secrets and the installation itself.
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Engineer, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Engineer => "engineer",
            Self::Admin => "admin",
        }
    }

    /// What it means, in one sentence for people.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Viewer => "Sees everything in its scope and changes nothing.",
            Self::Operator => "Works on alarms: acknowledges, silences, tests receivers, sends deliveries again.",
            Self::Engineer => "Changes what is watched, how it is judged and who is told; reads the audit trail.",
            Self::Admin => "Manages people, tokens, secrets and the installation.",
        }
    }

    pub fn permissions(self) -> Permissions {
        Permission::ALL.into_iter().filter(|p| p.least_role().is_none_or(|least| least <= self)).collect()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not the name of a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a role; use viewer, operator, engineer or admin")]
pub struct RoleError(pub String);

impl FromStr for Role {
    type Err = RoleError;
    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|r| r.as_str() == text).ok_or_else(|| RoleError(text.chars().take(80).collect()))
    }
}

/// What an operation of the REST interface needs. Each operation names exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Permission {
    /// Anybody, known or not.
    #[serde(rename = "public")]
    Public,
    /// Anybody who is known, about themselves: own session, password, tokens.
    #[serde(rename = "self")]
    Own,
    #[serde(rename = "read")]
    Read,
    #[serde(rename = "alarms.operate")]
    AlarmsOperate,
    #[serde(rename = "silences.write")]
    SilencesWrite,
    #[serde(rename = "receivers.test")]
    ReceiversTest,
    #[serde(rename = "deliveries.resend")]
    DeliveriesResend,
    #[serde(rename = "config.write")]
    ConfigWrite,
    #[serde(rename = "probes.manage")]
    ProbesManage,
    #[serde(rename = "audit.read")]
    AuditRead,
    #[serde(rename = "users.manage")]
    UsersManage,
    #[serde(rename = "tokens.manage")]
    TokensManage,
    #[serde(rename = "secrets.write")]
    SecretsWrite,
    #[serde(rename = "system.manage")]
    SystemManage,
}

impl Permission {
    pub const ALL: [Self; 14] = [
        Self::Public,
        Self::Own,
        Self::Read,
        Self::AlarmsOperate,
        Self::SilencesWrite,
        Self::ReceiversTest,
        Self::DeliveriesResend,
        Self::ConfigWrite,
        Self::ProbesManage,
        Self::AuditRead,
        Self::UsersManage,
        Self::TokensManage,
        Self::SecretsWrite,
        Self::SystemManage,
    ];

    /// The word in `x-permission` and in the scopes of a token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Own => "self",
            Self::Read => "read",
            Self::AlarmsOperate => "alarms.operate",
            Self::SilencesWrite => "silences.write",
            Self::ReceiversTest => "receivers.test",
            Self::DeliveriesResend => "deliveries.resend",
            Self::ConfigWrite => "config.write",
            Self::ProbesManage => "probes.manage",
            Self::AuditRead => "audit.read",
            Self::UsersManage => "users.manage",
            Self::TokensManage => "tokens.manage",
            Self::SecretsWrite => "secrets.write",
            Self::SystemManage => "system.manage",
        }
    }

    /// The lowest role that has it; `None`: it does not depend on the role.
    pub const fn least_role(self) -> Option<Role> {
        match self {
            Self::Public | Self::Own => None,
            Self::Read => Some(Role::Viewer),
            Self::AlarmsOperate | Self::SilencesWrite | Self::ReceiversTest | Self::DeliveriesResend => {
                Some(Role::Operator)
            }
            Self::ConfigWrite | Self::ProbesManage | Self::AuditRead => Some(Role::Engineer),
            Self::UsersManage | Self::TokensManage | Self::SecretsWrite | Self::SystemManage => Some(Role::Admin),
        }
    }

    /// Whether a token may be given it: what depends on a role. `public` needs no token and `self` comes with each.
    pub const fn is_grantable(self) -> bool {
        self.least_role().is_some()
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not the word of a permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a permission; for example read, alarms.operate or config.write")]
pub struct PermissionError(pub String);

impl FromStr for Permission {
    type Err = PermissionError;
    fn from_str(text: &str) -> Result<Self, PermissionError> {
        let known = Self::ALL.into_iter().find(|p| p.as_str() == text);
        known.ok_or_else(|| PermissionError(text.chars().take(80).collect()))
    }
}

/// A set of permissions. JSON form: list of words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Permission>", into = "Vec<Permission>")]
pub struct Permissions(u16);

impl Permissions {
    pub const NONE: Self = Self(0);

    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub const fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// In the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |p| self.contains(*p))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |bits, p| bits | p.bit()))
    }
}

impl From<Vec<Permission>> for Permissions {
    fn from(list: Vec<Permission>) -> Self {
        list.into_iter().collect()
    }
}

impl From<Permissions> for Vec<Permission> {
    fn from(set: Permissions) -> Self {
        set.iter().collect()
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Permission::as_str)).finish()
    }
}

/// Which channels: for every label named, the channel must carry one of the values. JSON form
/// `{"group": ["sport", "news"], "site": ["hcm"]}`; text form `group=sport|news,site=hcm`. Never without a label:
/// "all channels" is the absence of a scope. A label without values admits no channel (what is left when two scopes
/// have nothing in common).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, BTreeSet<String>>", into = "BTreeMap<String, BTreeSet<String>>")]
pub struct LabelScope(BTreeMap<String, BTreeSet<String>>);

/// The labels are no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("label scope: {reason}; for example \"group=sport|news,site=hcm\"")]
pub struct LabelScopeError {
    pub reason: String,
}

impl LabelScope {
    /// Checks names, values and counts.
    pub fn new(labels: BTreeMap<String, BTreeSet<String>>) -> Result<Self, LabelScopeError> {
        let fail = |reason: String| Err(LabelScopeError { reason });
        if labels.is_empty() {
            return fail("it names no label".into());
        }
        if labels.len() > MAX_SCOPE_LABELS {
            return fail(format!("it names more than {MAX_SCOPE_LABELS} labels"));
        }
        for (key, values) in &labels {
            let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
            let begins = key.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
            if !begins || key.len() > MAX_LABEL_BYTES || !key.bytes().all(word) {
                let key: String = key.chars().take(80).collect();
                return fail(format!("{key:?} is no label name (1 to 63 of a-z, 0-9, '.', '_' and '-')"));
            }
            if values.len() > MAX_SCOPE_VALUES {
                return fail(format!("{key} has more than {MAX_SCOPE_VALUES} values"));
            }
            if values.iter().any(|v| v.is_empty() || v.len() > MAX_VALUE_BYTES || v.contains(char::is_control)) {
                return fail(format!(
                    "{key} has a value that is empty, longer than {MAX_VALUE_BYTES} bytes or no text"
                ));
            }
        }
        Ok(Self(labels))
    }

    /// Whether a channel with these labels is inside.
    pub fn admits(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(key, values)| labels.get(key).is_some_and(|value| values.contains(value)))
    }

    /// What both admit: a channel is inside exactly when it is inside of each.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let mut labels = self.0.clone();
        for (key, values) in &other.0 {
            match labels.get_mut(key) {
                Some(mine) => mine.retain(|value| values.contains(value)),
                None => {
                    labels.insert(key.clone(), values.clone());
                }
            }
        }
        Self(labels)
    }

    pub fn labels(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.0
    }
}

impl TryFrom<BTreeMap<String, BTreeSet<String>>> for LabelScope {
    type Error = LabelScopeError;
    fn try_from(labels: BTreeMap<String, BTreeSet<String>>) -> Result<Self, LabelScopeError> {
        Self::new(labels)
    }
}

impl From<LabelScope> for BTreeMap<String, BTreeSet<String>> {
    fn from(scope: LabelScope) -> Self {
        scope.0
    }
}

impl FromStr for LabelScope {
    type Err = LabelScopeError;
    fn from_str(text: &str) -> Result<Self, LabelScopeError> {
        let mut labels = BTreeMap::new();
        for part in text.split(',') {
            let (key, values) = part.split_once('=').ok_or_else(|| LabelScopeError {
                reason: format!("{:?} is not name=value", part.chars().take(80).collect::<String>()),
            })?;
            let values: BTreeSet<String> = values.split('|').map(|v| v.trim().to_owned()).collect();
            if labels.insert(key.trim().to_owned(), values).is_some() {
                return Err(LabelScopeError { reason: format!("{} is there twice", key.trim()) });
            }
        }
        Self::new(labels)
    }
}

impl fmt::Display for LabelScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (key, values)) in self.0.iter().enumerate() {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            write!(f, "{}{key}={}", if n == 0 { "" } else { "," }, values.join("|"))?;
        }
        Ok(())
    }
}

/// How somebody proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// Not at all.
    Anonymous,
    /// A session of a person who signed in; the id is not the secret.
    Session { id: String },
    /// A bearer token of a person; the id is not the secret.
    Token { id: String },
    /// The administrator token of the installation.
    Installation,
    /// The command line on the database itself.
    Local,
}

/// Who asks, with all that decides what they get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// For the audit trail and limits: `anonymous`, `user:thu`, `token:thu/ci`, `installation`, `cli`.
    pub actor: String,
    /// Name of the user, if it is one or a token of one.
    pub user: Option<String>,
    pub role: Role,
    /// `None`: all channels.
    pub label_scope: Option<LabelScope>,
    /// The role's, cut by a token's scopes.
    pub permissions: Permissions,
    pub via: Via,
}

impl Principal {
    /// Nobody known. `role`: what the installation lets anybody do; `None`: nothing but what is public.
    pub fn anonymous(role: Option<Role>) -> Self {
        Self {
            actor: "anonymous".into(),
            user: None,
            role: role.unwrap_or(Role::Viewer),
            label_scope: None,
            permissions: role.map_or(Permissions::NONE, Role::permissions),
            via: Via::Anonymous,
        }
    }

    /// The administrator token of the installation.
    pub fn installation() -> Self {
        Self {
            actor: "installation".into(),
            user: None,
            role: Role::Admin,
            label_scope: None,
            permissions: Role::Admin.permissions(),
            via: Via::Installation,
        }
    }

    /// The command line of who may open the database anyway.
    pub fn local() -> Self {
        Self { actor: "cli".into(), via: Via::Local, ..Self::installation() }
    }

    /// Somebody who signed in.
    pub fn session(user: &str, role: Role, label_scope: Option<LabelScope>, id: impl Into<String>) -> Self {
        Self {
            actor: format!("user:{user}"),
            user: Some(user.into()),
            role,
            label_scope,
            permissions: role.permissions(),
            via: Via::Session { id: id.into() },
        }
    }

    /// A token of `user`: no more than the token's scopes, no more than its owner may, no channel that either may
    /// not see.
    pub fn token(
        user: &str,
        role: Role,
        user_scope: Option<&LabelScope>,
        token: (&str, impl Into<String>),
        scopes: Permissions,
        token_scope: Option<&LabelScope>,
    ) -> Self {
        let label_scope = match (user_scope, token_scope) {
            (Some(a), Some(b)) => Some(a.intersect(b)),
            (one, other) => one.or(other).cloned(),
        };
        Self {
            actor: format!("token:{user}/{}", token.0),
            user: Some(user.into()),
            role,
            label_scope,
            permissions: role.permissions().intersect(scopes),
            via: Via::Token { id: token.1.into() },
        }
    }

    pub const fn is_known(&self) -> bool {
        !matches!(self.via, Via::Anonymous)
    }

    /// Whether an operation that needs `permission` is open to it.
    pub const fn may(&self, permission: Permission) -> bool {
        match permission {
            Permission::Public => true,
            Permission::Own => self.is_known(),
            _ => self.permissions.contains(permission),
        }
    }

    /// Whether a channel with these labels exists for it.
    pub fn sees(&self, labels: &BTreeMap<String, String>) -> bool {
        self.label_scope.as_ref().is_none_or(|scope| scope.admits(labels))
    }

    /// For the audit trail. `source`: `api`, `cli`, `up`.
    pub fn changed_by(&self, source: &str) -> ChangedBy {
        ChangedBy { actor: self.actor.clone(), source: source.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> LabelScope {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn labels(text: &str) -> BTreeMap<String, String> {
        text.split(',').filter_map(|p| p.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn words_read_back_and_are_those_of_json() {
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(permission));
            assert_eq!(serde_json::to_value(permission).unwrap(), permission.as_str());
        }
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert!("root".parse::<Role>().unwrap_err().to_string().contains("admin"));
        assert!("write".parse::<Permission>().is_err());
    }

    #[test]
    fn each_role_may_do_what_the_lower_ones_may_and_something_more() {
        let words = |role: Role| role.permissions().iter().map(Permission::as_str).collect::<Vec<_>>();
        assert_eq!(words(Role::Viewer), ["public", "self", "read"]);
        for pair in Role::ALL.windows(2) {
            let (low, high) = (pair[0].permissions(), pair[1].permissions());
            assert_eq!(low.intersect(high), low, "{} has all of {}", pair[1], pair[0]);
            assert_ne!(low, high);
        }
        assert_eq!(Role::Admin.permissions().iter().count(), Permission::ALL.len());
        assert!(!Role::Operator.permissions().contains(Permission::ConfigWrite));
        assert!(!Role::Engineer.permissions().contains(Permission::UsersManage));
        assert!(Role::Engineer.permissions().contains(Permission::AuditRead));
    }

    #[test]
    fn a_scope_admits_channels_by_their_labels() {
        for (text, channel, inside) in [
            ("group=sport", "group=sport", true),
            ("group=sport", "group=sport,site=hcm", true),
            ("group=sport|news", "group=news", true),
            ("group=sport", "group=news", false),
            ("group=sport", "group=sports", false),
            ("group=sport", "", false),
            ("group=sport,site=hcm", "group=sport", false),
            ("group=sport,site=hcm", "group=sport,site=hcm", true),
        ] {
            assert_eq!(scope(text).admits(&labels(channel)), inside, "{text} on {channel}");
        }
    }

    #[test]
    fn two_scopes_admit_what_each_admits() {
        let scopes = ["group=sport", "group=news|sport", "site=hcm", "group=news,site=hcm|han", "site=han"];
        let channels = ["", "group=sport", "group=news", "site=hcm", "group=news,site=han", "group=sport,site=hcm"];
        for a in scopes {
            for b in scopes {
                let both = scope(a).intersect(&scope(b));
                for channel in channels {
                    let channel = labels(channel);
                    let expected = scope(a).admits(&channel) && scope(b).admits(&channel);
                    assert_eq!(both.admits(&channel), expected, "{a} and {b} on {channel:?}");
                }
            }
        }
    }

    #[test]
    fn scopes_read_back_and_bad_ones_say_why() {
        for text in ["group=sport", "group=news|sport,site=hcm"] {
            assert_eq!(scope(text).to_string(), text);
            let json = serde_json::to_string(&scope(text)).unwrap();
            assert_eq!(serde_json::from_str::<LabelScope>(&json).unwrap(), scope(text));
        }
        for bad in ["", "group", "Group=x", "group=", "group=a|", "group=a,group=b", "=x", "-x=a", "group=a\nb"] {
            let error = bad.parse::<LabelScope>().unwrap_err().to_string();
            assert!(error.contains("for example"), "{bad:?}: {error}");
        }
        assert!(serde_json::from_str::<LabelScope>("{}").is_err(), "no label is not \"everything\"");
        let many = (0..MAX_SCOPE_VALUES + 1).map(|n| n.to_string()).collect::<Vec<_>>().join("|");
        assert!(format!("group={many}").parse::<LabelScope>().is_err());
    }

    #[test]
    fn a_token_has_no_more_than_its_owner() {
        let wanted: Permissions =
            [Permission::Read, Permission::ConfigWrite, Permission::UsersManage].into_iter().collect();
        let engineer = Principal::token("thu", Role::Engineer, None, ("ci", "7"), wanted, None);
        assert!(engineer.may(Permission::Read) && engineer.may(Permission::ConfigWrite));
        assert!(!engineer.may(Permission::UsersManage), "its owner may not");
        assert!(!engineer.may(Permission::AlarmsOperate), "it was not given that");
        assert!(engineer.may(Permission::Own));
        assert_eq!(engineer.actor, "token:thu/ci");
        let viewer = Principal::token("thu", Role::Viewer, None, ("ci", "7"), wanted, None);
        assert!(!viewer.may(Permission::ConfigWrite), "the owner's role was lowered");

        let sport = scope("group=sport");
        for (user, token, channel, sees) in [
            (None, None, "", true),
            (Some(&sport), None, "group=news", false),
            (None, Some(&sport), "group=news", false),
            (Some(&scope("group=news")), Some(&sport), "group=sport", false),
            (Some(&scope("group=news|sport")), Some(&sport), "group=sport", true),
        ] {
            let principal = Principal::token("thu", Role::Viewer, user, ("ci", "7"), wanted, token);
            assert_eq!(principal.sees(&labels(channel)), sees, "{user:?} {token:?} {channel}");
        }
    }

    #[test]
    fn nobody_known_gets_what_is_public_and_no_more() {
        let nobody = Principal::anonymous(None);
        for permission in Permission::ALL {
            assert_eq!(nobody.may(permission), permission == Permission::Public, "{permission}");
        }
        let viewer = Principal::anonymous(Some(Role::Viewer));
        assert!(viewer.may(Permission::Read) && !viewer.may(Permission::Own) && !viewer.may(Permission::AlarmsOperate));
        let installation = Principal::installation();
        assert!(Permission::ALL.into_iter().all(|p| installation.may(p)));
    }
}
