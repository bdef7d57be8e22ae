//! Cue tags: `EXT-X-CUE-OUT`, `-CONT`, `-IN`, `EXT-X-SCTE35` and the tags that carry a section alone. No standard has them.

use ow_domain::Span;
use ow_hls::{RawTag, SpliceCommand, SpliceFault, SpliceInfo, splice_info_from_base64, splice_info_from_hex};

/// A longer break is a number that means something else.
const MAX_BREAK_S: f64 = 86_400.0;

pub(super) enum Cue {
    Out { planned: Option<Span>, auto_return: bool },
    Cont { elapsed: Option<Span>, planned: Option<Span> },
    In,
}

/// What a tag says of a break.
pub(super) fn read(tag: &RawTag) -> Option<Cue> {
    let value = tag.value.trim();
    match &*tag.name {
        "EXT-X-CUE-OUT" => {
            let planned = attribute(value, "DURATION").unwrap_or(value);
            Some(Cue::Out { planned: length(planned), auto_return: auto_return(value) })
        }
        "EXT-X-CUE-OUT-CONT" => {
            if let Some((elapsed, planned)) = value.split_once('/').filter(|(a, _)| seconds(a).is_some()) {
                return Some(Cue::Cont { elapsed: seconds(elapsed), planned: length(planned) });
            }
            let elapsed = attribute(value, "ELAPSEDTIME").or_else(|| attribute(value, "ELAPSED"));
            let planned = attribute(value, "DURATION");
            Some(Cue::Cont { elapsed: elapsed.and_then(seconds), planned: planned.and_then(length) })
        }
        "EXT-X-CUE-IN" => Some(Cue::In),
        "EXT-X-SCTE35" => {
            let planned = attribute(value, "DURATION").and_then(length);
            match (attribute(value, "CUE-OUT"), attribute(value, "CUE-IN")) {
                (Some("YES"), _) => Some(Cue::Out { planned, auto_return: auto_return(value) }),
                (Some("CONT"), _) => {
                    Some(Cue::Cont { elapsed: attribute(value, "ELAPSED").and_then(seconds), planned })
                }
                (_, Some("YES")) => Some(Cue::In),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The section that a tag carries: `None` for none, else what is wrong with it.
pub(super) fn payload(tag: &RawTag) -> Option<Option<&'static str>> {
    Some(section(tag)?.err().map(SpliceFault::as_str))
}

fn section(tag: &RawTag) -> Option<Result<SpliceInfo, SpliceFault>> {
    let text = match &*tag.name {
        "EXT-OATCLS-SCTE35" | "EXT-X-SPLICEPOINT-SCTE35" => tag.value.trim(),
        "EXT-X-SCTE35" => attribute(&tag.value, "CUE")?,
        "EXT-X-CUE-OUT" | "EXT-X-CUE-OUT-CONT" => attribute(&tag.value, "SCTE35")?,
        _ => return None,
    };
    Some(decode(text))
}

fn decode(text: &str) -> Result<SpliceInfo, SpliceFault> {
    if text.starts_with("0x") || text.starts_with("0X") {
        splice_info_from_hex(text)
    } else {
        splice_info_from_base64(text)
    }
}

/// The section in an attribute of this tag says that the break ends by itself.
fn auto_return(value: &str) -> bool {
    let text = attribute(value, "SCTE35").or_else(|| attribute(value, "CUE"));
    text.and_then(|t| decode(t).ok()).is_some_and(|s| is_auto_return(&s))
}

pub(super) fn is_auto_return(section: &SpliceInfo) -> bool {
    matches!(section.command, SpliceCommand::Insert(insert) if insert.auto_return && insert.duration.is_some())
}

/// The value of `name` in a list of attributes, whatever the case of its name, without quotes.
fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    while let Some((key, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, tail) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            // Base64 ends with `=` and has no comma in it.
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim());
        }
        rest = tail.trim_start().trim_start_matches(',');
    }
    None
}

fn seconds(text: &str) -> Option<Span> {
    let value: f64 = text.trim().parse().ok()?;
    (value.is_finite() && (0.0..MAX_BREAK_S).contains(&value)).then(|| Span::from_secs_f64(value))
}

/// Zero is no duration.
fn length(text: &str) -> Option<Span> {
    seconds(text).filter(|d| *d > Span::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, expected: &str) {
        let tag = RawTag { line: 1, name: name.into(), value: value.into(), segment: 0 };
        let seconds = |s: Option<Span>| s.map_or("-".to_owned(), |s| s.secs_f64().to_string());
        let found = match read(&tag) {
            Some(Cue::Out { planned, auto_return }) => format!("out {} {auto_return}", seconds(planned)),
            Some(Cue::Cont { elapsed, planned }) => format!("cont {} {}", seconds(elapsed), seconds(planned)),
            Some(Cue::In) => "in".to_owned(),
            None => "none".to_owned(),
        };
        assert_eq!(found, expected, "{name}:{value}");
    }

    #[test]
    fn dialects_mean_the_same() {
        check("EXT-X-CUE-OUT", "", "out - false");
        check("EXT-X-CUE-OUT", "30.5", "out 30.5 false");
        check("EXT-X-CUE-OUT", "DURATION=30", "out 30 false");
        check("EXT-X-CUE-OUT", "ID=7,Duration=\"30\"", "out 30 false");
        check("EXT-X-CUE-OUT", "0", "out - false");
        check("EXT-X-CUE-OUT", "-4", "out - false");
        check("EXT-X-CUE-OUT-CONT", "8.4/30", "cont 8.4 30");
        check("EXT-X-CUE-OUT-CONT", "ElapsedTime=8,Duration=30,SCTE35=/DA=,X=1", "cont 8 30");
        check("EXT-X-CUE-OUT-CONT", "CAID=\"a,b=c\",ElapsedTime=8", "cont 8 -");
        check("EXT-X-CUE-OUT-CONT", "nonsense", "cont - -");
        check("EXT-X-CUE-IN", "", "in");
        check("EXT-X-SCTE35", "TYPE=0x34,CUE-OUT=YES,DURATION=20", "out 20 false");
        check("EXT-X-SCTE35", "CUE-OUT=CONT,ELAPSED=4", "cont 4 -");
        check("EXT-X-SCTE35", "CUE-IN=YES,ID=1", "in");
        check("EXT-X-ASSET", "CAID=0x1", "none");
    }
}
