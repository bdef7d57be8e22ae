//! A run through everything that a playlist can reach.

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeSet;

use ow_hls::{
    MAX_ISSUES, Playlist, Variables, diff, parse, sniff, splice_info, splice_info_from_base64, splice_info_from_hex,
    write,
};

/// Pieces that the reader knows.
pub const WORDS: &[&str] = &[
    "#EXTM3U\n",
    "\n#EXTINF:6.000,\n",
    "\n#EXT-X-VERSION:9\n",
    "\n#EXT-X-TARGETDURATION:6\n",
    "\n#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n",
    "\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n",
    "\n#EXT-X-DISCONTINUITY\n",
    "\n#EXT-X-GAP\n",
    "\n#EXT-X-ENDLIST\n",
    "\n#EXT-X-BYTERANGE:18446744073709551615@18446744073709551615\n",
    "\n#EXT-X-BITRATE:1\n",
    "\n#EXT-X-PROGRAM-DATE-TIME:2026-11-22T23:59:60.999+14:00\n",
    "\n#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"1@2\"\n",
    "\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\",KEYFORMAT=\"f\",IV=0x1\n",
    "\n#EXT-X-PART-INF:PART-TARGET=0.5\n",
    "\n#EXT-X-PART:DURATION=0.5,URI=\"p\",INDEPENDENT=YES\n",
    "\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"h\",BYTERANGE-START=1\n",
    "\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=36,PART-HOLD-BACK=1.5\n",
    "\n#EXT-X-SKIP:SKIPPED-SEGMENTS=4294967295,RECENTLY-REMOVED-DATERANGES=\"a\tb\"\n",
    "\n#EXT-X-RENDITION-REPORT:URI=\"r\",LAST-MSN=4,LAST-PART=2\n",
    "\n#EXT-X-DATERANGE:ID=\"d\",START-DATE=\"2026-11-22T00:00:00Z\",DURATION=1.5,SCTE35-OUT=0xFC302F\n",
    "\n#EXT-X-CUE-OUT:30\n",
    "\n#EXT-X-CUE-OUT-CONT:ElapsedTime=5,Duration=30,SCTE35=/DAvAAAAAAAA\n",
    "\n#EXT-X-CUE-IN\n",
    "\n#EXT-OATCLS-SCTE35:/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=\n",
    "\n#EXT-X-DEFINE:NAME=\"v\",VALUE=\"{$v}{$v}\"\n",
    "\n#EXT-X-DEFINE:QUERYPARAM=\"A\"\n",
    "\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.64001f\",RESOLUTION=1x1,AUDIO=\"a\"\n",
    "\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",DEFAULT=YES,AUTOSELECT=YES,URI=\"u\"\n",
    "\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i\"\n",
    "\n#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\"\n",
    "\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"s\",PATHWAY-ID=\"p\"\n",
    "{$v}",
    "\u{feff}",
    "\r\n",
    "\u{0}",
    "=\"",
    ",,",
];

/// Reads the body and asks everything of it. The shape: kinds of playlist and issues.
pub fn exercise(body: &[u8]) -> Result<String, String> {
    let variables = Variables::for_url("https://o.example/a/b.m3u8?A=1&v={$A}");
    let (playlist, issues) = parse(body, variables.clone());
    if issues.len() > MAX_ISSUES + 1 {
        return Err(format!("{} issues", issues.len()));
    }
    // Expanding variables may not blow up what is read.
    let text = write(&playlist);
    if text.len() > 64 * (body.len() + 64) {
        return Err(format!("{} bytes became {}", body.len(), text.len()));
    }
    let (again, _) = parse(text.as_bytes(), variables);
    let _ = diff(&playlist, &again);
    let words = String::from_utf8_lossy(body);
    for word in words.split([',', '\n', '=', ':']).filter(|word| word.len() > 8).take(64) {
        let _ = (splice_info_from_hex(word), splice_info_from_base64(word));
    }
    let _ = splice_info(body);
    let kinds: BTreeSet<String> = issues.iter().map(|issue| format!("{:?}", issue.kind)).collect();
    let kind = match &playlist {
        Playlist::Media(media) => {
            let _ = (media.target_duration_us(), media.first_msn(), media.last_msn(), media.window_us());
            if media.parts().count() > body.len() {
                return Err("more parts than bytes".to_owned());
            }
            format!("media {:?}", media.segments.len().checked_ilog2())
        }
        Playlist::Multivariant(list) => format!("multivariant {:?}", list.variants.len().checked_ilog2()),
    };
    Ok(format!("{kind} {:?} {kinds:?}", sniff(body)))
}
