//! A router with its database, without either.
#![allow(dead_code, reason = "not every test file uses all of it")]

use std::collections::BTreeMap;

use ow_alerting::{ChannelAlarms, Context, Decision, Mutes, Plan, Route, Routes, Target, step};
use ow_domain::capture::Protocol;
use ow_domain::incident::{ChangeKind, IncidentNumber, ReceiverKind};
use ow_domain::verdict::{Condition, Position, Subject, Verdict};
use ow_domain::{ChannelId, ReceiverId, Severity, StreamId, Time};

pub fn context<'a>(routes: &'a Routes, mutes: &'a Mutes, now: Time) -> Context<'a> {
    Context { routes, mutes, now }
}

pub fn condition(check: &str, severity: Severity) -> Condition {
    let subject = Subject {
        protocol: Some(Protocol::Hls),
        stream: Some(StreamId::new("main").unwrap()),
        host: None,
        track: None,
        reason: None,
    };
    Condition {
        fingerprint: subject.fingerprint(check),
        check: check.to_owned(),
        title: "HLS playlist stale".to_owned(),
        severity,
        subject,
        first_failed_at: Time::from_unix_micros(1_000_000),
        raised_at: Time::from_unix_micros(2_000_000),
        last_failed_at: Time::from_unix_micros(3_000_000),
        count: 3,
        value: "24.3 s".to_owned(),
        limit: "18 s".to_owned(),
        message: "The playlist has not changed for 24.3 s".to_owned(),
        evidence: None,
        indeterminate: false,
        event: false,
    }
}

pub fn verdict(epoch: i64, seq: u64, conditions: Vec<Condition>) -> Verdict {
    Verdict {
        channel: ChannelId::new("vtv3").unwrap(),
        name: "VTV3".to_owned(),
        position: Position { epoch, seq },
        as_of: Time::from_unix_micros(i64::try_from(seq).unwrap() * 1_000_000),
        policy_revision: 1,
        retired: None,
        severity: conditions.iter().map(|c| c.severity).max().unwrap_or(Severity::Cleared),
        conditions,
        labels: BTreeMap::new(),
        packager: None,
        region: None,
        runbook: None,
        streams: Vec::new(),
    }
}

/// `pager` hears of major and worse, `log` of everything.
pub fn routes() -> Routes {
    let route = |matchers: &[&str], receiver: &str, go_on| Route {
        name: receiver.to_owned(),
        matchers: matchers.iter().map(|m| m.parse().unwrap()).collect(),
        receivers: vec![ReceiverId::new(receiver).unwrap()],
        go_on,
    };
    Routes {
        routes: vec![route(&["severity>=major"], "pager", true), route(&[], "log", false)],
        default_receivers: Vec::new(),
        receivers: [("pager", ReceiverKind::Slack), ("log", ReceiverKind::Snmp)]
            .map(|(name, kind)| {
                (ReceiverId::new(name).unwrap(), Target { kind, min_severity: Severity::Indeterminate })
            })
            .into(),
    }
}

/// A router with its database: state, numbers given, everything told.
#[derive(Default)]
pub struct Router {
    pub state: ChannelAlarms,
    pub n_incidents: i64,
    pub told: Vec<String>,
    /// Alarm and severity as each receiver sees them.
    pub views: BTreeMap<(String, String), Severity>,
    pub violations: Vec<String>,
}

impl Router {
    pub fn take(&mut self, verdict: &Verdict, routes: &Routes) {
        self.take_in(verdict, &context(routes, &Mutes::default(), verdict.as_of));
    }

    pub fn take_in(&mut self, verdict: &Verdict, context: &Context<'_>) {
        match step(&self.state, verdict, context) {
            Decision::Stale => {}
            Decision::Act(plan) => self.carry_out(&plan),
        }
    }

    pub fn carry_out(&mut self, plan: &Plan) {
        assert_eq!((plan.before, plan.operations), (self.state.acted, self.state.operations));
        let mut numbers = Vec::new();
        for change in &plan.changes {
            let number = change.incident.map_or_else(
                || {
                    self.n_incidents += 1;
                    numbers.push(IncidentNumber(self.n_incidents));
                    self.n_incidents
                },
                |number| number.0,
            );
            for job in &change.jobs {
                let notice = change.notice_for(job);
                let to = job.recipient.receiver.to_string();
                self.told.push(format!(
                    "{to}: {} {} INC-{number}/{} {}",
                    notice.change, notice.check, notice.revision, notice.severity
                ));
                let key = (to, notice.fingerprint.clone());
                let open = self.views.contains_key(&key);
                let wrong = match notice.change {
                    ChangeKind::Raise => open,
                    ChangeKind::Update | ChangeKind::Clear => !open,
                };
                if wrong || change.is_info() {
                    self.violations.push(self.told.last().cloned().unwrap_or_default());
                }
                match notice.change {
                    ChangeKind::Clear => self.views.remove(&key),
                    ChangeKind::Raise | ChangeKind::Update => self.views.insert(key, notice.severity),
                };
            }
        }
        self.state.apply(plan, &numbers);
    }

    pub fn restart(&mut self) {
        let json = serde_json::to_string(&self.state).unwrap();
        self.state = serde_json::from_str(&json).unwrap();
    }
}
