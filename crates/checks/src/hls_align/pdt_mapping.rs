use ow_domain::{Severity, Span};

use super::{Mapping, mapping};
use crate::input::Aligned;
use crate::outcome::{Outcome, seconds};
use crate::registry::{bis, op};

crate::check! {
    /// Detects:       A rendition whose date-times stand otherwise to its media time than those of the others.
    /// Matters:       Players that align by date-time jump by the difference when they change rendition.
    /// Usual causes:  Date-times taken from the clock of each encoder output, rounding that adds up.
    /// Stays quiet:   For audio priming, and when it is the media time that is off (hls-align-media-timestamp).
    id: "hls-align-pdt-mapping", title: "Date-times of renditions disagree", severity: Minor, hold: "H3", clear: "C3",
    since: "0.1", spec: [bis("6.2.4"), op()], input: Aligned, scope: Track, params: {
        pdt_map_spread_s: f64 = 0.1, "seconds";
        major_s: f64 = 1.0, "seconds";
    },
}

fn run(input: &Aligned<'_>, params: &Params, out: &mut Outcome) {
    let Some(reference) = input.reference() else { return };
    for track in input.tracks.iter().filter(|t| t.id != reference.id) {
        match mapping(track, reference, Span::from_secs_f64(params.pdt_map_spread_s)) {
            Mapping::Unknown | Mapping::Media(_) => out.unknown().on_track(track.id),
            Mapping::Equal => out.pass().on_track(track.id),
            Mapping::DateTime(spread) => {
                let major = spread.abs() > Span::from_secs_f64(params.major_s);
                let severity = if major { Severity::Major } else { Severity::Minor };
                let value = seconds(spread.abs());
                let limit = seconds(Span::from_secs_f64(params.pdt_map_spread_s));
                let message = format!(
                    "date-times are {value} off those of {} at equal media time; at most {limit} expected",
                    reference.id
                );
                out.fail(severity, value, limit, message).on_track(track.id)
            }
        };
    }
}
