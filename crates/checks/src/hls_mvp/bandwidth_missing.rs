use ow_domain::Severity;

use super::{Breach, tell};
use crate::input::MvpDocument;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A variant without BANDWIDTH, or with one that is no number above 0.
    /// Matters:       Some players drop the variant, some fail as a whole.
    /// Usual causes:  A template edited by hand, an encoder whose rate was not known yet.
    /// Stays quiet:   While the document is malformed as a whole.
    id: "hls-mvp-bandwidth-missing", title: "Variant without BANDWIDTH", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.6.2")], input: MvpDocument, scope: Stream, params: {},
}

fn run(doc: &MvpDocument<'_>, _: &Params, out: &mut Outcome) {
    let all = doc.playlist.variants.iter().chain(&doc.playlist.i_frame_variants);
    let without = all.filter(|v| v.bandwidth.is_none_or(|b| b == 0));
    let breaches =
        without.map(|v| Breach::new(v.line, Severity::Major, "a variant has no usable BANDWIDTH", "a number above 0"));
    tell(doc, out, breaches.collect());
}
