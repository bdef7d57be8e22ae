use ow_domain::Severity;
use ow_domain::capture::ObjectKind;
use ow_domain::facts::EsKind;

use crate::input::MediaLoad;
use crate::input::mp4 as view;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       Fragments without a sample, pictures of no bytes, samples of no duration before the last.
    /// Matters:       Frames are missing or shown at the same moment: playback jumps.
    /// Usual causes:  An encoder that lost its input, a muxer that got equal timestamps.
    /// Stays quiet:   For subtitles, whose samples may be empty, and for the last sample of a segment.
    id: "mp4-empty-samples", title: "Segment has empty samples", severity: Minor, hold: "H2/10", clear: "C10",
    since: "0.1", spec: [op()], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let Some((facts, _)) = view::segment(load) else {
        out.unknown();
        return;
    };
    let mut judged = false;
    for (run, elementary) in view::runs(facts).filter(|(_, e)| matches!(e.kind, EsKind::Video | EsKind::Audio)) {
        judged = true;
        let (n, what, limit) = if elementary.n_access_units == 0 {
            (0, "samples", "at least one")
        } else if run.n_empty_samples > 0 && elementary.kind == EsKind::Video {
            (run.n_empty_samples, "samples of 0 bytes", "none")
        } else if run.n_zero_durations > 0 {
            (run.n_zero_durations, "samples of duration 0", "none")
        } else {
            continue;
        };
        let value = format!("{n} {what}");
        out.fail(Severity::Minor, value.clone(), limit, format!("a segment has {value}; {limit} expected"));
        return;
    }
    if judged {
        out.pass();
    } else {
        out.unknown();
    }
}
