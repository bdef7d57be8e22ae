use ow_domain::{Severity, Span};

use super::{Mapping, mapping};
use crate::input::Aligned;
use crate::outcome::{Outcome, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       A rendition whose media timestamps differ from those of the others at the same moment.
    /// Matters:       Sound and picture drift apart; a change of rendition skips or repeats.
    /// Usual causes:  An encoder output that restarted with its own clock, an offset added by one packager task.
    /// Stays quiet:   For another phase of the 33-bit counter, and when it is the date-times that are off.
    id: "hls-align-media-timestamp", title: "Media timestamps of renditions disagree", severity: Major, hold: "H3",
    clear: "C3", since: "0.1", spec: [bis("6.2.4"), bis("3.1")], input: Aligned, scope: Track, params: {
        slack_s: f64 = 0.1, "seconds beyond one frame";
    },
}

/// Farther apart than this, times of 32 bits tell nothing of each other.
const SHORT_TIMES_MAX: Span = Span::from_secs(60);

fn run(input: &Aligned<'_>, params: &Params, out: &mut Outcome) {
    let Some(reference) = input.reference() else { return };
    for track in input.tracks.iter().filter(|t| t.id != reference.id) {
        let frame = track.unit().max(reference.unit()).max(Span::from_millis(40));
        let limit = frame + Span::from_secs_f64(params.slack_s);
        match mapping(track, reference, limit) {
            // Of 32 bits: one may have begun again and the other not yet, or at another number of turns.
            Mapping::Media(offset)
                if offset.abs() > SHORT_TIMES_MAX && (track.has_short_times() || reference.has_short_times()) =>
            {
                out.unknown().on_track(track.id)
            }
            Mapping::Unknown | Mapping::DateTime(_) => out.unknown().on_track(track.id),
            Mapping::Equal => out.pass().on_track(track.id),
            Mapping::Media(offset) => {
                let (value, limit) = (seconds(offset.abs()), seconds(limit));
                let message = format!(
                    "media timestamps are {value} off those of {} at the same moment; at most {limit} expected",
                    reference.id
                );
                out.fail(Severity::Major, value, limit, message).on_track(track.id)
            }
        };
    }
}
