use ow_domain::Severity;
use ow_domain::capture::TrackKind;

use crate::input::Aligned;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A rendition with another target duration than the others of its stream.
    /// Matters:       Players time their reloads and buffers by it; a change of rendition changes both.
    /// Usual causes:  Encoder outputs with different segment settings, audio packaged by another tool.
    /// Stays quiet:   For trick-play, and for subtitles of what is on demand.
    id: "hls-align-targetduration", title: "Target durations differ", severity: Warning, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("6.2.4")], input: Aligned, scope: Track, params: { minor_ratio: f64 = 1.5, "times"; },
}

fn run(input: &Aligned<'_>, params: &Params, out: &mut Outcome) {
    let compared = || {
        let on_demand_text = |kind, ended| kind == TrackKind::Text && ended;
        let known = input.tracks.iter().filter(|t| t.shape.target_duration_s.is_some());
        known.filter(move |t| !on_demand_text(t.kind, t.shape.ended))
    };
    let odd = super::odd_ones(input, compared(), |t| t.shape.target_duration_s.unwrap_or(0));
    let is_odd = |id| odd.as_ref().is_some_and(|(_, odd)| odd.iter().any(|t| t.id == id));
    for track in compared().filter(|t| !is_odd(t.id)) {
        out.pass().on_track(track.id);
    }
    let Some((usual, odd)) = &odd else { return };
    for track in odd {
        let mine = track.shape.target_duration_s.unwrap_or(0);
        let ratio = mine.max(*usual) as f64 / (mine.min(*usual).max(1)) as f64;
        let severity = if ratio > params.minor_ratio { Severity::Minor } else { Severity::Warning };
        let (value, limit) = (format!("{mine} s"), format!("{usual} s"));
        let message = format!("target duration is {value}; {limit} as in the other renditions expected");
        out.fail(severity, value, limit, message).on_track(track.id);
    }
}
