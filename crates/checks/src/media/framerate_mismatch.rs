use ow_domain::Severity;

use crate::input::MediaLoad;
use crate::media::video_of;
use crate::outcome::Outcome;
use crate::registry::{bis, op};
use crate::ts::with_number;

crate::check! {
    /// Detects:       Pictures that come at another rate than FRAME-RATE or @frameRate declares.
    /// Matters:       Players and devices choose by it; wrong values bring judder or a refused rendition.
    /// Usual causes:  Encoders that follow their input, 25 declared for 50, 30 for 29.97 and a half.
    /// Stays quiet:   Within 1 %, for interlaced pictures, for uneven rates, and while nothing is declared.
    id: "media-framerate-mismatch", title: "Frame rate differs from declared", severity: Minor, hold: "H3/10", clear: "C10",
    since: "0.2", spec: [bis("4.4.6.2"), op()], input: MediaLoad, scope: Track, params: {
        tolerance: f64 = 0.01, "share of the declared rate";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some((track, video)) = video_of(load) else { return };
    let interlaced = video.video.as_ref().is_some_and(|v| v.interlaced);
    let unit = video.access_unit_duration.filter(|u| *u > 0 && !interlaced);
    let (Some(unit), Some(declared), Some(duration)) =
        (unit, track.frame_rate_milli.filter(|r| *r > 0), video.duration)
    else {
        out.unknown();
        return;
    };
    // An uneven rate: its median is not its rate. Missing frames are another check's.
    let even = (i64::from(video.n_access_units) * unit - duration).abs() * 20 <= duration;
    if !even {
        out.unknown();
        return;
    }
    let (rate, declared) = (f64::from(video.timescale) / unit as f64, f64::from(declared) / 1_000.0);
    if (rate / declared - 1.0).abs() <= params.tolerance {
        out.pass();
        return;
    }
    let (value, limit) = (format!("{rate:.2} frames/s"), format!("{declared:.2} frames/s"));
    let message = format!("pictures of a segment come at {value}; {limit} as declared expected");
    with_number(load, out.fail(Severity::Minor, value, limit, message));
}
