use ow_domain::Severity;
use ow_domain::capture::Protocol;
use ow_domain::ladder::DynamicRange;

use crate::input::LadderLoad;
use crate::outcome::Outcome;
use crate::registry::{has, op};

crate::check! {
    /// Detects:       A channel sold in high dynamic range whose manifest or bitstream is of another range.
    /// Matters:       The picture is grey or garish: players choose display mode and tone mapping by the manifest.
    /// Usual causes:  A VIDEO-RANGE or CICP property lost in packaging, a converter in bypass, an SDR feed on the HDR path.
    /// Stays quiet:   For an SDR programme inside an HDR signal, and where neither manifest nor bitstream tells (DASH).
    id: "ladder-hdr-missing", title: "HDR missing", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [has("9.8"), op()], input: LadderLoad, scope: Stream, params: {},
}

fn run(input: &LadderLoad<'_>, _: &Params, out: &mut Outcome) {
    let wanted_of = |agreed: &crate::input::Agreed<'_>| {
        let of_rungs = agreed.contract.video.iter().filter_map(|r| r.dynamic_range).filter(|r| *r != DynamicRange::Sdr);
        agreed.contract.hdr.or(of_rungs.max())
    };
    let Some((agreed, wanted)) = input.agreed.as_ref().and_then(|a| Some((a, wanted_of(a)?))) else {
        out.unknown();
        return;
    };
    let lost = |(rung, at): (&ow_domain::ladder::VideoRung, &Option<usize>)| {
        rung.dynamic_range == Some(wanted) && at.is_none()
    };
    if agreed.contract.video.iter().zip(&agreed.matched.video).any(lost) {
        out.unknown();
        return;
    }
    let limit = wanted.to_string();
    // What the bits of a range look like: Dolby Vision rests on PQ or HLG.
    let carried = |range: &str| match wanted {
        DynamicRange::Sdr => range == "SDR",
        DynamicRange::Hdr10 => range == "PQ",
        DynamicRange::Hlg => range == "HLG",
        DynamicRange::DolbyVision => range != "SDR",
    };
    let measured = |n: usize| input.delivered.get(n).and_then(|d| d.picture.as_ref()?.range.clone());
    let offered: Vec<usize> =
        (0..input.offer.video.len()).filter(|n| input.offer.video[*n].range == Some(wanted)).collect();
    if offered.is_empty() {
        let undeclared = input.offer.video.iter().all(|v| v.range.is_none());
        if undeclared && input.capture.protocol == Protocol::Dash {
            // No descriptor is no statement: the parameter sets may tell.
            let shows = (0..input.offer.video.len()).find_map(measured);
            match shows {
                Some(range) if carried(&range) => out.pass().reason("offered"),
                Some(range) => {
                    let message = format!("the largest range delivered is {range}; {limit} expected");
                    super::with_difference(out.fail(Severity::Major, range, limit, message), input).reason("offered")
                }
                None => out.unknown().reason("offered"),
            };
            return;
        }
        let mut ranges: Vec<&str> =
            input.offer.video.iter().map(|v| v.range.map_or("undeclared (sdr)", DynamicRange::as_str)).collect();
        ranges.sort_unstable();
        ranges.dedup();
        let value = ranges.join(", ");
        let message = format!("dynamic range offered is {value}; {limit} expected");
        super::with_difference(out.fail(Severity::Major, value, limit, message), input).reason("offered");
        return;
    }
    out.pass().reason("offered");
    let delivered: Vec<String> = offered.iter().filter_map(|n| measured(*n)).collect();
    if delivered.is_empty() {
        out.unknown().reason("delivered");
    } else if let Some(other) = delivered.iter().find(|range| !carried(range)) {
        let message = format!("offered as {limit} and delivered as {other}; {limit} expected");
        super::with_difference(out.fail(Severity::Major, other.clone(), limit, message), input).reason("delivered");
    } else {
        out.pass().reason("delivered");
    }
}
