use ow_domain::Severity;
use ow_hls::DateRange;

use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A date range without ID or start, that ends before it starts, or whose parts contradict each other.
    /// Matters:       Ad decisions, blackouts and metadata are ignored or placed wrong.
    /// Usual causes:  Markers translated from SCTE-35 without their time, an end written without its start.
    /// Stays quiet:   For a later tag without START-DATE of a range that was started before (some packagers: told as a warning).
    id: "hls-daterange-invalid", title: "Date range is malformed", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.5.1")], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let Some(playlist) = input.playlist.filter(|_| input.step.is_accepted()) else { return };
    if playlist.date_ranges.is_empty() {
        // Legal again once the tags are gone.
        out.pass();
        return;
    }
    let mut found: Vec<(&DateRange, &'static str, &'static str, Severity)> = Vec::new();
    for range in &playlist.date_ranges {
        let started = playlist.date_ranges.iter().any(|r| r.id == range.id && r.start_date.is_some());
        if let Some((value, limit)) = fault(range, started) {
            found.push((range, value, limit, Severity::Minor));
        } else if range.start_date.is_none() {
            found.push((range, "no START-DATE", "one on every tag", Severity::Warning));
        }
    }
    let worst = found.iter().map(|f| f.3).max();
    let Some((range, value, limit, severity)) = found.iter().find(|f| Some(f.3) == worst) else {
        if playlist.segments.iter().all(|s| s.program_date_time.is_none()) {
            let (value, limit) = ("no EXT-X-PROGRAM-DATE-TIME", "one");
            let message = format!("the playlist has date ranges and {value}; {limit} expected");
            out.fail(Severity::Minor, value, limit, message);
            return;
        }
        out.pass();
        return;
    };
    let id: String = range.id.chars().take(60).collect();
    let message = format!("date range {id:?} has {value}; {limit} expected");
    let at = out.fail(*severity, *value, *limit, message).line(range.line).fact("breaches", found.len());
    if *severity == Severity::Warning {
        at.reason("start-date");
    }
}

/// What is wrong with one tag, and what is expected in its place.
fn fault(range: &DateRange, started: bool) -> Option<(&'static str, &'static str)> {
    if range.id.is_empty() {
        return Some(("no ID", "one"));
    }
    if !started {
        return Some(("no START-DATE", "one"));
    }
    if range.duration_us.is_some_and(|d| d < 0) || range.planned_duration_us.is_some_and(|d| d < 0) {
        return Some(("a negative duration", "zero or more"));
    }
    if let (Some(start), Some(end)) = (range.start_date, range.end_date) {
        let length = end.unix_us.saturating_sub(start.unix_us);
        if length < 0 {
            return Some(("an END-DATE before START-DATE", "one after it"));
        }
        // Written with milliseconds at best.
        if range.duration_us.is_some_and(|d| (d - length).abs() > 2_000) {
            return Some(("DURATION and END-DATE that differ", "equal ones"));
        }
    }
    if range.end_on_next {
        if range.class.is_none() {
            return Some(("END-ON-NEXT without CLASS", "both"));
        }
        if range.duration_us.is_some() || range.end_date.is_some() {
            return Some(("END-ON-NEXT with an end of its own", "one of them"));
        }
    }
    None
}
