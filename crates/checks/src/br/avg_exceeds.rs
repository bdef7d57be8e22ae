use ow_domain::capture::ObjectKind;
use ow_domain::{Severity, Span};

use crate::br::bits;
use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::has;

crate::check! {
    /// Detects:       A mean bit rate over an hour above AVERAGE-BANDWIDTH.
    /// Matters:       Players and planners of capacity count on the average.
    /// Usual causes:  A declared value from another preset, richer content than the encoder was set for.
    /// Stays quiet:   Within 10 %, with less than half an hour of data, and while nothing is declared.
    id: "br-avg-exceeds", title: "Mean bit rate above AVERAGE-BANDWIDTH", severity: Minor, hold: "H1", clear: "C600s",
    since: "0.2", spec: [has("9.1")], input: MediaLoad, scope: Track, params: {
        avg_max: f64 = 1.1, "times AVERAGE-BANDWIDTH";
        least_s: f64 = 1800.0, "seconds of media";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let Some(declared) = load.track.and_then(|t| t.average_bandwidth).filter(|b| *b > 0) else { return };
    let mean = load.history.and_then(|h| h.mean(load.capture.exchange.t_end, Span::from_secs(3_600)));
    let Some((mean, media)) = mean.filter(|(_, media)| *media >= Span::from_secs_f64(params.least_s)) else {
        out.unknown();
        return;
    };
    let ratio = mean / declared as f64;
    if ratio <= params.avg_max {
        if ratio > params.avg_max * 0.9 {
            out.between()
        } else {
            out.pass()
        };
        return;
    }
    let (value, limit) = (bits(mean), bits(declared as f64));
    let message = format!("mean bit rate of the last hour is {value}; {limit} as AVERAGE-BANDWIDTH declares expected");
    out.fail(Severity::Minor, value, limit, message).fact("media, s", media.secs_f64().round());
}
