use ow_domain::Severity;
use ow_domain::capture::TrackKind;

use crate::hls::{Picture, STALE_FACTOR, STALE_SLACK_S, is_stale, picture, target_durations};
use crate::input::{Renditions, TrackAge};
use crate::outcome::{Outcome, exact_seconds, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       One rendition stands still while others of the stream go on.
    /// Matters:       Players on it freeze or switch away; a frozen sole audio silences everybody.
    /// Usual causes:  One encoder output or packager task that died, storage of one path that is full.
    /// Stays quiet:   When all renditions stand still, which is hls-playlist-stale, and for a difference of one segment.
    id: "hls-align-rendition-frozen", title: "Rendition frozen", severity: Major, hold: "H1", clear: "C2",
    since: "0.1", spec: [bis("6.2.4")], input: Renditions, scope: Track, params: {},
}

fn run(input: &Renditions<'_>, _: &Params, out: &mut Outcome) {
    match picture(input) {
        Picture::Frozen => {}
        Picture::Grew => {
            out.pass();
            return;
        }
        Picture::Quiet | Picture::AllStale | Picture::TooEarly => {
            out.unknown();
            return;
        }
    }
    let Some(mine) = input.tracks.get(input.track) else { return };
    let is_video = |t: &TrackAge| matches!(t.kind, TrackKind::Video | TrackKind::Muxed);
    let of_kind = |t: &&TrackAge| t.kind == mine.kind;
    let sole_audio = mine.kind == TrackKind::Audio && input.tracks.values().filter(of_kind).count() == 1;
    let last_video = is_video(mine) && input.tracks.values().filter(|t| is_video(t)).all(is_stale);
    let severity = if sole_audio || last_video { Severity::Critical } else { Severity::Major };
    let td = mine.target_duration;
    let limit = target_durations(td, STALE_FACTOR) + ow_domain::Span::from_secs_f64(STALE_SLACK_S);
    let (value, limit) = (seconds(mine.age), seconds(limit));
    let message = format!(
        "newest segment is {value} old while other renditions go on; at most {limit} expected for target duration {}",
        exact_seconds(td)
    );
    out.fail(severity, value, limit, message)
        .fact("newest segment", mine.newest_msn)
        .fact("first seen", mine.first_seen_end);
}
