use ow_domain::Severity;
use ow_hls::ClosedCaptions;

use super::{Breach, tell};
use crate::input::MvpDocument;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       CLOSED-CAPTIONS=NONE on some variants and not on all.
    /// Matters:       Captions vanish at a switch of quality, or players ignore them altogether.
    /// Usual causes:  Variants that were put together from two packagers.
    /// Stays quiet:   When all say NONE, and when none does.
    id: "hls-mvp-cc-none-inconsistent", title: "CLOSED-CAPTIONS=NONE on some variants only", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.6.2")], input: MvpDocument, scope: Stream, params: {},
}

fn run(doc: &MvpDocument<'_>, _: &Params, out: &mut Outcome) {
    let variants = &doc.playlist.variants;
    let is_none = |v: &&ow_hls::Variant| v.closed_captions == Some(ClosedCaptions::None);
    let n = variants.iter().filter(is_none).count();
    let odd = variants.iter().find(|v| !is_none(v)).filter(|_| n > 0);
    let breach = odd.map(|v| {
        let value = format!("{n} of {} variants say CLOSED-CAPTIONS=NONE", variants.len());
        Breach::new(v.line, Severity::Minor, value, "all or none")
    });
    tell(doc, out, breach.into_iter().collect());
}
