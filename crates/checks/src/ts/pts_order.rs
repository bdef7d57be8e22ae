use ow_domain::Severity;
use ow_domain::facts::EsKind;

use super::{h222, sound_and_pictures, with_number};
use crate::input::MediaLoad;
use crate::outcome::Outcome;

crate::check! {
    /// Detects:       Decode times that do not grow, presentation before it, or reordering too deep.
    /// Matters:       Decoders drop pictures or stop; players disagree about what to do.
    /// Usual causes:  A muxer that guesses DTS, two inputs joined inside a segment, damaged timestamps.
    /// Stays quiet:   For reordering within 16 frames, and for segments in which packets are missing.
    id: "ts-pts-order", title: "Timestamps out of order", severity: Major, hold: "H2/10", clear: "C10", since: "0.2",
    spec: [h222("2.4.3.7")], input: MediaLoad, scope: Track, params: {
        reorder_frames: f64 = 17.0, "frames that a picture may wait for its presentation";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let whole = load.ts().is_some_and(|ts| ts.cc_errors == 0) && load.is_sound();
    let Some(facts) = load.facts.filter(|_| whole) else {
        out.unknown();
        return;
    };
    let mut seen = false;
    for stream in sound_and_pictures(facts) {
        let Some(stamps) = stream.stamps.filter(|_| !stream.encrypted) else { continue };
        seen = true;
        let unit = stream.access_unit_duration.filter(|u| *u > 0);
        let depth = unit.filter(|_| stream.kind == EsKind::Video).map(|u| stamps.max_reorder as f64 / u as f64);
        let (value, limit, reason) = if stamps.n_backward > 0 {
            (format!("{} DTS not later than the one before", stamps.n_backward), "growing DTS".to_owned(), "dts")
        } else if stamps.n_pts_before_dts > 0 {
            (format!("{} PTS before their DTS", stamps.n_pts_before_dts), "no PTS before its DTS".to_owned(), "pts")
        } else if let Some(depth) = depth.filter(|d| *d > params.reorder_frames) {
            (format!("a PTS {depth:.0} frames after its DTS"), format!("at most {}", params.reorder_frames), "reorder")
        } else {
            continue;
        };
        let message = format!("PID {} of a segment has {value}; {limit} expected", stream.id);
        with_number(load, out.fail(Severity::Major, value, limit, message).reason(reason));
        return;
    }
    if seen {
        out.pass()
    } else {
        out.unknown()
    };
}
