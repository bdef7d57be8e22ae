use ow_domain::Severity;
use ow_timeline::StaleCopyBy;

use super::target_durations;
use crate::input::PlaylistStep;
use crate::outcome::{Outcome, seconds};
use crate::registry::{bis, op};

crate::check! {
    /// Detects:       An answer with an older state of the playlist than one seen before.
    /// Matters:       Players that get it fall behind, see no new segments, or report a sequence error.
    /// Usual causes:  A node of a cluster or cache that lags, unsynchronised replicas behind one name.
    /// Stays quiet:   As an alarm of weight while single: one old copy is a warning only.
    id: "hls-stale-copy-served", title: "Old copy of the playlist served", severity: Warning,
    hold: "warning EV -> minor@warning H3/10 -> major H1", clear: "C10", since: "0.1", spec: [op(), bis("6.2.2")],
    input: PlaylistStep, scope: Track, params: {
        hidden_target_durations: f64 = 1.5, "target durations";
    },
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let step = input.step;
    let Some(copy) = step.stale_copy() else {
        if step.is_accepted() {
            out.pass();
        }
        return;
    };
    let hidden = copy.hidden > target_durations(step.target_duration, params.hidden_target_durations);
    let severity = if hidden { Severity::Major } else { Severity::Warning };
    let value = format!("segment {} as newest", copy.last_msn);
    let limit = format!("segment {} or later", copy.accepted_last_msn);
    let message =
        format!("an old copy shows {value}, {} after the newer state; {limit} expected", seconds(copy.hidden));
    let how = match copy.by {
        StaleCopyBy::Digest => "an earlier body byte for byte",
        StaleCopyBy::Window => "an earlier window in another body",
    };
    out.fail(severity, value, limit, message)
        .fact("recognised by", how)
        .fact("newest segment hidden for", seconds(copy.hidden))
        .previous_digest(input.previous_digest);
}
