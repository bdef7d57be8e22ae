use ow_domain::{Severity, Span};

use super::pdt_regressed::runs_back;
use crate::input::PlaylistStep;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       PROGRAM-DATE-TIME that does not continue from one segment to the next.
    /// Matters:       Players and ad decisions place content by it: start-over, sync and breaks are wrong.
    /// Usual causes:  A clock that was stepped at the packager, lost input that was not marked, a counter bug.
    /// Stays quiet:   Below half a second (rounding), and across a DISCONTINUITY unless time runs back or jumps a day.
    id: "hls-pdt-jump", title: "Program date-time jumps", severity: Minor, hold: "EV, H3/10", clear: "C10",
    since: "0.1", spec: [bis("4.4.4.6"), bis("6.2.1")], input: PlaylistStep, scope: Track, params: {
        pdt_jump_s: f64 = 0.5, "seconds";
        across_discontinuity_s: f64 = 86400.0, "seconds";
    },
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let step = input.step;
    let Some(playlist) = input.playlist.filter(|_| step.is_accepted()) else { return };
    let within = Span::from_secs_f64(params.pdt_jump_s);
    let day = Span::from_secs_f64(params.across_discontinuity_s);
    for pdt in &step.pdt_steps {
        if pdt.same_dsn && runs_back(pdt, playlist, Span::from_secs(1)).is_some() {
            // hls-pdt-regressed.
            out.unknown();
            continue;
        }
        let limit = if pdt.same_dsn { within } else { day };
        let backwards = !pdt.same_dsn && pdt.step < -step.target_duration.max(within);
        if pdt.step.abs() <= limit && !backwards {
            out.pass();
            continue;
        }
        let severity = if pdt.step.abs() > step.target_duration { Severity::Major } else { Severity::Minor };
        let kind = if pdt.step.is_negative() { "overlap" } else { "gap" };
        let value = exact_seconds(pdt.step.abs());
        let limit = exact_seconds(if backwards { within } else { limit });
        let message =
            format!("a {kind} of {value} before the date-time of segment {}; at most {limit} expected", pdt.msn);
        let line = playlist
            .segments
            .iter()
            .find(|s| s.msn == pdt.msn)
            .and_then(|s| s.program_date_time)
            .map_or(0, |date| date.line);
        out.fail(severity, value, limit, message).line(line).fact("kind", kind);
    }
}
