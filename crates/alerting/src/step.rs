//! One verdict against the open alarms of its channel.

use std::collections::{BTreeMap, BTreeSet};

use ow_domain::incident::{ChangeKind, IncidentNumber, Notice};
use ow_domain::verdict::{Condition, Position, Verdict};
use ow_domain::{Severity, Time};

use crate::reassess::{reassess_one, suppressions};
use crate::{ChannelAlarms, Mutes, OpenAlarm, Recipient, Routes};

/// What decisions depend on besides the verdict and the open alarms.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub routes: &'a Routes,
    /// Silences and maintenance windows in force.
    pub mutes: &'a Mutes,
    /// Time by the clock of whoever decides: for what runs out.
    pub now: Time,
}

/// What a verdict means for the open alarms.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Not newer than the last one acted on: nothing to do.
    Stale,
    /// Do all of it, or nothing.
    Act(Plan),
}

/// Changes of one channel that are done together.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The position that was acted on before, and how often something else than a verdict has changed the channel.
    /// Who carries the plan out must find both unchanged.
    pub before: Option<Position>,
    pub operations: u64,
    /// The verdict that was acted on, and the time it stands for. `None`: this is not about a verdict.
    pub advance: Option<(Position, Time)>,
    /// Clears first, so that an alarm may end and begin anew in one plan.
    pub changes: Vec<Change>,
    pub confirmations: Vec<Confirmation>,
    /// Alarms closed by hand that are now known to be well, or have begun anew.
    pub forgotten: Vec<String>,
}

impl Plan {
    /// Changes that no verdict has caused.
    pub fn standing(state: &ChannelAlarms, changes: Vec<Change>) -> Self {
        Self {
            before: state.acted,
            operations: state.operations,
            advance: None,
            changes,
            confirmations: Vec::new(),
            forgotten: Vec::new(),
        }
    }
}

/// One alarm is raised, changes its severity, or ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub kind: ChangeKind,
    /// `None` for a raise: the number is given when it is recorded, and is 0 in `notice` until then.
    pub incident: Option<IncidentNumber>,
    pub notice: Notice,
    /// Everybody who has been told of this alarm once `jobs` are done.
    pub told: BTreeSet<Recipient>,
    pub jobs: Vec<Job>,
    pub indeterminate: bool,
    /// Something that `told` should hear is kept back while the alarm is hidden.
    pub owed: bool,
}

impl Change {
    /// True for conditions of severity info: recorded, and neither published nor told.
    pub fn is_info(&self) -> bool {
        match self.kind {
            ChangeKind::Clear => self.notice.previous_severity.is_some_and(|s| !s.is_alarm()),
            ChangeKind::Raise | ChangeKind::Update => !self.notice.severity.is_alarm(),
        }
    }

    /// The notice for one of `jobs`: who hears of an alarm late hears a raise.
    pub fn notice_for(&self, job: &Job) -> Notice {
        let mut notice = self.notice.clone();
        if job.change != notice.change {
            notice.change = job.change;
            notice.previous_severity = None;
        }
        notice
    }
}

/// Somebody is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub recipient: Recipient,
    /// What it is for this recipient.
    pub change: ChangeKind,
}

/// An open alarm is no longer confirmed, or is again. Nobody is told; lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    pub incident: IncidentNumber,
    pub fingerprint: String,
    pub indeterminate: bool,
}

/// Compares `verdict` with what is open. The same arguments give the same decision; a verdict that is not newer than
/// the last one acted on (by epoch, then sequence) changes nothing.
pub fn step(state: &ChannelAlarms, verdict: &Verdict, context: &Context<'_>) -> Decision {
    if state.acted.is_some_and(|acted| verdict.position <= acted) {
        return Decision::Stale;
    }
    let wanted = wanted(verdict);
    // Nothing could be judged: what is missing from the list is not known to be well.
    let blind = verdict.retired.is_none()
        && verdict.severity == Severity::Indeterminate
        && verdict.conditions.iter().all(|c| c.indeterminate);

    let mut changes = Vec::new();
    let mut confirmations = Vec::new();
    let mut confirm = |alarm: &OpenAlarm, indeterminate: bool| {
        if alarm.indeterminate != indeterminate {
            let fingerprint = alarm.notice.fingerprint.clone();
            confirmations.push(Confirmation { incident: alarm.incident, fingerprint, indeterminate });
        }
    };
    for (fingerprint, alarm) in &state.open {
        match wanted.get(fingerprint.as_str()) {
            None if blind => {
                confirm(alarm, true);
                changes.extend(reassess_one(alarm, context));
            }
            None => changes.push(clear(alarm, verdict)),
            Some(condition) if is_unknown(condition) => {
                confirm(alarm, true);
                changes.extend(reassess_one(alarm, context));
            }
            // Between an alarm and a mere record there is no update: one ends and the other begins.
            Some(condition) if condition.severity.is_alarm() == alarm.is_info() => changes.push(clear(alarm, verdict)),
            Some(_) => confirm(alarm, false),
        }
    }
    // Clears first.
    changes.sort_by_key(|c| c.kind != ChangeKind::Clear);
    let ended: BTreeSet<String> =
        changes.iter().filter(|c| c.kind == ChangeKind::Clear).map(|c| c.notice.fingerprint.clone()).collect();
    let mut forgotten: Vec<String> = match blind {
        true => Vec::new(),
        false => state.forced.keys().filter(|f| !wanted.contains_key(f.as_str())).cloned().collect(),
    };
    for (fingerprint, condition) in wanted {
        match state.open.get(fingerprint) {
            Some(alarm) if !ended.contains(fingerprint) => {
                if is_unknown(condition) {
                } else if condition.severity != alarm.severity() {
                    changes.push(update(alarm, condition, verdict, context));
                } else {
                    changes.extend(reassess_one(alarm, context));
                }
            }
            _ if condition.severity == Severity::Indeterminate => {}
            _ => {
                let forced = state.forced.get(fingerprint);
                // Closed by hand, and no check has failed since.
                if forced.is_some_and(|forced| condition.last_failed_at <= forced.at) {
                    continue;
                }
                let mut change = raise(condition, verdict, context);
                change.notice.reopens = forced.map(|forced| forced.incident);
                forgotten.extend(forced.map(|_| fingerprint.to_owned()));
                changes.push(change);
            }
        }
    }
    Decision::Act(Plan {
        before: state.acted,
        operations: state.operations,
        advance: Some((verdict.position, verdict.as_of)),
        changes,
        confirmations,
        forgotten,
    })
}

/// The conditions by fingerprint; of two with one fingerprint the worse.
fn wanted(verdict: &Verdict) -> BTreeMap<&str, &Condition> {
    let mut wanted: BTreeMap<&str, &Condition> = BTreeMap::new();
    if verdict.retired.is_some() {
        return wanted;
    }
    for condition in verdict.conditions.iter().filter(|c| c.severity != Severity::Cleared) {
        wanted
            .entry(&condition.fingerprint)
            .and_modify(|kept| {
                if condition.severity > kept.severity {
                    *kept = condition;
                }
            })
            .or_insert(condition);
    }
    wanted
}

/// We cannot tell whether it is still so: it neither ends nor changes an open alarm.
fn is_unknown(condition: &Condition) -> bool {
    condition.indeterminate || condition.severity == Severity::Indeterminate
}

fn raise(condition: &Condition, verdict: &Verdict, context: &Context<'_>) -> Change {
    let mut notice = Notice {
        number: IncidentNumber(0),
        revision: 1,
        change: ChangeKind::Raise,
        severity: condition.severity,
        previous_severity: None,
        channel: verdict.channel.clone(),
        channel_name: verdict.name.clone(),
        fingerprint: condition.fingerprint.clone(),
        check: condition.check.clone(),
        title: if condition.title.is_empty() { condition.check.clone() } else { condition.title.clone() },
        subject: condition.subject.clone(),
        message: condition.message.clone(),
        value: condition.value.clone(),
        limit: condition.limit.clone(),
        raised_at: condition.raised_at,
        cleared_at: None,
        clear_reason: None,
        at: condition.raised_at,
        evidence: condition.evidence.clone(),
        labels: verdict.labels.clone(),
        packager: verdict.packager.clone(),
        region: verdict.region.clone(),
        runbook: verdict.runbook.clone(),
        probe: condition.evidence.as_ref().and_then(|e| e.probe.clone()),
        event: condition.event,
        operation: None,
        ack: None,
        suppressed: Vec::new(),
        reopens: None,
    };
    let mut told = BTreeSet::new();
    if notice.severity.is_alarm() {
        notice.suppressed = context.mutes.of(&notice);
        if notice.suppressed.is_empty() {
            told = context.routes.recipients(&notice);
        }
    }
    Change {
        kind: ChangeKind::Raise,
        incident: None,
        jobs: told.iter().map(|r| Job { recipient: r.clone(), change: ChangeKind::Raise }).collect(),
        told,
        notice,
        indeterminate: condition.indeterminate,
        owed: false,
    }
}

fn update(alarm: &OpenAlarm, condition: &Condition, verdict: &Verdict, context: &Context<'_>) -> Change {
    let mut notice = raise(condition, verdict, context).notice;
    let worse = condition.severity > alarm.severity();
    notice.number = alarm.incident;
    notice.revision = alarm.notice.revision.saturating_add(1);
    notice.change = ChangeKind::Update;
    notice.previous_severity = Some(alarm.severity());
    notice.raised_at = alarm.notice.raised_at;
    notice.at = verdict.as_of;
    notice.reopens = alarm.notice.reopens;
    notice.suppressed = suppressions(&notice, alarm, context);
    // Who acknowledged it took something milder in hand.
    notice.ack = alarm.notice.ack.clone().filter(|ack| !worse && ack.until.is_none_or(|until| until > context.now));
    let mut told = alarm.told.clone();
    let mut jobs = Vec::new();
    let hidden = !notice.suppressed.is_empty();
    if !hidden {
        jobs.extend(alarm.told.iter().map(|r| Job { recipient: r.clone(), change: ChangeKind::Update }));
        // It has become worse, or is no longer hidden: perhaps it now concerns others. A fall concerns nobody new.
        if worse || !alarm.notice.suppressed.is_empty() {
            let known: BTreeSet<_> = alarm.told.iter().map(|r| &r.receiver).collect();
            let late = context.routes.recipients(&notice).into_iter().filter(|r| !known.contains(&r.receiver));
            for recipient in late {
                jobs.push(Job { recipient: recipient.clone(), change: ChangeKind::Raise });
                told.insert(recipient);
            }
        }
    }
    let owed = hidden && !told.is_empty();
    Change { kind: ChangeKind::Update, incident: Some(alarm.incident), notice, told, jobs, indeterminate: false, owed }
}

/// Told to exactly those who were told of the alarm, whatever the routes say now.
fn clear(alarm: &OpenAlarm, verdict: &Verdict) -> Change {
    let mut notice = alarm.notice.clone();
    notice.number = alarm.incident;
    notice.revision = notice.revision.saturating_add(1);
    notice.change = ChangeKind::Clear;
    notice.previous_severity = Some(alarm.severity());
    notice.severity = Severity::Cleared;
    notice.channel_name = verdict.name.clone();
    notice.at = verdict.as_of;
    notice.cleared_at = Some(verdict.as_of);
    notice.clear_reason = verdict.retired.clone();
    notice.operation = None;
    Change {
        kind: ChangeKind::Clear,
        incident: Some(alarm.incident),
        notice,
        told: alarm.told.clone(),
        jobs: alarm.told.iter().map(|r| Job { recipient: r.clone(), change: ChangeKind::Clear }).collect(),
        indeterminate: false,
        owed: false,
    }
}
