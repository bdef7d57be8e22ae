use ow_domain::Severity;

use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::rfc;

crate::check! {
    /// Detects:       A host that answers 429: it thinks that we ask too much.
    /// Matters:       What we do not get we cannot judge; players with one session each are not meant.
    /// Usual causes:  A rate limit per address that does not know the probe, a budget of the channel set too high.
    /// Stays quiet:   For one such answer, and for 503, which players get too: that is the business of the status checks.
    id: "self-rate-limited", title: "Host limits the rate of the probe", severity: Minor, hold: "H2", clear: "C5",
    since: "0.1", spec: [rfc("RFC 6585", "4"), rfc("RFC 9110", "10.2.3")], input: Load, scope: Host, params: {},
}

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    match load.response() {
        Some(response) if response.status == 429 => {
            let message = format!("{} answers 429 to the probe; an answer to each request expected", load.host());
            let at = out.fail(Severity::Minor, "429", "an answer to each request", message);
            if let Some(wait) = load.capture.exchange.header("retry-after") {
                at.fact("retry after", wait);
            }
        }
        Some(_) => {
            out.pass();
        }
        None => {
            out.unknown();
        }
    }
}
