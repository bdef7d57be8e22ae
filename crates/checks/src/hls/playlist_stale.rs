use ow_domain::{Severity, Span};

use super::{Picture, picture, target_durations};
use crate::input::Renditions;
use crate::outcome::{Outcome, exact_seconds, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       No rendition of a stream shows a new segment for longer than 1.5 target durations.
    /// Matters:       Players run out of content: the picture freezes for everybody.
    /// Usual causes:  An encoder or its input that stopped, a packager that hangs, an origin that serves a frozen copy.
    /// Stays quiet:   After ENDLIST, while the stream cannot be reached, and when old copies hide the newest segment.
    id: "hls-playlist-stale", title: "HLS playlist stale", severity: Minor, hold: "H1", clear: "C2",
    since: "0.1", spec: [bis("6.2.2")], input: Renditions, scope: Stream, params: {
        stale_slack_s: f64 = 0.1, "seconds";
        minor_target_durations: f64 = 1.5, "target durations";
        major_target_durations: f64 = 3.0, "target durations";
        critical_target_durations: f64 = 6.0, "target durations";
        critical_min_s: f64 = 30.0, "seconds";
    },
}

fn run(input: &Renditions<'_>, params: &Params, out: &mut Outcome) {
    match picture(input) {
        Picture::AllStale => {}
        Picture::Grew if input.counts_as_growth => {
            out.pass();
            return;
        }
        _ => {
            out.unknown();
            return;
        }
    }
    // The freshest rendition decides: as long as one of them moved later, viewers had that.
    let Some(freshest) = input.tracks.values().min_by_key(|t| t.age) else { return };
    let slack = Span::from_secs_f64(params.stale_slack_s);
    let td = freshest.target_duration;
    let minor = target_durations(td, params.minor_target_durations) + slack;
    let major = target_durations(td, params.major_target_durations) + slack;
    let critical =
        target_durations(td, params.critical_target_durations).max(Span::from_secs_f64(params.critical_min_s)) + slack;
    let severity = match freshest.age {
        age if age >= critical => Severity::Critical,
        age if age >= major => Severity::Major,
        age if age >= minor => Severity::Minor,
        _ => {
            out.unknown();
            return;
        }
    };
    let (value, limit) = (seconds(freshest.age), seconds(minor));
    let message =
        format!("newest segment is {value} old; at most {limit} expected for target duration {}", exact_seconds(td));
    let mut at = out
        .fail(severity, value, limit, message)
        .fact("newest segment", freshest.newest_msn)
        .fact("first seen", freshest.first_seen_end)
        .fact("renditions", input.tracks.len());
    if let Some(age) = freshest.age_at_origin {
        at = at.fact("age at the origin", seconds(age));
        if age < minor {
            at.fact("cause", "a cache held the answer");
        }
    }
}
