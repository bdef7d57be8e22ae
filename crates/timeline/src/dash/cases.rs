//! The tracker and the plan by tables; golden vectors of CHECKS 6.4 carry their number.

use ow_domain::{Span, Time};

use super::*;
use crate::PollFailure;

const URL: &str = "http://o.example/live/a/manifest.mpd";

fn at(ms: i64) -> Time {
    Time::from_unix_micros(1_800_000_000_000_000) + Span::from_millis(ms)
}

/// One video Representation `v` of a Period at 0, availability start at(0).
fn mpd(root: &str, template: &str) -> Presentation {
    read(root, template, 0)
}

fn read(root: &str, template: &str, now_ms: i64) -> Presentation {
    let text = format!(
        "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"dynamic\" availabilityStartTime=\"{}\" {root}>\
         <Period id=\"p\" start=\"PT0S\"><AdaptationSet contentType=\"video\"><SegmentTemplate {template}</SegmentTemplate>\
         <Representation id=\"v\" bandwidth=\"1000\"/></AdaptationSet></Period></MPD>",
        at(0)
    );
    let (document, _) = ow_dash::parse(text.as_bytes());
    Presentation::read(document.as_mpd().unwrap(), URL, at(now_ms))
}

/// A SegmentTimeline in milliseconds, `$Time$`.
fn timeline(entries: &str) -> String {
    format!(
        "timescale=\"1000\" media=\"$RepresentationID$-$Time$.m4s\" initialization=\"i.mp4\"><SegmentTimeline>{entries}</SegmentTimeline>"
    )
}

/// Segments of 2 s from `first` on, as many as said.
fn segments(first: u64, n: u64) -> String {
    timeline(&format!("<S t=\"{}\" d=\"2000\" r=\"{}\"/>", first * 2_000, n - 1))
}

fn computed(start: u64) -> String {
    format!(
        "timescale=\"1000\" duration=\"2000\" startNumber=\"{start}\" media=\"$Number%03d$.m4s\" initialization=\"i.mp4\">"
    )
}

#[test]
fn the_newest_computed_segment_follows_the_clock() {
    // GV66.
    for (ato, ms, newest) in [("", 10_000, Some(5)), ("", 9_999, Some(4)), ("1.5", 10_500, Some(6)), ("", 1_999, None)]
    {
        let ato = if ato.is_empty() { String::new() } else { format!("availabilityTimeOffset=\"{ato}\" ") };
        let presentation = mpd("", &format!("{ato}{}", computed(1)));
        let (period, track) = presentation.tracks().next().unwrap();
        let k = track.newest_computed(presentation.ast, period, at(ms));
        assert_eq!(k.map(|k| track.computed(k).unwrap().number), newest, "{ato} {ms}");
    }
    let presentation = mpd("", &computed(7));
    let (_, track) = presentation.tracks().next().unwrap();
    let segment = track.computed(3).unwrap();
    assert_eq!((segment.number, segment.time), (10, 6_000));
    assert_eq!(track.resource(&segment).unwrap().url, "http://o.example/live/a/010.m4s");
    assert_eq!(track.track.id.as_str(), "video");
}

#[test]
fn lists_are_expanded() {
    let starts = |entries: &str, now_ms| {
        let presentation = read("", &timeline(entries), now_ms);
        let (_, track) = presentation.tracks().next().unwrap();
        track.listed().iter().map(|s| s.time).collect::<Vec<_>>()
    };
    // GV72, GV73.
    assert_eq!(starts("<S t=\"0\" d=\"2000\" r=\"-1\"/><S t=\"8000\" d=\"2000\"/>", 0), [0, 2000, 4000, 6000, 8000]);
    assert_eq!(starts("<S t=\"0\" d=\"2000\" r=\"-1\"/>", 9_000), [0, 2000, 4000, 6000]);
    let presentation = mpd("", &segments(3, 4));
    let (period, track) = presentation.tracks().next().unwrap();
    let newest = track.newest_listed().unwrap();
    assert_eq!((newest.time, track.nominal()), (12_000, Some(Span::from_secs(2))));
    assert_eq!(track.available_at(presentation.ast, period, newest.end()), Some(at(14_000)));
    assert_eq!(track.resource(&newest).unwrap().url, "http://o.example/live/a/v-12000.m4s");
}

// ---- Tracker ----

struct Polls {
    tracker: DashTracker,
    ms: i64,
}

impl Polls {
    fn new() -> Self {
        Self { tracker: DashTracker::default(), ms: 0 }
    }
    fn poll(&mut self, presentation: &Presentation) -> DashStep {
        self.ms += 2_000;
        self.outcome(DashOutcome::Ok(presentation))
    }
    fn outcome(&mut self, outcome: DashOutcome<'_>) -> DashStep {
        let (t_req, t_end) = (at(self.ms), at(self.ms + 20));
        let step = self.tracker.step(&DashObservation { t_req, t_end, age: None, outcome });
        // A snapshot in between changes nothing.
        let text = serde_json::to_string(&self.tracker).unwrap();
        assert_eq!(serde_json::from_str::<DashTracker>(&text).unwrap(), self.tracker);
        step
    }
}

fn published(ms: i64) -> String {
    format!("publishTime=\"{}\"", at(ms))
}

#[test]
fn versions_are_told_apart() {
    let mut polls = Polls::new();
    let old = mpd(&published(0), &segments(0, 5));
    assert_eq!(polls.poll(&old).class, DashClass::First);
    assert_eq!(polls.poll(&old).class, DashClass::Unchanged);
    let new = mpd(&published(2_000), &segments(1, 5));
    let step = polls.poll(&new);
    assert_eq!((step.class, step.publish, step.content_changed), (DashClass::Updated, Publish::Newer, Some(true)));
    // GV77: an old copy leaves the state alone.
    let step = polls.poll(&old);
    let regressed = Publish::Regressed { before: at(2_000), after: at(0), known_body: true };
    assert_eq!((step.class, step.publish, step.tracks.len()), (DashClass::StaleCopy, regressed, 0));
    // Another body that is behind is an old copy as well; one that goes on is a new version with a wrong date.
    let step = polls.poll(&mpd(&published(1_000), &segments(0, 5).replace("v-", "w-")));
    assert_eq!(step.class, DashClass::StaleCopy);
    let step = polls.poll(&mpd(&published(1_000), &segments(2, 5)));
    assert!(matches!(step.publish, Publish::Regressed { known_body: false, .. }));
    assert_eq!(step.class, DashClass::Updated);
    assert_eq!(polls.outcome(DashOutcome::Failed).class, DashClass::Failed);
    let early = DashObservation { t_req: at(0), t_end: at(1), age: None, outcome: DashOutcome::Ok(&new) };
    assert_eq!(polls.tracker.step(&early).class, DashClass::OutOfOrder);
}

#[test]
fn content_is_the_same_whatever_was_asked() {
    let one = mpd("", &segments(0, 5));
    let text = |url: &str, ms: i64| {
        let text = format!(
            "<MPD type=\"dynamic\" publishTime=\"{}\"><Period id=\"p\" start=\"PT0S\"><AdaptationSet contentType=\"video\">\
             <SegmentTemplate {}</SegmentTemplate><Representation id=\"v\"/></AdaptationSet></Period>\
             <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:direct:2014\" value=\"{}\"/></MPD>",
            at(ms),
            segments(0, 5),
            at(ms)
        );
        let (document, _) = ow_dash::parse(text.as_bytes());
        Presentation::read(document.as_mpd().unwrap(), url, at(ms)).content_digest()
    };
    assert_eq!(text("http://a.example/m.mpd?token=1", 0), text("http://b.example/x/m.mpd?token=2", 5_000));
    assert_ne!(one.content_digest(), mpd("", &segments(1, 5)).content_digest());
    assert_ne!(one.content_digest(), mpd("minimumUpdatePeriod=\"PT2S\"", &segments(0, 5)).content_digest());
}

#[test]
fn another_start_is_accepted_when_it_stays() {
    let mut polls = Polls::new();
    let first = mpd("", &segments(0, 5));
    let moved = |first| Presentation { ast: Some(at(1_000)), ..mpd("", &segments(first, 5)) };
    polls.poll(&first);
    let step = polls.poll(&moved(1));
    assert_eq!((step.class, step.epoch), (DashClass::EpochCandidate, 1));
    assert_eq!(step.ast_changed, Some((Some(at(0)), Some(at(1_000)))));
    let step = polls.poll(&moved(2));
    assert_eq!((step.class, step.epoch), (DashClass::EpochChanged, 2));
    let step = polls.poll(&moved(3));
    assert_eq!((step.class, step.ast_changed), (DashClass::Updated, None));
    // Without a start it is no other start.
    assert_eq!(polls.poll(&Presentation { ast: None, ..moved(4) }).ast_changed, None);
    assert_eq!(polls.poll(&moved(5)).ast_changed, None);
}

#[test]
fn ages_are_lower_bounds() {
    let mut polls = Polls::new();
    let list = mpd("", &segments(0, 5));
    assert!(polls.poll(&list).tracks[0].age.unwrap().grew);
    let age = polls.poll(&list).tracks[0].age.unwrap();
    assert_eq!((age.grew, age.age), (false, Span::from_millis(1_980)));
    polls.ms += 2_000;
    let age = polls.outcome(DashOutcome::NotModified(&list)).tracks[0].age.unwrap();
    assert_eq!((age.age, age.first_seen_end), (Span::from_millis(3_980), at(2_020)));
    let step = polls.poll(&mpd("", &segments(1, 5)));
    assert!(step.tracks[0].age.unwrap().grew);
    assert_eq!(step.tracks[0].edge_at, Some(at(12_000)));
}

#[test]
fn what_must_not_change_is_compared() {
    let check = |before: &str, after: &str, rewritten: bool, mapping: bool| {
        let mut polls = Polls::new();
        polls.poll(&mpd("", before));
        let step = polls.poll(&mpd("", after));
        let track = &step.tracks[0];
        assert_eq!((track.rewritten.is_some(), track.mapping.is_some()), (rewritten, mapping), "{before}\n{after}");
    };
    // GV84.
    check(
        &timeline("<S t=\"0\" d=\"2000\" r=\"4\"/>"),
        &timeline("<S t=\"0\" d=\"2000\" r=\"1\"/><S d=\"2000\" r=\"2\"/>"),
        false,
        false,
    );
    check(&segments(0, 5), &timeline("<S t=\"0\" d=\"2000\" r=\"2\"/><S t=\"6000\" d=\"1900\"/>"), true, false);
    check(&segments(0, 5), &timeline("<S t=\"500\" d=\"2000\" r=\"4\"/>"), true, false);
    // A segment that was lost and is listed later is no rewrite, nor is a longer window.
    check(
        &timeline("<S t=\"0\" d=\"2000\"/><S t=\"4000\" d=\"2000\"/>"),
        &timeline("<S t=\"0\" d=\"2000\" r=\"3\"/>"),
        false,
        false,
    );
    check(&segments(3, 5), &segments(0, 9), false, false);
    // GV74.
    let numbered = |first: u64, start: u64| {
        segments(first, 5).replace("$Time$.m4s\"", &format!("$Number$.m4s\" startNumber=\"{start}\""))
    };
    check(&numbered(10, 10), &numbered(12, 12), false, false);
    check(&numbered(10, 10), &numbered(12, 11), false, true);
    check(&computed(1), &computed(1), false, false);
    check(&computed(1), &computed(2), false, true);
}

#[test]
fn periods_must_not_move() {
    let mut polls = Polls::new();
    polls.poll(&mpd("", &segments(0, 5)));
    let mut moved = mpd("", &segments(1, 5).replace("timescale=", "presentationTimeOffset=\"5\" timescale="));
    moved.periods[0].start = Some(Span::from_secs(1));
    let fields: Vec<PeriodField> = polls.poll(&moved).period_changes.iter().map(|c| c.field).collect();
    assert_eq!(fields, [PeriodField::Start, PeriodField::PresentationTimeOffset]);
    assert!(polls.poll(&moved).period_changes.is_empty());
}

#[test]
fn what_is_remembered_stays_bounded() {
    let mut polls = Polls::new();
    for n in 0..300 {
        let entries: String =
            (0..100).map(|i| format!("<S t=\"{}\" d=\"{}\"/>", (n * 50 + i) * 3_000, 2_000 + i % 7)).collect();
        polls.poll(&mpd(&published(n as i64), &timeline(&entries)));
    }
    let size = serde_json::to_string(&polls.tracker).unwrap().len();
    assert!(size < 40_000, "{size}");
}

// ---- Plan ----

fn plan() -> DashPlan {
    let mut settings = DashSettings::default();
    settings.cadence.phase_spread = Span::ZERO;
    DashPlan::new("vtv3", at(0), settings)
}

fn answer(ms: i64) -> DashAnswer {
    DashAnswer { t_req: at(ms), t_end: at(ms + 20) }
}

/// Takes what is due up to `ms`: milliseconds, number of segment, why.
fn run(plan: &mut DashPlan, from_ms: i64, to_ms: i64) -> Vec<(i64, u64, SegmentWhy)> {
    let mut out = Vec::new();
    let mut now = at(from_ms);
    while let Some(next) = plan.next_wakeup().filter(|next| *next <= at(to_ms)) {
        now = now.max(next);
        let due = plan.take_due(now);
        assert!(!due.mpd, "the MPD is not answered here");
        out.extend(due.segments.iter().map(|s| ((now - at(0)).micros() / 1_000, s.number, s.why)));
    }
    out
}

#[test]
fn mpds_are_reloaded_by_their_period() {
    let check = |root: &str, template: &str, changed_ms: i64, same_ms: i64| {
        let mut plan = plan();
        assert!(plan.take_due(at(0)).mpd);
        let wait = |plan: &DashPlan, from: i64| (plan.mpd_due() - at(from)).micros() / 1_000;
        plan.on_mpd(answer(100_000), mpd(root, template));
        let first = wait(&plan, 100_000);
        assert!((changed_ms..=changed_ms + changed_ms / 10).contains(&first), "{root}: {first}");
        plan.on_unchanged(answer(200_000));
        let same = wait(&plan, 200_000);
        assert!((same_ms..=same_ms + same_ms / 10).contains(&same), "{root}: {same}");
    };
    check("minimumUpdatePeriod=\"PT6S\"", &segments(0, 3), 6_000, 6_000);
    check("minimumUpdatePeriod=\"PT0.1S\"", &segments(0, 3), 1_000, 1_000);
    check("minimumUpdatePeriod=\"PT1H\"", &segments(0, 3), 60_000, 60_000);
    check("minimumUpdatePeriod=\"PT0S\"", &segments(0, 3), 2_000, 1_000);
    check("minimumUpdatePeriod=\"PT0S\"", &computed(0), 30_000, 30_000);
    check("", &segments(0, 3), 60_000, 60_000);
}

#[test]
fn failures_back_off_and_location_is_left() {
    let mut plan = plan();
    plan.take_due(at(0));
    let mut presentation = mpd("minimumUpdatePeriod=\"PT2S\"", &segments(0, 3));
    presentation.location = Some("http://other.example/m.mpd".into());
    plan.on_mpd(answer(0), presentation);
    let due = plan.take_due(at(2_500));
    assert_eq!((due.mpd, due.location.as_deref()), (true, Some("http://other.example/m.mpd")));
    for (n, wait) in [1_000, 2_000, 2_000, 4_000, 8_000].into_iter().enumerate() {
        let t = 10_000 * (n as i64 + 1);
        plan.on_failure(PollFailure { t_req: at(t), t_end: at(t), gone: true, retry_after: None });
        let waited = (plan.mpd_due() - at(t)).micros() / 1_000;
        assert!((wait..=wait + wait / 10).contains(&waited), "{n}: {waited}");
        assert_eq!(plan.take_due(at(t + 9_000)).location, None, "the entry is asked again");
    }
}

#[test]
fn listed_segments_are_planned_once() {
    use SegmentWhy::{FirstSight, New, Oldest};
    let mut plan = plan();
    plan.take_due(at(0));
    // At 12 s the segments 1 to 5 are over.
    plan.on_mpd(answer(12_000), mpd("minimumUpdatePeriod=\"PT60S\"", &segments(1, 5)));
    assert_eq!(run(&mut plan, 12_020, 20_000), [(12_020, 1, Oldest), (12_100, 5, FirstSight)]);
    // The same again, then two more of which one is not over yet: it is asked for 100 ms after its end.
    plan.on_mpd(answer(20_000), mpd("minimumUpdatePeriod=\"PT60S\"", &segments(1, 5)));
    assert_eq!(run(&mut plan, 20_020, 30_000), []);
    plan.on_mpd(answer(13_000), mpd("minimumUpdatePeriod=\"PT60S\"", &segments(1, 7)));
    assert_eq!(run(&mut plan, 13_020, 30_000), [(14_100, 6, New), (16_100, 7, New)]);
    // An old copy brings nothing, a restarted list is followed when it stays.
    let old = mpd("minimumUpdatePeriod=\"PT60S\"", &timeline("<S t=\"0\" d=\"2000\"/>"));
    for ms in [17_000, 18_000] {
        plan.on_mpd(answer(ms), old.clone());
        assert_eq!(run(&mut plan, ms + 20, ms + 900), []);
    }
    plan.on_mpd(answer(19_000), old);
    assert_eq!(run(&mut plan, 19_020, 19_900).len(), 1);
}

#[test]
fn computed_segments_come_at_their_time() {
    let mut plan = plan();
    plan.take_due(at(0));
    plan.on_mpd(answer(11_000), mpd("minimumUpdatePeriod=\"PT1H\" timeShiftBufferDepth=\"PT8S\"", &computed(0)));
    let found = run(&mut plan, 11_020, 20_000);
    let new: Vec<(i64, u64)> = found.iter().filter(|f| f.2 != SegmentWhy::Oldest).map(|f| (f.0, f.1)).collect();
    assert_eq!(new, [(11_020, 4), (12_100, 5), (14_100, 6), (16_100, 7), (18_100, 8)]);
    // The window begins 8 s back; the first segment that ends a duration later is looked at as well.
    let oldest: Vec<u64> = found.iter().filter(|f| f.2 == SegmentWhy::Oldest).map(|f| f.1).collect();
    assert_eq!(oldest, [3]);
}

#[test]
fn the_time_source_moves_availability_when_it_must() {
    let with = |ms: i64| {
        let mut presentation = mpd("minimumUpdatePeriod=\"PT1H\"", &computed(0));
        presentation.time_sources = vec![TimeSource::Direct(at(ms))];
        presentation
    };
    for (said_ms, offset_ms) in [(11_010, 0), (11_100, 0), (13_020, 2_000), (8_000, -3_000)] {
        let mut plan = plan();
        plan.take_due(at(0));
        plan.on_mpd(answer(11_000), with(said_ms));
        assert_eq!(plan.clock_offset(), Span::from_millis(offset_ms), "{said_ms}");
        // Segment 6 of the source's clock.
        let found = run(&mut plan, 11_020, 30_000);
        let sixth = found.iter().find(|f| f.1 == 6).unwrap();
        assert_eq!(sixth.0, (14_100 - offset_ms).max(11_020));
    }
    // A Date has whole seconds: what it may mean corrects as little as possible.
    let mut plan = plan();
    plan.on_time(answer(0), Some((at(-700), at(300))));
    assert_eq!(plan.clock_offset(), Span::ZERO);
    plan.on_time(answer(0), Some((at(5_000), at(6_000))));
    assert_eq!(plan.clock_offset(), Span::from_millis(4_980));
    plan.on_time(answer(0), None);
    assert_eq!(plan.clock_offset(), Span::from_millis(4_980), "a failure changes nothing");
}

#[test]
fn an_early_segment_is_asked_for_by_the_ladder() {
    let (from, d) = (at(0), Span::from_secs(4));
    let mut t = at(100);
    let mut tries = vec![100];
    while let Some(next) = early_retry(from, d, t) {
        t = next;
        tries.push((t - from).micros() / 1_000);
    }
    assert_eq!(tries[..4], [100, 350, 600, 850]);
    assert_eq!(tries[8..10], [2_100, 3_100]);
    assert_eq!(tries.last(), Some(&11_100));
}

proptest::proptest! {
    #[test]
    fn any_lists_keep_plan_and_tracker_sane(
        polls in proptest::collection::vec((0u64..60, 1u64..20, 0u64..5_000, 0i64..30_000), 1..40),
    ) {
        let mut plan = plan();
        let mut polled = Polls::new();
        let mut ms = 0;
        for (first, n, d, pause) in polls {
            ms += pause;
            let entries = format!("<S t=\"{}\" d=\"{d}\" r=\"{}\"/>", first * 2_000, n as i64 - 1);
            let presentation = read("minimumUpdatePeriod=\"PT2S\"", &timeline(&entries), ms);
            polled.ms = ms;
            polled.poll(&presentation);
            let due = plan.take_due(at(ms));
            proptest::prop_assert!(due.segments.len() <= 512);
            plan.on_mpd(answer(ms), presentation);
            proptest::prop_assert!(plan.mpd_due() >= at(ms + 1_000) && plan.mpd_due() <= at(ms + 66_000));
        }
    }
}
