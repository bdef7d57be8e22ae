//! What changed, as people say it.

use ow_dash::{Mpd, diff, parse};

fn read(attributes: &str, set: &str, entries: &str, more: &str) -> Mpd {
    let body = format!(
        "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"p\" minBufferTime=\"PT2S\" type=\"dynamic\" {attributes}>\
         <Period id=\"p1\" start=\"PT0S\"><AdaptationSet {set}><SegmentTemplate timescale=\"1000\" media=\"$Time$\" startNumber=\"10\">\
         <SegmentTimeline>{entries}</SegmentTimeline></SegmentTemplate><Representation id=\"v\" bandwidth=\"5\"/></AdaptationSet></Period>{more}</MPD>"
    );
    parse(body.as_bytes()).0.as_mpd().unwrap().clone()
}

fn check(before: &Mpd, after: &Mpd, expected: &[&str]) {
    let found: Vec<String> = diff(before, after).iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

const S: &str = "<S t=\"0\" d=\"2000\" r=\"4\"/>";

#[test]
fn another_spelling_is_no_change() {
    let a = read("publishTime=\"2026-01-01T00:00:00Z\"", "", S, "");
    let b = read(
        "publishTime=\"2026-01-01T07:00:00+07:00\"",
        "",
        "<S t=\"0\" d=\"2000\"/><S d=\"2000\" r=\"1\"/>\n<S t=\"6000\" d=\"2000\" r=\"1\"/>",
        "",
    );
    check(&a, &b, &[]);
    check(&a, &a, &[]);
}

#[test]
fn a_window_that_moves_on() {
    let a = read("", "", S, "");
    let b = read("", "", "<S t=\"2000\" d=\"2000\" r=\"5\"/>", "");
    let mut b = b;
    b.periods[0].adaptation_sets[0].addressing.template.as_mut().unwrap().start_number.as_mut().unwrap().value = 11;
    check(
        &a,
        &b,
        &[
            "Representation v of Period p1: 1 segment removed at the start",
            "Representation v of Period p1: 2 segments added at the end, up to 12000",
        ],
    );
}

#[test]
fn a_history_that_is_rewritten() {
    let a = read("", "", S, "");
    let b = read("", "", "<S t=\"0\" d=\"2000\"/><S t=\"2000\" d=\"1999\"/><S t=\"4000\" d=\"2000\" r=\"1\"/>", "");
    check(
        &a,
        &b,
        &[
            "Representation v of Period p1: segment at 2000: duration was 2000, is 1999 ticks",
            "Representation v of Period p1: segment at 8000 removed",
        ],
    );
    let c = read("", "", "<S t=\"2000\" d=\"2000\" r=\"3\"/>", "");
    let found = diff(&a, &c);
    assert_eq!(found.len(), 5, "{found:?}");
    assert_eq!(found[0].text, "segment at 2000: number was 11, is 10");
}

#[test]
fn attributes_periods_and_representations() {
    let a = read(
        "publishTime=\"2026-01-01T00:00:00Z\" minimumUpdatePeriod=\"PT2S\"",
        "lang=\"vi\" codecs=\"avc1.64001f\"",
        S,
        "",
    );
    let b = read(
        "publishTime=\"2026-01-01T00:00:02Z\" timeShiftBufferDepth=\"PT1M\"",
        "lang=\"en\" codecs=\"avc1.64001f\"",
        S,
        "<Period id=\"ad\" start=\"PT9S\" duration=\"PT30S\"><AdaptationSet><Representation id=\"x\" bandwidth=\"1\"/></AdaptationSet></Period>",
    );
    let forth = [
        "MPD: minimumUpdatePeriod 2 s removed",
        "MPD: publishTime was 2026-01-01T00:00:00Z, is 2026-01-01T00:00:02Z",
        "MPD: timeShiftBufferDepth 60 s added",
        "Period p1: duration 9 s added",
        "Period ad: added",
        "Representation v of Period p1: lang was vi, is en",
        "Representation x of Period ad: added",
    ];
    check(&a, &b, &forth);
    let back = diff(&b, &a);
    assert_eq!(back.len(), forth.len());
    assert!(back.iter().any(|c| c.to_string() == "Period ad: removed"));
}

#[test]
fn a_comparison_is_bounded() {
    let many = |n: usize| {
        let entries: String = (0..n).map(|i| format!("<S t=\"{}\" d=\"1\"/>", i * 2)).collect();
        read("", "", &entries, "")
    };
    let shifted: String = (0..1_000).map(|i| format!("<S t=\"{}\" d=\"1\"/>", i * 2 + 1)).collect();
    let found = diff(&many(1_000), &read("", "", &shifted, ""));
    assert_eq!(found.len(), 201);
    assert!(found[200].text.ends_with("further changes"));
    let open = read("", "", "<S t=\"0\" d=\"1\" r=\"-1\"/>", "");
    assert!(diff(&open, &open).is_empty());
}
