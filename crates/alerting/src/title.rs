//! A short title from the id of a check, for messages to people.

/// Parts of check ids that are abbreviations, as people write them.
const ABBREVIATIONS: [(&str, &str); 37] = [
    ("aac", "AAC"),
    ("aes", "AES"),
    ("av", "A/V"),
    ("bmff", "BMFF"),
    ("cc", "CC"),
    ("cdn", "CDN"),
    ("cmaf", "CMAF"),
    ("cpu", "CPU"),
    ("dash", "DASH"),
    ("dns", "DNS"),
    ("drm", "DRM"),
    ("dts", "DTS"),
    ("dvr", "DVR"),
    ("hls", "HLS"),
    ("html", "HTML"),
    ("http", "HTTP"),
    ("id3", "ID3"),
    ("iframe", "I-frame"),
    ("isobmff", "ISO BMFF"),
    ("iv", "IV"),
    ("ll", "LL"),
    ("mp4", "MP4"),
    ("mpd", "MPD"),
    ("msn", "media sequence"),
    ("mvp", "multivariant playlist"),
    ("pat", "PAT"),
    ("pcr", "PCR"),
    ("pdt", "PDT"),
    ("pid", "PID"),
    ("pmt", "PMT"),
    ("pssh", "PSSH"),
    ("pts", "PTS"),
    ("scte35", "SCTE-35"),
    ("tls", "TLS"),
    ("ts", "TS"),
    ("ttfb", "first byte"),
    ("url", "URL"),
];

/// `hls-playlist-stale` -> `HLS playlist stale`.
pub fn title_of(check: &str) -> String {
    let mut out = String::with_capacity(check.len() + 8);
    for word in check.split(['-', '_', '.']).filter(|w| !w.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        match ABBREVIATIONS.binary_search_by_key(&word, |(short, _)| short) {
            Ok(at) => out.push_str(ABBREVIATIONS[at].1),
            Err(_) => out.push_str(word),
        }
    }
    let mut chars = out.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_ids_become_titles() {
        assert!(ABBREVIATIONS.is_sorted_by_key(|(short, _)| short));
        for (check, title) in [
            ("hls-playlist-stale", "HLS playlist stale"),
            ("http-status", "HTTP status"),
            ("hls-mvp-rendition-missing", "HLS multivariant playlist rendition missing"),
            ("segment-gap", "Segment gap"),
            ("", ""),
            ("-", ""),
        ] {
            assert_eq!(title_of(check), title);
        }
    }
}
