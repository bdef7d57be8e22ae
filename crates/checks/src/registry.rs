//! What a check is, and the list of all of them.

use std::sync::LazyLock;

use ow_domain::Severity;

use crate::input::{
    Aligned, DeltaLoad, EdgesLoad, HintLoad, LadderLoad, LiveManifest, Load, MediaLoad, MpdLoad, MpdStep, MvpDocument,
    MvpLoad, PartBytes, PartEdge, PartGone, PartLoad, PartsLoad, PlaylistLoad, PlaylistStep, Presentations, ProbeLoad,
    ProbeSilence, ReloadLoad, Renditions, SharedObject,
};
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
    /// Most checks look at one kind of input, some at several.
    pub runs: &'static [Run],
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
/// ISO/IEC 23009-1, Media presentation description and segment formats.
pub const fn iso_dash(clause: &'static str) -> Spec {
    Spec { text: "ISO/IEC 23009-1", clause }
}
pub const fn rfc(text: &'static str, clause: &'static str) -> Spec {
    Spec { text, clause }
}
/// ISO base media file format.
pub const fn bmff(clause: &'static str) -> Spec {
    Spec { text: "ISO/IEC 14496-12", clause }
}
/// Common media application format.
pub const fn cmaf(clause: &'static str) -> Spec {
    Spec { text: "ISO/IEC 23000-19", clause }
}
/// Common encryption.
pub const fn cenc(clause: &'static str) -> Spec {
    Spec { text: "ISO/IEC 23001-7", clause }
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
    /// A fetcher process: no stream, the process in place of the rendition.
    Probe,
}

/// Declares [`Run`], [`InputKind`] and what feeds one from the other. A new kind of input is one line in the call.
macro_rules! inputs {
    ($($name:ident),* $(,)?) => {
        /// The function and the input it is given.
        #[derive(Debug, Clone, Copy)]
        pub enum Run {
            $($name(fn(&$name<'_>, &[f64], &mut Outcome))),*
        }

        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum InputKind {
            $($name),*
        }

        impl InputKind {
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }

        impl Run {
            pub const fn kind(&self) -> InputKind {
                match self {
                    $(Self::$name(_) => InputKind::$name),*
                }
            }
        }

        $(
            impl Given for $name<'_> {
                const KIND: InputKind = InputKind::$name;
                fn give(&self, run: &Run, params: &[f64], out: &mut Outcome) {
                    if let Run::$name(check) = run {
                        check(self, params, out);
                    }
                }
            }
        )*
    };
}

/// An input that checks can be run on.
pub(crate) trait Given {
    const KIND: InputKind;
    /// Runs a check of this kind; one of another kind is left alone.
    fn give(&self, run: &Run, params: &[f64], out: &mut Outcome);
}

inputs!(
    ProbeLoad,
    ProbeSilence,
    Load,
    MvpLoad,
    MvpDocument,
    MpdLoad,
    PlaylistLoad,
    LiveManifest,
    PlaylistStep,
    MpdStep,
    MediaLoad,
    Renditions,
    LadderLoad,
    Aligned,
    Presentations,
    SharedObject,
    ReloadLoad,
    PartsLoad,
    PartEdge,
    PartLoad,
    PartGone,
    PartBytes,
    EdgesLoad,
    HintLoad,
    DeltaLoad
);

/// Place in the catalogue and function of every check that looks at `kind`, in the order of the catalogue.
pub(crate) fn by_input(kind: InputKind) -> &'static [(usize, Run)] {
    static TABLE: LazyLock<Vec<Vec<(usize, Run)>>> = LazyLock::new(|| {
        let of = |kind: &InputKind| {
            let checks = all().iter().enumerate();
            checks.flat_map(|(i, c)| c.runs.iter().filter(|r| r.kind() == *kind).map(move |r| (i, *r))).collect()
        };
        InputKind::ALL.iter().map(of).collect()
    });
    &TABLE[kind as usize]
}

/// Prefixes of ids; one that begins with another comes before it.
pub const FAMILIES: [&str; 18] = [
    "self",
    "http",
    "hls-mvp",
    "hls-align",
    "hls",
    "llhls",
    "dash-mpd",
    "dash",
    "lldash",
    "xp",
    "ladder",
    "ts",
    "mp4",
    "seg",
    "br",
    "media",
    "drm",
    "ad",
];

impl CheckDef {
    /// Transport, parse and self checks may raise while a channel starts.
    pub fn raises_in_grace(&self) -> bool {
        self.id.starts_with("http-") || self.id.starts_with("self-") || self.id.ends_with("-parse-error")
    }

    /// Family prefix of the id: one of [`FAMILIES`].
    pub fn family(&self) -> &'static str {
        FAMILIES
            .into_iter()
            .find(|family| self.id.strip_prefix(family).is_some_and(|rest| rest.starts_with('-')))
            .unwrap_or("")
    }
}

/// Declares the check of a file: its entry in the catalogue and its parameters. The function `run` follows it, and those
/// for other kinds of input: `also: { MediaLoad => measured }` after `params`.
#[macro_export]
macro_rules! check {
    (
        $(#[doc = $doc:literal])+
        id: $id:literal, title: $title:literal, severity: $severity:ident, hold: $hold:literal, clear: $clear:literal,
        since: $since:literal, spec: [$($spec:expr),* $(,)?], input: $input:ident, scope: $scope:ident,
        params: { $($param:ident: f64 = $default:literal, $unit:literal);* $(;)? } $(,)?
        $(also: { $($more:ident => $also:ident),+ $(,)? } $(,)?)?
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
            runs: &[
                $crate::registry::Run::$input(|input, values, out| run(input, &Params::new(values), out)),
                $($($crate::registry::Run::$more(|input, values, out| $also(input, &Params::new(values), out)),)+)?
            ],
        };

        impl Params {
            fn new(values: &[f64]) -> Self {
                #[allow(unused_mut, unused_variables)]
                let mut values = values.iter().copied();
                Self { $($param: values.next().unwrap_or($default)),* }
            }
        }
    };
}

/// Every check, in the order of the catalogue: parents before children.
pub fn all() -> &'static [&'static CheckDef] {
    crate::catalogue::ALL.as_slice()
}

/// Looks a check up by id.
pub fn find(id: &str) -> Option<&'static CheckDef> {
    all().iter().copied().find(|check| check.id == id)
}
