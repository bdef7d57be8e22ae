use ow_domain::Severity;

use crate::input::EdgesLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A rendition report that is more than a part behind or ahead of the rendition's own playlist.
    /// Matters:       A player that changes the rung asks for a part that is long there, or waits for one that is far ahead.
    /// Usual causes:  Reports that are made once per segment, renditions packaged on machines that do not tell each other.
    /// Stays quiet:   Within one part, and for renditions that were not seen in the same burst.
    id: "llhls-rendition-report-wrong", title: "Rendition report does not fit", severity: Minor, hold: "H3/10",
    clear: "C10", since: "0.1", spec: [bis("4.4.5.4")], input: EdgesLoad, scope: Track, params: {
        tol_parts: f64 = 1.0, "parts; segments where there are no parts";
    },
}

fn run(load: &EdgesLoad<'_>, params: &Params, out: &mut Outcome) {
    let worst = load.reports.iter().max_by_key(|report| report.ahead.unsigned_abs());
    let Some(worst) = worst else {
        out.unknown();
        return;
    };
    if worst.ahead.unsigned_abs() as f64 <= params.tol_parts {
        out.pass();
        return;
    }
    let place = |(msn, part): (u64, Option<u32>)| match part {
        Some(part) => format!("part {part} of segment {msn}"),
        None => format!("segment {msn}"),
    };
    let (value, limit) = (place(worst.told), place(worst.listed));
    let message = format!("{} is reported at {value}; {limit} as in its playlist expected", worst.track.as_str());
    out.fail(Severity::Minor, value, limit, message).line(worst.line).fact("rendition", worst.track.as_str());
}
