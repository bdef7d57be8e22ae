use ow_domain::Severity;

use crate::input::LadderLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       An agreed rendition whose declared bitrate is outside the range of the contract and its tolerance.
    /// Matters:       Above, players on the planned line stall; below, the picture is worse than was sold.
    /// Usual causes:  Another encoder profile, a packager that adds up the wrong tracks.
    /// Stays quiet:   For ten minutes, and for what is measured below the range: still pictures go low.
    id: "ladder-bitrate-out-of-range", title: "Bitrate outside the contract", severity: Minor, hold: "H600s",
    clear: "C600s", since: "0.1", spec: [op()], input: LadderLoad, scope: Stream, params: {},
}

fn run(input: &LadderLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(agreed) = input.agreed else {
        out.unknown();
        return;
    };
    let tolerance = agreed.contract.tolerance.bitrate_percent / 100.0;
    let (mut others, mut limits, mut n_known) = (Vec::new(), Vec::new(), 0);
    for (_, rung, track) in agreed.matched.rungs(agreed.contract, input.offer) {
        let (Some(range), Some(bandwidth)) = (rung.bitrate_kbps, track.bandwidth) else { continue };
        n_known += 1;
        let min = f64::from(range.min) * (1.0 - tolerance).max(0.0);
        let max = f64::from(range.max) * (1.0 + tolerance);
        let kbps = bandwidth as f64 / 1000.0;
        if kbps < min || kbps > max {
            others.push(format!("{} at {kbps:.0} kbit/s", rung.resolution()));
            limits.push(format!("{min:.0} to {max:.0} kbit/s"));
        }
    }
    match (limits.first(), n_known) {
        (None, 0) => out.unknown(),
        (None, _) => out.pass(),
        (Some(limit), _) => {
            let value = super::some(others.into_iter());
            let message = format!("declared {value}; {limit} expected");
            super::with_difference(out.fail(Severity::Minor, value, limit.clone(), message), input)
        }
    };
}
