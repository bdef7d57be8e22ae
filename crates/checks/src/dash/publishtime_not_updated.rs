use ow_domain::Severity;
use ow_timeline::dash::Publish;

use crate::input::MpdStep;
use crate::outcome::Outcome;
use crate::registry::rfc;

crate::check! {
    /// Detects:       An MPD whose content changed while its publishTime stayed.
    /// Matters:       Players and caches take the two versions for one: they skip the update, or keep the older one.
    /// Usual causes:  publishTime that is written once at start, a proxy that edits the MPD.
    /// Stays quiet:   Without publishTime, and when only the time in UTCTiming changed.
    id: "dash-publishtime-not-updated", title: "MPD changed under the same publishTime", severity: Minor, hold: "H3",
    clear: "C3", since: "0.1", spec: [rfc("DASH-IF IOP part 4", "MPD publication")], input: MpdStep, scope: Stream,
    params: {},
}

fn run(input: &MpdStep<'_>, _: &Params, out: &mut Outcome) {
    let (Some(true), true) = (input.step.content_changed, input.step.is_accepted()) else { return };
    match input.step.publish {
        Publish::Newer => {
            out.pass();
        }
        Publish::Same => {
            let written = input.mpd.publish_time;
            let value = input.presentation.publish_time.map_or_else(|| "the same".to_owned(), |time| time.to_string());
            let limit = "a later time";
            let message = format!("the MPD changed and its publishTime stayed {value}; {limit} expected");
            out.fail(Severity::Minor, value, limit, message)
                .line(written.map_or(0, |at| at.at.line))
                .previous_digest(input.previous_digest);
        }
        Publish::Unknown | Publish::Regressed { .. } => {}
    }
}
