use ow_domain::Severity;

use crate::input::{DeliveryState, LadderLoad};
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A channel sold as UHD that offers no picture of 2160 lines, or delivers a smaller one under that name.
    /// Matters:       Viewers pay for UHD and see HD.
    /// Usual causes:  The UHD encoder or its feed is down and a fallback profile is on air, an upscaler that was bypassed.
    /// Stays quiet:   When the contract lists the rendition itself, whose absence is ladder-rendition-missing.
    id: "ladder-uhd-missing", title: "UHD missing", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [op()], input: LadderLoad, scope: Stream, params: { min_height: f64 = 2160.0, "lines"; },
}

fn run(input: &LadderLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(agreed) = input.agreed.filter(|a| a.contract.uhd) else {
        out.unknown();
        return;
    };
    let min = params.min_height as u32;
    let is_large = |height: Option<u32>| height.is_some_and(|height| height >= min);
    let mut rungs = agreed.contract.video.iter().zip(&agreed.matched.video);
    if rungs.any(|(rung, at)| rung.height >= min && at.is_none()) {
        out.unknown();
        return;
    }
    let limit = format!("{min} lines");
    let large: Vec<usize> = (0..input.offer.video.len()).filter(|n| is_large(input.offer.video[*n].height)).collect();
    if large.is_empty() {
        let Some(height) = input.offer.max_height() else {
            out.unknown();
            return;
        };
        let value = format!("{height} lines");
        let message = format!("the largest picture offered has {value}; {limit} expected");
        super::with_difference(out.fail(Severity::Major, value, &limit, message), input).reason("offered");
        return;
    }
    out.pass().reason("offered");
    // 2160 is coded as it is; a picture some lines short is cropped, not HD.
    let measured = large.iter().filter_map(|n| input.delivered.get(*n)?.picture.as_ref()?.height);
    match measured.max() {
        Some(height) if height.saturating_add(64) < min => {
            let value = format!("{height} lines");
            let message = format!("the largest picture is offered as UHD and delivered with {value}; {limit} expected");
            super::with_difference(out.fail(Severity::Major, value, &limit, message), input).reason("delivered");
        }
        Some(_) => {
            out.pass().reason("delivered");
        }
        None if large
            .iter()
            .all(|n| matches!(input.delivered.get(*n).map(|d| d.state), Some(DeliveryState::Dead(_)))) =>
        {
            out.unknown().reason("delivered");
        }
        None => {
            out.unknown().reason("delivered");
        }
    }
}
