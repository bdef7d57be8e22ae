use ow_domain::Severity;
use ow_domain::capture::ObjectKind;
use ow_domain::facts::Container;

use crate::input::{MediaLoad, mp4 as view};
use crate::outcome::Outcome;
use crate::registry::op;
use crate::ts::{kind_name, sound_and_pictures, with_number};

crate::check! {
    /// Detects:       Pictures or sound whose chain of units is broken: forbidden bits, no start code, no sync.
    /// Matters:       The bytes are there and cannot be decoded: green or frozen pictures, noise.
    /// Usual causes:  A body zeroed by a disk or cache, encrypted bytes declared clear, damage after the packager.
    /// Stays quiet:   For encrypted streams, where packets are missing, and where the codec is another than announced.
    id: "media-nal-walk-error", title: "Coded pictures or sound are damaged", severity: Major, hold: "major H2/10 -> critical H2/10",
    clear: "C5", since: "0.2", spec: [op()], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let lost = load.facts.and_then(|f| f.ts.as_ref()).is_some_and(|ts| ts.cc_errors > 0);
    let facts = load.facts.filter(|_| load.is_whole() && load.is_sound() && !lost);
    let known = |f: &&ow_domain::facts::SegmentFacts| match f.container {
        Container::MpegTs | Container::PackedAudio => true,
        // Walked by the lengths before each unit, where the initialization section told how long these are.
        Container::IsoBmff => view::segment(load).is_some_and(|(_, mp4)| mp4.runs.iter().any(|run| run.n_walked > 0)),
        _ => false,
    };
    let Some(facts) = facts.filter(known) else {
        out.unknown();
        return;
    };
    let streams = sound_and_pictures(facts).filter(|s| !s.encrypted && s.found_codec.is_none());
    let Some(worst) = streams.max_by_key(|s| s.n_walk_errors) else {
        out.unknown();
        return;
    };
    if worst.n_walk_errors == 0 {
        out.pass();
        return;
    }
    let all = worst.n_walk_errors >= worst.n_access_units;
    let severity = if all { Severity::Critical } else { Severity::Major };
    let (value, limit) = (format!("{} broken {} units", worst.n_walk_errors, kind_name(worst.kind)), "none");
    let message = format!("a segment has {value} in {} access units; {limit} expected", worst.n_access_units);
    with_number(load, out.fail(severity, value, limit, message).fact("stream", worst.id));
}
