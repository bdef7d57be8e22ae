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
    Probe,
    Receiver,
    Route,
    Template,
    Channel,
}

impl ConfigKind {
    pub const ALL: [Self; 5] = [Self::Probe, Self::Receiver, Self::Route, Self::Template, Self::Channel];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Probe => "Probe",
            Self::Receiver => "Receiver",
            Self::Route => "Route",
            Self::Template => "Template",
            Self::Channel => "Channel",
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
        Self::ALL
            .into_iter()
            .find(|k| k.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a kind; use Channel, Template, Receiver, Route or Probe"))
    }
}

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
