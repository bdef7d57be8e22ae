//! Golden vectors GV01 to GV33 of the catalogue, as far as they are facts of the tracker.

use super::testing::{Probe, Text, advance, at, quiet, restarted, secs};
use crate::Outcome;
use crate::step::*;

#[test]
fn gv01_the_window_moves_by_one() {
    let mut probe = Probe::new();
    let first = probe.poll(0.0, &Text::new(100..=105));
    assert_eq!((&first.classification, first.epoch, first.new_segments.len()), (&Classification::First, 1, 6));
    let step = probe.poll(6.0, &Text::new(101..=106));
    quiet(&step);
    assert_eq!(step.classification, advance(1));
    assert_eq!(step.freshness, Freshness::Grew);
    assert_eq!(step.new_segments.iter().map(|s| (s.msn, s.index)).collect::<Vec<_>>(), [(106, 5)]);
    let removed = &step.removed_segments[0];
    assert_eq!((removed.msn, removed.longest_window, step.removed_segments.len()), (100, secs(36.0), 1));
    assert_eq!((step.window, step.n_listed, step.first_msn), (secs(36.0), 6, Some(101)));
    assert_eq!(step.previous_t_end, Some(at(0.02)));
}

#[test]
fn gv02_and_gv03_the_age_of_unchanged_content() {
    let mut probe = Probe::new();
    let body = Text::new(100..=105).body();
    probe.poll_body(-0.02, 0.0, &body, None);
    for (t, age) in [(3.0, 3.0), (9.0, 9.0), (9.2, 9.2), (18.1, 18.1), (36.1, 36.1)] {
        let step = probe.poll_body(t, t + 0.5, &body, None);
        quiet(&step);
        assert_eq!((&step.classification, step.stale_age()), (&Classification::Unchanged, Some(secs(age))));
    }
    // 304 and another body with the same newest segment say the same; `Age` tells the origin's share.
    let step = probe.observe(40.0, 40.1, Some(secs(35.0)), Outcome::NotModified);
    assert_eq!(step.freshness, Freshness::Same { age: secs(40.0), age_at_origin: Some(secs(5.0)) });
    let step = probe.poll(42.0, &Text::new(101..=105));
    assert_eq!(step.classification, Classification::NoNewSegment { head_came_back: false });
    assert_eq!(step.stale_age(), Some(secs(42.0)));
}

#[test]
fn gv04_content_in_time_is_not_stale() {
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(100..=105));
    let step = probe.poll(8.9, &Text::new(101..=106));
    assert_eq!(step.stale_age(), None);
}

#[test]
fn gv05_an_outage_is_no_age_and_does_not_hide_one() {
    let mut probe = Probe::new();
    let text = Text::new(100..=105);
    probe.poll_body(-0.02, 0.0, &text.body(), None);
    for t in [10.0, 20.0, 30.0] {
        let step = probe.observe(t, t + 5.0, None, Outcome::Failed);
        assert_eq!((step.classification.clone(), step.stale_age()), (Classification::Failed, None));
    }
    let step = probe.poll(60.0, &text);
    assert_eq!(step.stale_age(), Some(secs(60.0)));
    assert_eq!(step.previous_t_end, Some(at(0.0)));
}

#[test]
fn gv06_an_old_copy_moves_nothing() {
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(99..=104));
    probe.poll(6.0, &Text::new(100..=105));
    let step = probe.poll(12.0, &Text::new(99..=104));
    let copy = step.stale_copy().unwrap();
    assert_eq!((copy.by, copy.last_msn, copy.accepted_last_msn), (StaleCopyBy::Digest, 104, 105));
    assert_eq!((copy.hidden, step.stale_age(), step.regressed.is_none()), (secs(5.98), None, true));
    assert_eq!(step.newest.as_ref().unwrap().msn, 105);
    let step = probe.poll(15.0, &Text::new(101..=106));
    quiet(&step);
    assert_eq!(step.classification, advance(1));
    // Also when tokens give it another body.
    let tokens = Text::named(100..=105, |msn| format!("s{msn}.ts?t=1"));
    let step = probe.poll(18.0, &tokens);
    assert_eq!(step.stale_copy().map(|copy| copy.by), Some(StaleCopyBy::Window));
}

#[test]
fn gv07_copies_that_alternate_are_each_told() {
    let mut probe = Probe::new();
    let (old, new) = (Text::new(99..=104), Text::new(100..=105));
    probe.poll(0.0, &old);
    probe.poll(6.0, &new);
    for n in 0..20 {
        let t = 7.0 + f64::from(n);
        let step = probe.poll(t, if n % 2 == 0 { &old } else { &new });
        assert_eq!(step.stale_copy().is_some(), n % 2 == 0, "{n}");
        assert_eq!(step.epoch, 1);
    }
}

#[test]
fn gv08_a_restart_is_confirmed_and_becomes_a_new_epoch_once() {
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(5000..=5005));
    let step = probe.poll(6.0, &restarted(1..=3));
    assert_eq!(step.classification, Classification::ResetCandidate { first_msn: 1, last_msn: 3, lower_msn: true });
    assert!(step.wants_confirm_poll && !step.is_accepted() && step.regressed.is_none());
    assert_eq!((step.epoch, step.newest.as_ref().unwrap().msn), (1, 5005));
    let step = probe.poll(7.0, &restarted(1..=3));
    let reset = step.timeline_reset().unwrap();
    assert!(reset.lower_msn && !reset.seam_marked && reset.dsn_continues && reset.n_polls == 2);
    assert_eq!((reset.old_last_msn, reset.new_first_msn, reset.new_last_msn), (5005, 1, 3));
    assert_eq!((step.epoch, step.is_new_epoch(), step.new_segments.len()), (2, true, 3));
    assert_eq!(step.since_epoch_start, secs(1.0));
    let step = probe.poll(13.0, &restarted(1..=4));
    quiet(&step);
    assert_eq!((step.classification.clone(), step.epoch), (advance(1), 2));
    // A node that still serves the old timeline is an old copy.
    let step = probe.poll(14.0, &Text::new(5000..=5005));
    assert_eq!(step.stale_copy().map(|copy| copy.by), Some(StaleCopyBy::Digest));
}

#[test]
fn gv08_a_grown_candidate_or_a_304_confirms_too() {
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(5000..=5005));
    probe.poll(6.0, &restarted(1..=3));
    let step = probe.poll(7.0, &restarted(1..=4));
    let reset = step.timeline_reset().unwrap();
    assert_eq!((reset.new_last_msn, step.newest.as_ref().unwrap().msn), (3, 4));

    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(5000..=5005));
    probe.poll(6.0, &restarted(1..=3));
    assert!(probe.observe(7.0, 7.1, None, Outcome::NotModified).timeline_reset().is_some());
}

#[test]
fn gv09_the_old_timeline_is_back() {
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(5000..=5005));
    probe.poll(6.0, &restarted(1..=3));
    let step = probe.poll(7.0, &Text::new(5001..=5006));
    let regressed = step.regressed.as_ref().unwrap();
    assert_eq!((regressed.reason, regressed.first_msn, regressed.last_msn), (RegressedReason::Transient, 1, 3));
    assert_eq!((step.classification.clone(), step.epoch, step.alternations), (advance(1), 1, 1));
}

#[test]
fn gv10_tokens_and_hosts_are_no_change() {
    let mut probe = Probe::new();
    for n in 0..5u64 {
        let text =
            Text::named(100 + n..=105 + n, |msn| format!("https://cdn{n}.example/live/vtv3/video/s{msn}.ts?token={n}"));
        let step = probe.poll(6.0 * n as f64, &text);
        quiet(&step);
        assert!(n == 0 || step.classification == advance(1), "{step:?}");
    }
}

#[test]
fn gv11_a_rewritten_segment_is_named() {
    let mut probe = Probe::new();
    let name = |prefix: &'static str| move |msn| format!("{}{msn}.ts", if msn == 102 { prefix } else { "a" });
    probe.poll(0.0, &Text::named(100..=105, name("a")));
    let step = probe.poll(6.0, &Text::named(101..=106, name("b")));
    assert_eq!(step.classification, advance(1));
    let change = &step.changes[0];
    assert_eq!((step.n_changes, change.msn, change.is_new), (1, 102, true));
    assert_eq!(change.field, ChangedField::Uri { before: "a102.ts".into(), after: "b102.ts".into() });
    // It stays different, but that is no news; back to the first name is none either.
    let step = probe.poll(12.0, &Text::named(102..=107, name("b")));
    assert_eq!((step.n_changes, step.changes[0].is_new), (1, false));
    quiet(&probe.poll(18.0, &Text::named(102..=108, name("a"))));
}

#[test]
fn gv12_a_shift_is_told_and_accepted_at_the_second_poll() {
    let shifted =
        |first: u64, name: u64| Text::named(first..=first + 5, move |msn| format!("s{}.ts", msn - first + name));
    let mut probe = Probe::new();
    probe.poll(0.0, &shifted(100, 0));
    let step = probe.poll(6.0, &shifted(200, 1));
    assert_eq!(step.classification, Classification::SequenceShift { k: 99, n_segments: 5, accepted: false });
    assert_eq!(step.epoch, 1);
    let step = probe.poll(12.0, &shifted(201, 2));
    assert_eq!(step.classification, Classification::SequenceShift { k: 99, n_segments: 4, accepted: true });
    assert_eq!((step.epoch, step.is_new_epoch()), (2, true));
    assert_eq!(probe.poll(18.0, &shifted(202, 3)).classification, advance(1));
    // Down again: the other packager.
    let step = probe.poll(24.0, &shifted(104, 4));
    assert!(matches!(step.classification, Classification::SequenceShift { k: -99, accepted: false, .. }), "{step:?}");
    let step = probe.poll(30.0, &shifted(204, 5));
    assert_eq!((step.classification.clone(), step.alternations), (advance(2), 1));
}

#[test]
fn gv13_gv14_and_gv15_jumps_and_what_real_time_allows() {
    let slack = secs(12.0);
    let mut probe = Probe::new();
    probe.poll_body(-0.1, 0.0, &Text::new(100..=105).body(), None);
    let step = probe.poll_body(5.9, 6.0, &Text::new(110..=115).body(), None);
    let jump = step.forward_jump().unwrap();
    assert_eq!((jump.missed, jump.advanced, jump.available), (4, secs(60.0), secs(6.0)));
    assert!(jump.is_excessive(slack) && !jump.probe_gap_exceeded_window && step.is_accepted());
    assert!(step.new_segments[0].after_unseen && !step.new_segments[1].after_unseen);
    assert_eq!(step.dsn, DsnVerdict::Unknown);

    let mut probe = Probe::new();
    probe.poll_body(-0.1, 0.0, &Text::new(100..=105).body(), None);
    let step = probe.poll_body(60.0, 60.1, &Text::new(110..=115).body(), None);
    let jump = step.forward_jump().unwrap();
    assert!(jump.missed == 4 && jump.probe_gap_exceeded_window && !jump.is_excessive(slack));

    let mut probe = Probe::new();
    let stalled = Text::new(100..=105).body();
    probe.poll_body(-0.1, 0.0, &stalled, None);
    for n in 1..=20 {
        probe.poll_body(3.0 * f64::from(n), 3.0 * f64::from(n) + 0.1, &stalled, None);
    }
    let step = probe.poll_body(66.0, 66.1, &Text::new(106..=115).body(), None);
    let jump = step.forward_jump().unwrap();
    assert!(jump.missed == 0 && !jump.is_excessive(slack) && !step.new_segments[0].after_unseen);
    assert_eq!(step.dsn, DsnVerdict::Consistent);
}

#[test]
fn gv16_to_gv18_discontinuity_arithmetic() {
    let head = |dseq, tag| {
        let text = Text::new(100..=105).dseq(dseq);
        if tag { text.tag(0, "#EXT-X-DISCONTINUITY") } else { text }
    };
    let wrong = DsnVerdict::Wrong { msn: 100, expected: 4, found: 5, at_least: false, n_segments: 6 };
    for (next, expected) in
        [(head(3, true), DsnVerdict::Consistent), (head(4, false), DsnVerdict::Consistent), (head(4, true), wrong)]
    {
        let mut probe = Probe::new();
        probe.poll(0.0, &head(3, true));
        // Another body with the same segments.
        let next = next.tag(5, "# comment");
        let step = probe.poll(6.0, &next);
        assert_eq!(step.dsn, expected);
        assert!(step.changes.is_empty(), "{step:?}");
    }
    // A wrong DSN stays wrong against first sight, so that a hold can count it.
    let mut probe = Probe::new();
    probe.poll(0.0, &head(3, true));
    probe.poll(6.0, &Text::new(101..=106).dseq(5));
    let step = probe.poll(12.0, &Text::new(102..=107).dseq(5));
    assert!(matches!(step.dsn, DsnVerdict::Wrong { msn: 102, expected: 4, found: 5, n_segments: 4, .. }), "{step:?}");
}

#[test]
fn gv21_the_target_duration_changes() {
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(100..=105));
    let step = probe.poll(6.0, &Text::new(101..=106).td(8));
    assert_eq!(step.target_duration_changed, Some(Changed { before: 6, after: 8 }));
    assert_eq!(probe.poll(12.0, &Text::new(102..=107).td(8)).target_duration_changed, None);
}

#[test]
fn gv22_a_channel_starts_with_few_segments() {
    let mut probe = Probe::new();
    for n in 1..=3u64 {
        let step = probe.poll(6.0 * (n - 1) as f64, &Text::new(1..=n));
        quiet(&step);
        assert_eq!(step.since_epoch_start, secs(6.0 * (n - 1) as f64));
        assert_eq!(step.window, secs(6.0 * n as f64));
    }
}

#[test]
fn gv25_and_gv27_the_end_and_what_comes_after() {
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(100..=105));
    let step = probe.poll(6.0, &Text::new(101..=106).end());
    assert_eq!((step.end_list, step.freshness), (EndList::Appeared, Freshness::NotEvaluated));
    let step = probe.poll(66.0, &Text::new(101..=106).end());
    assert_eq!((step.end_list, step.freshness), (EndList::Present, Freshness::NotEvaluated));
    let step = probe.poll(126.0, &Text::new(102..=107));
    assert_eq!((step.end_list, step.classification.clone()), (EndList::Removed, advance(1)));
    assert_eq!(probe.poll(132.0, &Text::new(103..=108)).end_list, EndList::Absent);
    // The time before the end, from a cache, is an old copy and no removal.
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(100..=105));
    probe.poll(6.0, &Text::new(100..=105).end());
    let step = probe.poll(66.0, &Text::new(100..=105));
    assert!(step.stale_copy().is_some() && step.end_list == EndList::Present);
}

#[test]
fn gv28_and_gv29_steps_of_pdt() {
    let date = |ms: u32| format!("#EXT-X-PROGRAM-DATE-TIME:2026-11-22T09:00:{:02}.{:03}Z", ms / 1000, ms % 1000);
    for (second, tag, expected, same_dsn) in
        [(6040, "# none", 0.04, true), (7200, "# none", 1.2, true), (7200, "#EXT-X-DISCONTINUITY", 1.2, false)]
    {
        let mut probe = Probe::new();
        probe.poll(0.0, &Text::new(100..=100).tag(0, &date(0)));
        let step = probe.poll(6.0, &Text::new(100..=101).tag(0, &date(0)).tag(1, &date(second)).tag(1, tag));
        assert_eq!(step.pdt_steps, [PdtStep { msn: 101, step: secs(expected), same_dsn }]);
    }
}

#[test]
fn gv30_a_growing_window_is_clean() {
    let mut probe = Probe { snapshots: false, ..Probe::new() };
    for n in 0..300u64 {
        let step = probe.poll(6.0 * n as f64, &Text::new(100..=105 + n));
        quiet(&step);
        assert!(n == 0 || step.classification == advance(1));
    }
}

#[test]
fn gv32_a_removed_segment_knows_its_longest_window() {
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(100..=105));
    probe.poll(6.0, &Text::new(100..=106));
    probe.poll(12.0, &Text::new(101..=107));
    let step = probe.poll(18.0, &Text::new(107..=108));
    let removed = step.removed_segments.iter().find(|s| s.msn == 101).unwrap();
    assert_eq!((removed.longest_window, removed.first_seen_end), (secs(42.0), at(0.02)));
    assert_eq!(probe.tracker.record(101).unwrap().removed_at, Some(at(18.02)));
    // It is forgotten 600 s later.
    for n in 0..110u64 {
        probe.poll(24.0 + 6.0 * n as f64, &Text::new(108 + n..=113 + n));
    }
    assert!(probe.tracker.record(101).is_none());
    assert!(probe.tracker.records().count() < 130);
}

#[test]
fn gv33_the_head_comes_back() {
    let mut probe = Probe::new();
    probe.poll(0.0, &Text::new(101..=106));
    probe.poll(1.0, &Text::new(104..=106));
    let step = probe.poll(6.0, &Text::new(101..=107));
    quiet(&step);
    assert_eq!(step.classification, Classification::Advance { n_new: 1, head_came_back: true });
    assert_eq!(step.new_segments.iter().map(|s| s.msn).collect::<Vec<_>>(), [107]);
    // Below what was ever seen: first seen now, but not published now.
    let step = probe.poll(12.0, &Text::new(99..=108));
    let new: Vec<_> = step.new_segments.iter().map(|s| (s.msn, s.seen_late)).collect();
    assert_eq!(new, [(99, true), (100, true), (108, false)]);
}
