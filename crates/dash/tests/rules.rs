//! Rules over a whole document: each breach is told, and the near miss is not.

use ow_dash::{Issue, IssueKind, parse};

const HEAD: &str = "profiles=\"p\" minBufferTime=\"PT2S\"";
const LIVE: &str = "type=\"dynamic\" availabilityStartTime=\"2026-01-01T00:00:00Z\" publishTime=\"2026-01-01T00:00:00Z\" \
                    minimumUpdatePeriod=\"PT2S\" timeShiftBufferDepth=\"PT60S\" suggestedPresentationDelay=\"PT6S\" maxSegmentDuration=\"PT2S\"";
const CLOCK: &str = "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"https://t/\"/>";
const TIMELINE: &str = "<SegmentTemplate timescale=\"1000\" media=\"$RepresentationID$/$Time$\" initialization=\"$RepresentationID$/i\"><SegmentTimeline><S t=\"0\" d=\"2000\" r=\"9\"/></SegmentTimeline></SegmentTemplate>";
const VIDEO: &str = "<Representation id=\"v\" bandwidth=\"1\" mimeType=\"video/mp4\" codecs=\"avc1.64001f\" width=\"2\" height=\"2\" frameRate=\"25\"/>";

fn issues(attributes: &str, inner: &str) -> Vec<Issue> {
    parse(format!("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" {HEAD} {attributes}>{inner}</MPD>").as_bytes()).1
}

fn live(attributes: &str, period: &str, addressing: &str, representations: &str) -> String {
    format!(
        "{attributes}|<Period id=\"p\" start=\"PT0S\" {period}><AdaptationSet id=\"1\">{addressing}{representations}</AdaptationSet></Period>{CLOCK}"
    )
}

fn good() -> String {
    live(LIVE, "", TIMELINE, VIDEO)
}

/// `attributes|inner` and exactly the kinds that it breaks.
fn check(text: &str, expected: &[IssueKind]) {
    let (attributes, inner) = text.split_once('|').unwrap();
    let found = issues(attributes, inner);
    let kinds: Vec<_> = found.iter().map(|issue| issue.kind).collect();
    assert_eq!(kinds, expected, "{found:?} of {text}");
    for issue in found {
        assert!(!issue.subject.is_empty() && !issue.expected.is_empty() && issue.at.line > 0, "{issue:?}");
    }
}

#[test]
fn a_good_live_mpd_breaks_nothing() {
    check(&good(), &[]);
}

#[test]
fn rules_of_a_dynamic_mpd() {
    let without = |name: &str| {
        let text = good();
        let start = text.find(&format!("{name}=")).unwrap();
        let end = start + text[start..].match_indices('"').nth(1).unwrap().0 + 1;
        format!("{}{}", &text[..start], &text[end..])
    };
    let with = |from: &str, to: &str| {
        assert!(good().contains(from), "{from}");
        good().replace(from, to)
    };
    check(&without("availabilityStartTime"), &[IssueKind::AvailabilityStartMissing]);
    check(
        &with("publishTime=\"2026-01-01T00:00:00Z\"", "publishTime=\"2026-01-01T00:00:00\""),
        &[IssueKind::DateTimeWithoutZone],
    );
    check(&without("publishTime"), &[IssueKind::PublishTimeMissing]);
    check(&without("minimumUpdatePeriod"), &[IssueKind::UpdatePeriodMissing]);
    // An end, or events that announce a new MPD, take its place.
    check(&without("minimumUpdatePeriod").replace("type=", "mediaPresentationDuration=\"PT1H\" type="), &[]);
    check(
        &without("minimumUpdatePeriod").replace(
            "<SegmentTemplate",
            "<InbandEventStream schemeIdUri=\"urn:mpeg:dash:event:2012\" value=\"1\"/><SegmentTemplate",
        ),
        &[],
    );
    // What follows from the clock needs no update.
    let number = TIMELINE
        .replace("<SegmentTimeline><S t=\"0\" d=\"2000\" r=\"9\"/></SegmentTimeline>", "")
        .replace("<SegmentTemplate", "<SegmentTemplate duration=\"2000\"")
        .replace("$Time$", "$Number$");
    check(&without("minimumUpdatePeriod").replace(TIMELINE, &number), &[]);
    check(&with("minimumUpdatePeriod=\"PT2S\"", "minimumUpdatePeriod=\"PT0.5S\""), &[IssueKind::UpdatePeriodTiny]);
    check(&with("minimumUpdatePeriod=\"PT2S\"", "minimumUpdatePeriod=\"PT0S\""), &[]);
    check(&without("timeShiftBufferDepth"), &[]);
    check(&with("timeShiftBufferDepth=\"PT60S\"", "timeShiftBufferDepth=\"PT6S\""), &[]);
    check(
        &with("timeShiftBufferDepth=\"PT60S\"", "timeShiftBufferDepth=\"PT5.9S\""),
        &[IssueKind::TimeShiftBufferShort, IssueKind::PresentationDelayLong],
    );
    check(&without("suggestedPresentationDelay"), &[IssueKind::PresentationDelayMissing]);
    check(
        &with("suggestedPresentationDelay=\"PT6S\"", "suggestedPresentationDelay=\"PT1S\""),
        &[IssueKind::PresentationDelayShort],
    );
    check(&with(CLOCK, ""), &[IssueKind::UtcTimingMissing]);
    check(&with("urn:mpeg:dash:utc:http-iso:2014", "urn:own"), &[IssueKind::UtcTimingScheme]);
    check(&with("maxSegmentDuration=\"PT2S\"", "maxSegmentDuration=\"PT1.95S\""), &[IssueKind::SegmentAboveMax]);
    // One frame at 25 Hz.
    check(&with("maxSegmentDuration=\"PT2S\"", "maxSegmentDuration=\"PT1.96S\""), &[]);
    check(&with("t=\"0\"", "t=\"9007199254740992\""), &[IssueKind::TimeNotExact]);
    check(&with("t=\"0\"", "t=\"9007199254740991\""), &[]);
}

#[test]
fn ids() {
    let two = good().replace(CLOCK, &format!("<Period id=\"p\" start=\"PT9S\"/>{CLOCK}"));
    check(&two, &[IssueKind::PeriodIdDuplicate]);
    check(&two.replace("id=\"p\" start=\"PT9S\"", "start=\"PT9S\""), &[IssueKind::PeriodIdMissing]);
    // An announced Period at the end has no start yet.
    check(&two.replace("id=\"p\" start=\"PT9S\"", "id=\"q\""), &[]);
    check(&good().replace(" start=\"PT0S\"", ""), &[IssueKind::PeriodStartMissing]);
    check(&good().replace(" id=\"1\"", ""), &[IssueKind::SetIdMissing]);
    check(&good().replace(VIDEO, &format!("{VIDEO}{VIDEO}")), &[IssueKind::RepresentationIdDuplicate]);
    check(&good().replace("id=\"v\"", "id=\"v 1\""), &[IssueKind::RepresentationIdSpace]);
    // The same id in another Period is wanted.
    let second = format!(
        "<Period id=\"q\" start=\"PT20S\"><AdaptationSet id=\"1\">{TIMELINE}{VIDEO}</AdaptationSet></Period>{CLOCK}"
    );
    check(&good().replace(CLOCK, &second), &[]);
}

#[test]
fn addressing() {
    let with = |addressing: &str| live(LIVE, "", addressing, VIDEO);
    let template =
        |attributes: &str, inner: &str| with(&format!("<SegmentTemplate {attributes}>{inner}</SegmentTemplate>"));
    let s = "<SegmentTimeline><S t=\"0\" d=\"2\"/><S d=\"2\"/></SegmentTimeline>";
    check(&with(""), &[IssueKind::AddressingNone]);
    check(&format!("|{}", with("").split_once('|').unwrap().1), &[]);
    check(&with(&format!("{TIMELINE}<SegmentBase/>")), &[IssueKind::AddressingSeveral]);
    check(&with(&format!("{TIMELINE}{TIMELINE}")), &[IssueKind::AddressingSeveral]);
    let inner_list =
        VIDEO.replace("/>", "><SegmentList duration=\"2\"><SegmentURL media=\"a\"/></SegmentList></Representation>");
    check(&live(LIVE, "", TIMELINE, &inner_list), &[IssueKind::AddressingSeveral]);
    check(&template("media=\"$Time$\"", s), &[]);
    check(&template("", s), &[IssueKind::TemplateWithoutMedia]);
    check(&template("media=\"$Time$-$Number$\"", s), &[IssueKind::TemplateNumberAndTime]);
    check(&template("media=\"x\"", s), &[IssueKind::TemplateWithoutNumber]);
    check(&template("media=\"x\"", "<SegmentTimeline><S t=\"0\" d=\"2\"/></SegmentTimeline>"), &[]);
    check(&template("media=\"$Times$\"", s), &[IssueKind::TemplateIdentifier]);
    check(&template("media=\"$Time$$\"", s), &[IssueKind::TemplateIdentifier]);
    check(&template("media=\"$$$Time$\"", s), &[]);
    check(&template("media=\"$Time%5d$\"", s), &[IssueKind::TemplateWidth]);
    check(&template("media=\"$Time%05d$\"", s), &[]);
    check(&template("media=\"$Time$\" initialization=\"$Number$\"", s), &[IssueKind::TemplateIdentifier]);
    check(&template("media=\"$Number$.$SubNumber$\"", s), &[]);
    check(&template("media=\"$Time$\" duration=\"2\"", s), &[IssueKind::DurationAndTimeline]);
    check(&template("media=\"$Number$\"", ""), &[IssueKind::DurationMissing]);
    check(&template("media=\"all\"", ""), &[]);
    check(
        &with("<SegmentList><SegmentURL media=\"a\"/><SegmentURL media=\"b\"/></SegmentList>"),
        &[IssueKind::DurationMissing],
    );
    check(&with("<SegmentList><SegmentURL media=\"a\"/></SegmentList>"), &[]);
    check(
        &template("media=\"$Number$\" duration=\"180000\"", "").replace("timeShiftBufferDepth=\"PT60S\"", ""),
        &[IssueKind::TimescaleMissing],
    );
    check(&template("media=\"$Number$\" duration=\"180000\" timescale=\"90000\"", ""), &[]);
    // Over many Representations one mistake in a template is told once.
    let many: String = (0..9).map(|i| VIDEO.replace("id=\"v\"", &format!("id=\"v{i}\""))).collect();
    check(
        &live(LIVE, "", "<SegmentTemplate media=\"$Times$\" duration=\"2\"/>", &many),
        &[IssueKind::TemplateIdentifier],
    );
}

#[test]
fn attributes() {
    for name in ["mimeType=\"video/mp4\"", "codecs=\"avc1.64001f\"", "width=\"2\"", "height=\"2\"", "frameRate=\"25\""]
    {
        check(&good().replace(name, "x=\"\""), &[IssueKind::RecommendedMissing]);
    }
    // Inherited ones are there.
    check(
        &good()
            .replace("mimeType=\"video/mp4\"", "")
            .replace("<AdaptationSet", "<AdaptationSet mimeType=\"video/mp4\""),
        &[],
    );
    let audio = "<Representation id=\"a\" bandwidth=\"1\" mimeType=\"audio/mp4\" codecs=\"mp4a.40.2\" audioSamplingRate=\"48000\"/>";
    let with_audio = |set: &str, representation: &str| {
        good().replace(
            "</AdaptationSet>",
            &format!("</AdaptationSet><AdaptationSet id=\"2\" {set}>{TIMELINE}{representation}</AdaptationSet>"),
        )
    };
    check(&with_audio("lang=\"vi\"", audio), &[]);
    check(&with_audio("", audio), &[IssueKind::LanguageOfOnlySet]);
    check(
        &with_audio("lang=\"vi\"", &audio.replace("audioSamplingRate=\"48000\"", "")),
        &[IssueKind::RecommendedMissing],
    );
    // Alternatives need roles, trick play does not.
    let second = VIDEO.replace("id=\"v\"", "id=\"w\"");
    check(&with_audio("", &second), &[IssueKind::RecommendedMissing, IssueKind::RecommendedMissing]);
    let trick =
        format!("<EssentialProperty schemeIdUri=\"http://dashif.org/guidelines/trickmode\" value=\"1\"/>{second}");
    check(&with_audio("", &trick), &[]);
    let thumbnails = "<Representation id=\"t\" bandwidth=\"1\" mimeType=\"image/jpeg\" width=\"1\" height=\"1\"/>";
    check(&with_audio("", thumbnails), &[]);
    let text = "<Representation id=\"t\" bandwidth=\"1\" mimeType=\"application/mp4\" codecs=\"stpp\"/>";
    check(&with_audio("lang=\"vi\"", text), &[]);
    check(&with_audio("", text), &[IssueKind::LanguageOfOnlySet]);
}
