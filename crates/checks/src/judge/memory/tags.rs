//! When the tags that the operator's rules name were listed last.

use std::collections::BTreeMap;

use ow_domain::Time;
use serde::{Deserialize, Serialize};

use crate::settings::TagRuleInForce;

/// By tag. Holds those of the rules in force only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TagMemory {
    listed: BTreeMap<String, Time>,
}

impl TagMemory {
    /// Takes an accepted playlist in. A tag that was never listed counts from the first playlist on.
    pub(crate) fn take(&mut self, rules: &[TagRuleInForce], text: &str, at: Time) {
        let wanted = |tag: &String| rules.iter().any(|r| r.rule.every_s.is_some() && r.rule.tag == *tag);
        self.listed.retain(|tag, _| wanted(tag));
        for rule in rules.iter().filter(|r| r.rule.every_s.is_some()) {
            let tag = &rule.rule.tag;
            let is_it = |line: &str| line.strip_prefix('#').is_some_and(|l| l.split([':', ' ']).next() == Some(tag));
            let since = self.listed.entry(tag.clone()).or_insert(at);
            if text.lines().any(is_it) {
                *since = at;
            }
        }
    }

    pub fn listed_at(&self, tag: &str) -> Option<Time> {
        self.listed.get(tag).copied()
    }
}
