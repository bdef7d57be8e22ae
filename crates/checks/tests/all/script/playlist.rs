//! HLS playlists of fixtures.

use ow_domain::{Span, Time};

use super::{START, Words};

/// `list 100..105 td=6 dur=6 dur.103=6.5 name=s shift=0 uri.102=b.ts disc=100 gap=104 dseq=3 lag=10 pdt.103=1.2`
pub fn media(words: &Words<'_>, t_end: Time) -> String {
    let (first, last) = words.words[3].split_once("..").expect("a range");
    let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
    let td = words.number("td").unwrap_or(6.0);
    let dur = words.number("dur").unwrap_or(td);
    let (durs, uris, pdts) = (words.numbered("dur"), words.numbered("uri"), words.numbered("pdt"));
    let (discs, gaps) = (words.list("disc"), words.list("gap"));
    let name = words.options.get("name").copied().unwrap_or("s");
    let shift = words.number("shift").unwrap_or(0.0) as i64;
    let query = words.options.get("token").map(|t| format!("?token={t}")).unwrap_or_default();
    let duration = |n: u64| durs.get(&n).map_or(dur, |d| d.parse().unwrap());
    let mut text = String::new();
    if words.has("bom") {
        text.push('\u{feff}');
    }
    let skipped = words.number("skipped").map_or(0, |n| n as u64);
    let version = words.number("version").unwrap_or(if skipped > 0 { 9.0 } else { 6.0 });
    text.push_str(&format!("#EXTM3U\n#EXT-X-VERSION:{version}\n"));
    if !words.has("no-td") {
        text.push_str(&format!("#EXT-X-TARGETDURATION:{td}\n"));
    }
    text.push_str(&format!("#EXT-X-MEDIA-SEQUENCE:{first}\n"));
    if let Some(kind) = words.options.get("type") {
        text.push_str(&format!("#EXT-X-PLAYLIST-TYPE:{kind}\n"));
    }
    if let Some(dseq) = words.options.get("dseq") {
        text.push_str(&format!("#EXT-X-DISCONTINUITY-SEQUENCE:{dseq}\n"));
    }
    if let Some(comment) = words.options.get("comment") {
        text.push_str(&format!("# {comment}\n"));
    }
    // Date-times: `lag` is the latency at the end of the newest, `date` the offset of segment 0 from the start.
    let total: f64 = (first..=last).map(&duration).sum();
    let mut date = match (words.number("lag"), words.number("date")) {
        (Some(lag), _) => Some(t_end + Span::from_secs_f64(-lag - total)),
        (None, Some(date)) => Some(START + Span::from_secs_f64(date + first as f64 * dur)),
        (None, None) => None,
    };
    if let Some(date) = &mut date {
        for (_, offset) in pdts.iter().filter(|(n, _)| **n < first) {
            *date += Span::from_secs_f64(offset.parse().unwrap());
        }
    }
    let (extinfs, ranges) = (words.numbered("extinf"), words.numbered("range"));
    let undated = words.list("undated");
    if let Some(tag) = words.options.get("range-tag") {
        text.push_str(&format!("#EXT-X-DATERANGE:{tag}\n"));
    }
    text.push_str(&super::ladder::keys(words, "EXT-X-KEY"));
    for key in words.options.get("key-tag").into_iter().flat_map(|tags| tags.split('~')) {
        text.push_str(&format!("#EXT-X-KEY:{key}\n"));
    }
    if let Some(map) = words.options.get("map-tag") {
        text.push_str(&format!("#EXT-X-MAP:{map}\n"));
    }
    if let Some(control) = words.options.get("control") {
        text.push_str(&format!("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD={control}\n"));
    }
    let tags = words.numbered("tag");
    if let Some(pt) = words.options.get("pt") {
        text.push_str(&format!("#EXT-X-PART-INF:PART-TARGET={pt}\n"));
    }
    if skipped > 0 {
        let told = words.number("told-skipped").unwrap_or(skipped as f64);
        text.push_str(&format!("#EXT-X-SKIP:SKIPPED-SEGMENTS={told}\n"));
    }
    for n in first + skipped..=last {
        for tag in tags.get(&n).into_iter().flat_map(|tags| tags.split('~')) {
            text.push_str(&format!("#{tag}\n"));
        }
        if discs.contains(&n) {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if let Some(date) = &mut date {
            if let Some(offset) = pdts.get(&n) {
                *date += Span::from_secs_f64(offset.parse().unwrap());
            }
            let written = match words.options.get("date-format").copied() {
                Some("local") => date.to_string().replace('Z', ""),
                Some("no-colon") => date.to_string().replace('Z', "+0000"),
                _ => date.to_string(),
            };
            if !undated.contains(&n) {
                text.push_str(&format!("#EXT-X-PROGRAM-DATE-TIME:{written}\n"));
            }
            *date += Span::from_secs_f64(duration(n));
        }
        if gaps.contains(&n) {
            text.push_str("#EXT-X-GAP\n");
        }
        text.push_str(&parts(words, n));
        let uri = uris.get(&n).map_or_else(|| format!("{name}{}.ts", n as i64 + shift), |u| (*u).to_owned());
        if let Some(range) = ranges.get(&n) {
            text.push_str(&format!("#EXT-X-BYTERANGE:{range}\n"));
        }
        let extinf = extinfs.get(&n).map_or_else(|| format!("{:.3}", duration(n)), |written| (*written).to_owned());
        text.push_str(&format!("#EXTINF:{extinf},\n{uri}{query}\n"));
    }
    text.push_str(&parts(words, last + 1));
    text.push_str(&hint(words, last + 1));
    for line in words.options.get("tail").into_iter().flat_map(|tail| tail.split('~')) {
        text.push_str(&format!("#{line}\n"));
    }
    if words.has("endlist") {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    text
}

/// `mvp 1080,720 audio=a1 declared=a1 host-token` and oddities: `broken`, `unknown-tag`.
pub fn multivariant(words: &Words<'_>) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:6\n");
    if words.has("unknown-tag") {
        text.push_str("#EXT-X-FOO:1\n");
    }
    if let Some(group) = words.options.get("declared") {
        text.push_str(&format!("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{group}\",NAME=\"en\",LANGUAGE=\"en\",CHANNELS=\"2\",URI=\"audio.m3u8\"\n"));
    }
    let audio = words.options.get("audio").map(|g| format!(",AUDIO=\"{g}\"")).unwrap_or_default();
    for height in words.words[3].split(',') {
        let height: u32 = height.parse().unwrap();
        let rate = words.number("rate").unwrap_or(1.0);
        let (bandwidth, width) = ((f64::from(height * 4_000) * rate).round() as u64, height * 16 / 9);
        text.push_str(&format!("#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},AVERAGE-BANDWIDTH={bandwidth},CODECS=\"avc1.64001f,mp4a.40.2\",FRAME-RATE=25.000,RESOLUTION={width}x{height}{audio}\n"));
        if words.has("broken") {
            text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        }
        let query = words.options.get("token").map(|t| format!("?token={t}")).unwrap_or_default();
        text.push_str(&format!("v{height}.m3u8{query}\n"));
    }
    for (from, to) in
        words.options.get("swap").into_iter().flat_map(|swaps| swaps.split("||")).filter_map(|s| s.split_once("->"))
    {
        assert!(text.contains(from), "swap: {from} is not there:\n{text}");
        text = text.replacen(from, &to.replace('~', "\n"), 1);
    }
    if let Some(more) = words.options.get("more") {
        for line in more.split('~') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// Parts of segment `n`: `part.106=0.5i,0.5,0.3g` are their durations, `i` independent, `g` a gap.
/// The hint of a playlist with parts: for the next one, for `hint=`, or none with `no-hint`.
fn hint(words: &Words<'_>, next: u64) -> String {
    let all = words.numbered("part");
    let told = words.options.get("tail").is_some_and(|tail| tail.contains("PRELOAD-HINT"));
    if all.is_empty() || told || words.has("no-hint") || words.has("endlist") {
        return String::new();
    }
    let n_parts = all.get(&next).map_or(0, |parts| parts.split(',').count());
    let uri = words.options.get("hint").map_or_else(|| format!("p{next}.{n_parts}.mp4"), |uri| (*uri).to_owned());
    format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{uri}\"\n")
}

fn parts(words: &Words<'_>, n: u64) -> String {
    let all = words.numbered("part");
    let part = |(index, part): (usize, &str)| {
        let duration = part.trim_end_matches(['i', 'g']);
        let independent = if part.contains('i') { ",INDEPENDENT=YES" } else { "" };
        let gap = if part.contains('g') { ",GAP=YES" } else { "" };
        format!("#EXT-X-PART:DURATION={duration},URI=\"p{n}.{index}.mp4\"{independent}{gap}\n")
    };
    all.get(&n).into_iter().flat_map(|parts| parts.split(',')).enumerate().map(part).collect()
}
