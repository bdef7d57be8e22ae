//! Golden vectors GV01 to GV35 of the catalogue, as far as they are facts of the tracker.

use ow_domain::{Span, Time};
use ow_hls::{MediaPlaylist, Playlist, Variables};

use super::HlsTracker;
use crate::step::*;
use crate::{BodyDigest, KeyRules, Observation, Outcome};

const URL: &str = "https://origin.example/live/vtv3/video/index.m3u8";

/// Builds playlists as text and reads them, as the validator does.
#[derive(Clone)]
pub(super) struct Text {
    pub td: u64,
    pub first: u64,
    pub dseq: Option<u64>,
    pub lines: Vec<String>,
    pub end: bool,
}

impl Text {
    /// Segments `<prefix><first + offset>.ts` of 6 s.
    pub fn new(msns: std::ops::RangeInclusive<u64>) -> Self {
        Self::named(msns, |msn| format!("s{msn}.ts"))
    }
    pub fn named(msns: std::ops::RangeInclusive<u64>, name: impl Fn(u64) -> String) -> Self {
        let first = *msns.start();
        let lines = msns.flat_map(|msn| ["#EXTINF:6.000,".to_owned(), name(msn)]).collect();
        Self { td: 6, first, dseq: None, lines, end: false }
    }
    /// Puts a tag before the EXTINF of the segment at `index` of the list.
    pub fn tag(mut self, index: usize, tag: &str) -> Self {
        let at = self.lines.iter().enumerate().filter(|(_, l)| l.starts_with("#EXTINF")).nth(index).unwrap().0;
        self.lines.insert(at, tag.to_owned());
        self
    }
    pub fn extinf(mut self, index: usize, text: &str) -> Self {
        let at = self.lines.iter().enumerate().filter(|(_, l)| l.starts_with("#EXTINF")).nth(index).unwrap().0;
        self.lines[at] = format!("#EXTINF:{text},");
        self
    }
    pub fn dseq(mut self, dseq: u64) -> Self {
        self.dseq = Some(dseq);
        self
    }
    pub fn td(mut self, td: u64) -> Self {
        self.td = td;
        self
    }
    pub fn end(mut self) -> Self {
        self.end = true;
        self
    }
    pub fn body(&self) -> String {
        let mut out = format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{}\n", self.td);
        out += &format!("#EXT-X-MEDIA-SEQUENCE:{}\n", self.first);
        if let Some(dseq) = self.dseq {
            out += &format!("#EXT-X-DISCONTINUITY-SEQUENCE:{dseq}\n");
        }
        for line in &self.lines {
            out += line;
            out.push('\n');
        }
        if self.end {
            out += "#EXT-X-ENDLIST\n";
        }
        out
    }
}

pub(super) fn read(body: &str) -> MediaPlaylist {
    match ow_hls::parse(body.as_bytes(), Variables::default()).0 {
        Playlist::Media(playlist) => *playlist,
        Playlist::Multivariant(_) => unreachable!("only media playlists are built here"),
    }
}

pub(super) fn at(seconds: f64) -> Time {
    Time::UNIX_EPOCH + Span::from_secs_f64(seconds)
}

pub(super) struct Probe {
    pub tracker: HlsTracker,
    /// Write and read the state after every step.
    pub snapshots: bool,
}

impl Probe {
    pub fn new() -> Self {
        Self { tracker: HlsTracker::new(KeyRules::default()), snapshots: true }
    }
    /// A response that takes 20 ms.
    pub fn poll(&mut self, t_req: f64, text: &Text) -> Step {
        self.poll_body(t_req, t_req + 0.02, &text.body(), None)
    }
    pub fn poll_body(&mut self, t_req: f64, t_end: f64, body: &str, age: Option<Span>) -> Step {
        let playlist = read(body);
        let outcome = Outcome::Ok { playlist: &playlist, digest: BodyDigest::of(body) };
        self.observe(t_req, t_end, age, outcome)
    }
    pub fn observe(&mut self, t_req: f64, t_end: f64, age: Option<Span>, outcome: Outcome<'_>) -> Step {
        let step = self.tracker.step(&Observation {
            t_req: at(t_req),
            t_end: at(t_end),
            clock_uncertainty: Span::from_millis(50),
            final_url: URL,
            age,
            outcome,
        });
        if self.snapshots {
            let text = serde_json::to_string(&self.tracker).unwrap();
            self.tracker = serde_json::from_str(&text).unwrap();
        }
        step
    }
}

fn secs(seconds: f64) -> Span {
    Span::from_secs_f64(seconds)
}

fn advance(n_new: u64) -> Classification {
    Classification::Advance { n_new, head_came_back: false }
}

fn quiet(step: &Step) {
    assert!(step.changes.is_empty() && step.regressed.is_none() && step.pdt_moved.is_none(), "{step:?}");
    assert!(!matches!(step.dsn, DsnVerdict::Wrong { .. }), "{step:?}");
}

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

fn restarted(msns: std::ops::RangeInclusive<u64>) -> Text {
    Text::named(msns, |msn| format!("new{msn}.ts"))
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
    let delta = Text::new(100..=105).tag(0, "#EXT-X-SKIP:SKIPPED-SEGMENTS=3");
    let step = probe.poll(12.0, &delta);
    assert!(step.wants_full_playlist && step.classification == Classification::Delta);
    let empty = Text { lines: Vec::new(), ..Text::new(100..=105) };
    assert_eq!(probe.poll(13.0, &empty).classification, Classification::Empty);
    let first = Probe::new().observe(0.0, 0.1, None, Outcome::NotModified);
    assert_eq!((first.classification, first.epoch), (Classification::Failed, 0));
}
