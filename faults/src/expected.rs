//! Which checks must find which fault, the first one foremost.

/// Checks of a named fault; a suffixed name without a row of its own has that of the fault it belongs to.
pub fn checks(fault: &str) -> &'static [&'static str] {
    let row = |id: &str| EXPECTED.iter().find(|(f, _)| *f == id).map(|(_, checks)| *checks);
    row(fault).or_else(|| row(fault.split('-').next().unwrap_or(fault))).unwrap_or(&[])
}

/// Fault and its checks.
const EXPECTED: &[(&str, &[&str])] = &[
    ("F01", &["hls-timeline-reset"]),
    ("F02", &["http-status-manifest", "hls-timeline-reset"]),
    ("F03", &["hls-timeline-reset"]),
    ("F04", &["ts-timestamp-jump"]),
    ("F05", &["hls-discontinuity-sequence-missing"]),
    ("F06", &["hls-align-discontinuity"]),
    ("F07", &["hls-playlist-stale"]),
    ("F08", &["http-status-manifest", "ladder-rendition-missing"]),
    ("F09", &["hls-media-sequence-jump"]),
    ("F10", &["hls-align-media-timestamp", "seg-av-offset"]),
    ("F11", &["hls-align-segment-boundary", "seg-cross-rendition-boundary"]),
    ("F12", &["hls-endlist-removed", "hls-endlist-unexpected"]),
    ("F13", &["hls-playlist-too-short", "hls-dvr-window-changed"]),
    ("F14", &["http-status-segment"]),
    ("F15", &["hls-pdt-after-discontinuity-missing"]),
    ("F16", &["hls-align-pdt-mapping"]),
    ("F17", &["hls-pdt-missing"]),
    ("F18", &["hls-extinf-exceeds-target"]),
    ("F19", &["hls-targetduration-changed"]),
    ("F20", &["seg-duration-mismatch"]),
    ("F21", &["media-parameter-change", "media-framerate-mismatch"]),
    ("F22", &["hls-mvp-codecs-invalid"]),
    ("F23", &["media-codec-mismatch"]),
    ("F24", &["media-codec-mismatch", "ladder-codec-mismatch"]),
    ("F25", &["br-peak-exceeds"]),
    ("F26", &["hls-mvp-group-unresolved"]),
    ("F27", &["http-status-segment"]),
    ("F28", &["ts-pat-pmt-missing"]),
    ("F29", &["media-no-keyframe-start"]),
    ("F30", &["br-segment-empty"]),
    ("F31", &["http-truncated-body"]),
    ("F32", &["http-body-not-media"]),
    ("F33", &["mp4-tfdt-overflow"]),
    ("F34", &["mp4-tfdt-discontinuity"]),
    ("F35", &["mp4-tfdt-overflow"]),
    ("F36", &["seg-pts-wrap"]),
    ("F37", &["ts-vtt-timestamp-map"]),
    ("F38", &["hls-map-changed-no-discontinuity", "mp4-init-changed"]),
    ("F39", &["seg-media-clock-drift", "seg-duration-cumulative"]),
    ("F40", &["llhls-blocking-reload-broken"]),
    ("F41", &["llhls-blocking-reload-broken"]),
    ("F42", &["llhls-part-inf-missing"]),
    ("F43", &["llhls-part-duration"]),
    ("F44", &["llhls-part-bytes-mismatch"]),
    ("F45", &["llhls-independent-flag"]),
    ("F46", &["lldash-ato-incoherent", "dash-segment-late"]),
    ("F47", &["dash-live-edge-lag", "dash-live-edge-future"]),
    ("F47-future", &["dash-live-edge-future"]),
    ("F48", &["dash-mpd-utctiming-missing"]),
    ("F49", &["dash-mpd-zero-attribute"]),
    ("F50", &["dash-timeline-overlap"]),
    ("F51", &["dash-timeline-gap", "dash-period-gap"]),
    ("F51-period", &["dash-period-gap"]),
    ("F52", &["dash-timeline-stale"]),
    ("F53", &["dash-period-mutated"]),
    ("F54", &["dash-period-tracks-missing"]),
    ("F55", &["dash-period-tail-unavailable"]),
    ("F56", &["dash-start-number-skew"]),
    ("F57", &["dash-mpd-publishtime-missing", "dash-publishtime-not-updated"]),
    ("F57-frozen", &["dash-publishtime-not-updated"]),
    ("F58", &["dash-ast-changed"]),
    ("F59", &["hls-segment-listed-early"]),
    ("F60", &["hls-segment-listed-early", "edge-version-split"]),
    ("F61", &["hls-stale-copy-served"]),
    ("F62", &["http-cache-control-manifest", "http-stale-age"]),
    ("F63", &["http-server-clock-skew"]),
    ("F64", &["hls-playlist-stale", "http-status-segment"]),
    ("F66", &["drm-decrypt-failed"]),
    ("F67", &["drm-kid-mismatch", "mp4-init-changed"]),
    ("F68", &["drm-pssh-missing"]),
    ("F69", &["drm-kid-ahead-of-manifest"]),
    ("F70", &["ad-splice-not-on-boundary"]),
    ("F71", &["hls-daterange-invalid", "ad-cue-cont-inconsistent"]),
    ("F71-cont", &["ad-cue-cont-inconsistent"]),
    ("F72", &["ad-break-missing"]),
    ("F73", &["ts-cc-error"]),
    ("F74", &["http-body-stall", "http-truncated-body"]),
    ("F74-reset", &["http-truncated-body"]),
    ("F74-zero", &["media-nal-walk-error"]),
    ("F74-zero-cmaf", &["media-nal-walk-error"]),
];

#[cfg(test)]
mod tests {
    use ow_origin::NamedFault;

    use super::*;

    #[test]
    fn every_named_fault_has_a_check_that_must_find_it() {
        for fault in NamedFault::all() {
            assert!(!checks(&fault.id).is_empty(), "{}", fault.id);
        }
    }
}
