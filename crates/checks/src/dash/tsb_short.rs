use ow_domain::{Severity, Span};

use super::{freshest, is_stale, times};
use crate::input::MpdStep;
use crate::outcome::{Outcome, exact_seconds, seconds};
use crate::registry::rfc;

crate::check! {
    /// Detects:       A list of segments that reaches back less far than timeShiftBufferDepth promises.
    /// Matters:       Players offer a pause and a rewind that end in errors.
    /// Usual causes:  A packager whose list and whose window are configured apart, cleaning that takes too much.
    /// Stays quiet:   Until the window can be full, after a restart with a new Period, up to two segments, while the list is stale.
    id: "dash-tsb-short", title: "Time shift buffer is not filled", severity: Minor, hold: "H3", clear: "C3", since: "0.2",
    spec: [rfc("DASH-IF Live Timing Model", "time shift buffer")], input: MpdStep, scope: Stream, params: {
        slack_durations: f64 = 2.0, "segment durations";
    },
}

fn run(input: &MpdStep<'_>, params: &Params, out: &mut Outcome) {
    let (step, presentation) = (input.step, input.presentation);
    if !step.is_accepted() || !step.dynamic {
        return;
    }
    let (Some(window), Some(ast)) = (presentation.time_shift, presentation.ast) else { return };
    let Some(freshest) = freshest(input) else { return };
    let oldest = presentation.periods.first().and_then(|p| p.start);
    let full_from = oldest.map(|start| ast + start + window);
    if full_from.is_none_or(|at| step.t_req < at) || is_stale(input, freshest) {
        out.unknown();
        return;
    }
    let mut worst: Option<(Span, Span, &str)> = None;
    for (place, (period, view)) in presentation.tracks().enumerate() {
        // The same rendition in an earlier Period reaches back further.
        let earlier = presentation.tracks().take(place).any(|(_, other)| other.track.id == view.track.id);
        let begin = view.listed().first().and_then(|s| Some(ast + period.start? + view.in_period(s.time)));
        let (Some(begin), Some(nominal), false) = (begin, view.nominal(), earlier) else { continue };
        // A list that is ahead of the clock reaches back from where it ends.
        let end = view.newest_listed().and_then(|s| Some(ast + period.start? + view.in_period(s.end())));
        let edge = end.map_or(step.t_req, |end| end.max(step.t_req));
        let missing = begin - (edge - window) - times(nominal, params.slack_durations);
        if worst.is_none_or(|(known, ..)| missing > known) {
            worst = Some((missing, edge - begin, view.track.id.as_str()));
        }
    }
    let Some((missing, reaches, track)) = worst else { return };
    if missing <= Span::ZERO {
        out.pass();
        return;
    }
    let (value, limit) = (seconds(reaches), seconds(reaches + missing));
    let message =
        format!("the list reaches back {value}; at least {limit} of a window of {} expected", seconds(window));
    out.fail(Severity::Minor, value, limit, message)
        .fact("timeShiftBufferDepth", exact_seconds(window))
        .fact("rendition", track);
}
