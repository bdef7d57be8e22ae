use ow_domain::Severity;

use crate::input::LadderLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       An agreed rendition that is offered with another width or height.
    /// Matters:       A softer picture than was sold, or wrong proportions on devices that trust the manifest.
    /// Usual causes:  A changed encoder profile, an anamorphic profile where square pixels were agreed.
    /// Stays quiet:   For 1088 coded lines where 1080 were agreed, and when the manifest and the bytes say nothing.
    id: "ladder-resolution-mismatch", title: "Resolution differs from the contract", severity: Minor, hold: "H2",
    clear: "C1", since: "0.1", spec: [op()], input: LadderLoad, scope: Stream, params: {
        crop_lines: f64 = 15.0, "lines more than agreed, as coded";
    },
}

fn run(input: &LadderLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(agreed) = input.agreed else {
        out.unknown();
        return;
    };
    let (mut others, mut wanted, mut n_known) = (Vec::new(), Vec::new(), 0);
    for (n, rung, track) in agreed.matched.rungs(agreed.contract, input.offer) {
        let at = agreed.matched.video.get(n).copied().flatten();
        let picture = at.and_then(|at| input.delivered.get(at)?.picture.as_ref());
        let declared = track.width.zip(track.height);
        let Some((width, height)) = declared.or_else(|| picture.and_then(|p| p.width.zip(p.height))) else { continue };
        n_known += 1;
        let cropped = height.saturating_sub(rung.height) <= params.crop_lines as u32 && height >= rung.height;
        if width != rung.width || !cropped {
            others.push(format!("{width}x{height}"));
            wanted.push(rung.resolution());
        }
    }
    match (others.is_empty(), n_known) {
        (true, 0) => out.unknown(),
        (true, _) => out.pass(),
        (false, _) => {
            let (value, limit) = (super::some(others.into_iter()), super::some(wanted.into_iter()));
            let message = format!("offered with {value} pixels; {limit} expected");
            super::with_difference(out.fail(Severity::Minor, value, limit, message), input)
        }
    };
}
