use ow_domain::Severity;

use crate::input::LadderLoad;
use crate::outcome::Outcome;
use crate::registry::{bis, op};

crate::check! {
    /// Detects:       A DRM system of the channel's contract that a picture or sound does not name, or protected media in clear.
    /// Matters:       All devices of that system are dark; in clear, rights are broken.
    /// Usual causes:  A key server that answered in part, a packager started without encryption.
    /// Stays quiet:   Where clear Periods are agreed, and where only key ids are written and devices know the licence server.
    id: "ladder-drm-system-missing", title: "Agreed DRM system missing", severity: Critical, hold: "H2", clear: "C1",
    since: "0.1", spec: [op(), bis("4.4.4.4")], input: LadderLoad, scope: Stream, params: {},
}

fn run(input: &LadderLoad<'_>, _: &Params, out: &mut Outcome) {
    let expected = input.agreed.map(|a| a.systems(input.capture.protocol)).unwrap_or_default();
    let Some(agreed) = input.agreed.filter(|a| !a.contract.drm.is_empty() && !input.protections.is_empty()) else {
        out.unknown();
        return;
    };
    let limit = agreed.contract.drm.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", ");
    let clear = || input.protections.iter().filter(|(_, p)| !p.encrypted).map(|(name, _)| name.clone());
    if clear().next().is_some() && !agreed.contract.clear_periods {
        let value = format!("in clear: {}", super::some(clear()));
        let message = format!("{value}; protection by {limit} expected");
        super::with_difference(out.fail(Severity::Critical, value, &limit, message), input).reason("clear");
    } else {
        out.pass().reason("clear");
    }
    // Without any system the devices are configured with the licence server, or the key server failed for all: the keys
    // themselves do not tell which.
    let named: Vec<_> = input.protections.iter().filter(|(_, p)| p.encrypted && !p.systems.is_empty()).collect();
    if named.is_empty() {
        out.unknown().reason("system");
        return;
    }
    let lost = |system: &&ow_domain::ladder::DrmSystem| named.iter().any(|(_, p)| !p.systems.contains(*system));
    let missing: Vec<&str> = expected.iter().filter(lost).map(|s| s.as_str()).collect();
    if missing.is_empty() {
        out.pass().reason("system");
        return;
    }
    let value = format!("without {}", missing.join(", "));
    let without = |p: &&&(String, crate::offer::Protection)| expected.iter().any(|s| !p.1.systems.contains(s));
    let tracks = super::some(named.iter().filter(without).map(|p| p.0.clone()));
    let message = format!("{tracks} {value}; {limit} expected");
    super::with_difference(out.fail(Severity::Critical, value, limit, message), input).reason("system");
}
