use ow_domain::Severity;
use std::collections::BTreeSet;

use super::{Breach, tell};
use crate::input::MvpDocument;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Two variants that are the same: equal URI and groups, or equal in all that players choose by, on one host.
    /// Matters:       Players treat the second as a copy for failover; one that is not leaves a rung out.
    /// Usual causes:  A rung that was copied and not changed.
    /// Stays quiet:   For copies on another host or pathway, and for one URI with different audio groups.
    id: "hls-mvp-duplicate-variant", title: "Variant is listed twice", severity: Info, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("6.2.4")], input: MvpDocument, scope: Stream, params: {},
}

fn run(doc: &MvpDocument<'_>, _: &Params, out: &mut Outcome) {
    let mut uris = BTreeSet::new();
    let mut choices = BTreeSet::new();
    let mut breaches = Vec::new();
    for v in &doc.playlist.variants {
        let captions = format!("{:?}", v.closed_captions);
        let groups = (&v.audio, &v.video, &v.subtitles, captions);
        let host = v.uri.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
        let choice = (v.bandwidth, &v.codecs, v.resolution, v.frame_rate_milli, &v.video_range);
        let place = (host, &v.pathway_id);
        let value = if !uris.insert((&v.uri, groups.clone())) {
            "a variant has the URI and groups of another"
        } else if !choices.insert((choice, groups, place)) {
            "a variant equals another in all but its URI"
        } else {
            continue;
        };
        breaches.push(Breach::new(v.line, Severity::Info, value, "different variants"));
    }
    tell(doc, out, breaches);
}
