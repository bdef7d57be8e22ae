//! Why an alarm is told to whom: the same walk as [`Routes::recipients`], with its reasons.

use std::collections::BTreeSet;

use ow_domain::incident::{Notice, ReceiverKind};
use ow_domain::{ReceiverId, Severity};
use serde::Serialize;

use crate::Routes;

/// The way of one alarm through the routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// All routes in their order.
    pub routes: Vec<RouteStep>,
    /// No route matched: the default receivers are told.
    pub default_used: bool,
    /// Everybody who was named, in the order of naming.
    pub receivers: Vec<ReceiverStep>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteStep {
    pub route: String,
    /// Looked at. Those after a route that matched and does not continue are not.
    pub reached: bool,
    pub matches: bool,
    pub matchers: Vec<MatcherStep>,
    #[serde(rename = "continue")]
    pub go_on: bool,
    pub receivers: Vec<ReceiverId>,
}

/// One condition of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatcherStep {
    pub matcher: String,
    pub matches: bool,
}

/// Somebody who was named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReceiverStep {
    pub receiver: ReceiverId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ReceiverKind>,
    /// The routes that named it.
    pub by: Vec<String>,
    pub told: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

impl Routes {
    /// Who hears of this alarm and why, and why others do not.
    pub fn explain(&self, alarm: &Notice) -> Explanation {
        let mut receivers: Vec<ReceiverStep> = Vec::new();
        let mut name = |receiver: &ReceiverId, by: &str| {
            if let Some(known) = receivers.iter_mut().find(|r| r.receiver == *receiver) {
                known.by.push(by.to_owned());
                return;
            }
            let target = self.receivers.get(receiver);
            let why_not = match target {
                None => Some("there is no such receiver".to_owned()),
                Some(target) if alarm.severity < target.min_severity => {
                    Some(format!("it hears from severity {} on", target.min_severity))
                }
                Some(_) if !alarm.severity.is_alarm() => Some("records of severity info are told to nobody".to_owned()),
                Some(_) => None,
            };
            receivers.push(ReceiverStep {
                receiver: receiver.clone(),
                kind: target.map(|t| t.kind),
                by: vec![by.to_owned()],
                told: why_not.is_none(),
                why_not,
            });
        };
        let (mut ended, mut matched) = (false, false);
        let mut routes = Vec::with_capacity(self.routes.len());
        for route in &self.routes {
            let matches = route.matches(alarm);
            routes.push(RouteStep {
                route: route.name.clone(),
                reached: !ended,
                matches,
                matchers: route
                    .matchers
                    .iter()
                    .map(|m| MatcherStep { matcher: m.to_string(), matches: m.matches(alarm) })
                    .collect(),
                go_on: route.go_on,
                receivers: route.receivers.clone(),
            });
            if matches && !ended {
                matched = true;
                route.receivers.iter().for_each(|receiver| name(receiver, &route.name));
                ended = !route.go_on;
            }
        }
        if !matched {
            self.default_receivers.iter().for_each(|receiver| name(receiver, "(default)"));
        }
        Explanation { routes, default_used: !matched, receivers }
    }
}

impl Explanation {
    /// Who would be told.
    pub fn told(&self) -> BTreeSet<&ReceiverId> {
        self.receivers.iter().filter(|r| r.told).map(|r| &r.receiver).collect()
    }
}

/// A severity that no route or receiver is too high for, and that is an alarm.
pub const fn least_alarm(min_severity: Severity) -> Severity {
    match min_severity {
        Severity::Cleared | Severity::Info | Severity::Indeterminate => Severity::Warning,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::tests::{notice, routes};

    #[test]
    fn the_reasons_lead_to_the_recipients() {
        let mut tree = routes(
            &[
                (&["severity>=critical"], &["nms", "mail"], false),
                (&["label.group=sport", "channel=vtv*"], &["noc", "gone"], true),
                (&["severity>=major"], &["mail", "noc"], false),
                (&[], &["nms"], false),
            ],
            &["nms"],
        );
        tree.receivers.get_mut("mail").unwrap().min_severity = Severity::Critical;
        for severity in Severity::ALL.into_iter().filter(|s| s.is_alarm()) {
            let recipients = tree.recipients(&notice(severity));
            let told: BTreeSet<_> = recipients.iter().map(|r| &r.receiver).collect();
            assert_eq!(tree.explain(&notice(severity)).told(), told, "{severity}");
        }
        let found = tree.explain(&notice(Severity::Major));
        let steps: Vec<_> = found.routes.iter().map(|r| (r.reached, r.matches)).collect();
        assert_eq!(steps, [(true, false), (true, true), (true, true), (false, true)]);
        let why: Vec<String> = found
            .receivers
            .iter()
            .map(|r| format!("{} {} {}", r.receiver, r.by.join("+"), r.why_not.as_deref().unwrap_or("told")))
            .collect();
        assert_eq!(
            why,
            [
                "noc route-1+route-2 told",
                "gone route-1 there is no such receiver",
                "mail route-2 it hears from severity critical on",
            ]
        );
        let default = routes(&[(&["channel=x"], &["noc"], false)], &["nms"]).explain(&notice(Severity::Minor));
        assert!(default.default_used && default.receivers[0].by == ["(default)"] && default.receivers[0].told);
    }
}
