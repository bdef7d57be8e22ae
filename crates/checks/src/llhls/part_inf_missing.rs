use ow_domain::Severity;

use super::times;
use crate::input::PartsLoad;
use crate::outcome::{Outcome, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       Parts without EXT-X-PART-INF, or EXT-X-PART-INF and no part for three target durations.
    /// Matters:       Players refuse the playlist, or wait for parts that never come and time out on each reload.
    /// Usual causes:  An audio rendition for which the packager makes no parts but copies the header.
    /// Stays quiet:   Right after the start, at the end of the stream, and for parts marked as gaps.
    id: "llhls-part-inf-missing", title: "Parts and EXT-X-PART-INF do not go together", severity: Major, hold: "H2",
    clear: "C2", since: "0.1", spec: [bis("4.4.3.7")], input: PartsLoad, scope: Track, params: {
        patience_tds: f64 = 3.0, "target durations";
    },
}

fn run(load: &PartsLoad<'_>, params: &Params, out: &mut Outcome) {
    let first = load.playlist.parts().next();
    match (load.playlist.part_inf, first, load.without_parts) {
        (None, Some((number, part)), _) => {
            let message =
                format!("a part of segment {number} is listed with no EXT-X-PART-INF; EXT-X-PART-INF expected");
            out.fail(Severity::Major, "no EXT-X-PART-INF", "EXT-X-PART-INF", message).reason("no-inf").line(part.line);
        }
        (Some(inf), None, Some(since)) => {
            let patience = times(super::target_duration(load.playlist), params.patience_tds);
            if since < patience {
                out.unknown();
                return;
            }
            let (value, limit) = (seconds(since), seconds(patience));
            let message = format!("EXT-X-PART-INF without any part for {value}; a part within {limit} expected");
            out.fail(Severity::Major, value, limit, message).reason("no-parts").line(inf.line);
        }
        _ => {
            out.pass();
        }
    }
}
