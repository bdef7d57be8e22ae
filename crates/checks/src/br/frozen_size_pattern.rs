use ow_domain::Severity;

use crate::input::MediaLoad;
use crate::media::video_of;
use crate::outcome::Outcome;
use crate::registry::op;
use crate::ts::with_number;

crate::check! {
    /// Detects:       Pictures between key frames that are all of one very small size for ten seconds.
    /// Matters:       A frozen picture or slate is on air while everything else looks well.
    /// Usual causes:  A dead source behind a live encoder, a frame store that repeats its last picture.
    /// Stays quiet:   For filler and SEI, which are not counted, for the first two minutes, and for usual still scenes.
    id: "br-frozen-size-pattern", title: "Picture seems frozen", severity: Warning, hold: "H10s", clear: "C10s", since: "0.2",
    spec: [op()], input: MediaLoad, scope: Track, params: {
        variation_max: f64 = 0.02, "deviation by mean";
        size_share: f64 = 0.05, "share of the median of ten minutes";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some((_, video)) = video_of(load) else { return };
    let usual = load.history.and_then(|h| h.median_inter_size(load.capture.exchange.t_end)).filter(|m| *m > 0);
    let sizes = video.inter_frames.filter(|s| s.n >= 10 && s.mean > 0 && !video.encrypted);
    let (Some(usual), Some(sizes)) = (usual, sizes) else {
        out.unknown();
        return;
    };
    let variation = sizes.deviation as f64 / sizes.mean as f64;
    let small = (sizes.mean as f64) < usual as f64 * params.size_share;
    if variation >= params.variation_max || !small {
        out.pass();
        return;
    }
    let (value, limit) = (format!("{} bytes", sizes.mean), format!("{usual} bytes"));
    let message = format!("pictures between key frames are all about {value}; about {limit} as usual expected");
    with_number(load, out.fail(Severity::Warning, value, limit, message));
}
