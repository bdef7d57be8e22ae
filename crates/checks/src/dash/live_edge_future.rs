use ow_domain::{Severity, Span};

use super::times;
use crate::input::MpdStep;
use crate::outcome::{Outcome, exact_seconds, seconds};
use crate::registry::{op, rfc};

crate::check! {
    /// Detects:       Segments that are listed long before their availability start by the clock.
    /// Matters:       Players that compute the edge from the clock stay behind by that much; by hours they show nothing.
    /// Usual causes:  availabilityStartTime or a packager clock that is ahead, a time zone left out.
    /// Stays quiet:   Up to half a segment, and as an alarm up to ten minutes: listing ahead is legal.
    id: "dash-live-edge-future", title: "Timeline is ahead of the clock", severity: Info, hold: "H3", clear: "C3",
    since: "0.1", spec: [rfc("DASH-IF Live Timing Model", "availability window"), op()], input: MpdStep,
    scope: Stream, params: {
        ahead_durations: f64 = 0.5, "segment durations";
        major_s: f64 = 600.0, "seconds";
    },
}

fn run(input: &MpdStep<'_>, params: &Params, out: &mut Outcome) {
    if !input.step.is_accepted() || !input.step.dynamic {
        return;
    }
    // A start that lies ahead is told by dash-mpd-ast-missing.
    if input.presentation.ast.is_none_or(|ast| ast > input.step.t_end) {
        out.unknown();
        return;
    }
    let uncertainty = Span::from_micros(input.capture.clock_uncertainty_us);
    let tracks = input.presentation.tracks().filter_map(|(period, view)| {
        let newest = view.newest_listed()?;
        let from = view.available_at(input.presentation.ast, period, newest.end())?;
        Some((from - input.step.t_end, from, view))
    });
    let Some((ahead, from, view)) = tracks.max_by_key(|(ahead, ..)| *ahead) else { return };
    let Some(nominal) = view.nominal() else { return };
    let limit = times(nominal, params.ahead_durations) + uncertainty;
    if ahead <= limit {
        match ahead <= times(limit, 0.9) {
            true => out.pass(),
            false => out.between(),
        };
        return;
    }
    let severity = if ahead > Span::from_secs_f64(params.major_s) { Severity::Major } else { Severity::Info };
    let (value, limit) = (seconds(ahead), seconds(limit));
    let message = format!(
        "a segment is listed {value} before it may be asked for; at most {limit} expected for segments of {}",
        exact_seconds(nominal)
    );
    out.fail(severity, value, limit, message).fact("available from", from).fact("rendition", &view.track.id);
}
