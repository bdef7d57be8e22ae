use ow_domain::Severity;

use crate::input::{Aligned, AlignedTrack};
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Renditions of one stream of which some are ended or of another PLAYLIST-TYPE.
    /// Matters:       A player on the ended one stops; others wait for segments that never come.
    /// Usual causes:  One packager task that stopped, a rendition left over from a recording.
    /// Stays quiet:   While ENDLIST reaches the renditions one poll after the other.
    id: "hls-align-playlist-type", title: "Playlist types differ", severity: Major, hold: "H3", clear: "C2",
    since: "0.1", spec: [bis("6.2.4")], input: Aligned, scope: Track, params: {},
}

fn run(input: &Aligned<'_>, _: &Params, out: &mut Outcome) {
    let describe = |t: &AlignedTrack<'_>| {
        let kind = if t.shape.playlist_type.is_empty() { "live" } else { t.shape.playlist_type.as_str() };
        format!("{kind}{}", if t.shape.ended { " with ENDLIST" } else { "" })
    };
    let odd = super::odd_ones(input, input.tracks.iter(), describe);
    let is_odd = |id| odd.as_ref().is_some_and(|(_, odd)| odd.iter().any(|t| t.id == id));
    for track in input.tracks.iter().filter(|t| !is_odd(t.id)) {
        out.pass().on_track(track.id);
    }
    let Some((usual, odd)) = &odd else { return };
    for track in odd {
        let value = describe(track);
        let message = format!("playlist is {value}; {usual} as in the other renditions expected");
        out.fail(Severity::Major, value, usual.clone(), message).on_track(track.id);
    }
}
