//! What one more fetch of an MPD means. Plain data.

use ow_domain::capture::TrackKind;
use ow_domain::{Span, Time, TrackId};
use serde::{Deserialize, Serialize};

use super::super::view::{Listed, Presentation};

/// One fetch of the MPD.
#[derive(Debug, Clone, Copy)]
pub struct DashObservation<'a> {
    pub t_req: Time,
    pub t_end: Time,
    /// `Age` of the answer.
    pub age: Option<Span>,
    pub outcome: DashOutcome<'a>,
}

#[derive(Debug, Clone, Copy)]
pub enum DashOutcome<'a> {
    Ok(&'a Presentation),
    /// 304, with the MPD as it was when it was last read.
    NotModified(&'a Presentation),
    Failed,
}

/// What one more fetch means. Plain data: checks judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DashStep {
    pub class: DashClass,
    /// Grows with every availability start that was accepted; the first is 1.
    pub epoch: u32,
    pub t_req: Time,
    pub t_end: Time,
    pub publish: Publish,
    /// The content is another one than that accepted before; `None` when there was none.
    pub content_changed: Option<bool>,
    /// The availability start is not that of the accepted epoch: before and now.
    pub ast_changed: Option<(Option<Time>, Option<Time>)>,
    /// With a new epoch came other Periods and another timeline: nothing goes on.
    #[serde(default)]
    pub reset: bool,
    pub dynamic: bool,
    /// Static before and dynamic now, or the other way round.
    pub type_changed: bool,
    pub update_period: Option<Span>,
    pub period_changes: Vec<PeriodChange>,
    pub tracks: Vec<DashTrackStep>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DashClass {
    First,
    Failed,
    /// The request began before the last one judged.
    OutOfOrder,
    /// The accepted content again.
    Unchanged,
    Updated,
    /// An older version: state untouched.
    StaleCopy,
    /// Another availability start, not yet confirmed: state untouched.
    EpochCandidate,
    /// Another availability start for the second time: accepted.
    EpochChanged,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Publish {
    /// Absent now or before, or nothing to compare with.
    Unknown,
    Same,
    Newer,
    /// Lower than the accepted one. `known_body`: it is a version that was served before.
    Regressed {
        before: Time,
        after: Time,
        known_body: bool,
    },
}

/// A known Period that is another one now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeriodChange {
    pub period: Box<str>,
    /// Where it is about one rendition.
    pub track: Option<TrackId>,
    pub field: PeriodField,
    pub before: Box<str>,
    pub after: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeriodField {
    Start,
    PresentationTimeOffset,
    Timescale,
    AssetIdentifier,
    Media,
}

/// One rendition of one Period after one accepted fetch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DashTrackStep {
    pub period: Box<str>,
    pub track: TrackId,
    pub kind: TrackKind,
    pub timescale: u64,
    pub explicit: bool,
    /// Nominal segment duration.
    pub nominal: Option<Span>,
    /// Holes (above 0) and overlaps (below 0) between listed segments beyond one tick or 1 ms; the worst
    /// of each sign first.
    pub seams: Vec<Seam>,
    pub n_listed: u64,
    pub rewritten: Option<Rewrite>,
    pub mapping: Option<MappingChange>,
    /// Newest content of the rendition, told in the Period that holds it.
    pub age: Option<DashAge>,
    /// End of the newest listed segment on the wall clock: AST + PS + (end - PTO).
    pub edge_at: Option<Time>,
}

/// Between two listed segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seam {
    /// Where the first of them ends and the second starts, ticks.
    pub end: u64,
    pub start: u64,
    /// `start - end`.
    pub size: Span,
}

/// A known segment that is listed otherwise now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    pub before: Listed,
    pub after: Listed,
    /// Segments that show it.
    pub n: u32,
}

/// Numbers that stand for other media than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum MappingChange {
    /// The segment at `time` had the number `before`.
    Number { time: u64, before: u64, after: u64 },
    /// A computed list: `startNumber` and duration in ticks before and now.
    Computed { before: (u64, u64), after: (u64, u64) },
    /// A computed list whose timescale or offset changed: numbers stand for other times.
    Base,
}

/// Age of the newest content (CHECKS 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DashAge {
    /// This answer showed something newer.
    pub grew: bool,
    /// `t_req` minus the end of the response that first showed it: a lower bound; 0 when it grew.
    pub age: Span,
    pub age_at_origin: Option<Span>,
    pub first_seen_end: Time,
}

impl DashStep {
    /// The answer became, or equals, the accepted state.
    pub const fn is_accepted(&self) -> bool {
        matches!(self.class, DashClass::First | DashClass::Unchanged | DashClass::Updated | DashClass::EpochChanged)
    }
    /// There was an MPD to look at.
    pub const fn has_mpd(&self) -> bool {
        !matches!(self.class, DashClass::Failed | DashClass::OutOfOrder)
    }
}
