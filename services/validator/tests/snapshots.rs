//! A snapshot at any point, and the facts after it, give what the facts alone give.

mod world;

use ow_checks::bench::{synthetic_captures, synthetic_policy};
use ow_checks::{ChannelJudge, Judged};
use ow_domain::capture::{
    BodyEnd, Capture, Failure, FailureKind, ObjectKind, Outcome, Phase, Response, Track, TrackKind,
};
use ow_domain::facts::Container;
use ow_domain::verdict::Position;
use ow_domain::{ProbeId, Span, TrackId};
use proptest::prelude::*;
use world::{at, capture, policy};

#[derive(Debug, Clone)]
enum Fact {
    Tick,
    /// Playlist of a rendition, so many seconds into its life: may grow, stand or step back.
    Playlist {
        rendition: u8,
        second: i64,
        spoil: Spoil,
    },
    Master {
        n_variants: u8,
        spoil: Spoil,
    },
    /// One of the captures of a healthy ladder.
    Healthy {
        index: usize,
        spoil: Spoil,
        text: bool,
    },
    Policy,
}

#[derive(Debug, Clone, Copy)]
enum Spoil {
    None,
    Status(u16),
    Failed(Phase, FailureKind),
    Short,
    Html,
    Cut(usize),
    EndList,
    Pdt(i64),
    Slow,
}

fn spoil() -> impl Strategy<Value = Spoil> {
    prop_oneof![
        6 => Just(Spoil::None),
        1 => prop::sample::select(vec![304, 301, 403, 404, 500, 503]).prop_map(Spoil::Status),
        1 => Just(Spoil::Failed(Phase::Connect, FailureKind::Refused)),
        1 => Just(Spoil::Failed(Phase::Dns, FailureKind::NameNotFound)),
        1 => Just(Spoil::Failed(Phase::Request, FailureKind::TimedOut)),
        1 => Just(Spoil::Short),
        1 => Just(Spoil::Html),
        1 => (0_usize..300).prop_map(Spoil::Cut),
        1 => Just(Spoil::EndList),
        1 => (-100_000_i64..100_000).prop_map(Spoil::Pdt),
        1 => Just(Spoil::Slow),
    ]
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        2 => Just(Fact::Tick),
        5 => (0_u8..3, 0_i64..60, spoil()).prop_map(|(rendition, second, spoil)| Fact::Playlist { rendition, second, spoil }),
        1 => (1_u8..4, spoil()).prop_map(|(n_variants, spoil)| Fact::Master { n_variants, spoil }),
        5 => (0_usize..200, spoil(), any::<bool>()).prop_map(|(index, spoil, text)| Fact::Healthy { index, spoil, text }),
        1 => Just(Fact::Policy),
    ]
}

fn apply_spoil(capture: &mut Capture, spoil: Spoil) {
    match spoil {
        Spoil::None => {}
        Spoil::Failed(phase, kind) => {
            let failure = Failure { phase, kind, detail: "it failed".into() };
            capture.exchange.outcome = Outcome::Failed(failure);
            (capture.body, capture.facts) = (None, None);
        }
        Spoil::Slow => capture.exchange.t_end += Span::from_micros(9_123_457),
        _ => {}
    }
    let Outcome::Response(Response { status, body_end, digest, .. }) = &mut capture.exchange.outcome else { return };
    let text = capture.body.as_mut().map(|b| &mut b.text);
    match spoil {
        Spoil::Status(code) => {
            *status = code;
            capture.body = None;
        }
        Spoil::Short => *body_end = BodyEnd::Short,
        Spoil::Html => {
            *digest = Some("html".into());
            if let Some(text) = text {
                *text = "<html>sorry</html>".into();
            }
        }
        Spoil::Cut(at) => {
            *digest = Some(format!("cut-{at}"));
            if let Some(text) = text {
                text.truncate(at);
            }
        }
        Spoil::EndList => {
            *digest = digest.as_ref().map(|d| format!("{d}-end"));
            if let Some(text) = text {
                text.push_str("#EXT-X-ENDLIST\n");
            }
        }
        Spoil::Pdt(offset) => {
            *digest = digest.as_ref().map(|d| format!("{d}-{offset}"));
            if let Some(text) = text {
                let pdt = format!("#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF", at(offset));
                *text = text.replacen("#EXTINF", &pdt, 1);
            }
        }
        Spoil::None | Spoil::Failed(..) | Spoil::Slow => {}
    }
}

fn track(name: String, kind: TrackKind, height: u32) -> Track {
    Track {
        id: TrackId::from_text(&name),
        kind,
        bandwidth: Some(1_234_567),
        average_bandwidth: None,
        frame_rate_milli: None,
        video_range: None,
        channels: None,
        width: None,
        height: Some(height),
        codecs: Some("avc1.64001f".into()),
        language: None,
    }
}

/// The capture of a fact that happened at second `now`.
fn capture_of(fact: &Fact, now: Span, healthy: &[Capture]) -> Option<Capture> {
    let mut made = match fact {
        Fact::Tick | Fact::Policy => return None,
        Fact::Playlist { rendition, second, .. } => {
            let mut made = capture(*second);
            made.exchange.url = format!("http://origin.example/live/{rendition}/index.m3u8?token=1");
            made.track = Some(track(format!("video-{rendition}"), TrackKind::Video, 360 * u32::from(*rendition)));
            made.probe = ProbeId::new(if *second % 5 == 0 { "probe-2" } else { "probe-1" }).unwrap();
            made
        }
        Fact::Master { n_variants, .. } => {
            let mut made = capture(0);
            made.object = ObjectKind::Mvp;
            let body = made.body.as_mut().unwrap();
            body.text = "#EXTM3U\n".into();
            for n in 0..*n_variants {
                body.text.push_str(&format!(
                    "#EXT-X-STREAM-INF:BANDWIDTH={n}00000,RESOLUTION=640x{n}60,CODECS=\"avc1.64001f\"\n{n}/index.m3u8\n"
                ));
            }
            if let Outcome::Response(response) = &mut made.exchange.outcome {
                response.digest = Some(format!("master-{n_variants}"));
            }
            made
        }
        Fact::Healthy { index, text, .. } => {
            let mut made = healthy[*index].clone();
            made.channel = world::channel();
            if let Some(facts) = made.facts.as_mut().filter(|_| *text) {
                facts.container = Container::Text;
            }
            made
        }
    };
    let took = made.exchange.took() + Span::from_micros(333);
    made.exchange.t_req = at(0) + now;
    made.exchange.t_end = made.exchange.t_req + took;
    let (Fact::Playlist { spoil, .. } | Fact::Master { spoil, .. } | Fact::Healthy { spoil, .. }) = fact else {
        return Some(made);
    };
    apply_spoil(&mut made, *spoil);
    Some(made)
}

fn step(judge: &mut ChannelJudge, n: usize, now: Span, fact: &Fact, healthy: &[Capture]) -> Judged {
    let position = Position { epoch: 7, seq: n as u64 + 1 };
    match (fact, capture_of(fact, now, healthy)) {
        (_, Some(capture)) => judge.apply(&capture, position),
        (Fact::Policy, None) => {
            let mut changed = policy(judge.policy().revision + 1);
            changed.checks.latency_max_s = Some(12.345_678_9);
            judge.set_policy(changed, at(0) + now);
            judge.tick(at(0) + now, position)
        }
        (_, None) => judge.tick(at(0) + now, position),
    }
}

fn said(judged: &Judged) -> serde_json::Value {
    serde_json::json!([judged.verdict, judged.changed, judged.findings, judged.measures])
}

fn round_trip(judge: &ChannelJudge) -> ChannelJudge {
    let text = serde_json::to_string(judge).unwrap();
    let back: ChannelJudge = serde_json::from_str(&text).unwrap();
    let again = serde_json::to_string(&back).unwrap();
    if let Some(at) = text.bytes().zip(again.bytes()).position(|(a, b)| a != b) {
        let near = at.saturating_sub(60)..at + 20;
        panic!("the snapshot is not what it was: {:?} became {:?}", text.get(near.clone()), again.get(near));
    }
    assert_eq!(text.len(), again.len());
    back
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn a_judge_goes_on_from_its_snapshot_as_if_nothing_had_been(
        facts in prop::collection::vec((fact(), 1_i64..9_000_000), 1..160),
        cut in any::<prop::sample::Index>(),
    ) {
        let healthy = synthetic_captures(200);
        let mut judge = ChannelJudge::new(policy(1), at(0));
        let mut from_snapshot = judge.clone();
        let cut = cut.index(facts.len());
        let mut now = Span::from_secs(40);
        for (n, (fact, pause)) in facts.iter().enumerate() {
            now += Span::from_micros(*pause);
            let expected = said(&step(&mut judge, n, now, fact, &healthy));
            if n == cut {
                from_snapshot = round_trip(&judge);
            }
            if n > cut {
                prop_assert_eq!(said(&step(&mut from_snapshot, n, now, fact, &healthy)), expected);
                // A message that comes twice changes nothing.
                let again = step(&mut from_snapshot, n, now, &Fact::Tick, &healthy);
                prop_assert!(again.verdict.is_none() && again.measures.is_empty() && !again.changed);
            }
        }
        prop_assert_eq!(serde_json::to_string(&round_trip(&judge)).unwrap(), serde_json::to_string(&from_snapshot).unwrap());
    }
}

#[test]
fn a_healthy_ladder_with_a_snapshot_after_every_fact() {
    let mut judge = ChannelJudge::new(synthetic_policy().unwrap(), at(0));
    let mut restarted = judge.clone();
    for (n, capture) in synthetic_captures(600).iter().enumerate() {
        let position = Position { epoch: 1, seq: n as u64 + 1 };
        let expected = said(&judge.apply(capture, position));
        restarted = round_trip(&restarted);
        assert_eq!(said(&restarted.apply(capture, position)), expected, "fact {n}");
    }
    assert!(judge.conditions().is_empty(), "{:?}", judge.conditions());
}
