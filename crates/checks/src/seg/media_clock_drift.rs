use ow_domain::Severity;
use ow_domain::capture::ObjectKind;

use crate::input::MediaLoad;
use crate::outcome::{Outcome, seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       Media time that runs faster or slower than the wall clock at which its segments are published.
    /// Matters:       Latency grows or the buffer of players runs dry; after a day gaps and overlaps appear.
    /// Usual causes:  An encoder on its own crystal, a frame rate of 25 for 24.975, samples dropped at a resampler.
    /// Stays quiet:   For late publication, outages and steps, and where looking at the playlist is too coarse to tell.
    id: "seg-media-clock-drift", title: "Media clock drifts", severity: Minor, hold: "H1", clear: "C3600s",
    since: "0.1", spec: [op()], input: MediaLoad, scope: Track, params: {
        min_points: f64 = 200.0, "segments";
        drift_ppm: f64 = 100.0, "parts per million";
        major_ppm: f64 = 1000.0, "parts per million";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let Some(drift) = load.clock.and_then(|clock| clock.drift(params.min_points as u32)) else {
        out.unknown();
        return;
    };
    if drift.ppm.abs() <= params.drift_ppm {
        out.pass();
        return;
    }
    let severity = if drift.ppm.abs() > params.major_ppm { Severity::Major } else { Severity::Minor };
    let side = if drift.ppm > 0.0 { "fast" } else { "slow" };
    let (value, limit) = (format!("{:.0} ppm {side}", drift.ppm.abs()), format!("{:.0} ppm", params.drift_ppm));
    let over = seconds(drift.over);
    let message = format!("media time runs at least {value} over {over}; at most {limit} expected");
    out.fail(severity, value, limit, message).fact("segments", drift.n_points);
}
