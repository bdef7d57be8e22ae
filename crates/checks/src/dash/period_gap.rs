use ow_domain::capture::TrackKind;
use ow_domain::{Severity, Span};
use ow_timeline::dash::PeriodView;

use super::is_new_version;
use crate::input::MpdStep;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::rfc;

crate::check! {
    /// Detects:       A Period that begins before or after the one before it ends, by its duration or by its media.
    /// Matters:       Players stall in the hole between them, or jump over the overlap.
    /// Usual causes:  An ad inserted with a rounded length, a Period start that was not moved with the cut.
    /// Stays quiet:   Within 20 ms, when the last segment reaches beyond the end (players cut it), and for sound within a segment.
    id: "dash-period-gap", title: "Periods do not join", severity: Minor, hold: "H2", clear: "C1", since: "0.1",
    spec: [rfc("DASH-IF Live Timing Model", "periods")], input: MpdStep, scope: Stream, params: {
        period_gap_s: f64 = 0.02, "seconds";
    },
}

fn run(input: &MpdStep<'_>, params: &Params, out: &mut Outcome) {
    if !is_new_version(input) {
        return;
    }
    let tolerance = Span::from_secs_f64(params.period_gap_s).max(Span::from_millis(20));
    let periods = &input.presentation.periods;
    let first = input.mpd.periods.len().saturating_sub(periods.len());
    let mut worst: Option<(Span, &PeriodView, Span, &'static str)> = None;
    for (i, (before, next)) in periods.iter().zip(periods.iter().skip(1)).enumerate() {
        let (Some(start), Some(next_start)) = (before.start, next.start) else { continue };
        let declared = input.mpd.periods.get(first + i).and_then(|p| p.duration);
        let by_duration = declared.map(|d| (next_start - start - Span::from_micros(d.value.micros), "its duration"));
        let found = by_duration
            .filter(|(gap, _)| gap.abs() > tolerance)
            .or_else(|| media_gap(before, start, next, next_start, tolerance).map(|gap| (gap, "its last segment")));
        let Some((gap, what)) = found else { continue };
        if worst.is_none_or(|(known, ..)| gap.abs() > known.abs()) {
            worst = Some((gap, next, next_start - gap, what));
        }
    }
    let Some((gap, next, end, what)) = worst else {
        out.pass();
        return;
    };
    let nominal = next.tracks.iter().filter_map(|t| t.nominal()).max().unwrap_or(Span::from_secs(6));
    let severity = if gap.abs() > nominal { Severity::Major } else { Severity::Minor };
    let (value, limit) = (exact_seconds(gap), exact_seconds(end));
    let key = next.key.chars().take(24).collect::<String>();
    let message = format!("Period {key} starts {value} after the one before ends by {what}; start at {limit} expected");
    out.fail(severity, value, limit, message).fact("segment duration", exact_seconds(nominal));
}

/// Hole between the listed media of a Period and the start of the next, once that one lists media of its own.
fn media_gap(before: &PeriodView, start: Span, next: &PeriodView, next_start: Span, tolerance: Span) -> Option<Span> {
    if !next.tracks.iter().any(|t| t.newest_listed().is_some()) {
        return None;
    }
    let gaps = before.tracks.iter().filter_map(|t| {
        let gap = next_start - (start + t.in_period(t.newest_listed()?.end()));
        let allowed = match t.track.kind {
            TrackKind::Video | TrackKind::Muxed => tolerance,
            _ => t.nominal()?.max(tolerance),
        };
        Some(gap).filter(|gap| *gap > allowed)
    });
    gaps.max()
}
