use ow_domain::Severity;
use ow_domain::capture::ObjectKind;

use crate::input::MediaLoad;
use crate::input::mp4 as view;
use crate::outcome::Outcome;
use crate::registry::{bmff, cmaf};

crate::check! {
    /// Detects:       First samples whose flags say key frame where the picture is none, or the other way round.
    /// Matters:       Players start and switch at pictures that cannot be decoded, or skip good ones.
    /// Usual causes:  A muxer that marks the first sample of each fragment, an encoder with another key frame distance.
    /// Stays quiet:   For open GOPs that begin with CRA pictures, sound, other codecs and encrypted samples.
    id: "mp4-sample-flags-lie", title: "Sync flag does not fit the picture", severity: Major, hold: "H3/10", clear: "C10",
    since: "0.1", spec: [bmff("8.8.3"), cmaf("7.3.2.4")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let told = view::segment(load).and_then(|(facts, _)| {
        view::runs(facts).find_map(|(run, e)| Some((e.codec.as_str(), run.first_slice_type?, e.starts_with_keyframe?)))
    });
    let Some((codec, kind, claimed)) = told else {
        out.unknown();
        return;
    };
    // H.264: IDR; H.265: BLA, IDR and CRA.
    let is_key = if codec == "h264" { kind == 5 } else { (16..=23).contains(&kind) };
    // A CRA with leading pictures is no sync sample (SAP type 3), and need not be flagged as one.
    let is_open_gop = codec != "h264" && kind == 21;
    if claimed == is_key || is_open_gop {
        out.pass();
        return;
    }
    let (severity, flag) = if claimed { (Severity::Major, "sync") } else { (Severity::Minor, "non-sync") };
    let value = format!("NAL unit type {kind}");
    let limit = if claimed { "a key frame" } else { "a dependent picture" };
    let message = format!("the first sample is flagged {flag} but has {value}; {limit} expected");
    out.fail(severity, value, limit, message);
}
