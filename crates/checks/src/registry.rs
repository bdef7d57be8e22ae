//! What a check is, and the list of all of them.

use ow_domain::Severity;

use crate::input::{Load, MediaLoad, MvpLoad, PlaylistLoad, PlaylistStep, Renditions};
use crate::outcome::Outcome;

/// One entry of the catalogue. Made by [`check!`](crate::check) in the file of the check.
#[derive(Debug)]
pub struct CheckDef {
    /// Names the fault, never changes.
    pub id: &'static str,
    /// For lists and subjects of messages.
    pub title: &'static str,
    /// The four doc lines: Detects, Matters, Usual causes, Stays quiet.
    pub doc: &'static [&'static str],
    /// Severity when nothing makes it milder or worse.
    pub severity: Severity,
    /// Raise hold in the notation of CHECKS 1.2.
    pub hold: &'static str,
    pub clear: &'static str,
    /// Version of ottwatch that brought it.
    pub since: &'static str,
    /// Clauses it rests on.
    pub spec: &'static [Spec],
    pub params: &'static [ParamDef],
    pub scope: Scope,
    /// Source file, for the tests over the catalogue.
    pub file: &'static str,
    pub run: Run,
}

/// A clause of a standard, or operational experience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    pub text: &'static str,
    pub clause: &'static str,
}

/// draft-pantos-hls-rfc8216bis; RFC 8216 has the same rules.
pub const fn bis(clause: &'static str) -> Spec {
    Spec { text: "rfc8216bis", clause }
}
/// Apple HLS Authoring Specification.
pub const fn has(clause: &'static str) -> Spec {
    Spec { text: "Apple HLS Authoring Specification", clause }
}
pub const fn rfc(text: &'static str, clause: &'static str) -> Spec {
    Spec { text, clause }
}
/// Operational experience, no norm.
pub const fn op() -> Spec {
    Spec { text: "operational experience", clause: "" }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParamDef {
    pub name: &'static str,
    pub default: f64,
    pub unit: &'static str,
}

/// What the alarm is about unless an evaluation says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Host,
    Stream,
    Track,
}

/// The function and the input it is given.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    Load(fn(&Load<'_>, &[f64], &mut Outcome)),
    MvpLoad(fn(&MvpLoad<'_>, &[f64], &mut Outcome)),
    PlaylistLoad(fn(&PlaylistLoad<'_>, &[f64], &mut Outcome)),
    PlaylistStep(fn(&PlaylistStep<'_>, &[f64], &mut Outcome)),
    MediaLoad(fn(&MediaLoad<'_>, &[f64], &mut Outcome)),
    Renditions(fn(&Renditions<'_>, &[f64], &mut Outcome)),
}

impl CheckDef {
    /// Transport and parse checks may raise while a channel starts.
    pub fn raises_in_grace(&self) -> bool {
        self.id.starts_with("http-") || self.id.ends_with("-parse-error")
    }

    /// Family prefix of the id: `http`, `hls-mvp`, `hls`, `seg`, `br`, `media`.
    pub fn family(&self) -> &'static str {
        ["hls-mvp", "http", "hls", "seg", "br", "media"]
            .into_iter()
            .find(|family| self.id.strip_prefix(family).is_some_and(|rest| rest.starts_with('-')))
            .unwrap_or("")
    }
}

/// Declares the check of a file: its entry in the catalogue and its parameters. The function `run` follows it.
#[macro_export]
macro_rules! check {
    (
        $(#[doc = $doc:literal])+
        id: $id:literal, title: $title:literal, severity: $severity:ident, hold: $hold:literal, clear: $clear:literal,
        since: $since:literal, spec: [$($spec:expr),* $(,)?], input: $input:ident, scope: $scope:ident,
        params: { $($param:ident: f64 = $default:literal, $unit:literal);* $(;)? } $(,)?
    ) => {
        /// Values in force, in the units of the catalogue.
        #[derive(Debug, Clone, Copy)]
        struct Params {
            $($param: f64),*
        }

        pub(crate) static CHECK: $crate::registry::CheckDef = $crate::registry::CheckDef {
            id: $id,
            title: $title,
            doc: &[$($doc),+],
            severity: ow_domain::Severity::$severity,
            hold: $hold,
            clear: $clear,
            since: $since,
            spec: &[$($spec),*],
            params: &[$($crate::registry::ParamDef { name: stringify!($param), default: $default, unit: $unit }),*],
            scope: $crate::registry::Scope::$scope,
            file: file!(),
            run: $crate::registry::Run::$input(|input, values, out| {
                #[allow(unused_mut, unused_variables)]
                let mut values = values.iter().copied();
                run(input, &Params { $($param: values.next().unwrap_or($default)),* }, out)
            }),
        };
    };
}

/// Every check, in the order of the catalogue: parents before children.
pub fn all() -> &'static [&'static CheckDef] {
    &crate::catalogue::ALL
}

/// Looks a check up by id.
pub fn find(id: &str) -> Option<&'static CheckDef> {
    all().iter().copied().find(|check| check.id == id)
}
