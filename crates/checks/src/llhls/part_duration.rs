use ow_domain::{Severity, Span};

use crate::input::{PartLoad, PartsLoad};
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       Parts longer than PART-TARGET, or much shorter in the middle of a segment, as listed or as read.
    /// Matters:       Players compute their distance to the live edge from PART-TARGET: longer parts empty the buffer.
    /// Usual causes:  Frames that are reordered and counted to the wrong part, a part target that is no multiple of a frame.
    /// Stays quiet:   For short parts that end a segment, stand before a gap, are gaps or are independent; for rounding.
    id: "llhls-part-duration", title: "Part duration does not fit PART-TARGET", severity: Major, hold: "H3/20",
    clear: "C20", since: "0.1", spec: [bis("4.4.4.9")], input: PartsLoad, scope: Track, params: {
        tol_s: f64 = 0.001, "seconds";
        min_share: f64 = 0.85, "share of PART-TARGET";
    },
    also: { PartLoad => read },
}

fn run(load: &PartsLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(inf) = load.playlist.part_inf.filter(|inf| inf.part_target_us > 0) else { return };
    let target = Span::from_micros(inf.part_target_us);
    let least = super::times(target, params.min_share);
    for listed in load.settled {
        let duration = Span::from_micros(listed.part.duration_us);
        let (number, index, value) = (listed.number, listed.index, exact_seconds(duration));
        let may_be_short = listed.part.independent || listed.part.gap || listed.is_last || listed.before_gap;
        if duration > target + Span::from_secs_f64(params.tol_s) {
            let limit = exact_seconds(target);
            let message = format!("part {index} of segment {number} lasts {value}; at most {limit} expected");
            out.fail(Severity::Major, value, limit, message).reason("long").line(listed.part.line);
        } else if duration < least && !may_be_short {
            let limit = exact_seconds(least);
            let message = format!("part {index} of segment {number} lasts {value}; at least {limit} expected");
            out.fail(Severity::Minor, value, limit, message).reason("short").line(listed.part.line);
        } else {
            out.pass().reason("long");
            out.pass().reason("short");
        }
    }
}

/// Media time that the bytes of a part hold.
fn read(load: &PartLoad<'_>, params: &Params, out: &mut Outcome) {
    let main = load.facts.main().filter(|m| m.timescale > 0 && super::is_readable(load));
    let (Some(main), Some(target)) = (main, load.part_target) else { return };
    let scaled = |ticks: i64| Span::from_secs(1).mul_ratio(ticks, i64::from(main.timescale));
    let (Some(duration), Some(unit)) = (main.duration.map(scaled), main.access_unit_duration.map(scaled)) else {
        return;
    };
    // Reordered frames make presentation time longer by a frame or two than what is decoded.
    let most = target + unit + unit + Span::from_secs_f64(params.tol_s);
    if duration <= most {
        out.pass().reason("read");
        return;
    }
    let (value, limit) = (exact_seconds(duration), exact_seconds(target));
    let message = format!("a part holds {value} of media; at most {limit} expected");
    out.fail(Severity::Major, value, limit, message).reason("read");
}
