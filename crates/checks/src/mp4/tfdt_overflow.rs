use ow_domain::Severity;
use ow_domain::capture::ObjectKind;

use crate::input::MediaLoad;
use crate::input::mp4 as view;
use crate::outcome::Outcome;
use crate::registry::bmff;

crate::check! {
    /// Detects:       Decode times that leave their field: 32 bits that wrap or are about to, and negative 64-bit numbers.
    /// Matters:       Players place the segment hours away and stall for good.
    /// Usual causes:  A channel that runs for long with tfdt version 0; a packager that subtracts more than it has.
    /// Stays quiet:   For 64-bit times below 2^63, and for 32-bit times far from the wrap.
    id: "mp4-tfdt-overflow", title: "Decode time leaves its field", severity: Critical, hold: "H1", clear: "C1",
    since: "0.1", spec: [bmff("8.8.12")], input: MediaLoad, scope: Track, params: {
        before_s: f64 = 600.0, "seconds before the wrap of 32 bits";
    },
}

const WRAP: u64 = 1 << 32;

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let Some((facts, mp4)) = view::segment(load) else {
        out.unknown();
        return;
    };
    for run in &mp4.runs {
        let Some(tfdt) = run.tfdt else { continue };
        let limit = "a time that fits its field";
        if run.tfdt_version != Some(0) {
            if i64::try_from(tfdt).is_err() {
                let value = format!("{tfdt}");
                let message = format!("baseMediaDecodeTime is {value}, 2^63 or more; {limit} expected");
                out.fail(Severity::Critical, value, limit, message).reason("negative");
                return;
            }
            continue;
        }
        let timescale = facts.elementary.iter().find(|e| e.id == run.track_id).map_or(0, |e| e.timescale);
        let margin = (params.before_s * f64::from(timescale)) as u64;
        let before = load.before.and_then(|b| b.facts.mp4.as_ref()?.runs.iter().find(|r| r.track_id == run.track_id));
        let starts_anew = load.capture.promised.as_ref().is_none_or(|p| p.discontinuity);
        let fell = before.and_then(|b| b.tfdt).filter(|b| !starts_anew && *b > WRAP / 2 && tfdt < WRAP / 4);
        if let Some(before) = fell.filter(|before| before + margin.max(1) >= WRAP - margin) {
            let value = format!("{tfdt} after {before}");
            let message = format!("baseMediaDecodeTime of 32 bits wrapped, {value}; {limit} expected");
            out.fail(Severity::Critical, value, limit, message).reason("32-bit");
            return;
        }
        if timescale > 0 && tfdt + margin >= WRAP {
            let left = (WRAP - tfdt.min(WRAP)) / u64::from(timescale);
            let value = format!("{left} s");
            let limit = format!("at least {} s", params.before_s);
            let message = format!("baseMediaDecodeTime of 32 bits wraps in {value}; {limit} expected");
            out.fail(Severity::Minor, value, limit, message).reason("32-bit");
            return;
        }
    }
    out.pass();
}
