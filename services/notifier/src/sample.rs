//! Notices for the tests of this crate.

use std::collections::BTreeMap;

use ow_domain::incident::{ChangeKind, IncidentNumber, Notice};
use ow_domain::operation::{Ack, Operation, OperationKind};
use ow_domain::verdict::Subject;
use ow_domain::{ChannelId, ProbeId, Severity, Time};

pub fn time(text: &str) -> Time {
    Time::parse_rfc3339(text).unwrap()
}

pub fn raise() -> Notice {
    Notice {
        number: IncidentNumber(1042),
        revision: 1,
        change: ChangeKind::Raise,
        severity: Severity::Major,
        previous_severity: None,
        channel: ChannelId::new("vtv3-hd").unwrap(),
        channel_name: "VTV3 HD".into(),
        fingerprint: "hls-playlist-stale|hls|main|-|video-1080p|-".into(),
        check: "hls-playlist-stale".into(),
        title: "HLS playlist stale".into(),
        subject: Subject { protocol: None, stream: None, host: None, track: None, reason: Some("Đà Nẵng".into()) },
        message: "Danh sách phát không cập nhật: no new segment for 24.3 s, limit 15 s <6 s target>".into(),
        value: "24.3 s".into(),
        limit: "15 s".into(),
        raised_at: time("2026-11-22T09:41:07.250000Z"),
        cleared_at: None,
        clear_reason: None,
        at: time("2026-11-22T09:41:07.250000Z"),
        evidence: None,
        labels: BTreeMap::from([("team".to_owned(), "noc".to_owned())]),
        packager: Some("packager-07".into()),
        region: Some("south".into()),
        runbook: Some("https://wiki.example/stale".into()),
        probe: Some(ProbeId::new("hcm-1").unwrap()),
        event: false,
        operation: None,
        ack: None,
        suppressed: Vec::new(),
        reopens: None,
    }
}

pub fn update() -> Notice {
    Notice {
        revision: 2,
        change: ChangeKind::Update,
        severity: Severity::Critical,
        previous_severity: Some(Severity::Major),
        at: time("2026-11-22T09:42:00Z"),
        ..raise()
    }
}

pub fn clear() -> Notice {
    let at = time("2026-11-22T09:45:19.250000Z");
    Notice {
        revision: 3,
        change: ChangeKind::Clear,
        severity: Severity::Cleared,
        previous_severity: Some(Severity::Critical),
        message: "segments are coming again".into(),
        cleared_at: Some(at),
        at,
        ..raise()
    }
}

/// The same alarm, taken in hand.
pub fn acked() -> Notice {
    let (at, until) = (time("2026-11-22T09:43:00Z"), Some(time("2026-11-22T10:43:00Z")));
    let note = Some("gọi packager-07".to_owned());
    Notice {
        revision: 3,
        change: ChangeKind::Update,
        at,
        operation: Some(Operation { kind: OperationKind::Ack, by: "user:lan".into(), note: note.clone(), until }),
        ack: Some(Ack { by: "user:lan".into(), at, note, until }),
        ..raise()
    }
}
