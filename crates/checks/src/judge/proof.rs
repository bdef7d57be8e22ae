//! What is told of a segment with every finding about it: what was promised, and what the bytes are.

use ow_domain::Span;
use ow_domain::capture::{Capture, ObjectKind, Outcome};
use ow_domain::facts::{Container, ElementaryFacts, SegmentFacts};

use crate::outcome::exact_seconds;

/// Most facts of one finding.
const MAX_FACTS: usize = 32;
/// Elementary streams that are told.
const MAX_STREAMS: usize = 4;

/// Adds what is known of the segment or init section after what the check itself tells; names that it has told
/// already stay as it told them.
pub(super) fn add(facts: &mut Vec<(String, String)>, capture: &Capture) {
    if !matches!(capture.object, ObjectKind::Segment | ObjectKind::Init) {
        return;
    }
    let n_told = facts.len();
    let mut tell = |name: &str, value: String| {
        let is_told = facts.iter().take(n_told).any(|(told, _)| told == name);
        if !is_told && facts.len() < MAX_FACTS {
            facts.push((name.to_owned(), value));
        }
    };
    if let Some(promised) = &capture.promised {
        if let Some(number) = promised.number {
            tell("segment number", number.to_string());
        }
        if let Some(duration) = promised.duration_us {
            tell("declared duration", exact_seconds(Span::from_micros(duration)));
        }
        if let Some((first, last)) = promised.byte_range {
            tell("byte range", format!("{first}-{last}"));
        }
        tell("listed at", promised.listed_at.to_string());
        if promised.discontinuity {
            tell("after a discontinuity", "yes".to_owned());
        }
        if let Some(method) = &promised.key_method {
            tell("key method", method.clone());
        }
    }
    if let Outcome::Response(response) = &capture.exchange.outcome {
        tell("received", format!("{} bytes", response.body_bytes));
    }
    let Some(bytes) = &capture.facts else { return };
    tell("container", container(bytes.container).to_owned());
    for stream in bytes.elementary.iter().take(MAX_STREAMS) {
        tell(&format!("track {}", stream.id), elementary(stream));
    }
    if let Some(fragments) = bytes.mp4.as_ref().map(|mp4| mp4.n_fragments).filter(|n| *n > 0) {
        tell("fragments", fragments.to_string());
    }
    if let Some(issue) = bytes.issues.first() {
        tell("first issue of the bytes", format!("{} at byte {}: {}", issue.kind, issue.offset, issue.detail));
        tell("issues of the bytes", n_issues(bytes).to_string());
    }
}

fn n_issues(facts: &SegmentFacts) -> u32 {
    facts.n_issues.max(u32::try_from(facts.issues.len()).unwrap_or(u32::MAX))
}

fn container(container: Container) -> &'static str {
    match container {
        Container::MpegTs => "MPEG-TS",
        Container::IsoBmff => "ISO BMFF",
        Container::PackedAudio => "packed audio",
        Container::WebVtt => "WebVTT",
        Container::Text => "text, no media",
        Container::Empty => "empty",
        Container::Unknown => "unknown",
    }
}

/// `h264 1920x1080, 150 access units, PTS 8100000 at 90000/s, 540000 units = 6 s, starts with a keyframe`
fn elementary(stream: &ElementaryFacts) -> String {
    let mut text = stream.codec.clone();
    if let (Some(width), Some(height)) = (stream.width, stream.height) {
        text.push_str(&format!(" {width}x{height}"));
    }
    if let Some(rate) = stream.sample_rate {
        text.push_str(&format!(" {rate} Hz"));
    }
    text.push_str(&format!(", {} access units", stream.n_access_units));
    if let Some(pts) = stream.first_pts {
        text.push_str(&format!(", PTS {pts} at {}/s", stream.timescale));
    }
    if let Some(duration) = stream.duration.filter(|_| stream.timescale > 0) {
        let span = Span::from_secs(1).mul_ratio(duration, i64::from(stream.timescale));
        text.push_str(&format!(", {duration} units = {}", exact_seconds(span)));
    }
    match stream.starts_with_keyframe {
        Some(true) => text.push_str(", starts with a keyframe"),
        Some(false) => text.push_str(", starts without a keyframe"),
        None => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::synthetic_captures;
    use ow_domain::facts::MediaIssue;

    #[test]
    fn a_finding_about_a_segment_tells_what_was_promised_and_what_came() {
        let mut captures = synthetic_captures(2);
        let mut facts = vec![("segment number".to_owned(), "as the check says".to_owned())];
        add(&mut facts, &captures[0]);
        assert_eq!(facts.len(), 1, "a playlist is no segment");
        let segment = &mut captures[1];
        let bytes = segment.facts.as_mut().unwrap();
        bytes.issues.push(MediaIssue { kind: "ts-sync-loss".into(), offset: 376, detail: "0x00".into() });
        bytes.n_issues = 7;
        add(&mut facts, segment);
        let told = |name: &str| facts.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
        for (name, expected) in [
            ("segment number", "as the check says"),
            ("declared duration", "6 s"),
            ("listed at", "2026-01-01T00:00:00.000000Z"),
            ("received", "3000000 bytes"),
            ("container", "MPEG-TS"),
            (
                "track 256",
                "h264, 150 access units, PTS 544860000 at 90000/s, 540000 units = 6 s, starts with a keyframe",
            ),
            ("first issue of the bytes", "ts-sync-loss at byte 376: 0x00"),
            ("issues of the bytes", "7"),
        ] {
            assert_eq!(told(name), [expected], "{name}: {facts:?}");
        }
        let mut full = vec![("x".to_owned(), String::new()); MAX_FACTS];
        add(&mut full, segment);
        assert_eq!(full.len(), MAX_FACTS);
    }
}
