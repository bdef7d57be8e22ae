use ow_domain::Severity;
use ow_domain::capture::TrackKind;

use crate::input::{Aligned, AlignedTrack};
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Date ranges that are not in all renditions, or not with the same attributes.
    /// Matters:       Ad insertion and scheduling depend on which rendition a player happens to load.
    /// Usual causes:  A packager that writes cues into the renditions it was restarted with only.
    /// Stays quiet:   For one poll of delay, and for subtitles without any date range.
    id: "hls-align-daterange-set", title: "Date ranges differ between renditions", severity: Minor, hold: "H3",
    clear: "C2", since: "0.1", spec: [bis("6.2.4")], input: Aligned, scope: Track, params: {},
}

fn run(input: &Aligned<'_>, _: &Params, out: &mut Outcome) {
    let has_own = |t: &&AlignedTrack<'_>| t.kind != TrackKind::Text || !t.shape.date_ranges.is_empty();
    let compared = || input.tracks.iter().filter(|t| !t.is_stale).filter(has_own);
    let odd = super::odd_ones(input, compared(), |t| t.shape.date_ranges.clone());
    let is_odd = |id| odd.as_ref().is_some_and(|(_, odd)| odd.iter().any(|t| t.id == id));
    for track in compared().filter(|t| !is_odd(t.id)) {
        out.pass().on_track(track.id);
    }
    let Some((usual, odd)) = &odd else { return };
    for track in odd {
        let mine = &track.shape.date_ranges;
        let missing: Vec<&str> = usual.keys().filter(|id| !mine.contains_key(*id)).map(String::as_str).collect();
        let extra: Vec<&str> = mine.keys().filter(|id| !usual.contains_key(*id)).map(String::as_str).collect();
        let altered = mine.iter().filter(|(id, hash)| usual.get(*id).is_some_and(|other| other != *hash)).count();
        let value = format!("{} date ranges missing, {} extra, {altered} altered", missing.len(), extra.len());
        let limit = "the same as in the other renditions";
        let message = format!("rendition has {value}; {limit} expected");
        let mut fail = out.fail(Severity::Minor, value, limit, message).on_track(track.id);
        for id in missing.into_iter().take(8) {
            fail = fail.fact("missing", id);
        }
        for id in extra.into_iter().take(8) {
            fail = fail.fact("extra", id);
        }
    }
}
