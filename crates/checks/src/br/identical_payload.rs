use ow_domain::Severity;
use ow_domain::capture::{ObjectKind, TrackKind};
use ow_domain::facts::EsKind;

use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       Segments whose pictures are the very bytes of an earlier segment.
    /// Matters:       Viewers see the same seconds again and again, while timestamps go on.
    /// Usual causes:  An encoder that loops its last buffer, a packager that publishes a file twice.
    /// Stays quiet:   For silence, single repetitions, and loops longer than two segments, as of slates.
    id: "br-identical-payload", title: "Segment repeats an earlier one", severity: Major, hold: "H2", clear: "C3", since: "0.2",
    spec: [op()], input: MediaLoad, scope: Track, params: {
        look_back: f64 = 2.0, "segments; slates and demos loop over more";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let text = load.track.is_none_or(|t| t.kind == TrackKind::Text);
    if load.capture.object != ObjectKind::Segment || text {
        return;
    }
    let main = load.facts.filter(|_| load.is_whole() && load.is_sound()).and_then(|f| f.main());
    let digest = main.and_then(|m| u64::from_str_radix(m.payload_digest.as_deref()?, 16).ok());
    let (Some(main), Some(digest), Some(number), Some(history)) = (main, digest, load.number(), load.history) else {
        out.unknown();
        return;
    };
    // By number: segments that were not read count, else a loop looks shorter than it is.
    let past = history.samples().rev().filter(|s| s.number < number && number - s.number <= params.look_back as u64);
    let equal: Vec<u64> = past.filter(|s| s.payload == Some(digest)).map(|s| s.number).collect();
    let least = if main.kind == EsKind::Audio { 2 } else { 1 };
    let Some(first) = equal.first().filter(|_| equal.len() >= least) else {
        out.pass();
        return;
    };
    let (value, limit) = (format!("the payload of segment {first}"), "new media");
    let message = format!("segment {number} has {value}; {limit} expected");
    out.fail(Severity::Major, value, limit, message).fact("equal segments", equal.len() + 1);
}
