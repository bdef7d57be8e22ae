//! What is read from a document, and where it stands.

use ow_dash::{Document, IssueKind, Mpd, Offset, parse};

fn read(body: &str) -> (Mpd, Vec<IssueKind>) {
    let (document, issues) = parse(body.as_bytes());
    let Document::Mpd(mpd) = document else { panic!("no MPD: {issues:?}") };
    (*mpd, issues.into_iter().map(|issue| issue.kind).collect())
}

const LIVE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- live -->
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:cenc="urn:mpeg:cenc:2013" xmlns:d="urn:dvb:dash:dash-extensions:2014-1"
  profiles="urn:mpeg:dash:profile:isoff-live:2011,urn:dvb:dash:profile:dvb-dash:2014" type="dynamic"
  availabilityStartTime="2026-01-01T00:00:00Z" publishTime="2026-11-22T10:00:00.5+07:00" minimumUpdatePeriod="PT2S"
  minBufferTime="PT4S" timeShiftBufferDepth="PT1M" suggestedPresentationDelay="PT12S" maxSegmentDuration="PT2.1S">
  <ProgramInformation><Title>x &amp; y</Title></ProgramInformation>
  <BaseURL serviceLocation="a" d:priority="1" d:weight="3" availabilityTimeOffset="INF">https://a.example/x?a=1&amp;b=2</BaseURL>
  <BaseURL availabilityTimeOffset="1.5" availabilityTimeComplete="false"><![CDATA[b/]]></BaseURL>
  <Location>https://a.example/live.mpd?s=1</Location>
  <PatchLocation ttl="60">patch.mpp</PatchLocation>
  <ServiceDescription id="0"><Latency target="3500" min="2000" max="6000" referenceId="7"/><PlaybackRate min="0.96" max="1.04"/></ServiceDescription>
  <Period id="p1" start="PT0S">
    <AssetIdentifier schemeIdUri="urn:x" value="asset-1"/>
    <EventStream schemeIdUri="urn:scte:scte35:2014:xml+bin" timescale="90000"><Event presentationTime="90000" duration="1" id="4"> <s:Signal xmlns:s="urn:s"><s:Binary>/DA=</s:Binary></s:Signal></Event></EventStream>
    <AdaptationSet id="1" contentType="video" lang="vi" segmentAlignment="true" startWithSAP="1" frameRate="30000/1001" par="16:9">
      <ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc" cenc:default_KID="00112233-4455-6677-8899-aabbccddeeff"/>
      <ContentProtection schemeIdUri="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"><cenc:pssh> AAAA
BBBB </cenc:pssh></ContentProtection>
      <InbandEventStream schemeIdUri="urn:scte:scte35:2013:bin" value="1"/>
      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
      <Accessibility schemeIdUri="urn:scte:dash:cc:cea-608:2015" value="CC1=eng"/>
      <SupplementalProperty schemeIdUri="urn:a"/>
      <EssentialProperty schemeIdUri="urn:b" value="2"/>
      <ProducerReferenceTime id="7" type="encoder" wallClockTime="2026-01-01T00:00:00Z" presentationTime="0"><UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="https://t/"/></ProducerReferenceTime>
      <SegmentTemplate timescale="90000" presentationTimeOffset="180000" eptDelta="-3" media="$RepresentationID$/$Time$.m4s" initialization="$RepresentationID$/i.mp4" startNumber="9">
        <SegmentTimeline><S t="180000" d="180000" r="2"/><S d="90000" r="-1" k="2" n="12"/></SegmentTimeline>
      </SegmentTemplate>
      <Representation id="v1" bandwidth="3000000" width="1280" height="720" codecs="avc1.64001f" mimeType="video/mp4"><SubRepresentation level="1"/></Representation>
    </AdaptationSet>
  </Period>
  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" value="2026-11-22T03:00:00Z"/>
</MPD>
"#;

#[test]
fn a_live_mpd_is_read_whole() {
    let (mpd, issues) = read(LIVE);
    assert_eq!(issues, []);
    assert!(mpd.is_dynamic() && mpd.claims("urn:dvb:dash:profile:dvb-dash:2014"));
    assert_eq!(mpd.n_bytes, LIVE.len());
    assert_eq!(mpd.availability_start_time.unwrap().unix_us, 1_767_225_600_000_000);
    assert_eq!(mpd.publish_time.unwrap().unix_us, 1_795_316_400_500_000);
    assert_eq!(mpd.minimum_update_period.unwrap().micros, 2_000_000);
    assert_eq!(mpd.max_segment_duration.unwrap().micros, 2_100_000);
    assert_eq!(mpd.base_urls[0].url.as_ref(), "https://a.example/x?a=1&b=2");
    assert_eq!(mpd.base_urls[0].priority.unwrap().value, 1);
    assert_eq!(mpd.base_urls[0].availability_time_offset.unwrap().value, Offset::Infinite);
    assert_eq!(mpd.base_urls[1].url.as_ref(), "b/");
    assert_eq!(mpd.base_urls[1].availability_time_offset.unwrap().value, Offset::Micros(1_500_000));
    assert!(!mpd.base_urls[1].availability_time_complete.unwrap().value);
    assert_eq!(&**mpd.locations[0], "https://a.example/live.mpd?s=1");
    assert_eq!(mpd.patch_locations[0].ttl_us.unwrap().value, 60_000_000);
    assert_eq!(mpd.service_descriptions[0].latency.as_ref().unwrap().target_ms.unwrap().value, 3_500);
    let period = &mpd.periods[0];
    assert_eq!(&*period.asset_identifier.as_ref().unwrap().value.as_ref().unwrap().value, "asset-1");
    let event = &period.event_streams[0].events[0];
    assert_eq!(event.presentation_time.unwrap().value, 90_000);
    assert_eq!(&*event.body, r#"<s:Signal xmlns:s="urn:s"><s:Binary>/DA=</s:Binary></s:Signal>"#);
    let set = &period.adaptation_sets[0];
    assert_eq!(set.common.frame_rate.unwrap().numerator, 30_000);
    let kid = set.common.content_protections[0].key_ids().next().unwrap().unwrap();
    assert_eq!((kid[0], kid[15]), (0x00, 0xff));
    assert_eq!(&**set.common.content_protections[1].pssh[0], "AAAABBBB");
    let time = &set.common.producer_reference_times[0];
    assert!(time.utc_timing.is_some() && time.presentation_time.unwrap().value == 0);
    let template = set.addressing.template.as_ref().unwrap();
    assert_eq!(template.ept_delta.unwrap().value, -3);
    let entries = &template.timeline.as_ref().unwrap().entries;
    assert_eq!((entries[0].t, entries[0].d, entries[0].r, entries[0].k), (Some(180_000), 180_000, 2, 1));
    assert_eq!((entries[1].t, entries[1].r, entries[1].k, entries[1].n), (None, -1, 2, Some(12)));
    assert_eq!(set.representations[0].n_sub_representations, 1);
    assert_eq!(set.representations[0].common.width.unwrap().value, 1_280);
}

#[test]
fn positions_point_at_the_text() {
    let (mpd, _) = read(LIVE);
    let at = |position: ow_dash::Position, text: &str| {
        assert!(LIVE[position.offset as usize..].starts_with(text), "{position:?} is not at {text}");
        let line = LIVE.lines().nth(position.line as usize - 1).unwrap();
        assert!(line[position.column as usize - 1..].starts_with(text), "{position:?}");
    };
    at(mpd.at, "<MPD");
    at(mpd.publish_time.unwrap().at, "publishTime=");
    at(mpd.periods[0].start.unwrap().at, "start=");
    let set = &mpd.periods[0].adaptation_sets[0];
    at(set.lang.as_ref().unwrap().at, "lang=");
    at(set.common.content_protections[0].default_kid.as_ref().unwrap().at, "cenc:default_KID");
    let template = set.addressing.template.as_ref().unwrap();
    at(template.timeline.as_ref().unwrap().entries[1].at, "<S d=\"90000\"");
    at(mpd.utc_timings[0].value.as_ref().unwrap().at, "value=\"2026");
    // A byte order mark counts as bytes, not as a column.
    let marked = format!("\u{feff}{LIVE}");
    let (again, issues) = read(&marked);
    assert_eq!(issues, []);
    assert_eq!((again.at.offset, again.at.line, again.at.column), (mpd.at.offset + 3, mpd.at.line, mpd.at.column));
}

/// Body, kinds of issue expected among others.
fn check(body: &str, expected: &[IssueKind]) {
    let (_, issues) = parse(body.as_bytes());
    for kind in expected {
        assert!(issues.iter().any(|issue| issue.kind == *kind), "{kind} is not in {issues:?} of {body}");
    }
    if expected.is_empty() {
        assert!(issues.is_empty(), "{issues:?} of {body}");
    }
}

fn mpd(attributes: &str, inner: &str) -> String {
    format!(
        "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" profiles=\"p\" \
         minBufferTime=\"PT2S\" {attributes}>{inner}</MPD>"
    )
}

#[test]
fn what_is_no_mpd_is_told() {
    for (body, kind) in [
        ("", IssueKind::Empty),
        (" \n", IssueKind::Empty),
        ("plain text", IssueKind::NotWellFormed),
        ("<html><body/></html>", IssueKind::Root),
        ("<MPD><Period/></MPD>", IssueKind::Namespace),
        ("<MPD xmlns=\"urn:other\"><Period/></MPD>", IssueKind::Namespace),
        (
            "<!DOCTYPE MPD [<!ENTITY e \"x\">]><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\">&e;</MPD>",
            IssueKind::Doctype,
        ),
        ("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" id=\"&e;\"/>", IssueKind::Entity),
        ("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><BaseURL>&e;</BaseURL></MPD>", IssueKind::Entity),
        ("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period></MPD>", IssueKind::NotWellFormed),
        ("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period>", IssueKind::Truncated),
        ("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period id=\"x", IssueKind::Truncated),
        ("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"/><MPD/>", IssueKind::NotWellFormed),
        ("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"/>text", IssueKind::NotWellFormed),
        ("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" a=\"1\" a=\"2\"/>", IssueKind::NotWellFormed),
        ("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" a=\"<\"/>", IssueKind::NotWellFormed),
        ("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"/>", IssueKind::NoPeriod),
        ("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><MPD/>", IssueKind::Encoding),
        ("\u{fffe}", IssueKind::NotWellFormed),
    ] {
        check(body, &[kind]);
    }
    let (document, issues) = parse(b"\xff\xfe<\0");
    assert!(document == Document::Other && issues[0].kind == IssueKind::Encoding);
    assert_eq!(parse(b"<MPD a=\"\xff\"/>").1[0].kind, IssueKind::Encoding);
    let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
    check(&mpd("", &deep), &[IssueKind::LimitExceeded]);
}

#[test]
fn a_cut_document_keeps_what_stands_before_the_cut() {
    for cut in 0..LIVE.len() {
        let (document, issues) = parse(&LIVE.as_bytes()[..cut]);
        assert!(!issues.is_empty() || cut + 2 > LIVE.len(), "nothing told of {cut} bytes");
        if cut > 2_000 {
            assert_eq!(document.as_mpd().unwrap().periods.len(), 1, "{cut}");
        }
    }
}

#[test]
fn an_entity_is_never_expanded() {
    let bomb = "<!DOCTYPE MPD [<!ENTITY a \"0123456789\"><!ENTITY b \"&a;&a;\">]>\
                <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><BaseURL>&b;</BaseURL></MPD>";
    let (mpd, issues) = read(bomb);
    assert_eq!(&*mpd.base_urls[0].url, "&b;");
    assert!(issues.contains(&IssueKind::Doctype) && issues.contains(&IssueKind::Entity));
}

#[test]
fn prefixes_do_not_matter_and_foreign_elements_are_ignored() {
    let (mpd, issues) = read(
        "<m:MPD xmlns:m=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"p\" minBufferTime=\"PT1S\" xmlns:f=\"urn:f\">\
         <f:Period/><f:x><m:Period/></f:x><m:Period id=\"a\"/><New/></m:MPD>",
    );
    assert_eq!(issues, []);
    assert_eq!(mpd.periods.len(), 1);
}

#[test]
fn values_that_cannot_be_used_are_told() {
    let rep =
        |a: &str| mpd("", &format!("<Period><AdaptationSet><Representation id=\"r\" {a}/></AdaptationSet></Period>"));
    let seg = |a: &str, s: &str| {
        mpd(
            "",
            &format!(
                "<Period><AdaptationSet><SegmentTemplate media=\"$Time$\" {a}><SegmentTimeline>{s}</SegmentTimeline></SegmentTemplate></AdaptationSet></Period>"
            ),
        )
    };
    check(&mpd("mediaPresentationDuration=\"12\"", "<Period/>"), &[IssueKind::DurationInvalid]);
    check(&mpd("mediaPresentationDuration=\"-PT1S\"", "<Period/>"), &[IssueKind::NumberRange]);
    check(&mpd("mediaPresentationDuration=\"P1M\"", "<Period/>"), &[IssueKind::DurationCalendar]);
    check(&mpd("availabilityStartTime=\"yesterday\"", "<Period/>"), &[IssueKind::DateTimeInvalid]);
    check(&mpd("availabilityStartTime=\"2026-01-01T00:00:00\"", "<Period/>"), &[IssueKind::DateTimeWithoutZone]);
    check(&mpd("type=\"live\"", "<Period/>"), &[IssueKind::AttributeValue]);
    check(&mpd("", "<Period duration=\"PT0S\"/>"), &[IssueKind::ZeroValue]);
    check(&mpd("", "<Period xlink:href=\"https://x/\"/>"), &[IssueKind::NotCovered]);
    check(&mpd("", "<UTCTiming/><Period/>"), &[IssueKind::AttributeMissing]);
    check(&rep("bandwidth=\"0\""), &[IssueKind::ZeroValue]);
    check(&rep("bandwidth=\"x\""), &[IssueKind::AttributeValue]);
    check(&rep("width=\"0\" bandwidth=\"1\""), &[IssueKind::ZeroValue]);
    check(&rep("bandwidth=\"1\" frameRate=\"25/0\""), &[IssueKind::ZeroValue]);
    check(&rep("bandwidth=\"1\" frameRate=\"0\""), &[IssueKind::ZeroValue]);
    check(&rep("bandwidth=\"1\" frameRate=\"a\""), &[IssueKind::AttributeValue]);
    check(&rep(""), &[IssueKind::AttributeMissing]);
    check(&seg("timescale=\"0\"", "<S d=\"1\"/>"), &[IssueKind::ZeroValue]);
    check(&seg("timescale=\"x90000\"", "<S d=\"1\"/>"), &[IssueKind::NumberInvalid]);
    check(&seg("timescale=\"1\"", "<S d=\"0\"/>"), &[IssueKind::ZeroValue]);
    check(&seg("timescale=\"1\"", "<S t=\"5\"/>"), &[IssueKind::NumberInvalid]);
    check(&seg("timescale=\"1\"", "<S t=\"-5\" d=\"1\"/>"), &[IssueKind::NumberRange]);
    check(&seg("timescale=\"1\"", "<S t=\"99999999999999999999\" d=\"1\"/>"), &[IssueKind::NumberRange]);
    check(&seg("availabilityTimeOffset=\"soon\"", "<S d=\"1\"/>"), &[IssueKind::NumberInvalid]);
}

#[test]
fn a_patch_is_recognised() {
    let (document, issues) = parse(
        b"<Patch xmlns=\"urn:mpeg:dash:schema:mpd-patch:2020\" mpdId=\"m\" originalPublishTime=\"2026-01-01T00:00:00Z\" \
          publishTime=\"2026-01-01T00:00:02Z\"><replace sel=\"/MPD/@publishTime\">x</replace><add sel=\"y\"><S d=\"1\"/></add></Patch>",
    );
    let Document::Patch(patch) = document else { panic!("{issues:?}") };
    assert_eq!((issues.len(), patch.n_operations), (0, 2));
    assert_eq!(patch.publish_time.unwrap().unix_us - patch.original_publish_time.unwrap().unix_us, 2_000_000);
}
