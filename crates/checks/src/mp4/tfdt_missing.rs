use ow_domain::Severity;

use crate::input::MediaLoad;
use crate::input::mp4 as view;
use crate::outcome::Outcome;
use crate::registry::{bis, cmaf};

crate::check! {
    /// Detects:       Fragments without a tfdt box.
    /// Matters:       Players cannot place the segment on the timeline.
    /// Usual causes:  A muxer in file mode, a remultiplexed recording.
    /// Stays quiet:   For boxes that are broken altogether, which is told apart.
    id: "mp4-tfdt-missing", title: "Fragment without decode time", severity: Critical, hold: "H1",
    clear: "C3", since: "0.1", spec: [bis("3.1.2"), cmaf("7.5.16")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    view::issue(load, &[("mp4-tfdt-missing", "a traf without tfdt", "tfdt in each traf")], Severity::Critical, out);
}
