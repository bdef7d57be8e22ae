//! What an MPD promises of a segment: from when on, and for how long.

use ow_domain::capture::DashPromise;
use ow_domain::{Span, Time};

use super::super::view::{Listed, Listing, PeriodView, Presentation, TrackView};

/// Tries for an early segment: at first this often, for this long, and at last up to three durations.
const EARLY_EVERY: Span = Span::from_millis(250);
const EARLY_FOR: Span = Span::from_secs(2);

pub(super) fn promise(
    view: &TrackView,
    presentation: &Presentation,
    period: &PeriodView,
    listed: &Listed,
    offset: Span,
) -> DashPromise {
    DashPromise {
        period: period.key.to_string(),
        representation: view.representation.to_string(),
        time: listed.time,
        duration: listed.duration,
        timescale: view.timescale,
        pto: view.pto,
        period_start_us: period.start.unwrap_or(Span::ZERO).micros(),
        explicit: view.is_explicit(),
        available_at: available_at(view, presentation, period, listed, offset),
        ato_us: view.ato.filter(|ato| *ato != Span::ZERO).map(Span::micros),
        n_early: 0,
        last_early: None,
        gives_up: false,
        time_shift_us: presentation.time_shift.filter(|_| presentation.dynamic).map(Span::micros),
        last_in_period: period.duration.is_some_and(|duration| {
            let is_followed = presentation.periods.last().is_some_and(|last| last.key != period.key);
            is_followed && view.in_period(listed.end()) + view.span(listed.duration).mul_ratio(1, 2) >= duration
        }),
    }
}

/// On the clock of the probe.
pub(super) fn available_at(
    view: &TrackView,
    presentation: &Presentation,
    period: &PeriodView,
    segment: &Listed,
    offset: Span,
) -> Option<Time> {
    let ast = presentation.ast.filter(|_| presentation.dynamic);
    Some(view.available_at(ast, period, segment.end())? - offset)
}

/// The first segment of the window that is promised for another duration at least.
pub(super) fn oldest(view: &TrackView, presentation: &Presentation, period: &PeriodView, now: Time) -> Option<Listed> {
    let d = view.nominal()?;
    let window_start = presentation
        .time_shift
        .filter(|_| presentation.dynamic)
        .and_then(|depth| Some(now - depth + d - presentation.ast? - period.start?));
    match &view.listing {
        Listing::Explicit(_) => {
            let listed = view.listed();
            let from = window_start.unwrap_or(Span::from_micros(i64::MIN));
            listed.into_iter().find(|s| view.in_period(s.end()) > from)
        }
        Listing::Every { .. } => {
            let newest = view.newest_computed(presentation.ast, period, now)?;
            let k = match window_start {
                Some(start) if start > Span::ZERO => u64::try_from(start.micros() / d.micros().max(1)).ok()? + 1,
                _ => 0,
            };
            view.computed(k).filter(|_| k <= newest)
        }
        Listing::Single { .. } | Listing::Nothing => None,
    }
}

/// When to ask again for a segment of duration `d`, promised from `from`, that was too early in a request of `t_req`:
/// every 250 ms for 2 s, then four times per duration, until three durations have passed (CHECKS `dash-segment-late`).
pub fn early_retry(from: Time, d: Span, t_req: Time) -> Option<Time> {
    let step = if t_req - from < EARLY_FOR { EARLY_EVERY } else { d.mul_ratio(1, 4).max(EARLY_EVERY) };
    let next = t_req + step;
    (next <= from + d.mul_ratio(3, 1).max(EARLY_FOR)).then_some(next)
}
