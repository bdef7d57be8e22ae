//! The service on real NATS and PostgreSQL: everything is told once, whatever dies in between.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ow_alert_router::acting::{Acting, Cache};
use ow_alert_router::metrics::Metrics;
use ow_alert_router::routes::{CurrentRules, Rules};
use ow_alerting::Routes;
use ow_bus::Outcome;
use ow_contracts::Subject;
use ow_contracts::messages::IncidentChange;
use ow_domain::Severity::{Critical, Info, Major, Minor};
use ow_domain::incident::ChangeKind;
use ow_service::Ops;
use ow_store::alarms::{IncidentFilter, OutboxMessage};
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
