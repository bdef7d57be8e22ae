use ow_domain::{Severity, Span};

use super::times;
use crate::input::{PartGone, PartsLoad};
use crate::outcome::{Outcome, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       Parts that are listed longer than three target durations, and listed parts that answer 404.
    /// Matters:       Long part lists are transferred with each part; a part that is gone too soon breaks players.
    /// Usual causes:  A packager that never takes parts out, storage of parts that is shorter than their list.
    /// Stays quiet:   For parts that leave the list together with those of their segment.
    id: "llhls-part-retention", title: "Parts are kept too long or too short", severity: Minor, hold: "H2",
    clear: "C2", since: "0.1", spec: [bis("6.2.2")], input: PartsLoad, scope: Track, params: {
        list_tds: f64 = 3.0, "target durations";
    },
    also: { PartGone => gone },
}

fn run(load: &PartsLoad<'_>, params: &Params, out: &mut Outcome) {
    let playlist = load.playlist;
    let td = super::target_duration(playlist);
    let trailing = playlist.trailing_parts.iter().map(|part| part.duration_us);
    let Some(first) = playlist.segments.iter().position(|segment| !segment.parts.is_empty()) else {
        out.pass().reason("long");
        return;
    };
    // From the end of the oldest segment with parts: those of one segment may go together.
    let listed = playlist.segments.iter().skip(first + 1).map(|segment| segment.duration_us);
    let age = Span::from_micros(listed.chain(trailing).fold(0, i64::saturating_add));
    let limit = times(td, params.list_tds);
    if age <= limit {
        out.pass().reason("long");
        return;
    }
    let line = playlist.segments.get(first).and_then(|segment| segment.parts.first()).map_or(0, |part| part.line);
    let (value, limit) = (seconds(age), seconds(limit));
    let message =
        format!("parts are listed that ended {value} before the end of the playlist; at most {limit} expected");
    out.fail(Severity::Info, value, limit, message).reason("long").line(line);
}

fn gone(load: &PartGone<'_>, _: &Params, out: &mut Outcome) {
    let PartGone { number, index, status, .. } = load;
    match status {
        404 | 410 => {
            let message =
                format!("listed part {index} of segment {number} answers with status {status}; the part expected");
            out.fail(Severity::Minor, format!("status {status}"), "the part", message).reason("gone");
        }
        200 | 206 => {
            out.pass().reason("gone");
        }
        _ => {
            out.unknown().reason("gone");
        }
    }
}
