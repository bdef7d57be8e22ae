use ow_domain::capture::ObjectKind;
use ow_domain::facts::{ElementaryFacts, Mp4Run};
use ow_domain::{Severity, Span};

use crate::input::MediaLoad;
use crate::input::mp4::{self as view, span};
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::{bis, cmaf};

crate::check! {
    /// Detects:       Decode times that leave a gap or overlap between one segment and the next, or inside a segment.
    /// Matters:       Players stall at a gap and drop or garble frames at an overlap.
    /// Usual causes:  Lost input, a packager that rounds durations, a restart without EXT-X-DISCONTINUITY.
    /// Stays quiet:   At a discontinuity, behind a segment that was not read, within one sample, at a wrap, for subtitles.
    id: "mp4-tfdt-discontinuity", title: "Gap or overlap of decode times", severity: Minor, hold: "EV, H3/10",
    clear: "C10", since: "0.1", spec: [cmaf("7.3.2.2"), bis("4.4.4.3")], input: MediaLoad, scope: Track, params: {
        tolerance_s: f64 = 0.005, "seconds, or one sample";
        major_s: f64 = 0.1, "seconds";
    },
}

/// Of a 32-bit time.
const WRAP: i64 = 1 << 32;

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let Some((facts, _)) = view::segment(load) else {
        out.unknown();
        return;
    };
    let mut compared = false;
    for (run, elementary) in view::runs(facts).filter(|(_, e)| view::is_timed(e)) {
        if run.n_inner_gaps > 0 {
            return tell(load, run, elementary, run.inner_gap, params, out, true);
        }
        let Some(gap) = gap(load, run, elementary) else { continue };
        compared = true;
        let unit = elementary.access_unit_duration.unwrap_or(0);
        let tolerance = span(unit, elementary.timescale).max(Span::from_secs_f64(params.tolerance_s));
        if span(gap, elementary.timescale).abs() > tolerance {
            return tell(load, run, elementary, gap, params, out, false);
        }
    }
    if compared {
        out.pass();
    } else {
        out.unknown();
    }
}

/// Ticks from the end of the segment before to the begin of this; `None` where they need not join or cannot be compared.
fn gap(load: &MediaLoad<'_>, run: &Mp4Run, elementary: &ElementaryFacts) -> Option<i64> {
    let starts_anew = load.capture.promised.as_ref().is_none_or(|p| p.discontinuity);
    let before = load.before.filter(|b| !starts_anew && !view::is_broken(&b.facts))?;
    let (past, past_elementary) = view::runs(&before.facts).find(|(past, _)| past.track_id == run.track_id)?;
    if past_elementary.timescale != elementary.timescale {
        return None;
    }
    let start = i64::try_from(run.tfdt?).ok()?;
    let gap = start.checked_sub(past.end_dts?)?;
    // A 32-bit time that wrapped is told by mp4-tfdt-overflow.
    let wrapped = run.tfdt_version == Some(0) && gap < -(WRAP / 2);
    (!wrapped).then_some(gap)
}

fn tell(
    load: &MediaLoad<'_>,
    run: &Mp4Run,
    elementary: &ElementaryFacts,
    gap: i64,
    params: &Params,
    out: &mut Outcome,
    inside: bool,
) {
    let error = span(gap, elementary.timescale);
    let severity = if error.abs() > Span::from_secs_f64(params.major_s) { Severity::Major } else { Severity::Minor };
    let kind = if gap > 0 { "a gap" } else { "an overlap" };
    let value = format!("{kind} of {}", exact_seconds(error.abs()));
    let limit = "none";
    let place = if inside { "inside a segment" } else { "before a segment" };
    let at = out.fail(severity, value.clone(), limit, format!("decode times have {value} {place}; {limit} expected"));
    let at = if inside { at.reason("inside") } else { at };
    let at = at.fact("track_ID", run.track_id).fact("difference in ticks", gap).fact("timescale", elementary.timescale);
    let at = match run.tfdt {
        Some(tfdt) => at.fact("baseMediaDecodeTime", tfdt),
        None => at,
    };
    if let Some(number) = load.number() {
        at.fact("segment number", number);
    }
}
