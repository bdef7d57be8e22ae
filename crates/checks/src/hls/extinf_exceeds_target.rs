use ow_domain::{Severity, Span};

use crate::input::{MediaLoad, PlaylistStep};
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::{bis, has};

crate::check! {
    /// Detects:       A segment whose EXTINF, rounded, is longer than the target duration.
    /// Matters:       Players poll too early and with too little buffer; some Apple players stop with an error.
    /// Usual causes:  Key frames that do not fall on the segment length, a splice, a target duration set too low.
    /// Stays quiet:   Up to half a second above the target duration, which rounds down or is contested.
    id: "hls-extinf-exceeds-target", title: "Segment longer than target duration", severity: Major,
    hold: "EV, H3/10", clear: "C10", since: "0.1", spec: [bis("4.4.3.1"), has("7.5")], input: PlaylistStep, scope: Track,
    params: { td_round_s: f64 = 0.5, "seconds above the target duration"; },
    also: { MediaLoad => measured },
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let step = input.step;
    let Some(playlist) = input.playlist.filter(|_| step.is_accepted() && step.target_duration > Span::ZERO) else {
        return;
    };
    let limit = step.target_duration + Span::from_secs_f64(params.td_round_s);
    for segment in step.new_segments.iter().filter(|s| !s.gap) {
        if segment.duration <= limit {
            out.pass().reason("declared");
            continue;
        }
        let (value, limit) = (exact_seconds(segment.duration), exact_seconds(limit));
        let td = exact_seconds(step.target_duration);
        let message =
            format!("segment {} lasts {value}; at most {limit} expected for target duration {td}", segment.msn);
        let line = playlist.segments.get(segment.index as usize).map_or(0, |s| s.extinf_line);
        out.fail(Severity::Major, value, limit, message).reason("declared").line(line).fact("segment", &segment.uri);
    }
}

/// The media itself is longer than the target duration allows, whatever EXTINF says.
fn measured(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let target = load.target_duration.filter(|td| *td > Span::ZERO);
    let (Some(target), Some(measured)) = (target, load.measured_duration()) else {
        return;
    };
    let limit = target + Span::from_secs_f64(params.td_round_s);
    let declared = load.declared_duration();
    if declared.is_some_and(|d| d > limit) {
        // Told as `declared`.
        out.unknown().reason("measured");
        return;
    }
    // A container may count one access unit more or less at its ends.
    if measured.duration <= limit + measured.access_unit {
        out.pass().reason("measured");
        return;
    }
    let (value, limit) = (exact_seconds(measured.duration), exact_seconds(limit));
    let td = exact_seconds(target);
    let message = format!("a segment holds {value} of media; at most {limit} expected for target duration {td}");
    let at = out.fail(Severity::Major, value, limit, message).reason("measured");
    if let Some(declared) = declared {
        at.fact("EXTINF", exact_seconds(declared));
    }
}
