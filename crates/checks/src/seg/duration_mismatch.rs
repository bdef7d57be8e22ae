use ow_domain::capture::ObjectKind;
use ow_domain::{Severity, Span};

use crate::input::{Measured, MediaLoad};
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::{bis, has};

crate::check! {
    /// Detects:       A segment that holds more or less media than the playlist says.
    /// Matters:       Seeking lands wrong, buffers are computed wrong, and small errors add up to drift.
    /// Usual causes:  Lost frames, an encoder without fixed key frame distance, a packager that rounds or guesses.
    /// Stays quiet:   Within 0.1 s or two frames, for audio within its access units, and for byte ranges read in part.
    id: "seg-duration-mismatch", title: "Segment duration differs from playlist", severity: Minor, hold: "H3/10",
    clear: "C10", since: "0.1", spec: [bis("4.4.4.1"), has("7.5")], input: MediaLoad, scope: Track, params: {
        dur_tol_s: f64 = 0.1, "seconds";
        tol_frames: f64 = 2.0, "access units of the track";
        major_s: f64 = 0.5, "seconds";
        major_share: f64 = 0.1, "share of the declared duration";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let (Some(declared), Some(measured)) = (load.declared_duration(), load.measured_duration()) else {
        out.unknown();
        return;
    };
    let Measured { duration: measured, access_unit: unit } = measured;
    let frames = unit.mul_ratio((params.tol_frames * 1000.0) as i64, 1000);
    let tolerance = Span::from_secs_f64(params.dur_tol_s).max(frames);
    let error = (measured - declared).abs();
    if error <= tolerance {
        out.pass();
        return;
    }
    let share = Span::from_secs_f64(declared.secs_f64() * params.major_share);
    let major = error > Span::from_secs_f64(params.major_s) || error > share;
    let severity = if major { Severity::Major } else { Severity::Minor };
    let (value, limit) = (exact_seconds(measured), exact_seconds(declared));
    let message =
        format!("a segment holds {value} of media; {limit} as declared expected, within {}", exact_seconds(tolerance));
    let at = out.fail(severity, value, limit, message).fact("difference", exact_seconds(measured - declared));
    if let Some(number) = load.capture.promised.as_ref().and_then(|p| p.number) {
        at.fact("segment number", number);
    }
}
