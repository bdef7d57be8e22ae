//! Periods, tracks and the segments that they describe.

use ow_dash::{
    Document, MAX_SEGMENTS, Mode, Mpd, Offset, Segment, Window, base_choices, parse, period_times, reload_url, tracks,
};

const URL: &str = "https://o.example/live/ch/manifest.mpd?s=1";

fn read(attributes: &str, inner: &str) -> Mpd {
    let body = format!(
        "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"p\" minBufferTime=\"PT2S\" {attributes}>{inner}</MPD>"
    );
    let Document::Mpd(mpd) = parse(body.as_bytes()).0 else { panic!("{body}") };
    *mpd
}

/// One Period with one Representation `v` of 1000 b/s.
fn one(attributes: &str, period: &str, addressing: &str) -> Mpd {
    let representation = "<Representation id=\"v\" bandwidth=\"1000\"/>";
    read(
        attributes,
        &format!("<Period id=\"p\" {period}><AdaptationSet>{addressing}{representation}</AdaptationSet></Period>"),
    )
}

fn window(from: i64, until: i64) -> Window {
    Window { from_us: Some(from), until_us: Some(until) }
}

fn segments(mpd: &Mpd, window: Window) -> Vec<Segment> {
    tracks(mpd, URL)[0].segments(window).collect()
}

/// (number, time, duration) of the segments.
fn list(mpd: &Mpd, window: Window) -> Vec<(u64, u64, u64)> {
    segments(mpd, window).into_iter().map(|s| (s.number, s.time, s.duration)).collect()
}

fn urls(mpd: &Mpd, window: Window) -> Vec<String> {
    let track = &tracks(mpd, URL)[0];
    let targets: Vec<_> = track.segments(window).map(|s| track.target(&s).unwrap()).collect();
    targets
        .into_iter()
        .map(|t| match t.byte_range {
            Some(range) => format!("{} {}-{}", t.url, range.first, range.last.map_or(String::new(), |l| l.to_string())),
            None => t.url,
        })
        .collect()
}

#[test]
fn periods_lie_where_the_standard_puts_them() {
    let check = |attributes: &str, periods: &str, expected: &[(Option<i64>, Option<i64>)]| {
        let mpd = read(attributes, periods);
        let found: Vec<_> = period_times(&mpd)
            .iter()
            .map(|t| (t.start_us.map(|s| s / 1_000_000), t.duration_us.map(|d| d / 1_000_000)))
            .collect();
        assert_eq!(found, expected, "{attributes} {periods}");
    };
    check("", "<Period/>", &[(Some(0), None)]);
    check("mediaPresentationDuration=\"PT9S\"", "<Period/>", &[(Some(0), Some(9))]);
    check(
        "mediaPresentationDuration=\"PT9S\"",
        "<Period duration=\"PT4S\"/><Period/>",
        &[(Some(0), Some(4)), (Some(4), Some(5))],
    );
    check("", "<Period/><Period start=\"PT3S\"/>", &[(Some(0), Some(3)), (Some(3), None)]);
    check("type=\"dynamic\"", "<Period/>", &[(None, None)]);
    check("type=\"dynamic\"", "<Period start=\"PT5S\"/><Period/>", &[(Some(5), None), (None, None)]);
    check(
        "type=\"dynamic\"",
        "<Period start=\"PT5S\" duration=\"PT2S\"/><Period/>",
        &[(Some(5), Some(2)), (Some(7), None)],
    );
    // Starts that go back.
    check("", "<Period start=\"PT5S\"/><Period start=\"PT3S\"/>", &[(Some(5), Some(0)), (Some(3), None)]);
}

#[test]
fn segments_of_a_duration_follow_the_window() {
    let template = "<SegmentTemplate timescale=\"1000\" duration=\"2000\" startNumber=\"10\" presentationTimeOffset=\"500\" media=\"$RepresentationID$-$Number%04d$-$Time$.m4s\" initialization=\"$RepresentationID$/$Bandwidth$.mp4\"/>";
    let live = one("type=\"dynamic\"", "start=\"PT100S\"", template);
    // Ends after `from`, starts before `until`.
    assert_eq!(list(&live, window(104_000_000, 108_000_000)), [(12, 4_500, 2_000), (13, 6_500, 2_000)]);
    assert_eq!(list(&live, window(103_999_999, 108_000_001)).len(), 4);
    assert_eq!(list(&live, window(0, 100_000_000)), []);
    assert_eq!(list(&live, window(0, 100_000_001)), [(10, 500, 2_000)]);
    let s = segments(&live, window(104_000_000, 106_000_000))[0];
    assert_eq!((s.start_us, s.end_us, s.sub_number), (104_000_000, 106_000_000, 0));
    assert_eq!(urls(&live, window(104_000_000, 106_000_000)), ["https://o.example/live/ch/v-0012-4500.m4s"]);
    let track = &tracks(&live, URL)[0];
    assert_eq!(track.initialization().unwrap().url, "https://o.example/live/ch/v/1000.mp4");
    // AST + PS + (k + 1) d - ATO.
    assert_eq!(track.available_at_us(&s, 7_000_000), Some(113_000_000));
    // Without an end and without a window the enumeration is bounded.
    assert_eq!(track.segments(Window::default()).count() as u64, MAX_SEGMENTS);
    // The last segment of a Period is cut by it and keeps its number.
    let vod = one("mediaPresentationDuration=\"PT5S\"", "", template);
    assert_eq!(list(&vod, Window::default()), [(10, 500, 2_000), (11, 2_500, 2_000), (12, 4_500, 2_000)]);
    let ended = one(
        "type=\"dynamic\"",
        "start=\"PT0S\"",
        &template.replace("startNumber=\"10\"", "startNumber=\"10\" endNumber=\"11\""),
    );
    assert_eq!(list(&ended, Window::default()).len(), 2);
    // An early available Period has no segments yet.
    assert_eq!(list(&one("type=\"dynamic\"", "", template), window(0, 1_000_000)), []);
}

#[test]
fn durations_that_are_no_whole_microseconds_stay_exact() {
    let template = "<SegmentTemplate timescale=\"30000\" duration=\"60060\" media=\"$Number$\"/>";
    let mpd = one("type=\"dynamic\"", "start=\"PT0S\"", template);
    // Ten years of 2.002 s segments: the last one starts at k x 60060 ticks exactly.
    let ten_years = 315_360_000_000_000;
    let found = segments(&mpd, window(ten_years, ten_years + 1));
    assert_eq!(found.len(), 1);
    let k = found[0].number - 1;
    assert_eq!(found[0].time, k * 60_060);
    assert_eq!(i128::from(found[0].start_us), i128::from(k) * 60_060 * 1_000_000 / 30_000);
    assert!(found[0].start_us <= ten_years && found[0].end_us > ten_years);
}

fn timeline(attributes: &str, entries: &str) -> String {
    format!(
        "<SegmentTemplate timescale=\"1000\" media=\"$Number$-$Time$-$SubNumber$\" {attributes}><SegmentTimeline>{entries}</SegmentTimeline></SegmentTemplate>"
    )
}

#[test]
fn timelines_are_expanded() {
    let check =
        |attributes: &str, period: &str, template: &str, entries: &str, w: Window, expected: &[(u64, u64, u64)]| {
            assert_eq!(list(&one(attributes, period, &timeline(template, entries)), w), expected, "{entries}");
        };
    let all = Window::default();
    let dynamic = "type=\"dynamic\"";
    let zero = "start=\"PT0S\"";
    check(
        dynamic,
        zero,
        "",
        "<S t=\"0\" d=\"2000\" r=\"1\"/><S d=\"1000\"/>",
        all,
        &[(1, 0, 2000), (2, 2000, 2000), (3, 4000, 1000)],
    );
    check(dynamic, zero, "startNumber=\"7\"", "<S t=\"5\" d=\"2\"/><S t=\"9\" d=\"2\"/>", all, &[(7, 5, 2), (8, 9, 2)]);
    // @n sets the number.
    check(
        dynamic,
        zero,
        "",
        "<S t=\"0\" d=\"2\"/><S d=\"2\" n=\"5\"/><S d=\"2\"/>",
        all,
        &[(1, 0, 2), (5, 2, 2), (6, 4, 2)],
    );
    // r below 0: up to the next @t, also when that is no whole number of segments.
    check(
        dynamic,
        zero,
        "",
        "<S t=\"0\" d=\"2000\" r=\"-1\"/><S t=\"5000\" d=\"1\"/>",
        all,
        &[(1, 0, 2000), (2, 2000, 2000), (3, 4000, 2000), (4, 5000, 1)],
    );
    // ... up to the end of the Period, counted from the presentation time offset,
    check(
        "mediaPresentationDuration=\"PT5S\"",
        "",
        "presentationTimeOffset=\"100\"",
        "<S t=\"100\" d=\"2000\" r=\"-1\"/>",
        all,
        &[(1, 100, 2000), (2, 2100, 2000), (3, 4100, 2000)],
    );
    // ... or, when that is open, up to the window,
    check(
        dynamic,
        zero,
        "",
        "<S t=\"0\" d=\"2000\" r=\"-1\"/>",
        window(3_000_000, 6_000_000),
        &[(2, 2000, 2000), (3, 4000, 2000)],
    );
    // ... and one, when the next entry does not say where it starts.
    check(dynamic, zero, "", "<S t=\"0\" d=\"2000\" r=\"-1\"/><S d=\"1\"/>", all, &[(1, 0, 2000), (2, 2000, 1)]);
    // Overlaps and gaps stay as they are written.
    check(
        dynamic,
        zero,
        "",
        "<S t=\"0\" d=\"2000\" r=\"1\"/><S t=\"3900\" d=\"5\"/><S t=\"9000\" d=\"5\"/>",
        all,
        &[(1, 0, 2000), (2, 2000, 2000), (3, 3900, 5), (4, 9000, 5)],
    );
    // A billion repetitions cost nothing outside of the window.
    check(
        dynamic,
        zero,
        "",
        "<S t=\"0\" d=\"1000\" r=\"1000000000\"/>",
        window(900_000_000_000_000, 900_000_001_000_000),
        &[(900_000_001, 900_000_000_000, 1000)],
    );
    check(dynamic, zero, "", "<S t=\"0\" d=\"0\" r=\"5\"/>", all, &[(1, 0, 0)]);
    check(
        dynamic,
        zero,
        "timescale2=\"\"",
        "<S t=\"18446744073709551615\" d=\"18446744073709551615\" r=\"9223372036854775807\"/>",
        all,
        &[],
    );
}

#[test]
fn segment_sequences_carry_sub_numbers() {
    let mpd = one("type=\"dynamic\"", "start=\"PT0S\"", &timeline("", "<S t=\"0\" d=\"3000\" k=\"3\" r=\"1\"/>"));
    let found: Vec<_> =
        segments(&mpd, Window::default()).iter().map(|s| (s.number, s.sub_number, s.time, s.duration)).collect();
    assert_eq!(found[..4], [(1, 1, 0, 1000), (1, 2, 1000, 1000), (1, 3, 2000, 1000), (2, 1, 3000, 1000)]);
    // The window cuts a sequence, too.
    assert_eq!(urls(&mpd, window(1_000_000, 2_000_000)), ["https://o.example/live/ch/1-1000-2"]);
}

#[test]
fn lists_single_resources_and_indexes() {
    let list_of = |attributes: &str| {
        format!(
            "<SegmentList {attributes}><Initialization sourceURL=\"i.mp4\" range=\"0-99\"/><SegmentURL media=\"a\" mediaRange=\"100-199\"/><SegmentURL media=\"b\"/><SegmentURL mediaRange=\"5-\"/></SegmentList>"
        )
    };
    let mpd = one("mediaPresentationDuration=\"PT5S\"", "", &list_of("duration=\"2\" startNumber=\"3\""));
    assert_eq!(list(&mpd, Window::default()), [(3, 0, 2), (4, 2, 2), (5, 4, 2)]);
    let base = "https://o.example/live/ch/";
    assert_eq!(urls(&mpd, Window::default()), [format!("{base}a 100-199"), format!("{base}b"), format!("{URL} 5-")]);
    assert_eq!(tracks(&mpd, URL)[0].initialization().unwrap().byte_range.unwrap().last, Some(99));
    assert_eq!(urls(&mpd, window(2_000_000, 4_000_000)), [format!("{base}b")]);
    // Several entries and no duration: nothing can be said.
    let mpd = one("", "", &list_of(""));
    assert_eq!((tracks(&mpd, URL)[0].mode, segments(&mpd, Window::default()).len()), (Mode::Unknown, 0));
    // A timeline over a list ends with the list.
    let list_timeline = list_of("timescale=\"1\"").replace(
        "<SegmentURL media=\"a\"",
        "<SegmentTimeline><S t=\"0\" d=\"2\" r=\"9\"/></SegmentTimeline><SegmentURL media=\"a\"",
    );
    let mpd = one("", "", &list_timeline);
    assert_eq!(urls(&mpd, Window::default()).len(), 3);

    let mpd = one(
        "mediaPresentationDuration=\"PT5.5S\"",
        "",
        "<BaseURL>all.mp4</BaseURL><SegmentBase timescale=\"10\" indexRange=\"700-899\"><Initialization range=\"0-699\"/></SegmentBase>",
    );
    let track = &tracks(&mpd, URL)[0];
    assert_eq!(track.mode, Mode::Single);
    assert_eq!(list(&mpd, Window::default()), [(1, 0, 55)]);
    assert_eq!(urls(&mpd, Window::default()), ["https://o.example/live/ch/all.mp4"]);
    assert_eq!(track.index().unwrap().byte_range.unwrap().first, 700);
    assert_eq!(track.initialization().unwrap().url, "https://o.example/live/ch/all.mp4");
}

#[test]
fn everything_is_inherited_one_by_one() {
    let mpd = read(
        "type=\"dynamic\"",
        "<BaseURL availabilityTimeOffset=\"1\">cdn/</BaseURL><BaseURL>other/</BaseURL>\
         <Location>https://o.example/next.mpd</Location>\
         <Period start=\"PT0S\"><BaseURL>p/</BaseURL><SegmentTemplate timescale=\"1000\" duration=\"4000\" startNumber=\"5\" initialization=\"i\" presentationTimeOffset=\"9\"/>\
         <AdaptationSet mimeType=\"video/mp4\" codecs=\"avc1.4d401f\" lang=\"vi\"><SegmentTemplate media=\"$Number$\" duration=\"2000\" availabilityTimeOffset=\"0.5\" availabilityTimeComplete=\"false\" eptDelta=\"-4\"/>\
         <Representation id=\"a\"><BaseURL>r/</BaseURL></Representation>\
         <Representation id=\"b\" codecs=\"hvc1.1.6.L93\"><BaseURL availabilityTimeOffset=\"INF\">https://x.example/</BaseURL><SegmentTemplate startNumber=\"0\"><SegmentTimeline><S t=\"0\" d=\"1\"/></SegmentTimeline></SegmentTemplate></Representation>\
         <Representation id=\"c\"><SegmentList duration=\"1\"><SegmentURL media=\"q\"/></SegmentList></Representation>\
         </AdaptationSet></Period>",
    );
    let all = tracks(&mpd, URL);
    let [a, b, c] = &all[..] else { panic!() };
    assert_eq!(
        (a.timescale, a.duration, a.start_number, a.presentation_time_offset, a.ept_delta),
        (1000, Some(2000), 5, 9, -4)
    );
    assert_eq!((a.availability_time_offset, a.availability_time_complete), (Offset::Micros(1_500_000), false));
    assert_eq!(a.base_url.as_deref(), Some("https://o.example/live/ch/cdn/p/r/"));
    assert_eq!((a.codecs(), a.lang(), a.content_type()), (Some("avc1.4d401f"), Some("vi"), Some("video")));
    assert_eq!(a.initialization().unwrap().url, "https://o.example/live/ch/cdn/p/r/i");
    // A timeline further in takes the place of a duration further out.
    assert_eq!((b.mode, b.duration, b.start_number), (Mode::Timeline, None, 0));
    assert_eq!((b.availability_time_offset, b.codecs()), (Offset::Infinite, Some("hvc1.1.6.L93")));
    assert_eq!(b.available_at_us(&Segment::default(), 0), None);
    assert_eq!(b.base_url.as_deref(), Some("https://x.example/"));
    // Another kind further in inherits nothing of the outer kind.
    assert_eq!((c.mode, c.timescale, c.media), (Mode::List, 1, None));
    assert_eq!(reload_url(&mpd, URL).as_deref(), Some("https://o.example/next.mpd"));
    let late = one(
        "",
        "",
        "<BaseURL xmlns:d=\"urn:dvb:dash:dash-extensions:2014-1\" d:priority=\"2\">u/</BaseURL><BaseURL>v/</BaseURL>",
    );
    assert_eq!(tracks(&late, URL)[0].base_url.as_deref(), Some("https://o.example/live/ch/v/"));
}

#[test]
fn all_bases_are_tried() {
    let check = |bases: &str, inner: &str, expected: (usize, usize), bad: Option<&str>| {
        let mpd = read(
            "",
            &format!(
                "{bases}<Period><AdaptationSet><Representation id=\"v\">{inner}</Representation></AdaptationSet></Period>"
            ),
        );
        let found = &base_choices(&mpd, URL)[0];
        assert_eq!((found.usable, found.total), expected, "{bases} {inner}");
        assert_eq!(found.first_bad.as_ref().map(|(_, text)| text.as_str()), bad);
    };
    check("", "", (1, 1), None);
    check(
        "<BaseURL>a/</BaseURL><BaseURL>https://b.example/</BaseURL>",
        "<BaseURL>c/</BaseURL><BaseURL>d/</BaseURL>",
        (4, 4),
        None,
    );
    check("<BaseURL>file:///x/</BaseURL><BaseURL>a/</BaseURL>", "", (1, 2), Some("file:///x/"));
    check("<BaseURL>http://</BaseURL>", "<BaseURL>c</BaseURL>", (0, 1), Some("http:///c"));
    let many = "<BaseURL>a/</BaseURL>".repeat(100);
    check(&many, &many, (64, 64), None);
}
