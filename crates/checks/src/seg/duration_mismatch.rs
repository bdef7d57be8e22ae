use ow_domain::capture::{ObjectKind, TrackKind};
use ow_domain::facts::EsKind;
use ow_domain::{Severity, Span};

use crate::input::MediaLoad;
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
    let promised = load.capture.promised.as_ref();
    let whole = load.response.status == 200 || promised.is_some_and(|p| p.byte_range.is_some());
    let text = load.track.is_some_and(|t| matches!(t.kind, TrackKind::Text | TrackKind::Trick));
    let declared = promised.and_then(|p| p.duration_us).map(Span::from_micros).filter(|d| *d > Span::ZERO);
    let main = load.facts.and_then(|f| f.main()).filter(|m| matches!(m.kind, EsKind::Video | EsKind::Audio));
    let measured = main.filter(|m| m.timescale > 0 && m.n_access_units > 0).and_then(|m| {
        let scaled = |ticks: i64| Span::from_secs(1).mul_ratio(ticks, i64::from(m.timescale));
        Some((scaled(m.duration?), m.access_unit_duration.map(scaled).unwrap_or(Span::ZERO)))
    });
    let (Some(declared), Some((measured, unit))) = (declared, measured) else {
        out.unknown();
        return;
    };
    if !whole || text {
        out.unknown();
        return;
    }
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
    if let Some(number) = promised.and_then(|p| p.number) {
        at.fact("segment number", number);
    }
}
