//! From a notice to the twelve varbinds, in the order that is frozen for ever. Pure.

use ow_domain::incident::{ChangeKind, Notice};
use ow_domain::receiver::SnmpSpec;
use ow_domain::{ProbeId, Time};

use super::mib::{Trap, column, notify_only, scalar};
use crate::text::{MAX_OCTETS, deep_link, one_line, to_ascii};

/// One notification, free of any SNMP library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub trap: Trap,
    pub trap_oid: Vec<u32>,
    pub varbinds: Vec<(Vec<u32>, VarValue)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VarValue {
    Integer(i32),
    Unsigned(u32),
    Octets(Vec<u8>),
}

impl VarValue {
    fn text(text: &str) -> Self {
        Self::Octets(text.as_bytes().to_vec())
    }
}

/// What a notification says besides the notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    pub sequence: u32,
    /// It may have been sent before.
    pub resend: bool,
}

/// `owAlarmState`.
const ACTIVE: i32 = 1;
const ACKNOWLEDGED: i32 = 2;
const SUPPRESSED: i32 = 3;
const CLEARED: i32 = 4;

/// By the three axes, the last that hides it first.
fn state(notice: &Notice) -> i32 {
    match () {
        () if notice.change == ChangeKind::Clear => CLEARED,
        () if !notice.suppressed.is_empty() => SUPPRESSED,
        () if notice.ack.is_some() => ACKNOWLEDGED,
        () => ACTIVE,
    }
}

/// The notification for a notice below `base_oid`.
pub fn varbinds(notice: &Notice, spec: &SnmpSpec, base_oid: &[u32], public_url: &str, sent: Sent) -> Notification {
    let clear = notice.change == ChangeKind::Clear;
    let trap = match notice.change {
        ChangeKind::Clear => Trap::Clear,
        // Somebody did something; the alarm is as it was.
        ChangeKind::Update if notice.operation.is_some() => Trap::StateChange,
        ChangeKind::Raise | ChangeKind::Update => Trap::of(notice.severity),
    };
    let text = |text: &str| {
        let line = one_line(text, MAX_OCTETS);
        VarValue::text(&if spec.ascii { one_line(&to_ascii(&line), MAX_OCTETS) } else { line })
    };
    // A number that is never used again; the index of owActiveTable is unsigned and not 0.
    let row = u32::try_from(notice.number.0).unwrap_or(u32::MAX).max(1);
    let at = |column: u32| below(base_oid, &[1, 2, 1, 1, column, row]);
    let own = |n: u32| below(base_oid, &[1, 3, n, 0]);
    let severity = if clear { 1 } else { notice.severity.itu_code() };
    Notification {
        trap,
        trap_oid: below(base_oid, &[0, trap.arc()]),
        varbinds: vec![
            (at(column::ID), text(&notice.alarm_id())),
            (at(column::SEVERITY), VarValue::Integer(severity)),
            (at(column::STATE), VarValue::Integer(state(notice))),
            (at(column::CHANNEL), text(&notice.channel_name)),
            (at(column::CHECK), text(&notice.check)),
            (at(column::TEXT), text(&alarm_text(notice))),
            (own(notify_only::EVENT_TIME), VarValue::Octets(date_and_time(notice.at).to_vec())),
            (at(column::PROBE), text(notice.probe.as_ref().map_or("", ProbeId::as_str))),
            (at(column::URL), text(&deep_link(public_url, notice))),
            (at(column::GROUP), text(&notice.number.to_string())),
            (own(notify_only::SEQUENCE), VarValue::Unsigned(sent.sequence)),
            // TruthValue: true 1, false 2.
            (own(notify_only::RESEND), VarValue::Integer(if sent.resend { 1 } else { 2 })),
        ],
    }
}

/// `HLS playlist stale: no new segment for 24.3 s (limit 15 s)`.
fn alarm_text(notice: &Notice) -> String {
    if notice.message.is_empty() { notice.title.clone() } else { format!("{}: {}", notice.title, notice.message) }
}

/// The heartbeat.
pub fn heartbeat(
    instance: &str,
    active: u32,
    interval_seconds: u32,
    sequence: u32,
    now: Time,
    base_oid: &[u32],
) -> Notification {
    Notification {
        trap: Trap::Heartbeat,
        trap_oid: below(base_oid, &[0, Trap::Heartbeat.arc()]),
        varbinds: vec![
            (below(base_oid, &[1, 1, scalar::INSTANCE_NAME, 0]), VarValue::text(&one_line(instance, MAX_OCTETS))),
            (below(base_oid, &[1, 1, scalar::ACTIVE_COUNT, 0]), VarValue::Unsigned(active)),
            (below(base_oid, &[1, 3, notify_only::HEARTBEAT_INTERVAL, 0]), VarValue::Unsigned(interval_seconds)),
            (below(base_oid, &[1, 3, notify_only::EVENT_TIME, 0]), VarValue::Octets(date_and_time(now).to_vec())),
            (below(base_oid, &[1, 3, notify_only::SEQUENCE, 0]), VarValue::Unsigned(sequence)),
        ],
    }
}

fn below(base: &[u32], arcs: &[u32]) -> Vec<u32> {
    [base, arcs].concat()
}

/// The numbers of an object identifier; `None` for what [`ow_domain::receiver::is_oid`] refuses.
pub fn parse_oid(text: &str) -> Option<Vec<u32>> {
    ow_domain::receiver::is_oid(text).then(|| text.split('.').filter_map(|arc| arc.parse().ok()).collect())
}

/// `DateAndTime` of SNMPv2-TC (RFC 2579): year, month, day, hour, minute, second, deci-second, then the offset from
/// UTC as direction, hours, minutes. Always 11 octets: a value without offset is local time of an unknown place.
pub fn date_and_time(time: Time) -> [u8; 11] {
    // Civil date from days, Howard Hinnant's `civil_from_days`.
    let micros = time.unix_micros();
    let days = micros.div_euclid(86_400_000_000);
    let in_day = micros.rem_euclid(86_400_000_000);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = (year_of_era + era * 400 + i64::from(month <= 2)).clamp(0, 65_535);
    let [high, low] = (year as u16).to_be_bytes();
    let secs = in_day / 1_000_000;
    let deci = in_day / 100_000 % 10;
    [
        high,
        low,
        month as u8,
        day as u8,
        (secs / 3600) as u8,
        (secs / 60 % 60) as u8,
        (secs % 60) as u8,
        deci as u8,
        b'+',
        0,
        0,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use ow_domain::receiver::ReceiverSpec;

    fn snmp_spec(target: &str) -> SnmpSpec {
        match serde_json::from_value(serde_json::json!({"type": "snmp", "target": target})).unwrap() {
            ReceiverSpec::Snmp(spec) => spec,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn date_and_time_has_its_offset() {
        for (text, expected) in [
            ("2026-11-22T09:41:07.250000Z", [0x07, 0xea, 11, 22, 9, 41, 7, 2, b'+', 0, 0]),
            ("2024-02-29T23:59:59.999999Z", [0x07, 0xe8, 2, 29, 23, 59, 59, 9, b'+', 0, 0]),
            ("1970-01-01T00:00:00Z", [0x07, 0xb2, 1, 1, 0, 0, 0, 0, b'+', 0, 0]),
        ] {
            assert_eq!(date_and_time(Time::parse_rfc3339(text).unwrap()), expected, "{text}");
        }
    }

    fn show(notification: &Notification) -> String {
        let mut out = format!("{}\n", notification.trap.name());
        for (oid, value) in &notification.varbinds {
            let oid: Vec<String> = oid.iter().map(ToString::to_string).collect();
            let value = match value {
                VarValue::Octets(bytes) => match std::str::from_utf8(bytes) {
                    Ok(text) if !text.contains('\0') => format!("{text:?}"),
                    _ => format!("{bytes:?}"),
                },
                other => format!("{other:?}"),
            };
            out.push_str(&format!("  {} = {value}\n", oid.join(".")));
        }
        out
    }

    #[test]
    fn raise_update_clear_and_heartbeat() {
        let base = parse_oid(ow_domain::receiver::DEFAULT_BASE_OID).unwrap();
        let spec = snmp_spec("127.0.0.1:162");
        let url = "https://ott.example/";
        let all = [
            varbinds(&sample::raise(), &spec, &base, url, Sent { sequence: 7, resend: false }),
            varbinds(&sample::update(), &spec, &base, url, Sent { sequence: 8, resend: true }),
            varbinds(&sample::acked(), &spec, &base, url, Sent { sequence: 9, resend: false }),
            varbinds(&sample::clear(), &spec, &base, url, Sent { sequence: 9, resend: false }),
            heartbeat("noc", 3, 60, 10, sample::raise().at, &base),
        ];
        insta::assert_snapshot!(all.iter().map(show).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn texts_fit_consoles() {
        let base = [1, 3, 6, 1];
        let mut notice = sample::raise();
        notice.message = format!("một\nhai {}", "đ".repeat(600));
        let mut spec = snmp_spec("127.0.0.1:162");
        for ascii in [false, true] {
            spec.ascii = ascii;
            for (_, value) in varbinds(&notice, &spec, &base, "", Sent::default()).varbinds {
                if let VarValue::Octets(bytes) = value {
                    assert!(bytes.len() <= MAX_OCTETS && !bytes.contains(&b'\n'));
                    assert!(!ascii || bytes.len() == 11 || bytes.is_ascii());
                }
            }
        }
    }

    #[test]
    fn an_incident_number_beyond_32_bits_does_not_break_the_index() {
        let mut notice = sample::raise();
        notice.number.0 = i64::MAX;
        let n = varbinds(&notice, &snmp_spec("a:1"), &[1, 3, 6, 1], "", Sent::default());
        assert_eq!(n.varbinds[0].0.last(), Some(&u32::MAX));
    }
}
