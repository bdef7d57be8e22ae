//! Verdicts as alarms with a beginning and an end, and the differences between two judgements.

use std::collections::BTreeMap;

use ow_domain::verdict::{Condition, Subject, Verdict};
use ow_domain::{ChannelId, Severity, Time};
use serde::Serialize;

/// Most alarms kept of one judgement.
const MAX_ALARMS: usize = 100_000;

/// One condition from its raise to its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alarm {
    pub channel: ChannelId,
    pub fingerprint: String,
    pub check: String,
    pub subject: Subject,
    pub raised_at: Time,
    /// Absent: it still stood at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleared_at: Option<Time>,
    /// The worst it had.
    pub severity: Severity,
    /// As it was raised.
    pub message: String,
}

/// Collects alarms from the verdicts of any number of channels.
#[derive(Debug, Default)]
pub struct AlarmLog {
    open: BTreeMap<(ChannelId, String), Alarm>,
    closed: Vec<Alarm>,
    n_left_out: u64,
}

impl AlarmLog {
    /// Takes the verdicts of a channel in order.
    pub fn take(&mut self, verdict: &Verdict) {
        let is_over = |key: &(ChannelId, String)| {
            key.0 == verdict.channel && !verdict.conditions.iter().any(|c| c.fingerprint == key.1)
        };
        let over: Vec<_> = self.open.keys().filter(|key| is_over(key)).cloned().collect();
        for key in over {
            if let Some(mut alarm) = self.open.remove(&key) {
                alarm.cleared_at = Some(verdict.as_of);
                self.close(alarm);
            }
        }
        for condition in &verdict.conditions {
            self.condition(&verdict.channel, condition);
        }
    }

    fn condition(&mut self, channel: &ChannelId, condition: &Condition) {
        let key = (channel.clone(), condition.fingerprint.clone());
        let has_room = self.open.len() < MAX_ALARMS;
        match self.open.get_mut(&key) {
            Some(open) => open.severity = open.severity.max(condition.severity),
            None if has_room => drop(self.open.insert(key, Alarm::new(channel, condition))),
            None => self.n_left_out += 1,
        }
    }

    fn close(&mut self, alarm: Alarm) {
        if self.closed.len() < MAX_ALARMS {
            self.closed.push(alarm);
        } else {
            self.n_left_out += 1;
        }
    }

    /// Alarms that did not fit.
    pub fn n_left_out(&self) -> u64 {
        self.n_left_out
    }

    /// All alarms, by channel, fingerprint and time.
    pub fn finish(self) -> Vec<Alarm> {
        let mut all = self.closed;
        all.extend(self.open.into_values());
        all.sort_by(|a, b| a.key().cmp(&b.key()));
        all
    }
}

impl Alarm {
    fn new(channel: &ChannelId, condition: &Condition) -> Self {
        Self {
            channel: channel.clone(),
            fingerprint: condition.fingerprint.clone(),
            check: condition.check.clone(),
            subject: condition.subject.clone(),
            raised_at: condition.raised_at,
            cleared_at: None,
            severity: condition.severity,
            message: condition.message.clone(),
        }
    }

    fn key(&self) -> (&ChannelId, &str, Time) {
        (&self.channel, &self.fingerprint, self.raised_at)
    }

    fn is_same_subject(&self, other: &Self) -> bool {
        self.channel == other.channel && self.fingerprint == other.fingerprint
    }

    fn overlaps(&self, other: &Self) -> bool {
        let ends_after = |end: Option<Time>, start: Time| end.is_none_or(|end| end > start);
        ends_after(self.cleared_at, other.raised_at) && ends_after(other.cleared_at, self.raised_at)
    }
}

/// How two judgements of the same facts differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmDifference {
    OnlyInA(Alarm),
    OnlyInB(Alarm),
    /// The same alarm with other times or another severity.
    Changed {
        a: Box<Alarm>,
        b: Box<Alarm>,
    },
}

impl AlarmDifference {
    fn raised_at(&self) -> Time {
        match self {
            Self::OnlyInA(alarm) | Self::OnlyInB(alarm) => alarm.raised_at,
            Self::Changed { a, b } => a.raised_at.min(b.raised_at),
        }
    }
}

impl AlarmDifference {
    /// Whether some of it stood at `time` or after it.
    pub fn is_after(&self, time: Time) -> bool {
        let ends_after = |alarm: &Alarm| alarm.cleared_at.is_none_or(|end| end >= time);
        match self {
            Self::OnlyInA(alarm) | Self::OnlyInB(alarm) => ends_after(alarm),
            Self::Changed { a, b } => ends_after(a) || ends_after(b),
        }
    }
}

/// Differences by the time of the raise. Both lists as [`AlarmLog::finish`] gives them. Alarms of one subject that
/// stood at the same time are one alarm.
pub fn differences(a: &[Alarm], b: &[Alarm]) -> Vec<AlarmDifference> {
    let mut found = Vec::new();
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        match (a.peek(), b.peek()) {
            (None, None) => break,
            (Some(x), Some(y)) if x.is_same_subject(y) && x.overlaps(y) => {
                if (x.raised_at, x.cleared_at, x.severity) != (y.raised_at, y.cleared_at, y.severity) {
                    found.push(AlarmDifference::Changed { a: Box::new((*x).clone()), b: Box::new((*y).clone()) });
                }
                a.next();
                b.next();
            }
            (Some(x), None) => {
                found.push(AlarmDifference::OnlyInA((*x).clone()));
                a.next();
            }
            (Some(x), Some(y)) if x.key() <= y.key() => {
                found.push(AlarmDifference::OnlyInA((*x).clone()));
                a.next();
            }
            (_, Some(y)) => {
                found.push(AlarmDifference::OnlyInB((*y).clone()));
                b.next();
            }
        }
    }
    found.sort_by_key(AlarmDifference::raised_at);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use ow_domain::Span;
    use ow_domain::verdict::Position;

    fn at(s: i64) -> Time {
        Time::UNIX_EPOCH + Span::from_secs(s)
    }

    fn verdict(s: i64, conditions: &[(&str, i64, Severity)]) -> Verdict {
        let condition = |&(check, raised, severity): &(&str, i64, Severity)| Condition {
            fingerprint: check.to_owned(),
            check: check.to_owned(),
            title: String::new(),
            severity,
            subject: Subject { protocol: None, stream: None, host: None, track: None, reason: None },
            first_failed_at: at(raised),
            raised_at: at(raised),
            last_failed_at: at(s),
            count: 1,
            value: String::new(),
            limit: String::new(),
            message: String::new(),
            evidence: None,
            indeterminate: false,
            event: false,
        };
        Verdict {
            channel: ChannelId::new("vtv3").unwrap(),
            name: String::new(),
            position: Position::default(),
            as_of: at(s),
            policy_revision: 1,
            retired: None,
            severity: Severity::Cleared,
            conditions: conditions.iter().map(condition).collect(),
            labels: BTreeMap::new(),
            packager: None,
            region: None,
            runbook: None,
            streams: Vec::new(),
        }
    }

    fn log(verdicts: &[Verdict]) -> Vec<Alarm> {
        let mut log = AlarmLog::default();
        verdicts.iter().for_each(|v| log.take(v));
        log.finish()
    }

    /// `+check raised` only in B, `-check raised` only in A, `~check a/b` in both.
    fn told(a: &[Verdict], b: &[Verdict]) -> Vec<String> {
        let short = |x: &Alarm| {
            let end = x.cleared_at.map_or("open".to_owned(), |end| end.unix_seconds().to_string());
            format!("{} {}..{end} {}", x.check, x.raised_at.unix_seconds(), x.severity)
        };
        let tell = |d: &AlarmDifference| match d {
            AlarmDifference::OnlyInA(x) => format!("-{}", short(x)),
            AlarmDifference::OnlyInB(x) => format!("+{}", short(x)),
            AlarmDifference::Changed { a, b } => format!("~{} / {}", short(a), short(b)),
        };
        differences(&log(a), &log(b)).iter().map(tell).collect()
    }

    #[test]
    fn alarms_of_two_judgements_are_paired_by_subject_and_time() {
        use Severity::{Major, Minor};
        let quiet = verdict(100, &[]);
        let a = [verdict(10, &[("x", 10, Minor)]), verdict(20, &[("x", 10, Major), ("y", 20, Minor)]), quiet.clone()];
        assert_eq!(told(&a, &a), [] as [&str; 0]);
        let b = [verdict(10, &[("x", 10, Minor)]), verdict(20, &[("x", 10, Minor), ("z", 20, Minor)])];
        assert_eq!(told(&a, &b), ["~x 10..100 major / x 10..open minor", "-y 20..100 minor", "+z 20..open minor"]);
        // Later than the first and before the second of the other: not the same alarm as either.
        let twice = [verdict(10, &[("x", 10, Minor)]), verdict(20, &[]), verdict(50, &[("x", 50, Minor)])];
        let between = [verdict(30, &[("x", 30, Minor)]), verdict(40, &[])];
        assert_eq!(told(&twice, &between), ["-x 10..20 minor", "+x 30..40 minor", "-x 50..open minor"]);
        // While it is listed it is one alarm, also when the part of it that was raised first is over.
        let part = [verdict(10, &[("x", 10, Minor)]), verdict(60, &[("x", 50, Minor)])];
        assert_eq!(log(&part).len(), 1);
    }
}
