use ow_domain::Severity;

use crate::input::SharedObject;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::{op, rfc};

crate::check! {
    /// Detects:       One address that gave HLS and DASH different samples.
    /// Matters:       Viewers of one protocol see other media than the manifest of the other describes; a cache mixes the two.
    /// Usual causes:  Two packagers that write to one place, a replica that lags, a cache key that leaves out too much.
    /// Stays quiet:   When only boxes around equal samples differ, and where HLS and DASH have objects of their own.
    id: "xp-shared-object-hash", title: "Shared segment differs between HLS and DASH", severity: Minor, hold: "EV", clear: "C1",
    since: "0.2", spec: [rfc("CTA-5005-A", "shared media objects"), op()], input: SharedObject, scope: Track, params: {},
}

fn run(input: &SharedObject<'_>, _: &Params, out: &mut Outcome) {
    match input.same {
        Some(true) => {
            out.pass();
        }
        None => {
            out.unknown();
        }
        Some(false) => {
            let other: String = input.other.chars().take(40).collect();
            let (value, limit) = ("other samples", format!("those that {other} got"));
            let before = exact_seconds(input.capture.exchange.t_end - input.at);
            let message = format!("a segment has {value} than {before} before; {limit} expected at the same address");
            out.fail(Severity::Minor, value, limit, message).fact("other stream", other);
        }
    }
}
