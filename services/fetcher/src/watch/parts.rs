//! The live edge of low-latency HLS: blocking reload, and which parts to fetch.

use ow_domain::Span;
use ow_domain::capture::{BlockingReload, PartPromise};
use ow_hls::{MediaPlaylist, Part, PreloadHint};

/// Parts of one answer that are fetched; the newest of them.
const MAX_PARTS: usize = 4;
/// What a server may need beyond three target durations (draft-pantos-hls-rfc8216bis 6.2.5.2): the way.
const SLACK: Span = Span::from_secs(1);
/// A target duration that is not believed.
const MAX_TARGET: Span = Span::from_secs(60);

/// `url` with the delivery directives, in alphabetical order behind what it has (6.2.5).
pub(super) fn reload_url(url: &str, reload: BlockingReload) -> String {
    let (url, fragment) = url.split_once('#').map_or((url, None), |(url, fragment)| (url, Some(fragment)));
    let sign = if url.contains('?') { '&' } else { '?' };
    let part = reload.part.map(|part| format!("&_HLS_part={part}")).unwrap_or_default();
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    let skip = if reload.skip { "&_HLS_skip=YES" } else { "" };
    format!("{url}{sign}_HLS_msn={}{part}{skip}{fragment}", reload.msn)
}

/// How long an answer may be held back.
pub(super) fn patience(target: Span) -> Span {
    target.min(MAX_TARGET).mul_ratio(3, 1) + SLACK
}

/// The part that is hinted: number of its segment, its place, what is hinted.
pub(super) fn hinted(playlist: &MediaPlaylist) -> Option<(u64, PartPromise, &PreloadHint)> {
    let hint = playlist.preload_hints.iter().find(|hint| &*hint.hint_type == "PART" && !hint.uri.is_empty())?;
    let number = playlist.last_msn()?.checked_add(1)?;
    let trailing = &playlist.trailing_parts;
    let index = u32::try_from(trailing.len()).ok()?;
    let offset_us = trailing.iter().fold(0_i64, |sum, part| sum.saturating_add(part.duration_us));
    Some((number, PartPromise { index, offset_us, independent: false, hinted: true }, hint))
}

/// Parts behind `last`, with the number of their segment; the newest alone at first sight. Moves `last` on.
pub(super) fn new_parts<'p>(
    playlist: &'p MediaPlaylist,
    last: &mut Option<(u64, u32)>,
) -> Vec<(u64, PartPromise, &'p Part)> {
    let mut found = Vec::new();
    let (mut segment, mut index, mut offset_us) = (None, 0, 0_i64);
    for (number, part) in playlist.parts() {
        if segment != Some(number) {
            (segment, index, offset_us) = (Some(number), 0, 0);
        }
        found.push((number, PartPromise { index, offset_us, independent: part.independent, hinted: false }, part));
        index += 1;
        offset_us = offset_us.saturating_add(part.duration_us);
    }
    let newest = found.last().map(|(number, place, _)| (*number, place.index));
    let limit = if last.is_some() { MAX_PARTS } else { 1 };
    // Numbers that went back are another timeline.
    let known = last.filter(|known| newest.is_some_and(|newest| newest >= *known));
    found.retain(|(number, place, part)| known.is_none_or(|known| (*number, place.index) > known) && !part.gap);
    *last = newest.or(*last);
    let skipped = found.len().saturating_sub(limit);
    found.split_off(skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_stand_behind_the_query() {
        let part = BlockingReload { msn: 107, part: Some(2), skip: false };
        for (url, reload, expected) in [
            ("http://h/v.m3u8", part, "http://h/v.m3u8?_HLS_msn=107&_HLS_part=2"),
            ("http://h/v.m3u8?t=1", part, "http://h/v.m3u8?t=1&_HLS_msn=107&_HLS_part=2"),
            ("http://h/v.m3u8?t=1#x", BlockingReload { part: None, ..part }, "http://h/v.m3u8?t=1&_HLS_msn=107#x"),
            ("http://h/v", BlockingReload { skip: true, ..part }, "http://h/v?_HLS_msn=107&_HLS_part=2&_HLS_skip=YES"),
        ] {
            assert_eq!(reload_url(url, reload), expected);
        }
        assert_eq!(patience(Span::from_secs(4)), Span::from_secs(13));
        assert_eq!(patience(Span::from_secs(4_000)), Span::from_secs(181));
    }

    #[test]
    fn the_hinted_part_stands_behind_the_last() {
        let text = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MEDIA-SEQUENCE:100\n\
                    #EXTINF:1.0,\ns100.ts\n#EXT-X-PART:DURATION=0.5,URI=\"p101.0\"\n\
                    #EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"i\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p101.1\"\n";
        let playlist = ow_hls::parse(text.as_bytes(), ow_hls::Variables::default()).0;
        let (number, place, hint) = hinted(playlist.as_media().unwrap()).unwrap();
        assert_eq!((number, place.index, place.offset_us, &*hint.uri), (101, 1, 500_000, "p101.1"));
        assert!(place.hinted);
        let without = text.replace("TYPE=PART", "TYPE=OTHER");
        let playlist = ow_hls::parse(without.as_bytes(), ow_hls::Variables::default()).0;
        assert!(hinted(playlist.as_media().unwrap()).is_none());
    }

    #[test]
    fn each_part_is_new_once() {
        let text = |trailing: usize| {
            let parts: String = (0..trailing).map(|i| format!("#EXT-X-PART:DURATION=0.5,URI=\"p101.{i}\"\n")).collect();
            format!(
                "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MEDIA-SEQUENCE:100\n\
                 #EXT-X-PART:DURATION=0.5,URI=\"p100.0\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.5,URI=\"p100.1\"\n\
                 #EXTINF:1.0,\ns100.ts\n{parts}"
            )
        };
        let mut last = None;
        let mut names = |trailing| {
            let playlist = ow_hls::parse(text(trailing).as_bytes(), ow_hls::Variables::default()).0;
            let found = new_parts(playlist.as_media().unwrap(), &mut last);
            found.iter().map(|(n, place, part)| format!("{n} {} {}", place.offset_us, part.uri)).collect::<Vec<_>>()
        };
        assert_eq!(names(0), ["100 500000 p100.1"]);
        assert_eq!(names(0), Vec::<String>::new());
        assert_eq!(names(2), ["101 0 p101.0", "101 500000 p101.1"]);
        assert_eq!(names(7), ["101 1500000 p101.3", "101 2000000 p101.4", "101 2500000 p101.5", "101 3000000 p101.6"]);
        assert_eq!(names(2).len(), 4, "numbers that went back are looked at anew");
    }
}
