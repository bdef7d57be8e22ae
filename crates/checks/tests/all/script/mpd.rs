//! MPDs across polls of fixtures.

use ow_domain::{Span, Time};

use super::{START, Words};

/// `mpd 95..100 d=2 ts=1000 s=0:2000x5,10500:2000 number start=10 computed audio audio-range= tracks=v1,v2 mup= tsbd= pto= ps= pdur=`
/// `period= ast= ast-text= pub= no-pub static duration= before=ID:START:DURATION asset= names= ato=`
///
/// Segment n is n segment durations after the start of its Period, and the end of segment 100 is available at the
/// start of the case, unless `ast` or `ps` say otherwise.
pub fn mpd(words: &Words<'_>, t_end: Time) -> String {
    let number = |key: &str, default: f64| words.number(key).unwrap_or(default);
    let option = |key: &str| words.options.get(key).copied();
    let d = number("d", 2.0);
    let timescale = number("ts", 1000.0) as u64;
    let period_start = number("ps", 0.0);
    let seconds = |at: f64| START + Span::from_secs_f64(at);
    let ast = match option("ast-text") {
        Some(text) => text.to_owned(),
        None => seconds(number("ast", -101.0 * d - period_start)).to_string(),
    };
    let mut root =
        format!("type=\"{}\" availabilityStartTime=\"{ast}\"", if words.has("static") { "static" } else { "dynamic" });
    if !words.has("no-pub") {
        let published = words.number("pub").map_or(t_end, seconds);
        root.push_str(&format!(" publishTime=\"{published}\""));
    }
    if option("mup") != Some("none") {
        root.push_str(&format!(" minimumUpdatePeriod=\"PT{}S\"", number("mup", d)));
    }
    if let Some(duration) = option("duration") {
        root.push_str(&format!(" mediaPresentationDuration=\"PT{duration}S\""));
    }
    let max = words.number("max").unwrap_or(d * 5.0);
    let mut periods = String::new();
    if let Some(before) = option("before") {
        let mut parts = before.split(':');
        let (id, start, duration) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let content = sets(words, "s", words.has("audio") || words.has("audio-before"), timescale, d, Some((0, 2)));
        periods.push_str(&format!(
            "<Period id=\"{id}\" start=\"PT{start}S\" duration=\"PT{duration}S\">\n{content}</Period>\n"
        ));
    }
    let id = option("period").unwrap_or("p");
    let lasts = option("pdur").map(|d| format!(" duration=\"PT{d}S\"")).unwrap_or_default();
    let asset = option("asset")
        .map(|value| format!("<AssetIdentifier schemeIdUri=\"urn:org:dashif:asset-id:2013\" value=\"{value}\"/>\n"))
        .unwrap_or_default();
    let content = sets(words, "s", words.has("audio"), timescale, d, None);
    periods.push_str(&format!("<Period id=\"{id}\" start=\"PT{period_start}S\"{lasts}>\n{asset}{content}</Period>\n"));
    let location = option("location").map(|url| format!("<Location>{url}</Location>\n")).unwrap_or_default();
    let timing = match words.number("direct") {
        Some(ahead) => {
            let time = t_end + Span::from_secs_f64(ahead);
            format!("<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:direct:2014\" value=\"{time}\"/>")
        }
        None => {
            "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"http://o.example/time\"/>".to_owned()
        }
    };
    format!(
        "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011\"\n  \
         {root}\n  minBufferTime=\"PT{d}S\" timeShiftBufferDepth=\"PT{}S\" suggestedPresentationDelay=\"PT{}S\" maxSegmentDuration=\"PT{max}S\">\n\
         {location}{periods}{timing}\n</MPD>\n",
        number("tsbd", 60.0),
        d * 3.0,
    )
}

fn sets(words: &Words<'_>, key: &str, audio: bool, timescale: u64, d: f64, range: Option<(u64, u64)>) -> String {
    let names = words.options.get("tracks").copied().unwrap_or("v1");
    let mut out =
        String::from("<AdaptationSet id=\"1\" contentType=\"video\" mimeType=\"video/mp4\" frameRate=\"25\">\n");
    for (i, name) in names.split(',').enumerate() {
        let skew = words.number(&format!("start.{name}"));
        let (bandwidth, width, height) = [(5_000_000, 1920, 1080), (2_000_000, 1280, 720)][i.min(1)];
        out.push_str(&format!(
            "<Representation id=\"{name}\" bandwidth=\"{bandwidth}\" codecs=\"avc1.640028\" width=\"{width}\" height=\"{height}\">\n{}\
             </Representation>\n",
            template(words, key, "range", timescale, d, range, skew)
        ));
    }
    out.push_str("</AdaptationSet>\n");
    if audio {
        out.push_str(&format!(
            "<AdaptationSet id=\"2\" contentType=\"audio\" mimeType=\"audio/mp4\" lang=\"en\">\n\
             <Representation id=\"a1\" bandwidth=\"128000\" codecs=\"mp4a.40.2\" audioSamplingRate=\"48000\">\n{}</Representation>\n\
             </AdaptationSet>\n",
            template(words, "audio-s", "audio-range", 48_000, d, range, None)
        ));
    }
    out
}

fn template(
    words: &Words<'_>,
    list: &str,
    range_key: &str,
    timescale: u64,
    d: f64,
    range: Option<(u64, u64)>,
    skew: Option<f64>,
) -> String {
    let ticks = |seconds: f64| (seconds * timescale as f64).round() as u64;
    let pto = words.number("pto").unwrap_or(0.0) as u64;
    let media = words.options.get("names").copied().unwrap_or(if words.has("number") || words.has("computed") {
        "$RepresentationID$/$Number$.m4s"
    } else {
        "$RepresentationID$/$Time$.m4s"
    });
    let start = skew.or(words.number("start")).map(|n| format!(" startNumber=\"{n}\"")).unwrap_or_default();
    let ato = words.options.get("ato").map(|a| format!(" availabilityTimeOffset=\"{a}\"")).unwrap_or_default();
    let head = format!(
        "<SegmentTemplate timescale=\"{timescale}\" presentationTimeOffset=\"{pto}\"{start}{ato} \
         initialization=\"$RepresentationID$/init.mp4\" media=\"{media}\""
    );
    if words.has("computed") {
        return format!("{head} duration=\"{}\"/>\n", ticks(d));
    }
    let mut entries = String::new();
    match words.options.get(list).filter(|_| range.is_none()) {
        Some(text) => {
            for entry in text.split(',') {
                let (t, rest) = entry.split_once(':').expect("T:D or :D");
                let (d, repeat) = rest.split_once('x').unwrap_or((rest, "1"));
                let t = if t.is_empty() { String::new() } else { format!(" t=\"{t}\"") };
                let r = if repeat == "*" { -1 } else { repeat.parse::<i64>().unwrap() - 1 };
                entries.push_str(&format!("<S{t} d=\"{d}\" r=\"{r}\"/>"));
            }
        }
        None => {
            let (first, last) = range.unwrap_or_else(|| {
                let text = words.options.get(range_key).copied().unwrap_or_else(|| words.words[3]);
                let (first, last) = text.split_once("..").expect("a range");
                (first.parse().unwrap(), last.parse().unwrap())
            });
            let t = pto + first * ticks(d);
            entries.push_str(&format!("<S t=\"{t}\" d=\"{}\" r=\"{}\"/>", ticks(d), last - first));
        }
    }
    format!("{head}><SegmentTimeline>{entries}</SegmentTimeline></SegmentTemplate>\n")
}
