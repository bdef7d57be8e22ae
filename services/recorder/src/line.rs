//! InfluxDB line protocol, for numbers only.

use std::fmt::Write as _;

use ow_domain::Time;
use ow_domain::verdict::Measures;

/// A value of a field. Texts are never written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field {
    Float(f64),
    Integer(i64),
}

/// One line, without its end: `measurement,tag=value field=1.5,other=2i 1795000000000`. Tags without a value and
/// numbers that are not finite are left out; `None` when no field is left. Milliseconds.
pub fn line(measurement: &str, tags: &[(&str, &str)], fields: &[(&str, Field)], at: Time) -> Option<String> {
    let mut out = String::with_capacity(128);
    escape(&mut out, measurement, &[',', ' ']);
    for (name, value) in tags.iter().filter(|(_, value)| !value.is_empty()) {
        out.push(',');
        escape(&mut out, name, &[',', '=', ' ']);
        out.push('=');
        escape(&mut out, value, &[',', '=', ' ']);
    }
    let mut separator = ' ';
    for (name, value) in fields {
        if matches!(value, Field::Float(v) if !v.is_finite()) {
            continue;
        }
        out.push(separator);
        separator = ',';
        escape(&mut out, name, &[',', '=', ' ']);
        out.push('=');
        // Writing into a String cannot fail.
        let _ = match value {
            Field::Float(v) => write!(out, "{v}"),
            Field::Integer(v) => write!(out, "{v}i"),
        };
    }
    if separator == ' ' {
        return None;
    }
    let _ = write!(out, " {}", at.unix_micros().div_euclid(1_000));
    Some(out)
}

/// A backslash escapes only some characters and cannot be escaped itself, and a line cannot hold its own end: both,
/// and other control characters, are replaced.
fn escape(out: &mut String, text: &str, special: &[char]) {
    for c in text.chars() {
        match c {
            '\\' => out.push('/'),
            c if c.is_control() => out.push('_'),
            c => {
                if special.contains(&c) {
                    out.push('\\');
                }
                out.push(c);
            }
        }
    }
}

/// `ow_stream` and one `ow_rendition` for each track.
pub fn lines_of(measures: &Measures) -> Vec<String> {
    let probe = measures.probe.as_ref().map_or("", |p| p.as_str());
    let tags = [
        ("channel", measures.channel.as_str()),
        ("format", measures.protocol.as_str()),
        ("probe", probe),
        ("stream", measures.stream.as_str()),
    ];
    let responses: Vec<(String, i64)> = measures
        .responses
        .iter()
        .map(|(class, n)| (format!("responses_{class}"), i64::try_from(*n).unwrap_or(i64::MAX)))
        .collect();
    let mut fields: Vec<(&str, Field)> =
        measures.values.iter().map(|(name, value)| (name.as_str(), Field::Float(*value))).collect();
    fields.extend(responses.iter().map(|(name, n)| (name.as_str(), Field::Integer(*n))));
    let mut lines: Vec<String> = line("ow_stream", &tags, &fields, measures.at).into_iter().collect();
    for track in &measures.tracks {
        let mut tags = tags.to_vec();
        tags.push(("track", track.track.as_str()));
        let fields: Vec<(&str, Field)> =
            track.values.iter().map(|(name, value)| (name.as_str(), Field::Float(*value))).collect();
        lines.extend(line("ow_rendition", &tags, &fields, measures.at));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_as_influxdb_reads_them() {
        let at = Time::from_unix_micros(1_795_000_000_123_456);
        for (tags, fields, expected) in [
            (vec![("a", "b")], vec![("x", Field::Float(1.5))], Some("m,a=b x=1.5 1795000000123")),
            (vec![("a", "")], vec![("x", Field::Integer(-2))], Some("m x=-2i 1795000000123")),
            (
                vec![("a b", "c,d=e f")],
                vec![("x y", Field::Float(1e21)), ("z", Field::Float(2.0))],
                Some("m,a\\ b=c\\,d\\=e\\ f x\\ y=1000000000000000000000,z=2 1795000000123"),
            ),
            (vec![("a", "c\\\nd")], vec![("x", Field::Float(0.0))], Some("m,a=c/_d x=0 1795000000123")),
            (vec![], vec![("x", Field::Float(f64::NAN))], None),
            (vec![], vec![], None),
        ] {
            assert_eq!(line("m", &tags, &fields, at).as_deref(), expected);
        }
    }

    /// Splits at an unescaped `at` and takes the escapes off, as the server does.
    fn split(text: &str, at: char) -> Vec<String> {
        let (mut parts, mut chars) = (vec![String::new()], text.chars().peekable());
        while let Some(c) = chars.next() {
            if c == at {
                parts.push(String::new());
                continue;
            }
            let last = parts.last_mut().unwrap();
            last.push(c);
            if c == '\\' {
                last.extend(chars.next());
            }
        }
        parts
    }

    fn plain(text: &str) -> String {
        let mut out = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            out.extend(if c == '\\' { chars.next() } else { Some(c) });
        }
        out
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            measurement in "[^\\\\\\p{Cc}]{1,12}",
            tags in prop::collection::vec(("[^\\\\\\p{Cc}]{1,8}", "[^\\\\\\p{Cc}]{1,8}"), 0..4),
            fields in prop::collection::vec(("[^\\\\\\p{Cc}]{1,8}", any::<f64>().prop_filter("finite", |v| v.is_finite())), 1..4),
            micros in any::<i64>(),
        ) {
            let tags_in: Vec<_> = tags.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let fields_in: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), Field::Float(*v))).collect();
            let text = line(&measurement, &tags_in, &fields_in, Time::from_unix_micros(micros)).unwrap();
            let parts = split(&text, ' ');
            prop_assert_eq!(parts.len(), 3, "{}", text);
            let head = split(&parts[0], ',');
            prop_assert_eq!(plain(&head[0]), measurement);
            let pair = |text: &str| {
                let parts = split(text, '=');
                assert_eq!(parts.len(), 2, "{text}");
                (plain(&parts[0]), plain(&parts[1]))
            };
            prop_assert_eq!(head[1..].iter().map(|t| pair(t)).collect::<Vec<_>>(), tags);
            let read: Vec<(String, f64)> =
                split(&parts[1], ',').iter().map(|t| pair(t)).map(|(n, v)| (n, v.parse().unwrap())).collect();
            prop_assert_eq!(read, fields);
            prop_assert_eq!(parts[2].parse::<i64>().unwrap(), micros.div_euclid(1_000));
        }

        #[test]
        fn any_text_stays_on_one_line(text in any::<String>()) {
            let line = line(&text, &[(&text, &text)], &[(&text, Field::Integer(1))], Time::UNIX_EPOCH).unwrap();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(split(&line, ' ').len(), 3);
        }
    }
}
