use ow_domain::capture::TrackKind;
use ow_domain::{Severity, Span};

use crate::input::PlaylistStep;
use crate::outcome::{Outcome, seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       No advertisement break for much longer than the channel's longest interval between breaks.
    /// Matters:       Breaks that are not told cannot be sold.
    /// Usual causes:  Cues no longer pass the encoder or packager, automation that stopped sending them.
    /// Stays quiet:   On channels without `ad_break_interval_s`, inside a break, and while the playlist itself stands still.
    id: "ad-break-missing", title: "No advertisement break", severity: Minor, hold: "H1", clear: "C1",
    since: "0.1", spec: [op()], input: PlaylistStep, scope: Track, params: {
        interval_factor: f64 = 1.5, "times the longest interval";
    },
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let interval = input.policy.checks.ad_break_interval_s.filter(|s| s.is_finite() && *s > 0.0);
    let pictures = input.capture.track.as_ref().is_none_or(|t| matches!(t.kind, TrackKind::Video | TrackKind::Muxed));
    let Some(interval) = interval.filter(|_| pictures && input.step.is_accepted()) else { return };
    let limit = Span::from_secs_f64(interval * params.interval_factor);
    let since = input.ads.since_break();
    if input.ads.in_break() || since <= limit {
        out.pass();
        return;
    }
    let (value, limit) = (seconds(since), seconds(limit));
    let message = format!("{value} of media without a break; one at least every {limit} expected");
    out.fail(Severity::Minor, value, limit, message);
}
