use ow_domain::Severity;
use ow_hls::PlaylistType;
use ow_timeline::Classification;

use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       PLAYLIST-TYPE:VOD on a playlist that changes, or EVENT while segments are removed from its head.
    /// Matters:       Players read a VOD once and never again, and let viewers seek in an EVENT to segments that are gone.
    /// Usual causes:  A recording profile on a live output, a window limit put on an event.
    /// Stays quiet:   For EVENT playlists that only grow, and for a VOD that is served again as it was.
    id: "hls-playlist-type-on-live", title: "Playlist type forbids what it does", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.3.5"), bis("6.2.1")], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let step = input.step;
    let Some(playlist) = input.playlist.filter(|_| step.is_accepted()) else { return };
    let Some(kind) = playlist.playlist_type else {
        out.pass();
        return;
    };
    let changes = matches!(step.classification, Classification::Advance { .. });
    let (value, limit) = match kind.value {
        PlaylistType::Vod if changes => ("VOD with new segments", "an unchanging playlist"),
        PlaylistType::Event if !step.removed_segments.is_empty() => {
            ("EVENT with segments removed", "a playlist that only grows")
        }
        // Nothing moved: neither proves nor disproves.
        _ if !changes => {
            out.unknown();
            return;
        }
        _ => {
            out.pass();
            return;
        }
    };
    let message = format!("the playlist type is {value}; {limit} expected");
    out.fail(Severity::Major, value, limit, message).line(kind.line).previous_digest(input.previous_digest);
}
