//! One Representation against what was seen of it: rewrites, mappings, seams, age.

use ow_domain::Span;

use super::super::view::{Address, Listed, Listing, PeriodView, Presentation, Run, TrackView, runs, ticks_to_span};
use super::step::*;
use super::{Accepted, DashTracker, History, MAX_HISTORIES, Newest, end_of};

/// Segments remembered of each, the newest.
const MAX_REMEMBERED: usize = 2_048;
/// Seams and rewrites told per track and step.
const MAX_TOLD: usize = 16;

impl DashTracker {
    /// Compares one Representation with what was seen of it.
    pub(super) fn follow(
        &mut self,
        now: &Presentation,
        period: &PeriodView,
        view: &TrackView,
        changes: &mut Vec<PeriodChange>,
    ) -> DashTrackStep {
        let listed = view.listed();
        let mut step = DashTrackStep {
            period: period.key.clone(),
            track: view.track.id.clone(),
            kind: view.track.kind,
            timescale: view.timescale,
            explicit: view.is_explicit(),
            nominal: view.nominal(),
            seams: seams(view, &listed),
            n_listed: listed.len() as u64,
            rewritten: None,
            mapping: None,
            age: None,
            edge_at: listed.last().and_then(|last| Some(now.ast? + period.start? + view.in_period(last.end()))),
        };
        let computed = match view.listing {
            Listing::Every { duration, .. } => Some((view.start_number, duration)),
            _ => None,
        };
        let media = match &view.address {
            Address::Template { media, .. } => media.split('?').next().map(Into::into),
            _ => None,
        };
        let at = self.histories.iter().position(|h| h.period == period.key && h.track == view.track.id);
        let fresh = |listed: &[Listed]| History {
            period: period.key.clone(),
            track: view.track.id.clone(),
            timescale: view.timescale,
            pto: view.pto,
            numbered: view.is_numbered(),
            computed,
            media: media.clone(),
            runs: remembered(listed.iter().copied()),
            seen: true,
        };
        let Some(history) = at.and_then(|at| self.histories.get_mut(at)) else {
            if self.histories.len() < MAX_HISTORIES {
                self.histories.push(fresh(&listed));
            }
            return step;
        };
        history.seen = true;
        let mut change = |field, before: String, after: String| {
            changes.push(PeriodChange {
                period: period.key.clone(),
                track: Some(view.track.id.clone()),
                field,
                before: before.into(),
                after: after.into(),
            });
        };
        let base_changed = (history.timescale, history.pto) != (view.timescale, view.pto);
        let both_computed = history.computed.zip(computed);
        if base_changed || history.computed.is_some() != computed.is_some() {
            if both_computed.is_some() {
                step.mapping = Some(MappingChange::Base);
            } else if history.timescale != view.timescale {
                change(PeriodField::Timescale, history.timescale.to_string(), view.timescale.to_string());
            } else if history.pto != view.pto {
                change(PeriodField::PresentationTimeOffset, history.pto.to_string(), view.pto.to_string());
            }
            *history = fresh(&listed);
            return step;
        }
        if history.media != media {
            let text = |m: &Option<Box<str>>| m.as_deref().unwrap_or("none").to_owned();
            change(PeriodField::Media, text(&history.media), text(&media));
            history.media = media;
        }
        if let Some((before, after)) = both_computed {
            if before != after {
                step.mapping = Some(MappingChange::Computed { before, after });
                history.computed = computed;
            }
            return step;
        }
        let known: Vec<Listed> = history.runs.iter().flat_map(|run| (0..run.count).map(|i| run.at(i))).collect();
        compare(view, &known, &listed, &mut step);
        let newest_known = known.last().map(Listed::end);
        let new = listed.iter().filter(|s| newest_known.is_none_or(|end| s.time >= end)).copied();
        // What left the head is forgotten with it: memory is bounded by the window.
        let first = listed.first().map_or(0, |s| s.time);
        let kept = known.iter().copied().filter(|s| s.time >= first);
        history.runs = remembered(kept.chain(new));
        step
    }

    /// How old the newest content of each rendition is.
    pub(super) fn ages(&mut self, observation: &DashObservation<'_>, now: &Presentation, step: &mut DashStep) {
        for (place, (period, view)) in now.tracks().enumerate() {
            let Some(end) = end_of(period, view) else { continue };
            // Told in the Period that holds the newest content.
            let id = &view.track.id;
            let best = now.tracks().filter(|(_, t)| t.track.id == *id).filter_map(|(p, t)| end_of(p, t)).max();
            if best != Some(end) {
                continue;
            }
            let known = self.newest.iter_mut().find(|n| n.track == *id);
            let age = match known {
                Some(known) if end > known.end => {
                    *known = Newest { track: id.clone(), end, first_seen_end: observation.t_end, seen: true };
                    DashAge { grew: true, age: Span::ZERO, age_at_origin: None, first_seen_end: observation.t_end }
                }
                Some(known) => {
                    known.seen = true;
                    let age = observation.t_req - known.first_seen_end;
                    let age = if age.is_negative() { Span::ZERO } else { age };
                    DashAge {
                        grew: false,
                        age,
                        age_at_origin: observation.age.filter(|a| *a > Span::ZERO).map(|a| age - a),
                        first_seen_end: known.first_seen_end,
                    }
                }
                None => {
                    if self.newest.len() < MAX_HISTORIES {
                        let first_seen_end = observation.t_end;
                        self.newest.push(Newest { track: id.clone(), end, first_seen_end, seen: true });
                    }
                    DashAge { grew: true, age: Span::ZERO, age_at_origin: None, first_seen_end: observation.t_end }
                }
            };
            if let Some(track) = step.tracks.get_mut(place) {
                track.age = Some(age);
            }
        }
    }
}

/// The newest as runs.
fn remembered(segments: impl Iterator<Item = Listed>) -> Vec<Run> {
    let all: Vec<Listed> = segments.collect();
    let skip = all.len().saturating_sub(MAX_REMEMBERED);
    runs(all.into_iter().skip(skip))
}

/// One sample is at most 1 ms for what we watch, and one tick is never told.
fn tolerance(timescale: u64) -> i128 {
    i128::from(timescale / 1_000).max(1)
}

fn seams(view: &TrackView, listed: &[Listed]) -> Vec<Seam> {
    let mut out = Vec::new();
    for (a, b) in listed.iter().zip(listed.iter().skip(1)) {
        let ticks = i128::from(b.time) - i128::from(a.end());
        if ticks.abs() > tolerance(view.timescale) {
            out.push(Seam { end: a.end(), start: b.time, size: ticks_to_span(ticks, view.timescale) });
        }
    }
    out.sort_by_key(|seam| std::cmp::Reverse(seam.size.abs()));
    // The worst of each sign is always told.
    if let Some(other) =
        out.first().and_then(|first| out.iter().position(|s| s.size.is_negative() != first.size.is_negative()))
        && other >= MAX_TOLD
    {
        out.swap(1, other);
    }
    out.truncate(MAX_TOLD);
    out
}

/// Finds known segments that are listed otherwise.
fn compare(view: &TrackView, known: &[Listed], listed: &[Listed], step: &mut DashTrackStep) {
    let (Some(first_known), Some(last_known)) = (known.first(), known.last()) else { return };
    let tolerance = tolerance(view.timescale);
    let differs = |a: u64, b: u64| (i128::from(a) - i128::from(b)).abs() > tolerance;
    let mut rewrite = |before: Listed, after: Listed| match &mut step.rewritten {
        Some(rewrite) => rewrite.n = rewrite.n.saturating_add(1),
        None => step.rewritten = Some(Rewrite { before, after, n: 1 }),
    };
    let (mut at, mut same_at) = (0, 0);
    let in_known = |s: &&Listed| s.time >= first_known.time && s.time < last_known.end() && s.duration > 0;
    for s in listed.iter().filter(in_known) {
        // The known segment that starts with it, and the one that covers its start.
        while known.get(same_at).is_some_and(|k| k.time < s.time) {
            same_at += 1;
        }
        while known.get(at).is_some_and(|k| k.end() <= s.time) {
            at += 1;
        }
        if let Some(k) = known.get(same_at).filter(|k| k.time == s.time && k.duration > 0) {
            if differs(k.end(), s.end()) {
                rewrite(*k, *s);
            } else if view.is_numbered() && k.number != s.number && step.mapping.is_none() {
                step.mapping = Some(MappingChange::Number { time: s.time, before: k.number, after: s.number });
            }
        } else if let Some(k) = known.get(at).filter(|k| k.time < s.time) {
            // Another cut inside of a known segment; where that is still listed the two overlap, which is no change.
            let is_listed = listed.binary_search_by_key(&k.time, |s| s.time).is_ok();
            let inside = differs(k.time, s.time) && i128::from(k.end()) - i128::from(s.time) > tolerance;
            if inside && !is_listed && k.duration > 0 {
                rewrite(*k, *s);
            }
        }
    }
}

pub(super) fn period_changes(before: &Accepted, now: &Presentation, out: &mut Vec<PeriodChange>) {
    for period in &now.periods {
        let Some(known) = before.periods.iter().find(|p| p.key == period.key) else { continue };
        // Periods without an id are known by their place, which moves when one leaves the head.
        if period.key.starts_with('#') {
            continue;
        }
        let text = |span: Option<Span>| span.map_or_else(|| "none".to_owned(), |s| format!("{:.3} s", s.secs_f64()));
        let mut change = |field, before: String, after: String| {
            out.push(PeriodChange {
                period: period.key.clone(),
                track: None,
                field,
                before: before.into(),
                after: after.into(),
            });
        };
        // An early available Period gets its start later.
        if known.start.is_some() && known.start != period.start {
            change(PeriodField::Start, text(known.start), text(period.start));
        }
        if known.asset != period.asset {
            let text = |asset: &Option<Box<str>>| asset.as_deref().unwrap_or("none").to_owned();
            change(PeriodField::AssetIdentifier, text(&known.asset), text(&period.asset));
        }
    }
}
