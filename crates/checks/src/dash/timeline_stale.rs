use ow_domain::{Severity, Span};
use ow_timeline::dash::DashTrackStep;

use super::{freshest, has_ended, is_stale, rhythm, times};
use crate::input::MpdStep;
use crate::outcome::{At, Outcome, exact_seconds, seconds};
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       A SegmentTimeline that shows no new segment for longer than 1.5 segments or update periods.
    /// Matters:       Players run out of content: the picture freezes for everybody.
    /// Usual causes:  An encoder or its input that stopped, a packager that hangs, an origin that serves a frozen copy.
    /// Stays quiet:   While the MPD cannot be had, for computed lists, for static MPDs, and where the end is announced.
    id: "dash-timeline-stale", title: "DASH timeline stale", severity: Minor, hold: "H1", clear: "C2", since: "0.1",
    spec: [rfc("DASH-IF Live Timing Model", "MPD updates"), iso_dash("5.4")], input: MpdStep, scope: Stream, params: {
        stale_slack_s: f64 = 0.1, "seconds";
        minor_durations: f64 = 1.5, "segment durations or update periods";
        major_durations: f64 = 3.0, "segment durations or update periods";
        critical_durations: f64 = 6.0, "segment durations";
        critical_min_s: f64 = 30.0, "seconds";
    },
}

fn run(input: &MpdStep<'_>, params: &Params, out: &mut Outcome) {
    if !input.step.is_accepted() || !input.step.dynamic || has_ended(input) {
        return;
    }
    let Some(freshest) = freshest(input) else { return };
    // The freshest rendition decides for all: as long as one moves, only those that stand still are told.
    if is_stale(input, freshest) {
        tell(input, freshest, params, out);
        return;
    }
    match freshest.age.is_some_and(|age| age.grew) {
        true => out.pass(),
        false => out.unknown(),
    };
    // What a later Period no longer has does not stand still: it has ended (dash-period-tracks-missing).
    let newest = input.presentation.periods.iter().rposition(|p| *p.key == *freshest.period);
    let in_force =
        |track: &&DashTrackStep| newest == input.presentation.periods.iter().rposition(|p| *p.key == *track.period);
    for track in input.step.tracks.iter().filter(|t| t.explicit).filter(in_force) {
        let Some(age) = track.age else { continue };
        if age.grew {
            out.pass().on_track(&track.track);
        } else if is_stale(input, track)
            && freshest.age.is_some_and(|age| age.grew)
            && let Some(at) = tell(input, track, params, out)
        {
            at.on_track(&track.track);
        }
    }
}

fn tell<'o>(input: &MpdStep<'_>, track: &DashTrackStep, params: &Params, out: &'o mut Outcome) -> Option<At<'o>> {
    let (age, nominal, rhythm) = (track.age?, track.nominal?, rhythm(input, track)?);
    let slack = Span::from_secs_f64(params.stale_slack_s);
    let minor = times(rhythm, params.minor_durations) + slack;
    let major = times(rhythm, params.major_durations) + slack;
    let critical = times(nominal, params.critical_durations).max(Span::from_secs_f64(params.critical_min_s)) + slack;
    let severity = match age.age {
        age if age >= critical => Severity::Critical,
        age if age >= major => Severity::Major,
        age if age >= minor => Severity::Minor,
        _ => return None,
    };
    let (value, limit) = (seconds(age.age), seconds(minor));
    let message =
        format!("newest segment is {value} old; at most {limit} expected for segments of {}", exact_seconds(nominal));
    let mut at = out
        .fail(severity, value, limit, message)
        .fact("first seen", age.first_seen_end)
        .fact("rendition", &track.track)
        .fact("period", &*track.period);
    if let Some(origin) = age.age_at_origin {
        at = at.fact("age at the origin", seconds(origin));
        if origin < minor {
            at = at.fact("cause", "a cache held the answer");
        }
    }
    Some(at)
}
