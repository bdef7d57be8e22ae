//! Silences and maintenance windows that are in force just now, as far as routing must know them.

use ow_domain::Time;
use ow_domain::incident::Notice;
use ow_domain::operation::{Suppression, SuppressionKind};

use crate::{GroupScope, Maintenance, Matcher, Silence};

/// One of them, in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mute {
    /// What an alarm says of it.
    pub suppression: Suppression,
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// And one of these, when there are any.
    pub groups: Vec<GroupScope>,
}

impl Mute {
    fn covers(&self, alarm: &Notice) -> bool {
        // Without any condition it would hide everything, and hides nothing.
        (!self.matchers.is_empty() || !self.groups.is_empty())
            && self.matchers.iter().all(|m| m.matches(alarm))
            && (self.groups.is_empty() || self.groups.iter().any(|group| group.holds(alarm)))
    }
}

/// All that are in force at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mutes(pub Vec<Mute>);

impl Mutes {
    /// Of all that there are, those in force at `now`.
    pub fn at(silences: &[Silence], maintenance: &[Maintenance], now: Time) -> Self {
        let suppression = |kind, by: &str, until, note: &str| Suppression {
            kind,
            by: by.to_owned(),
            until: Some(until),
            note: (!note.is_empty()).then(|| note.to_owned()),
        };
        let silences = silences.iter().filter_map(|silence| {
            let window = silence.active_at(now)?;
            Some(Mute {
                suppression: suppression(SuppressionKind::Silence, &silence.name, window.end, &silence.comment),
                matchers: silence.matchers.clone(),
                groups: Vec::new(),
            })
        });
        let maintenance = maintenance.iter().filter_map(|work| {
            let window = work.active_at(now)?;
            Some(Mute {
                suppression: suppression(SuppressionKind::Maintenance, &work.name, window.end, &work.comment),
                matchers: work.matchers.clone(),
                groups: work.groups.clone(),
            })
        });
        Self(silences.chain(maintenance).collect())
    }

    /// What hides this alarm, sorted.
    pub fn of(&self, alarm: &Notice) -> Vec<Suppression> {
        let mut found: Vec<Suppression> =
            self.0.iter().filter(|mute| mute.covers(alarm)).map(|mute| mute.suppression.clone()).collect();
        found.sort();
        found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ow_domain::{Severity, Span};

    use super::*;
    use crate::routing::tests::notice;
    use crate::window::Schedule;

    fn at(seconds: i64) -> Time {
        Time::UNIX_EPOCH + Span::from_secs(seconds)
    }

    #[test]
    fn what_is_in_force_hides_what_it_covers() {
        let matchers = |texts: &[&str]| texts.iter().map(|m| m.parse().unwrap()).collect::<Vec<Matcher>>();
        let silence = |name: &str, texts: &[&str], end| Silence {
            name: name.to_owned(),
            matchers: matchers(texts),
            starts_at: at(10),
            ends_at: at(end),
            comment: "why".to_owned(),
            created_by: String::new(),
        };
        let silences = [
            silence("sport", &["label.group=sport", "severity<=major"], 20),
            silence("other", &["channel=htv*"], 20),
            silence("nothing", &[], 20),
            silence("long", &["channel=vtv*"], 40),
        ];
        let work = Maintenance {
            name: "work".to_owned(),
            matchers: Vec::new(),
            groups: vec![GroupScope { name: "sport".to_owned(), channels: BTreeSet::new() }],
            schedule: Schedule::once(at(15), at(30)),
            comment: String::new(),
            created_by: String::new(),
        };
        for (now, severity, expected) in [
            (9, Severity::Major, &[][..]),
            (10, Severity::Major, &["silence long", "silence sport"]),
            (10, Severity::Critical, &["silence long"]),
            (15, Severity::Major, &["silence long", "silence sport", "maintenance work"]),
            (20, Severity::Major, &["silence long", "maintenance work"]),
            (30, Severity::Major, &["silence long"]),
            (40, Severity::Major, &[]),
        ] {
            let mutes = Mutes::at(&silences, std::slice::from_ref(&work), at(now));
            let found: Vec<String> =
                mutes.of(&notice(severity)).iter().map(|s| format!("{} {}", s.kind, s.by)).collect();
            assert_eq!(found, expected, "{now} {severity}");
        }
        let of = Mutes::at(&silences, &[], at(10)).of(&notice(Severity::Critical));
        assert_eq!((of[0].until, of[0].note.as_deref()), (Some(at(40)), Some("why")));
    }
}
