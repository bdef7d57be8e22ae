//! What breaks the playlist grammar, as data.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One breach at one line. Lines count from 1; 0 means the playlist as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    pub line: u32,
    pub kind: IssueKind,
    /// What was found, for people: tag or attribute name and the offending text, cut to [`crate::MAX_DETAIL_CHARS`].
    pub detail: Box<str>,
}

/// Which check of the catalogue an issue feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssueFamily {
    /// `hls-mvp-parse-error` or `hls-playlist-parse-error`, by the kind of playlist.
    Syntax,
    /// `hls-extinf-invalid`.
    Extinf,
    /// `hls-mvp-group-unresolved`.
    Group,
    /// `hls-mvp-define-unresolved`.
    Define,
    /// `hls-byterange-invalid`.
    ByteRange,
    /// `hls-pdt-format`.
    ProgramDateTime,
    /// A required attribute or its value: `hls-mvp-bandwidth-missing`, `hls-mvp-media-attr-invalid`,
    /// `hls-daterange-invalid` and the like, by the tag named at the start of the detail.
    Attribute,
    /// Our own bounds were reached; the model is incomplete.
    Limit,
}

macro_rules! issue_kinds {
    ($( $(#[$doc:meta])* $variant:ident = $id:literal, $family:ident; )*) => {
        /// Closed list of grammar breaches. The text form is stable and part of alarm identity (`reason`).
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
    Empty = "empty", Syntax;
    /// UTF-8 byte order mark before `#EXTM3U` (BIS 4.1).
    Bom = "bom", Syntax;
    /// Not UTF-8; the bad bytes read as U+FFFD (BIS 4.1).
    InvalidUtf8 = "invalid-utf8", Syntax;
    /// U+0000..U+001F other than line ends, U+007F..U+009F (BIS 4.1).
    ControlCharacter = "control-character", Syntax;
    /// First line is not `#EXTM3U` (BIS 4.4.1.1).
    FirstLine = "first-line", Syntax;
    /// Attribute list does not follow `NAME=value,NAME=value` (BIS 4.2).
    AttributeList = "attribute-list", Syntax;
    /// White space around an attribute name or value (BIS 4.2); most players accept it.
    AttributeSpace = "attribute-space", Syntax;
    /// The same attribute name twice in one list (BIS 4.2).
    AttributeDuplicate = "attribute-duplicate", Syntax;
    /// A known tag without its value or with one that is no number where the grammar asks for one (BIS 4.4).
    TagValue = "tag-value", Syntax;
    /// A tag that may appear once appears again (BIS 4.4.2, 4.4.3).
    TagDuplicate = "tag-duplicate", Syntax;
    /// MEDIA-SEQUENCE or DISCONTINUITY-SEQUENCE after the first segment (BIS 4.4.3.2, 4.4.3.3).
    TagMisplaced = "tag-misplaced", Syntax;
    /// Tags of a Media Playlist and of a Multivariant Playlist in one document (BIS 4.1).
    MixedTags = "mixed-tags", Syntax;
    /// STREAM-INF not followed by a URI line (BIS 4.4.6.2).
    StreamInfWithoutUri = "stream-inf-without-uri", Syntax;
    /// URI line in a Multivariant Playlist without a STREAM-INF before it (BIS 4.4.6.2).
    UriWithoutStreamInf = "uri-without-stream-inf", Syntax;
    /// Multivariant Playlist without any variant.
    NoVariant = "no-variant", Syntax;
    /// Media Playlist without TARGETDURATION (BIS 4.4.3.1).
    TargetDurationMissing = "target-duration-missing", Syntax;
    /// URI line without EXTINF before it (BIS 4.4.4.1).
    SegmentWithoutExtinf = "segment-without-extinf", Syntax;
    /// EXTINF without a URI line after it.
    ExtinfWithoutUri = "extinf-without-uri", Syntax;
    /// Duration is no decimal number (BIS 4.4.4.1).
    ExtinfNotANumber = "extinf-not-a-number", Extinf;
    /// Duration below zero.
    ExtinfNegative = "extinf-negative", Extinf;
    /// Duration of zero. Seen in the field on GAP segments: the detail says whether it is one.
    ExtinfZero = "extinf-zero", Extinf;
    /// More than 15 significant digits: not exact in a player's double.
    ExtinfTooPrecise = "extinf-too-precise", Extinf;
    /// A variant names a group that no EXT-X-MEDIA of that TYPE declares (BIS 4.4.6.2).
    GroupUnresolved = "group-unresolved", Group;
    /// `{$name}` without an earlier DEFINE (BIS 4.3).
    VariableUndefined = "variable-undefined", Define;
    /// IMPORT without such a name in the Multivariant Playlist, QUERYPARAM without such a parameter.
    DefineUnresolved = "define-unresolved", Define;
    /// A name defined twice (BIS 4.4.2.3).
    DefineDuplicate = "define-duplicate", Define;
    /// DEFINE with none or several of NAME, IMPORT, QUERYPARAM, or NAME without VALUE.
    DefineInvalid = "define-invalid", Define;
    /// BYTERANGE is not `n[@o]` (BIS 4.4.4.2).
    ByteRange = "byte-range", ByteRange;
    /// BYTERANGE without offset and without a previous range of the same resource (BIS 4.4.4.2).
    ByteRangeWithoutOffset = "byte-range-without-offset", ByteRange;
    /// PROGRAM-DATE-TIME cannot be read at all.
    DateTimeInvalid = "date-time-invalid", ProgramDateTime;
    /// PROGRAM-DATE-TIME without a time zone; read as UTC.
    DateTimeWithoutZone = "date-time-without-zone", ProgramDateTime;
    /// PROGRAM-DATE-TIME without milliseconds.
    DateTimeWithoutMillis = "date-time-without-millis", ProgramDateTime;
    /// A required attribute is absent.
    AttributeMissing = "attribute-missing", Attribute;
    /// A value of the wrong form: not quoted, not a number, not `WxH`.
    AttributeValue = "attribute-value", Attribute;
    /// One of [the bounds](crate::MAX_LINES) was reached.
    LimitExceeded = "limit-exceeded", Limit;
}

impl fmt::Display for IssueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.kind, self.detail)
    }
}
