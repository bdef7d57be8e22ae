use ow_domain::policy::ChannelClass;
use ow_domain::{Severity, Span};

use crate::input::PlaylistStep;
use crate::outcome::{Outcome, seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       More media published over ten minutes than wall time passed.
    /// Matters:       Players at the live edge fall behind without end; windows shrink in time.
    /// Usual causes:  A file played out as live without pacing, an encoder clock that runs fast.
    /// Stays quiet:   Up to three target durations ahead, and for events, which may catch up from tape.
    id: "hls-publish-too-fast", title: "Media is published faster than time passes", severity: Minor, hold: "H1", clear: "C600s",
    since: "0.1", spec: [op()], input: PlaylistStep, scope: Track, params: {ahead: f64 = 3.0, "target durations";},
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let step = input.step;
    if input.policy.class == ChannelClass::Event || !step.is_accepted() {
        return;
    }
    let Some(rhythm) = input.history.rhythm(Span::from_secs(600)).filter(|r| r.over >= Span::from_secs(300)) else {
        out.unknown();
        return;
    };
    let limit = super::target_durations(step.target_duration, params.ahead);
    if rhythm.ahead <= limit {
        out.pass();
        return;
    }
    let (value, limit) = (seconds(rhythm.ahead), seconds(limit));
    let message =
        format!("{value} more media than time in the last {}; at most {limit} expected", seconds(rhythm.over));
    out.fail(Severity::Minor, value, limit, message);
}
