//! A golden sample per message. The files in `schemas/samples` are the contract with those who already read our
//! messages: they must stay readable, and writing them again must give the same JSON. A new optional field changes no
//! existing sample; to add a sample for a new message run the test once with `BLESS=1`.

use std::path::PathBuf;

use ow_contracts::envelope::{self, CE_ID, CE_TYPE, CONTENT_ENCODING};
use ow_contracts::{ChannelIncident, DeadLetter, IncidentChange, Message};
use ow_domain::capture::{
    BodyEnd, Capture, Exchange, ManifestBody, ObjectKind, Outcome, Protocol, Response, Tick, Timings, Track, TrackKind,
};
use ow_domain::incident::{ChangeKind, Delivery, DeliveryOutcome, IncidentNumber, Notice, NotifyJob, ReceiverKind};
use ow_domain::job::{Depth, FetchJob, FetchLimits, StreamJob};
use ow_domain::verdict::{Condition, Evidence, Measures, Position, StreamState, Subject, TrackMeasures, Verdict};
use ow_domain::{ChannelId, Partition, ProbeId, ReceiverId, Severity, Span, StreamId, Time, TrackId};
use serde_json::Value;

fn channel() -> ChannelId {
    ChannelId::new("vtv3-hd").unwrap()
}
fn stream() -> StreamId {
    StreamId::new("main-hls").unwrap()
}
fn probe() -> ProbeId {
    ProbeId::new("hcm-1").unwrap()
}
fn at() -> Time {
    Time::parse_rfc3339("2026-11-22T09:41:07.25Z").unwrap()
}

fn evidence() -> Evidence {
    Evidence {
        capture: "0193a4e2-7b1c-7000-8000-000000000001".into(),
        probe: Some(probe()),
        url: "http://packager-07/vtv3/video-1080p/index.m3u8".into(),
        t_req: at(),
        t_end: at() + Span::from_millis(12),
        status: Some(200),
        headers: vec![("content-type".into(), "application/vnd.apple.mpegurl".into())],
        digest: Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into()),
        previous_digest: None,
        line: Some(4),
        facts: vec![("target duration".into(), "6 s".into())],
        clock_uncertainty_us: 50_000,
    }
}

fn subject() -> Subject {
    Subject {
        protocol: Some(Protocol::Hls),
        stream: Some(stream()),
        host: None,
        track: Some(TrackId::new("video-1080p").unwrap()),
        reason: None,
    }
}

fn notice(change: ChangeKind) -> Notice {
    Notice {
        number: IncidentNumber(1042),
        revision: if change == ChangeKind::Raise { 1 } else { 2 },
        change,
        severity: if change == ChangeKind::Clear { Severity::Cleared } else { Severity::Critical },
        previous_severity: (change != ChangeKind::Raise).then_some(Severity::Critical),
        channel: channel(),
        channel_name: "VTV3 HD".into(),
        fingerprint: subject().fingerprint("hls-playlist-stale"),
        check: "hls-playlist-stale".into(),
        title: "HLS playlist stale".into(),
        subject: subject(),
        message: "newest segment is 36.2 s old; at most 9.1 s expected for target duration 6 s".into(),
        value: "36.2 s".into(),
        limit: "9.1 s".into(),
        raised_at: at(),
        cleared_at: (change == ChangeKind::Clear).then_some(at() + Span::from_secs(252)),
        clear_reason: None,
        at: at(),
        evidence: Some(evidence()),
        labels: [("group".to_owned(), "sport".to_owned())].into(),
        packager: Some("packager-07".into()),
        region: Some("hcm".into()),
        runbook: None,
        probe: Some(probe()),
        event: false,
        operation: None,
        ack: None,
        suppressed: Vec::new(),
        reopens: None,
    }
}

fn fetch_job() -> FetchJob {
    FetchJob {
        channel: channel(),
        probe: probe(),
        revision: 7,
        streams: vec![StreamJob {
            stream: stream(),
            protocol: Protocol::Hls,
            url: "http://packager-07/vtv3/master.m3u8".into(),
            headers: vec![],
            depth: Depth::Full,
        }],
        limits: FetchLimits::default(),
    }
}

fn capture() -> Capture {
    Capture {
        id: "0193a4e2-7b1c-7000-8000-000000000001".into(),
        channel: channel(),
        stream: stream(),
        protocol: Protocol::Hls,
        probe: probe(),
        job_revision: 7,
        seq: 4711,
        object: ObjectKind::MediaPlaylist,
        track: Some(Track {
            id: TrackId::new("video-1080p").unwrap(),
            kind: TrackKind::Video,
            bandwidth: Some(5_000_000),
            average_bandwidth: None,
            frame_rate_milli: None,
            video_range: None,
            channels: None,
            width: Some(1920),
            height: Some(1080),
            codecs: Some("avc1.640028".into()),
            language: None,
        }),
        promised: None,
        exchange: Exchange {
            url: "http://packager-07/vtv3/video-1080p/index.m3u8".into(),
            final_url: None,
            origin: "http://packager-07:80".into(),
            method: "GET".into(),
            t_req: at(),
            t_end: at() + Span::from_millis(12),
            timings: Timings { ttfb_us: Some(9_000), body_us: Some(900), reused: true, ..Timings::default() },
            remote_addr: Some("10.0.0.7:80".into()),
            http_version: Some("HTTP/1.1".into()),
            tls: None,
            redirects: vec![],
            failed_addresses: vec![],
            outcome: Outcome::Response(Response {
                status: 200,
                headers: vec![("content-type".into(), "application/vnd.apple.mpegurl".into())],
                body_bytes: 58,
                content_length: Some(58),
                body_end: BodyEnd::Complete,
                digest: Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into()),
                sniff: None,
            }),
        },
        clock_uncertainty_us: 50_000,
        body: Some(ManifestBody {
            text: "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6.000,\ns4711.ts\n".into(),
            lossy: false,
        }),
        facts: None,
        retry: false,
        extra: false,
        late_polls: 0,
        blocking: None,
        time_checks: Vec::new(),
        probe_facts: None,
    }
}

fn verdict() -> Verdict {
    Verdict {
        channel: channel(),
        name: "VTV3 HD".into(),
        position: Position { epoch: 1_763_800_000_000, seq: 99 },
        as_of: at(),
        policy_revision: 7,
        retired: None,
        severity: Severity::Critical,
        conditions: vec![Condition {
            fingerprint: subject().fingerprint("hls-playlist-stale"),
            check: "hls-playlist-stale".into(),
            title: "HLS playlist stale".into(),
            severity: Severity::Critical,
            subject: subject(),
            first_failed_at: at(),
            raised_at: at(),
            last_failed_at: at() + Span::from_secs(3),
            count: 9,
            value: "36.2 s".into(),
            limit: "9.1 s".into(),
            message: "newest segment is 36.2 s old; at most 9.1 s expected for target duration 6 s".into(),
            evidence: Some(evidence()),
            indeterminate: false,
            event: false,
        }],
        labels: [("group".to_owned(), "sport".to_owned())].into(),
        packager: Some("packager-07".into()),
        region: Some("hcm".into()),
        runbook: None,
        streams: vec![StreamState {
            stream: stream(),
            protocol: Protocol::Hls,
            up: true,
            n_tracks: 4,
            max_height: Some(1080),
            last_capture_at: Some(at()),
            newest_content_age_s: Some(36.2),
        }],
    }
}

fn measures() -> Measures {
    Measures {
        channel: channel(),
        stream: stream(),
        protocol: Protocol::Hls,
        probe: Some(probe()),
        at: at(),
        window_s: 10.0,
        values: [("playlist_age_seconds".to_owned(), 4.2)].into(),
        responses: [("2xx".to_owned(), 31)].into(),
        tracks: vec![TrackMeasures {
            track: TrackId::new("video-1080p").unwrap(),
            values: [("measured_bits_per_second".to_owned(), 4_812_000.0)].into(),
        }],
    }
}

/// Reads the golden file, writes it again, reads it with a field of the future, and sends it through the envelope.
fn check<M: Message>(sample: &M, expected_subject: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../schemas/samples/{}.json", M::TYPE));
    let ours = serde_json::to_value(sample).unwrap();
    if std::env::var_os("BLESS").is_some() && !path.exists() {
        std::fs::write(&path, serde_json::to_string_pretty(&ours).unwrap() + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}; run with BLESS=1", path.display()));
    let golden: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(ours, golden, "{} changed on the wire", M::TYPE);
    let read: M = serde_json::from_value(golden.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), golden);

    let mut later = golden;
    later.as_object_mut().unwrap().insert("field_of_the_future".into(), Value::Bool(true));
    serde_json::from_value::<M>(later).expect("unknown fields are ignored");

    assert_eq!(sample.subject().full(), expected_subject);
    let sent = envelope::encode(sample, "ottwatch/test", None).unwrap();
    let header = |name: &str| sent.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
    assert_eq!(header(CE_TYPE), Some(M::TYPE));
    assert_eq!(header(CE_ID), Some(sample.message_id().0.as_str()));
    let received: M = envelope::decode(header, &sent.body).unwrap();
    assert_eq!(serde_json::to_value(&received).unwrap(), ours);
}

#[test]
fn fetch_job_is_stable() {
    check(&fetch_job(), "ottwatch.v1.job.fetch.hcm-1.vtv3-hd");
}

#[test]
fn capture_is_stable() {
    let partition = Partition::of(&channel());
    check(&capture(), &format!("ottwatch.v1.capture.{partition}.vtv3-hd.main-hls.media-playlist"));
}

#[test]
fn tick_is_stable() {
    check(&Tick { partition: Partition::new(7).unwrap(), at: at() }, "ottwatch.v1.capture.7.tick");
}

#[test]
fn verdict_is_stable() {
    check(&verdict(), &format!("ottwatch.v1.verdict.{}.vtv3-hd", Partition::of(&channel())));
}

#[test]
fn measures_are_stable() {
    check(&measures(), "ottwatch.v1.measure.vtv3-hd.main-hls");
}

#[test]
fn alert_is_stable_and_a_clear_goes_where_the_raise_went() {
    check(&IncidentChange(notice(ChangeKind::Raise)), "ottwatch.v1.alert.critical.vtv3-hd");
    assert_eq!(IncidentChange(notice(ChangeKind::Clear)).subject().as_str(), "alert.critical.vtv3-hd");
}

#[test]
fn incident_is_stable() {
    check(&ChannelIncident(notice(ChangeKind::Clear)), "ottwatch.v1.incident.clear");
}

#[test]
fn notify_job_is_stable() {
    let job = NotifyJob {
        receiver: ReceiverId::new("noc-nms").unwrap(),
        kind: ReceiverKind::Snmp,
        notice: notice(ChangeKind::Raise),
        deadline: Some(at() + Span::from_secs(3600)),
    };
    assert_eq!(job.idempotency_key(), "INC-1042/1/noc-nms");
    check(&job, "ottwatch.v1.job.notify.snmp.noc-nms");
}

#[test]
fn delivery_is_stable() {
    let delivery = Delivery {
        receiver: ReceiverId::new("noc-nms").unwrap(),
        kind: ReceiverKind::Snmp,
        number: IncidentNumber(1042),
        revision: 1,
        change: ChangeKind::Raise,
        outcome: DeliveryOutcome::Delivered,
        attempts: 1,
        at: at(),
        detail: "inform acknowledged by 10.0.0.9:162 after 0.002 s".into(),
    };
    check(&delivery, "ottwatch.v1.delivery.noc-nms");
}

#[test]
fn dead_letter_is_stable() {
    let letter = DeadLetter {
        stream: "NOTIFY".into(),
        subject: "ottwatch.v1.job.notify.slack.noc".into(),
        seq: 12,
        consumer: "notifier-slack".into(),
        reason: "channel_not_found".into(),
        at: at(),
        headers: vec![("ce-type".into(), "ottwatch.notify-job.v1".into())],
        payload_base64: "e30=".into(),
    };
    check(&letter, "ottwatch.v1.dead.notify");
}

#[test]
fn large_bodies_are_compressed_and_bombs_are_refused() {
    let mut big = capture();
    big.body = Some(ManifestBody { text: "#EXTM3U\n".repeat(10_000), lossy: false });
    let sent = envelope::encode(&big, "ottwatch/test", None).unwrap();
    assert!(sent.body.len() < 4_096, "{}", sent.body.len());
    assert!(sent.headers.contains(&(CONTENT_ENCODING, "zstd".to_owned())));

    let bomb = zstd::bulk::compress(&vec![b' '; envelope::MAX_BODY_BYTES + 1], 1).unwrap();
    let refused = envelope::decode_body(Some("zstd"), &bomb);
    assert!(matches!(refused, Err(envelope::DecodeError::Decompress(_))));
}

#[test]
fn a_message_of_another_type_is_refused() {
    let sent = envelope::encode(&verdict(), "ottwatch/test", None).unwrap();
    let header = |name: &str| sent.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
    let error = envelope::decode::<Capture>(header, &sent.body).unwrap_err();
    assert!(error.to_string().contains("ottwatch.verdict.v1"), "{error}");
}
