use ow_domain::{Severity, Span};

use crate::input::LadderLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A channel that has been watched for a day and has no ladder contract in its template.
    /// Matters:       A rendition or language that disappears is not noticed, because nobody said that it must be there.
    /// Usual causes:  A channel that was added in haste; `ottwatch template learn` proposes a contract.
    /// Stays quiet:   During the first day, and with any ladder in the template or the overrides of the channel.
    id: "ladder-template-absent", title: "No ladder contract", severity: Info, hold: "H1", clear: "C1",
    since: "0.1", spec: [op()], input: LadderLoad, scope: Stream, params: { after_hours: f64 = 24.0, "hours"; },
}

fn run(input: &LadderLoad<'_>, params: &Params, out: &mut Outcome) {
    let limit = Span::from_secs_f64(params.after_hours * 3600.0);
    if input.agreed.is_some() || input.watched_for < limit {
        out.pass();
        return;
    }
    let value = format!("{:.0} h without a ladder contract", input.watched_for.secs_f64() / 3600.0);
    let limit = format!("a contract within {:.0} h", params.after_hours);
    let message = format!("{value}; {limit} expected");
    out.fail(Severity::Info, value, limit, message);
}
