use ow_domain::Severity;
use ow_domain::facts::EsKind;

use super::{h222, tr290, with_number};
use crate::input::MediaLoad;
use crate::outcome::Outcome;

crate::check! {
    /// Detects:       Transport streams with pictures whose clock references are missing or far apart.
    /// Matters:       Set-top boxes and multiplexers run their clock by them; without they drift or refuse.
    /// Usual causes:  A muxer without PCR on the announced PID, one that writes one per key frame.
    /// Stays quiet:   For audio only, and for pictures that are themselves far apart; HLS players mostly do not care.
    id: "ts-pcr-missing", title: "Clock references missing or far apart", severity: Minor, hold: "H3/10", clear: "C10",
    since: "0.2", spec: [tr290("2.3a"), h222("2.7.2")], input: MediaLoad, scope: Track, params: {
        pcr_interval_ms: f64 = 100.0, "milliseconds";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let facts = load.facts.filter(|_| load.is_sound());
    let (Some(ts), Some(video)) =
        (load.ts(), facts.and_then(|f| f.elementary.iter().find(|e| e.kind == EsKind::Video)))
    else {
        out.unknown();
        return;
    };
    let sparse = video.access_unit_duration.is_none_or(|d| d as f64 / 90.0 > params.pcr_interval_ms * 0.75);
    if video.n_access_units < 2 || sparse {
        out.unknown();
        return;
    }
    let limit = format!("at most {} ms between two", params.pcr_interval_ms);
    let value = match ts.pcr.filter(|p| p.n > 0) {
        None => "no PCR".to_owned(),
        Some(pcr) => {
            let ms = pcr.max_step as f64 / 27_000.0;
            if ms <= params.pcr_interval_ms {
                if ms > params.pcr_interval_ms * 0.9 {
                    out.between()
                } else {
                    out.pass()
                };
                return;
            }
            format!("{ms:.0} ms without a PCR")
        }
    };
    let message = format!("a segment has {value}; {limit} expected");
    with_number(load, out.fail(Severity::Minor, value, limit, message));
}
