//! The renditions of one stream as bursts, and its multivariant playlist.

use ow_domain::capture::BlockingReload;
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
    /// Who is asked by blocking reload, and until when.
    #[serde(default)]
    turn: Option<(Box<str>, Time)>,
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
    /// What the request under way waits for.
    #[serde(default)]
    waits_for: Option<BlockingReload>,
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
    /// To be asked to answer when they hold this; no part of the burst of the others.
    pub reloads: Vec<(Box<str>, BlockingReload)>,
}

impl Burst {
    pub fn is_empty(&self) -> bool {
        !self.mvp && self.renditions.is_empty() && self.reloads.is_empty()
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
        Self { hash, channel, settings, rules, n_bursts: 0, start, mvp: Some(mvp), renditions: Vec::new(), turn: None }
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
                    waits_for: None,
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
        let reload = self.renditions.iter().filter_map(|entry| self.reload_due(entry));
        mvp.into_iter().chain(self.burst_time()).chain(reload).min()
    }

    /// What to ask for now; marks it as in flight. Empty when nothing is due. Every name must be answered by exactly
    /// one of the `on_` calls: one outstanding request per rendition.
    pub fn take_due(&mut self, now: Time) -> Burst {
        self.pass_turn(now);
        let mut burst = Burst::default();
        if let Some(mvp) = self.mvp.as_mut().filter(|mvp| !mvp.in_flight && mvp.next_due <= now) {
            mvp.in_flight = true;
            burst.mvp = true;
            burst.due = mvp.next_due;
        }
        for i in 0..self.renditions.len() {
            let Some(due) = self.reload_due(&self.renditions[i]).filter(|&due| due <= now) else { continue };
            let entry = &mut self.renditions[i];
            if let Some(reload) = entry.cadence.reload() {
                entry.in_flight = Some(self.n_bursts);
                entry.waits_for = Some(reload);
                (entry.alone, entry.rejoin_until) = (false, None);
                burst.due = if burst.is_empty() { due } else { burst.due.min(due) };
                burst.reloads.push((entry.name.clone(), reload));
            }
        }
        if let Some(due) = self.burst_time().filter(|&due| due <= now) {
            burst.due = due;
            self.n_bursts += 1;
            let mut members: Vec<usize> = (0..self.renditions.len())
                .filter(|&i| self.is_plain(&self.renditions[i]) && self.renditions[i].cadence.next_due() <= now)
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
        let waited_for = self.renditions.iter().find(|entry| &*entry.name == rendition).and_then(|e| e.waits_for);
        let Some((i, common)) = self.answered(rendition) else { return PollPlan::default() };
        let times = (polled.t_req, polled.t_end);
        // An answer that was held back says how things are at its end.
        let t_req = if waited_for.is_some() { polled.t_end } else { polled.t_req };
        let cadence = &mut self.renditions[i].cadence;
        let plan = cadence.on_playlist(Polled { t_req, ..polled }, &self.rules, &self.settings, common);
        cadence.set_reload(polled.playlist, waited_for, plan.outcome, times);
        if plan.outcome == PollOutcome::Changed {
            self.rejoin(i);
        }
        plan
    }

    /// A delta update came for `rendition`. What it is worth tells the whole playlist, which is due now.
    pub fn on_delta(&mut self, rendition: &str, t_end: Time) {
        if let Some((i, _)) = self.answered(rendition) {
            self.renditions[i].cadence.on_delta(t_end);
        }
    }

    /// 304, or a body known to be the same.
    pub fn on_unchanged(&mut self, rendition: &str, t_req: Time, t_end: Time) {
        let waited = self.renditions.iter().any(|entry| &*entry.name == rendition && entry.waits_for.is_some());
        if let Some((i, common)) = self.answered(rendition) {
            if waited {
                return self.renditions[i].cadence.on_reload_failure(t_end, &self.settings);
            }
            self.renditions[i].cadence.on_unchanged(t_req, t_end, &self.settings, common);
        }
    }

    pub fn on_failure(&mut self, rendition: &str, failure: PollFailure) {
        let waited_for = self.renditions.iter().find(|entry| &*entry.name == rendition).and_then(|e| e.waits_for);
        let Some((i, common)) = self.answered(rendition) else { return };
        if waited_for.is_some() {
            return self.renditions[i].cadence.on_reload_failure(failure.t_end, &self.settings);
        }
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
        self.renditions[i].waits_for = None;
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
        let open = || self.renditions.iter().filter(|entry| self.is_plain(entry));
        let effective = |entry: &Entry| entry.rejoin_until.unwrap_or_else(|| entry.cadence.next_due());
        let first = open().map(effective).min()?;
        let last = first + self.settings.burst_span;
        open().map(effective).filter(|&due| due <= last).max()
    }

    /// When a rendition is to be asked by blocking reload: it is its turn, and nothing is under way.
    fn reload_due(&self, entry: &Entry) -> Option<Time> {
        let its_turn = self.settings.ll_full || self.turn.as_ref().is_none_or(|(name, _)| *name == entry.name);
        entry.cadence.reload_due().filter(|_| its_turn && entry.in_flight.is_none())
    }

    /// Asked plainly, and not under way.
    fn is_plain(&self, entry: &Entry) -> bool {
        entry.in_flight.is_none() && self.reload_due(entry).is_none()
    }

    /// Gives the turn to the next rendition that can be asked by blocking reload.
    fn pass_turn(&mut self, now: Time) {
        let held = self.turn.as_ref().and_then(|(name, _)| self.renditions.iter().position(|e| e.name == *name));
        let over = self.turn.as_ref().is_none_or(|(_, until)| *until <= now);
        if held.is_some() && !over {
            return;
        }
        let n = self.renditions.len();
        let first = held.map_or(0, |i| i + 1);
        let next = (first..first + n).map(|i| i % n).find(|&i| self.renditions[i].cadence.reload_due().is_some());
        self.turn =
            next.map(|i| (self.renditions[i].name.clone(), now + self.settings.ll_rotation)).or(self.turn.take());
    }

    fn shortest_wait(&self) -> Span {
        let waits = self.renditions.iter().map(|entry| entry.cadence.wait_after_change(&self.settings));
        waits.min().unwrap_or(self.settings.assumed_duration)
    }
}
