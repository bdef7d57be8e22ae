//! The alarms of one channel as one probe sees it: state per check and subject, and the conditions that follow.

use std::collections::BTreeMap;

use ow_domain::verdict::{Condition, Evidence, Subject};
use ow_domain::{Severity, Time, TrackId};
use serde::{Deserialize, Serialize};

use crate::hold::{AlarmState, Change, Input, Rules};

/// Subjects remembered per check; more than any channel has renditions.
const MAX_SUBJECTS: usize = 512;

/// State of everything that failed lately. What never failed has no state at all.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Alarms {
    by_check: BTreeMap<String, Vec<Entry>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    subject: Subject,
    state: AlarmState,
    /// Raised together with every other rendition of its stream: shown as one condition without a track.
    #[serde(default)]
    grouped: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<LastFail>,
}

/// What the last failing evaluation said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LastFail {
    pub value: String,
    pub limit: String,
    pub message: String,
    pub evidence: Option<Evidence>,
}

/// What the raise of a rendition needs to know of its siblings.
pub(crate) struct Siblings<'a> {
    /// Live renditions of the stream.
    pub tracks: &'a [TrackId],
    /// The check knows that all of them share the cause.
    pub shared: bool,
}

impl Alarms {
    /// Passes or freezes every subject of `check` that is `subject`, whatever its reason when `subject` has none.
    pub fn quiet(&mut self, check: &str, subject: &Subject, at: Time, input: Input, rules: Rules<'_>) -> bool {
        let Some(entries) = self.by_check.get_mut(check) else { return false };
        let mut changed = false;
        for entry in entries.iter_mut() {
            let same = entry.subject.stream == subject.stream
                && entry.subject.host == subject.host
                && entry.subject.track == subject.track
                && entry.subject.protocol == subject.protocol
                && (subject.reason.is_none() || entry.subject.reason == subject.reason);
            if same {
                changed |= entry.state.evaluate(at, input, rules) != Change::None;
            }
        }
        changed
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; each argument is one part of an evaluation")]
    /// Takes a failing evaluation. Returns what changed and whether the alarm is active now.
    pub fn fail(
        &mut self,
        check: &str,
        subject: &Subject,
        at: Time,
        severity: Severity,
        last: LastFail,
        rules: Rules<'_>,
        siblings: &Siblings<'_>,
    ) -> (bool, bool) {
        let entries = self.by_check.entry(check.to_owned()).or_default();
        let index = match entries.iter().position(|e| e.subject == *subject) {
            Some(index) => index,
            None => {
                if entries.len() >= MAX_SUBJECTS {
                    return (false, false);
                }
                entries.push(Entry {
                    subject: subject.clone(),
                    state: AlarmState::default(),
                    grouped: false,
                    last: None,
                });
                entries.len() - 1
            }
        };
        let change = entries[index].state.evaluate(at, Input::Fail(severity), rules);
        if change == Change::Raised {
            entries[index].grouped = subject.track.is_some() && is_group(entries, index, siblings);
        }
        entries[index].last = Some(last);
        (change != Change::None, entries[index].state.active.is_some())
    }

    /// Nothing of this check is remembered: a pass changes nothing.
    pub fn is_empty_for(&self, check: &str) -> bool {
        self.by_check.is_empty() || !self.by_check.contains_key(check)
    }

    /// A condition of this check stands on this stream, whatever the rendition.
    pub fn is_active(&self, check: &str, subject: &Subject) -> bool {
        let of_stream = |e: &&Entry| e.subject.protocol == subject.protocol && e.subject.stream == subject.stream;
        let Some(entries) = self.by_check.get(check) else { return false };
        entries.iter().filter(of_stream).any(|e| e.state.active.is_some())
    }

    /// Time passes. `rules_of` gives the rules of a check, `None` when it no longer exists or is off; subjects that
    /// are no longer `alive` close too (CHECKS 5.9.8).
    pub fn tick<'r>(
        &mut self,
        at: Time,
        rules_of: impl Fn(&str) -> Option<Rules<'r>>,
        alive: impl Fn(&Subject) -> bool,
    ) -> bool {
        let mut changed = false;
        self.by_check.retain(|check, entries| {
            let Some(rules) = rules_of(check) else {
                changed |= entries.iter().any(|e| e.state.active.is_some());
                return false;
            };
            entries.retain_mut(|entry| {
                if !alive(&entry.subject) {
                    changed |= entry.state.active.is_some();
                    return false;
                }
                changed |= entry.state.tick(at, rules) != Change::None;
                !entry.state.is_idle(at)
            });
            !entries.is_empty()
        });
        changed
    }

    /// What fails now, also below its hold. An event is over as soon as it has happened.
    pub fn failing(&self) -> impl Iterator<Item = (String, Subject)> + '_ {
        let all = self.by_check.iter().flat_map(|(check, entries)| entries.iter().map(move |e| (check, e)));
        all.filter(|(_, e)| e.state.active.is_some() || e.state.is_failing())
            .map(|(check, e)| (check.clone(), e.subject.clone()))
    }

    /// What is wrong now, sorted by fingerprint.
    pub fn conditions(&self) -> BTreeMap<String, Condition> {
        let mut out: BTreeMap<String, Condition> = BTreeMap::new();
        let mut tracks: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (check, entries) in &self.by_check {
            for entry in entries {
                let Some(mut condition) = entry.condition(check) else { continue };
                if entry.grouped
                    && let Some(track) = condition.subject.track.take()
                {
                    condition.fingerprint = condition.subject.fingerprint(check);
                    tracks.entry(condition.fingerprint.clone()).or_default().push(track.to_string());
                }
                merge(&mut out, condition);
            }
        }
        for (fingerprint, names) in tracks {
            if let Some(evidence) = out.get_mut(&fingerprint).and_then(|c| c.evidence.as_mut()) {
                evidence.facts.push(("renditions".into(), names.join(", ")));
            }
        }
        out
    }
}

/// All other live renditions fail the same check now, or one of them stands in a group already.
fn is_group(entries: &[Entry], index: usize, siblings: &Siblings<'_>) -> bool {
    let subject = &entries[index].subject;
    let is_sibling = |e: &Entry| {
        e.subject.stream == subject.stream && e.subject.reason == subject.reason && e.subject.track != subject.track
    };
    if siblings.tracks.len() < 2 {
        return false;
    }
    siblings.shared
        || entries.iter().any(|e| is_sibling(e) && e.grouped && e.state.active.is_some())
        || siblings.tracks.iter().filter(|track| Some(*track) != subject.track.as_ref()).all(|track| {
            entries.iter().any(|e| is_sibling(e) && e.subject.track.as_ref() == Some(track) && e.state.is_failing())
        })
}

impl Entry {
    fn condition(&self, check: &str) -> Option<Condition> {
        let active = self.state.active?;
        let last = self.last.clone().unwrap_or_else(|| LastFail {
            value: String::new(),
            limit: String::new(),
            message: String::new(),
            evidence: None,
        });
        let mut evidence = last.evidence;
        if self.state.flapping
            && let Some(evidence) = &mut evidence
        {
            evidence.facts.push(("flapping".into(), "raised and cleared repeatedly".into()));
        }
        Some(Condition {
            fingerprint: self.subject.fingerprint(check),
            check: check.to_owned(),
            title: crate::registry::find(check).map_or_else(String::new, |c| c.title.to_owned()),
            severity: active.severity,
            subject: self.subject.clone(),
            first_failed_at: self.state.first_failed_at.unwrap_or(active.raised_at),
            raised_at: active.raised_at,
            last_failed_at: self.state.last_failed_at.unwrap_or(active.raised_at),
            count: self.state.count,
            value: last.value,
            limit: last.limit,
            message: last.message,
            evidence,
            indeterminate: active.indeterminate,
            event: !active.standing,
        })
    }
}

/// Puts a condition into the list; two of one fingerprint become one, the worst.
pub(crate) fn merge(into: &mut BTreeMap<String, Condition>, new: Condition) {
    let Some(old) = into.get_mut(&new.fingerprint) else {
        into.insert(new.fingerprint.clone(), new);
        return;
    };
    let first = old.first_failed_at.min(new.first_failed_at);
    let raised = old.raised_at.min(new.raised_at);
    let last = old.last_failed_at.max(new.last_failed_at);
    let count = old.count.saturating_add(new.count);
    let (event, indeterminate) = (old.event && new.event, old.indeterminate && new.indeterminate);
    if (new.severity, new.last_failed_at) > (old.severity, old.last_failed_at) {
        *old = new;
    }
    old.first_failed_at = first;
    old.raised_at = raised;
    old.last_failed_at = last;
    old.count = count;
    old.event = event;
    old.indeterminate = indeterminate;
}
