//! The judge as a whole: verdicts over time, policies, probes, snapshots; and a long clean stream.

use crate::script::{START, capture_of, policy};
use ow_checks::ChannelJudge;
use ow_domain::policy::{ChannelClass, ChannelPolicy, CheckOverride};
use ow_domain::verdict::{Position, Verdict};
use ow_domain::{ProbeId, Severity, Span, Time};

struct Bench {
    judge: ChannelJudge,
    seq: u64,
    verdicts: Vec<Verdict>,
}

impl Bench {
    fn new() -> Self {
        Self { judge: ChannelJudge::new(policy(), START), seq: 0, verdicts: Vec::new() }
    }
    fn position(&mut self) -> Position {
        self.seq += 1;
        Position { epoch: 7, seq: self.seq }
    }
    fn say(&mut self, line: &str) {
        let position = self.position();
        let capture = capture_of(line, position.seq);
        self.verdicts.extend(self.judge.apply(&capture, position).verdict);
    }
    fn tick(&mut self, second: f64) {
        let position = self.position();
        self.verdicts.extend(self.judge.tick(at(second), position).verdict);
    }
    fn checks(&self) -> Vec<String> {
        self.judge.conditions().into_iter().map(|c| c.check).collect()
    }
}

fn at(second: f64) -> Time {
    START + Span::from_secs_f64(second)
}

fn frozen() -> Bench {
    let mut bench = Bench::new();
    bench.say("at 0 list 100..105");
    bench.say("at 9.2 list 100..105");
    assert_eq!(bench.checks(), ["hls-playlist-stale"]);
    bench
}

#[test]
fn a_verdict_comes_at_once_on_every_change_and_once_a_minute() {
    let mut bench = Bench::new();
    bench.tick(0.0);
    assert_eq!(bench.verdicts.len(), 1);
    assert_eq!(bench.verdicts[0].severity, Severity::Indeterminate, "nothing could be judged yet");
    bench.say("at 1 list 100..105");
    for second in 2..10 {
        bench.tick(f64::from(second));
    }
    assert_eq!(bench.verdicts.len(), 1);
    bench.say("at 10.2 list 100..105");
    let verdict = bench.verdicts.last().unwrap();
    assert_eq!((bench.verdicts.len(), verdict.severity, verdict.conditions.len()), (2, Severity::Minor, 1));
    assert_eq!(verdict.position, Position { epoch: 7, seq: bench.seq });
    let condition = &verdict.conditions[0];
    assert_eq!(condition.fingerprint, "hls-playlist-stale|hls|main|-|-|-");
    assert_eq!(condition.message, "newest segment is 9.2 s old; at most 9.1 s expected for target duration 6 s");
    let evidence = condition.evidence.as_ref().unwrap();
    assert_eq!((evidence.url.as_str(), evidence.status), ("http://o.example/live/video.m3u8", Some(200)));
    bench.say("at 13.2 list 100..105");
    assert_eq!(bench.verdicts.len(), 2, "the same again is no news");
    bench.say("at 19.2 list 100..105");
    assert_eq!(bench.verdicts.last().unwrap().severity, Severity::Major);
    bench.tick(79.3);
    assert_eq!(bench.verdicts.len(), 4, "the minute's verdict");
    let raised: Vec<Time> = bench.verdicts[1..].iter().map(|v| v.conditions[0].raised_at).collect();
    assert!(raised.windows(2).all(|pair| pair[0] == pair[1]), "one alarm: {raised:?}");
}

#[test]
fn a_message_seen_before_changes_nothing() {
    let mut bench = frozen();
    let before = serde_json::to_value(&bench.judge).unwrap();
    let capture = capture_of("at 18.2 list 100..105", 2);
    let judged = bench.judge.apply(&capture, Position { epoch: 7, seq: 2 });
    assert!(judged.verdict.is_none() && judged.findings.is_empty());
    assert_eq!(serde_json::to_value(&bench.judge).unwrap(), before);
}

#[test]
fn replay_from_a_snapshot_gives_the_same_verdicts() {
    let lines = [
        "at 0 list 100..105",
        "at 6 list 101..106",
        "at 12 status 404 of=list",
        "at 13 status 404 of=list",
        "at 20 list 102..107",
        "at 29.3 list 102..107",
        "at 40 list 102..107",
        "at 50 list 103..108",
        "at 56 list 104..109",
        "at 57 segment num=109 bytes=0",
    ];
    let mut straight = Bench::new();
    lines.iter().for_each(|line| straight.say(line));
    for cut in 0..lines.len() {
        let mut first = Bench::new();
        lines[..cut].iter().for_each(|line| first.say(line));
        let judge = serde_json::from_str(&serde_json::to_string(&first.judge).unwrap()).unwrap();
        let mut second = Bench { judge, seq: first.seq, verdicts: first.verdicts };
        lines[cut..].iter().for_each(|line| second.say(line));
        assert_eq!(second.verdicts, straight.verdicts, "cut at {cut}");
    }
    assert!(straight.verdicts.len() >= 6, "{}", straight.verdicts.len());
}

#[test]
fn conditions_close_when_their_check_is_turned_off_or_their_stream_is_gone() {
    let mut bench = frozen();
    let mut quiet = policy();
    quiet.revision = 2;
    quiet
        .checks
        .overrides
        .insert("hls-playlist-stale".into(), CheckOverride { enabled: Some(false), ..Default::default() });
    bench.judge.set_policy(quiet, at(10.0));
    bench.tick(10.0);
    assert!(bench.checks().is_empty());
    assert_eq!(bench.verdicts.last().unwrap().policy_revision, 2);

    let mut bench = frozen();
    bench.judge.set_policy(ow_domain::policy::ChannelPolicy { streams: Vec::new(), ..policy() }, at(10.0));
    bench.tick(10.0);
    assert!(bench.checks().is_empty());
}

#[test]
fn conditions_of_a_rendition_that_is_gone_close() {
    let mut bench = Bench::new();
    bench.say("at 0 list 100..105 track=video-1080");
    bench.say("at 0 status 404 of=list track=video-720");
    bench.say("at 1 status 404 of=list track=video-720");
    assert_eq!(bench.checks(), ["http-status-manifest"]);
    for n in 1..25 {
        bench.say(&format!("at {} list {}..{} track=video-1080", 6 * n, 100 + n, 105 + n));
        bench.tick(f64::from(6 * n) + 1.0);
    }
    assert!(bench.checks().is_empty(), "{:?}", bench.checks());
}

#[test]
fn conditions_of_a_host_that_is_no_longer_asked_close() {
    let mut bench = Bench::new();
    bench.say("at 0 fail connect refused of=segment host=http://cdn.example");
    bench.say("at 1 fail connect refused of=segment host=http://cdn.example");
    assert_eq!(bench.checks(), ["http-connect-failure"]);
    bench.tick(299.0);
    assert_eq!(bench.checks(), ["http-connect-failure"], "a silent probe proves nothing");
    bench.say("at 302 status 304 of=mvp");
    bench.tick(303.0);
    assert!(bench.checks().is_empty());
}

#[test]
fn severities_holds_and_parameters_can_be_changed() {
    let mut bench = Bench::new();
    let mut changed = policy();
    let change = CheckOverride {
        severity: Some(Severity::Warning),
        hold: Some("H2".into()),
        params: [("minor_target_durations".to_owned(), 3.0)].into(),
        ..CheckOverride::default()
    };
    changed.checks.overrides.insert("hls-playlist-stale".into(), change);
    bench.judge.set_policy(changed, START);
    bench.say("at 0 list 100..105");
    bench.say("at 12 list 100..105");
    bench.say("at 18.2 list 100..105");
    assert!(bench.checks().is_empty());
    bench.say("at 24 list 100..105");
    assert_eq!(bench.judge.conditions()[0].severity, Severity::Warning);
}

#[test]
fn only_transport_and_parse_raise_in_the_grace() {
    let mut graceful = policy();
    graceful.checks.startup_grace_s = Some(30.0);
    let mut bench = Bench { judge: ChannelJudge::new(graceful, START), seq: 0, verdicts: Vec::new() };
    bench.say("at 0 list 100..105");
    bench.say("at 12 list 100..105");
    assert!(bench.checks().is_empty());
    bench.say("at 13 status 404 of=list");
    bench.say("at 14 status 404 of=list");
    assert_eq!(bench.checks(), ["http-status-manifest"]);
    bench.say("at 31 list 100..105");
    assert!(bench.checks().contains(&"hls-playlist-stale".to_owned()));
}

#[test]
fn probes_are_judged_side_by_side() {
    let mut bench = frozen();
    for (second, list) in [(0.5, "100..105"), (6.5, "101..106"), (12.5, "102..107")] {
        let position = bench.position();
        let mut capture = capture_of(&format!("at {second} list {list}"), position.seq);
        capture.probe = ProbeId::new("hn-1").unwrap();
        bench.judge.apply(&capture, position);
    }
    assert_eq!(bench.checks(), ["hls-playlist-stale"], "what another probe sees does not clear it");
    let only = ow_domain::policy::ChannelPolicy { probes: vec![ProbeId::new("hn-1").unwrap()], ..policy() };
    bench.judge.set_policy(only, at(13.0));
    bench.tick(13.0);
    assert!(bench.checks().is_empty(), "a probe that no longer watches has no say");
}

#[test]
fn a_retired_channel_says_so() {
    let bench = frozen();
    let verdict = bench.judge.retire("channel-removed", at(20.0), Position { epoch: 7, seq: 99 });
    assert_eq!(verdict.retired.as_deref(), Some("channel-removed"));
    assert!(verdict.conditions.is_empty() && verdict.severity == Severity::Cleared);
    assert_eq!(verdict.position.seq, 99);
}

#[test]
fn measures_come_about_every_ten_seconds() {
    let mut bench = Bench::new();
    let mut measures = Vec::new();
    for n in 0..5 {
        for line in [
            format!("at {} list {}..{} lag=8", 6 * n, 100 + n, 105 + n),
            format!("at {} segment num={} took=0.5 bytes=3000000", 6 * n, 105 + n),
        ] {
            let position = bench.position();
            measures.extend(bench.judge.apply(&capture_of(&line, position.seq), position).measures);
        }
    }
    assert_eq!(measures.len(), 2);
    let m = &measures[1];
    assert_eq!(m.responses["2xx"], 4);
    assert!((m.values["live_latency_seconds"] - 8.0).abs() < 0.01, "{m:?}");
    let track = &m.tracks[0].values;
    assert_eq!((track["declared_bits_per_second"], track["measured_bits_per_second"]), (5e6, 4e6));
    assert_eq!((track["segment_duration_seconds"], track["download_seconds"]), (6.0, 0.5));
}

/// Deterministic disorder.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// An hour of a healthy channel with all that is legal: renditions that appear up to 1.5 s apart, polls at any
/// moment, half-target retries, 304, tokens, ad breaks with DISCONTINUITY, a single lost answer now and then.
#[test]
fn an_hour_of_a_clean_channel_raises_nothing() {
    const WINDOW: u64 = 6;
    let tracks = ["video-1080", "video-720", "video-480", "audio", "text-vie"];
    let mut dice = Dice(42);
    let mut bench = Bench::new();
    // Thirty discontinuities an hour are many for a linear channel.
    bench.judge.set_policy(ChannelPolicy { class: ChannelClass::Fast, ..policy() }, START);
    let mut next_poll = [0.0_f64; 5];
    let mut shown = [0_u64; 5];
    let is_break = |n: u64| matches!(n % 40, 0 | 5);
    let published = |n: u64, track: usize| 6.0 * (n - 100) as f64 + 0.37 * track as f64 - 40.0;
    let mut now = 0.0_f64;
    let mut last_tick = 0_u64;
    while now < 3600.0 {
        let track = (0..5).min_by(|a, b| next_poll[*a].total_cmp(&next_poll[*b])).unwrap();
        now = next_poll[track].max(now);
        while (last_tick as f64) < now {
            last_tick += 1;
            bench.tick(last_tick as f64);
        }
        let newest = (100..).take_while(|n| published(*n, track) <= now).last().unwrap();
        let first = newest + 1 - WINDOW;
        let (took, token) = (dice.roll(300) as f64 / 1000.0, dice.roll(1 << 20));
        let name = tracks[track];
        let breaks: Vec<String> = (first..=newest).filter(|n| is_break(*n)).map(|n| n.to_string()).collect();
        let disc = if breaks.is_empty() { String::new() } else { format!("disc={}", breaks.join(",")) };
        let dseq = (0..first).filter(|n| is_break(*n)).count();
        let line = match dice.roll(300) {
            0 => format!("at {now} fail request timed-out of=list track={name} took=0.3"),
            1 => format!("at {now} status 503 of=list track={name}"),
            n if n % 2 == 0 && shown[track] == newest => {
                format!("at {now} status 304 of=list track={name} took={took}")
            }
            _ => format!(
                "at {now} list {first}..{newest} track={name} took={took} token={token} date=-646 dseq={dseq} {disc}"
            ),
        };
        let lost = line.contains(" fail ") || line.contains(" 503 ");
        bench.say(&line);
        let grew = !lost && newest > shown[track];
        if grew {
            let from = shown[track].max(newest - 1) + 1;
            shown[track] = newest;
            for n in from..=newest {
                let media = if name == "audio" { 5.995 + 0.021 * (n % 2) as f64 } else { 6.0 };
                bench.say(&format!("at {now} segment num={n} track={name} took=0.4 media={media} independent"));
            }
        }
        next_poll[track] = now
            + if lost {
                1.0
            } else if grew {
                6.0
            } else {
                3.0
            } * (1.0 + dice.roll(100) as f64 / 1000.0);
    }
    let raised: Vec<_> = bench.verdicts.iter().flat_map(|v| &v.conditions).map(|c| (&c.check, &c.message)).collect();
    assert!(raised.is_empty(), "{raised:#?}");
    assert!(bench.verdicts.len() >= 58 && bench.seq > 5_000, "{} {}", bench.verdicts.len(), bench.seq);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever an origin answers, the judge goes on, stays bounded and can be stored.
    #[test]
    fn no_body_stops_the_judge(
        steps in proptest::collection::vec((0_u64..40, 0_u8..4, 0_usize..600, ".{0,24}", 0_u8..6), 1..25),
    ) {
        let mut bench = Bench::new();
        for (n, (jump, object, cut, noise, how)) in steps.into_iter().enumerate() {
            let (first, now) = (100 + n as u64 + jump, 6 * n as u64);
            let mut capture = match object {
                0 => capture_of(&format!("at {now} mvp 1080,720 audio=a1"), bench.seq + 1),
                1 => capture_of(&format!("at {now} segment num={first} media=6.3"), bench.seq + 1),
                _ => capture_of(&format!("at {now} list {first}..{} date=-646 gap={first} disc={first}", first + 5), bench.seq + 1),
            };
            if how == 5 {
                capture.object = ow_domain::capture::ObjectKind::Mpd;
            }
            if let Some(body) = &mut capture.body {
                let at = (0..=cut.min(body.text.len())).rev().find(|at| body.text.is_char_boundary(*at)).unwrap_or(0);
                match how {
                    0 => body.text.truncate(at),
                    1 => body.text.insert_str(at, &noise),
                    2 => body.text = noise,
                    3 => body.text = body.text.replace("6.000", "99999999999999999999"),
                    _ => body.text = body.text.replace("SEQUENCE:1", "SEQUENCE:1844674407370955161"),
                }
            }
            let position = bench.position();
            let judged = bench.judge.apply(&capture, position);
            proptest::prop_assert!(judged.findings.iter().all(|f| f.message.len() <= 255));
            bench.tick(now as f64 + 1.0);
        }
        proptest::prop_assert!(bench.judge.panics().is_empty(), "{:?}", bench.judge.panics());
        let text = serde_json::to_string(&bench.judge).unwrap();
        let restored: ChannelJudge = serde_json::from_str(&text).unwrap();
        proptest::prop_assert_eq!(restored.conditions(), bench.judge.conditions());
    }
}
