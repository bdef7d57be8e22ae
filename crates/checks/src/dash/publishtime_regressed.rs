use ow_domain::Severity;
use ow_timeline::dash::{DashClass, Publish};

use crate::input::MpdStep;
use crate::outcome::{Outcome, seconds};
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       publishTime is earlier than in an MPD that was seen before.
    /// Matters:       Players that get the older version see no new segments, or take back what they know.
    /// Usual causes:  A cache node that lags, replicas behind one name, two packagers with clocks of their own.
    /// Stays quiet:   As an alarm of weight while single: one old copy is a warning only.
    id: "dash-publishtime-regressed", title: "MPD with an earlier publishTime", severity: Major,
    hold: "warning EV -> minor@warning H3/10 -> major H1", clear: "C10", since: "0.1",
    spec: [rfc("DASH-IF IOP part 4", "MPD publication"), iso_dash("5.4")], input: MpdStep, scope: Stream, params: {},
}

fn run(input: &MpdStep<'_>, _: &Params, out: &mut Outcome) {
    let Publish::Regressed { before, after, known_body } = input.step.publish else {
        if input.step.is_accepted() {
            out.pass();
        }
        return;
    };
    let is_copy = input.step.class == DashClass::StaleCopy;
    let (severity, what) = match is_copy {
        true => (Severity::Warning, "an old copy"),
        false => (Severity::Major, "a new version"),
    };
    let (value, limit) = (after.to_string(), before.to_string());
    let message = format!(
        "{what} of the MPD has publishTime {value}, {} back; {limit} or later expected",
        seconds(before - after)
    );
    let line = input.mpd.publish_time.map_or(0, |at| at.at.line);
    out.fail(severity, value, limit, message)
        .line(line)
        .fact("verdict", if is_copy { "stale copy" } else { "true regress" })
        .fact("served before", if known_body { "yes" } else { "no" })
        .previous_digest(input.previous_digest);
}
