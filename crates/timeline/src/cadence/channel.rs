//! The renditions of one stream as bursts, and its multivariant playlist.

use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

use super::rendition::error_delay;
use super::{CadenceSettings, HlsCadence, PollFailure, PollOutcome, PollPlan, Polled, jitter};
use crate::KeyRules;
use crate::key::{hash_bytes, mix};

/// Poll plan of one HLS stream.
///
/// One burst is all renditions due within `burst_span`, asked together when the last of them is due: nobody is asked
/// early. A rendition that did not change is asked again alone after half a target duration; once it has changed it
/// waits, at most three quarters of a segment, to fall in with the next burst of the others.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChannelPlan {
    hash: u64,
    channel: Box<str>,
    settings: CadenceSettings,
    rules: KeyRules,
    n_bursts: u64,
    start: Time,
    mvp: Option<Mvp>,
    renditions: Vec<Entry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    name: Box<str>,
    cadence: HlsCadence,
    /// Number of the burst that asked for it, while the answer is open.
    in_flight: Option<u64>,
    /// Asked alone last time.
    alone: bool,
    /// Waits for company until then.
    rejoin_until: Option<Time>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mvp {
    next_due: Time,
    last_t_req: Option<Time>,
    in_flight: bool,
    n_errors: u32,
}

/// What is to be asked now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Burst {
    /// Counts bursts of this stream, from 1.
    pub number: u64,
    /// When it was planned for: later than that is the probe's own lateness.
    pub due: Time,
    /// The multivariant playlist is due, too (or alone).
    pub mvp: bool,
    /// Names as given to [`ChannelPlan::set_renditions`], the one due first at the front.
    pub renditions: Vec<Box<str>>,
}

impl Burst {
    pub fn is_empty(&self) -> bool {
        !self.mvp && self.renditions.is_empty()
    }
}

impl ChannelPlan {
    /// A stream whose entry is a multivariant playlist. `channel` seeds phase and jitter: channel id, and stream id if
    /// there are several.
    pub fn new(channel: &str, start: Time, settings: CadenceSettings, rules: KeyRules) -> Self {
        let hash = hash_bytes(0, channel.as_bytes());
        let first_due = start + jitter(settings.phase_spread, 1000, hash);
        let mvp = Mvp { next_due: first_due, last_t_req: None, in_flight: false, n_errors: 0 };
        let channel = channel.into();
        Self { hash, channel, settings, rules, n_bursts: 0, start, mvp: Some(mvp), renditions: Vec::new() }
    }

    /// A stream whose entry is itself a media playlist (radio): no multivariant playlist is polled.
    pub fn without_mvp(channel: &str, start: Time, settings: CadenceSettings, rules: KeyRules) -> Self {
        Self { mvp: None, ..Self::new(channel, start, settings, rules) }
    }

    pub const fn settings(&self) -> &CadenceSettings {
        &self.settings
    }

    /// The renditions as of now: new ones are due at once (at the channel's phase before the first poll), missing ones
    /// are forgotten, the others go on.
    pub fn set_renditions<'a>(&mut self, now: Time, names: impl IntoIterator<Item = &'a str>) {
        let mut old = std::mem::take(&mut self.renditions);
        let phase = match self.mvp {
            Some(_) => now,
            None => now.max(self.start + jitter(self.settings.phase_spread, 1000, self.hash)),
        };
        for name in names {
            if self.renditions.iter().any(|entry| &*entry.name == name) {
                continue;
            }
            let entry = match old.iter().position(|entry| &*entry.name == name) {
                Some(at) => old.swap_remove(at),
                None => Entry {
                    name: name.into(),
                    cadence: HlsCadence::new(&self.channel, name, phase),
                    in_flight: None,
                    alone: false,
                    rejoin_until: None,
                },
            };
            self.renditions.push(entry);
        }
    }

    pub fn renditions(&self) -> impl Iterator<Item = (&str, &HlsCadence)> {
        self.renditions.iter().map(|entry| (&*entry.name, &entry.cadence))
    }

    /// When [`Self::take_due`] will have something; `None` while everything is in flight.
    pub fn next_wakeup(&self) -> Option<Time> {
        let mvp = self.mvp.as_ref().filter(|mvp| !mvp.in_flight).map(|mvp| mvp.next_due);
        mvp.into_iter().chain(self.burst_time()).min()
    }

    /// What to ask for now; marks it as in flight. Empty when nothing is due. Every name must be answered by exactly
    /// one of the `on_` calls: one outstanding request per rendition.
    pub fn take_due(&mut self, now: Time) -> Burst {
        let mut burst = Burst::default();
        if let Some(mvp) = self.mvp.as_mut().filter(|mvp| !mvp.in_flight && mvp.next_due <= now) {
            mvp.in_flight = true;
            burst.mvp = true;
            burst.due = mvp.next_due;
        }
        if let Some(due) = self.burst_time().filter(|&due| due <= now) {
            burst.due = due;
            self.n_bursts += 1;
            let mut members: Vec<usize> = (0..self.renditions.len())
                .filter(|&i| self.renditions[i].in_flight.is_none() && self.renditions[i].cadence.next_due() <= now)
                .collect();
            members.sort_by_key(|&i| self.renditions[i].cadence.next_due());
            let alone = members.len() * 2 <= self.renditions.len();
            for &i in &members {
                let entry = &mut self.renditions[i];
                entry.in_flight = Some(self.n_bursts);
                entry.alone = alone;
                entry.rejoin_until = None;
                burst.renditions.push(entry.name.clone());
            }
        }
        burst.number = self.n_bursts;
        burst
    }

    /// A playlist came for `rendition`: what to fetch now. Unknown names (removed meanwhile) give an empty plan.
    pub fn on_playlist(&mut self, rendition: &str, polled: Polled<'_>) -> PollPlan {
        let Some((i, common)) = self.answered(rendition) else { return PollPlan::default() };
        let plan = self.renditions[i].cadence.on_playlist(polled, &self.rules, &self.settings, common);
        if plan.outcome == PollOutcome::Changed {
            self.rejoin(i);
        }
        plan
    }

    /// 304, or a body known to be the same.
    pub fn on_unchanged(&mut self, rendition: &str, t_req: Time, t_end: Time) {
        if let Some((i, common)) = self.answered(rendition) {
            self.renditions[i].cadence.on_unchanged(t_req, t_end, &self.settings, common);
        }
    }

    pub fn on_failure(&mut self, rendition: &str, failure: PollFailure) {
        let Some((i, common)) = self.answered(rendition) else { return };
        self.renditions[i].cadence.on_failure(failure, &self.settings, common);
        if failure.gone {
            let w = self.renditions[i].cadence.wait_after_change(&self.settings);
            if let Some(mvp) = self.mvp.as_mut().filter(|mvp| !mvp.in_flight) {
                let earliest = mvp.last_t_req.map_or(failure.t_end, |last| last + w);
                mvp.next_due = mvp.next_due.min(earliest.max(failure.t_end));
            }
        }
    }

    /// The multivariant playlist was answered. Call [`Self::set_renditions`] next.
    pub fn on_mvp(&mut self, t_req: Time) {
        // After a failure the next look confirms that it is over: nobody waits a minute for that.
        let recovering = self.mvp.as_ref().is_some_and(|mvp| mvp.n_errors > 0);
        let wait = if recovering { self.shortest_wait().min(self.settings.mvp_poll) } else { self.settings.mvp_poll };
        let delay = wait + jitter(wait, 100, mix(self.hash, t_req.unix_micros() as u64));
        if let Some(mvp) = self.mvp.as_mut() {
            *mvp = Mvp { next_due: t_req + delay, last_t_req: Some(t_req), in_flight: false, n_errors: 0 };
        }
    }

    /// Errors as for a media playlist, with the assumed duration as w.
    pub fn on_mvp_failure(&mut self, failure: PollFailure) {
        let w = self.shortest_wait();
        let Some(mvp) = self.mvp.as_mut() else { return };
        mvp.n_errors = mvp.n_errors.saturating_add(1);
        let delay = match failure.retry_after {
            Some(after) => after.clamp(Span::from_secs(1), self.settings.max_retry_after),
            None => error_delay(mvp.n_errors, w, &self.settings),
        };
        let delay = delay + jitter(delay, 100, mix(self.hash, u64::from(mvp.n_errors)));
        mvp.next_due = failure.t_end + delay;
        mvp.last_t_req = Some(failure.t_req);
        mvp.in_flight = false;
    }

    /// Takes a request back that was never sent (drain, budget): it is due again after `delay`.
    pub fn put_back(&mut self, rendition: &str, now: Time, delay: Span) {
        if let Some((i, _)) = self.answered(rendition) {
            self.renditions[i].cadence.postpone(now + delay);
        }
    }

    fn answered(&mut self, rendition: &str) -> Option<(usize, u64)> {
        let i = self.renditions.iter().position(|entry| &*entry.name == rendition)?;
        let burst = self.renditions[i].in_flight.take().unwrap_or(self.n_bursts);
        Some((i, mix(self.hash, burst)))
    }

    /// A rendition that was asked alone waits for the others.
    fn rejoin(&mut self, i: usize) {
        if self.renditions.len() > 1 && self.renditions[i].alone {
            let entry = &mut self.renditions[i];
            let w = entry.cadence.wait_after_change(&self.settings);
            entry.rejoin_until = Some(entry.cadence.next_due() + w.mul_ratio(3, 4));
        }
    }

    /// When the next burst goes: the last due time among those within the burst span of the first.
    fn burst_time(&self) -> Option<Time> {
        let open = || self.renditions.iter().filter(|entry| entry.in_flight.is_none());
        let effective = |entry: &Entry| entry.rejoin_until.unwrap_or_else(|| entry.cadence.next_due());
        let first = open().map(effective).min()?;
        let last = first + self.settings.burst_span;
        open().map(effective).filter(|&due| due <= last).max()
    }

    fn shortest_wait(&self) -> Span {
        let waits = self.renditions.iter().map(|entry| entry.cadence.wait_after_change(&self.settings));
        waits.min().unwrap_or(self.settings.assumed_duration)
    }
}
