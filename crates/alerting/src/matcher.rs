//! One condition of a route: `severity>=major`, `channel=vtv*`, `label.group!=test`.

use std::fmt;
use std::str::FromStr;

use ow_domain::Severity;
use ow_domain::incident::Notice;
use serde::{Deserialize, Serialize};

use crate::glob;

/// Longest text of a matcher in bytes.
pub const MAX_MATCHER_BYTES: usize = 512;

/// What is looked at. A field that an alarm does not have counts as the empty text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    Severity,
    Channel,
    Check,
    Protocol,
    Stream,
    Track,
    Host,
    Reason,
    Packager,
    Region,
    Probe,
    Label(String),
}

/// Names of the fields besides `label.<name>`.
const FIELDS: [(&str, Field); 11] = [
    ("severity", Field::Severity),
    ("channel", Field::Channel),
    ("check", Field::Check),
    ("protocol", Field::Protocol),
    ("stream", Field::Stream),
    ("track", Field::Track),
    ("host", Field::Host),
    ("reason", Field::Reason),
    ("packager", Field::Packager),
    ("region", Field::Region),
    ("probe", Field::Probe),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `=`, also written `=~`: the whole text matches the pattern, see [`glob`].
    Is,
    /// `!=`, also written `!~`.
    IsNot,
    AtLeast,
    AtMost,
    Above,
    Below,
}

/// Operators as written, longest first; the first spelling of an operator is the one written back.
const OPS: [(&str, Op); 8] = [
    (">=", Op::AtLeast),
    ("<=", Op::AtMost),
    ("!=", Op::IsNot),
    ("!~", Op::IsNot),
    ("=~", Op::Is),
    (">", Op::Above),
    ("<", Op::Below),
    ("=", Op::Is),
];

/// A condition on an alarm. Text form `<field><operator><value>`, blanks around the operator are allowed. Order
/// operators work on severity only; `=` and `!=` take patterns with `*` and `?`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Matcher {
    field: Field,
    op: Op,
    value: String,
    /// Of `value`, when an order operator needs it.
    level: Option<Severity>,
}

/// The text is not a matcher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a matcher: {reason}; for example \"severity>=major\", \"channel=vtv*\" or \"label.group=sport\""
)]
pub struct MatcherError {
    pub text: String,
    pub reason: String,
}

impl Matcher {
    /// Whether the alarm meets it.
    pub fn matches(&self, alarm: &Notice) -> bool {
        if self.field == Field::Severity
            && let Some(level) = self.level
        {
            return match self.op {
                Op::AtLeast => alarm.severity >= level,
                Op::AtMost => alarm.severity <= level,
                Op::Above => alarm.severity > level,
                Op::Below => alarm.severity < level,
                Op::Is => alarm.severity == level,
                Op::IsNot => alarm.severity != level,
            };
        }
        let hit = glob::matches(&self.value, self.field.of(alarm));
        match self.op {
            Op::Is => hit,
            Op::IsNot => !hit,
            // Refused when read.
            Op::AtLeast | Op::AtMost | Op::Above | Op::Below => false,
        }
    }
}

impl Field {
    fn of<'a>(&self, alarm: &'a Notice) -> &'a str {
        let subject = &alarm.subject;
        match self {
            Self::Severity => alarm.severity.as_str(),
            Self::Channel => alarm.channel.as_str(),
            Self::Check => &alarm.check,
            Self::Protocol => subject.protocol.map_or("", |p| p.as_str()),
            Self::Stream => subject.stream.as_ref().map_or("", |s| s.as_str()),
            Self::Track => subject.track.as_ref().map_or("", |t| t.as_str()),
            Self::Host => subject.host.as_deref().unwrap_or(""),
            Self::Reason => subject.reason.as_deref().unwrap_or(""),
            Self::Packager => alarm.packager.as_deref().unwrap_or(""),
            Self::Region => alarm.region.as_deref().unwrap_or(""),
            Self::Probe => alarm.probe.as_ref().map_or("", |p| p.as_str()),
            Self::Label(name) => alarm.labels.get(name).map_or("", String::as_str),
        }
    }
}

impl FromStr for Matcher {
    type Err = MatcherError;

    fn from_str(text: &str) -> Result<Self, MatcherError> {
        let fail = |reason: String| Err(MatcherError { text: text.chars().take(80).collect(), reason });
        if text.len() > MAX_MATCHER_BYTES {
            return fail(format!("it is longer than {MAX_MATCHER_BYTES} bytes"));
        }
        let Some(at) = text.find(['=', '!', '<', '>']) else {
            return fail("it has no operator; use =, !=, >=, <=, > or <".to_owned());
        };
        let Some((spelling, op)) = OPS.into_iter().find(|(spelling, _)| text[at..].starts_with(spelling)) else {
            return fail("'!' stands alone; use != or !~".to_owned());
        };
        let name = text[..at].trim();
        let value = text[at + spelling.len()..].trim();
        let field = match name.strip_prefix("label.") {
            Some("") => return fail("the name of the label is missing".to_owned()),
            Some(label) => Field::Label(label.to_owned()),
            None => match FIELDS.into_iter().find(|(known, _)| *known == name) {
                Some((_, field)) => field,
                None => {
                    let known: Vec<&str> = FIELDS.iter().map(|(known, _)| *known).collect();
                    return fail(format!("{name:?} is not a field; use {} or label.<name>", known.join(", ")));
                }
            },
        };
        let ordered = !matches!(op, Op::Is | Op::IsNot);
        if field != Field::Severity {
            if ordered {
                return fail(format!("{spelling} works on severity only; use = or !="));
            }
            return Ok(Self { field, op, value: value.to_owned(), level: None });
        }
        match value.parse::<Severity>() {
            Ok(level) => Ok(Self { field, op, value: value.to_owned(), level: Some(level) }),
            Err(_) if !ordered && value.contains(['*', '?']) => {
                Ok(Self { field, op, value: value.to_owned(), level: None })
            }
            Err(error) => fail(error.to_string()),
        }
    }
}

impl TryFrom<String> for Matcher {
    type Error = MatcherError;
    fn try_from(text: String) -> Result<Self, MatcherError> {
        text.parse()
    }
}

impl From<Matcher> for String {
    fn from(matcher: Matcher) -> Self {
        matcher.to_string()
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            Op::Is => "=",
            Op::IsNot => "!=",
            Op::AtLeast => ">=",
            Op::AtMost => "<=",
            Op::Above => ">",
            Op::Below => "<",
        };
        match &self.field {
            Field::Label(name) => write!(f, "label.{name}{op}{}", self.value),
            field => {
                let name = FIELDS.iter().find(|(_, known)| known == field).map_or("", |(name, _)| name);
                write!(f, "{name}{op}{}", self.value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::tests::notice;
    use proptest::prelude::*;

    fn check(text: &str, expected: bool) {
        let matcher: Matcher = text.parse().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(matcher.matches(&notice(Severity::Major)), expected, "{text}");
    }

    #[test]
    fn matchers_look_at_the_fields_of_an_alarm() {
        for (text, expected) in [
            ("severity>=major", true),
            ("severity > major", false),
            ("severity<=major", true),
            ("severity<critical", true),
            ("severity=major", true),
            ("severity != minor", true),
            ("severity=m*", true),
            ("channel=vtv*", true),
            ("channel=htv*", false),
            ("channel =~ vtv?", true),
            ("channel !~ vtv?", false),
            ("check=hls-*", true),
            ("protocol=hls", true),
            ("stream=main", true),
            ("track=", true),
            ("host!=x", true),
            ("packager=pkg-7", true),
            ("region=", true),
            ("label.group=sport", true),
            ("label.group=sp*t", true),
            ("label.group!=sport", false),
            ("label.none=", true),
            ("label.none=x", false),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn bad_matchers_say_why_and_show_a_good_one() {
        for (text, part) in [
            ("", "no operator"),
            ("severity", "no operator"),
            ("severity>=loud", "loud"),
            ("severity>=m*", "m*"),
            ("colour=red", "colour"),
            ("channel>=a", "severity only"),
            ("label.=x", "label"),
            ("channel!x", "stands alone"),
            (&"channel=".repeat(100), "longer"),
        ] {
            let error = text.parse::<Matcher>().unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("severity>=major"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn text_form_is_stable(text in "\\PC{0,40}") {
            if let Ok(matcher) = text.parse::<Matcher>() {
                prop_assert_eq!(matcher.to_string().parse::<Matcher>().unwrap(), matcher);
            }
        }

        #[test]
        fn written_matchers_read_back(
            field in "severity|channel|check|label\\.[a-z]{1,5}", op in "=|!=|=~|!~", value in "[a-z*?.-]{0,8}",
        ) {
            let text = format!("{field} {op} {value}");
            if let Ok(matcher) = text.parse::<Matcher>() {
                let json = serde_json::to_string(&matcher).unwrap();
                prop_assert_eq!(serde_json::from_str::<Matcher>(&json).unwrap(), matcher);
            } else {
                prop_assert_eq!(field, "severity");
            }
        }
    }
}
