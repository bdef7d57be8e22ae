use ow_domain::capture::{DashPromise, ObjectKind};
use ow_domain::facts::{ElementaryFacts, Mp4Run, SegmentFacts};
use ow_domain::{Severity, Span};

use crate::input::MediaLoad;
use crate::input::mp4::{self as view, span};
use crate::judge::memory::drift::difference;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::rfc;

crate::check! {
    /// Detects:       Segments that begin elsewhere than the MPD says, or whose decode times run away from EXTINF.
    /// Matters:       Players seek to the wrong place, leave gaps at switches, and lose sound against pictures.
    /// Usual causes:  A wrong presentationTimeOffset or startNumber, an encoder clock that drifts against the packager's.
    /// Stays quiet:   Within one frame, half a segment where the MPD computes times, and where a gap is already told.
    id: "mp4-tfdt-vs-manifest", title: "Media time differs from the manifest", severity: Major, hold: "H2/10",
    clear: "C10", since: "0.1", spec: [rfc("DASH-IF timing model", "segments"), rfc("ISO/IEC 23009-1", "5.3.9.6")], input: MediaLoad, scope: Track,
    params: {
        ept_tol_frames: f64 = 1.0, "access units, where the MPD lists segments";
        ept_tol_share: f64 = 0.5, "of the segment, where the MPD computes times";
        hls_change_s: f64 = 0.1, "seconds";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let promised = load.capture.promised.as_ref();
    let main = view::segment(load).and_then(|(facts, _)| main_run(facts));
    // A time that left its field is told by mp4-tfdt-overflow.
    let main = main.filter(|(run, _)| run.tfdt.is_none_or(|tfdt| i64::try_from(tfdt).is_ok()));
    let Some((run, elementary)) = main else {
        out.unknown();
        return;
    };
    match promised.and_then(|p| p.dash.as_ref()) {
        Some(promise) => against_mpd(load, promise, run, elementary, params, out),
        None => against_extinf(load, params, out),
    }
}

/// Pictures before sound.
fn main_run(facts: &SegmentFacts) -> Option<(&Mp4Run, &ElementaryFacts)> {
    let main = facts.main().filter(|m| view::is_timed(m))?;
    view::runs(facts).find(|(run, _)| run.track_id == main.id)
}

fn against_mpd(
    load: &MediaLoad<'_>,
    promise: &DashPromise,
    run: &Mp4Run,
    elementary: &ElementaryFacts,
    params: &Params,
    out: &mut Outcome,
) {
    let Some((first, unit)) = elementary.first_pts.zip(elementary.access_unit_duration) else {
        out.unknown();
        return;
    };
    let Some(error) = difference(first, elementary.timescale, promise) else {
        out.unknown();
        return;
    };
    let unit = span(unit, elementary.timescale);
    let tolerance = if promise.explicit {
        unit.mul_ratio((params.ept_tol_frames * 1000.0) as i64, 1000)
    } else {
        let duration = load.declared_duration().unwrap_or(Span::ZERO);
        duration.mul_ratio((params.ept_tol_share * 1000.0) as i64, 1000)
    };
    if error.abs() <= tolerance {
        out.pass();
        return;
    }
    // A 32-bit time that wrapped is told by mp4-tfdt-overflow.
    let wrap = span(1 << 32, elementary.timescale);
    if run.tfdt_version == Some(0) && (error + wrap).abs() < wrap.mul_ratio(1, 100) {
        out.unknown();
        return;
    }
    // Some packagers list decode times: then the difference is the constant reorder delay.
    let by_decode = elementary.first_dts.and_then(|dts| difference(dts, elementary.timescale, promise));
    let listed_decode = by_decode.is_some_and(|d| d.abs() <= Span::from_micros(100));
    let severity = if listed_decode { Severity::Minor } else { Severity::Major };
    let late = if error > Span::ZERO { "late" } else { "early" };
    let value = format!("{} {late}", exact_seconds(error.abs()));
    let limit = format!("at most {}", exact_seconds(tolerance));
    let message = format!("a segment begins {value} against the MPD; {limit} expected");
    let at = out.fail(severity, value, limit, message);
    let at = if listed_decode { at.reason("decode-time") } else { at };
    at.fact("earliest presentation time", first)
        .fact("timescale", elementary.timescale)
        .fact("S@t", promise.time)
        .fact("timescale of the MPD", promise.timescale);
}

/// How far decode times ran away from EXTINF since the last seam.
fn against_extinf(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(drift) = load.drift else {
        out.unknown();
        return;
    };
    // EXTINF is rounded, to a millisecond at least: that much may add up.
    let limit = Span::from_secs_f64(params.hls_change_s) + Span::from_millis(i64::from(drift.n_segments));
    if drift.change.abs() <= limit {
        out.pass();
        return;
    }
    let value = exact_seconds(drift.change.abs());
    let limit = format!("at most {}", exact_seconds(limit));
    let n = drift.n_segments;
    let message = format!("decode times ran {value} away from EXTINF over {n} segments; {limit} expected");
    out.fail(Severity::Major, value, limit, message).fact("change", exact_seconds(drift.change));
}
