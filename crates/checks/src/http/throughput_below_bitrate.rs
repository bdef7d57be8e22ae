use ow_domain::Severity;

use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       Segments that arrive at less than 1.5 times the declared bandwidth, by the median of ten.
    /// Matters:       A player at this rendition has no reserve: any dip stalls it.
    /// Usual causes:  A saturated uplink, a rate limit per connection, a long path with loss.
    /// Stays quiet:   For small bodies, for chunked answers without a length, and while the probe itself is late.
    id: "http-throughput-below-bitrate", title: "Throughput is near the bitrate", severity: Minor, hold: "H2",
    clear: "C2", since: "0.1", spec: [op()], input: Load, scope: Track, params: {
        throughput_factor: f64 = 1.5, "times the declared bandwidth";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let bandwidth = load.capture.track.as_ref().and_then(|t| t.bandwidth).filter(|b| *b > 0);
    let (Some(rate), Some(bandwidth)) = (load.throughput_median, bandwidth) else {
        out.unknown();
        return;
    };
    let (rate, limit) = (rate as f64, bandwidth as f64 * params.throughput_factor);
    if rate >= limit {
        if rate * 0.9 < limit {
            out.between()
        } else {
            out.pass()
        };
        return;
    }
    let mbps = |bits: f64| format!("{:.2} Mbit/s", bits / 1e6);
    let (value, limit) = (mbps(rate), mbps(limit));
    let message = format!("segments arrive at {value}; at least {limit} expected");
    out.fail(Severity::Minor, value, limit, message).fact("declared bandwidth", mbps(bandwidth as f64));
}
