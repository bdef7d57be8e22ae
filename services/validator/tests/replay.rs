//! A recorded hour judged again gives the same verdicts, bit by bit: from a bundle, across a snapshot, and from the
//! stream of a real bus against what a real validator published.

mod world;

use ow_bus::{Publisher, StreamName};
use ow_checks::bench::{synthetic_captures, synthetic_policy};
use ow_contracts::bundle::{Header, Reader, Writer};
use ow_contracts::{Recorded, Subject};
use ow_domain::capture::{BodyEnd, Capture, ObjectKind, Outcome, Tick};
use ow_domain::policy::{ChannelPolicy, CheckOverride};
use ow_domain::verdict::{Position, Verdict};
use ow_domain::{Partition, Severity, Span, Time};
use ow_testkit::{DEADLINE, eventually_some};
use ow_validator::judging::{Mode, PartitionJudge};
use ow_validator::replay::{
    AlarmDifference, AlarmLog, Comparison, Difference, FixedPolicies, Replayer, differences, fact_of, verdicts,
};
use world::World;

const HOUR_S: i64 = 3_600;

fn policy() -> ChannelPolicy {
    synthetic_policy().unwrap()
}

fn start() -> Time {
    Time::from_unix_micros(1_767_225_600_000_000)
}

/// An hour of four renditions with a tick a second: segments of one rendition are missing from minute 10 to 12, a
/// playlist stands still from minute 30 to 33, and all of it is gone from minute 50 to 51.
fn hour() -> Vec<Recorded> {
    let second = |capture: &Capture| (capture.exchange.t_end - start()).secs_f64();
    let mut captures = synthetic_captures(8 * (HOUR_S / 6) as usize);
    let mut frozen = None;
    for capture in &mut captures {
        let s = second(capture);
        let is = |track: &str| capture.track.as_ref().is_some_and(|t| t.id.as_str() == track);
        let is_playlist = capture.object == ObjectKind::MediaPlaylist;
        let missing = (600.0..720.0).contains(&s) && !is_playlist && is("video-1");
        if missing || (3_000.0..3_060.0).contains(&s) {
            if let Outcome::Response(response) = &mut capture.exchange.outcome {
                response.status = 404;
                response.body_end = BodyEnd::NotRead;
            }
            capture.facts = None;
            capture.body = None;
            // The answer to the second question, as the first decides nothing.
            capture.retry = true;
        } else if is_playlist && is("video-2") {
            if (1_800.0..1_980.0).contains(&s) {
                capture.body.clone_from(&frozen);
            } else {
                frozen.clone_from(&capture.body);
            }
        }
    }
    let partition = Partition::of(&policy().channel);
    let ticks = (0..=HOUR_S).map(|s| Recorded::Tick(Tick { partition, at: start() + Span::from_secs(s) }));
    let mut facts: Vec<Recorded> = captures.into_iter().map(|c| Recorded::Capture(Box::new(c))).collect();
    facts.extend(ticks);
    facts.sort_by_key(Recorded::at);
    facts
}

fn position(n: usize) -> Position {
    Position { epoch: 7, seq: n as u64 + 1 }
}

fn json(verdict: &Verdict) -> String {
    serde_json::to_string(verdict).unwrap()
}

/// All that is said of facts, as bytes.
fn replayed(facts: &[Recorded], policy: ChannelPolicy) -> Vec<Verdict> {
    let mut replayer = Replayer::new(FixedPolicies::new([policy]));
    let mut said = Vec::new();
    for (n, fact) in facts.iter().enumerate() {
        let step = replayer.judge(fact_of(fact, fact.at()), position(n)).unwrap();
        said.extend(verdicts(&step).cloned());
    }
    said
}

fn alarms(verdicts: &[Verdict]) -> Vec<ow_validator::replay::Alarm> {
    let mut log = AlarmLog::default();
    verdicts.iter().for_each(|v| log.take(v));
    log.finish()
}

#[test]
fn a_recorded_hour_is_judged_bit_by_bit_as_it_was() {
    let facts = hour();
    // Live: with a snapshot in the middle, as after a take-over, but without the verdict that a new owner owes.
    let partition = Partition::of(&policy().channel);
    let policies = FixedPolicies::new([policy()]);
    let mut live = PartitionJudge::new(partition, policies.clone());
    let mut said = Vec::new();
    for (n, fact) in facts.iter().enumerate() {
        if n > 0 && n % 2_900 == 0 {
            let snapshot = serde_json::to_vec(live.channel(&policy().channel).unwrap()).unwrap();
            live = PartitionJudge::new(partition, policies.clone());
            live.resume(serde_json::from_slice(&snapshot).unwrap());
        }
        let step = live.judge(fact_of(fact, fact.at()), position(n), Mode::Live).unwrap();
        said.extend(verdicts(&step).map(json));
    }
    let checks: Vec<String> = alarms(&said.iter().map(|text| serde_json::from_str(text).unwrap()).collect::<Vec<_>>())
        .iter()
        .map(|alarm| format!("{} {}", alarm.check, (alarm.raised_at - start()).secs_f64() as i64 / 60))
        .collect();
    for expected in ["http-status-segment 10", "http-status-manifest 50"] {
        assert!(checks.iter().any(|c| c == expected), "{expected} of {checks:?}");
    }
    assert!(said.len() > 60, "one a minute at least: {}", said.len());

    // From a bundle.
    let mut writer = Writer::new(Vec::new(), &Header::new("test", start(), policy())).unwrap();
    for fact in &facts {
        match fact {
            Recorded::Capture(capture) => writer.capture(capture).unwrap(),
            Recorded::Tick(tick) => writer.tick(tick).unwrap(),
        }
    }
    let bytes = writer.finish().unwrap();
    let mut reader = Reader::new(&bytes[..]).unwrap();
    let mut read = Vec::new();
    while let Some(fact) = reader.next().unwrap() {
        read.push(fact);
    }
    assert!(reader.is_whole() && read == facts);
    let again: Vec<String> = replayed(&read, reader.header().policy.clone()).iter().map(json).collect();
    assert_eq!(again, said);
}

#[test]
fn another_policy_shows_which_alarms_would_differ() {
    let facts = hour();
    let a = alarms(&replayed(&facts, policy()));
    assert_eq!(differences(&a, &alarms(&replayed(&facts, policy()))), []);
    let mut other = policy();
    let off = CheckOverride { enabled: Some(false), ..CheckOverride::default() };
    let mild = CheckOverride { severity: Some(Severity::Warning), ..CheckOverride::default() };
    other.checks.overrides.insert("http-status-segment".to_owned(), off);
    other.checks.overrides.insert("http-status-manifest".to_owned(), mild);
    let b = alarms(&replayed(&facts, other));
    let found = differences(&a, &b);
    assert!(!found.is_empty());
    for difference in &found {
        match difference {
            AlarmDifference::OnlyInA(alarm) => assert_eq!(alarm.check, "http-status-segment"),
            AlarmDifference::Changed { a, b } => {
                assert_eq!((a.check.as_str(), b.severity), ("http-status-manifest", Severity::Warning));
                assert!(a.severity > b.severity && a.raised_at == b.raised_at);
            }
            AlarmDifference::OnlyInB(alarm) => panic!("{alarm:?}"),
        }
    }
    let n_changed = found.iter().filter(|d| matches!(d, AlarmDifference::Changed { .. })).count();
    assert!(n_changed > 0 && n_changed < found.len(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_validator_published_is_what_a_replay_of_the_stream_says() {
    let world = World::start().await;
    world.put_policy(&policy()).await;
    let validator = world.validator("a");
    let publisher = Publisher::new(world.bus.clone(), 256);
    let facts = hour();
    for fact in &facts {
        match fact {
            Recorded::Capture(capture) => publisher.publish(capture.as_ref()).await.unwrap(),
            Recorded::Tick(tick) => publisher.publish(tick).await.unwrap(),
        }
    }
    publisher.flush().await;
    let channel = policy().channel;
    let of_channel = || world.verdicts().into_iter().filter(|v| v.channel == channel).collect::<Vec<_>>();
    let n_facts = i64::try_from(facts.len()).unwrap();
    eventually_some("the hour is judged", 6 * DEADLINE, || async {
        (validator.metric("captures_total") + validator.metric("ticks_total") == n_facts).then_some(())
    })
    .await;
    // A drained validator has said all.
    validator.stop().await;
    let mut expected = of_channel();
    eventually_some("the last verdict is here", DEADLINE, || {
        let n = expected.len();
        expected = of_channel();
        let settled = expected.len() == n;
        async move { settled.then_some(()) }
    })
    .await;

    let partition = Partition::of(&channel);
    let epoch = world.bus.epoch(StreamName::Captures).await.unwrap();
    let from = Time::UNIX_EPOCH;
    let mut recording = world.bus.recorded(StreamName::Captures, &Subject::captures_of(partition), from).await.unwrap();
    let mut replayer = Replayer::new(FixedPolicies::new([policy()]));
    let (mut comparison, mut spoiled) = (Comparison::new(from), Comparison::new(from));
    for (n, verdict) in expected.iter().enumerate() {
        assert!(comparison.published(verdict.clone()));
        let mut wrong = verdict.clone();
        if n == 20 {
            wrong.severity = Severity::Indeterminate;
        }
        if n != 0 {
            assert!(spoiled.published(wrong));
        }
    }
    let (mut said, mut found, mut n_read) = (Vec::new(), Vec::new(), 0);
    while let Some(message) = recording.next().await.unwrap() {
        let fact = message.recorded().unwrap();
        let at = Position { epoch, seq: message.seq };
        let step = replayer.judge(fact_of(&fact, message.stored_at), at).unwrap();
        assert_eq!(comparison.after(&replayer, &step, at), []);
        found.extend(spoiled.after(&replayer, &step, at));
        said.extend(verdicts(&step).map(json));
        n_read += 1;
    }
    assert_eq!(n_read, facts.len());
    assert!(said.len() > 60);
    assert_eq!(said, expected.iter().map(json).collect::<Vec<_>>());
    let summary = comparison.finish();
    assert!(summary.is_equal() && summary.equal == expected.len() as u64 && summary.not_judged == 0, "{summary:?}");

    // A verdict that is another, and one that is not there, are told; a minute's repetition that is not there is not.
    let [Difference::Fields { fields, as_of, .. }] = &found[..] else { panic!("{found:?}") };
    assert_eq!((fields.len(), fields[0].path.as_str(), *as_of), (1, "severity", expected[20].as_of));
    assert!(!spoiled.finish().is_equal());
    let mut silent = Comparison::new(from);
    let mut again = Replayer::new(FixedPolicies::new([policy()]));
    for (n, fact) in facts.iter().enumerate() {
        let step = again.judge(fact_of(fact, fact.at()), position(n)).unwrap();
        silent.after(&again, &step, position(n));
    }
    assert!(silent.finish().unpublished >= 4, "raises and clears were not published");
}
