//! Traps and informs, v2c and v3, as the real snmptrapd reads them by our MIB.

use ow_domain::incident::{DeliveryOutcome, ReceiverKind};
use ow_testkit::receivers::{SnmpTrapd, Trap, TrapdOptions, V3User};
use serde_json::{Value, json};

use crate::bench::{Bench, LONG};
use crate::sample::{clear, raise, update};

const SNMP: ReceiverKind = ReceiverKind::Snmp;

fn user(name: &str, auth: &str, privacy: &str, engine_id: Option<Vec<u8>>) -> V3User {
    V3User {
        name: name.to_owned(),
        auth: auth.to_owned(),
        auth_password: "auth-secret-1".to_owned(),
        privacy: privacy.to_owned(),
        privacy_password: "priv-secret-1".to_owned(),
        engine_id,
    }
}

fn v3(bench: &Bench, trapd: &SnmpTrapd, user: &str, auth: &str, privacy: &str, mode: &str) -> Value {
    json!({"type": "snmp", "target": trapd.target(), "version": "v3", "user": user, "mode": mode,
        "auth": auth, "auth_password_file": bench.secret("auth", "auth-secret-1"),
        "privacy": privacy, "privacy_password_file": bench.secret("priv", "priv-secret-1"), "heartbeat_seconds": 0})
}

/// Raise, update and clear as they must read, in this order.
fn check_story(traps: &[Trap], security: &str) {
    let told: Vec<(&str, &str, &str)> = traps
        .iter()
        .map(|t| (t.name(), t.value("owAlarmSeverity").unwrap(), t.value("owAlarmState").unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("owAlarmMajor", "major", "active"),
            ("owAlarmCritical", "critical", "active"),
            ("owAlarmClear", "cleared", "cleared")
        ]
    );
    for (n, trap) in traps.iter().enumerate() {
        assert!(trap.security.contains(security), "{security} in {:?}", trap.security);
        // sysUpTime and snmpTrapOID, then the frozen twelve.
        let names: Vec<&str> = trap.varbinds[2..].iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "OTTWATCH-MIB::owAlarmId.1042",
                "OTTWATCH-MIB::owAlarmSeverity.1042",
                "OTTWATCH-MIB::owAlarmState.1042",
                "OTTWATCH-MIB::owAlarmChannel.1042",
                "OTTWATCH-MIB::owAlarmCheck.1042",
                "OTTWATCH-MIB::owAlarmText.1042",
                "OTTWATCH-MIB::owEventTime.0",
                "OTTWATCH-MIB::owAlarmProbe.1042",
                "OTTWATCH-MIB::owAlarmUrl.1042",
                "OTTWATCH-MIB::owAlarmGroup.1042",
                "OTTWATCH-MIB::owSequence.0",
                "OTTWATCH-MIB::owResend.0"
            ]
        );
        let value = |object| trap.value(object).unwrap();
        assert_eq!(value("owAlarmId"), "vtv3-hd|hls-playlist-stale|hls|main|-|video-1080p|-");
        assert_eq!(value("owAlarmChannel"), "VTV3 HD");
        assert_eq!(value("owAlarmCheck"), "hls-playlist-stale");
        assert_eq!(value("owAlarmProbe"), "hcm-1");
        assert_eq!(value("owAlarmGroup"), "INC-1042");
        assert_eq!(value("owSequence").split(' ').next(), Some(["1", "2", "3"][n]));
        assert_eq!(value("owResend"), "false");
        assert!(value("owAlarmUrl").starts_with("https://ott.example/i/INC-1042?at=2026-11-22T09:4"));
    }
    let text = traps[0].value("owAlarmText").unwrap();
    assert!(text.starts_with("HLS playlist stale: Danh sách phát không cập nhật: no new segment"), "{text}");
    assert_eq!(traps[0].value("owEventTime"), Some("2026-11-22,9:41:7.2,+0:0"));
}

async fn story(bench: &Bench, trapd: &SnmpTrapd, receiver: &str, security: &str, detail: &str) {
    let before = trapd.traps().len();
    for notice in [raise(), update(), clear()] {
        let delivery = bench.deliver(receiver, SNMP, notice).await;
        assert!(delivery.detail.contains(detail), "{}", delivery.detail);
    }
    let traps = trapd.wait("three notifications", LONG, |t| t.len() >= before + 3).await;
    check_story(&traps[before..], security);
}

#[tokio::test(flavor = "multi_thread")]
async fn v2c_trap_and_inform_with_another_community() {
    let bench = Bench::new().await;
    let options = TrapdOptions { community: "noc-secret".to_owned(), users: Vec::new() };
    let trapd = SnmpTrapd::start(options).await.unwrap();
    let community = bench.secret("community", "noc-secret");
    for mode in ["trap", "inform"] {
        let spec = json!({"type": "snmp", "target": trapd.target(), "community_file": community, "mode": mode,
            "heartbeat_seconds": 0});
        let name = format!("nms-{mode}");
        bench.receiver(&name, spec).await;
        let detail = if mode == "trap" { "sent as trap" } else { "acknowledged by" };
        story(&bench, &trapd, &name, "SNMP v2c, community noc-secret", detail).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v3_informs_with_each_protocol_the_stock_station_has() {
    let bench = Bench::new().await;
    let users = vec![
        user("u128", "SHA-256", "AES", None),
        user("u1", "SHA", "AES", None),
        user("u512", "SHA-512", "AES", None),
    ];
    let trapd = SnmpTrapd::start(TrapdOptions { users, ..TrapdOptions::default() }).await.unwrap();
    for (name, auth) in [("u128", "SHA256"), ("u1", "SHA1"), ("u512", "SHA512")] {
        bench.receiver(name, v3(&bench, &trapd, name, auth, "AES128", "inform")).await;
        story(&bench, &trapd, name, &format!("SNMP v3, user {name}"), "acknowledged by").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v3_traps_come_through_after_a_restart_because_boots_are_kept() {
    let mut bench = Bench::new().await;
    // The engine is made by the first v3 trap; the operator then tells its id to the station.
    let mut trapd = SnmpTrapd::start(TrapdOptions::default()).await.unwrap();
    bench.receiver("nms", v3(&bench, &trapd, "ottwatch", "SHA256", "AES128", "trap")).await;
    let mut first = raise();
    first.number.0 = 1;
    bench.deliver("nms", SNMP, first).await;
    bench.stop().await;
    let claim = bench.store.claim_snmp_engine(b"not used").await.unwrap();
    assert_eq!((claim.slot, claim.boots), (0, 2));
    let users = vec![user("ottwatch", "SHA-256", "AES", Some(claim.engine_id.clone()))];
    drop(claim);
    trapd.stop();
    let trapd = SnmpTrapd::start(TrapdOptions { users, ..TrapdOptions::default() }).await.unwrap();
    bench.receiver("nms2", v3(&bench, &trapd, "ottwatch", "SHA256", "AES128", "trap")).await;
    bench.start();
    story(&bench, &trapd, "nms2", "SNMP v3, user ottwatch", "sent as trap").await;
    // A station drops what comes with lower boots than it knows: so they must have gone up.
    bench.stop().await;
    bench.start();
    let mut second = raise();
    second.number.0 = 1043;
    bench.deliver("nms2", SNMP, second).await;
    trapd.wait("the trap of the restarted notifier", LONG, |t| t.len() == 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inform_is_sent_until_the_station_is_back() {
    let bench = Bench::new().await;
    let mut trapd = SnmpTrapd::start(TrapdOptions::default()).await.unwrap();
    let spec = json!({"type": "snmp", "target": trapd.target(), "mode": "inform", "heartbeat_seconds": 0});
    bench.receiver("nms", spec).await;
    trapd.stop();
    bench.tell("nms", SNMP, raise()).await;
    let deferred = bench.logged("nms", &raise(), DeliveryOutcome::Deferred).await;
    assert!(deferred.detail.contains("127.0.0.1"), "{}", deferred.detail);
    trapd.restart().await.unwrap();
    let delivered = bench.logged("nms", &raise(), DeliveryOutcome::Delivered).await;
    assert!(delivered.attempts >= 2, "{delivered:?}");
    let traps = trapd.wait("the raise", LONG, |t| !t.is_empty()).await;
    // Number 1 again, and said to be a repetition.
    assert_eq!(traps[0].value("owSequence").and_then(|v| v.split(' ').next()), Some("1"));
    assert_eq!(traps[0].value("owResend"), Some("true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_v3_password_is_told_without_showing_it() {
    let bench = Bench::new().await;
    let users = vec![user("ottwatch", "SHA-256", "AES", None)];
    let trapd = SnmpTrapd::start(TrapdOptions { users, ..TrapdOptions::default() }).await.unwrap();
    let mut spec = v3(&bench, &trapd, "ottwatch", "SHA256", "AES128", "inform");
    spec["auth_password_file"] = json!(bench.secret("wrong", "not-the-password"));
    bench.receiver("nms", spec).await;
    bench.tell("nms", SNMP, raise()).await;
    let deferred = bench.logged("nms", &raise(), DeliveryOutcome::Deferred).await;
    assert!(deferred.detail.contains("\"ottwatch\"") && deferred.detail.contains("check user"), "{}", deferred.detail);
    assert!(
        !deferred.detail.contains("not-the-password") && !deferred.detail.contains("secret"),
        "{}",
        deferred.detail
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_heartbeat_per_interval_from_two_notifiers() {
    let bench = Bench::new().await;
    let trapd = SnmpTrapd::start(TrapdOptions::default()).await.unwrap();
    bench.receiver("nms", json!({"type": "snmp", "target": trapd.target(), "heartbeat_seconds": 5})).await;
    let _second = bench.beside();
    let traps = trapd.wait("two heartbeats", LONG, |t| t.len() >= 2).await;
    for (n, trap) in traps.iter().take(2).enumerate() {
        assert_eq!(trap.name(), "owHeartbeat");
        assert_eq!(trap.value("owInstanceName"), Some("ottwatch"));
        assert_eq!(trap.value("owHeartbeatInterval"), Some("5 seconds"));
        assert_eq!(trap.value("owActiveCount"), Some("0"));
        assert_eq!(trap.value("owSequence"), Some(["1", "2"][n]));
    }
    let times: Vec<i64> = traps.iter().take(2).map(|t| up_time(t.value("sysUpTime").unwrap())).collect();
    assert!((times[1] - times[0]).abs() >= 400, "two within an interval: {times:?}");
}

/// Hundredths of seconds of `0:0:00:05.12`.
fn up_time(text: &str) -> i64 {
    let parts: Vec<f64> = text.split(':').map(|p| p.parse().unwrap()).collect();
    ((parts[1] * 3600.0 + parts[2] * 60.0 + parts[3]) * 100.0) as i64
}
