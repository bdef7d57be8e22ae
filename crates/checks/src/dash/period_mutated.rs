use ow_domain::Severity;
use ow_timeline::dash::PeriodField;

use crate::input::MpdStep;
use crate::outcome::Outcome;
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       A known Period whose start, presentationTimeOffset, timescale, asset or media template is another one.
    /// Matters:       Players keep what they read first: media is placed wrongly, or asked for where it is not.
    /// Usual causes:  A packager that restarted or was reconfigured inside of a Period, two packagers behind one name.
    /// Stays quiet:   When a Period gains its start or its duration, for Periods without an id, and for tokens in URLs.
    id: "dash-period-mutated", title: "Known Period changed", severity: Critical, hold: "H1", clear: "C1",
    since: "0.1", spec: [rfc("DASH-IF Live Timing Model", "MPD updates"), iso_dash("5.4")], input: MpdStep,
    scope: Stream, params: {},
}

fn run(input: &MpdStep<'_>, _: &Params, out: &mut Outcome) {
    if !input.step.is_accepted() {
        return;
    }
    let is_timing =
        |field| matches!(field, PeriodField::Start | PeriodField::PresentationTimeOffset | PeriodField::Timescale);
    let changes = &input.step.period_changes;
    let Some(change) = changes.iter().find(|c| is_timing(c.field)).or(changes.first()) else {
        out.pass();
        return;
    };
    let severity = if is_timing(change.field) { Severity::Critical } else { Severity::Major };
    let name = match change.field {
        PeriodField::Start => "start",
        PeriodField::PresentationTimeOffset => "presentationTimeOffset",
        PeriodField::Timescale => "timescale",
        PeriodField::AssetIdentifier => "AssetIdentifier",
        PeriodField::Media => "media template",
    };
    let clip = |text: &str| text.chars().take(60).collect::<String>();
    let (value, limit) = (clip(&change.after), clip(&change.before));
    let period = change.period.chars().take(24).collect::<String>();
    let message = format!("{name} of Period {period} is {value}; {limit} expected as before");
    let mut at =
        out.fail(severity, value, limit, message).fact("changes", changes.len()).previous_digest(input.previous_digest);
    if let Some(track) = &change.track {
        at = at.fact("rendition", track);
    }
    at.fact("period", &*change.period);
}
