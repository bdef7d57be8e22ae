//! What `segment ... mp4` and `init ... mp4` lines say of ISO BMFF.

use ow_domain::capture::DashPromise;
use ow_domain::facts::{
    Container, ElementaryFacts, EsKind, EventMessage, MediaIssue, Mp4Facts, Mp4Protection, Mp4Run, Mp4Track,
    ProducerTime, Pssh, SegmentFacts,
};

use super::Words;

fn text(words: &Words<'_>, key: &str, default: &str) -> String {
    words.options.get(key).copied().unwrap_or(default).to_owned()
}

fn names(words: &Words<'_>, key: &str, default: &str) -> Vec<String> {
    text(words, key, default).split(',').filter(|n| !n.is_empty()).map(str::to_owned).collect()
}

fn int(words: &Words<'_>, key: &str) -> Option<i64> {
    words.options.get(key).map(|v| v.parse().unwrap_or_else(|_| panic!("{key}={v} is no integer")))
}

fn kind(words: &Words<'_>) -> EsKind {
    match words.options.get("track").and_then(|t| t.split('-').next()) {
        Some("audio") => EsKind::Audio,
        Some("text") => EsKind::Text,
        _ => EsKind::Video,
    }
}

/// `issue=mp4-box-size,mp4-mfhd-missing`
fn issues(words: &Words<'_>, facts: &mut SegmentFacts) {
    for kind in names(words, "issue", "") {
        facts.issues.push(MediaIssue { kind, offset: 40, detail: "as scripted".into() });
        facts.n_issues += 1;
    }
}

fn pssh(words: &Words<'_>, in_fragment: bool) -> Vec<Pssh> {
    let kids = names(words, "pssh-kid", "");
    let systems = names(words, "pssh", "");
    let of = |system: &String| {
        let (system, data) = system.split_once(':').unwrap_or((system, "d"));
        let system = match system {
            "widevine" => "edef8ba979d64acea3c827dcd51d21ed",
            "playready" => "9a04f07998404286ab92e65be0885f95",
            "common" => "1077efecc0b24d02ace33c1e52e2fb4b",
            other => other,
        };
        let version = u8::from(!kids.is_empty());
        Pssh { system: system.into(), version, kids: kids.clone(), data_bytes: 20, digest: data.into(), in_fragment }
    };
    systems.iter().map(of).collect()
}

/// `init mp4 track-id=1 ts=90000 handler=vide entry=avc1 scheme=cbcs kid=.. tenc=clear config=c1 edit=0 no-trex has-samples`
pub fn init(words: &Words<'_>) -> SegmentFacts {
    let timescale = int(words, "ts").unwrap_or(90_000) as u32;
    let id = int(words, "track-id").unwrap_or(1) as u32;
    let kind = kind(words);
    let handler = match kind {
        EsKind::Audio => "soun",
        EsKind::Text => "subt",
        _ => "vide",
    };
    let entries = names(words, "entry", "avc1");
    let protected = entries.iter().any(|e| e.starts_with("enc"));
    let protection = protected.then(|| Mp4Protection {
        scheme: Some(text(words, "scheme", "cbcs")),
        is_protected: Some(words.options.get("tenc").is_none_or(|t| *t != "clear")),
        kid: Some(text(words, "kid", "00112233445566778899aabbccddeeff")),
        iv_bytes: int(words, "iv").unwrap_or(0) as u8,
        constant_iv_bytes: (!words.options.contains_key("iv")).then_some(16),
        pattern: Some((1, 9)),
    });
    let encrypted = protection.as_ref().is_some_and(|p| p.is_protected == Some(true));
    let size = text(words, "size", "1920x1080");
    let (width, height) = size.split_once('x').expect("WxH");
    let mut facts = SegmentFacts {
        container: Container::IsoBmff,
        elementary: vec![ElementaryFacts {
            id,
            kind,
            codec: "h264".into(),
            codec_string: Some(text(words, "codec-string", "avc1.640028")),
            timescale,
            encrypted,
            width: (kind == EsKind::Video).then(|| width.parse().unwrap()),
            height: (kind == EsKind::Video).then(|| height.parse().unwrap()),
            ..ElementaryFacts::default()
        }],
        mp4: Some(Mp4Facts {
            boxes: names(words, "boxes", "ftyp,moov"),
            brands: names(words, "brands", "cmfc,iso6"),
            init_track_ids: vec![id],
            init_digest: Some(text(words, "init", "i")),
            tracks: vec![Mp4Track {
                id,
                handler: text(words, "handler", handler),
                timescale,
                sample_entries: entries,
                has_trex: !words.has("no-trex"),
                has_samples: words.has("has-samples"),
                n_edits: u32::from(words.options.contains_key("edit")),
                edit_shift: int(words, "edit").unwrap_or(0),
                config_digest: Some(text(words, "config", "c")),
                protection,
                ..Mp4Track::default()
            }],
            pssh: pssh(words, false),
            ..Mp4Facts::default()
        }),
        ..SegmentFacts::default()
    };
    if words.has("no-track") {
        facts.elementary.clear();
        facts.mp4.as_mut().unwrap().tracks.clear();
    }
    issues(words, &mut facts);
    facts
}

/// `segment mp4 tfdt= ts= cto= media= fps= track-id= sdi= version= inner-gap= no-tfdt zero-size= slice= issue= boxes= init=`
pub fn segment(words: &Words<'_>) -> SegmentFacts {
    let timescale = int(words, "ts").unwrap_or(90_000) as u32;
    let ticks = |seconds: f64| (seconds * f64::from(timescale)).round() as i64;
    let media = words.number("media").or(words.number("dur")).unwrap_or(6.0);
    let kind = kind(words);
    let fps = words.number("fps").unwrap_or(25.0);
    let id = int(words, "track-id").unwrap_or(1) as u32;
    let tfdt: u64 = match words.options.get("tfdt") {
        Some(value) => value.parse().unwrap_or_else(|_| panic!("tfdt={value}")),
        None => (words.number("num").unwrap_or(0.0) * media * f64::from(timescale)) as u64,
    };
    let dts = i64::try_from(tfdt).ok();
    let cto = int(words, "cto").unwrap_or(0);
    let edit = int(words, "edit").unwrap_or(0);
    let n = (media * fps).round() as u32;
    let unit = ticks(1.0 / fps);
    let end = dts.map(|dts| dts + ticks(media));
    let knows_init = words.options.get("init").is_none_or(|i| *i != "none");
    let is_protected = words.options.get("protected").map(|p| *p == "yes");
    let run = Mp4Run {
        track_id: id,
        n_fragments: 1,
        tfdt: (!words.has("no-tfdt")).then_some(tfdt),
        tfdt_version: Some(int(words, "version").unwrap_or(1) as u8),
        n_without_tfdt: u32::from(words.has("no-tfdt")),
        end_dts: end,
        n_inner_gaps: u32::from(words.options.contains_key("inner-gap")),
        inner_gap: int(words, "inner-gap").unwrap_or(0),
        sample_description_index: int(words, "sdi").unwrap_or(1) as u32,
        min_composition_offset: cto,
        n_empty_samples: int(words, "zero-size").unwrap_or(0) as u32,
        n_zero_durations: int(words, "zero-dur").unwrap_or(0) as u32,
        is_protected,
        kids: names(words, "seig", ""),
        first_slice_type: int(words, "slice").map(|s| s as u8),
        n_walked: int(words, "walked").unwrap_or(0) as u32,
        n_walk_errors: int(words, "walk").unwrap_or(0) as u32,
        ..Mp4Run::default()
    };
    let mut facts = SegmentFacts {
        container: Container::IsoBmff,
        elementary: vec![ElementaryFacts {
            id,
            kind,
            codec: if kind == EsKind::Audio { "aac" } else { "h264" }.into(),
            timescale: if knows_init { timescale } else { 0 },
            first_dts: dts,
            first_pts: dts.map(|dts| dts + cto - edit),
            end_dts: end,
            duration: Some(ticks(media)),
            n_access_units: n,
            access_unit_duration: Some(unit),
            starts_with_keyframe: (kind == EsKind::Video).then(|| !words.has("nokey")),
            n_keyframes: 1,
            payload_bytes: 2_900_000,
            encrypted: is_protected.unwrap_or(false),
            n_walk_errors: int(words, "walk").unwrap_or(0) as u32,
            ..ElementaryFacts::default()
        }],
        mp4: Some(Mp4Facts {
            boxes: names(words, "boxes", "styp,moof,mdat"),
            brands: vec!["msdh".into()],
            n_fragments: u32::from(!words.has("no-moof")),
            mdat_bytes: 2_900_000,
            tfdt_version: Some(1),
            init_digest: knows_init.then(|| text(words, "init", "i")),
            runs: vec![run],
            pssh: pssh(words, true),
            ..Mp4Facts::default()
        }),
        ..SegmentFacts::default()
    };
    let mp4 = facts.mp4.as_mut().unwrap();
    if words.has("no-moof") {
        facts.elementary.clear();
        mp4.runs.clear();
    }
    if let Some(event) = words.options.get("emsg") {
        // scheme,value,id,timescale,time,duration,content,message in hex
        let part: Vec<&str> = event.split(',').collect();
        let number = |at: usize| part.get(at).and_then(|p| p.parse().ok()).unwrap_or(0_u64);
        mp4.n_events = 1;
        mp4.events.push(EventMessage {
            version: 1,
            scheme: part[0].into(),
            value: part.get(1).copied().unwrap_or_default().into(),
            id: number(2) as u32,
            timescale: number(3) as u32,
            presentation_time: Some(number(4)),
            duration: number(5) as u32,
            digest: part.get(6).copied().unwrap_or("m").into(),
            message: part.get(7).map(|hex| (*hex).to_owned()),
            after_fragment: words.has("emsg-late-box"),
            ..EventMessage::default()
        });
    }
    if let Some(seconds) = words.number("prft") {
        let utc_us = super::START.unix_micros() + (seconds * 1e6) as i64;
        mp4.prft = Some(ProducerTime { track_id: id, utc_us, media_time: tfdt, flags: 0 });
    }
    issues(words, &mut facts);
    facts
}

/// `S@t=900000 S@d= mpd-ts=90000 computed`, and `avail= early= last-early= gives-up`: seconds since the start.
pub fn promise(words: &Words<'_>) -> Option<DashPromise> {
    let available_at = words.number("avail").map(|at| super::START + ow_domain::Span::from_secs_f64(at));
    if let Some(at) = available_at {
        return Some(DashPromise {
            timescale: 90_000,
            duration: (words.number("dur").unwrap_or(6.0) * 90_000.0) as u64,
            available_at: Some(at),
            ato_us: words.number("ato").map(|ato| ow_domain::Span::from_secs_f64(ato).micros()),
            time_shift_us: words.number("tsbd").map(|s| ow_domain::Span::from_secs_f64(s).micros()),
            n_early: int(words, "early").unwrap_or(0) as u32,
            last_early: words.number("last-early").map(|at| super::START + ow_domain::Span::from_secs_f64(at)),
            gives_up: words.has("gives-up"),
            last_in_period: words.has("tail"),
            ..DashPromise::default()
        });
    }
    let time = int(words, "S@t")? as u64;
    let timescale = int(words, "mpd-ts").unwrap_or(90_000) as u64;
    let duration = words.number("dur").unwrap_or(6.0) * timescale as f64;
    let explicit = !words.has("computed");
    Some(DashPromise { time, timescale, duration: duration as u64, explicit, ..DashPromise::default() })
}
