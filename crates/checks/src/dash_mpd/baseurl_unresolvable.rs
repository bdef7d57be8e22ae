use ow_dash::base_choices;
use ow_domain::Severity;

use super::clip;
use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::iso_dash;

crate::check! {
    /// Detects:       BaseURLs that do not resolve to an absolute http or https address.
    /// Matters:       Players cannot ask for any segment, or lose the alternatives that they would switch to.
    /// Usual causes:  A path of the packager's disk in the MPD, an empty host in a template.
    /// Stays quiet:   For relative ones, which resolve against the address of the MPD, and for one copy.
    id: "dash-mpd-baseurl-unresolvable", title: "BaseURL leads nowhere", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.6.4"), iso_dash("5.6.5")], input: MpdLoad, scope: Stream, params: {},
}

fn run(load: &MpdLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(mpd) = load.mpd.filter(|_| load.is_complete()) else {
        out.unknown();
        return;
    };
    let choices = base_choices(mpd, load.capture.exchange.base_url());
    let none = choices.iter().find(|choice| choice.usable == 0);
    let some = none.or_else(|| choices.iter().find(|choice| choice.usable < choice.total));
    let Some((at, text)) = some.and_then(|choice| choice.first_bad.as_ref()) else {
        out.pass();
        return;
    };
    let severity = if none.is_some() { Severity::Major } else { Severity::Minor };
    // What follows a question mark may be a secret.
    let shown = clip(text.split('?').next().unwrap_or_default(), 100);
    let value = format!("{shown:?}");
    let limit = "an absolute http or https address";
    let line = at.line;
    let message = format!("line {line}: BaseURL gives {value}; {limit} expected");
    out.fail(severity, value, limit, message).line(line);
}
