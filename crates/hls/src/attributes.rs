//! Attribute lists (BIS 4.2): `NAME=value,NAME="quoted, value"`.

use std::borrow::Cow;

use crate::issue::IssueKind;
use crate::limits::MAX_ATTRIBUTES;
use crate::parser::Reporter;
use crate::variables::Variables;

/// The attributes of one tag in the order written. All stand on the line of their tag.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttributeList {
    pub line: u32,
    pub attributes: Vec<Attribute>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    pub name: Box<str>,
    pub value: AttributeValue,
}

/// The lexical form is kept, because `NONE` and `"NONE"` differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// Without the quotes, variables substituted.
    Quoted(Box<str>),
    /// Number, enumerated string, resolution or hexadecimal sequence.
    Bare(Box<str>),
}

impl AttributeValue {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Quoted(text) | Self::Bare(text) => text,
        }
    }

    pub const fn is_quoted(&self) -> bool {
        matches!(self, Self::Quoted(_))
    }
}

impl AttributeList {
    /// The first attribute of that name; later ones of the same name are a reported breach.
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.attributes.iter().find(|a| &*a.name == name).map(|a| &a.value)
    }

    pub fn str(&self, name: &str) -> Option<&str> {
        self.get(name).map(AttributeValue::as_str)
    }

    /// True for the enumerated string `YES`.
    pub fn is_yes(&self, name: &str) -> bool {
        self.str(name) == Some("YES")
    }
}

/// One attribute as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawAttribute<'a> {
    pub name: &'a str,
    pub value: &'a str,
    pub quoted: bool,
}

/// Walks a list without allocating; reports grammar breaches and goes on where it can.
pub(crate) fn for_each<'a>(text: &'a str, line: u32, report: &mut Reporter, mut each: impl FnMut(RawAttribute<'a>)) {
    let mut rest = text;
    let mut count = 0;
    while !rest.is_empty() {
        count += 1;
        if count > MAX_ATTRIBUTES {
            report.limit(line, "MAX_ATTRIBUTES");
            return;
        }
        let Some(equals) = rest.as_bytes().iter().position(|&b| b == b'=' || b == b',' || b == b'"') else {
            report.issue(line, IssueKind::AttributeList, rest);
            return;
        };
        if rest.as_bytes()[equals] != b'=' {
            // `NAME,` or a stray quote: skip to the next comma.
            report.issue(line, IssueKind::AttributeList, rest);
            match rest.find(',') {
                Some(comma) => rest = &rest[comma + 1..],
                None => return,
            }
            continue;
        }
        let written = &rest[..equals];
        let name = written.trim();
        if name.len() != written.len() {
            report.issue(line, IssueKind::AttributeSpace, name);
        }
        // Capital letters are asked for; custom attributes with small ones are accepted everywhere.
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
            report.issue(line, IssueKind::AttributeList, written);
        }
        rest = &rest[equals + 1..];
        let trimmed = rest.trim_start_matches([' ', '\t']);
        if trimmed.len() != rest.len() {
            report.issue(line, IssueKind::AttributeSpace, name);
            rest = trimmed;
        }
        let (value, quoted) = if let Some(inner) = rest.strip_prefix('"') {
            let Some(close) = inner.find('"') else {
                report.issue(line, IssueKind::AttributeList, name);
                each(RawAttribute { name, value: inner, quoted: true });
                return;
            };
            rest = &inner[close + 1..];
            let junk = rest.find(',').unwrap_or(rest.len());
            if junk > 0 {
                let kind =
                    if rest[..junk].trim().is_empty() { IssueKind::AttributeSpace } else { IssueKind::AttributeList };
                report.issue(line, kind, name);
            }
            rest = &rest[junk..];
            (&inner[..close], true)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let written = &rest[..end];
            let value = written.trim_end();
            if value.len() != written.len() {
                report.issue(line, IssueKind::AttributeSpace, name);
            }
            if value.is_empty() || value.contains(['"', ' ', '\t']) {
                report.issue(line, IssueKind::AttributeList, name);
            }
            rest = &rest[end..];
            (value, false)
        };
        each(RawAttribute { name, value, quoted });
        if let Some(after) = rest.strip_prefix(',') {
            if after.is_empty() {
                report.issue(line, IssueKind::AttributeList, "ends with a comma");
            }
            rest = after;
        }
    }
}

/// Reads a whole list: duplicates reported, variables substituted.
pub(crate) fn read(text: &str, line: u32, variables: &mut Variables, report: &mut Reporter) -> AttributeList {
    let mut list = AttributeList { line, attributes: Vec::new() };
    let mut raw = Vec::with_capacity(8);
    for_each(text, line, report, |attribute| raw.push(attribute));
    list.attributes.reserve_exact(raw.len());
    for RawAttribute { name, value, quoted } in raw {
        if list.attributes.iter().any(|a| &*a.name == name) {
            report.issue(line, IssueKind::AttributeDuplicate, name);
        }
        let value: Cow<'_, str> = variables.expand(value, line, report);
        let value = if quoted { AttributeValue::Quoted(value.into()) } else { AttributeValue::Bare(value.into()) };
        list.attributes.push(Attribute { name: name.into(), value });
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str, bool)], kinds: &[IssueKind]) {
        let mut report = Reporter::default();
        let mut variables = Variables::default();
        let list = read(text, 3, &mut variables, &mut report);
        let found: Vec<_> = list.attributes.iter().map(|a| (&*a.name, a.value.as_str(), a.value.is_quoted())).collect();
        assert_eq!(found, expected, "{text}");
        let found: Vec<_> = report.issues.iter().map(|i| i.kind).collect();
        assert_eq!(found, kinds, "{text}");
    }

    #[test]
    fn lists_are_read_and_breaches_named() {
        check(
            r#"BANDWIDTH=1,CODECS="a,b",RESOLUTION=1x2"#,
            &[("BANDWIDTH", "1", false), ("CODECS", "a,b", true), ("RESOLUTION", "1x2", false)],
            &[],
        );
        check("", &[], &[]);
        check("X-com.example_a=1", &[("X-com.example_a", "1", false)], &[]);
        check(r#"A="", B=2"#, &[("A", "", true), ("B", "2", false)], &[IssueKind::AttributeSpace]);
        check("A=1,A=2", &[("A", "1", false), ("A", "2", false)], &[IssueKind::AttributeDuplicate]);
        check("A=1,", &[("A", "1", false)], &[IssueKind::AttributeList]);
        check("A", &[], &[IssueKind::AttributeList]);
        check("A,B=1", &[("B", "1", false)], &[IssueKind::AttributeList]);
        check(r#"A="open"#, &[("A", "open", true)], &[IssueKind::AttributeList]);
        check(r#"A="x"y,B=1"#, &[("A", "x", true), ("B", "1", false)], &[IssueKind::AttributeList]);
        check("A=", &[("A", "", false)], &[IssueKind::AttributeList]);
        check("=1", &[("", "1", false)], &[IssueKind::AttributeList]);
    }
}
