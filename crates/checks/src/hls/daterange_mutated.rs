use ow_domain::Severity;

use crate::input::{DateRangeFault, PlaylistStep};
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       An attribute of a date range that has another value than when it was first listed.
    /// Matters:       Players act on the first value they saw: breaks start or end at the wrong time.
    /// Usual causes:  A packager that writes the planned values anew as time passes.
    /// Stays quiet:   For attributes that are added later, and for a tag that is gone.
    id: "hls-daterange-mutated", title: "Date range changed after it was published", severity: Minor, hold: "EV", clear: "C1",
    since: "0.1", spec: [bis("4.4.5.1")], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    for fault in &input.history.date_range_faults {
        let DateRangeFault::Mutated { id, line, attribute, before, after } = fault else { continue };
        let id: String = id.chars().take(40).collect();
        let attribute: String = attribute.chars().take(40).collect();
        let message = format!("{attribute} of date range {id:?} is {after}; {before} as before expected");
        out.fail(Severity::Minor, after.clone(), before.clone(), message)
            .line(*line)
            .previous_digest(input.previous_digest);
    }
}
