//! What the segments of fixtures hold.

use ow_domain::facts::{Container, DecryptFacts, DecryptedStart, ElementaryFacts, EsKind, Mp4Facts, SegmentFacts};

use super::{Words, mp4, ts};

/// `segment num=101 dur=6 media=6.04 fps=25 nokey text empty-ts empty-mdat`
pub fn facts(words: &Words<'_>) -> SegmentFacts {
    let bytes = words.number("bytes");
    if words.has("html") || words.has("text") {
        return SegmentFacts { container: Container::Text, ..SegmentFacts::default() };
    }
    if bytes == Some(0.0) {
        return SegmentFacts { container: Container::Empty, ..SegmentFacts::default() };
    }
    if words.has("empty-mdat") {
        let mp4 = Mp4Facts { boxes: vec!["moof".into(), "mdat".into()], ..Mp4Facts::default() };
        return SegmentFacts { container: Container::IsoBmff, mp4: Some(mp4), ..SegmentFacts::default() };
    }
    if words.has("mp4") {
        return if words.words.get(2) == Some(&"init") { mp4::init(words) } else { mp4::segment(words) };
    }
    let clean = Some(ts::clean());
    if words.has("empty-ts") {
        return SegmentFacts { container: Container::MpegTs, ts: clean, ..SegmentFacts::default() };
    }
    let media = words.number("media").or(words.number("dur")).unwrap_or(6.0);
    let fps = words.number("fps").unwrap_or(25.0);
    let kind =
        if words.options.get("track").is_some_and(|t| t.starts_with("audio")) { EsKind::Audio } else { EsKind::Video };
    let mut facts = SegmentFacts {
        container: Container::MpegTs,
        elementary: vec![ElementaryFacts {
            kind,
            codec: if kind == EsKind::Audio { "aac" } else { "h264" }.into(),
            timescale: 90_000,
            duration: Some((media * 90_000.0).round() as i64),
            n_access_units: (media * fps) as u32,
            access_unit_duration: Some((90_000.0 / fps) as i64),
            starts_with_keyframe: (kind == EsKind::Video).then(|| !words.has("nokey")),
            payload_bytes: 2_900_000,
            ..ElementaryFacts::default()
        }],
        ts: clean,
        ..SegmentFacts::default()
    };
    ts::apply(words, &mut facts);
    facts.decrypted = words.options.get("decrypted").map(|text| decrypted(text, words.number("key-age")));
    facts
}

/// `decrypted=media,unpadded key-age=3`: what the key made of `noise`.
fn decrypted(text: &str, key_age_s: Option<f64>) -> DecryptFacts {
    let (start, padding) = text.split_once(',').map_or((text, true), |(start, rest)| (start, rest != "unpadded"));
    let start = match start {
        "media" => DecryptedStart::Media,
        "but-first" => DecryptedStart::AllButFirstBlock,
        "nothing" => DecryptedStart::Unreadable,
        other => panic!("decrypted={other}"),
    };
    DecryptFacts { start, padding, key_age_us: (key_age_s.unwrap_or(2.0) * 1_000_000.0) as i64 }
}
