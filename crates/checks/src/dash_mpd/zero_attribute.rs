use ow_dash::IssueFamily;
use ow_domain::Severity;

use super::by_issues;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::iso_dash;

crate::check! {
    /// Detects:       A zero as bandwidth, timescale, duration, width, height, or in a frame rate.
    /// Matters:       Players drop the Representation or divide by zero.
    /// Usual causes:  An encoder without a configured bit rate, a packager that started before its input was analysed.
    /// Stays quiet:   For zeros that have a meaning: start numbers, offsets, minimumUpdatePeriod, S@t, and for one bad copy.
    id: "dash-mpd-zero-attribute", title: "MPD has a zero where none may be", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.3.5.2"), iso_dash("5.3.9.2")], input: MpdLoad, scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    by_issues(load, IssueFamily::Zero, Severity::Major, out);
}
