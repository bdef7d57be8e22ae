use ow_domain::Severity;
use ow_domain::ladder::VideoCodec;

use crate::input::LadderLoad;
use crate::offer::{exceeds, is_other_entry};
use crate::outcome::Outcome;
use crate::registry::{has, op};

crate::check! {
    /// Detects:       An agreed rendition in another codec family, another profile, or at a level above the agreed one.
    /// Matters:       Devices that were certified for the agreed codec show nothing at all.
    /// Usual causes:  An encoder profile changed for one rendition, a packager that writes another sample entry.
    /// Stays quiet:   For lower levels, and where the manifest declares no codec and no bytes were read.
    id: "ladder-codec-mismatch", title: "Codec differs from the contract", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [has("1"), op()], input: LadderLoad, scope: Stream, params: {},
}

fn run(input: &LadderLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(agreed) = input.agreed else {
        out.unknown();
        return;
    };
    let mut n_known = 0;
    // Reason, found, expected: the worst first.
    let mut faults: Vec<(u8, &'static str, String, String)> = Vec::new();
    for (n, rung, track) in agreed.matched.rungs(agreed.contract, input.offer) {
        let at = agreed.matched.video.get(n).copied().flatten();
        let picture = at.and_then(|at| input.delivered.get(at)?.picture.as_ref());
        let family = track.codec.or_else(|| picture.and_then(|p| measured(p.codec.as_deref()?)));
        let Some(family) = family else { continue };
        n_known += 1;
        if let Some(wanted) = rung.codec.filter(|wanted| *wanted != family) {
            faults.push((0, "family", format!("{} as {family}", rung.resolution()), wanted.to_string()));
            continue;
        }
        let (Some(wanted), Some(found)) = (&rung.codec_string, &track.codec_string) else { continue };
        if let Some(what) = exceeds(wanted, found) {
            faults.push((1, what, format!("{} as {found}", rung.resolution()), wanted.clone()));
        } else if is_other_entry(wanted, found) {
            faults.push((2, "sample-entry", format!("{} as {found}", rung.resolution()), wanted.clone()));
        }
    }
    if n_known == 0 {
        out.unknown();
        return;
    }
    faults.sort();
    for reason in ["family", "profile", "level", "sample-entry"] {
        let of: Vec<_> = faults.iter().filter(|f| f.1 == reason).collect();
        let Some(first) = of.first() else {
            out.pass().reason(reason);
            continue;
        };
        let value = super::some(of.iter().map(|f| f.2.clone()));
        let limit = first.3.clone();
        let severity = if reason == "family" { Severity::Major } else { Severity::Minor };
        let message = format!("offered {value}; {limit} expected");
        super::with_difference(out.fail(severity, value, limit, message), input).reason(reason);
    }
}

/// Families by the short names of the bitstream.
fn measured(codec: &str) -> Option<VideoCodec> {
    VideoCodec::ALL.iter().copied().find(|c| c.as_str() == codec)
}
