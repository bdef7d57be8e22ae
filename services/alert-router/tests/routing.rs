//! The service on real NATS and PostgreSQL: everything is told once, whatever dies in between.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ow_alert_router::acting::{Acting, Cache};
use ow_alert_router::metrics::Metrics;
use ow_alert_router::routes::{CurrentRules, Rules};
use ow_alerting::{OpenAlarm, Order, Recipient, Routes, operate};
use ow_bus::Outcome;
use ow_contracts::Subject;
use ow_contracts::messages::IncidentChange;
use ow_domain::Severity::{Critical, Info, Major, Minor};
use ow_domain::config::{ChangedBy, ConfigChange, ConfigKind, ConfigObject};
use ow_domain::incident::{ChangeKind, IncidentNumber, NotifyJob};
use ow_domain::verdict::Condition;
use ow_domain::{ChannelId, Slug, Span, Time};
use ow_service::Ops;
use ow_store::alarms::{ChangeRecord, IncidentFilter, IncidentRow, OutboxMessage, StepOutcome, StepRecord};
use tokio::sync::{Notify, watch};
use world::{World, condition, until, verdict};

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_is_told_raised_changed_and_cleared_once() {
    let world = World::start().await;
    let mut public = world.bus.tail(&Subject::raw("alert.>")).await.unwrap();
    let received = world.receive();
    let mut router = world.router("router-1");
    let a = |severity| vec![condition("a", severity), condition("note", Info)];
    world.publish(&verdict("vtv3", 5, a(Minor))).await;
    world.publish(&verdict("vtv3", 6, a(Minor))).await;
    world.publish(&verdict("vtv3", 7, a(Critical))).await;
    // Late and out of order: not acted on.
    world.publish(&verdict("vtv3", 4, vec![condition("old", Critical)])).await;
    world.publish(&verdict("vtv3", 8, vec![])).await;
    world.publish(&verdict("vtv3", 3, a(Major))).await;
    // Of the same channel, so after all that.
    world.publish(&verdict("vtv3", 9, vec![condition("end", Minor)])).await;
    let lines = received.wait_for(4).await;
    assert_eq!(
        lines,
        [
            "noc: raise a INC-1/1 minor",
            "noc: update a INC-1/2 critical",
            "noc: clear a INC-1/3 cleared",
            "noc: raise end INC-3/1 minor",
        ]
    );
    let mut subjects = Vec::new();
    while subjects.len() < 4 {
        let message = public.next().await.unwrap();
        assert!(message.decode::<IncidentChange>().is_ok());
        subjects.push(message.subject.to_string());
    }
    subjects.sort_unstable();
    // The clear under the severity that the incident had.
    assert_eq!(subjects, ["alert.critical.vtv3", "alert.critical.vtv3", "alert.minor.vtv3", "alert.minor.vtv3"]);
    let open = world.store.list_incidents(&IncidentFilter::active()).await.unwrap().incidents;
    assert_eq!(open.iter().map(|i| i.notice.check.as_str()).collect::<Vec<_>>(), ["end"]);
    let metrics = router.ops.metrics_text();
    assert!(metrics.contains("ottwatch_router_verdicts_total{outcome=\"Stale\"} 2"), "{metrics}");
    router.stop().await;
}

/// The part of a router that records, without the part that publishes.
async fn acting(world: &World) -> Acting {
    let config = world.store.load_config().await.unwrap();
    let (routes, faults) = ow_config::routes(&config.objects);
    assert!(faults.is_empty(), "{faults:?}");
    Acting {
        store: world.store.clone(),
        rules: fixed(routes),
        health: Ops::default().health,
        metrics: Metrics::new(&Ops::default()),
        wake: Arc::new(Notify::new()),
    }
}

fn fixed(routes: Routes) -> CurrentRules {
    watch::channel(Some(Arc::new(Rules { routes, ..Rules::default() }))).1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_dies_between_commit_and_publish_loses_and_repeats_nothing() {
    let world = World::start().await;
    let acting = acting(&world).await;
    let mut cache = Cache::new();
    let raise = verdict("vtv3", 1, vec![condition("a", Major), condition("b", Major)]);
    world.publish(&raise).await;
    assert_eq!(acting.act(&raise, &mut cache).await, Outcome::Done);
    // It has published one of the two jobs when it dies, and marked none.
    let batch = world.store.outbox_batch(100).await.unwrap().unwrap();
    let job = batch.rows.iter().find_map(|r| match &r.message {
        Ok(OutboxMessage::Notify(job)) => Some(job.as_ref().clone()),
        _ => None,
    });
    world.bus.publish(&job.unwrap()).await.unwrap();
    drop(batch);
    assert!(world.store.outbox_depth().await.unwrap() > 0);

    let received = world.receive();
    let mut router = world.router("router-2");
    // The verdict was never acknowledged: it comes again to the new owner.
    let mut lines = received.wait_for(2).await;
    lines.sort_unstable();
    assert_eq!(lines, ["noc: raise a INC-1/1 major", "noc: raise b INC-2/1 major"]);
    world.publish(&verdict("vtv3", 2, vec![])).await;
    let lines = received.wait_for(4).await;
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[2..].iter().all(|l| l.contains("clear")), "{lines:?}");
    until("the outbox is empty", async || (world.store.outbox_depth().await.unwrap() == 0).then_some(())).await;
    assert_eq!(received.lines().len(), 4);
    router.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_lost_its_partition_without_knowing_is_refused() {
    let world = World::start().await;
    let acting = acting(&world).await;
    let (mut owner, mut zombie) = (Cache::new(), Cache::new());
    for cache in [&mut owner, &mut zombie] {
        assert_eq!(acting.act(&verdict("vtv3", 1, vec![]), cache).await, Outcome::Done);
    }
    // Both hold the same state. The new owner goes on; the zombie wakes with the message it held, and older ones.
    let a = || vec![condition("a", Major)];
    assert_eq!(acting.act(&verdict("vtv3", 2, a()), &mut owner).await, Outcome::Done);
    assert_eq!(acting.act(&verdict("vtv3", 4, vec![]), &mut owner).await, Outcome::Done);
    assert_eq!(acting.act(&verdict("vtv3", 2, a()), &mut zombie).await, Outcome::Done);
    assert_eq!(acting.act(&verdict("vtv3", 3, a()), &mut zombie).await, Outcome::Done);
    let all = world.store.list_incidents(&IncidentFilter::default()).await.unwrap().incidents;
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].revision, 2);

    // At the same time, on the same verdicts.
    for round in 0..20 {
        let conditions = if round % 2 == 0 { a() } else { vec![] };
        let verdict = verdict("vtv3", 10 + round, conditions);
        let (first, second) = tokio::join!(acting.act(&verdict, &mut owner), acting.act(&verdict, &mut zombie));
        assert_eq!((first, second), (Outcome::Done, Outcome::Done));
    }
    let all = world.store.list_incidents(&IncidentFilter::default()).await.unwrap().incidents;
    assert_eq!(all.len(), 11);
    assert!(all.iter().all(|i| i.revision == 2 && i.notice.change == ChangeKind::Clear));
}

#[tokio::test(flavor = "multi_thread")]
async fn outages_of_postgres_and_nats_delay_and_lose_nothing() {
    let mut world = World::start_durable().await;
    let received = world.receive();
    let router = world.router("router-1");
    world.publish(&verdict("vtv3", 1, vec![condition("a", Major)])).await;
    received.wait_for(1).await;

    world.postgres.kill();
    world.publish(&verdict("vtv3", 2, vec![condition("a", Critical)])).await;
    until("the router knows", async || router.ops.health.parts().get("postgres").cloned().flatten()).await;
    world.publish(&verdict("vtv3", 3, vec![])).await;
    world.postgres.restart().unwrap();
    let lines = received.wait_for(3).await;
    assert_eq!(lines[1..], ["noc: update a INC-1/2 critical", "noc: clear a INC-1/3 cleared"]);

    // What is recorded while NATS is away is sent when it is back.
    until("the store is back", async || world.store.ping().await.ok()).await;
    let acting = acting(&world).await;
    world.nats.kill();
    let outcome = acting.act(&verdict("vtv3", 4, vec![condition("b", Minor)]), &mut Cache::new()).await;
    assert_eq!(outcome, Outcome::Done);
    world.nats.restart().unwrap();
    received.wait_for(4).await;
    world.publish(&verdict("vtv3", 5, vec![])).await;
    let lines = received.wait_for(5).await;
    // Sequences of Postgres may jump when it is killed; the number is the same from raise to clear.
    let number = world.store.list_incidents(&IncidentFilter::default()).await.unwrap().incidents[0].number;
    assert_eq!(lines[3..], [format!("noc: raise b {number}/1 minor"), format!("noc: clear b {number}/2 cleared")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_routers_share_the_work_and_one_may_die_at_any_time() {
    let world = World::start().await;
    let received = world.receive();
    let mut first = world.router("router-1");
    let second = world.router("router-2");
    const N_CHANNELS: usize = 12;
    const N_ROUNDS: u64 = 6;
    for round in 1..=N_ROUNDS {
        for n in 0..N_CHANNELS {
            let conditions = if round % 2 == 1 { vec![condition("a", Major)] } else { vec![] };
            world.publish(&verdict(&format!("channel-{n}"), round, conditions)).await;
        }
        if round == 3 {
            received.wait_for(N_CHANNELS).await;
            first.kill();
        }
    }
    let expected = N_CHANNELS * usize::try_from(N_ROUNDS).unwrap();
    received.wait_for(expected).await;
    until("the outbox is empty", async || (world.store.outbox_depth().await.unwrap() == 0).then_some(())).await;
    let jobs = received.jobs();
    assert_eq!(jobs.len(), expected);
    let keys: BTreeSet<String> = jobs.iter().map(|j| j.idempotency_key()).collect();
    assert_eq!(keys.len(), expected, "told twice");
    let mut by_incident: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for job in &jobs {
        by_incident.entry(job.notice.number).or_default().push(job.notice.change);
    }
    assert!(by_incident.values().all(|c| *c == [ChangeKind::Raise, ChangeKind::Clear]), "{by_incident:?}");
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_route_is_in_use_within_seconds_and_a_clear_follows_the_raise() {
    let world = World::start().await;
    let received = world.receive();
    let router = world.router("router-1");
    world.publish(&verdict("vtv3", 1, vec![condition("a", Major)])).await;
    received.wait_for(1).await;
    world.configure("boss", "severity>=critical").await;
    // Each alarm is a new one, until one is told to the new receiver.
    let mut seq = 1;
    until("the new route is in use", async || {
        seq += 1;
        let conditions = vec![condition("a", Major), condition(&format!("c{seq}"), Critical)];
        world.publish(&verdict("vtv3", seq, conditions)).await;
        let told = world.store.list_incidents(&IncidentFilter::default()).await.unwrap().incidents;
        told.iter().any(|i| i.receivers.iter().any(|t| t.receiver.as_str() == "boss")).then_some(())
    })
    .await;
    world.publish(&verdict("vtv3", seq + 1, vec![])).await;
    until("all is closed", async || {
        let jobs = received.jobs();
        let mut open: BTreeMap<(String, i64), i32> = BTreeMap::new();
        for job in &jobs {
            *open.entry((job.receiver.to_string(), job.notice.number.0)).or_default() += match job.notice.change {
                ChangeKind::Raise => 1,
                ChangeKind::Clear => -1,
                ChangeKind::Update => 0,
            };
        }
        let boss = open.keys().any(|(receiver, _)| receiver == "boss");
        (boss && open.values().all(|n| *n == 0)).then_some(())
    })
    .await;
    // The alarm from before the route was never told to the new receiver, neither its raise nor its clear.
    let jobs = received.jobs();
    assert!(jobs.iter().all(|j| j.receiver.as_str() != "boss" || j.notice.check != "a"));
    drop(router);
}

/// A silence over channels, from a minute ago, for so many seconds from now; `None`: it is taken away.
async fn silence(world: &World, channels: &str, seconds: Option<i64>) {
    let config = world.store.load_config().await.unwrap();
    let stored = config.of(ConfigKind::Silence).find(|o| o.name.as_str() == "works").cloned();
    let change = match (seconds, stored) {
        (Some(seconds), stored) => {
            let spec = serde_json::json!({
                "matchers": [format!("channel={channels}")],
                "startsAt": (now() - Span::from_secs(60)).to_string(),
                "endsAt": (now() + Span::from_secs(seconds)).to_string(),
                "comment": "works",
            });
            let revision = stored.as_ref().map_or(0, |o| o.revision);
            let (name, labels) = (Slug::new("works").unwrap(), BTreeMap::new());
            let object = ConfigObject { kind: ConfigKind::Silence, name, labels, spec, revision };
            if stored.is_some() { ConfigChange::Update(object) } else { ConfigChange::Create(object) }
        }
        (None, Some(stored)) => {
            ConfigChange::Delete { kind: ConfigKind::Silence, name: stored.name, revision: stored.revision }
        }
        (None, None) => return,
    };
    let by = ChangedBy { actor: "test".to_owned(), source: "test".to_owned() };
    world.store.apply_config(&[change], &by).await.unwrap();
}

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Time::from_unix_micros(i64::try_from(since.as_micros()).unwrap())
}

/// The one open incident of a channel.
async fn open(world: &World, channel: &str) -> Option<IncidentRow> {
    let channels = vec![ChannelId::new(channel).unwrap()];
    let filter = IncidentFilter { channels, ..IncidentFilter::active() };
    world.store.list_incidents(&filter).await.unwrap().incidents.pop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_hides_within_seconds_and_what_burns_is_told_at_its_end() {
    let world = World::start().await;
    let received = world.receive();
    let mut router = world.router("router-1");
    world.publish(&verdict("vtv3", 1, vec![condition("a", Minor)])).await;
    received.wait_for(1).await;
    silence(&world, "vtv*", Some(600)).await;
    let hidden = tokio::time::Instant::now();
    until("the announced alarm is hidden", async || open(&world, "vtv3").await.filter(|i| i.suppressed)).await;
    assert!(hidden.elapsed() < std::time::Duration::from_secs(5), "{:?}", hidden.elapsed());
    // No updates, and of a new alarm nothing.
    world.publish(&verdict("vtv3", 2, vec![condition("a", Critical)])).await;
    world.publish(&verdict("vtv1", 1, vec![condition("b", Major)])).await;
    world.publish(&verdict("vtv2", 1, vec![condition("c", Major)])).await;
    let c = until("c is recorded", async || open(&world, "vtv2").await).await;
    assert_eq!((c.suppressed, c.notice.suppressed[0].by.as_str(), c.receivers.len()), (true, "works", 0));
    until("b is recorded", async || open(&world, "vtv1").await).await;
    until("a is worse", async || open(&world, "vtv3").await.filter(|i| i.severity == Critical)).await;
    // Over before the silence is: nobody hears of it, but of the end of what was announced they do.
    world.publish(&verdict("vtv2", 2, vec![])).await;
    world.publish(&verdict("vtv3", 3, vec![])).await;
    let lines = received.wait_for(2).await;
    assert_eq!(lines[1..], ["noc: clear a INC-1/4 cleared"]);
    until("c is over", async || open(&world, "vtv2").await.is_none().then_some(())).await;

    // Its time runs out, by the clock.
    silence(&world, "vtv*", Some(1)).await;
    let lines = received.wait_for(3).await;
    let b = open(&world, "vtv1").await.unwrap();
    assert_eq!(lines[2..], [format!("noc: raise b {}/{} major", b.number, b.revision)]);
    assert!(!b.suppressed && b.receivers.len() == 1);
    world.publish(&verdict("vtv1", 2, vec![])).await;
    let lines = received.wait_for(4).await;
    assert!(lines[3].starts_with(&format!("noc: clear b {}", b.number)), "{lines:?}");
    silence(&world, "vtv*", None).await;
    router.stop().await;
    assert_eq!(received.lines().len(), 4);
}

/// What the api does for somebody.
async fn order(world: &World, channel: &str, order: &Order) {
    let channel = ChannelId::new(channel).unwrap();
    until("the order is carried out", async || {
        let record = world.store.load_channel_alarms(&channel).await.unwrap();
        let incident = record.open.first()?;
        let told = incident.told.iter().map(|t| Recipient { receiver: t.receiver.clone(), kind: t.kind }).collect();
        let alarm = OpenAlarm {
            incident: incident.number,
            notice: incident.notice.clone(),
            told,
            indeterminate: incident.indeterminate,
            owed: incident.owed,
        };
        let change = operate(&alarm, order, "lan", now()).unwrap()?;
        let jobs = change.jobs.iter().map(|job| NotifyJob {
            receiver: job.recipient.receiver.clone(),
            kind: job.recipient.kind,
            notice: change.notice_for(job),
            deadline: None,
        });
        let change = ChangeRecord {
            number: change.incident,
            notice: change.notice.clone(),
            told: incident.told.clone(),
            jobs: jobs.collect(),
            publish: true,
            indeterminate: change.indeterminate,
            owed: change.owed,
        };
        let step = StepRecord {
            channel: channel.clone(),
            before: record.acted,
            operations: record.operations,
            advance: None,
            changes: vec![change],
            confirmations: Vec::new(),
            forgotten: Vec::new(),
        };
        matches!(world.store.record_step(&step).await.unwrap(), StepOutcome::Recorded(_)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_and_verdicts_of_one_channel_at_once_are_each_told_once_and_in_order() {
    let world = World::start().await;
    let received = world.receive();
    let router = world.router("router-1");
    world.publish(&verdict("vtv3", 1, vec![condition("a", Minor)])).await;
    received.wait_for(1).await;
    const N: u64 = 20;
    let verdicts = async {
        for n in 0..N {
            let severity = if n % 2 == 0 { Critical } else { Minor };
            world.publish(&verdict("vtv3", 2 + n, vec![condition("a", severity)])).await;
        }
    };
    let orders = async {
        for n in 0..N {
            order(&world, "vtv3", &Order::Note { note: format!("note {n}") }).await;
        }
    };
    tokio::join!(verdicts, orders);
    let lines = received.wait_for(1 + 2 * N as usize).await;
    assert_eq!(lines.len(), 1 + 2 * N as usize);
    let jobs = received.jobs();
    assert!(jobs.iter().map(|j| j.notice.revision).eq(1..=1 + 2 * N as u32), "{lines:?}");
    let notes: Vec<_> = jobs.iter().filter_map(|j| j.notice.operation.as_ref()?.note.clone()).collect();
    assert_eq!(notes, (0..N).map(|n| format!("note {n}")).collect::<Vec<_>>());

    // Acknowledged for a moment: it ends by itself, and is told.
    order(&world, "vtv3", &Order::Ack { note: None, until: Some(now() + Span::from_secs(2)) }).await;
    assert_eq!(open(&world, "vtv3").await.unwrap().acked_by.as_deref(), Some("lan"));
    received.wait_for(3 + 2 * N as usize).await;
    assert_eq!(open(&world, "vtv3").await.unwrap().acked_by, None);

    // Closed by hand. The router holds an older picture of the channel, and is put right.
    order(&world, "vtv3", &Order::Resolve { note: "gone".to_owned() }).await;
    let lines = received.wait_for(4 + 2 * N as usize).await;
    assert!(lines.last().unwrap().contains("clear a INC-1/"), "{lines:?}");
    let failed_before = vec![condition("a", Minor)];
    let again = vec![Condition { last_failed_at: now() + Span::from_secs(1), ..condition("a", Minor) }];
    world.publish(&verdict("vtv3", 100, failed_before)).await;
    world.publish(&verdict("vtv3", 101, again)).await;
    let lines = received.wait_for(5 + 2 * N as usize).await;
    let reopened = open(&world, "vtv3").await.unwrap();
    assert_eq!(lines.last().unwrap(), &format!("noc: raise a {}/1 minor", reopened.number));
    assert_eq!(reopened.notice.reopens, Some(IncidentNumber(1)));
    drop(router);
}
