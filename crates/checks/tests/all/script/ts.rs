//! What `segment` lines say of transport streams, packed audio and WebVTT.

use ow_domain::facts::{
    Container, ElementaryFacts, EsKind, KeyframeFacts, PackedFacts, PcrFacts, PidFacts, PsiFacts, SegmentFacts,
    SizeFacts, StampFacts, TsFacts, VideoFacts, VttFacts,
};

use super::Words;

/// A transport stream without fault, one programme.
pub fn clean() -> TsFacts {
    TsFacts {
        n_packets: 1_000,
        pat_pmt_first: true,
        psi: PsiFacts {
            n_pat: 1,
            n_pmt: 1,
            n_programs: 1,
            pat_version: Some(0),
            pmt_version: Some(0),
            packets_to_pmt: Some(2),
            streams: vec![(256, 0x1b)],
            ..PsiFacts::default()
        },
        pcr_pid: Some(256),
        pcr: Some(PcrFacts { n: 150, max_step: 27_000 * 40, ..PcrFacts::default() }),
        ..TsFacts::default()
    }
}

/// Puts what the line says over the facts of a clean segment.
pub fn apply(words: &Words<'_>, facts: &mut SegmentFacts) {
    if words.has("noise") {
        *facts = SegmentFacts::default();
        return;
    }
    if words.has("packed") {
        facts.container = Container::PackedAudio;
        facts.ts = None;
        let timestamp = words.number("id3").map(|t| t as u64);
        facts.packed = Some(PackedFacts { has_id3: !words.has("no-id3"), timestamp });
        for stream in &mut facts.elementary {
            stream.first_dts = timestamp.map(|t| t as i64);
            stream.end_dts = timestamp.zip(stream.duration).map(|(t, d)| t as i64 + d);
        }
    }
    if words.has("vtt") {
        facts.container = Container::WebVtt;
        facts.ts = None;
        facts.elementary.clear();
        let ms = |key: &str| words.number(key).map(|s| (s * 1_000.0) as i64);
        facts.vtt = Some(VttFacts {
            has_map: words.options.contains_key("mpegts") || words.has("bad-map"),
            mpegts: words.number("mpegts").map(|n| n as i64),
            local_ms: (!words.has("bad-map")).then(|| ms("local").unwrap_or(0)),
            first_cue_ms: ms("cue"),
            last_cue_end_ms: ms("cue-end"),
        });
        return;
    }
    if words.has("with-audio") {
        let dts = words.number("audio-dts").map(|t| t as i64);
        let duration = (words.number("audio-media").unwrap_or(6.0) * 90_000.0).round() as i64;
        facts.elementary.push(ElementaryFacts {
            id: 257,
            kind: EsKind::Audio,
            codec: "aac".into(),
            timescale: 90_000,
            first_pts: dts,
            first_dts: dts,
            end_dts: dts.map(|t| (t + duration) % (1 << 33)),
            duration: Some(duration),
            n_access_units: (duration / 1_920) as u32,
            access_unit_duration: Some(1_920),
            payload_bytes: 90_000,
            sample_rate: Some(48_000),
            channels: Some(2),
            codec_string: Some("mp4a.40.2".into()),
            ..ElementaryFacts::default()
        });
    }
    if words.has("with-scte35") {
        facts.elementary.push(ElementaryFacts {
            id: 258,
            kind: EsKind::Data,
            codec: "scte35".into(),
            timescale: 90_000,
            ..ElementaryFacts::default()
        });
    }
    streams(words, facts);
    let count = |key: &str| words.number(key).map(|n| n as u32);
    let Some(ts) = &mut facts.ts else { return };
    ts.sync_losses = count("sync-loss").unwrap_or(0);
    facts.n_issues = ts.sync_losses;
    ts.leading_bytes = count("lead").unwrap_or(0);
    ts.trailing_bytes = count("trail").unwrap_or(0);
    ts.transport_errors = count("tei").unwrap_or(0);
    ts.crc_errors = count("crc").unwrap_or(0);
    ts.scrambled_packets = u64::from(count("scrambled").unwrap_or(0));
    if let Some(n) = count("cc") {
        ts.cc_errors = n;
        ts.pids = vec![PidFacts { pid: 256, n_packets: 900, cc_errors: n, ..PidFacts::default() }];
    }
    if words.has("no-psi") || words.has("no-pmt") {
        ts.psi = PsiFacts { n_pat: u32::from(words.has("no-pmt")), ..PsiFacts::default() };
        ts.pat_pmt_first = false;
        facts.elementary.clear();
    }
    if words.has("pes-first") {
        (ts.psi.pes_before_pmt, ts.pat_pmt_first) = (true, false);
    }
    if let Some(n) = count("pmt-at") {
        ts.psi.packets_to_pmt = Some(n);
    }
    if let Some(n) = count("programs") {
        ts.psi.n_programs = n;
    }
    if let Some(list) = words.options.get("pmt") {
        let pair = |entry: &str| {
            let (pid, kind) = entry.split_once(':').expect("PID:type");
            (pid.parse().unwrap(), u8::from_str_radix(kind, 16).unwrap())
        };
        ts.psi.streams = list.split(',').map(pair).collect();
    }
    if let Some(version) = count("pmt-version") {
        ts.psi.pmt_version = Some(version as u8);
    }
    if let Some(ms) = words.number("pcr-step") {
        ts.pcr = Some(PcrFacts { n: 150, max_step: (ms * 27_000.0) as i64, ..PcrFacts::default() });
    }
    if let Some(ms) = words.number("pcr-jump") {
        let worst = Some((ms * 27_000.0) as i64);
        ts.pcr = Some(PcrFacts { n: 150, max_step: 27_000 * 40, n_jumps: 1, worst_jump: worst, n_discontinuities: 0 });
    }
    if words.has("no-pcr") {
        ts.pcr = None;
    }
    let silent: Vec<u16> = words.list("silent").into_iter().map(|pid| pid as u16).collect();
    for stream in facts.elementary.iter_mut().filter(|s| silent.iter().any(|pid| u32::from(*pid) == s.id)) {
        (stream.n_access_units, stream.payload_bytes, stream.duration) = (0, 0, None);
        (stream.first_dts, stream.first_pts, stream.end_dts) = (None, None, None);
    }
    ts.silent_pids = silent;
}

/// Options of the first stream.
fn streams(words: &Words<'_>, facts: &mut SegmentFacts) {
    let count = |key: &str| words.number(key).map(|n| n as u32);
    let text = |key: &str| words.options.get(key).map(|v| (*v).to_owned());
    let Some(main) = facts.elementary.first_mut() else { return };
    let ticks = |seconds: f64| (seconds * f64::from(main.timescale)).round() as i64;
    if facts.ts.is_some() && main.id == 0 {
        main.id = 256;
    }
    if let Some(dts) = words.number("dts").map(|t| t as i64) {
        main.first_dts = Some(dts);
        main.first_pts = Some(dts);
        main.end_dts = main.duration.map(|d| (dts + d) % (1 << 33));
    }
    if let Some(n) = count("frames") {
        main.n_access_units = n;
    }
    if let Some(codec) = text("codec") {
        main.codec = codec;
    }
    main.codec_string = text("codec-string").or(main.codec_string.take());
    main.found_codec = text("found");
    main.language = text("es-lang");
    main.encrypted = words.has("encrypted");
    main.n_walk_errors = count("walk").unwrap_or(0);
    main.payload_digest = text("payload");
    main.channels = count("channels").or(main.channels);
    main.sample_rate = count("rate").or(main.sample_rate);
    if words.has("sets-late") {
        main.parameter_sets_first = Some(false);
    }
    if let Some(size) = words.options.get("size") {
        let (width, height) = size.split_once('x').expect("WxH");
        (main.width, main.height) = (width.parse().ok(), height.parse().ok());
    }
    let pair = |key: &str| {
        let (a, b) = words.options.get(key)?.split_once('/').expect("A/B");
        Some((a.parse().unwrap(), b.parse().unwrap()))
    };
    let vui = ["size", "vui-fps", "sar", "transfer", "primaries"];
    if vui.iter().any(|key| words.options.contains_key(key)) || words.has("interlaced") {
        main.video = Some(VideoFacts {
            profile: count("profile").unwrap_or(100) as u8,
            level: count("level").unwrap_or(40) as u8,
            chroma_format: 1,
            bit_depth: 8,
            interlaced: words.has("interlaced"),
            frame_rate: pair("vui-fps"),
            sample_aspect: pair("sar"),
            transfer: count("transfer").map(|t| t as u8),
            primaries: count("primaries").map(|t| t as u8),
            mastering_display: words.has("mastering"),
            ..VideoFacts::default()
        });
    }
    if let Some(list) = words.options.get("keys") {
        let at: Vec<i64> = list.split(',').map(|s| ticks(s.parse().unwrap())).collect();
        main.n_keyframes = at.len() as u32;
        let max_distance = at.windows(2).map(|w| w[1] - w[0]).max();
        main.keyframes = Some(KeyframeFacts { first: at[0], last: at[at.len() - 1], max_distance });
    }
    if let Some(list) = words.options.get("inter") {
        let n: Vec<u64> = list.split(',').map(|n| n.parse().unwrap()).collect();
        main.inter_frames = Some(SizeFacts { n: n[0] as u32, mean: n[1], deviation: n[2] });
    }
    let stamps = ["no-pts", "backward", "pts-before", "max-step", "reorder"];
    if stamps.iter().any(|key| words.options.contains_key(key)) {
        main.stamps = Some(StampFacts {
            n_without_pts: count("no-pts").unwrap_or(0),
            n_backward: count("backward").unwrap_or(0),
            n_pts_before_dts: count("pts-before").unwrap_or(0),
            max_step: ticks(words.number("max-step").unwrap_or(0.04)),
            max_reorder: ticks(words.number("reorder").unwrap_or(0.08)),
        });
    }
}
