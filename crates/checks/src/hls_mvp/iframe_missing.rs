use ow_domain::Severity;

use super::{Breach, tell};
use crate::input::MvpDocument;
use crate::outcome::Outcome;
use crate::registry::{bis, has};

crate::check! {
    /// Detects:       No I-frame variant although the template says that the channel offers trick play.
    /// Matters:       Fast forward and scrubbing show no pictures.
    /// Usual causes:  A packager profile without an I-frame output, an output that was lost.
    /// Stays quiet:   Unless the template says trick play.
    id: "hls-mvp-iframe-missing", title: "No I-frame playlist for trick play", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [has("6.1"), bis("4.4.6.3")], input: MvpDocument, scope: Stream, params: {},
}

fn run(doc: &MvpDocument<'_>, _: &Params, out: &mut Outcome) {
    if !doc.policy.checks.trickplay {
        return;
    }
    let usable = doc.playlist.i_frame_variants.iter().any(|v| !v.uri.is_empty());
    let breach = (!usable).then(|| {
        Breach::new(0, Severity::Minor, "no EXT-X-I-FRAME-STREAM-INF with a URI", "at least one for trick play")
    });
    tell(doc, out, breach.into_iter().collect());
}
