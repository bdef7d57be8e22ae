use ow_domain::Severity;

use crate::input::MediaLoad;
use crate::input::mp4 as view;
use crate::outcome::Outcome;
use crate::registry::{cenc, cmaf};

crate::check! {
    /// Detects:       senc boxes that do not fit the samples: another number, subsamples of another size, IVs cut short.
    /// Matters:       Players decrypt at the wrong bytes: garbage, or an error of the decryptor.
    /// Usual causes:  An encryptor that changed samples after it counted them, another IV size than tenc says.
    /// Stays quiet:   Where no init section tells the IV size, and for samples encrypted as a whole.
    id: "drm-senc-inconsistent", title: "Encryption boxes do not fit the samples", severity: Critical, hold: "H1",
    clear: "C3", since: "0.1", spec: [cenc("7.2"), cmaf("8.2.2.1")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let kinds = [
        ("mp4-senc-short", "a senc without all IVs", "IVs as tenc says"),
        ("mp4-senc-count", "another number of samples in senc than in trun", "equal numbers"),
        ("mp4-senc-cover", "subsamples that miss the size of their sample", "equal sizes"),
        ("mp4-seig-unlinked", "a sample group without description", "a seig description"),
    ];
    view::issue(load, &kinds, Severity::Critical, out);
}
