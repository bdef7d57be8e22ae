//! Faults on demand: which objects ([`Selector`]), what happens ([`FaultKind`]), when ([`FaultSpec`], [`FaultScript`]).
//!
//! Nothing is random. `every` counts: of segments those whose number it divides, of playlists every n-th request.

mod kind;
mod named;
mod script;
mod select;
mod set;

pub use kind::{Blocking, Discontinuity, FaultKind, Malformed, Rewrite, Rotation, Seam, Sequence};
pub use named::{NamedFault, Near, Profile};
pub use script::{FaultScript, ScriptStep};
pub use select::{Format, ObjectKind, Selector};
pub use set::{Active, FaultHandle};
pub(crate) use set::{Hit, Target};

use serde::{Deserialize, Serialize};

/// One fault as told to `POST /control/faults`:
/// `{"select": {"channel": "ch1", "rendition": "360p"}, "fault": {"kind": "http-status", "status": 404}, "for_ms": 30000}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// Slug of at most 64; made when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default)]
    pub select: Selector,
    pub fault: FaultKind,
    /// Milliseconds from now until it stops by itself; `None`: until removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// Comes and goes while it is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flap: Option<Flap>,
}

impl FaultSpec {
    /// `kind` on everything it can apply to, until removed.
    pub fn new(kind: FaultKind) -> FaultSpec {
        FaultSpec { id: None, select: Selector::default(), fault: kind, for_ms: None, flap: None }
    }

    /// Only on this channel (glob).
    pub fn channel(mut self, glob: &str) -> FaultSpec {
        self.select.channel = glob.into();
        self
    }

    /// Only on this rendition (glob).
    pub fn rendition(mut self, glob: &str) -> FaultSpec {
        self.select.rendition = glob.into();
        self
    }

    /// Only on these objects.
    pub fn objects(mut self, kinds: &[ObjectKind]) -> FaultSpec {
        self.select.object = kinds.to_vec();
        self
    }

    /// Only on these formats.
    pub fn formats(mut self, formats: &[Format]) -> FaultSpec {
        self.select.format = formats.to_vec();
        self
    }

    /// Only on every n-th.
    pub fn every(mut self, n: u64) -> FaultSpec {
        self.select.every = n;
        self
    }
}

impl FaultSpec {
    /// Only on segments published from now on.
    pub fn on_new(mut self) -> FaultSpec {
        self.select.new = true;
        self
    }
}

/// Active for `on_ms`, then not for `off_ms`, again and again, beginning with on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flap {
    pub on_ms: u64,
    pub off_ms: u64,
}

/// A fault that cannot be: wrong selector, value, or a pair that has no meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{field} = {value}: {reason}; for example {example}")]
pub struct FaultError {
    /// Path in the JSON, for example `select.rendition`.
    pub field: String,
    pub value: String,
    pub reason: String,
    /// A valid value.
    pub example: String,
}

impl FaultError {
    pub(crate) fn new(
        field: &str,
        value: impl ToString,
        reason: impl Into<String>,
        example: impl Into<String>,
    ) -> FaultError {
        FaultError { field: field.into(), value: value.to_string(), reason: reason.into(), example: example.into() }
    }
}
