use ow_domain::{Severity, Span};
use ow_timeline::dash::{Listing, TrackView};

use super::is_new_version;
use crate::input::MpdStep;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::{op, rfc};

crate::check! {
    /// Detects:       Representations of one AdaptationSet in which the same number stands for other times.
    /// Matters:       A player that switches between them repeats or skips media at every switch.
    /// Usual causes:  Packagers that were started one after the other, startNumber copied from another rendition.
    /// Stays quiet:   With $Time$ in place of $Number$, and within one frame.
    id: "dash-start-number-skew", title: "Same number, other time", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [op(), rfc("DASH-IF Live Timing Model", "segment references")], input: MpdStep,
    scope: Stream, params: {
        tolerance_s: f64 = 0.04, "seconds";
    },
}

fn run(input: &MpdStep<'_>, params: &Params, out: &mut Outcome) {
    if !is_new_version(input) {
        return;
    }
    let mut worst: Option<(Span, u64, &TrackView, &TrackView)> = None;
    for period in &input.presentation.periods {
        for (i, a) in period.tracks.iter().enumerate() {
            // Each is compared with the first of its set.
            let first = period.tracks.iter().take(i).find(|b| b.set == a.set);
            let Some(first) = first.filter(|b| b.is_numbered() && a.is_numbered()) else { continue };
            let Some((number, skew)) = skew(first, a) else { continue };
            if worst.is_none_or(|(known, ..)| skew.abs() > known.abs()) {
                worst = Some((skew, number, first, a));
            }
        }
    }
    let tolerance = Span::from_secs_f64(params.tolerance_s);
    let Some((skew, number, first, other)) = worst.filter(|(skew, ..)| skew.abs() > tolerance) else {
        out.pass();
        return;
    };
    let (value, limit) = (exact_seconds(skew), exact_seconds(tolerance));
    let message = format!(
        "segment {number} of {} is {value} off that of {}; at most {limit} expected",
        other.track.id, first.track.id
    );
    out.fail(Severity::Major, value, limit, message)
        .fact("startNumber of the first", first.start_number)
        .fact("startNumber of the other", other.start_number);
}

/// The newest number that both have, and how much later it starts in `b`.
fn skew(a: &TrackView, b: &TrackView) -> Option<(u64, Span)> {
    match (&a.listing, &b.listing) {
        (Listing::Explicit(_), Listing::Explicit(_)) => {
            let of_a = a.listed();
            let of_b = b.listed();
            let (a_at, b_at) =
                of_a.iter().rev().find_map(|a| Some((a, of_b.iter().rev().find(|b| b.number == a.number)?)))?;
            Some((a_at.number, b.in_period(b_at.time) - a.in_period(a_at.time)))
        }
        (Listing::Every { .. }, Listing::Every { .. }) => {
            let number = a.start_number.max(b.start_number);
            let at = |t: &TrackView| Some(t.in_period(t.computed(number - t.start_number)?.time));
            Some((number, at(b)? - at(a)?))
        }
        _ => None,
    }
}
