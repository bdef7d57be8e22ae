use ow_domain::{Severity, Span};

use super::{freshest, has_ended, is_stale, rhythm, times};
use crate::input::MpdStep;
use crate::outcome::{Outcome, exact_seconds, seconds};
use crate::registry::{op, rfc};

crate::check! {
    /// Detects:       The newest listed segment ends far behind the wall clock that availabilityStartTime promises.
    /// Matters:       Players compute the live edge from the clock and ask for segments that do not exist yet: they stall.
    /// Usual causes:  A wrong clock or availabilityStartTime, an encoder that falls behind, delay inside the packager.
    /// Stays quiet:   While the timeline is stale (that has its own alarm), and at the announced end.
    id: "dash-live-edge-lag", title: "Timeline lags behind the clock", severity: Minor, hold: "H3", clear: "C3",
    since: "0.1", spec: [rfc("DASH-IF Live Timing Model", "availability window"), op()], input: MpdStep,
    scope: Stream, params: {
        packaging_delay_s: f64 = 0.0, "seconds of usual delay";
        minor_durations: f64 = 2.0, "segment durations beyond the larger of duration and update period";
        major_durations: f64 = 6.0, "segment durations";
    },
}

fn run(input: &MpdStep<'_>, params: &Params, out: &mut Outcome) {
    if !input.step.is_accepted() || !input.step.dynamic || has_ended(input) {
        return;
    }
    let Some(freshest) = freshest(input) else { return };
    if is_stale(input, freshest) {
        out.unknown();
        return;
    }
    let listed = input.step.tracks.iter().filter(|t| t.explicit && t.edge_at.is_some());
    let Some(track) = listed.max_by_key(|t| t.edge_at) else { return };
    let (Some(edge), Some(nominal), Some(rhythm)) = (track.edge_at, track.nominal, rhythm(input, track)) else {
        return;
    };
    let uncertainty = Span::from_micros(input.capture.clock_uncertainty_us);
    let lag = input.step.t_req - edge - nominal - Span::from_secs_f64(params.packaging_delay_s) - uncertainty;
    let minor = rhythm + times(nominal, params.minor_durations);
    let major = times(nominal, params.major_durations).max(minor);
    if lag <= minor {
        match lag <= times(minor, 0.9) {
            true => out.pass(),
            false => out.between(),
        };
        return;
    }
    let severity = if lag > major { Severity::Major } else { Severity::Minor };
    let (value, limit) = (seconds(lag), seconds(minor));
    let message = format!(
        "the newest segment ends {value} behind the clock; at most {limit} expected for segments of {}",
        exact_seconds(nominal)
    );
    out.fail(severity, value, limit, message)
        .fact("newest segment ends", edge)
        .fact("rendition", &track.track)
        .fact("update period", input.step.update_period.map_or_else(|| "none".to_owned(), seconds));
}
