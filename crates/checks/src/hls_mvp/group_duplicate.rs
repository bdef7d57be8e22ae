use ow_domain::Severity;
use std::collections::BTreeSet;

use super::{Breach, cut, tell};
use crate::input::MvpDocument;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Renditions of one group that cannot be told apart: equal NAME, two defaults, equal choices for automatic selection.
    /// Matters:       Players show one of them only, or pick at random.
    /// Usual causes:  A language that was added by copying a line.
    /// Stays quiet:   For equal names in different groups, which the same rendition must have.
    id: "hls-mvp-group-duplicate", title: "Renditions of a group are not distinct", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.6.1.1")], input: MvpDocument, scope: Stream, params: {},
}

fn run(doc: &MvpDocument<'_>, _: &Params, out: &mut Outcome) {
    let mut breaches = Vec::new();
    let mut names = BTreeSet::new();
    let mut defaults = BTreeSet::new();
    let mut choices = BTreeSet::new();
    for media in &doc.playlist.media {
        let group = (media.media_type, &*media.group_id);
        let mut say =
            |value: String, limit: &str| breaches.push(Breach::new(media.line, Severity::Minor, value, limit));
        if !names.insert((group, &*media.name)) {
            say(format!("group {} has NAME {:?} twice", cut(&media.group_id), cut(&media.name)), "different names");
        }
        if media.default && !defaults.insert(group) {
            say(format!("group {} has two DEFAULT=YES", cut(&media.group_id)), "at most one default");
        }
        let choice = (&media.language, &media.assoc_language, media.forced, &media.characteristics, &media.instream_id);
        // Two channel layouts of one language are a choice of their own.
        if media.autoselect == Some(true) && !choices.insert((group, choice, &media.channels)) {
            let value = format!("group {} has two equal choices for AUTOSELECT", cut(&media.group_id));
            say(value, "a difference in LANGUAGE, ASSOC-LANGUAGE, FORCED or CHARACTERISTICS");
        }
    }
    tell(doc, out, breaches);
}
