//! Cases beyond the golden vectors: rewrites, seams, repeated content, order.

use super::testing::{Probe, Text, advance, quiet, restarted, secs};
use crate::Outcome;
use crate::step::*;

#[test]
fn a_reset_tells_what_continues() {
    let date = |s: u32| format!("#EXT-X-PROGRAM-DATE-TIME:2026-11-22T09:00:{s:02}.000Z");
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(5000..=5002).dseq(4).tag(0, &date(0)));
    let new = restarted(1..=3).dseq(4).tag(0, "#EXT-X-DISCONTINUITY").tag(0, &date(24));
    probe.poll(6.0, &new);
    let step = probe.poll(7.0, &new);
    let reset = step.timeline_reset().unwrap();
    assert!(reset.seam_marked && reset.dsn_continues);
    assert_eq!((reset.pdt_step, reset.pdt_continues), (Some(secs(6.0)), Some(true)));
}

#[test]
fn a_third_timeline_is_a_standing_regress() {
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(5000..=5005));
    probe.poll(6.0, &restarted(1..=3));
    let step = probe.poll(7.0, &Text::named(40..=42, |msn| format!("third{msn}.ts")));
    assert_eq!(step.regressed.as_ref().map(|r| r.reason), Some(RegressedReason::Standing));
    assert!(matches!(step.classification, Classification::ResetCandidate { .. }));
    assert!(!step.wants_confirm_poll, "at most one extra poll per target duration");
}

#[test]
fn other_rewrites_are_named() {
    let map = |uri: &str| format!("#EXT-X-MAP:URI=\"{uri}\"");
    let key = |uri: &str| format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{uri}\"");
    let base = Text::new(100..=103).tag(0, &map("init.mp4?t=1")).tag(0, &key("k1"));
    for (text, expected) in [
        (Text::new(100..=104).tag(0, &map("init.mp4?t=2")).tag(0, &key("k1?t=3")), vec![]),
        (base.clone().extinf(1, "6.001"), vec![]),
        (base.clone().extinf(1, "6.0011"), vec!["extinf"]),
        (base.clone().tag(2, "#EXT-X-GAP"), vec!["gap"]),
        (base.clone().tag(2, "#EXT-X-DISCONTINUITY"), vec!["discontinuity"]),
        (base.clone().tag(3, &map("init2.mp4")), vec!["map"]),
        (base.clone().tag(3, &key("k2")), vec!["key"]),
        (base.clone().tag(3, "#EXT-X-BYTERANGE:10@0"), vec!["byte-range"]),
    ] {
        let mut probe = Probe::new();
        probe.poll(0.0, &base);
        let step = probe.poll(6.0, &text);
        let found: Vec<_> = step.changes.iter().map(|change| change.field.as_str()).collect();
        assert_eq!(found, expected, "{}", text.body());
    }
    let mut probe = Probe::new();
    probe.poll(0.0, &base);
    let step = probe.poll(6.0, &base.clone().tag(3, &key("k2")));
    assert_eq!(step.changes[0].field, ChangedField::Key { before: "AES-128 k1".into(), after: "AES-128 k2".into() });
}

#[test]
fn dsn_across_a_seam() {
    for (next, expected) in [
        (Text::new(106..=110).dseq(3), "consistent"),
        (Text::new(106..=110).dseq(3).tag(0, "#EXT-X-DISCONTINUITY"), "consistent"),
        (Text::new(106..=110).dseq(4), "wrong"),
        (Text::new(108..=112).dseq(9), "unknown"),
        (Text::new(108..=112).dseq(2), "at least"),
    ] {
        let mut probe = Probe::new();
        probe.poll(0.0, &Text::new(100..=105).dseq(3));
        let step = probe.poll(36.0, &next);
        let found = match step.dsn {
            DsnVerdict::Unknown => "unknown",
            DsnVerdict::Consistent => "consistent",
            DsnVerdict::Wrong { at_least: true, .. } => "at least",
            DsnVerdict::Wrong { .. } => "wrong",
        };
        assert_eq!(found, expected, "{}", next.body());
    }
}

#[test]
fn pdt_is_derived_and_its_moves_are_seen() {
    let date = |ms: u32| format!("#EXT-X-PROGRAM-DATE-TIME:2026-11-22T09:00:{:02}.{:03}Z", ms / 1000, ms % 1000);
    let mut probe = Probe::new();
    let first = probe.poll(0.0, &Text::new(100..=103).tag(0, &date(0)).tag(2, "#EXT-X-DISCONTINUITY"));
    let pdts: Vec<_> = first.new_segments.iter().map(|s| s.pdt.is_some()).collect();
    assert_eq!(pdts, [true, true, false, false], "never across a discontinuity");
    for (ms, moved) in [(6050, false), (6051, true)] {
        let mut probe = Probe::new();
        probe.poll(0.0, &Text::new(100..=105).tag(0, &date(0)));
        let step = probe.poll(6.0, &Text::new(101..=106).tag(0, &date(ms)));
        assert_eq!(step.pdt_moved.is_some(), moved);
        if let Some(moved) = step.pdt_moved {
            assert_eq!((moved.n_segments, moved.n_removed_since), (5, 1));
            assert_eq!(moved.after - moved.before, secs(0.051));
        }
    }
}

#[test]
fn latency_is_the_end_of_the_newest_pdt() {
    let mut probe = Probe::new();
    let step = probe.poll(100.0, &Text::new(1..=3).tag(0, "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:01:00.000Z"));
    assert_eq!(step.pdt_latency(), Some(secs(22.02)));
}

#[test]
fn a_removed_tail_is_told_while_it_lasts() {
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(100..=105));
    let short = Text::new(102..=103);
    for t in [6.0, 9.0] {
        let step = probe.poll(t, &short);
        assert_eq!(step.classification, Classification::TailRemoved { n_removed: 2, last_msn: 103 });
        assert!(step.stale_age().is_some());
    }
    let step = probe.observe(12.0, 12.1, None, Outcome::NotModified);
    assert!(matches!(step.classification, Classification::TailRemoved { .. }));
    assert_eq!(probe.poll(15.0, &Text::new(102..=106)).classification, advance(1));
}

#[test]
fn another_url_scheme_is_no_new_timeline() {
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(100..=105));
    let other = |msns| Text::named(msns, |msn| format!("v2/chunk-{msn}.ts"));
    let step = probe.poll(6.0, &other(101..=106));
    assert_eq!(step.classification, Classification::UriOnly { n_segments: 5, pdt_compared: false });
    assert!(step.changes.is_empty() && step.is_accepted() && step.new_segments.len() == 1);
    assert_eq!(probe.poll(12.0, &other(102..=107)).classification, advance(1));
    // With other durations it is another timeline.
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(100..=105));
    let step = probe.poll(6.0, &other(101..=106).extinf(0, "5.5"));
    assert!(matches!(step.classification, Classification::ResetCandidate { lower_msn: false, .. }), "{step:?}");
}

#[test]
fn slates_and_repeated_content_are_no_shift() {
    let slate = |msns| Text::named(msns, |_| "slate.ts".into());
    let mut probe = Probe::new();
    for n in 0..20u64 {
        let step = probe.poll(6.0 * n as f64, &slate(100 + n..=105 + n));
        quiet(&step);
        assert!(n == 0 || step.classification == advance(1), "{step:?}");
    }
    // After a probe pause.
    assert!(probe.poll(300.0, &slate(150..=155)).forward_jump().is_some());
    // A jump that lands on an advertisement seen before.
    let mut probe = Probe::new();
    let ads = |msns| Text::named(msns, |msn| if msn % 10 == 3 { "ad.ts".into() } else { format!("s{msn}.ts") });
    probe.poll(0.0, &ads(100..=105));
    assert!(probe.poll(60.0, &ads(112..=117)).forward_jump().is_some());
    let step = probe.poll(66.0, &ads(113..=118));
    quiet(&step);
    assert_eq!(step.classification, advance(1));
}

#[test]
fn a_segment_inserted_in_the_middle_is_a_shift_of_the_rest() {
    // 102 inserted: three stay, eight behind them moved by one.
    let name = |inserted: bool| {
        move |msn: u64| match msn {
            ..103 => format!("s{msn}.ts"),
            103 if inserted => "extra.ts".into(),
            _ => format!("s{}.ts", msn - u64::from(inserted)),
        }
    };
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::named(100..=110, name(false)));
    let step = probe.poll(6.0, &Text::named(100..=111, name(true)));
    assert!(matches!(step.classification, Classification::SequenceShift { k: 1, n_segments: 8, .. }), "{step:?}");
    // Two of eight swapped places: those are rewritten.
    let swapped = |msn: u64| {
        format!(
            "s{}.ts",
            match msn {
                103 => 104,
                104 => 103,
                _ => msn,
            }
        )
    };
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(100..=107));
    let step = probe.poll(6.0, &Text::named(101..=108, swapped));
    assert_eq!((step.classification.clone(), step.n_changes), (advance(1), 2));
}

#[test]
fn answers_out_of_order_and_delta_updates_are_not_judged() {
    let mut probe = Probe::new();
    probe.poll(10.0, &Text::new(100..=105));
    assert_eq!(probe.poll(9.0, &Text::new(101..=106)).classification, Classification::OutOfOrder);
    // A clock set back by an hour is no reason to go blind.
    let mut set_back = Probe::new();
    set_back.poll(3600.0, &Text::new(100..=105));
    let step = set_back.poll(0.0, &Text::new(100..=105));
    assert_eq!((step.classification.clone(), step.stale_age()), (Classification::Unchanged, Some(secs(0.0))));
    assert_eq!(set_back.poll(6.0, &Text::new(101..=106)).classification, advance(1));
    assert_eq!(set_back.poll(9.0, &Text::new(101..=106)).stale_age(), Some(secs(2.98)));
    let delta = Text::new(100..=105).tag(0, "#EXT-X-SKIP:SKIPPED-SEGMENTS=3");
    let step = probe.poll(12.0, &delta);
    assert!(step.wants_full_playlist && step.classification == Classification::Delta);
    let empty = Text { lines: Vec::new(), ..Text::new(100..=105) };
    assert_eq!(probe.poll(13.0, &empty).classification, Classification::Empty);
    let first = Probe::new().observe(0.0, 0.1, None, Outcome::NotModified);
    assert_eq!((first.classification, first.epoch), (Classification::Failed, 0));
}

#[test]
fn a_restart_that_reuses_names_is_no_old_copy() {
    let date = |minute: u32| format!("#EXT-X-PROGRAM-DATE-TIME:2026-11-22T09:{minute:02}:00.000Z");
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(0..=5).tag(0, &date(0)));
    probe.poll(6.0, &Text::new(1..=6).tag(0, &date(0)).tag(1, "# the date stays on the head"));
    let again = |last| Text::new(0..=last).tag(0, &date(3));
    let step = probe.poll(180.0, &again(1));
    assert_eq!(step.classification, Classification::ResetCandidate { first_msn: 0, last_msn: 1, lower_msn: true });
    let step = probe.poll(181.0, &again(2));
    assert!(step.timeline_reset().is_some_and(|reset| reset.lower_msn && reset.old_last_msn == 6), "{step:?}");
    assert_eq!(probe.poll(187.0, &again(3)).classification, advance(1));
    // Without dates the durations tell; with neither it looks like an old copy.
    for (extinf, is_copy) in [("5.9", false), ("6.000", true)] {
        let mut probe = Probe::new();
        probe.poll(0.0, &Text::new(0..=5));
        let step = probe.poll(180.0, &Text::new(0..=1).extinf(0, extinf));
        assert_eq!(step.stale_copy().is_some(), is_copy);
    }
}
