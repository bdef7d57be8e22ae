use ow_domain::Severity;

use crate::input::{HintAnswer, HintLoad};
use crate::outcome::{Outcome, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       A hinted part that is refused or never answered when it is asked for, and is listed under that very URI later.
    /// Matters:       Players that trust hints fail at each part, or hold connections open for nothing.
    /// Usual causes:  A CDN that answers 404 for what is not there yet, an origin that cannot hold a request back.
    /// Stays quiet:   For a hint that was taken back: then 404 is the right answer; for refusals that are about the client.
    id: "llhls-preload-hint-unavailable", title: "Hinted part cannot be requested", severity: Major, hold: "H3/20",
    clear: "C20", since: "0.1", spec: [bis("6.2.6")], input: HintLoad, scope: Track, params: {},
}

fn run(load: &HintLoad<'_>, _: &Params, out: &mut Outcome) {
    let took = seconds(load.took);
    let (value, after) = match load.answer {
        HintAnswer::Came => {
            out.pass();
            return;
        }
        HintAnswer::Refused(status) => (format!("status {status}"), took),
        HintAnswer::Silent => ("no answer".to_owned(), took),
    };
    let HintLoad { number, index, .. } = load;
    let message = format!(
        "the hint for part {index} of segment {number} gave {value} after {after}, and the part was listed later; the part expected"
    );
    out.fail(Severity::Major, value, "the part", message).fact("time to the answer", after);
}
