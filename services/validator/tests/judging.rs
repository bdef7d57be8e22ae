//! What a validator says of facts, through policy changes and bad messages.

mod world;

use ow_bus::Bucket;
use ow_contracts::envelope::CE_TYPE;
use ow_contracts::{Message, MessageId, Subject};
use ow_domain::capture::{Capture, ObjectKind};
use ow_domain::policy::{ChannelClass, ChannelPolicy, CheckOverride};
use ow_domain::{ChannelId, Severity, Span, StreamId, Time};
use ow_testkit::{DEADLINE, eventually};
use serde::{Deserialize, Serialize};
use world::{CHANNEL, FROZEN_AT, RAISED_AT, World, at, capture, channel, is_critical, is_stale, lines, policy};

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_playlist_is_one_condition_that_grows_worse_and_is_told_once_a_minute() {
    let world = World::start().await;
    let validator = world.validator("a");
    world.facts(0..300).await;
    world.tick_until(300, "a verdict after all facts", |v| v.as_of >= at(300)).await;
    let verdicts = world.verdicts();
    assert!(verdicts.windows(2).all(|w| w[0].position < w[1].position));
    assert_eq!(verdicts[0].severity, Severity::Indeterminate, "nothing is known before the first answer");
    let mut steps: Vec<(Vec<String>, Time)> = verdicts.iter().map(|v| (lines(v), v.as_of)).collect();
    steps.dedup_by(|b, a| a.0 == b.0);
    let polled = |s| at(s) + Span::from_millis(20);
    let expected = [
        (vec![], verdicts[0].as_of),
        (vec!["hls-playlist-stale minor".to_owned()], polled(RAISED_AT)),
        (vec!["hls-playlist-stale major".to_owned()], polled(FROZEN_AT + 21)),
        (vec!["hls-playlist-stale critical".to_owned()], polled(FROZEN_AT + 39)),
    ];
    assert_eq!(steps, expected);
    let stale: Vec<_> = verdicts.iter().flat_map(|v| &v.conditions).collect();
    assert!(stale.iter().all(|c| c.fingerprint == stale[0].fingerprint && c.raised_at == polled(RAISED_AT)));

    // Changes apart, one a minute; never a longer silence.
    let gaps: Vec<Span> = verdicts.windows(2).map(|w| w[1].as_of - w[0].as_of).collect();
    assert!(gaps.iter().all(|gap| *gap <= Span::from_secs(61)), "{gaps:?}");
    assert!((7..=10).contains(&verdicts.len()), "{} verdicts", verdicts.len());

    // The id is derived: said again it is the same message.
    assert!(world.bus.publish(&verdicts[3]).await.unwrap().duplicate);
    let status = world.status().await.unwrap();
    assert!(is_critical(&status) && status.position >= verdicts[verdicts.len() - 1].position);
    assert_eq!(validator.metric("check_panics_total"), 0);
    assert_eq!(validator.metric("captures_total"), 100);
    assert_eq!(validator.metric("partitions"), 1, "only one partition has messages");
    validator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_is_in_force_at_the_next_fact() {
    let world = World::start().await;
    let validator = world.validator("a");
    world.facts(0..81).await;
    world.verdict("the alarm", is_stale).await;
    let mut changed = policy(2);
    let off = CheckOverride { enabled: Some(false), ..CheckOverride::default() };
    changed.checks.overrides.insert("hls-playlist-stale".to_owned(), off);
    world.put_policy(&changed).await;
    let judged = world.tick_until(81, "a verdict under the new policy", |v| v.policy_revision == 2).await;
    assert_eq!(lines(&judged), [] as [&str; 0]);

    // A form of policy that this version cannot read changes nothing, also for a validator that starts then.
    let unknown = serde_json::json!({"channel": CHANNEL, "from": "a later version"});
    world.bus.kv::<serde_json::Value>(Bucket::Config).put(CHANNEL, &unknown).await.unwrap();
    validator.stop().await;
    let next = world.validator("b");
    let later = world.tick_until(1_000, "a verdict of the next", |v| v.as_of >= at(1_000)).await;
    assert_eq!((lines(&later), later.policy_revision), (lines(&judged), 2));
    assert!(world.verdicts().iter().all(|v| v.retired.is_none()));
    drop(next);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_no_longer_watched_is_closed_and_forgotten() {
    for expected in ["channel-disabled", "channel-removed", "event-over"] {
        let world = World::start().await;
        let _validator = world.validator("a");
        let last = world.facts(0..100).await;
        world.verdict("the alarm", is_critical).await;
        world.handled(last - 40).await;
        match expected {
            "channel-disabled" => world.put_policy(&ChannelPolicy { enabled: false, ..policy(2) }).await,
            "channel-removed" => world.remove_policy().await,
            _ => {
                let event = ChannelPolicy { class: ChannelClass::Event, event_end: Some(at(110)), ..policy(2) };
                world.put_policy(&event).await;
            }
        }
        let closed = world.tick_until(100, "the last verdict", |v| v.retired.is_some()).await;
        assert_eq!(closed.retired.as_deref(), Some(expected));
        assert!(closed.conditions.is_empty() && closed.severity == Severity::Cleared);
        eventually("nothing kept", DEADLINE, || async {
            world.status().await.is_none() && world.state().get(&world.state_key()).await.unwrap().is_none()
        })
        .await;
        // Watched again, it starts as new.
        world.put_policy(&policy(3)).await;
        let again = world.tick_until(500, "watched again", |v| v.policy_revision == 3).await;
        assert!(again.position > closed.position && again.conditions.is_empty() && again.retired.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_while_nobody_judges_is_closed_by_the_next_owner() {
    for state_too in [false, true] {
        let world = World::start().await;
        let first = world.validator("a");
        world.facts(0..100).await;
        world.verdict("the alarm", is_critical).await;
        first.stop().await;
        world.remove_policy().await;
        // Seen by nobody in time: ticks that are only read again later must not swallow the end.
        world.facts(100..103).await;
        if state_too {
            world.state().delete(&world.state_key()).await.unwrap();
        }
        let _second = world.validator("b");
        let closed = world.verdict("the last verdict", |v| v.retired.is_some()).await;
        assert!(closed.conditions.is_empty() && closed.name == "VTV3");
        eventually("nothing kept", DEADLINE, || async { world.status().await.is_none() }).await;
    }
}

/// A message of any form under the subject of a capture.
#[derive(Serialize, Deserialize)]
struct Strange(serde_json::Value);

impl Message for Strange {
    const TYPE: &'static str = Capture::TYPE;
    fn subject(&self) -> Subject {
        Subject::capture(&channel(), &StreamId::new("main").unwrap(), ObjectKind::MediaPlaylist)
    }
    fn message_id(&self) -> MessageId {
        MessageId::derived(&["strange", &self.0.to_string()])
    }
    fn time(&self) -> Option<Time> {
        None
    }
    fn about(&self) -> String {
        CE_TYPE.to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_messages_harm_nobody() {
    let world = World::start().await;
    let validator = world.validator("a");
    world.facts(0..30).await;
    world.bus.publish(&Strange(serde_json::json!({"not": "a capture"}))).await.unwrap();
    let mut foreign = capture(30);
    foreign.channel = ChannelId::new("not-of-this-partition").unwrap();
    world.bus.publish(&Strange(serde_json::to_value(&foreign).unwrap())).await.unwrap();
    world.remove_policy().await;
    world.put_policy(&policy(2)).await;
    world.facts(30..100).await;
    world.verdict("the alarm", is_critical).await;
    let letter = world.dead_letter().await;
    assert!(letter.stream == "CAPTURES" && letter.consumer.starts_with("validator-"), "{letter:?}");

    // A channel without policy is counted and nothing else.
    let mut unknown = capture(100);
    let partition = ow_domain::Partition::of(&channel());
    let names = (0..).map(|n| ChannelId::new(&format!("unknown-{n}")).unwrap());
    unknown.channel = names.into_iter().find(|c| ow_domain::Partition::of(c) == partition).unwrap();
    world.bus.publish(&unknown).await.unwrap();
    eventually("it is counted", DEADLINE, || async { validator.metric("captures_unknown_channel_total") == 1 }).await;
    assert!(world.verdicts().iter().all(|v| v.channel == channel()));
    assert_eq!(validator.metric("channels"), 1);
}
