use std::collections::BTreeSet;

use ow_domain::Severity;

use super::compare;
use crate::input::Presentations;
use crate::offer::{Ladder, normal_language};
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       Languages of subtitles or captions that one protocol offers and the other does not.
    /// Matters:       Viewers of one protocol lose text that the other has.
    /// Usual causes:  A subtitle track that one packager cannot convert, captions without a descriptor in the MPD.
    /// Stays quiet:   For spellings of one language, for the kind of text, and with a contract of subtitles.
    id: "xp-subtitle", title: "HLS and DASH offer other subtitles", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [op()], input: Presentations, scope: Stream, params: {},
}

fn run(input: &Presentations<'_>, _: &Params, out: &mut Outcome) {
    let agreed = input.policy.ladder.as_ref().is_some_and(|l| !l.subtitles.is_empty());
    let (Some(hls), Some(dash)) = (input.hls.offer, input.dash.offer) else { return };
    if !input.is_entry || agreed {
        return;
    }
    let names = |ladder: &Ladder| -> BTreeSet<String> {
        ladder.text.iter().map(|t| normal_language(t.language.as_deref().unwrap_or_default())).collect()
    };
    compare(out, Severity::Minor, "subtitles", &names(hls), &names(dash));
}
