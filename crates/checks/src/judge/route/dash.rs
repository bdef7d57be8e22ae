//! MPDs: one document, across polls, and what their segments add.

use ow_dash::{Document, Mpd};
use ow_domain::capture::{Capture, printable_url};
use ow_domain::{Span, TrackId};
use ow_timeline::dash::{DashObservation, DashOutcome, DashStep, Listing, PeriodView, Presentation, Run, TrackView};

use super::{remember_track, response};
use crate::alarms::Alarms;
use crate::input::{BodyKind, LiveManifest, Load, LocationStep, MpdLoad, MpdStep};
use crate::judge::memory::{Age, MAX_MPD_BYTES, StreamMemory, breaks_model};
use crate::judge::run::{About, Runner};

/// Segments and runs at the end of a list among which new ones are looked for.
const MAX_NEWEST: u64 = 8;

/// Judges an answer to a request for the MPD.
pub(super) fn mpd(
    stream: &mut StreamMemory,
    alarms: &mut Alarms,
    run: &mut Runner<'_>,
    about: &About<'_>,
    load: &Load<'_>,
) {
    let capture = about.capture;
    let not_modified = load.response().is_some_and(|r| r.status == 304);
    let failed_location = stream.dash.location.answered(capture);
    let fresh = match &capture.body {
        Some(body) if load.body == BodyKind::Mpd => Some((body.text.clone(), capture.exchange.base_url().to_owned())),
        _ => None,
    };
    let Some((text, url)) = fresh.or_else(|| stream.dash.text.clone().filter(|_| not_modified)) else {
        stream.dash.tracker.step(&observation(capture, DashOutcome::Failed));
        return;
    };
    let (document, issues) = ow_dash::parse(text.as_bytes());
    let mpd = document.as_mpd();
    let input = MpdLoad { capture, policy: run.policy(), mpd, issues: &issues };
    run.checks(alarms, about, &input);
    let readable = mpd.filter(|_| !issues.iter().any(|issue| breaks_model(issue.kind)));
    let Some(mpd) = readable.filter(|_| !matches!(document, Document::Patch(_))) else {
        stream.dash.tracker.step(&observation(capture, DashOutcome::Failed));
        return;
    };
    let presentation = Presentation::read(mpd, &url, capture.exchange.t_req);
    if !not_modified {
        let nominal = || presentation.tracks().filter_map(|(_, view)| view.nominal()).min();
        let update = presentation.update_period.filter(|_| presentation.dynamic);
        let rhythm = update.and_then(|mup| if mup > Span::ZERO { Some(mup) } else { nominal() });
        run.checks(alarms, about, &LiveManifest { capture, rhythm });
    }
    let outcome = match not_modified {
        true => DashOutcome::NotModified(&presentation),
        false => DashOutcome::Ok(&presentation),
    };
    let step = stream.dash.tracker.step(&observation(capture, outcome));
    if step.has_mpd() {
        judge(stream, alarms, run, about, &step, mpd, &presentation, failed_location);
        let location = presentation.location.as_deref().filter(|_| step.is_accepted());
        if let Some(location) = location {
            stream.dash.location.last = Some(printable_url(location));
        }
    }
    if step.is_accepted() && !not_modified {
        stream.dash.text = (text.len() <= MAX_MPD_BYTES).then_some((text, url));
        stream.dash.digest = response(capture).and_then(|r| r.digest.clone());
    }
}

fn observation<'a>(capture: &'a Capture, outcome: DashOutcome<'a>) -> DashObservation<'a> {
    DashObservation {
        t_req: capture.exchange.t_req,
        t_end: capture.exchange.t_end,
        age: capture.exchange.header("age").and_then(|v| v.trim().parse().ok()).map(Span::from_secs),
        outcome,
    }
}

#[expect(clippy::too_many_arguments, reason = "one call site; the parts are borrowed from three owners")]
fn judge(
    stream: &mut StreamMemory,
    alarms: &mut Alarms,
    run: &mut Runner<'_>,
    about: &About<'_>,
    step: &DashStep,
    mpd: &Mpd,
    presentation: &Presentation,
    failed_location: Option<(String, String)>,
) {
    let capture = about.capture;
    stream.dash.ads.sections.clear();
    if step.is_accepted() {
        stream.dash.ads.update(step, mpd, presentation);
        for (_, view) in presentation.tracks() {
            remember_track(stream, &view.track, capture, run.policy(), run.now());
        }
        for (period, view) in newest_tracks(presentation) {
            if let (Some(memory), Listing::Explicit(runs)) = (stream.tracks.get_mut(&view.track.id), &view.listing)
                && let Some(end) =
                    runs.last().map(|run| run.time.saturating_add(run.duration.saturating_mul(run.count)))
            {
                let run = |run: &Run| {
                    let (time, duration) = (run.time, run.duration);
                    let first = run.count.saturating_sub(MAX_NEWEST);
                    (first..run.count).map(move |i| time.saturating_add(duration.saturating_mul(i)))
                };
                let skip = runs.len().saturating_sub(MAX_NEWEST as usize);
                let starts = runs.iter().skip(skip).flat_map(run);
                memory.media.clock.listed_in_mpd(super::short_hash(&period.key), starts, end, step.t_end);
            }
        }
        for track in &step.tracks {
            let Some(memory) = stream.tracks.get_mut(&track.track) else { continue };
            memory.target_duration = track.nominal.or(memory.target_duration);
            if let Some(age) = track.age {
                memory.age = Some(Age {
                    at: step.t_end,
                    first_seen_end: age.first_seen_end,
                    age: age.age,
                    age_at_origin: age.age_at_origin,
                    newest_msn: 0,
                });
                memory.window.latency = track.edge_at.map(|edge| step.t_end - edge);
                if let Some(latency) = memory.window.latency.filter(|_| age.grew) {
                    stream.offer.edges.grew(step.t_end, latency);
                }
            }
        }
    }
    let tracks: Vec<TrackId> = stream.tracks.keys().cloned().collect();
    let about = About { tracks: &tracks, ..*about };
    let location = presentation.location.as_deref().map(printable_url);
    let input = MpdStep {
        capture,
        policy: run.policy(),
        step,
        mpd,
        presentation,
        previous_digest: stream.dash.digest.as_deref(),
        sections: &stream.dash.ads.sections,
        breaks: stream.dash.ads.breaks(),
        location: LocationStep {
            before: stream.dash.location.last.as_deref(),
            now: location.as_deref(),
            failed: failed_location.as_ref().map(|(url, how)| (url.as_str(), how.as_str())),
        },
    };
    run.checks(alarms, &about, &input);
    if step.is_accepted()
        && let Some(offer) = crate::offer::of_dash(mpd)
    {
        stream.offer.take(offer, run.now());
        super::ladder::ladder(stream, alarms, run, &about);
    }
}

/// Each track in the last Period that has it.
fn newest_tracks(presentation: &Presentation) -> Vec<(&PeriodView, &TrackView)> {
    let mut newest: Vec<(&PeriodView, &TrackView)> = Vec::new();
    for (period, view) in presentation.tracks() {
        match newest.iter_mut().find(|(_, known)| known.track.id == view.track.id) {
            Some(known) => *known = (period, view),
            None => newest.push((period, view)),
        }
    }
    newest
}

/// Remembers when a segment of a computed list was there, before its media time is followed.
pub(super) fn publication(stream: &mut StreamMemory, capture: &Capture) {
    let (Some(track), Some(promised)) = (&capture.track, &capture.promised) else { return };
    let Some(dash) = promised.dash.as_ref().filter(|d| !d.explicit && capture.exchange.is_complete_success()) else {
        return;
    };
    // The earliest that it may be there is when the MPD promises it.
    let t_req = capture.exchange.t_req;
    let not_before = dash.last_early.or(dash.available_at).filter(|from| *from <= t_req && !capture.extra);
    let duration = promised.duration_us.map_or(Span::ZERO, Span::from_micros);
    if let Some((memory, from)) =
        stream.tracks.get_mut(&track.id).zip(not_before.filter(|from| t_req - *from < duration))
    {
        memory.media.clock.listed(dash.time, from, t_req);
    }
}

/// Remembers that a segment answered: for computed lists the only proof that there is something new.
pub(super) fn segment(stream: &mut StreamMemory, capture: &Capture) {
    let (Some(track), Some(promised)) = (&capture.track, &capture.promised) else { return };
    let Some(dash) = promised.dash.as_ref().filter(|_| capture.exchange.is_complete_success()) else { return };
    if let Some(mp4) = capture.facts.as_ref().and_then(|f| f.mp4.as_ref()) {
        mp4.events.iter().for_each(|message| stream.dash.ads.message(message, dash));
    }
    let end = i128::from(dash.time) + i128::from(dash.duration) - i128::from(dash.pto);
    let end = end * 1_000_000 / i128::from(dash.timescale.max(1)) + i128::from(dash.period_start_us);
    let end = Span::from_micros(i64::try_from(end).unwrap_or(i64::MAX));
    let before = stream.dash.segments.newest(&track.id).map(|p| p.end);
    stream.dash.segments.remember(&track.id, capture.exchange.t_req, end);
    if let Some(memory) = stream.tracks.get_mut(&track.id)
        && !dash.explicit
        && before.is_none_or(|before| end > before)
    {
        let at = capture.exchange.t_end;
        memory.age = Some(Age {
            at,
            first_seen_end: at,
            age: Span::ZERO,
            age_at_origin: None,
            newest_msn: promised.number.unwrap_or(0),
        });
    }
}
