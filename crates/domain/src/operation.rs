//! What people and rules do to an incident besides its coming and going: acknowledgement, notes, suppression.
//!
//! Three axes that move apart from each other: the condition (the verdict alone moves it, and a resolution by hand),
//! the acknowledgement ([`Ack`]) and the suppression (a list of [`Suppression`], empty: none).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// Longest note in characters.
pub const MAX_NOTE_CHARS: usize = 2000;
/// Who did what nobody did: the end of a time limit, the beginning and end of a silence.
pub const SYSTEM: &str = "ottwatch";

/// Somebody has it in hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ack {
    pub by: String,
    pub at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// It ends by itself then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// Why nobody is told for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SuppressionKind {
    /// One person put one alarm aside for some hours.
    Shelved,
    Silence,
    Maintenance,
}

impl SuppressionKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shelved => "shelved",
            Self::Silence => "silence",
            Self::Maintenance => "maintenance",
        }
    }
}

impl fmt::Display for SuppressionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One reason why nobody is told for now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Suppression {
    pub kind: SuppressionKind,
    /// Name of the silence or maintenance window; who shelved it.
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OperationKind {
    Ack,
    Unack,
    Note,
    Shelve,
    Unshelve,
    /// Closed by hand.
    Resolve,
    /// A silence or maintenance window began to hide it, or the list of them changed.
    Suppress,
    /// Nothing hides it any more.
    Unsuppress,
}

impl OperationKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Unack => "unack",
            Self::Note => "note",
            Self::Shelve => "shelve",
            Self::Unshelve => "unshelve",
            Self::Resolve => "resolve",
            Self::Suppress => "suppress",
            Self::Unsuppress => "unsuppress",
        }
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a person or a rule did, as the cause of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    pub kind: OperationKind,
    /// A person, a token, or [`SYSTEM`].
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}
