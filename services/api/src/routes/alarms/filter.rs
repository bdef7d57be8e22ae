//! Which alarms are asked for: by parameters of a list, or in the body of an order.

use std::collections::BTreeMap;
use std::str::FromStr;

use ow_domain::access::Principal;
use ow_domain::incident::IncidentNumber;
use ow_domain::{ChannelId, Severity, Time};
use ow_store::alarms::{IncidentFilter, Shown, Sort};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::Query;
use crate::http::schema;

/// A word of `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateWord {
    Active,
    All,
    Just(Shown),
}

impl FromStr for StateWord {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "active" => Ok(Self::Active),
            "all" => Ok(Self::All),
            _ => Shown::ALL.into_iter().find(|shown| shown.as_str() == text).map(Self::Just).ok_or(()),
        }
    }
}

pub const STATE_WANTED: &str = "active, open, acked, suppressed, cleared or all";

/// The words as a set of states; empty: all.
pub fn shown(words: &[StateWord], default: &[Shown]) -> Vec<Shown> {
    if words.is_empty() {
        return default.to_vec();
    }
    if words.contains(&StateWord::All) {
        return Vec::new();
    }
    let mut all: Vec<Shown> = words
        .iter()
        .flat_map(|word| match word {
            StateWord::Active => Shown::ACTIVE.to_vec(),
            StateWord::All => Shown::ALL.to_vec(),
            StateWord::Just(shown) => vec![*shown],
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

/// Orders of a list; the first is the default.
pub const SORTS: &[&str] = &["-number", "number", "-severity", "-updated_at"];

/// Reads all parameters of a list but `count`. The text is the order, for cursors.
pub fn read(query: &mut Query, principal: &Principal, default: &[Shown]) -> (IncidentFilter, &'static str) {
    let words: Vec<StateWord> = query.list("state", STATE_WANTED);
    let sort = query.sort(SORTS).text;
    let filter = IncidentFilter {
        shown: shown(&words, default),
        severities: query.list::<Severity>("severity", "a severity such as major"),
        min_severity: query.value("min_severity", "a severity such as major"),
        channels: query.list::<ChannelId>("channel", "a channel name such as vtv3"),
        checks: query.list("check", "the id of a check"),
        packagers: query.list("packager", "the name of a packager"),
        regions: query.list("region", "the name of a region"),
        labels: query.with_prefix("label.").into_iter().collect(),
        scope: principal.label_scope.clone(),
        from: time(query, "from"),
        to: time(query, "to"),
        search: query.text("q"),
        with_info: query.flag("include_info"),
        sort: match sort {
            "number" => Sort::Oldest,
            "-severity" => Sort::Worst,
            "-updated_at" => Sort::Updated,
            _ => Sort::Newest,
        },
        limit: query.limit(),
        after: query.cursor(sort),
        ..IncidentFilter::default()
    };
    (filter, sort)
}

fn time(query: &mut Query, key: &str) -> Option<Time> {
    let text = query.text(key)?;
    let time = Time::parse_rfc3339(&text);
    if time.is_none() {
        query.error(key, "invalid-value", "is not a time such as 2026-11-22T09:41:07Z".into());
    }
    time
}

/// The same as JSON, in an order for many.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlarmFilter {
    /// `open`, `acked`, `suppressed`; none: each of them. What is cleared takes no orders.
    #[schema(value_type = Vec<String>)]
    pub state: Vec<Shown>,
    #[schema(schema_with = severities)]
    pub severity: Vec<Severity>,
    /// This severity and worse.
    #[schema(schema_with = schema::severity)]
    pub min_severity: Option<Severity>,
    #[schema(value_type = Vec<String>)]
    pub channel: Vec<ChannelId>,
    pub check: Vec<String>,
    pub packager: Vec<String>,
    pub region: Vec<String>,
    /// Labels of the channel.
    pub labels: BTreeMap<String, String>,
    /// Part of channel, check, title or message.
    #[schema(max_length = 200)]
    pub q: Option<String>,
}

fn severities() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    utoipa::openapi::ArrayBuilder::new().items(schema::severity()).into()
}

impl AlarmFilter {
    pub fn into_filter(self, principal: &Principal, limit: u32) -> IncidentFilter {
        let mut shown = self.state;
        shown.retain(|s| *s != Shown::Cleared);
        IncidentFilter {
            shown: if shown.is_empty() { Shown::ACTIVE.to_vec() } else { shown },
            severities: self.severity,
            min_severity: self.min_severity,
            channels: self.channel,
            checks: self.check,
            packagers: self.packager,
            regions: self.region,
            labels: self.labels,
            scope: principal.label_scope.clone(),
            search: self.q.filter(|q| !q.is_empty()),
            limit,
            ..IncidentFilter::default()
        }
    }
}

/// `1042` or `INC-1042`.
pub fn number(text: &str) -> Option<IncidentNumber> {
    text.strip_prefix("INC-").unwrap_or(text).parse().ok().filter(|n| *n > 0).map(IncidentNumber)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_state_are_sets() {
        let words = |text: &str| text.split(',').map(|w| w.parse().unwrap()).collect::<Vec<StateWord>>();
        for (text, expected) in [
            ("active", &Shown::ACTIVE[..]),
            ("open", &[Shown::Open]),
            ("cleared,open", &[Shown::Open, Shown::Cleared]),
            ("active,acked", &Shown::ACTIVE),
            ("acked,all", &[]),
        ] {
            assert_eq!(shown(&words(text), &Shown::ACTIVE), expected, "{text}");
        }
        assert_eq!(shown(&[], &Shown::ACTIVE), Shown::ACTIVE);
        assert!("firing".parse::<StateWord>().is_err());
        for (text, expected) in
            [("INC-7", Some(7)), ("7", Some(7)), ("0", None), ("-1", None), ("x", None), ("INC-", None)]
        {
            assert_eq!(number(text).map(|n| n.0), expected, "{text}");
        }
    }
}
