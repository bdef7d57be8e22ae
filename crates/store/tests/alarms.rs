//! Incidents, their fence and the outbox against a real server.

mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use ow_domain::incident::{ChangeKind, IncidentNumber, Notice, NotifyJob, ReceiverKind};
use ow_domain::verdict::{Position, Subject};
use ow_domain::{ChannelId, ReceiverId, Severity, Time};
use ow_store::Store;
use ow_store::alarms::{
    ChangeRecord, Cursor, IncidentFilter, IncidentState, OutboxMessage, StepOutcome, StepRecord, Told,
};
use server::Server;

fn channel() -> ChannelId {
    ChannelId::new("vtv3").unwrap()
}

fn told() -> Told {
    Told { receiver: ReceiverId::new("noc").unwrap(), kind: ReceiverKind::Slack }
}

fn notice(change: ChangeKind, severity: Severity, revision: u32, fingerprint: &str) -> Notice {
    Notice {
        number: IncidentNumber(0),
        revision,
        change,
        severity,
        previous_severity: (change != ChangeKind::Raise).then_some(Severity::Major),
        channel: channel(),
        channel_name: "VTV3 Thể thao".to_owned(),
        fingerprint: fingerprint.to_owned(),
        check: "hls-playlist-stale".to_owned(),
        title: "HLS playlist stale".to_owned(),
        subject: Subject { protocol: None, stream: None, host: None, track: None, reason: None },
        message: "Not changed for 24.3 s, said \u{fffd}".to_owned(),
        value: "24.3 s".to_owned(),
        limit: "18 s".to_owned(),
        raised_at: Time::from_unix_micros(1_000_000),
        cleared_at: (change == ChangeKind::Clear).then_some(Time::from_unix_micros(9_000_000)),
        clear_reason: None,
        at: Time::from_unix_micros(i64::from(revision) * 1_000_000),
        evidence: None,
        labels: BTreeMap::new(),
        packager: None,
        region: None,
        runbook: None,
        probe: None,
        event: false,
        operation: None,
        ack: None,
        suppressed: Vec::new(),
        reopens: None,
    }
}

fn change(number: Option<IncidentNumber>, notice: Notice) -> ChangeRecord {
    let publish = notice.severity != Severity::Info;
    let job = NotifyJob { receiver: told().receiver, kind: told().kind, notice: notice.clone(), deadline: None };
    ChangeRecord {
        number,
        told: if publish { vec![told()] } else { Vec::new() },
        jobs: if publish { vec![job] } else { Vec::new() },
        publish,
        notice,
        indeterminate: false,
        owed: false,
    }
}

fn step(before: Option<u64>, seq: u64, changes: Vec<ChangeRecord>) -> StepRecord {
    StepRecord {
        channel: channel(),
        before: before.map(|seq| Position { epoch: 1, seq }),
        operations: 0,
        advance: Some((Position { epoch: 1, seq }, Time::from_unix_micros(5_000_000))),
        changes,
        confirmations: Vec::new(),
        forgotten: Vec::new(),
    }
}

async fn recorded(store: &Store, step: StepRecord) -> Vec<IncidentNumber> {
    match store.record_step(&step).await.unwrap() {
        StepOutcome::Recorded(numbers) => numbers,
        StepOutcome::Overtaken => panic!("overtaken"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_lives_from_raise_to_clear() {
    let server = Server::start();
    let store = server.migrated().await;
    assert_eq!(store.load_channel_alarms(&channel()).await.unwrap(), Default::default());
    let raise = notice(ChangeKind::Raise, Severity::Major, 1, "a");
    let with_nul = Notice { message: raise.message.replace('\u{fffd}', "\0"), ..raise.clone() };
    let info = notice(ChangeKind::Raise, Severity::Info, 1, "b");
    let numbers = recorded(&store, step(None, 7, vec![change(None, with_nul), change(None, info)])).await;
    assert_eq!(numbers, [IncidentNumber(1), IncidentNumber(2)]);

    let record = store.load_channel_alarms(&channel()).await.unwrap();
    assert_eq!(record.acted, Some(Position { epoch: 1, seq: 7 }));
    assert_eq!(record.open.len(), 2);
    let open = record.open.iter().find(|o| o.number == numbers[0]).unwrap();
    assert_eq!(open.notice, Notice { number: numbers[0], ..raise });
    assert_eq!(open.told, [told()]);
    let mut mark = step(Some(7), 8, vec![]);
    mark.confirmations = vec![(numbers[0], true)];
    recorded(&store, mark).await;
    assert!(store.incident(numbers[0]).await.unwrap().unwrap().indeterminate);

    let update = change(Some(numbers[0]), notice(ChangeKind::Update, Severity::Critical, 2, "a"));
    recorded(&store, step(Some(8), 9, vec![update])).await;
    let active = store.list_incidents(&IncidentFilter::active()).await.unwrap();
    assert_eq!(active.incidents.len(), 1);
    assert_eq!((active.incidents[0].severity, active.incidents[0].revision), (Severity::Critical, 2));
    assert!(!active.incidents[0].indeterminate);

    let clear = change(Some(numbers[0]), notice(ChangeKind::Clear, Severity::Cleared, 3, "a"));
    recorded(&store, step(Some(9), 10, vec![clear])).await;
    // Again, and it is not open any more: refused, and nothing changes.
    let again = change(Some(numbers[0]), notice(ChangeKind::Clear, Severity::Cleared, 4, "a"));
    assert_eq!(store.record_step(&step(Some(10), 11, vec![again])).await.unwrap(), StepOutcome::Overtaken);
    assert_eq!(store.load_channel_alarms(&channel()).await.unwrap().acted.unwrap().seq, 10);

    let row = store.incident(numbers[0]).await.unwrap().unwrap();
    assert_eq!((row.state, row.revision), (IncidentState::Cleared, 3));
    assert_eq!(row.notice.change, ChangeKind::Clear);
    let history: Vec<String> =
        store.incident_history(numbers[0]).await.unwrap().into_iter().map(|e| e.change).collect();
    assert_eq!(history, ["raise", "update", "clear"]);
    assert_eq!(store.incident(IncidentNumber(99)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged() {
    let server = Server::start();
    let store = server.migrated().await;
    let severities = [Severity::Warning, Severity::Minor, Severity::Major, Severity::Critical, Severity::Info];
    let changes = severities
        .iter()
        .enumerate()
        .map(|(n, s)| change(None, notice(ChangeKind::Raise, *s, 1, &format!("f{n}"))))
        .collect();
    recorded(&store, step(None, 1, changes)).await;
    let numbers = async |filter: IncidentFilter| {
        let page = store.list_incidents(&filter).await.unwrap();
        (page.incidents.iter().map(|i| i.number.0).collect::<Vec<_>>(), page.next.map(|n| n.number.0))
    };
    let active = IncidentFilter::active();
    assert_eq!(numbers(active.clone()).await, (vec![4, 3, 2, 1], None));
    assert_eq!(numbers(IncidentFilter { limit: 3, ..active.clone() }).await, (vec![4, 3, 2], Some(2)));
    let next = IncidentFilter { limit: 3, after: Some(Cursor { key: 0, number: IncidentNumber(2) }), ..active.clone() };
    assert_eq!(numbers(next).await, (vec![1], None));
    let major = IncidentFilter { min_severity: Some(Severity::Major), ..active.clone() };
    assert_eq!(numbers(major).await, (vec![4, 3], None));
    assert_eq!(numbers(IncidentFilter { with_info: true, ..active.clone() }).await.0, [5, 4, 3, 2, 1]);
    let other = IncidentFilter { channels: vec![ChannelId::new("other").unwrap()], ..active };
    assert_eq!(numbers(other).await, (vec![], None));
    let cleared = IncidentFilter { state: Some(IncidentState::Cleared), ..IncidentFilter::default() };
    assert_eq!(numbers(cleared).await, (vec![], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_act_on_one_state_one_is_refused() {
    let server = Server::start();
    let store = server.migrated().await;
    for round in 0..10 {
        let before = (round > 0).then_some(round);
        let runs: Vec<_> = (0..4)
            .map(|_| {
                let store = store.clone();
                let raise = notice(ChangeKind::Raise, Severity::Major, 1, &format!("a{round}"));
                let step = step(before, round + 1, vec![change(None, raise)]);
                tokio::spawn(async move { store.record_step(&step).await.unwrap() })
            })
            .collect();
        let mut n_recorded = 0;
        for run in runs {
            n_recorded += usize::from(matches!(run.await.unwrap(), StepOutcome::Recorded(_)));
        }
        assert_eq!(n_recorded, 1, "round {round}");
    }
    let open = store.load_channel_alarms(&channel()).await.unwrap().open;
    assert_eq!(open.len(), 10);
    let raise = notice(ChangeKind::Raise, Severity::Major, 1, "a0");
    let twice = store.record_step(&step(Some(10), 11, vec![change(None, raise)])).await.unwrap_err();
    assert!(twice.is_unique_violation() && !twice.is_retryable(), "{}", twice.chain());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_is_sent_in_order_by_one_at_a_time() {
    let server = Server::start();
    let store = server.migrated().await;
    let raise = notice(ChangeKind::Raise, Severity::Major, 1, "a");
    let number = recorded(&store, step(None, 1, vec![change(None, raise)])).await[0];
    let clear = change(Some(number), notice(ChangeKind::Clear, Severity::Cleared, 2, "a"));
    recorded(&store, step(Some(1), 2, vec![clear])).await;

    let batch = store.outbox_batch(100).await.unwrap().unwrap();
    assert_eq!(batch.rows.len(), 6);
    assert!(store.outbox_batch(100).await.unwrap().is_none(), "two senders at once");
    let Ok(OutboxMessage::Notify(job)) = &batch.rows[0].message else { panic!("{:?}", batch.rows[0]) };
    assert_eq!((job.notice.number, job.notice.change), (number, ChangeKind::Raise));
    assert!(matches!(&batch.rows[1].message, Ok(OutboxMessage::Change(n)) if n.number == number));
    assert!(matches!(&batch.rows[2].message, Ok(OutboxMessage::Incident(_))));
    assert!(batch.rows.is_sorted_by_key(|r| r.id));
    drop(batch);

    let batch =
        server::until("the lock is free after a sender died", async || store.outbox_batch(4).await.unwrap()).await;
    let ids: Vec<i64> = batch.rows.iter().map(|r| r.id).collect();
    assert_eq!(ids.len(), 4);
    batch.finish(&ids[..3], &[(ids[3], "too large".to_owned())]).await.unwrap();
    assert_eq!(store.outbox_depth().await.unwrap(), 2);
    let batch = store.outbox_batch(100).await.unwrap().unwrap();
    assert_eq!(batch.rows.iter().map(|r| r.id).collect::<Vec<_>>(), [ids[3] + 1, ids[3] + 2]);
    batch.finish(&[], &[]).await.unwrap();
    assert_eq!(store.prune_outbox(Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(store.prune_outbox(Duration::ZERO).await.unwrap(), 4);
}
