//! Which receivers hear of an alarm.

use std::collections::{BTreeMap, BTreeSet};

use ow_domain::incident::{Notice, ReceiverKind};
use ow_domain::{ReceiverId, Severity};
use serde::{Deserialize, Serialize};

use crate::{Matcher, Recipient};

/// One entry of the ordered list of routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub name: String,
    /// All must match; none: everything does.
    #[serde(default)]
    pub matchers: Vec<Matcher>,
    pub receivers: Vec<ReceiverId>,
    /// Look at the routes after this one as well.
    #[serde(default, rename = "continue")]
    pub go_on: bool,
}

impl Route {
    pub fn matches(&self, alarm: &Notice) -> bool {
        self.matchers.iter().all(|m| m.matches(alarm))
    }
}

/// What routing must know of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub kind: ReceiverKind,
    /// It hears of an alarm once that is as bad as this.
    pub min_severity: Severity,
}

/// All routes and the receivers they name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Routes {
    /// In order. The first that matches decides, unless it says `continue`.
    pub routes: Vec<Route>,
    /// Told of alarms that no route matched.
    #[serde(default)]
    pub default_receivers: Vec<ReceiverId>,
    /// Receivers that exist and are enabled. Others are passed over: there is nobody to tell.
    pub receivers: BTreeMap<ReceiverId, Target>,
}

impl Routes {
    /// Who is to hear of this alarm, each once.
    pub fn recipients(&self, alarm: &Notice) -> BTreeSet<Recipient> {
        let mut named: Vec<&ReceiverId> = Vec::new();
        let mut matched = false;
        for route in self.routes.iter().filter(|route| route.matches(alarm)) {
            matched = true;
            named.extend(&route.receivers);
            if !route.go_on {
                break;
            }
        }
        if !matched {
            named.extend(&self.default_receivers);
        }
        named
            .into_iter()
            .filter_map(|receiver| {
                let target = self.receivers.get(receiver).filter(|t| alarm.severity >= t.min_severity)?;
                Some(Recipient { receiver: receiver.clone(), kind: target.kind })
            })
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ow_domain::capture::Protocol;
    use ow_domain::incident::{ChangeKind, IncidentNumber};
    use ow_domain::verdict::Subject;
    use ow_domain::{ChannelId, Severity, StreamId, Time};

    pub(crate) fn notice(severity: Severity) -> Notice {
        Notice {
            number: IncidentNumber(1),
            revision: 1,
            change: ChangeKind::Raise,
            severity,
            previous_severity: None,
            channel: ChannelId::new("vtv3").unwrap(),
            channel_name: "VTV3".to_owned(),
            fingerprint: "hls-playlist-stale|hls|main|-|-|-".to_owned(),
            check: "hls-playlist-stale".to_owned(),
            title: "HLS playlist stale".to_owned(),
            subject: Subject {
                protocol: Some(Protocol::Hls),
                stream: Some(StreamId::new("main").unwrap()),
                host: None,
                track: None,
                reason: None,
            },
            message: String::new(),
            value: String::new(),
            limit: String::new(),
            raised_at: Time::UNIX_EPOCH,
            cleared_at: None,
            clear_reason: None,
            at: Time::UNIX_EPOCH,
            evidence: None,
            labels: [("group".to_owned(), "sport".to_owned())].into(),
            packager: Some("pkg-7".to_owned()),
            region: None,
            runbook: None,
            probe: None,
            event: false,
            operation: None,
            ack: None,
            suppressed: Vec::new(),
            reopens: None,
        }
    }

    pub(crate) fn receiver(name: &str) -> ReceiverId {
        ReceiverId::new(name).unwrap()
    }

    pub(crate) fn routes(rows: &[(&[&str], &[&str], bool)], default_receivers: &[&str]) -> Routes {
        Routes {
            routes: rows
                .iter()
                .enumerate()
                .map(|(n, (matchers, receivers, go_on))| Route {
                    name: format!("route-{n}"),
                    matchers: matchers.iter().map(|m| m.parse().unwrap()).collect(),
                    receivers: receivers.iter().map(|r| receiver(r)).collect(),
                    go_on: *go_on,
                })
                .collect(),
            default_receivers: default_receivers.iter().map(|r| receiver(r)).collect(),
            receivers: ["nms", "noc", "mail"]
                .map(|r| (receiver(r), Target { kind: ReceiverKind::Webhook, min_severity: Severity::Indeterminate }))
                .into(),
        }
    }

    fn check(routes: &Routes, severity: Severity, expected: &[&str]) {
        let found: Vec<String> =
            routes.recipients(&notice(severity)).into_iter().map(|r| r.receiver.to_string()).collect();
        assert_eq!(found, expected, "{severity} {routes:?}");
    }

    #[test]
    fn the_first_matching_route_decides_unless_it_goes_on() {
        let tree = routes(
            &[
                (&["severity>=critical"], &["nms", "mail"], false),
                (&["label.group=sport"], &["noc"], true),
                (&["channel=vtv*", "severity>=major"], &["nms", "noc", "gone"], false),
                (&[], &["mail"], false),
            ],
            &["nms"],
        );
        check(&tree, Severity::Critical, &["mail", "nms"]);
        check(&tree, Severity::Major, &["nms", "noc"]);
        check(&tree, Severity::Minor, &["mail", "noc"]);
    }

    #[test]
    fn a_receiver_hears_from_its_own_severity_on() {
        let mut tree = routes(&[], &["nms", "mail"]);
        tree.receivers.get_mut("mail").unwrap().min_severity = Severity::Major;
        check(&tree, Severity::Minor, &["nms"]);
        check(&tree, Severity::Major, &["mail", "nms"]);
    }

    #[test]
    fn the_default_is_for_what_no_route_matched() {
        let tree = routes(&[(&["severity>=critical"], &["mail"], true)], &["nms"]);
        check(&tree, Severity::Critical, &["mail"]);
        check(&tree, Severity::Minor, &["nms"]);
        check(&routes(&[], &[]), Severity::Critical, &[]);
        // A route without receivers is a way to keep alarms quiet.
        check(&routes(&[(&["severity<=major"], &[], false)], &["nms"]), Severity::Minor, &[]);
    }
}
