//! One rendition: next due time and what is new.

use ow_domain::capture::BlockingReload;
use ow_domain::{Span, Time};
use ow_hls::{MediaPlaylist, Segment};
use serde::{Deserialize, Serialize};

use super::expiry::ExpiryWatch;
use super::known::Known;
use super::reload::{self, Reload};
use super::{CadenceSettings, PollFailure, PollOutcome, PollPlan, Polled, SegmentPlan, SegmentReason, jitter};
use crate::key::{hash_bytes, mix};
use crate::{KeyRules, SegmentKey};

/// Never faster than this, whatever a playlist says.
const MIN_WAIT: Span = Span::from_millis(500);
/// Never slower than this, besides `Retry-After`.
const MAX_WAIT: Span = Span::from_secs(60);
/// Keys remembered beyond twice the listed ones.
const KNOWN_SLACK: usize = 256;
/// Init sections and key sets remembered.
const MAX_RESOURCES: usize = 64;

/// Poll plan of one media playlist.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HlsCadence {
    hash: u64,
    n_polls: u64,
    next_due: Time,
    /// Duration of the last segment, TARGETDURATION: known after the first playlist.
    last_duration: Option<Span>,
    target_duration: Option<Span>,
    n_errors: u32,
    newest: Option<(u64, SegmentKey)>,
    /// Newest number of the last poll while that lies below `newest`.
    lower: Option<u64>,
    known: Known,
    resources: Known,
    last_oldest_probe: Option<Time>,
    last_confirm: Option<Time>,
    #[serde(default)]
    reload: Option<Reload>,
    #[serde(default)]
    expiry: ExpiryWatch,
}

impl HlsCadence {
    /// `channel` and `rendition` only seed the jitter.
    pub fn new(channel: &str, rendition: &str, first_due: Time) -> Self {
        Self {
            hash: hash_bytes(hash_bytes(0, channel.as_bytes()), rendition.as_bytes()),
            n_polls: 0,
            next_due: first_due,
            last_duration: None,
            target_duration: None,
            n_errors: 0,
            newest: None,
            lower: None,
            known: Known::default(),
            resources: Known::default(),
            last_oldest_probe: None,
            last_confirm: None,
            reload: None,
            expiry: ExpiryWatch::default(),
        }
    }

    /// Not earlier than this.
    pub const fn next_due(&self) -> Time {
        self.next_due
    }

    /// When it may be asked by blocking reload; `None` where it may not now.
    pub fn reload_due(&self) -> Option<Time> {
        self.reload.as_ref().and_then(Reload::due)
    }

    pub(super) fn reload(&mut self) -> Option<BlockingReload> {
        self.reload.as_mut().map(Reload::ask)
    }

    /// A blocking reload failed: the next request is plain, as after no change.
    pub(super) fn on_reload_failure(&mut self, t_end: Time, settings: &CadenceSettings) {
        if let Some(reload) = &mut self.reload {
            reload.failed(t_end);
        }
        // Nothing was seen for as long as that took: look at once, but never faster than a rendition that stands still.
        self.next_due = self.next_due.max(t_end + MIN_WAIT).min(t_end + self.wait_after_no_change(settings));
    }

    /// A delta update came: the whole playlist is asked for at once.
    pub(super) fn on_delta(&mut self, t_end: Time) {
        if let Some(reload) = &mut self.reload {
            reload.hold();
        }
        self.next_due = t_end;
    }

    /// Takes over what an answer says of the place to wait for next.
    pub(super) fn set_reload(
        &mut self,
        playlist: &MediaPlaylist,
        asked: Option<BlockingReload>,
        outcome: PollOutcome,
        times: (Time, Time),
    ) {
        self.reload = reload::after(self.reload.take(), playlist, asked, times);
        if outcome == PollOutcome::ResetCandidate
            && let Some(reload) = &mut self.reload
        {
            reload.hold();
        }
    }

    /// w after a change: duration of the last segment.
    pub fn wait_after_change(&self, settings: &CadenceSettings) -> Span {
        self.last_duration.unwrap_or(settings.assumed_duration).clamp(MIN_WAIT, MAX_WAIT)
    }

    /// w after no change: half a target duration.
    pub fn wait_after_no_change(&self, settings: &CadenceSettings) -> Span {
        self.target_duration.unwrap_or(settings.assumed_duration).mul_ratio(1, 2).clamp(MIN_WAIT, MAX_WAIT)
    }

    /// `common` is the share of the jitter that all members of a burst have in common; 0 for a lone rendition.
    pub fn on_playlist(
        &mut self,
        polled: Polled<'_>,
        rules: &KeyRules,
        settings: &CadenceSettings,
        common: u64,
    ) -> PollPlan {
        let Polled { t_req, t_end, final_url, playlist } = polled;
        self.n_errors = 0;
        let keys = rules.keys(final_url, &playlist.segments);
        self.follow_restart(playlist);
        let outcome = self.classify(playlist, &keys);
        let mut plan = PollPlan { outcome, ..PollPlan::default() };
        match outcome {
            PollOutcome::Unchanged | PollOutcome::Changed => {
                plan.removed = self.expiry.on_playlist(&polled, &keys, outcome == PollOutcome::Changed);
            }
            _ => self.expiry.forget(),
        }
        if let (Some(last), Some(&key)) = (playlist.segments.last(), keys.last()) {
            self.last_duration = Some(Span::from_micros(last.duration_us));
            self.target_duration = Some(Span::from_micros(playlist.target_duration_us()));
            self.plan_segments(playlist, &keys, outcome, t_req, settings, &mut plan);
            self.plan_resources(playlist, final_url, rules, &mut plan);
            // An old copy must not make the newest "new" again.
            if !(outcome == PollOutcome::Unchanged && self.newest.is_some_and(|(msn, _)| msn > last.msn)) {
                self.newest = Some((last.msn, key));
            }
        }
        let wait = match outcome {
            PollOutcome::First | PollOutcome::Changed => self.wait_after_change(settings),
            PollOutcome::Ended => settings.ended_poll,
            PollOutcome::ResetCandidate if self.may_confirm(t_req) => {
                self.last_confirm = Some(t_req);
                settings.confirm_delay
            }
            _ => self.wait_after_no_change(settings),
        };
        self.schedule(t_req, t_end, wait, common);
        plan
    }

    /// 304, or a body known to be the same.
    pub fn on_unchanged(&mut self, t_req: Time, t_end: Time, settings: &CadenceSettings, common: u64) {
        self.n_errors = 0;
        if let Some(reload) = &mut self.reload {
            reload.again(t_end);
        }
        self.schedule(t_req, t_end, self.wait_after_no_change(settings), common);
    }

    /// 1 s, then w, w, 2w, 4w, at most `max_error_delay`; `Retry-After` wins.
    pub fn on_failure(&mut self, failure: PollFailure, settings: &CadenceSettings, common: u64) {
        self.n_errors = self.n_errors.saturating_add(1);
        let w = self.wait_after_change(settings);
        let wait = error_delay(self.n_errors, w, settings);
        match failure.retry_after {
            Some(after) => {
                let after = after.clamp(Span::ZERO, settings.max_retry_after).max(MIN_WAIT);
                self.schedule(failure.t_end, failure.t_end, after, common);
            }
            // A failure is known at its end; a retry right after a long timeout would be no wait at all.
            None if self.n_errors == 1 => self.schedule(failure.t_end, failure.t_end, wait, common),
            None => self.schedule(failure.t_req, failure.t_end, wait, common),
        }
    }

    /// Moves the next poll; nothing was asked.
    pub(super) fn postpone(&mut self, until: Time) {
        self.next_due = until;
    }

    fn schedule(&mut self, from: Time, not_before: Time, wait: Span, common: u64) {
        self.n_polls += 1;
        let own = mix(self.hash, self.n_polls);
        let delay = wait + jitter(wait, 80, common) + jitter(wait, 20, own);
        self.next_due = (from + delay).max(not_before);
    }

    fn may_confirm(&self, t_req: Time) -> bool {
        let td = self.target_duration.unwrap_or(Span::ZERO);
        self.last_confirm.is_none_or(|last| t_req - last >= td)
    }

    /// Numbers below the newest that grow from poll to poll: a packager that was restarted and names its files as
    /// before, or an edge that lags for long. Either way what it lists now is looked at as new.
    fn follow_restart(&mut self, playlist: &MediaPlaylist) {
        let last = playlist.segments.last().map(|segment| segment.msn);
        let below = last.filter(|&last| self.newest.is_some_and(|(newest, _)| last < newest));
        if below.zip(self.lower).is_some_and(|(now, before)| now > before) {
            self.known = Known::default();
            self.newest = None;
            self.lower = None;
        } else {
            self.lower = below;
        }
    }

    fn classify(&self, playlist: &MediaPlaylist, keys: &[SegmentKey]) -> PollOutcome {
        let (Some(last), Some(&key)) = (playlist.segments.last(), keys.last()) else { return PollOutcome::Unchanged };
        let outcome = match self.newest {
            None => PollOutcome::First,
            Some((msn, known)) if msn == last.msn && known == key => PollOutcome::Unchanged,
            Some((msn, _)) => {
                let any_known = keys.iter().any(|&key| self.known.contains(key));
                match (any_known, last.msn > msn) {
                    (false, false) => PollOutcome::ResetCandidate,
                    (false, true) if playlist.segments[0].msn <= msn => PollOutcome::ResetCandidate,
                    (_, true) => PollOutcome::Changed,
                    // Known content under lower or equal numbers: an old copy, or a shift if the tail is new.
                    (true, false) if self.known.contains(key) => PollOutcome::Unchanged,
                    (true, false) => PollOutcome::Changed,
                }
            }
        };
        if playlist.end_list.is_some() && outcome != PollOutcome::First { PollOutcome::Ended } else { outcome }
    }

    fn plan_segments(
        &mut self,
        playlist: &MediaPlaylist,
        keys: &[SegmentKey],
        outcome: PollOutcome,
        t_req: Time,
        settings: &CadenceSettings,
        plan: &mut PollPlan,
    ) {
        let segments = &playlist.segments;
        let n = segments.len();
        let first_sight = self.known.is_empty() || outcome == PollOutcome::ResetCandidate;
        // The newest of last time is still where it was: then numbers tell what is new, also in slate loops.
        let continuous = self.newest.filter(|&(msn, key)| {
            let index = msn.checked_sub(segments[0].msn).and_then(|i| usize::try_from(i).ok());
            index.and_then(|i| keys.get(i)) == Some(&key)
        });
        let oldest_known = keys.iter().position(|&key| self.known.contains(key));
        let mut new: Vec<usize> = Vec::new();
        for (i, (segment, &key)) in segments.iter().zip(keys).enumerate() {
            let unknown = self.known.insert(key);
            let after_newest = continuous.is_some_and(|(msn, _)| segment.msn > msn);
            // Below the oldest known one stands what a growing window brings back: not new.
            let came_back = oldest_known.is_some_and(|known| i < known);
            if segment.gap.is_none() && (first_sight || after_newest || (unknown && !came_back)) {
                new.push(i);
            }
        }
        self.known.shrink(2 * n + KNOWN_SLACK);
        let limit = if first_sight { settings.initial_segments } else { settings.max_new_per_poll } as usize;
        let skipped = new.len().saturating_sub(limit);
        let planned = &new[skipped..];
        if !first_sight {
            plan.n_not_planned = u32::try_from(skipped).unwrap_or(u32::MAX);
        }
        let reason = if first_sight { SegmentReason::FirstSight } else { SegmentReason::New };
        for &i in planned {
            let mandatory = first_sight || starts_something(segments, i);
            plan.segments.push(segment_plan(segments, i, reason, mandatory));
        }
        if first_sight {
            plan.segments.reverse();
        }
        let oldest_due = first_sight || self.last_oldest_probe.is_none_or(|at| t_req - at >= settings.oldest_probe);
        if oldest_due && segments[0].gap.is_none() && !planned.contains(&0) {
            self.last_oldest_probe = Some(t_req);
            plan.segments.push(segment_plan(segments, 0, SegmentReason::OldestProbe, first_sight));
        }
    }

    /// Init sections and keys, each once.
    fn plan_resources(&mut self, playlist: &MediaPlaylist, base: &str, rules: &KeyRules, plan: &mut PollPlan) {
        let mut last: (*const ow_hls::Map, *const ow_hls::Key) = (std::ptr::null(), std::ptr::null());
        for (i, segment) in playlist.segments.iter().enumerate() {
            let map = segment.map.as_deref().map_or(std::ptr::null(), std::ptr::from_ref);
            let keys = segment.keys.as_deref().map_or(std::ptr::null(), <[ow_hls::Key]>::as_ptr);
            let changed = (map != last.0, keys != last.1);
            last = (map, keys);
            let index = u32::try_from(i).unwrap_or(u32::MAX);
            if changed.0 && segment.map.is_some() {
                let identity = rules.map_identity(base, segment.map.as_deref());
                if self.resources.insert(SegmentKey(identity)) {
                    plan.maps.push(index);
                }
            }
            if changed.1 && segment.keys.is_some() {
                let identity = rules.keys_identity(base, segment.keys.as_deref());
                if self.resources.insert(SegmentKey(mix(1, identity))) {
                    plan.keys.push(index);
                }
            }
        }
        // A window may refer to more than that: then some are asked for again.
        self.resources.shrink(MAX_RESOURCES);
    }

    #[cfg(test)]
    pub(crate) fn n_known(&self) -> usize {
        self.known.len()
    }
}

/// Delay after the n-th error in a row, n from 1.
pub(crate) fn error_delay(n_errors: u32, w: Span, settings: &CadenceSettings) -> Span {
    let delay = match n_errors {
        0 | 1 => Span::from_secs(1),
        2 | 3 => w,
        4 => w + w,
        _ => w.mul_ratio(4, 1),
    };
    delay.min(settings.max_error_delay)
}

fn starts_something(segments: &[Segment], i: usize) -> bool {
    let segment = &segments[i];
    segment.discontinuity.is_some()
        || i.checked_sub(1).and_then(|before| segments.get(before)).is_some_and(|before| before.map != segment.map)
}

fn segment_plan(segments: &[Segment], i: usize, reason: SegmentReason, mandatory: bool) -> SegmentPlan {
    SegmentPlan {
        index: u32::try_from(i).unwrap_or(u32::MAX),
        msn: segments[i].msn,
        reason,
        from_edge: u32::try_from(segments.len() - 1 - i).unwrap_or(u32::MAX),
        mandatory,
    }
}
