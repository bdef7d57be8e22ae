//! Owners that die, snapshots of every kind, a server that is killed: nothing is lost, nothing is taken back.

mod world;

use ow_bus::{Bus, BusConfig, Limits};
use ow_checks::ChannelJudge;
use ow_domain::verdict::{Position, Verdict};
use ow_domain::{Span, Time};
use ow_local::{LocalNats, NatsOptions};
use ow_testkit::{DEADLINE, eventually, eventually_some};
use serde_json::{Value, json};
use world::{FROZEN_AT, RAISED_AT, World, at, capture, is_critical, is_stale, policy, tick};

fn raised_at() -> Time {
    at(RAISED_AT) + Span::from_millis(20)
}

/// From its raise on, every verdict holds the same alarm, and no minute is without a verdict.
fn assert_one_alarm(verdicts: &[Verdict]) {
    let raise = verdicts.iter().position(is_stale).expect("an alarm");
    for verdict in &verdicts[raise..] {
        assert!(is_stale(verdict), "the alarm is missing at {:?}", verdict.position);
        assert_eq!(verdict.conditions.len(), 1);
        assert_eq!(verdict.conditions[0].raised_at, raised_at());
    }
    for pair in verdicts.windows(2) {
        assert!(pair[0].position < pair[1].position);
        assert!(pair[1].as_of - pair[0].as_of <= Span::from_secs(61), "silence after {}", pair[0].as_of);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_owner_is_replaced_without_a_second_alarm() {
    for with_snapshot in [true, false] {
        let world = World::start().await;
        let first = world.validator("a");
        world.facts(0..90).await;
        world.verdict("the alarm", is_stale).await;
        world.facts(90..95).await;
        first.kill();
        world.facts(95..150).await;
        if !with_snapshot {
            world.state().delete(&world.state_key()).await.unwrap();
        }
        let second = world.validator("b");
        world.facts(150..240).await;
        let seen = world.tick_until(240, "the end", |v| v.as_of >= at(240)).await;
        assert!(is_critical(&seen));
        assert_one_alarm(&world.verdicts());
        // What was said is what the facts say, whoever judged them.
        let mut judge = ChannelJudge::new(policy(1), at(0));
        for s in 0..=FROZEN_AT + 39 {
            let position = |n: i64| Position { epoch: 1, seq: u64::try_from(2 * s + n).unwrap() };
            judge.tick(at(s), position(1));
            if s % 3 == 0 {
                judge.apply(&capture(s), position(2));
            }
        }
        let critical = world.verdicts().into_iter().find(is_critical).unwrap();
        assert_eq!(critical.conditions, judge.conditions());
        let n = second.metric("replayed_total");
        assert!(if with_snapshot { n < 60 } else { n > 60 }, "{n} replayed with snapshot: {with_snapshot}");
        second.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handover_in_order_keeps_everything_in_the_snapshot() {
    let world = World::start().await;
    let first = world.validator("a");
    world.facts(0..90).await;
    world.verdict("the alarm", is_stale).await;
    first.stop().await;
    world.facts(90..120).await;
    // It cannot read older facts again.
    let second = world.forgetful("b");
    world.tick_until(120, "the end", |v| v.as_of >= at(170)).await;
    assert_one_alarm(&world.verdicts());
    assert!(second.metric("snapshots_total") > 0);
}

/// Stops a validator in the alarm, and gives its snapshot.
async fn snapshot_in_alarm(world: &World) -> Value {
    let first = world.validator("a");
    world.facts(0..90).await;
    world.verdict("the alarm", is_stale).await;
    first.stop().await;
    world.state().get(&world.state_key()).await.unwrap().expect("a snapshot").value
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_from_before_the_acknowledgement_is_good() {
    // The owner died after the snapshot of the message in hand; or the server lost some acknowledgements.
    for n_ahead in [1, 5] {
        let world = World::start().await;
        let mut stored = snapshot_in_alarm(&world).await;
        let mut judge: ChannelJudge = serde_json::from_value(stored["judge"].take()).unwrap();
        let epoch = judge.position().epoch;
        for s in 90..90 + n_ahead {
            let seq = world.bus.publish(&tick(s)).await.unwrap().seq;
            judge.tick(at(s), Position { epoch, seq });
        }
        let snapshot = json!({"format": 1, "position": judge.position(), "judge": judge});
        world.state().put(&world.state_key(), &snapshot).await.unwrap();
        let second = world.forgetful("b");
        let seen = world.tick_until(100, "a later verdict", |v| v.as_of >= at(100)).await;
        assert!(seen.position.seq > judge.position().seq);
        assert_one_alarm(&world.verdicts());
        assert_eq!(second.metric("snapshot_failures_total"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_snapshot_is_counted_and_its_channel_judged_again() {
    let epoch_of = |stored: &Value| stored["position"]["epoch"].as_i64().unwrap();
    let bad: [fn(Value, i64) -> Value; 4] = [
        |_, _| json!("garbage"),
        |_, epoch| json!({"format": 99, "position": {"epoch": epoch, "seq": 1}, "judge": {}}),
        |_, epoch| json!({"format": 1, "position": {"epoch": epoch, "seq": u64::MAX}, "judge": {"policy": 1}}),
        // Readable, but of a history that this stream never had: not counted, and written over.
        |mut stored, epoch| {
            for position in [&mut stored["position"].clone(), &mut stored["judge"]["position"].clone()] {
                *position = json!({"epoch": epoch, "seq": 1_000_000_u64});
                stored["position"] = position.clone();
                stored["judge"]["position"] = position.clone();
            }
            stored
        },
    ];
    for (n, spoil) in bad.into_iter().enumerate() {
        let world = World::start().await;
        let stored = snapshot_in_alarm(&world).await;
        let epoch = epoch_of(&stored);
        world.state().put(&world.state_key(), &spoil(stored, epoch)).await.unwrap();
        let last = world.facts(90..93).await;
        let second = world.validator("b");
        world.tick_until(93, "a later verdict", |v| v.position.seq > last).await;
        assert_one_alarm(&world.verdicts());
        assert_eq!(second.metric("snapshot_failures_total"), i64::from(n < 3), "case {n}");
        world.handled(last).await;
        eventually_some("a good snapshot again", DEADLINE, || async {
            let stored = world.state().get(&world.state_key()).await.unwrap()?.value;
            (stored["position"]["seq"].as_u64() < Some(1_000_000)).then_some(())?;
            serde_json::from_value::<ChannelJudge>(stored["judge"].clone()).ok()
        })
        .await;
        assert_eq!(second.metric("fenced_total"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_writes_over_nothing_that_is_later() {
    let world = World::start().await;
    let zombie = world.validator("a");
    world.facts(0..75).await;
    world.verdict("the alarm", is_stale).await;
    let key = world.state_key();
    eventually("a snapshot of it", DEADLINE, || async { world.state().get(&key).await.unwrap().is_some() }).await;
    // As if another owner had gone far ahead.
    let mut ahead = world.state().get(&key).await.unwrap().unwrap().value;
    ahead["position"]["seq"] = json!(1_000_000_u64);
    let revision = world.state().put(&key, &ahead).await.unwrap();
    world.facts(75..120).await;
    world.verdict("it goes on to speak", is_critical).await;
    eventually("it is fenced", DEADLINE, || async { zombie.metric("fenced_total") == 1 }).await;
    zombie.stop().await;
    assert_eq!(world.state().get(&key).await.unwrap().unwrap().revision, revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut nats = LocalNats::start(NatsOptions::new(home.path())).unwrap();
    let bus = Bus::connect(BusConfig::new(nats.client_url(), "test")).await.unwrap();
    bus.ensure_topology(&Limits::tests()).await.unwrap();
    let world = World::on(bus, nats.client_url()).await;
    let _validator = world.validator("a");
    let mut from = 0;
    for until in [40, 78, 110] {
        world.facts(from..until).await;
        from = until;
        nats = tokio::task::spawn_blocking(move || {
            nats.kill();
            nats.restart().unwrap();
            nats
        })
        .await
        .unwrap();
        eventually("the bus is back", DEADLINE, || async { world.bus.publish(&capture(until)).await.is_ok() }).await;
    }
    world.facts(from..200).await;
    world.tick_until(200, "the end", |v| v.as_of >= at(200)).await;
    let verdicts = world.verdicts();
    let raise = verdicts.iter().find(|v| is_stale(v)).unwrap();
    assert!(raise.conditions[0].raised_at <= at(78) + Span::from_millis(20));
    let after = verdicts.iter().filter(|v| v.position >= raise.position);
    assert!(
        after.clone().all(|v| v.conditions.len() == 1 && v.conditions[0].raised_at == raise.conditions[0].raised_at)
    );
}
