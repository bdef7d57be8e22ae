use ow_domain::Severity;

use crate::input::MediaLoad;
use crate::input::mp4 as view;
use crate::outcome::Outcome;
use crate::registry::bmff;

crate::check! {
    /// Detects:       Samples that begin before or end after the data that follows their moof.
    /// Matters:       Decoders read other bytes than pictures and sound: garbage or a stop.
    /// Usual causes:  An mdat that was cut while its size was corrected, a wrong data_offset.
    /// Stays quiet:   For an empty mdat, and for bodies that did not arrive whole.
    id: "mp4-trun-out-of-range", title: "Samples lie outside of mdat", severity: Critical, hold: "H1",
    clear: "C3", since: "0.1", spec: [bmff("8.8.8")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    view::issue(
        load,
        &[("mp4-trun-out-of-range", "samples outside of mdat", "all samples inside")],
        Severity::Critical,
        out,
    );
}
