//! One MPD of fixtures, good unless it is told otherwise.

use ow_domain::{Span, Time};

use super::{START, Words};

/// Length of a segment, milliseconds.
const SEGMENT_MS: i64 = 2_000;
/// Segments listed.
const WINDOW: i64 = 15;

/// `doc number set=timescale:0 drop=publishTime without=UTCTiming swap=a:b base=URL cut doctype bom`
///
/// `splice_insert`, immediate, from break to programme.
const SPLICE_BACK: &str = "/DAbAAAAAAAAAP/wCgUAAAABf18AAQAAAACRp46e";

/// The presentation began an hour before the start and lists the last 15 segments of 2 s. `number` computes them from
/// the clock instead; `set` writes another value into attributes, `drop` removes attributes, `without` elements,
/// `event=AT[:DURATION]` adds a break of an EventStream, seconds since the start of the case, with a section as `section=BASE64`,
/// and `return=AT` the splice back to programme;
/// `swap` replaces any text (`~` is a space in the new one), `base` adds a BaseURL to the MPD.
pub fn mpd(words: &Words<'_>, t_end: Time) -> String {
    let start = START + -Span::from_secs(3_600);
    let newest = (t_end - start).micros() / 1_000 / SEGMENT_MS;
    let template = |scale: i64| {
        let d = SEGMENT_MS * scale / 1_000;
        let names = "initialization=\"$RepresentationID$/init.mp4\" media=\"$RepresentationID$";
        if words.has("number") {
            return format!(
                "<SegmentTemplate timescale=\"{scale}\" startNumber=\"0\" duration=\"{d}\" {names}/$Number$.m4s\"/>"
            );
        }
        let t = (newest - WINDOW) * d;
        let repeat = WINDOW - 1;
        format!(
            "<SegmentTemplate timescale=\"{scale}\" {names}/$Time$.m4s\"><SegmentTimeline><S t=\"{t}\" d=\"{d}\" r=\"{repeat}\"/>\
             </SegmentTimeline></SegmentTemplate>"
        )
    };
    let published = start + Span::from_millis(newest * SEGMENT_MS);
    let base = words.options.get("base").map(|url| format!("<BaseURL>{url}</BaseURL>")).unwrap_or_default();
    let event = |at: &str, duration: Option<&str>, section: &str| {
        let ms = |text: &str| text.parse::<i64>().unwrap() * 1_000;
        let duration = duration.map(|d| format!(" duration=\"{}\"", ms(d))).unwrap_or_default();
        format!(
            "<Event presentationTime=\"{}\"{duration}><Signal xmlns=\"http://www.scte.org/schemas/35/2016\">{section}</Signal></Event>",
            ms(at) + 3_600_000
        )
    };
    let binary = |section: &str| format!("<Binary>{section}</Binary>");
    let begin = words.options.get("event").map(|text| {
        let (at, duration) = text.split_once(':').map_or((&**text, None), |(at, duration)| (at, Some(duration)));
        event(at, duration, &words.options.get("section").map_or("<Break/>".to_owned(), |s| binary(s)))
    });
    let end = words.options.get("return").map(|at| event(at, None, &binary(SPLICE_BACK)));
    let events = (begin.is_some() || end.is_some()).then(|| {
        format!(
            "<EventStream schemeIdUri=\"urn:scte:scte35:2014:xml+bin\" timescale=\"1000\">\n{}{}</EventStream>\n",
            begin.unwrap_or_default(),
            end.unwrap_or_default()
        )
    });
    let events = events.unwrap_or_default();
    let mut text = format!(
        "<?xml version=\"1.0\"?>\n\
         <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"dynamic\"\n  \
         availabilityStartTime=\"{start}\" publishTime=\"{published}\" minimumUpdatePeriod=\"PT2S\" minBufferTime=\"PT2S\"\n  \
         timeShiftBufferDepth=\"PT30S\" suggestedPresentationDelay=\"PT6S\" maxSegmentDuration=\"PT2S\">{base}\n\
         <Period id=\"p\" start=\"PT0S\">\n{events}\
         <AdaptationSet id=\"1\" contentType=\"video\" mimeType=\"video/mp4\" frameRate=\"25\">{}\n\
         <Representation id=\"v1\" bandwidth=\"5000000\" codecs=\"avc1.640028\" width=\"1920\" height=\"1080\"/>\n\
         <Representation id=\"v2\" bandwidth=\"2000000\" codecs=\"avc1.64001f\" width=\"1280\" height=\"720\"/>\n\
         </AdaptationSet>\n\
         <AdaptationSet id=\"2\" contentType=\"audio\" mimeType=\"audio/mp4\" lang=\"vi\">{}\n\
         <Representation id=\"a1\" bandwidth=\"128000\" codecs=\"mp4a.40.2\" audioSamplingRate=\"48000\"/>\n\
         </AdaptationSet>\n</Period>\n\
         <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"http://o.example/time\"/>\n</MPD>\n",
        template(1_000),
        template(48_000),
    );
    for (name, value) in pairs(words, "set") {
        text = attributes(&text, name, Some(value));
    }
    for name in names(words, "drop") {
        text = attributes(&text, name, None);
    }
    for name in names(words, "without") {
        text = elements(&text, name);
    }
    for (from, to) in pairs(words, "swap") {
        assert!(text.contains(from), "there is no {from} to replace");
        text = text.replace(from, &to.replace('~', " "));
    }
    if words.has("cut") {
        text.truncate(text.len() / 2);
    }
    if words.has("doctype") {
        text = text
            .replacen('\n', "\n<!DOCTYPE MPD [<!ENTITY lang \"vi\">]>\n", 1)
            .replace("lang=\"vi\"", "lang=\"&lang;\"");
    }
    if words.has("bom") {
        text.insert(0, '\u{feff}');
    }
    text
}

fn names<'a>(words: &Words<'a>, option: &str) -> Vec<&'a str> {
    words.options.get(option).map(|list| list.split(',').collect()).unwrap_or_default()
}

fn pairs<'a>(words: &Words<'a>, option: &str) -> Vec<(&'a str, &'a str)> {
    names(words, option).into_iter().map(|pair| pair.split_once(':').expect("FROM:TO")).collect()
}

/// Writes a value into every attribute of this name, or removes them.
fn attributes(text: &str, name: &str, value: Option<&str>) -> String {
    let mark = format!("{name}=\"");
    let mut parts = text.split(&mark);
    let mut out = parts.next().unwrap_or_default().to_owned();
    let mut n = 0;
    for part in parts {
        if !out.ends_with([' ', '\n']) {
            // The end of a longer name.
            out.push_str(&mark);
            out.push_str(part);
            continue;
        }
        n += 1;
        let (_, rest) = part.split_once('"').expect("a value");
        if let Some(value) = value {
            out.push_str(&format!("{mark}{value}\""));
        }
        out.push_str(rest);
    }
    assert!(n > 0, "there is no attribute {name}");
    out
}

/// Removes every element of this name with what it holds.
fn elements(text: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let mut out = text.to_owned();
    let mut n = 0;
    while let Some(at) = out.find(&open) {
        let tag_end = at + out[at..].find('>').expect("a tag") + 1;
        let end = match out[..tag_end].ends_with("/>") {
            true => tag_end,
            false => tag_end + out[tag_end..].find(&close).expect("an end") + close.len(),
        };
        out.replace_range(at..end, "");
        n += 1;
    }
    assert!(n > 0, "there is no element {name}");
    out
}
