use ow_domain::{Severity, Span};

use crate::input::PartsLoad;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       A segment whose EXTINF is not the sum of the durations of its parts.
    /// Matters:       Players that change from parts to segments gain or lose time at each change.
    /// Usual causes:  A part that is missing in the list, durations rounded in different ways.
    /// Stays quiet:   Within a frame, and where parts were taken out of the list before the segment was complete.
    id: "llhls-part-sum-mismatch", title: "Parts do not add up to their segment", severity: Minor, hold: "H3/10",
    clear: "C10", since: "0.1", spec: [bis("3.2")], input: PartsLoad, scope: Track, params: {
        tol_s: f64 = 0.005, "seconds";
        frame_s: f64 = 0.04, "seconds, where no frame was read";
    },
}

fn run(load: &PartsLoad<'_>, params: &Params, out: &mut Outcome) {
    let frame = load.access_unit.unwrap_or(Span::from_secs_f64(params.frame_s));
    let tolerance = frame.max(Span::from_secs_f64(params.tol_s));
    for whole in load.completed {
        if (whole.sum - whole.declared).abs() <= tolerance {
            out.pass();
            continue;
        }
        let (number, value, limit) = (whole.number, exact_seconds(whole.sum), exact_seconds(whole.declared));
        let message = format!("the parts of segment {number} last {value} together; {limit} as its EXTINF expected");
        out.fail(Severity::Minor, value, limit, message).line(whole.line);
    }
}
