use ow_domain::Severity;
use ow_hls::{IssueFamily, IssueKind};

use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A date-time that cannot be read, or without time zone or milliseconds.
    /// Matters:       Players guess the zone: sync and breaks are off by hours, or by up to a second.
    /// Usual causes:  A packager that prints local time, or whole seconds.
    /// Stays quiet:   For a zone without colon, which most players accept.
    id: "hls-pdt-format", title: "Program date-time lacks zone or milliseconds", severity: Warning, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.4.6")], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let Some(playlist) = input.playlist else { return };
    let broken: Vec<_> = input.issues.iter().filter(|i| i.kind.family() == IssueFamily::ProgramDateTime).collect();
    let Some(first) = broken.first() else {
        if playlist.segments.iter().any(|s| s.program_date_time.is_some()) {
            out.pass();
        }
        return;
    };
    let value = match first.kind {
        IssueKind::DateTimeWithoutZone => "a date-time without zone",
        IssueKind::DateTimeWithoutMillis => "a date-time without milliseconds",
        _ => "a date-time that cannot be read",
    };
    let limit = "ISO 8601 with zone and milliseconds";
    let message = format!("line {}: {value}; {limit} expected", first.line);
    out.fail(Severity::Warning, value, limit, message).line(first.line).fact("breaches", broken.len());
}
