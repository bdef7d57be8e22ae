use ow_domain::Severity;

use crate::input::MpdStep;
use crate::outcome::Outcome;
use crate::registry::iso_dash;

crate::check! {
    /// Detects:       An MPD that sends players to another address than before, or to one that does not answer.
    /// Matters:       Everybody moves at once; where nobody answers, players that follow it lose the stream.
    /// Usual causes:  Sessions that are handed out anew, a switch to another origin or CDN, an entry that names a host that is gone.
    /// Stays quiet:   When only the query differs; an address that fails is told once the entry answers again.
    id: "dash-mpd-location-changed", title: "Location of the MPD changed or fails", severity: Info, hold: "EV", clear: "C1",
    since: "0.2", spec: [iso_dash("5.3.1.2"), iso_dash("5.4")], input: MpdStep, scope: Stream, params: {},
}

fn run(input: &MpdStep<'_>, _: &Params, out: &mut Outcome) {
    let location = &input.location;
    if let Some((url, how)) = location.failed {
        let message = format!("Location {} answered with {how}; an MPD expected", clip(url));
        out.fail(Severity::Major, how, "an MPD", message).reason("unreachable").fact("Location", url);
        return;
    }
    let (Some(before), Some(now)) = (location.before, location.now) else { return };
    if !input.step.is_accepted() || place(before) == place(now) {
        return;
    }
    let (value, limit) = (clip(now), clip(before));
    let message = format!("Location is {value}; {limit} expected as before");
    out.fail(Severity::Info, value, limit, message)
        .reason("changed")
        .fact("Location before", before)
        .previous_digest(input.previous_digest);
}

/// Host and path: the scheme may change.
fn place(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, place)| place)
}

/// Short enough for two of them in a message.
fn clip(url: &str) -> String {
    let all = url.chars().count();
    if all <= 90 { url.to_owned() } else { url.chars().take(87).chain("...".chars()).collect() }
}
