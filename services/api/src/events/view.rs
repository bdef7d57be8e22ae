//! What one client wants to see, and may.

use std::collections::BTreeMap;

use ow_domain::Severity;
use ow_domain::access::LabelScope;

use super::hub::{Draft, Kind};

/// All conditions hold; empty ones always do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    pub kinds: Vec<Kind>,
    pub channels: Vec<String>,
    pub severities: Vec<Severity>,
    pub min_severity: Option<Severity>,
    pub labels: BTreeMap<String, String>,
    /// Of who watches.
    pub scope: Option<LabelScope>,
}

impl View {
    /// Changes of configuration name no object: they are for everybody who watches that kind.
    pub fn shows(&self, event: &Draft) -> bool {
        if !self.kinds.is_empty() && !self.kinds.contains(&event.kind) {
            return false;
        }
        if event.kind == Kind::Config {
            return true;
        }
        self.scope.as_ref().is_none_or(|scope| scope.admits(&event.labels))
            && (self.channels.is_empty() || event.channel.as_ref().is_some_and(|c| self.channels.contains(c)))
            && self.labels.iter().all(|(key, value)| event.labels.get(key) == Some(value))
            && (self.severities.is_empty() || event.severities.iter().any(|s| self.severities.contains(s)))
            && self.min_severity.is_none_or(|least| event.severities.iter().any(|s| *s >= least))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_view_shows_what_fits_and_what_leaves_it() {
        let event = Draft {
            kind: Kind::Alarm,
            channel: Some("vtv3".to_owned()),
            labels: [("group".to_owned(), "sport".to_owned())].into(),
            severities: vec![Severity::Minor, Severity::Critical],
            data: Value::Null,
        };
        let config = Draft { kind: Kind::Config, channel: None, labels: BTreeMap::new(), ..event.clone() };
        let view = View::default;
        for (view, alarm, change) in [
            (view(), true, true),
            (View { kinds: vec![Kind::Alarm], ..view() }, true, false),
            (View { kinds: vec![Kind::Config], ..view() }, false, true),
            (View { channels: vec!["vtv3".into()], ..view() }, true, true),
            (View { channels: vec!["vtv1".into()], ..view() }, false, true),
            (View { severities: vec![Severity::Critical], ..view() }, true, true),
            (View { severities: vec![Severity::Major], ..view() }, false, true),
            (View { min_severity: Some(Severity::Major), ..view() }, true, true),
            (View { labels: [("group".into(), "news".into())].into(), ..view() }, false, true),
            (View { scope: Some("group=sport|news".parse().unwrap()), ..view() }, true, true),
            (View { scope: Some("group=news".parse().unwrap()), ..view() }, false, true),
        ] {
            assert_eq!((view.shows(&event), view.shows(&config)), (alarm, change), "{view:?}");
        }
    }
}
