//! What breaks the rules of an MPD, as data.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Position;
use crate::limits::MAX_DETAIL_CHARS;

/// One breach at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    pub at: Position,
    pub kind: IssueKind,
    /// Element and attribute, `SegmentTemplate@timescale`, with the ids that tell it from its like.
    pub subject: Box<str>,
    /// What was found, cut to [`MAX_DETAIL_CHARS`]; empty when it is absence itself.
    pub found: Box<str>,
    /// What the rule asks for.
    pub expected: Box<str>,
}

impl Issue {
    pub fn new(
        at: Position,
        kind: IssueKind,
        subject: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            at,
            kind,
            subject: cut(subject.into()).into(),
            found: cut(found.into()).into(),
            expected: cut(expected.into()).into(),
        }
    }
}

/// At most [`MAX_DETAIL_CHARS`] characters, control characters shown as spaces.
fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_DETAIL_CHARS) {
        text.truncate(end);
    }
    if text.contains(char::is_control) {
        text = text.replace(char::is_control, " ");
    }
    text
}

/// Which check of the catalogue an issue feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssueFamily {
    /// `dash-mpd-parse-error`: no XML, no MPD, or a value that the arithmetic needs and cannot read.
    Parse,
    /// `dash-mpd-schema`: required attributes and enumerations.
    Schema,
    /// `dash-mpd-zero-attribute`.
    Zero,
    /// `dash-mpd-ast-missing`.
    AvailabilityStart,
    /// `dash-mpd-publishtime-missing`.
    PublishTime,
    /// `dash-mpd-mup-missing`.
    UpdatePeriod,
    /// `dash-mpd-mup-tiny`.
    UpdatePeriodTiny,
    /// `dash-mpd-tsbd-invalid`.
    TimeShiftBuffer,
    /// `dash-mpd-spd-missing`.
    PresentationDelay,
    /// `dash-mpd-utctiming-missing`.
    UtcTiming,
    /// `dash-mpd-utctiming-scheme`.
    UtcTimingScheme,
    /// `dash-mpd-duration-format`.
    DurationFormat,
    /// `dash-mpd-id-missing`.
    Id,
    /// `dash-mpd-rep-id-duplicate`.
    RepresentationId,
    /// `dash-mpd-addressing-invalid`.
    Addressing,
    /// `dash-mpd-timescale-missing`.
    Timescale,
    /// `dash-mpd-s-duration-exceeds-max`.
    SegmentDuration,
    /// `dash-mpd-attr-missing`.
    Attribute,
    /// Parts that we do not judge.
    NotCovered,
    /// Our own bounds were reached; the model is incomplete.
    Limit,
}

macro_rules! issue_kinds {
    ($( $(#[$doc:meta])* $variant:ident = $id:literal, $family:ident; )*) => {
        /// Closed list of breaches. The text form is stable and part of alarm identity (`reason`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum IssueKind {
            $( $(#[$doc])* #[serde(rename = $id)] $variant, )*
        }

        impl IssueKind {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }

            pub const fn family(self) -> IssueFamily {
                match self { $(Self::$variant => IssueFamily::$family,)* }
            }
        }
    };
}

issue_kinds! {
    /// The body is empty or only white space.
    Empty = "empty", Parse;
    /// Not UTF-8 (UTF-16 and declared other encodings included); bad bytes read as U+FFFD.
    Encoding = "encoding", Parse;
    /// Not well-formed XML (XML 1.0 §2.1): the rest of the document is not read.
    NotWellFormed = "not-well-formed", Parse;
    /// The document ends inside an element.
    Truncated = "truncated", Parse;
    /// A document type declaration; it is not read and nothing it declares is expanded.
    Doctype = "doctype", Parse;
    /// A reference to an entity other than the five of XML; it stays as written.
    Entity = "entity", Parse;
    /// The root element is neither `MPD` nor `Patch` (ISO/IEC 23009-1 §5.2, §5.15).
    Root = "root", Parse;
    /// The root is not in `urn:mpeg:dash:schema:mpd:2011`.
    Namespace = "namespace", Parse;
    /// No Period (§5.3.1.1).
    NoPeriod = "no-period", Parse;
    /// No xs:duration where one is needed (§5.3.1.2).
    DurationInvalid = "duration-invalid", Parse;
    /// No xs:dateTime where one is needed.
    DateTimeInvalid = "date-time-invalid", Parse;
    /// No number where the arithmetic needs one.
    NumberInvalid = "number-invalid", Parse;
    /// A number outside of what its type holds, or below zero where that has no meaning.
    NumberRange = "number-range", Parse;
    /// A required attribute is absent.
    AttributeMissing = "attribute-missing", Schema;
    /// A value of the wrong form or outside of its enumeration.
    AttributeValue = "attribute-value", Schema;
    /// Zero where zero has no meaning.
    ZeroValue = "zero-value", Zero;
    /// `dynamic` without `@availabilityStartTime` (§5.3.1.2).
    AvailabilityStartMissing = "availability-start-missing", AvailabilityStart;
    /// A date without time zone; read as UTC.
    DateTimeWithoutZone = "date-time-without-zone", AvailabilityStart;
    /// `dynamic` without `@publishTime` (§5.3.1.2).
    PublishTimeMissing = "publish-time-missing", PublishTime;
    /// `dynamic` with an explicit list of segments and no end, without `@minimumUpdatePeriod`.
    UpdatePeriodMissing = "update-period-missing", UpdatePeriod;
    /// `@minimumUpdatePeriod` above 0 and below 1 s.
    UpdatePeriodTiny = "update-period-tiny", UpdatePeriodTiny;
    /// `@timeShiftBufferDepth` below three segments.
    TimeShiftBufferShort = "time-shift-buffer-short", TimeShiftBuffer;
    /// `dynamic` without `@suggestedPresentationDelay`.
    PresentationDelayMissing = "presentation-delay-missing", PresentationDelay;
    /// `@suggestedPresentationDelay` below `@minBufferTime`.
    PresentationDelayShort = "presentation-delay-short", PresentationDelay;
    /// `@suggestedPresentationDelay` above `@timeShiftBufferDepth`.
    PresentationDelayLong = "presentation-delay-long", PresentationDelay;
    /// `dynamic` without UTCTiming.
    UtcTimingMissing = "utc-timing-missing", UtcTiming;
    /// No UTCTiming of a scheme that players know.
    UtcTimingScheme = "utc-timing-scheme", UtcTimingScheme;
    /// xs:duration with years or months: no fixed length; read as 365 and 30 days.
    DurationCalendar = "duration-calendar", DurationFormat;
    /// A media time of 2^53 or more: not exact in a player's double.
    TimeNotExact = "time-not-exact", DurationFormat;
    /// `dynamic` and a Period without `@id` (§5.3.2.2).
    PeriodIdMissing = "period-id-missing", Id;
    /// Two Periods of one id.
    PeriodIdDuplicate = "period-id-duplicate", Id;
    /// `dynamic` and a Period that is not the last, without a start that can be derived.
    PeriodStartMissing = "period-start-missing", Id;
    /// An MPD that is updated, and an AdaptationSet without `@id`.
    SetIdMissing = "adaptation-set-id-missing", Id;
    /// Representation ids repeat inside a Period (§5.3.5.2).
    RepresentationIdDuplicate = "representation-id-duplicate", RepresentationId;
    /// White space in a Representation id (§5.3.5.2).
    RepresentationIdSpace = "representation-id-space", RepresentationId;
    /// Several of SegmentBase, SegmentList, SegmentTemplate are in force (§5.3.9.1).
    AddressingSeveral = "addressing-several", Addressing;
    /// None of SegmentBase, SegmentList, SegmentTemplate in a `dynamic` MPD.
    AddressingNone = "addressing-none", Addressing;
    /// A template without `@media`.
    TemplateWithoutMedia = "template-without-media", Addressing;
    /// `$Number$` and `$Time$` in one template (§5.3.9.4.4).
    TemplateNumberAndTime = "template-number-and-time", Addressing;
    /// Neither `$Number$` nor `$Time$` and more than one segment.
    TemplateWithoutNumber = "template-without-number", Addressing;
    /// `$Name$` that the standard does not know, or a lone `$`.
    TemplateIdentifier = "template-identifier", Addressing;
    /// A width that is not `%0Nd` (§5.3.9.4.4).
    TemplateWidth = "template-width", Addressing;
    /// `@duration` and SegmentTimeline together (§5.3.9.2).
    DurationAndTimeline = "duration-and-timeline", Addressing;
    /// Neither `@duration` nor SegmentTimeline and more than one segment.
    DurationMissing = "duration-missing", Addressing;
    /// SegmentTemplate or SegmentList without `@timescale`, with durations that look like ticks.
    TimescaleMissing = "timescale-missing", Timescale;
    /// The longest `S@d` is longer than `@maxSegmentDuration` allows.
    SegmentAboveMax = "segment-above-max", SegmentDuration;
    /// An attribute that players need, absent after inheritance.
    RecommendedMissing = "recommended-missing", Attribute;
    /// No language on the only audio or text AdaptationSet: nobody has to choose.
    LanguageOfOnlySet = "language-of-only-set", Attribute;
    /// Remote elements, patterns and other parts that we do not judge.
    NotCovered = "not-covered", NotCovered;
    /// One of [the bounds](crate::MAX_BYTES) was reached.
    LimitExceeded = "limit-exceeded", Limit;
}

impl fmt::Display for IssueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.at.line, self.subject)?;
        if self.found.is_empty() {
            f.write_str(" is missing")?;
        } else {
            write!(f, " is {}", self.found)?;
        }
        if self.expected.is_empty() { Ok(()) } else { write!(f, "; expected {}", self.expected) }
    }
}
