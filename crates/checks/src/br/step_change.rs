use ow_domain::Severity;
use ow_domain::capture::{ObjectKind, TrackKind};

use crate::br::bits;
use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A mean bit rate of five minutes far from that of the hour before.
    /// Matters:       Encoders, inputs or presets changed, on purpose or not.
    /// Usual causes:  A fallback preset, a failed input that became slate, another encoder.
    /// Stays quiet:   Within 40 %, and with less than half an hour of data.
    id: "br-step-change", title: "Bit rate changed in a step", severity: Warning, hold: "H2", clear: "C600s", since: "0.2",
    spec: [op()], input: MediaLoad, scope: Track, params: {
        step_share: f64 = 0.4, "share of the mean of the hour before";
        least_s: f64 = 1800.0, "seconds of media";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment || load.track.is_none_or(|t| t.kind == TrackKind::Text) {
        return;
    }
    let known = load.history.and_then(|h| h.last_and_hour_before());
    let Some((last, hour, _)) = known.filter(|(_, _, media)| media.secs_f64() >= params.least_s) else {
        out.unknown();
        return;
    };
    let change = (last / hour - 1.0).abs();
    if change <= params.step_share {
        if change > params.step_share * 0.9 {
            out.between()
        } else {
            out.pass()
        };
        return;
    }
    let (value, limit) = (bits(last), bits(hour));
    let message = format!("mean bit rate of five minutes is {value}; about {limit} as in the hour before expected");
    out.fail(Severity::Warning, value, limit, message);
}
