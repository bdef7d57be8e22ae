use ow_domain::{Severity, Span, Time};

use crate::input::{Aligned, AlignedTrack};
use crate::outcome::Outcome;
use crate::registry::{bis, has};

crate::check! {
    /// Detects:       A discontinuity that some renditions have and others do not, or different discontinuity numbers.
    /// Matters:       Players match renditions by these numbers: a change of rendition stalls or mixes up sound and picture.
    /// Usual causes:  An ad inserted into some renditions only, an encoder output that restarted alone.
    /// Stays quiet:   Until every rendition is two segments past the point, and for renditions without date-times.
    id: "hls-align-discontinuity", title: "Discontinuity not in all renditions", severity: Major, hold: "H3", clear: "C2",
    since: "0.1", spec: [bis("6.2.4"), has("8.27")], input: Aligned, scope: Track, params: {
        past_segments: f64 = 2.0, "segments by which all edges are past the point";
    },
}

fn run(input: &Aligned<'_>, params: &Params, out: &mut Outcome) {
    let live: Vec<(&AlignedTrack<'_>, (Time, Time))> =
        input.tracks.iter().filter(|t| !t.is_stale).filter_map(|t| Some((t, t.interval()?))).collect();
    if live.len() < 2 || live.len() < input.tracks.iter().filter(|t| !t.is_stale).count() {
        out.unknown();
        return;
    }
    let longest = live.iter().map(|(t, _)| t.longest()).max().unwrap_or(Span::ZERO);
    let past = longest.mul_ratio((params.past_segments * 1000.0) as i64, 1000);
    let Some(settled) = live.iter().map(|(_, (_, end))| *end - past).min() else { return };
    let Some(begin) = live.iter().map(|(_, (start, _))| *start).max() else { return };
    let breaks: Vec<Vec<_>> = live.iter().map(|(t, _)| t.breaks()).collect();

    // Tags: every point that some have and that all could have.
    let mut failed = vec![false; live.len()];
    let mut points: Vec<Time> = breaks.iter().flatten().map(|b| b.at).collect();
    points.sort_unstable();
    points.retain(|at| *at > begin + longest && *at <= settled);
    for at in points {
        let has = |n: usize| breaks[n].iter().any(|b| (b.at - at).abs() <= longest);
        let n_having = (0..live.len()).filter(|n| has(*n)).count();
        // The smaller camp is odd; of equal ones that without the tag.
        let without_is_odd = n_having * 2 >= live.len();
        for (n, (track, _)) in live.iter().enumerate() {
            if n_having == live.len() || has(n) == without_is_odd || failed[n] {
                continue;
            }
            failed[n] = true;
            let (value, limit) = if without_is_odd {
                (format!("no DISCONTINUITY at {at}"), format!("one as in {n_having} other renditions"))
            } else {
                (format!("a DISCONTINUITY at {at}"), "none as in the other renditions".to_owned())
            };
            let with = super::names((0..live.len()).filter(|n| has(*n)).map(|n| live[n].0.id));
            let message = format!("rendition has {value}; {limit} expected");
            out.fail(Severity::Major, value, limit, message).on_track(track.id).fact("with the tag", with);
        }
    }
    if failed.contains(&true) {
        for (n, (track, _)) in live.iter().enumerate().filter(|(n, _)| !failed[*n]) {
            let _ = n;
            out.pass().on_track(track.id);
        }
        return;
    }

    // Numbers at one point of time that is no seam in any of them.
    let half = longest.mul_ratio(1, 2);
    let Some(point) = quiet_point(begin + longest, settled, half, &breaks) else {
        out.unknown();
        return;
    };
    let number = |track: &AlignedTrack<'_>| {
        let holds =
            |s: &&crate::input::AlignedSegment| s.pdt.is_some_and(|pdt| pdt <= point && point < pdt + s.duration);
        track.segments.iter().find(holds).map(|s| s.dsn)
    };
    let known = live.iter().map(|(t, _)| *t).filter(|t| number(t).is_some());
    let Some((usual, odd)) = super::odd_ones(input, known, |t| number(t)) else {
        for (track, _) in &live {
            out.pass().on_track(track.id);
        }
        return;
    };
    for (track, _) in live.iter().filter(|(t, _)| !odd.iter().any(|o| o.id == t.id)) {
        out.pass().on_track(track.id);
    }
    let limit = usual.map_or_else(|| "none".to_owned(), |n| format!("number {n}"));
    for track in odd {
        let value = number(track).map_or_else(|| "none".to_owned(), |n| format!("number {n}"));
        let message = format!("discontinuity {value} at {point}; {limit} as in the other renditions expected");
        out.fail(Severity::Minor, value, &limit, message).on_track(track.id);
    }
}

/// The newest point of an interval that is away from all breaks.
fn quiet_point(begin: Time, end: Time, away: Span, breaks: &[Vec<crate::input::Break>]) -> Option<Time> {
    let step = away.max(Span::from_millis(100));
    let mut point = end;
    for _ in 0..64 {
        if point < begin {
            return None;
        }
        if breaks.iter().flatten().all(|b| (b.at - point).abs() > away + away) {
            return Some(point);
        }
        point += Span::ZERO - step;
    }
    None
}
