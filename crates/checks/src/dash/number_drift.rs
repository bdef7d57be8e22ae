use ow_domain::Severity;
use ow_domain::capture::ObjectKind;

use super::times;
use crate::input::MediaLoad;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       Segments of a computed list whose media begins far from the place that their number promises.
    /// Matters:       Players ask by the clock and get other media than they computed: seeks miss, the edge wanders, playback stalls.
    /// Usual causes:  An encoder clock that runs fast or slow, real durations that are not what @duration says, a wrong startNumber.
    /// Stays quiet:   For a constant offset up to a quarter of a segment, and where the MPD lists its segments.
    id: "dash-number-drift", title: "Media drifts away from segment numbers", severity: Minor, hold: "H3", clear: "C3",
    since: "0.2", spec: [rfc("DASH-IF Live Timing Model", "segment timing"), iso_dash("5.3.9.5.3")], input: MediaLoad,
    scope: Track, params: {
        minor_durations: f64 = 0.25, "segment durations";
        major_durations: f64 = 0.5, "segment durations";
        drift_ppm: f64 = 100.0, "parts per million over an hour";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let promise = load.capture.promised.as_ref().and_then(|p| p.dash.as_ref());
    let Some(promise) = promise.filter(|p| !p.explicit && load.capture.object == ObjectKind::Segment) else { return };
    let (Some(off), Some(duration)) = (load.off_promise, load.declared_duration()) else {
        out.unknown();
        return;
    };
    let (minor, major) = (times(duration, params.minor_durations), times(duration, params.major_durations));
    let number = load.number().unwrap_or_default();
    if off.abs() > minor {
        let severity = if off.abs() > major { Severity::Major } else { Severity::Minor };
        let late = if off.is_negative() { "early" } else { "late" };
        let (value, limit) = (format!("{} {late}", exact_seconds(off.abs())), exact_seconds(minor));
        let message = format!("segment {number} begins {value} against its number; at most {limit} expected");
        out.fail(severity, value, limit, message)
            .fact("time by the number", promise.time)
            .fact("timescale of the MPD", promise.timescale)
            .fact("segment duration", exact_seconds(duration));
        return;
    }
    let Some((ppm, over)) = load.number_drift.and_then(|drift| drift.rate()) else {
        match off.abs() <= times(minor, 0.9) {
            true => out.pass(),
            false => out.between(),
        };
        return;
    };
    if ppm.abs() > params.drift_ppm {
        let (value, limit) = (format!("{ppm:.0} ppm"), format!("{:.0} ppm", params.drift_ppm));
        let message = format!(
            "media runs {value} away from segment numbers over {}; at most {limit} expected",
            exact_seconds(over)
        );
        out.fail(Severity::Minor, value, limit, message).reason("rate").fact("offset now", exact_seconds(off));
        return;
    }
    match off.abs() <= times(minor, 0.9) && ppm.abs() <= 0.9 * params.drift_ppm {
        true => out.pass(),
        false => out.between(),
    };
}
