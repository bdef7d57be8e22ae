use ow_domain::Severity;

use crate::input::MediaLoad;
use crate::media::video_of;
use crate::outcome::Outcome;
use crate::registry::op;
use crate::ts::with_number;

crate::check! {
    /// Detects:       Segments with fewer pictures than their duration and frame rate make.
    /// Matters:       Motion stutters, although durations and rates look right.
    /// Usual causes:  An overloaded encoder, lost input frames that were not repeated.
    /// Stays quiet:   For one picture, uneven or unknown rates, interlaced pictures, and where packets are missing.
    id: "seg-frame-count", title: "Pictures missing in segment", severity: Minor, hold: "H3/10", clear: "C10", since: "0.2",
    spec: [op()], input: MediaLoad, scope: Track, params: {
        missing_max: f64 = 1.0, "pictures";
        major_share: f64 = 0.05, "share of all pictures";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some((_, video)) = video_of(load) else { return };
    let lost = load.ts().is_some_and(|ts| ts.cc_errors > 0);
    let unit = video.access_unit_duration.filter(|u| *u > 0 && !lost);
    let rate = video.video.as_ref().filter(|v| !v.interlaced).and_then(|v| v.frame_rate);
    let (Some(unit), Some((n, per)), Some(duration)) = (unit, rate, video.duration) else {
        out.unknown();
        return;
    };
    // The bitstream states a fixed rate and most pictures keep it.
    let stated = f64::from(video.timescale) * f64::from(per) / f64::from(n.max(1));
    if (unit as f64 / stated - 1.0).abs() > 0.01 {
        out.unknown();
        return;
    }
    let expected = (duration as f64 / stated).round();
    let missing = expected - f64::from(video.n_access_units);
    if missing <= params.missing_max {
        out.pass();
        return;
    }
    let severity = if missing / expected > params.major_share { Severity::Major } else { Severity::Minor };
    let (value, limit) = (format!("{} pictures", video.n_access_units), format!("{expected:.0} pictures"));
    let message = format!("a segment has {value}; {limit} by its duration and frame rate expected");
    with_number(load, out.fail(severity, value, limit, message));
}
