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
    /// Stays quiet:   For silence, single repetitions, slates that come again behind a discontinuity, and sound that loops over more.
    id: "br-identical-payload", title: "Segment repeats an earlier one", severity: Major, hold: "H2", clear: "C3", since: "0.2",
    spec: [op()], input: MediaLoad, scope: Track, params: {
        look_back: f64 = 10.0, "segments";
        look_back_sound: f64 = 2.0, "segments; beds and jingles loop over more";
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
    let is_sound = main.kind == EsKind::Audio;
    let look_back = if is_sound { params.look_back_sound } else { params.look_back } as u64;
    let past = history.samples().rev().filter(|s| s.number < number && number - s.number <= look_back);
    let equal: Vec<u64> = past.filter(|s| s.payload == Some(digest)).map(|s| s.number).collect();
    let least = if is_sound { 2 } else { 1 };
    let Some(first) = equal.first().filter(|_| equal.len() >= least) else {
        out.pass();
        return;
    };
    // A slate or a spot that is played again: each insertion begins with a discontinuity.
    if history.samples().any(|s| s.discontinuity && s.number > *first && s.number <= number) {
        out.unknown();
        return;
    }
    let (value, limit) = (format!("the payload of segment {first}"), "new media");
    let message = format!("segment {number} has {value}; {limit} expected");
    out.fail(Severity::Major, value, limit, message).fact("equal segments", equal.len() + 1);
}
