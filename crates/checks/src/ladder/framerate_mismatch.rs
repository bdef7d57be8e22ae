use ow_domain::Severity;

use crate::input::LadderLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       An agreed rendition with another frame rate.
    /// Matters:       Sport at half the rate judders; displays that switch modes show black for seconds.
    /// Usual causes:  An encoder profile at half rate, a deinterlacer in the wrong mode.
    /// Stays quiet:   When nothing declares or shows a rate; 29.97 for 30 is only an information.
    id: "ladder-framerate-mismatch", title: "Frame rate differs from the contract", severity: Minor, hold: "H3",
    clear: "C3", since: "0.1", spec: [op()], input: LadderLoad, scope: Stream, params: {},
}

/// Below this share a difference is rounding of the manifest.
const SAME: f64 = 0.0002;

fn run(input: &LadderLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(agreed) = input.agreed else {
        out.unknown();
        return;
    };
    let allowed = agreed.contract.tolerance.frame_rate_percent / 100.0;
    let (mut far, mut near, mut n_known) = (Vec::new(), Vec::new(), 0);
    for (n, rung, track) in agreed.matched.rungs(agreed.contract, input.offer) {
        let at = agreed.matched.video.get(n).copied().flatten();
        let measured = || at.and_then(|at| input.delivered.get(at)?.picture.as_ref()?.frame_rate_milli);
        let found = track.frame_rate_milli.or_else(measured).map(|milli| f64::from(milli) / 1000.0);
        let (Some(wanted), Some(found)) = (rung.frame_rate, found) else { continue };
        n_known += 1;
        let share = (found - wanted).abs() / wanted.max(0.001);
        let text = (format!("{} at {found:.3}", rung.resolution()), format!("{wanted:.3} fps"));
        if share > allowed {
            far.push(text);
        } else if share > SAME {
            near.push(text);
        }
    }
    if n_known == 0 {
        out.unknown();
        return;
    }
    for (reason, found, severity) in [("rate", far, Severity::Minor), ("fraction", near, Severity::Info)] {
        let Some((_, limit)) = found.first().cloned() else {
            out.pass().reason(reason);
            continue;
        };
        let value = format!("{} fps", super::some(found.into_iter().map(|f| f.0)));
        let message = format!("offered {value}; {limit} expected");
        super::with_difference(out.fail(severity, value, limit, message), input).reason(reason);
    }
}
