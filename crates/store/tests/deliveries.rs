//! The delivery log as people look at it, against a real server.

mod server;

use std::time::Duration;

use ow_domain::access::LabelScope;
use ow_domain::config::ChangedBy;
use ow_domain::incident::{Delivery, DeliveryOutcome, IncidentNumber, Notice, NotifyJob, ReceiverKind};
use ow_domain::verdict::Position;
use ow_domain::{ChannelId, ReceiverId, Time};
use ow_store::Store;
use ow_store::alarms::{ChangeRecord, StepOutcome, StepRecord};
use ow_store::audit::AuditFilter;
use ow_store::deliveries::{Begin, DeliveryEnd, DeliveryFilter, DeliveryId, Resend};
use server::Server;

fn notice(channel: &str, revision: u32) -> Notice {
    let change = if revision == 1 { "raise" } else { "update" };
    serde_json::from_value(serde_json::json!({
        "number": 0, "revision": revision, "change": change, "severity": "major", "channel": channel,
        "channel_name": channel, "fingerprint": "a", "check": "hls-playlist-stale", "title": "HLS playlist stale",
        "subject": {}, "message": "", "value": "", "limit": "", "labels": {"group": channel},
        "raised_at": "2026-11-22T09:41:00Z", "at": "2026-11-22T09:41:00Z",
    }))
    .unwrap()
}

/// Raises, or changes, the one incident of a channel.
async fn record(store: &Store, channel: &str, number: Option<IncidentNumber>, revision: u32) -> IncidentNumber {
    let before = (revision > 1).then(|| Position { epoch: 1, seq: u64::from(revision) - 1 });
    let change = ChangeRecord {
        number,
        notice: notice(channel, revision),
        told: Vec::new(),
        jobs: Vec::new(),
        publish: true,
        indeterminate: false,
        owed: false,
    };
    let step = StepRecord {
        channel: ChannelId::new(channel).unwrap(),
        before,
        operations: 0,
        advance: Some((Position { epoch: 1, seq: u64::from(revision) }, Time::UNIX_EPOCH)),
        changes: vec![change],
        confirmations: Vec::new(),
        forgotten: Vec::new(),
    };
    match store.record_step(&step).await.unwrap() {
        StepOutcome::Recorded(numbers) => number.or(numbers.first().copied()).unwrap(),
        StepOutcome::Overtaken => panic!("overtaken"),
    }
}

fn receiver(name: &str) -> ReceiverId {
    ReceiverId::new(name).unwrap()
}

/// Tells a receiver of a revision, with this end.
async fn deliver(store: &Store, job: &NotifyJob, outcome: DeliveryOutcome) {
    assert!(matches!(store.delivery_begin(job, "n", Duration::from_secs(5)).await.unwrap(), Begin::Ready(_)));
    let sending = store.delivery_sending(job).await.unwrap();
    let delivery = Delivery {
        receiver: job.receiver.clone(),
        kind: job.kind,
        number: job.notice.number,
        revision: job.notice.revision,
        change: job.notice.change,
        outcome,
        attempts: sending.attempts,
        at: Time::UNIX_EPOCH,
        detail: "said so".to_owned(),
    };
    store.delivery_end(&delivery, &DeliveryEnd::default(), "n").await.unwrap();
}

fn job(name: &str, channel: &str, number: IncidentNumber, revision: u32) -> NotifyJob {
    let notice = Notice { number, ..notice(channel, revision) };
    NotifyJob { receiver: receiver(name), kind: ReceiverKind::Slack, notice, deadline: None }
}

async fn ids(store: &Store, filter: &DeliveryFilter) -> Vec<String> {
    store.list_deliveries(filter).await.unwrap().iter().map(|entry| entry.id().to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_filtered_and_paged_within_the_scope() {
    let server = Server::start();
    let store = server.migrated().await;
    let a = record(&store, "vtv1", None, 1).await;
    let b = record(&store, "vtv2", None, 1).await;
    deliver(&store, &job("noc", "vtv1", a, 1), DeliveryOutcome::Delivered).await;
    deliver(&store, &job("noc", "vtv2", b, 1), DeliveryOutcome::Failed).await;
    deliver(&store, &job("mail", "vtv2", b, 1), DeliveryOutcome::Superseded).await;
    let pending = job("slack-2", "vtv1", a, 1);
    assert!(matches!(store.delivery_begin(&pending, "n", Duration::from_secs(5)).await.unwrap(), Begin::Ready(_)));

    let all = DeliveryFilter { limit: 10, ..DeliveryFilter::default() };
    let scope = |text: &str| Some(text.parse::<LabelScope>().unwrap());
    let expected = ["1-1-slack-2", "2-1-mail", "2-1-noc", "1-1-noc"];
    for (what, filter, expected) in [
        ("all", all.clone(), &expected[..]),
        ("incident", DeliveryFilter { incident: Some(b), ..all.clone() }, &expected[1..3]),
        ("receiver", DeliveryFilter { receiver: Some(receiver("noc")), ..all.clone() }, &expected[2..]),
        ("failed", DeliveryFilter { outcome: Some(Some(DeliveryOutcome::Failed)), ..all.clone() }, &expected[2..3]),
        ("pending", DeliveryFilter { outcome: Some(None), ..all.clone() }, &expected[..1]),
        ("channel", DeliveryFilter { channel: Some("vtv2".into()), ..all.clone() }, &expected[1..3]),
        ("kind", DeliveryFilter { kind: Some(ReceiverKind::Snmp), ..all.clone() }, &[]),
        ("future", DeliveryFilter { since: Some(Time::from_unix_micros(i64::MAX)), ..all.clone() }, &[]),
        ("past", DeliveryFilter { until: Some(Time::UNIX_EPOCH), ..all.clone() }, &[]),
        ("scope", DeliveryFilter { scope: scope("group=vtv2|x"), ..all.clone() }, &expected[1..3]),
        ("no scope", DeliveryFilter { scope: scope("site=hcm"), ..all.clone() }, &[]),
        (
            "two",
            DeliveryFilter { receiver: Some(receiver("noc")), scope: scope("group=vtv2"), ..all.clone() },
            &expected[2..3],
        ),
    ] {
        assert_eq!(ids(&store, &filter).await, expected, "{what}");
        assert_eq!(store.count_deliveries(&filter).await.unwrap(), expected.len() as u64, "{what}");
    }
    let mut paged = Vec::new();
    let mut page = DeliveryFilter { limit: 1, ..all };
    loop {
        let entries = store.list_deliveries(&page).await.unwrap();
        paged.push(entries[0].id().to_string());
        if entries.len() == 1 {
            break;
        }
        page.after = Some(entries[0].key());
    }
    assert_eq!(paged, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_made_ready_again_and_what_came_there_is_not() {
    let server = Server::start();
    let store = server.migrated().await;
    let by = ChangedBy { actor: "user:thu".into(), source: "api".into() };
    let number = record(&store, "vtv1", None, 1).await;
    let (noc, mail) = (job("noc", "vtv1", number, 1), job("mail", "vtv1", number, 1));
    deliver(&store, &noc, DeliveryOutcome::Failed).await;
    deliver(&store, &mail, DeliveryOutcome::Delivered).await;
    record(&store, "vtv1", Some(number), 2).await;
    let id = |text: &str| text.parse::<DeliveryId>().unwrap();

    let outside: LabelScope = "group=vtv2".parse().unwrap();
    assert_eq!(store.reopen_delivery(&id("1-1-noc"), Some(&outside), &by).await.unwrap(), Resend::Unknown);
    assert_eq!(store.reopen_delivery(&id("9-1-noc"), None, &by).await.unwrap(), Resend::Unknown);
    assert_eq!(store.reopen_delivery(&id("1-1-mail"), None, &by).await.unwrap(), Resend::Delivered);
    for expected in [1, 2] {
        let Resend::Ready { job, nth } = store.reopen_delivery(&id("1-1-noc"), None, &by).await.unwrap() else {
            panic!("not ready");
        };
        assert_eq!((nth, job.receiver, job.notice.number, job.notice.revision), (expected, receiver("noc"), number, 2));
    }
    let entry = store.delivery(&id("1-1-noc"), None).await.unwrap().unwrap();
    assert_eq!((entry.resends, entry.row.delivery.attempts), (2, 0), "attempts begin anew");
    assert_eq!(entry.row.delivery.outcome, DeliveryOutcome::Deferred);
    assert_eq!(entry.row.delivery.detail, "sent again by user:thu");
    let audit = store.audit(&AuditFilter { limit: 9, ..AuditFilter::default() }).await.unwrap();
    assert_eq!(audit.len(), 2);
    assert_eq!(
        (audit[0].action.as_str(), audit[0].kind.as_str(), audit[0].name.as_str()),
        ("resend", "Delivery", "1-1-noc")
    );

    // It is taken up as one that never was tried, and when it came there, it is not sent again.
    let again = job("noc", "vtv1", number, 2);
    deliver(&store, &again, DeliveryOutcome::Delivered).await;
    assert_eq!(
        store.reopen_delivery(&id("1-1-noc"), None, &by).await.unwrap(),
        Resend::Delivered,
        "something later did"
    );
}
