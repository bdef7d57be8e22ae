use std::collections::BTreeMap;

use ow_domain::Severity;

use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::{bis, op};

crate::check! {
    /// Detects:       The same address and byte range under two numbers of one window.
    /// Matters:       Viewers see the same seconds again; timestamps overlap and players stall.
    /// Usual causes:  A packager that missed its input and repeated the last file, two writers of one playlist.
    /// Stays quiet:   For slates that repeat one file with a DISCONTINUITY each time.
    id: "hls-segment-duplicate-uri", title: "One segment listed twice", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.4"), op()], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let Some(playlist) = input.playlist.filter(|_| input.step.is_accepted()) else { return };
    let mut seen = BTreeMap::new();
    for segment in playlist.segments.iter().filter(|s| s.gap.is_none()) {
        let range = segment.byte_range.map(|r| (r.offset, r.length));
        let Some(before) = seen.insert((&segment.uri, range), segment.msn) else { continue };
        if segment.discontinuity.is_some() {
            continue;
        }
        let (value, limit) = (format!("the address of segment {before}"), "one of its own");
        let message = format!("segment {} has {value}; {limit} expected", segment.msn);
        out.fail(Severity::Major, value, limit, message).line(segment.line).fact("segment", &segment.uri);
        return;
    }
    out.pass();
}
