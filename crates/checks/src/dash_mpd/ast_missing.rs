use ow_dash::{IssueFamily, IssueKind};
use ow_domain::policy::ChannelClass;
use ow_domain::{Severity, Span, Time};

use super::report;
use crate::input::MpdLoad;
use crate::outcome::{Outcome, seconds};
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       A dynamic MPD without availabilityStartTime, with one in the future, or with one without time zone.
    /// Matters:       Without the anchor no segment has a time; with a future one players wait.
    /// Usual causes:  A packager without clock synchronisation, local time written as UTC, a template with gaps.
    /// Stays quiet:   Before the start of a scheduled event, within the grace of a start, and for one copy.
    id: "dash-mpd-ast-missing", title: "Live MPD without a start in the past", severity: Critical, hold: "H2",
    clear: "C1", since: "0.1", spec: [iso_dash("5.3.1.2"), rfc("DASH-IF Live Timing Model", "availability")],
    input: MpdLoad, scope: Stream, params: {},
}

/// Grace of a start unless the channel says otherwise.
const GRACE_S: f64 = 30.0;

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(mpd) = load.mpd.filter(|_| load.is_complete()) else {
        out.unknown();
        return;
    };
    if let Some(start) = mpd.availability_start_time.filter(|_| mpd.is_dynamic()) {
        let ahead = Time::from_unix_micros(start.unix_us) - load.capture.exchange.t_end;
        let grace = Span::from_secs_f64(load.policy.checks.startup_grace_s.unwrap_or(GRACE_S));
        let uncertainty = Span::from_micros(load.capture.clock_uncertainty_us);
        let announced = load.policy.class == ChannelClass::Event
            && load.policy.event_start.is_some_and(|event| load.capture.exchange.t_end < event);
        if ahead > grace + uncertainty && !announced {
            let value = format!("{} in the future", seconds(ahead));
            let limit = format!("at most {}", seconds(grace));
            let line = start.at.line;
            let message = format!("line {line}: MPD@availabilityStartTime is {value}; {limit} expected");
            out.fail(Severity::Critical, value, limit, message).line(line);
            return;
        }
    }
    let found = load.issues.iter().find(|issue| {
        issue.kind.family() == IssueFamily::AvailabilityStart && issue.subject.contains("availabilityStartTime")
    });
    match found {
        None => {
            out.pass();
        }
        Some(issue) => {
            let severity = match issue.kind {
                // Taken as UTC in practice.
                IssueKind::DateTimeWithoutZone => Severity::Warning,
                _ => Severity::Critical,
            };
            report(issue, severity, out);
        }
    }
}
