//! Captures of a healthy channel for measuring: one playlist, then one segment.

use ow_domain::capture::{
    BodyEnd, Capture, Exchange, ManifestBody, ObjectKind, Outcome, Promised, Protocol, Response, Timings, Track,
    TrackKind,
};
use ow_domain::facts::{Container, ElementaryFacts, EsKind, PcrFacts, SegmentFacts, TsFacts};
use ow_domain::job::{FetchLimits, StreamJob};
use ow_domain::policy::{ChannelClass, ChannelPolicy, CheckSettings};
use ow_domain::{ChannelId, ProbeId, Span, StreamId, Time, TrackId};

const SEGMENT_S: i64 = 6;
const WINDOW: u64 = 10;

/// Policy of the channel of [`synthetic_captures`].
pub fn synthetic_policy() -> Option<ChannelPolicy> {
    Some(ChannelPolicy {
        channel: ChannelId::new("bench").ok()?,
        name: "Bench".into(),
        revision: 1,
        enabled: true,
        class: ChannelClass::Linear,
        streams: vec![StreamJob {
            stream: StreamId::new("main").ok()?,
            protocol: Protocol::Hls,
            url: "http://origin.example/live/master.m3u8".into(),
            headers: Vec::new(),
            depth: Default::default(),
        }],
        probes: Vec::new(),
        limits: FetchLimits::default(),
        checks: CheckSettings::default(),
        ladder: None,
        event_start: None,
        event_end: None,
        labels: Default::default(),
        packager: None,
        region: None,
        runbook: None,
    })
}

/// `n` captures in order, playlists and segments of four renditions in turn, six seconds per round.
pub fn synthetic_captures(n: usize) -> Vec<Capture> {
    (0..n).filter_map(|i| synthetic(i as u64)).collect()
}

fn synthetic(i: u64) -> Option<Capture> {
    let (pair, is_segment) = (i / 2, i % 2 == 1);
    let (round, rendition) = (pair / 4, pair % 4);
    let start = Time::from_unix_micros(1_767_225_600_000_000);
    let t_req = start + Span::from_secs(SEGMENT_S * round as i64) + Span::from_millis(40 * rendition as i64);
    let t_end = t_req + Span::from_millis(if is_segment { 30 } else { 10 });
    let newest = 1000 + round + WINDOW - 1;
    let dir = format!("http://origin.example/live/v{rendition}");
    let (object, url, body) = if is_segment {
        (ObjectKind::Segment, format!("{dir}/seg{newest}.ts"), None)
    } else {
        (ObjectKind::MediaPlaylist, format!("{dir}/index.m3u8"), Some(playlist(1000 + round, start)))
    };
    let media_type = if is_segment { "video/mp2t" } else { "application/vnd.apple.mpegurl" };
    let body_bytes = body.as_ref().map_or(3_000_000, |b: &String| b.len() as u64);
    Some(Capture {
        id: format!("bench-{i}"),
        channel: ChannelId::new("bench").ok()?,
        stream: StreamId::new("main").ok()?,
        protocol: Protocol::Hls,
        probe: ProbeId::new("probe-1").ok()?,
        job_revision: 1,
        seq: i + 1,
        object,
        track: Some(Track {
            id: TrackId::from_text(&format!("video-{rendition}")),
            kind: TrackKind::Muxed,
            bandwidth: Some(4_000_000),
            average_bandwidth: None,
            frame_rate_milli: None,
            video_range: None,
            channels: None,
            width: Some(1920),
            height: Some(1080),
            codecs: None,
            language: None,
        }),
        promised: is_segment.then_some(Promised {
            number: Some(newest),
            duration_us: Some(SEGMENT_S * 1_000_000),
            independent: true,
            has_map: Some(false),
            ..Promised::listed(t_req)
        }),
        exchange: Exchange {
            url,
            final_url: None,
            origin: "http://origin.example:80".into(),
            method: "GET".into(),
            t_req,
            t_end,
            timings: Timings { ttfb_us: Some(2_000), body_us: Some(8_000), reused: true, ..Timings::default() },
            remote_addr: Some("192.0.2.1:80".into()),
            http_version: Some("HTTP/1.1".into()),
            tls: None,
            redirects: Vec::new(),
            failed_addresses: Vec::new(),
            outcome: Outcome::Response(Response {
                status: 200,
                headers: vec![("content-type".into(), media_type.into())],
                body_bytes,
                content_length: Some(body_bytes),
                body_end: BodyEnd::Complete,
                digest: Some(format!("{i:064x}")),
                sniff: None,
            }),
        },
        clock_uncertainty_us: 50_000,
        body: body.map(|text| ManifestBody { text, lossy: false }),
        facts: is_segment.then(|| facts(newest)),
        retry: false,
        extra: false,
        late_polls: 0,
        blocking: None,
        time_checks: Vec::new(),
        probe_facts: None,
    })
}

fn playlist(first: u64, start: Time) -> String {
    let mut text =
        format!("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{SEGMENT_S}\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    for n in first..first + WINDOW {
        let date = start + Span::from_secs(SEGMENT_S * (n as i64 - 1000 - WINDOW as i64));
        text.push_str(&format!("#EXT-X-PROGRAM-DATE-TIME:{date}\n#EXTINF:{SEGMENT_S}.000,\nseg{n}.ts\n"));
    }
    text
}

/// Segment `n` of media that runs on without a seam.
fn facts(n: u64) -> SegmentFacts {
    let start = n as i64 * SEGMENT_S * 90_000;
    // One each 40 ms.
    let pcr = PcrFacts { n: 150, max_step: 1_080_000, n_jumps: 0, worst_jump: None, n_discontinuities: 0 };
    SegmentFacts {
        container: Container::MpegTs,
        elementary: vec![ElementaryFacts {
            id: 256,
            kind: EsKind::Video,
            codec: "h264".into(),
            timescale: 90_000,
            first_pts: Some(start),
            first_dts: Some(start),
            last_dts: Some(start + 536_400),
            duration: Some(540_000),
            n_access_units: 150,
            access_unit_duration: Some(3_600),
            starts_with_keyframe: Some(true),
            n_keyframes: 3,
            payload_bytes: 2_900_000,
            ..ElementaryFacts::default()
        }],
        ts: Some(TsFacts { n_packets: 15_957, pat_pmt_first: true, pcr: Some(pcr), ..TsFacts::default() }),
        ..SegmentFacts::default()
    }
}
