//! Configuration objects as the store keeps them and the documents describe them. What is inside a `spec`, and what
//! makes it valid, is known to `crates/config`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Slug;

/// Kinds of objects, in the order in which they are exported and listed: what is referred to comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConfigKind {
    /// A place, for channels, packagers and probes.
    Region,
    Packager,
    Probe,
    Receiver,
    Route,
    Template,
    Channel,
    /// Channels that belong together.
    Group,
    Silence,
    Maintenance,
}

impl ConfigKind {
    pub const ALL: [Self; 10] = [
        Self::Region,
        Self::Packager,
        Self::Probe,
        Self::Receiver,
        Self::Route,
        Self::Template,
        Self::Channel,
        Self::Group,
        Self::Silence,
        Self::Maintenance,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Region => "Region",
            Self::Packager => "Packager",
            Self::Probe => "Probe",
            Self::Receiver => "Receiver",
            Self::Route => "Route",
            Self::Template => "Template",
            Self::Channel => "Channel",
            Self::Group => "Group",
            Self::Silence => "Silence",
            Self::Maintenance => "Maintenance",
        }
    }

    /// Name of the collection in paths: `channels`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Region => "regions",
            Self::Packager => "packagers",
            Self::Probe => "probes",
            Self::Receiver => "receivers",
            Self::Route => "routes",
            Self::Template => "templates",
            Self::Channel => "channels",
            Self::Group => "groups",
            Self::Silence => "silences",
            Self::Maintenance => "maintenance",
        }
    }
}

impl fmt::Display for ConfigKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ConfigKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|k| k.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("{text:?} is not a kind; kinds are {known}")
        })
    }
}

/// Label of an object that somebody else than people looks after: the name of the owner, such as a git repository.
/// Pruning deletes objects of its own owner only.
pub const MANAGED_BY: &str = "managed-by";

/// One object: kind and name are its identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigObject {
    pub kind: ConfigKind,
    pub name: Slug,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// In the normal form of `crates/config`: values with units as text, nothing that equals a default.
    pub spec: Value,
    /// Configuration revision at which it was last changed; 0 when it is not stored.
    pub revision: u64,
}

impl ConfigObject {
    /// The owner that looks after it.
    pub fn managed_by(&self) -> Option<&str> {
        self.labels.get(MANAGED_BY).map(String::as_str)
    }
}

/// One change of what is stored. `revision` of an update or delete is the one that was read: another one stored
/// means that somebody was faster.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigChange {
    Create(ConfigObject),
    Update(ConfigObject),
    Delete { kind: ConfigKind, name: Slug, revision: u64 },
}

/// Who changes, and by which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedBy {
    /// A person or token, as far as known.
    pub actor: String,
    /// `cli`, `api`, `up`.
    pub source: String,
}
