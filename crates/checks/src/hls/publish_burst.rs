use ow_domain::Severity;

use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::{bis, op};

crate::check! {
    /// Detects:       More new segments in one on-time poll than an even pace explains, several times in twenty.
    /// Matters:       Viewers at the live edge run dry between the bursts.
    /// Usual causes:  An encoder or upload that stalls and catches up, a cache that holds playlists too long.
    /// Stays quiet:   When the probe itself was late, for segments shorter than the distance of the polls, and three times in twenty.
    id: "hls-publish-burst", title: "Segments come in bursts", severity: Warning, hold: "H1", clear: "C20",
    since: "0.1", spec: [op(), bis("6.2.2")], input: PlaylistStep, scope: Track, params: {most_bursts: f64 = 3.0, "polls of the last twenty";},
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let step = input.step;
    if !step.is_accepted() || input.capture.late_polls > 0 {
        out.unknown();
        return;
    }
    let (n_polls, n_bursts) = input.history.bursts();
    if n_polls < 10 {
        out.unknown();
        return;
    }
    if n_bursts as f64 <= params.most_bursts {
        out.pass();
        return;
    }
    let (value, limit) = (n_bursts.to_string(), params.most_bursts.to_string());
    let message = format!("{value} of the last {n_polls} polls brought segments in a burst; at most {limit} expected");
    out.fail(Severity::Warning, value, limit, message);
}
