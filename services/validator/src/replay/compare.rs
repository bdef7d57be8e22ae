//! What a replay says against what was published at the same place of the capture stream.

use std::collections::{BTreeMap, BTreeSet};

use ow_domain::verdict::{Position, Verdict};
use ow_domain::{ChannelId, Time};
use serde::Serialize;
use serde_json::Value;

use super::{Replayer, verdicts};
use crate::judging::Step;

/// Most published verdicts that are held at a time.
pub const MAX_PUBLISHED: usize = 50_000;
/// Differing fields that are told of one verdict.
const MAX_FIELDS: usize = 20;

/// Published verdicts, and how many of them were met again.
#[derive(Debug, Default)]
pub struct Comparison {
    waiting: BTreeMap<(u64, ChannelId), Verdict>,
    /// Changes before this time are not compared.
    from: Time,
    summary: Summary,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Summary {
    pub equal: u64,
    pub different: u64,
    /// Changes that the replay saw and nobody published.
    pub unpublished: u64,
    /// Published verdicts whose fact was not among those judged: expired, or of another stream.
    pub not_judged: u64,
}

impl Summary {
    pub fn is_equal(&self) -> bool {
        self.different == 0 && self.unpublished == 0
    }
}

/// One verdict that is not as it was published.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// Published otherwise than judged now.
    Fields { channel: ChannelId, position: Position, as_of: Time, fields: Vec<FieldDifference> },
    /// The list of conditions changed here, and nothing was published.
    Unpublished { channel: ChannelId, position: Position, as_of: Time, conditions: Vec<String> },
}

/// A place in the verdict and its two values; `null` for absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldDifference {
    /// `conditions[0].severity`.
    pub path: String,
    pub published: Value,
    pub judged: Value,
}

impl Comparison {
    /// `published` in any order, of one stream; changes before `from` are not compared. False when there are more
    /// than [`MAX_PUBLISHED`].
    pub fn new(from: Time) -> Self {
        Self { from, ..Self::default() }
    }

    /// Adds what was published. False when there is no room: the range is too long to be compared.
    pub fn published(&mut self, verdict: Verdict) -> bool {
        if self.waiting.len() >= MAX_PUBLISHED {
            return false;
        }
        self.waiting.insert((verdict.position.seq, verdict.channel.clone()), verdict);
        true
    }

    /// Compares after each fact, in order. `epoch` is that of the facts.
    pub fn after(&mut self, replayer: &Replayer, step: &Step, position: Position) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut changed: BTreeSet<&ChannelId> = step.changed.iter().collect();
        // What is left of earlier places will not come any more.
        while let Some(entry) = self.waiting.first_entry() {
            let (seq, channel) = entry.key().clone();
            if seq > position.seq {
                break;
            }
            let published = entry.remove();
            let said = verdicts(step).filter(|v| v.channel == channel).last().cloned();
            let judged = if seq < position.seq { None } else { said.or_else(|| replayer.verdict(&channel)) };
            let Some(judged) = judged.filter(|judged| judged.position == published.position) else {
                self.summary.not_judged += 1;
                continue;
            };
            changed.remove(&channel);
            let fields = field_differences(&published, &judged);
            if fields.is_empty() {
                self.summary.equal += 1;
                continue;
            }
            self.summary.different += 1;
            found.push(Difference::Fields { channel, position, as_of: published.as_of, fields });
        }
        for judged in verdicts(step).filter(|v| changed.contains(&v.channel) && v.as_of >= self.from) {
            self.summary.unpublished += 1;
            found.push(Difference::Unpublished {
                channel: judged.channel.clone(),
                position,
                as_of: judged.as_of,
                conditions: judged.conditions.iter().map(|c| c.fingerprint.clone()).collect(),
            });
        }
        found
    }

    /// After the last fact.
    pub fn finish(mut self) -> Summary {
        self.summary.not_judged += self.waiting.len() as u64;
        self.summary
    }
}

/// Where two verdicts differ, at most 20 places; none means that their JSON is the same.
pub fn field_differences(published: &Verdict, judged: &Verdict) -> Vec<FieldDifference> {
    let mut found = Vec::new();
    let json = |verdict| serde_json::to_value(verdict).unwrap_or_default();
    walk("", &json(published), &json(judged), &mut found);
    found
}

fn walk(path: &str, a: &Value, b: &Value, found: &mut Vec<FieldDifference>) {
    if a == b || found.len() >= MAX_FIELDS {
        return;
    }
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            for key in x.keys().chain(y.keys().filter(|key| !x.contains_key(*key))) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&path, x.get(key).unwrap_or(&Value::Null), y.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(x), Value::Array(y)) => {
            for n in 0..x.len().max(y.len()) {
                let of = |list: &Vec<Value>| list.get(n).cloned().unwrap_or_default();
                walk(&format!("{path}[{n}]"), &of(x), &of(y), found);
            }
        }
        _ => found.push(FieldDifference { path: path.to_owned(), published: a.clone(), judged: b.clone() }),
    }
}
