//! Generated MPDs, and a run through everything that a document can reach.

#![allow(dead_code, reason = "each test uses its part")]

use ow_dash::{
    Document, MAX_ISSUES, MAX_SEGMENTS, Mode, Offset, Window, base_choices, diff, parse, reload_url, tracks, write,
};
use proptest::prelude::*;

/// Pieces that the reader knows.
pub const WORDS: &[&str] = &[
    "type=\"dynamic\" ",
    "availabilityStartTime=\"2026-01-01T00:00:00Z\" ",
    "minimumUpdatePeriod=\"PT2S\" ",
    "mediaPresentationDuration=\"PT1H\" ",
    ">",
    "/>",
    "<Period ",
    "start=\"PT0S\" ",
    "duration=\"PT10S\" ",
    "</Period>",
    "<AdaptationSet ",
    "</AdaptationSet>",
    "<Representation id=\"a\" bandwidth=\"1\" ",
    "</Representation>",
    "<SegmentTemplate media=\"$Time$\" ",
    "<SegmentTemplate media=\"$Number%05d$\" duration=\"2\" ",
    "timescale=\"90000\" ",
    "timescale=\"0\" ",
    "presentationTimeOffset=\"18446744073709551615\" ",
    "startNumber=\"18446744073709551615\" ",
    "</SegmentTemplate>",
    "<SegmentTimeline>",
    "</SegmentTimeline>",
    "<S t=\"0\" d=\"1\" r=\"-1\"/>",
    "<S d=\"18446744073709551615\" r=\"9223372036854775807\"/>",
    "<S t=\"5\" d=\"3\" r=\"4\" k=\"3\"/>",
    "<SegmentList duration=\"1\"><SegmentURL media=\"a\"/></SegmentList>",
    "<SegmentBase indexRange=\"1-2\"/>",
    "<BaseURL availabilityTimeOffset=\"INF\">a/</BaseURL>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?x ?>",
    "<!DOCTYPE x>",
    "&amp;",
    "&x;",
    "</MPD>",
    "xmlns:a=\"b\" ",
    "a:c=\"d\" ",
];

/// Reads the body and asks everything of it; asserts the bounds.
pub fn exercise(body: &[u8]) {
    let (document, issues) = parse(body);
    assert!(issues.len() <= MAX_ISSUES);
    for issue in &issues {
        assert!(issue.at.offset as usize <= body.len() * 3 + 3 && !issue.to_string().contains('\n'));
    }
    let Document::Mpd(mpd) = document else { return };
    let url = "https://o.example/a/b.mpd";
    let _ = (reload_url(&mpd, url), base_choices(&mpd, url));
    for track in tracks(&mpd, url).iter().take(12) {
        let _ = (track.initialization(), track.index(), track.content_type(), track.lang());
        for window in [
            Window::default(),
            Window { from_us: Some(1_000_000), until_us: Some(60_000_000) },
            Window { from_us: Some(i64::MIN), until_us: Some(i64::MAX) },
            Window { from_us: Some(i64::MAX), until_us: Some(i64::MIN) },
        ] {
            let mut n = 0;
            for segment in track.segments(window).take(24) {
                n += 1;
                assert!(segment.end_us >= segment.start_us, "{segment:?}");
                if let (Some(from), true) = (window.from_us, segment.duration > 0) {
                    assert!(segment.end_us >= from, "{segment:?} ends before {from}");
                }
                assert!(window.until_us.is_none_or(|until| segment.start_us <= until), "{segment:?}");
                let _ = (track.target(&segment), track.available_at_us(&segment, 0));
            }
            assert!(n <= MAX_SEGMENTS && (track.mode != Mode::Unknown || n == 0));
        }
        assert!(
            track.availability_time_offset != Offset::Infinite
                || track.available_at_us(&Default::default(), 0).is_none()
        );
    }
    let again = parse(write(&mpd).as_bytes()).0;
    // Expanding a hundred thousand segments each time would leave no time for other documents.
    let few = tracks(&mpd, url).iter().take(12).all(|t| t.segments(Window::default()).take(201).count() <= 200);
    if let Some(again) = again.as_mpd().filter(|_| few) {
        let _ = diff(&mpd, again);
    }
}

fn maybe(name: &'static str, value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::option::of(value).prop_map(move |v| v.map_or(String::new(), |v| format!(" {name}=\"{v}\"")))
}

fn duration() -> impl Strategy<Value = String> {
    (0u64..100_000_000).prop_map(|us| format!("PT{}.{:06}S", us / 1_000_000, us % 1_000_000))
}

fn number(max: u64) -> impl Strategy<Value = String> {
    (1..max).prop_map(|n| n.to_string())
}

fn date() -> impl Strategy<Value = String> {
    (0u64..86_400_000, 1u32..28).prop_map(|(ms, day)| {
        format!(
            "2026-11-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            ms / 3_600_000,
            ms / 60_000 % 60,
            ms / 1_000 % 60,
            ms % 1_000
        )
    })
}

fn descriptor(name: &'static str) -> impl Strategy<Value = String> {
    ("[a-z:]{1,12}", maybe("value", "[a-z &;<]{0,6}".prop_map(|v| v.replace('&', "&amp;").replace('<', "&lt;"))))
        .prop_map(move |(scheme, value)| format!("<{name} schemeIdUri=\"{scheme}\"{value}/>"))
}

fn list(of: impl Strategy<Value = String>, max: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(of, 0..max).prop_map(|parts| parts.concat())
}

fn entry() -> impl Strategy<Value = String> {
    (
        maybe("t", number(1 << 40)),
        1u64..1 << 30,
        maybe("r", (-1i64..9).prop_map(|r| r.to_string())),
        maybe("k", number(4)),
    )
        .prop_map(|(t, d, r, k)| format!("<S{t} d=\"{d}\"{r}{k}/>"))
}

fn base_url() -> impl Strategy<Value = String> {
    let offset =
        prop_oneof![Just("INF".to_owned()), (0u32..9_000).prop_map(|ms| format!("{}.{:03}", ms / 1_000, ms % 1_000))];
    (maybe("availabilityTimeOffset", offset), maybe("serviceLocation", "[a-c]"), "(https://[a-z]{1,5}/)?[a-z]{1,5}/")
        .prop_map(|(offset, location, url)| format!("<BaseURL{offset}{location}>{url}</BaseURL>"))
}

fn addressing() -> impl Strategy<Value = String> {
    let common = (
        maybe("timescale", number(100_000)),
        maybe("presentationTimeOffset", number(1 << 40)),
        maybe("startNumber", number(1 << 40)),
        maybe("eptDelta", (-99i64..99).prop_map(|n| n.to_string())),
        maybe("initialization", Just("$RepresentationID$/i.mp4".to_owned())),
    )
        .prop_map(|(a, b, c, d, e)| format!("{a}{b}{c}{d}{e}"))
        .boxed();
    prop_oneof![
        Just(String::new()),
        (common.clone(), list(entry(), 6)).prop_map(|(a, s)| format!(
            "<SegmentTemplate media=\"$RepresentationID$/$Time%08d$\"{a}><SegmentTimeline>{s}</SegmentTimeline></SegmentTemplate>"
        )),
        (common.clone(), 1u64..1 << 20).prop_map(|(a, d)| format!("<SegmentTemplate media=\"$Number$\" duration=\"{d}\"{a}/>")),
        (common, 1u64..99, 1u64..9).prop_map(|(a, d, n)| {
            let urls: String = (0..n).map(|i| format!("<SegmentURL media=\"s{i}\" mediaRange=\"{i}-{}\"/>", i * 2)).collect();
            format!("<SegmentList duration=\"{d}\"{a}><Initialization range=\"0-9\"/>{urls}</SegmentList>")
        }),
        Just("<SegmentBase indexRange=\"100-200\"><Initialization range=\"0-99\"/></SegmentBase>".to_owned()),
    ]
}

fn common_attributes() -> impl Strategy<Value = String> {
    (
        maybe(
            "mimeType",
            prop::sample::select(vec!["video/mp4", "audio/mp4", "application/mp4"]).prop_map(str::to_owned),
        ),
        maybe("codecs", prop::sample::select(vec!["avc1.64001f", "mp4a.40.2", "stpp"]).prop_map(str::to_owned)),
        maybe("width", number(8_000)),
        maybe("height", number(8_000)),
        maybe("frameRate", (1u32..99, 1u32..9).prop_map(|(n, d)| format!("{n}/{d}"))),
        maybe("startWithSAP", number(3)),
    )
        .prop_map(|(a, b, c, d, e, f)| format!("{a}{b}{c}{d}{e}{f}"))
}

fn common_children() -> impl Strategy<Value = String> {
    let protection = "[0-9a-f]{8}".prop_map(|kid| {
        format!("<ContentProtection schemeIdUri=\"urn:x\" cenc:default_KID=\"{kid}-0000-0000-0000-000000000000\"><cenc:pssh>AAAA</cenc:pssh></ContentProtection>")
    });
    (list(protection, 2), list(descriptor("EssentialProperty"), 2), list(descriptor("InbandEventStream"), 2))
        .prop_map(|(a, b, c)| format!("{a}{b}{c}"))
}

fn representation() -> impl Strategy<Value = String> {
    ("[a-z]{1,4}", number(9_000_000), common_attributes(), common_children(), list(base_url(), 2), addressing()).prop_map(
        |(id, bandwidth, attributes, children, urls, addressing)| {
            format!("<Representation id=\"{id}\" bandwidth=\"{bandwidth}\"{attributes}>{children}{urls}{addressing}</Representation>")
        },
    )
}

fn adaptation_set() -> impl Strategy<Value = String> {
    (
        (maybe("id", number(9)), maybe("lang", "[a-z]{2}"), common_attributes()),
        common_children(),
        list(descriptor("Role"), 2),
        list(base_url(), 2),
        addressing(),
        list(representation(), 4),
    )
        .prop_map(|((id, lang, attributes), children, roles, urls, addressing, representations)| {
            format!("<AdaptationSet{id}{lang}{attributes}>{children}{roles}{urls}{addressing}{representations}</AdaptationSet>")
        })
}

fn period() -> impl Strategy<Value = String> {
    let event = (number(999), number(99)).prop_map(|(t, d)| {
        format!("<EventStream schemeIdUri=\"urn:e\" timescale=\"1000\"><Event presentationTime=\"{t}\" duration=\"{d}\"><e:x xmlns:e=\"urn:e\">1</e:x></Event></EventStream>")
    });
    (
        maybe("id", "[a-z]{1,3}"),
        maybe("start", duration()),
        maybe("duration", duration()),
        list(event, 2),
        addressing(),
        list(adaptation_set(), 4),
    )
        .prop_map(|(id, start, length, events, addressing, sets)| {
            format!("<Period{id}{start}{length}>{addressing}{events}{sets}</Period>")
        })
}

/// Well-formed MPDs with most of what the reader knows; they break some rules.
pub fn any_mpd() -> impl Strategy<Value = String> {
    let dates =
        (maybe("availabilityStartTime", date()), maybe("publishTime", date())).prop_map(|(a, b)| format!("{a}{b}"));
    let durations = (
        maybe("mediaPresentationDuration", duration()),
        maybe("minimumUpdatePeriod", duration()),
        maybe("timeShiftBufferDepth", duration()),
        maybe("suggestedPresentationDelay", duration()),
        maybe("maxSegmentDuration", duration()),
    )
        .prop_map(|(a, b, c, d, e)| format!("{a}{b}{c}{d}{e}"));
    (any::<bool>(), dates, durations, list(base_url(), 3), list(period(), 4), list(descriptor("UTCTiming"), 2)).prop_map(
        |(dynamic, dates, durations, urls, periods, clocks)| {
            let kind = if dynamic { "dynamic" } else { "static" };
            format!(
                "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" xmlns:cenc=\"urn:mpeg:cenc:2013\" profiles=\"p\" minBufferTime=\"PT1S\" \
                 type=\"{kind}\"{dates}{durations}>{urls}{periods}{clocks}</MPD>"
            )
        },
    )
}
