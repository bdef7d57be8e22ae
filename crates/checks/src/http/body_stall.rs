use ow_domain::capture::{BodyEnd, ObjectKind, Response};
use ow_domain::{Severity, Span};

use crate::input::Load;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       A body that pauses in the middle, stops before its end, or trickles below a floor for two seconds.
    /// Matters:       Players with small buffers stall although the download ends in time.
    /// Usual causes:  Lost packets, a disk that waits, a proxy that fetches ahead too little.
    /// Stays quiet:   For chunked answers without a length, whose encoder may still be writing, and for one pause in ten bodies.
    id: "http-body-stall", title: "Bodies stall", severity: Minor, hold: "H2/10", clear: "C10",
    since: "0.1", spec: [op()], input: Load, scope: Track, params: {
        body_stall_s: f64 = 1.0, "seconds";
        byte_floor_kbps: f64 = 64.0, "kbit/s over two seconds";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let timings = load.capture.exchange.timings;
    // A body of which no more came had a pause as well.
    let stopped = |r: &Response| r.body_end == BodyEnd::TimedOut && r.body_bytes > 0 && r.content_length.is_some();
    let ended =
        load.response().filter(|r| matches!(r.status, 200 | 206) && (r.body_end == BodyEnd::Complete || stopped(r)));
    let media = matches!(load.capture.object, ObjectKind::Segment | ObjectKind::Init);
    let (Some(_), Some(stall)) =
        (ended.filter(|r| !media || r.content_length.is_some()), timings.longest_stall_us.map(Span::from_micros))
    else {
        out.unknown();
        return;
    };
    if load.capture.late_polls > 0 {
        out.unknown();
        return;
    }
    let limit = Span::from_secs_f64(params.body_stall_s);
    let floor = params.byte_floor_kbps * 1e3;
    if stall > limit {
        let (value, limit) = (exact_seconds(stall), exact_seconds(limit));
        // What never ended is no pause; http-timeout leaves it to this check.
        let stays_away = load.body_end() == Some(BodyEnd::TimedOut);
        let (severity, how) =
            if stays_away { (Severity::Major, "stopped for the last") } else { (Severity::Minor, "paused for") };
        let message =
            format!("the body of a {} {how} {value}; at most {limit} without a byte expected", load.object_name());
        out.fail(severity, value, limit, message);
    } else if let Some(slowest) = timings.slowest_bits_per_second.filter(|rate| (*rate as f64) < floor) {
        let kbps = |bits: f64| format!("{:.0} kbit/s", bits / 1e3);
        let (value, limit) = (kbps(slowest as f64), kbps(floor));
        let message =
            format!("the body of a {} came at {value} for two seconds; at least {limit} expected", load.object_name());
        out.fail(Severity::Minor, value, limit, message);
    } else {
        out.pass();
    }
}
