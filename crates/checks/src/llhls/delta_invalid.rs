use ow_domain::Severity;

use crate::input::{DeltaAnswer, DeltaLoad};
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A delta update that gives another playlist than the whole one when it is merged with the copy held.
    /// Matters:       Players that use delta updates play wrong segments, wrong times, or stop.
    /// Usual causes:  A wrong count of skipped segments, an update made from an older playlist, a version below 9.
    /// Stays quiet:   When the playlist went on between the two answers, and when what is skipped was not seen before.
    id: "llhls-delta-invalid", title: "Delta update does not fit the playlist", severity: Major, hold: "H2",
    clear: "C1", since: "0.1", spec: [bis("4.4.5.2"), bis("6.2.5.1"), bis("6.3.7")], input: DeltaLoad, scope: Track,
    params: {},
}

fn run(load: &DeltaLoad<'_>, _: &Params, out: &mut Outcome) {
    match load.answer {
        DeltaAnswer::Same => {
            out.pass();
        }
        DeltaAnswer::Malformed { version, .. } if version < 9 => {
            let message = format!("a delta update has EXT-X-VERSION {version}; at least 9 expected");
            out.fail(Severity::Major, version.to_string(), "at least 9", message).reason("version");
        }
        DeltaAnswer::Malformed { n_skips, .. } => {
            let message = format!("a delta update has {n_skips} EXT-X-SKIP tags; 1 expected");
            out.fail(Severity::Major, n_skips.to_string(), "1", message).reason("tags");
        }
        DeltaAnswer::Other { number, n_merged, n_listed } if n_merged != n_listed => {
            let message = format!(
                "merged with the copy held a delta update has {n_merged} segments; {n_listed} as in the whole playlist expected"
            );
            let at = out.fail(Severity::Major, n_merged.to_string(), n_listed.to_string(), message);
            at.reason("merged").fact("first segment that differs", number);
        }
        DeltaAnswer::Other { number, .. } => {
            let message = format!(
                "merged with the copy held a delta update has another segment {number}; the same segment as in the whole playlist expected"
            );
            out.fail(Severity::Major, "another segment", "the same segment", message).reason("merged");
        }
        DeltaAnswer::Whole { .. } | DeltaAnswer::Served => {
            out.unknown();
        }
    }
}
