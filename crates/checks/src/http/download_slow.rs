use ow_domain::capture::{BodyEnd, ObjectKind};
use ow_domain::{Severity, Span};

use crate::input::Load;
use crate::outcome::{Outcome, seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       Segments that take a large part of their own duration to download.
    /// Matters:       A player at this rendition cannot hold real time and switches down or stalls.
    /// Usual causes:  A saturated uplink or disk at the origin, a congested path, an encoder that writes slower than real time.
    /// Stays quiet:   While the probe itself is late, for byte ranges and for the probe's extra looks.
    id: "http-download-slow", title: "Segments download too slowly", severity: Warning,
    hold: "warning H3/10 -> minor H3/5 -> major H2/5", clear: "C10",
    since: "0.1", spec: [op()], input: Load, scope: Track, params: {
        slow_warning: f64 = 0.5, "share of the segment's duration";
        slow_minor: f64 = 0.8, "share of the segment's duration";
        slow_major: f64 = 1.0, "share of the segment's duration";
        slow_clear: f64 = 0.45, "share of the segment's duration";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let capture = load.capture;
    if capture.object != ObjectKind::Segment {
        return;
    }
    let promised = capture.promised.as_ref();
    let duration = promised.and_then(|p| p.duration_us).map(Span::from_micros).filter(|d| *d > Span::ZERO);
    let whole = load.response().is_some_and(|r| r.status == 200 && r.body_end == BodyEnd::Complete);
    let is_range = promised.is_some_and(|p| p.byte_range.is_some());
    let Some(duration) = duration.filter(|_| whole && !is_range && !capture.extra && capture.late_polls == 0) else {
        out.unknown();
        return;
    };
    let took = capture.exchange.took();
    let ratio = took.secs_f64() / duration.secs_f64();
    let levels = [
        (Severity::Major, params.slow_major, ratio >= params.slow_major),
        (Severity::Minor, params.slow_minor, ratio >= params.slow_minor),
        (Severity::Warning, params.slow_warning, ratio > params.slow_warning),
    ];
    let Some((severity, limit, _)) = levels.into_iter().find(|(_, _, reached)| *reached) else {
        if ratio < params.slow_clear {
            out.pass()
        } else {
            out.between()
        };
        return;
    };
    let limit = seconds(duration.mul_ratio((limit * 1000.0) as i64, 1000));
    let value = seconds(took);
    let length = seconds(duration);
    let message = format!("a segment of {length} took {value} to download; less than {limit} expected");
    out.fail(severity, value, limit, message)
        .fact("bytes", load.response().map_or(0, |r| r.body_bytes))
        .fact("share of its duration", format!("{ratio:.2}"));
}
