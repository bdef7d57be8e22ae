use ow_domain::{Severity, Span};

use crate::input::PlaylistStep;
use crate::outcome::{Outcome, seconds};
use crate::registry::{bis, op};

crate::check! {
    /// Detects:       A window that differs from the template, or that moved against its own last ten minutes.
    /// Matters:       Start-over and pause reach less far than was promised, or storage grows without bound.
    /// Usual causes:  A changed profile, segments lost at the origin, a packager that no longer removes.
    /// Stays quiet:   While the window grows after a start, within 5 % or two target durations, and for events.
    id: "hls-dvr-window-changed", title: "Window is not what it should be", severity: Warning, hold: "H5", clear: "C5",
    since: "0.1", spec: [op(), bis("6.2.2")], input: PlaylistStep, scope: Track, params: {share: f64 = 0.05, "share of the window in the template"; moved_share: f64 = 0.2, "share of the median of ten minutes";},
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let step = input.step;
    let Some(playlist) = input.playlist.filter(|_| step.is_accepted()) else { return };
    if playlist.playlist_type.is_some() || playlist.end_list.is_some() {
        return;
    }
    let slack = step.target_duration.mul_ratio(2, 1);
    let window = step.window;
    let (expected, limit, from) = match (input.policy.checks.dvr_window_s, input.history.median_window(step.t_end)) {
        (Some(template), _) => {
            let template = Span::from_secs(i64::from(template));
            (template, slack.max(Span::from_secs_f64(template.secs_f64() * params.share)), "by the template")
        }
        (None, Some(median)) => {
            (median, slack.max(Span::from_secs_f64(median.secs_f64() * params.moved_share)), "as before")
        }
        (None, None) => {
            out.unknown();
            return;
        }
    };
    let error = window - expected;
    if error.abs() <= limit {
        out.pass();
        return;
    }
    // A window that fills after a start has removed nothing yet.
    let fills = error.is_negative() && step.since_epoch_start < expected && step.removed_segments.is_empty();
    if fills {
        out.unknown();
        return;
    }
    let (value, expected) = (seconds(window), seconds(expected));
    let message = format!("the window holds {value}; {expected} {from} expected, within {}", seconds(limit));
    out.fail(Severity::Warning, value, expected, message);
}
