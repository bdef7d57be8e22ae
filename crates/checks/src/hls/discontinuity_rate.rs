use ow_domain::Severity;
use ow_domain::policy::ChannelClass;

use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       More discontinuities in an hour than the class of the channel allows.
    /// Matters:       Each is a seam where players flush buffers; many of them are an unstable input or encoder.
    /// Usual causes:  An encoder that restarts again and again, an input that is lost and comes back.
    /// Stays quiet:   Up to 6 an hour, for class `fast` 60; the first window and restarts do not count.
    id: "hls-discontinuity-rate", title: "Many discontinuities", severity: Warning, hold: "H1", clear: "C600s",
    since: "0.1", spec: [op()], input: PlaylistStep, scope: Track, params: {per_hour: f64 = 6.0, "discontinuities"; per_hour_fast: f64 = 60.0, "discontinuities, class fast";},
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    if !input.step.is_accepted() {
        return;
    }
    let limit = if input.policy.class == ChannelClass::Fast { params.per_hour_fast } else { params.per_hour };
    let n = input.history.n_discontinuities();
    if n as f64 <= limit {
        out.pass();
        return;
    }
    let (value, limit) = (n.to_string(), limit.to_string());
    let message = format!("{value} discontinuities in the last hour; at most {limit} expected");
    out.fail(Severity::Warning, value, limit, message);
}
