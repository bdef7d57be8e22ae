use ow_domain::{Severity, Span};

use super::target_durations;
use crate::input::{PlaylistStep, WallClock};
use crate::outcome::{Outcome, seconds};
use crate::registry::{bis, op};

crate::check! {
    /// Detects:       The newest segment is older by its date-time than the channel's limit, or latency moved suddenly.
    /// Matters:       Viewers see events late; a slow growth shows an encoder or packager that falls behind.
    /// Usual causes:  An encoder below real time, a queue between encoder and packager, a packager clock that is off.
    /// Stays quiet:   When date-times are no wall clock (archives), and while nothing new appears, which is stale.
    id: "hls-live-latency-pdt", title: "Live latency too high", severity: Minor, hold: "H3", clear: "C3",
    since: "0.1", spec: [op(), bis("4.4.4.6")], input: PlaylistStep, scope: Track, params: {
        max_target_durations: f64 = 6.0, "target durations, unless latency_max_s is set";
        latency_step_target_durations: f64 = 2.0, "target durations";
        step_ceiling_s: f64 = 3600.0, "seconds above which a step without wall clock is a new programme";
    },
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let WallClock::Known { latency, median, is_wall_clock } = input.wall_clock else {
        out.unknown();
        return;
    };
    let td = input.step.target_duration;
    let uncertainty = input.step.clock_uncertainty;
    let limit = match input.policy.checks.latency_max_s {
        Some(limit) => Span::from_secs_f64(limit),
        None => target_durations(td, params.max_target_durations),
    };
    if is_wall_clock && latency - uncertainty > limit {
        let severity = if latency - uncertainty > limit + limit { Severity::Major } else { Severity::Minor };
        let (value, limit) = (seconds(latency), seconds(limit));
        let message = format!("newest segment ended {value} ago by its date-time; at most {limit} expected");
        let mut at = out.fail(severity, value, limit, message).reason("latency");
        if let Some(newest) = &input.step.newest {
            at = at.fact("newest segment", newest.msn);
            if let Some(end) = newest.pdt_end {
                at.fact("date-time at its end", end);
            }
        }
    } else if is_wall_clock && latency.mul_ratio(10, 9) > limit {
        out.between().reason("latency");
    } else {
        out.pass().reason("latency");
    }

    let Some(median) = median else { return };
    let step = latency - median;
    let limit = target_durations(td, params.latency_step_target_durations) + uncertainty;
    let is_new_programme = !is_wall_clock && step.abs() > Span::from_secs_f64(params.step_ceiling_s);
    if is_new_programme || step.abs() <= limit {
        out.pass().reason("step");
        return;
    }
    let (value, limit) = (seconds(step.abs()), seconds(limit));
    let direction = if step.is_negative() { "fell" } else { "rose" };
    let message = format!("latency by date-time {direction} by {value} against ten minutes; at most {limit} expected");
    out.fail(Severity::Minor, value, limit, message).reason("step").fact("median", seconds(median));
}
