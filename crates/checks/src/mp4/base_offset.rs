use ow_domain::Severity;

use crate::input::MediaLoad;
use crate::input::mp4 as view;
use crate::outcome::Outcome;
use crate::registry::{bis, cmaf};

crate::check! {
    /// Detects:       Fragments whose samples lie at absolute offsets, or several tracks without default-base-is-moof.
    /// Matters:       A segment is a file of its own: players look for the samples in the wrong place.
    /// Usual causes:  A muxer that cuts one long file into segments.
    /// Stays quiet:   For one track without the flag, whose offsets are relative anyway.
    id: "mp4-base-offset", title: "Samples are placed by file offsets", severity: Major, hold: "H2",
    clear: "C3", since: "0.1", spec: [bis("3.1.2"), cmaf("7.5.16")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    view::issue(
        load,
        &[
            ("mp4-base-offset-absolute", "an absolute base_data_offset", "offsets from moof"),
            ("mp4-base-offset-loose", "several traf boxes without default-base-is-moof", "default-base-is-moof"),
        ],
        Severity::Major,
        out,
    );
}
