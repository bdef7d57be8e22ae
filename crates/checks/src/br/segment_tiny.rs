use ow_domain::capture::{ObjectKind, TrackKind};
use ow_domain::{Severity, Span};

use crate::br::bits;
use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       Segments with less than a tenth of the usual bit rate of their rendition.
    /// Matters:       Something broke that status codes do not tell: a still, a gap, a file cut short.
    /// Usual causes:  Lost input that became black, an upload cut short with the right length header, slate.
    /// Stays quiet:   For the first two minutes, for short pieces, for subtitles, and for one such segment in ten.
    id: "br-segment-tiny", title: "Segment far smaller than usual", severity: Minor, hold: "H3/10", clear: "C10", since: "0.2",
    spec: [op()], input: MediaLoad, scope: Track, params: {
        tiny_factor: f64 = 0.1, "share of the median of ten minutes";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment || load.track.is_none_or(|t| t.kind == TrackKind::Text) {
        return;
    }
    let median = load.history.and_then(|h| h.median_rate(load.capture.exchange.t_end)).filter(|m| *m > 0);
    let measured = load.measured_duration().map(|m| m.duration).filter(|d| *d > Span::ZERO);
    let (Some(median), Some(duration), Some(declared)) = (median, measured, load.declared_duration()) else {
        out.unknown();
        return;
    };
    let usual = load.target_duration.unwrap_or(declared);
    if duration < usual.mul_ratio(1, 2) || load.response.body_bytes == 0 {
        out.unknown();
        return;
    }
    let rate = load.response.body_bytes as f64 * 8.0 / duration.secs_f64();
    let least = median as f64 * params.tiny_factor;
    if rate >= least {
        if rate < least / 0.9 {
            out.between()
        } else {
            out.pass()
        };
        return;
    }
    let (value, limit) = (bits(rate), bits(least));
    let message = format!("a segment has {value}; at least {limit}, a share of the usual rate, expected");
    out.fail(Severity::Minor, value, limit, message).fact("median of ten minutes", bits(median as f64));
}
