use ow_domain::Severity;
use ow_domain::capture::TrackKind;

use crate::input::{Aligned, AlignedTrack};
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       PROGRAM-DATE-TIME in some renditions of a stream and not in the others.
    /// Matters:       Players that align renditions by it cannot change to those without.
    /// Usual causes:  An audio or video output packaged with other settings.
    /// Stays quiet:   For subtitles, which other tools make, and when no rendition has it.
    id: "hls-align-pdt-presence", title: "Date-times not in all renditions", severity: Minor, hold: "H3", clear: "C2",
    since: "0.1", spec: [bis("6.2.4")], input: Aligned, scope: Track, params: {},
}

fn run(input: &Aligned<'_>, _: &Params, out: &mut Outcome) {
    let compared = || input.tracks.iter().filter(|t| t.kind != TrackKind::Text && !t.segments.is_empty());
    // Those without are odd, however many they are.
    let without: Vec<&AlignedTrack<'_>> = compared().filter(|t| !t.shape.dated).collect();
    let n = compared().count();
    if without.is_empty() || without.len() == n {
        for track in compared() {
            out.pass().on_track(track.id);
        }
        return;
    }
    for track in compared() {
        if track.shape.dated {
            out.pass().on_track(track.id);
            continue;
        }
        let value = "no PROGRAM-DATE-TIME";
        let limit = format!("one as in {} other renditions", n - without.len());
        let message = format!("playlist has {value}; {limit} expected");
        out.fail(Severity::Minor, value, limit, message).on_track(track.id);
    }
}
