//! `$Number%05d$` and its like (§5.3.9.4.4).

use crate::IssueKind;

/// What a template speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    RepresentationId,
    Number,
    Bandwidth,
    Time,
    SubNumber,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Literal(&'a str),
    /// With the least number of digits.
    Variable(Name, usize),
}

/// Digits that a width may ask for.
const MAX_WIDTH: usize = 64;

/// Splits a template. The error says which rule it breaks, and shows the place.
pub(crate) fn parts(template: &str) -> Result<Vec<Part<'_>>, (IssueKind, &str)> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some((literal, tail)) = rest.split_once('$') {
        if !literal.is_empty() {
            out.push(Part::Literal(literal));
        }
        let Some((inner, after)) = tail.split_once('$') else {
            return Err((IssueKind::TemplateIdentifier, tail));
        };
        rest = after;
        if inner.is_empty() {
            out.push(Part::Literal("$"));
            continue;
        }
        let (name, format) = match inner.split_once('%') {
            Some((name, format)) => (name, Some(format)),
            None => (inner, None),
        };
        let name = match name {
            "RepresentationID" => Name::RepresentationId,
            "Number" => Name::Number,
            "Bandwidth" => Name::Bandwidth,
            "Time" => Name::Time,
            "SubNumber" => Name::SubNumber,
            _ => return Err((IssueKind::TemplateIdentifier, inner)),
        };
        let width = match format {
            None => 1,
            Some(_) if name == Name::RepresentationId => return Err((IssueKind::TemplateWidth, inner)),
            Some(format) => {
                let digits = format.strip_prefix('0').and_then(|f| f.strip_suffix('d'));
                digits
                    .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                    .and_then(|digits| digits.parse().ok())
                    .filter(|width| *width <= MAX_WIDTH)
                    .ok_or((IssueKind::TemplateWidth, inner))?
            }
        };
        out.push(Part::Variable(name, width));
    }
    if !rest.is_empty() {
        out.push(Part::Literal(rest));
    }
    Ok(out)
}

/// Values for [`expand`]; an absent one that the template asks for gives no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Values<'a> {
    pub representation_id: Option<&'a str>,
    pub number: Option<u64>,
    pub bandwidth: Option<u64>,
    pub time: Option<u64>,
    pub sub_number: Option<u64>,
}

/// The template with its variables replaced. `None` for a template that breaks the grammar or asks for an absent value.
pub fn expand(template: &str, values: &Values<'_>) -> Option<String> {
    let mut out = String::with_capacity(template.len() + 16);
    for part in parts(template).ok()? {
        let (value, width) = match part {
            Part::Literal(text) => {
                out.push_str(text);
                continue;
            }
            Part::Variable(Name::RepresentationId, _) => {
                out.push_str(values.representation_id?);
                continue;
            }
            Part::Variable(Name::Number, width) => (values.number?, width),
            Part::Variable(Name::Bandwidth, width) => (values.bandwidth?, width),
            Part::Variable(Name::Time, width) => (values.time?, width),
            Part::Variable(Name::SubNumber, width) => (values.sub_number?, width),
        };
        out.push_str(&format!("{value:0width$}"));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_expanded() {
        let values = Values {
            representation_id: Some("v1"),
            number: Some(42),
            bandwidth: Some(3_000_000),
            time: Some(180_000),
            sub_number: Some(3),
        };
        for (template, expected) in [
            ("$RepresentationID$/$Number$.m4s", Some("v1/42.m4s")),
            ("$Number%05d$", Some("00042")),
            ("$Number%01d$", Some("42")),
            ("$Time%010d$-$Bandwidth$", Some("0000180000-3000000")),
            ("$Number$.$SubNumber%02d$", Some("42.03")),
            ("a$$b", Some("a$b")),
            ("$$$Number$$$", Some("$42$")),
            ("plain", Some("plain")),
            ("", Some("")),
            ("$Number", None),
            ("$number$", None),
            ("$Number%5d$", None),
            ("$Number%0d$", None),
            ("$Number%05x$", None),
            ("$Number%099d$", None),
            ("$Number%0+5d$", None),
            ("$RepresentationID%05d$", None),
        ] {
            assert_eq!(expand(template, &values).as_deref(), expected, "{template}");
        }
        assert_eq!(expand("$Number$", &Values::default()), None);
    }
}
