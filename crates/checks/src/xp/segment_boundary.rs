use ow_domain::{Severity, Span};

use crate::input::{Cuts, Presentations, media_difference};
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::rfc;

crate::check! {
    /// Detects:       Video of HLS and of DASH that is cut at other media times.
    /// Matters:       Objects cannot be shared, ad breaks and switches between the protocols fall on different pictures.
    /// Usual causes:  Two packagers that cut by their own count, segment durations that are no multiples of each other.
    /// Stays quiet:   Within one frame, where HLS is transport stream, for a constant offset of the whole timeline, and for a few of ten.
    id: "xp-segment-boundary", title: "HLS and DASH are cut at other places", severity: Minor, hold: "H3/10", clear: "C10",
    since: "0.2", spec: [rfc("CTA-5005-A", "segment boundaries")], input: Presentations, scope: Stream, params: {
        pairs: f64 = 10.0, "pairs compared";
        min_pairs: f64 = 3.0, "pairs apart";
    },
}

fn run(input: &Presentations<'_>, params: &Params, out: &mut Outcome) {
    let (Some(hls), Some(dash)) = (&input.hls.video, &input.dash.video) else { return };
    // Once for each look at the rendition that is compared.
    if input.capture.track.as_ref().is_none_or(|t| t.id != *hls.track) {
        return;
    }
    if !hls.cmaf || !dash.cmaf {
        out.unknown();
        return;
    }
    let differences = differences(hls, dash, params.pairs as usize);
    let frame = hls.unit.max(dash.unit).max(Span::from_millis(1));
    // A tick of rounding on each side.
    let limit = frame + Span::from_micros(50);
    let far: Vec<Span> = differences.iter().copied().filter(|d| d.abs() > limit).collect();
    // All off by the same: another origin of time, not another cut.
    let (least, most) = (differences.iter().min(), differences.iter().max());
    let is_offset = least.zip(most).is_some_and(|(least, most)| *most - *least <= limit) && !far.is_empty();
    if differences.len() < params.min_pairs as usize || is_offset {
        out.unknown();
        return;
    }
    if far.len() < params.min_pairs as usize {
        out.pass();
        return;
    }
    let worst = far.iter().map(|d| d.abs()).max().unwrap_or(Span::ZERO);
    let (value, limit) = (exact_seconds(worst), exact_seconds(frame));
    let message = format!("segments of DASH begin up to {value} off those of HLS; at most {limit} expected");
    out.fail(Severity::Minor, value, limit, message)
        .fact("pairs apart", format!("{} of {}", far.len(), differences.len()))
        .fact("HLS rendition", hls.track)
        .fact("DASH rendition", dash.track);
}

/// From each of the last cuts of the side that has fewer to the nearest of the other, inside of what both show.
fn differences(hls: &Cuts<'_>, dash: &Cuts<'_>, n: usize) -> Vec<Span> {
    let range = |cuts: &Cuts<'_>| cuts.starts.iter().min().copied().zip(cuts.starts.iter().max().copied());
    let (Some((a_from, a_to)), Some((b_from, b_to))) = (range(hls), range(dash)) else { return Vec::new() };
    let (from, to) = (a_from.max(b_from), a_to.min(b_to));
    let inside = |cuts: &Cuts<'_>| {
        let mut starts: Vec<i64> = cuts.starts.iter().copied().filter(|s| (from..=to).contains(s)).collect();
        starts.sort_unstable();
        starts
    };
    let (a, b) = (inside(hls), inside(dash));
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    few.iter()
        .rev()
        .take(n)
        .filter_map(|at| many.iter().map(|other| media_difference(*at, *other)).min_by_key(|d| d.abs()))
        .collect()
}
