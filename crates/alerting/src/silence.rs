//! Silences and maintenance windows: alarms that are kept and shown, and of which nobody is told while they hold.

use std::collections::BTreeSet;

use ow_domain::incident::Notice;
use ow_domain::{ChannelId, Time};
use serde::{Deserialize, Serialize};

use crate::Matcher;
use crate::window::{Schedule, Window};

/// Alarms that somebody does not want to be told of for a while. The words are those of Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    pub name: String,
    /// All must match; without any it would silence everything, and silences nothing.
    pub matchers: Vec<Matcher>,
    pub starts_at: Time,
    pub ends_at: Time,
    #[serde(default)]
    pub comment: String,
    #[serde(default)]
    pub created_by: String,
}

impl Silence {
    pub fn active_at(&self, time: Time) -> Option<Window> {
        let window = Window { start: self.starts_at, end: self.ends_at };
        window.holds(time).then_some(window)
    }

    /// Whether it is about this alarm, at whatever time.
    pub fn covers(&self, alarm: &Notice) -> bool {
        !self.matchers.is_empty() && self.matchers.iter().all(|m| m.matches(alarm))
    }
}

/// A group of channels: those with the label `group: <name>`, and those it lists.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GroupScope {
    pub name: String,
    #[serde(default)]
    pub channels: BTreeSet<ChannelId>,
}

impl GroupScope {
    pub fn holds(&self, alarm: &Notice) -> bool {
        alarm.labels.get("group") == Some(&self.name) || self.channels.contains(&alarm.channel)
    }
}

/// Planned work: what it touches, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Maintenance {
    pub name: String,
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// And one of these, when there are any.
    pub groups: Vec<GroupScope>,
    pub schedule: Schedule,
    pub comment: String,
    pub created_by: String,
}

impl Maintenance {
    pub fn active_at(&self, time: Time) -> Option<Window> {
        self.schedule.active_at(time)
    }

    /// Whether it is about this alarm, at whatever time.
    pub fn covers(&self, alarm: &Notice) -> bool {
        (!self.matchers.is_empty() || !self.groups.is_empty())
            && self.matchers.iter().all(|m| m.matches(alarm))
            && (self.groups.is_empty() || self.groups.iter().any(|group| group.holds(alarm)))
    }
}

#[cfg(test)]
mod tests {
    use ow_domain::{Severity, Span};

    use super::*;
    use crate::routing::tests::notice;

    fn matchers(texts: &[&str]) -> Vec<Matcher> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_silence_covers_what_all_its_matchers_match() {
        let alarm = notice(Severity::Major);
        for (texts, covers) in [
            (&["channel=vtv*", "severity>=minor"][..], true),
            (&["channel=vtv*", "severity>=critical"], false),
            (&["label.group=sport"], true),
            (&[], false),
        ] {
            let start = Time::from_unix_micros(1_000_000);
            let silence = Silence {
                name: "s".into(),
                matchers: matchers(texts),
                starts_at: start,
                ends_at: start + Span::from_secs(60),
                comment: String::new(),
                created_by: "an".into(),
            };
            assert_eq!(silence.covers(&alarm), covers, "{texts:?}");
            assert!(silence.active_at(start).is_some() && silence.active_at(silence.ends_at).is_none());
            let json = serde_json::to_string(&silence).unwrap();
            assert_eq!(serde_json::from_str::<Silence>(&json).unwrap(), silence);
        }
    }

    #[test]
    fn maintenance_covers_groups_and_matchers_together() {
        let alarm = notice(Severity::Major);
        let listed = GroupScope { name: "x".into(), channels: [alarm.channel.clone()].into() };
        let named = |name: &str| GroupScope { name: name.into(), channels: BTreeSet::new() };
        for (groups, texts, covers) in [
            (vec![named("sport")], &[][..], true),
            (vec![named("news")], &[], false),
            (vec![named("news"), listed.clone()], &[], true),
            (vec![listed.clone()], &["packager=pkg-7"], true),
            (vec![listed], &["packager=other"], false),
            (vec![], &["packager=pkg-7"], true),
            (vec![], &[], false),
        ] {
            let maintenance = Maintenance {
                name: "m".into(),
                matchers: matchers(texts),
                groups,
                schedule: Schedule::once(Time::UNIX_EPOCH, Time::UNIX_EPOCH + Span::from_secs(60)),
                comment: String::new(),
                created_by: String::new(),
            };
            assert_eq!(maintenance.covers(&alarm), covers, "{maintenance:?}");
        }
    }
}
