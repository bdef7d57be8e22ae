use ow_domain::{Severity, Span};

use crate::input::{PartBytes, PartSeen};
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       Parts that are not the same media as their segment: another place in time, or other samples in sum.
    /// Matters:       Players that change from parts to segments repeat, skip or break.
    /// Usual causes:  Byte ranges into a file that was written anew after a reconnect, parts cut from another encode.
    /// Stays quiet:   For overhead that differs (null packets, repeated tables), for rounding, and for encrypted bytes.
    id: "llhls-part-bytes-mismatch", title: "Parts differ from their segment", severity: Major, hold: "EV", clear: "C3",
    since: "0.1", spec: [bis("3.2")], input: PartBytes, scope: Track, params: {
        tol_s: f64 = 0.1, "seconds";
        tol_frames: f64 = 2.0, "access units";
    },
}

/// Times of a transport stream have 33 bits.
const WRAP: i64 = 1 << 33;

fn run(load: &PartBytes<'_>, params: &Params, out: &mut Outcome) {
    let main = load.parent.main().filter(|m| crate::input::is_sound(load.parent) && !m.encrypted);
    let Some((main, first)) = main.and_then(|m| Some((m, m.first_dts?))) else {
        out.unknown();
        return;
    };
    let same = |part: &&PartSeen| part.kind == main.kind && part.timescale == main.timescale;
    let mut parts: Vec<&PartSeen> = load.parts.iter().filter(same).collect();
    if parts.is_empty() || main.timescale == 0 {
        out.unknown();
        return;
    }
    let scaled = |ticks: i64| Span::from_secs(1).mul_ratio(ticks, i64::from(main.timescale));
    for part in &parts {
        let mut ticks = part.first_dts.saturating_sub(first);
        if main.timescale == 90_000 && load.parent.ts.is_some() {
            ticks = (ticks + WRAP / 2).rem_euclid(WRAP) - WRAP / 2;
        }
        let unit = super::times(scaled(part.access_unit), params.tol_frames);
        let error = scaled(ticks) - part.offset;
        if error.abs() > unit.max(Span::from_secs_f64(params.tol_s)) {
            let (value, limit) = (exact_seconds(scaled(ticks)), exact_seconds(part.offset));
            let message = format!(
                "part {} of segment {} begins {value} after its segment in media time; {limit} expected",
                part.index, load.number
            );
            out.fail(Severity::Major, value, limit, message).reason("time");
            return;
        }
    }
    parts.sort_by_key(|part| part.index);
    let is_row = parts.iter().enumerate().all(|(i, part)| part.index as usize == i);
    let sum = parts.iter().fold(Span::ZERO, |sum, part| sum + part.declared);
    let is_all = is_row && load.declared.is_some_and(|declared| sum + Span::from_millis(5) >= declared);
    let frames: u64 = parts.iter().map(|part| u64::from(part.n_access_units)).sum();
    let bytes: u64 = parts.iter().map(|part| part.payload_bytes).sum();
    if is_all && (frames != u64::from(main.n_access_units) || bytes != main.payload_bytes) {
        let value = format!("{frames} frames of {bytes} bytes");
        let limit = format!("{} frames of {} bytes", main.n_access_units, main.payload_bytes);
        let message = format!("the parts of segment {} hold {value}; {limit} as in the segment expected", load.number);
        out.fail(Severity::Major, value, limit, message).reason("samples");
        return;
    }
    out.pass();
}
