use ow_domain::Severity;
use ow_domain::policy::ChannelClass;

use crate::input::{DateRangeFault, PlaylistStep};
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       The ID of a date range that is used for another time within a day.
    /// Matters:       Players take the new range for the old one and skip it.
    /// Usual causes:  Identifiers counted from zero after a restart, looped content.
    /// Stays quiet:   When one and the same range is listed again, and for class `fast`, where looped content is the rule.
    id: "hls-daterange-id-reuse", title: "Date range identifier used again", severity: Minor, hold: "EV", clear: "C1",
    since: "0.1", spec: [bis("4.4.5.1")], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    if input.policy.class == ChannelClass::Fast {
        return;
    }
    for fault in &input.history.date_range_faults {
        let DateRangeFault::Reused { id, line, before, after } = fault else { continue };
        let id: String = id.chars().take(60).collect();
        let (value, limit) = (after.to_string(), before.to_string());
        let message = format!("date range {id:?} stands for {value} now; {limit} as before expected");
        out.fail(Severity::Minor, value, limit, message).line(*line).previous_digest(input.previous_digest);
    }
}
