use std::collections::BTreeSet;

use ow_domain::Severity;

use super::compare;
use crate::input::Presentations;
use crate::outcome::Outcome;
use crate::registry::{op, rfc};

crate::check! {
    /// Detects:       Key ids of HLS and DASH of which some are equal and some are not.
    /// Matters:       Devices ask for a licence of the wrong key and show nothing.
    /// Usual causes:  A key rotation that reached one packager, a manifest written with an older key.
    /// Stays quiet:   When no key id is shared: outputs encrypted apart may have keys of their own.
    id: "xp-drm-kid", title: "Key ids of HLS and DASH differ", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [rfc("CTA-5005-A", ""), op()], input: Presentations, scope: Stream, params: {},
}

fn run(input: &Presentations<'_>, _: &Params, out: &mut Outcome) {
    let ids = |view: &crate::input::PresentationView<'_>| -> BTreeSet<String> {
        view.protections.iter().flat_map(|(_, p)| p.key_ids.iter().cloned()).collect()
    };
    let (hls, dash) = (ids(&input.hls), ids(&input.dash));
    if !input.is_entry || hls.is_empty() || dash.is_empty() {
        return;
    }
    if hls.is_disjoint(&dash) {
        out.unknown();
        return;
    }
    compare(out, Severity::Major, "key ids", &hls, &dash);
}
