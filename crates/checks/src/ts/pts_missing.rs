use ow_domain::Severity;

use super::{h222, sound_and_pictures, tr290, with_number};
use crate::input::MediaLoad;
use crate::outcome::Outcome;

crate::check! {
    /// Detects:       Streams of sound or pictures whose timestamps are far apart or missing.
    /// Matters:       Players guess times in between: lip sync goes, seeking lands wrong.
    /// Usual causes:  A muxer that stamps few PES packets, dropped input, a stalled encoder.
    /// Stays quiet:   For subtitles and data, for still pictures, and where a PES packet goes on with a picture.
    id: "ts-pts-missing", title: "Timestamps missing or far apart", severity: Minor, hold: "H3/10", clear: "C10",
    since: "0.2", spec: [tr290("2.5"), h222("2.7.4")], input: MediaLoad, scope: Track, params: {
        pts_interval_ms: f64 = 700.0, "milliseconds";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(facts) = load.facts.filter(|_| load.ts().is_some() && load.is_sound()) else {
        out.unknown();
        return;
    };
    let limit = format!("one each {} ms", params.pts_interval_ms);
    let mut seen = false;
    for stream in sound_and_pictures(facts) {
        let still = stream.access_unit_duration.is_some_and(|d| d as f64 / 90.0 > params.pts_interval_ms / 2.0);
        let Some(stamps) = stream.stamps.filter(|_| !still && !stream.encrypted) else { continue };
        seen = true;
        let ms = stamps.max_step as f64 / 90.0;
        let value = if stamps.n_without_pts > 0 {
            format!("{} PES packets without a PTS", stamps.n_without_pts)
        } else if ms > params.pts_interval_ms {
            format!("{ms:.0} ms without a PTS")
        } else {
            continue;
        };
        let message = format!("PID {} of a segment has {value}; {limit} expected", stream.id);
        with_number(load, out.fail(Severity::Minor, value, limit, message));
        return;
    }
    if seen {
        out.pass()
    } else {
        out.unknown()
    };
}
