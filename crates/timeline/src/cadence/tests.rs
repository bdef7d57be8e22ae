use super::*;
use crate::KeyRules;
use ow_hls::{At, Segment};

const URL: &str = "https://h/live/v/index.m3u8";

fn at(ms: i64) -> Time {
    Time::UNIX_EPOCH + Span::from_millis(ms)
}

/// A playlist with segments `s<n>.ts` of 6 s.
fn playlist(msns: std::ops::RangeInclusive<u64>) -> MediaPlaylist {
    named(msns, |msn| format!("s{msn}.ts"))
}

fn named(msns: std::ops::RangeInclusive<u64>, name: impl Fn(u64) -> String) -> MediaPlaylist {
    let segment = |msn| Segment { msn, uri: name(msn).into(), duration_us: 6_000_000, ..Segment::default() };
    MediaPlaylist {
        target_duration: Some(At { value: 6, line: 2 }),
        media_sequence: Some(At { value: *msns.start(), line: 3 }),
        segments: msns.map(segment).collect(),
        ..MediaPlaylist::default()
    }
}

fn polled(t_ms: i64, playlist: &MediaPlaylist) -> Polled<'_> {
    Polled { t_req: at(t_ms), t_end: at(t_ms + 20), final_url: URL, playlist }
}

struct One {
    cadence: HlsCadence,
    settings: CadenceSettings,
}

impl One {
    fn new() -> Self {
        Self { cadence: HlsCadence::new("vtv3", "video", at(0)), settings: CadenceSettings::default() }
    }
    fn poll(&mut self, t_ms: i64, playlist: &MediaPlaylist) -> PollPlan {
        self.cadence.on_playlist(polled(t_ms, playlist), &KeyRules::default(), &self.settings, 0)
    }
    /// The wait after the poll at `t_ms` lies in `wait_ms` plus 0..10 %.
    fn check_wait(&self, t_ms: i64, wait_ms: i64) {
        let wait = (self.cadence.next_due() - at(t_ms)).micros() / 1000;
        assert!((wait_ms..=wait_ms + wait_ms / 10).contains(&wait), "{wait} ms, expected {wait_ms}");
    }
}

fn msns(plan: &PollPlan) -> Vec<(u64, SegmentReason)> {
    plan.segments.iter().map(|s| (s.msn, s.reason)).collect()
}

#[test]
fn waits_follow_change_no_change_and_end() {
    let mut one = One::new();
    assert_eq!(one.poll(0, &playlist(100..=105)).outcome, PollOutcome::First);
    one.check_wait(0, 6000);
    // GV02: equal body at 3 s; the next poll not before 6 s.
    assert_eq!(one.poll(3000, &playlist(100..=105)).outcome, PollOutcome::Unchanged);
    one.check_wait(3000, 3000);
    one.cadence.on_unchanged(at(6000), at(6020), &one.settings, 0);
    one.check_wait(6000, 3000);
    assert_eq!(one.poll(9000, &playlist(101..=106)).outcome, PollOutcome::Changed);
    one.check_wait(9000, 6000);
    let mut ended = playlist(101..=106);
    ended.end_list = Some(9);
    assert_eq!(one.poll(15_000, &ended).outcome, PollOutcome::Ended);
    one.check_wait(15_000, 60_000);
}

#[test]
fn errors_back_off_and_retry_after_wins() {
    let mut one = One::new();
    one.poll(0, &playlist(100..=105));
    let failure = |t_ms, retry_after| PollFailure { t_req: at(t_ms), t_end: at(t_ms + 20), gone: false, retry_after };
    for (n, wait) in [1000, 6000, 6000, 12_000, 24_000, 24_000].into_iter().enumerate() {
        let t = 10_000 * (n as i64 + 1);
        one.cadence.on_failure(failure(t, None), &one.settings, 0);
        one.check_wait(if n == 0 { t + 20 } else { t }, wait);
    }
    one.cadence.on_failure(failure(90_000, Some(Span::from_secs(7))), &one.settings, 0);
    one.check_wait(90_020, 7000);
    one.cadence.on_failure(failure(90_000, Some(Span::from_secs(86_400))), &one.settings, 0);
    one.check_wait(90_020, 300_000);
    // A long segment: the bound of 30 s holds.
    let mut long = One::new();
    let mut slow = playlist(1..=3);
    slow.segments.iter_mut().for_each(|s| s.duration_us = 20_000_000);
    long.poll(0, &slow);
    for _ in 0..5 {
        long.cadence.on_failure(failure(1000, None), &long.settings, 0);
    }
    long.check_wait(1000, 30_000);
    // A success forgets the errors.
    one.poll(100_000, &playlist(101..=106));
    one.cadence.on_failure(failure(110_000, None), &one.settings, 0);
    one.check_wait(110_020, 1000);
}

#[test]
fn each_segment_is_planned_once() {
    use SegmentReason::{FirstSight, New, OldestProbe};
    let mut one = One::new();
    one.settings.initial_segments = 2;
    assert_eq!(msns(&one.poll(0, &playlist(100..=105))), [(105, FirstSight), (104, FirstSight), (100, OldestProbe)]);
    assert_eq!(msns(&one.poll(3000, &playlist(100..=105))), []);
    assert_eq!(msns(&one.poll(6000, &playlist(101..=106))), [(106, New)]);
    // Tokens change nothing.
    let tokens = named(101..=106, |msn| format!("s{msn}.ts?token=7"));
    assert_eq!(msns(&one.poll(9000, &tokens)), []);
    // Two at once, oldest first; an old copy afterwards gives nothing, and nothing comes twice.
    assert_eq!(msns(&one.poll(12_000, &playlist(103..=108))), [(107, New), (108, New)]);
    assert_eq!(msns(&one.poll(15_000, &playlist(102..=107))), []);
    assert_eq!(msns(&one.poll(18_000, &playlist(103..=108))), []);
    // A growing window brings old segments: not new, but the oldest is looked at again after a minute.
    assert_eq!(msns(&one.poll(60_000, &playlist(50..=109))), [(109, New), (50, OldestProbe)]);
    // A rewritten segment in the middle is new.
    let rewritten = named(51..=110, |msn| if msn == 105 { "other.ts".into() } else { format!("s{msn}.ts") });
    assert_eq!(msns(&one.poll(66_000, &rewritten)), [(105, New), (110, New)]);
}

#[test]
fn gaps_are_not_fetched_and_catching_up_is_bounded() {
    let mut one = One::new();
    one.poll(0, &playlist(100..=105));
    let mut gap = playlist(101..=106);
    gap.segments[5].gap = Some(20);
    assert_eq!(msns(&one.poll(6000, &gap)), []);
    let plan = one.poll(12_000, &playlist(102..=150));
    assert_eq!(plan.segments.len(), 16);
    assert_eq!((plan.segments[0].msn, plan.segments[15].msn, plan.n_not_planned), (135, 150, 28));
    assert_eq!(plan.segments[15].from_edge, 0);
}

#[test]
fn a_slate_loop_is_fetched_by_number() {
    let mut one = One::new();
    let slate = |msns| named(msns, |_| "slate.ts".into());
    one.poll(0, &slate(100..=105));
    assert_eq!(msns(&one.poll(6000, &slate(101..=106))), [(106, SegmentReason::New)]);
    assert_eq!(msns(&one.poll(9000, &slate(101..=106))), []);
}

#[test]
fn a_reset_candidate_is_confirmed_after_a_second_once_per_target_duration() {
    let mut one = One::new();
    one.poll(0, &playlist(5000..=5005));
    let restarted = |msns| named(msns, |msn| format!("new{msn}.ts"));
    let plan = one.poll(6000, &restarted(1..=3));
    assert_eq!(plan.outcome, PollOutcome::ResetCandidate);
    assert_eq!(msns(&plan), [(3, SegmentReason::FirstSight), (1, SegmentReason::OldestProbe)]);
    one.check_wait(6000, 1000);
    let plan = one.poll(7000, &restarted(1..=3));
    assert_eq!((plan.outcome, msns(&plan)), (PollOutcome::Unchanged, vec![]));
    // A third timeline within a target duration gets no second extra poll.
    assert_eq!(one.poll(8000, &named(1..=3, |msn| format!("third{msn}.ts"))).outcome, PollOutcome::ResetCandidate);
    one.check_wait(8000, 3000);
}

#[test]
fn a_restart_that_reuses_names_is_followed() {
    let mut one = One::new();
    one.poll(0, &playlist(0..=5));
    one.poll(6000, &playlist(1..=6));
    assert_eq!(msns(&one.poll(60_000, &playlist(0..=1))), [(0, SegmentReason::OldestProbe)]);
    assert_eq!(
        msns(&one.poll(63_000, &playlist(0..=2))),
        [(2, SegmentReason::FirstSight), (0, SegmentReason::OldestProbe)]
    );
    assert_eq!(msns(&one.poll(69_000, &playlist(0..=3))), [(3, SegmentReason::New)]);
}

#[test]
fn init_sections_and_keys_are_planned_once() {
    let mut one = One::new();
    let map = |uri: &str| Some(std::sync::Arc::new(ow_hls::Map { line: 4, uri: uri.into(), byte_range: None }));
    let mut first = playlist(1..=3);
    first.segments.iter_mut().for_each(|s| s.map = map("init.mp4"));
    assert_eq!(one.poll(0, &first).maps, [0]);
    let mut second = playlist(2..=4);
    second.segments.iter_mut().for_each(|s| s.map = map("init.mp4?t=2"));
    second.segments[2].map = map("init2.mp4");
    let plan = one.poll(6000, &second);
    assert_eq!(plan.maps, [2]);
    assert!(plan.segments[0].mandatory);
}

#[test]
fn what_is_known_stays_bounded() {
    let mut one = One::new();
    for n in 0..2000u64 {
        one.poll(6000 * n as i64, &playlist(n * 50..=n * 50 + 9));
    }
    assert!(one.cadence.n_known() <= 300, "{}", one.cadence.n_known());
}

// ---- Channel ----

fn channel(names: &[&str]) -> ChannelPlan {
    let mut plan = ChannelPlan::without_mvp(
        "vtv3",
        at(0),
        CadenceSettings { phase_spread: Span::ZERO, ..Default::default() },
        KeyRules::default(),
    );
    plan.set_renditions(at(0), names.iter().copied());
    plan
}

fn names(burst: &Burst) -> Vec<&str> {
    let mut names: Vec<_> = burst.renditions.iter().map(|name| &**name).collect();
    names.sort_unstable();
    names
}

#[test]
fn renditions_are_asked_together_and_never_early() {
    let mut plan = channel(&["a", "b", "c"]);
    let mut now = at(0);
    for n in 0..50u64 {
        let burst = plan.take_due(now);
        assert_eq!(names(&burst), ["a", "b", "c"], "burst {n}");
        assert!(plan.take_due(now).is_empty() && plan.next_wakeup().is_none());
        let t = now.unix_micros() / 1000;
        for (i, name) in ["a", "b", "c"].into_iter().enumerate() {
            let list = playlist(n..=n + 5);
            plan.on_playlist(name, polled(t + i as i64 * 30, &list));
        }
        let next = plan.next_wakeup().unwrap();
        for (_, cadence) in plan.renditions() {
            assert!(cadence.next_due() <= next && cadence.next_due() >= now + Span::from_secs(6));
        }
        assert!(plan.take_due(next - Span::from_micros(1)).is_empty());
        now = next;
    }
}

#[test]
fn a_late_rendition_is_asked_again_alone_and_falls_in_again() {
    let mut plan = channel(&["a", "b", "c"]);
    let mut msn = std::collections::BTreeMap::from([("a", 0u64), ("b", 0), ("c", 0)]);
    let mut bursts: Vec<Vec<String>> = Vec::new();
    for round in 0..8 {
        let now = plan.next_wakeup().unwrap();
        let burst = plan.take_due(now);
        for name in &burst.renditions {
            let name = &**name;
            // "b" has nothing new in the second burst.
            let late = round == 1 && name == "b";
            let number = msn.get_mut(name).unwrap();
            *number += u64::from(!late);
            let list = playlist(*number..=*number + 5);
            plan.on_playlist(name, polled(now.unix_micros() / 1000, &list));
        }
        bursts.push(names(&burst).into_iter().map(str::to_owned).collect());
    }
    assert_eq!(bursts[1], ["a", "b", "c"]);
    assert_eq!(bursts[2], ["b"]);
    assert_eq!(bursts[3], ["a", "c"]);
    assert!(bursts[4..].iter().all(|burst| *burst == ["a", "b", "c"]), "{bursts:?}");
}

#[test]
fn the_multivariant_playlist_comes_every_minute_and_when_a_child_is_gone() {
    let settings = CadenceSettings::default();
    let mut plan = ChannelPlan::new("vtv3", at(0), settings, KeyRules::default());
    let first = plan.next_wakeup().unwrap();
    assert!(first >= at(0) && first < at(6000));
    let burst = plan.take_due(first);
    assert!(burst.mvp && burst.renditions.is_empty());
    plan.on_mvp(first);
    plan.set_renditions(first, ["a"]);
    assert_eq!(names(&plan.take_due(first)), ["a"]);
    let t = first.unix_micros() / 1000;
    plan.on_playlist("a", polled(t, &playlist(1..=6)));
    let gone = |t_ms| PollFailure { t_req: at(t_ms), t_end: at(t_ms + 20), gone: true, retry_after: None };
    // Gone 2 s after the last look at the MVP: not oftener than w.
    plan.on_failure("a", gone(t + 2000));
    let next = std::iter::successors(plan.next_wakeup(), |_| {
        let now = plan.next_wakeup()?;
        let burst = plan.take_due(now);
        if burst.mvp {
            return None;
        }
        plan.on_failure("a", gone(now.unix_micros() / 1000));
        plan.next_wakeup()
    })
    .last()
    .unwrap();
    assert!(next >= first + Span::from_secs(6) && next < first + Span::from_secs(9), "{next} {first}");
    let failure = PollFailure { t_req: next, t_end: next, gone: false, retry_after: None };
    plan.on_mvp_failure(failure);
    assert!(plan.next_wakeup().unwrap() <= next + Span::from_millis(1100));
}

#[test]
fn the_end_of_an_outage_of_the_multivariant_playlist_is_confirmed_soon() {
    let mut plan = ChannelPlan::new("vtv3", at(0), CadenceSettings::default(), KeyRules::default());
    let first = plan.next_wakeup().unwrap();
    assert!(plan.take_due(first).mvp);
    plan.on_mvp_failure(PollFailure { t_req: first, t_end: first, gone: false, retry_after: None });
    let again = plan.next_wakeup().unwrap();
    assert!(plan.take_due(again).mvp);
    plan.on_mvp(again);
    let confirmed = plan.next_wakeup().unwrap();
    assert!(confirmed <= again + Span::from_secs(7), "{confirmed} {again}");
    assert!(plan.take_due(confirmed).mvp);
    plan.on_mvp(confirmed);
    let usual = plan.next_wakeup().unwrap();
    assert!(usual >= confirmed + Span::from_secs(60), "{usual} {confirmed}");
}

#[test]
fn channels_are_spread_and_plans_are_deterministic() {
    let due = |n: usize| {
        ChannelPlan::new(&format!("channel-{n}"), at(0), CadenceSettings::default(), KeyRules::default())
            .next_wakeup()
            .unwrap()
    };
    let mut seconds = [0; 3];
    for n in 0..600 {
        assert_eq!(due(n), due(n));
        seconds[due(n).unix_seconds() as usize] += 1;
    }
    assert!(seconds.iter().all(|&n| (150..=250).contains(&n)), "{seconds:?}");
}

#[test]
fn renditions_come_and_go_without_losing_the_others() {
    let mut plan = channel(&["a", "b"]);
    let now = plan.next_wakeup().unwrap();
    plan.take_due(now);
    plan.on_playlist("a", polled(0, &playlist(1..=6)));
    plan.set_renditions(at(1000), ["a", "c", "c"]);
    assert_eq!(names(&plan.take_due(at(1000))), ["c"]);
    // The answer of a removed rendition is let go.
    assert!(plan.on_playlist("b", polled(0, &playlist(1..=6))).segments.is_empty());
    plan.put_back("c", at(1000), Span::from_secs(1));
    assert_eq!(plan.next_wakeup(), Some(at(2000)));
}

proptest::proptest! {
    #[test]
    fn any_playlists_keep_the_plan_sane(
        polls in proptest::collection::vec((0u64..40, 0u64..20, 0u8..4, 0i64..20_000), 1..60),
    ) {
        let mut one = One::new();
        let mut now = 0;
        for (first, n, scheme, pause) in polls {
            now += pause;
            let mut list = playlist(first..=first + n);
            list.segments.iter_mut().for_each(|s| s.uri = format!("{scheme}-{}", s.msn / u64::from(scheme.max(1))).into());
            let plan = one.poll(now, &list);
            proptest::prop_assert!(plan.segments.len() <= 17);
            proptest::prop_assert!(plan.segments.iter().all(|s| list.segments[s.index as usize].msn == s.msn));
            let wait = one.cadence.next_due() - at(now);
            proptest::prop_assert!(wait >= Span::from_millis(500) && wait <= Span::from_secs(66));
        }
        proptest::prop_assert!(one.cadence.n_known() <= 2 * 20 + 256);
    }
}

#[test]
fn one_segment_in_five_minutes_is_followed_until_it_leaves() {
    let mut one = One::new();
    let mut gone = Vec::new();
    for poll in 0..120 {
        let first = 100 + poll as u64;
        let plan = one.poll(poll * 6_000, &playlist(first..=first + 5));
        gone.extend(plan.removed.map(|g| (poll, g)));
    }
    let at_poll: Vec<(i64, u64)> = gone.iter().map(|(poll, g)| (*poll, g.msn)).collect();
    // The first playlist does not tell since when its segments are there.
    assert_eq!(at_poll, [(7, 106), (57, 156), (107, 206)]);
    let (_, first) = &gone[0];
    assert_eq!((&*first.uri, &*first.base), ("s106.ts", URL));
    let expected =
        ow_domain::capture::Removed { first_listed_at: at(6_020), last_listed_at: at(36_000), window_us: 36_000_000 };
    assert_eq!(first.removed, expected);
}

#[test]
fn what_left_unseen_or_with_its_timeline_is_not_looked_for() {
    let mut one = One::new();
    one.poll(0, &playlist(100..=105));
    one.poll(6_000, &playlist(101..=106));
    // A minute without an answer: it may have left long ago.
    assert_eq!(one.poll(66_000, &playlist(107..=116)).removed, None);
    let mut one = One::new();
    one.poll(0, &playlist(100..=105));
    one.poll(6_000, &playlist(101..=106));
    one.poll(12_000, &named(3..=8, |n| format!("other{n}.ts")));
    assert_eq!(one.poll(13_000, &named(9..=14, |n| format!("other{n}.ts"))).removed, None);
}
